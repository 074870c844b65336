use crate::layer::size;
use crate::model::Task;
use crate::place::Place;
use crate::report::{Errors, suggest};
use crate::shape::Shape;
use crate::spec::{Augment, ClassWeights, Loss, Method, Metric, Optimizer, Schedule, Spec, Stage, Training};

/// Checks the settings of a training; what the task decides is filled in.
pub(super) fn check(training: &Training, task: Task, place: &Place, errors: &mut Errors) -> Training {
    let Training { seed, loss, select, pretrain, shortcuts, fusion, navigator, augment: _ } = training;
    let loss = loss.clone().unwrap_or_else(|| default_loss(task));
    self::loss(&loss, task, &place.key("loss"), errors);
    metric(*select, task, &place.key("select"), errors);
    for (name, stage) in [("pretrain", pretrain), ("shortcuts", &shortcuts.stage), ("fusion", fusion)] {
        stage.select.iter().for_each(|select| metric(*select, task, &place.key(name).key("select"), errors));
    }
    if navigator.select.is_some() {
        errors
            .error(&place.key("navigator").key("select").on_key(), "`select` in the stage of the navigator")
            .help("leave it out: what the navigator learns by weighs quality against time, and so does what selects its epoch");
    }
    if i64::try_from(*seed).is_err() {
        errors.error(&place.key("seed"), format!("the seed {seed} is out of range")).help("write at most 2^63 - 1");
    }
    // What a stage takes from `pretrain` is checked there alone.
    pretrain_epochs(pretrain.epochs, shortcuts.method, &place.key("pretrain").key("epochs"), errors);
    stage(pretrain, None, &place.key("pretrain"), errors);
    for (name, later) in [("shortcuts", &shortcuts.stage), ("fusion", fusion), ("navigator", navigator)] {
        size(later.epochs, "epochs", &place.key(name).key("epochs"), errors);
        stage(later, Some(pretrain), &place.key(name), errors);
    }
    Training { loss: Some(loss), ..training.clone() }
}

fn default_loss(task: Task) -> Loss {
    match task {
        Task::Classification { .. } => Loss::CrossEntropy { label_smoothing: 0.0, weights: None },
        Task::Multilabel { .. } => Loss::BinaryCrossEntropy { positive_weights: None },
        Task::Regression { .. } => Loss::Mae,
    }
}

/// Checks that a loss is one of the task, and its settings.
fn loss(loss: &Loss, task: Task, place: &Place, errors: &mut Errors) {
    let (kind, own) = match task {
        Task::Classification { .. } => ("a classification", "`cross_entropy`"),
        Task::Multilabel { .. } => ("labels", "`binary_cross_entropy`"),
        Task::Regression { .. } => ("real values", "`mae`, `mse` and `huber`"),
    };
    match (loss, task) {
        (Loss::CrossEntropy { label_smoothing, weights }, Task::Classification { classes }) => {
            let place = place.key("cross_entropy");
            if !(0.0..1.0).contains(label_smoothing) {
                errors
                    .error(
                        &place.key("label_smoothing"),
                        format!("a label smoothing of {label_smoothing} is out of range"),
                    )
                    .help("write a number from 0 to below 1; 0.1 is common");
            }
            self::weights(weights.as_ref(), classes, "class", "classes", &place.key("weights"), errors);
        }
        (Loss::BinaryCrossEntropy { positive_weights }, Task::Multilabel { labels }) => {
            let place = place.key("binary_cross_entropy").key("positive_weights");
            weights(positive_weights.as_ref(), labels, "label", "labels", &place, errors);
        }
        (Loss::Huber { delta }, Task::Regression { .. }) => {
            if !(*delta > 0.0 && *delta <= MAX_DELTA) {
                errors
                    .error(&place.key("huber").key("delta"), format!("a `delta` of {delta} is out of range"))
                    .help(format!("write a number above 0, at most {MAX_DELTA}; 1 is common"));
            }
        }
        (Loss::Mae | Loss::Mse, Task::Regression { .. }) => {}
        (loss, _) => {
            errors
                .error(place, format!("`{}` is no loss of {kind}", loss.name()))
                .help(format!("the losses of {kind} are {own}"));
        }
    }
}

/// The largest difference that the loss of Huber squares.
const MAX_DELTA: f64 = 1e6;

/// The largest weight of a class or a label.
const MAX_WEIGHT: f64 = 1e6;

fn weights(weights: Option<&ClassWeights>, count: u64, what: &str, plural: &str, place: &Place, errors: &mut Errors) {
    let Some(ClassWeights::Listed(weights)) = weights else { return };
    if weights.len() as u64 != count {
        errors
            .error(place, format!("{} weights of {count} {plural}", weights.len()))
            .help(format!("write one number a {what}, or `balanced`"));
    }
    for (entry, weight) in weights.iter().enumerate().filter(|(_, weight)| !(**weight > 0.0 && **weight <= MAX_WEIGHT))
    {
        errors
            .error(&place.entry(entry), format!("a weight of {weight} is out of range"))
            .help(format!("write a number above 0, at most {MAX_WEIGHT}"));
    }
}

/// Checks that a metric is one of the task.
fn metric(metric: Metric, task: Task, place: &Place, errors: &mut Errors) {
    use Metric::{Accuracy, BinaryAccuracy, Correlation, Loss, MacroF1, Mae, MicroF1, SubsetAccuracy, WeightedF1};
    let (kind, own): (_, &[Metric]) = match task {
        Task::Classification { .. } => ("a classification", &[Loss, Accuracy, MacroF1, WeightedF1]),
        Task::Multilabel { .. } => ("labels", &[Loss, MicroF1, MacroF1, SubsetAccuracy]),
        Task::Regression { .. } => ("real values", &[Loss, Mae, Correlation, BinaryAccuracy]),
    };
    if !own.contains(&metric) {
        let names: Vec<_> = own.iter().map(|metric| format!("`{}`", metric.name())).collect();
        errors
            .error(place, format!("`{}` is not measured of {kind}", metric.name()))
            .help(format!("choose one of {}", names.join(", ")));
    }
}

/// Checks that samples are changed in ways that they have.
pub(super) fn augment(spec: &Spec, inputs: &[Option<Shape>], place: &Place, errors: &mut Errors) {
    let names: Vec<_> = spec.modalities.0.iter().map(|(name, _)| name.as_str()).collect();
    for (name, augment) in &spec.training.augment.0 {
        let place = place.key(name);
        match names.iter().position(|known| known == name) {
            None => {
                errors
                    .error(&place.on_key(), format!("`{name}`, whose samples are to be changed, is no modality"))
                    .help(suggest(name, &names, "the modalities are"));
            }
            // What is wrong with an input is reported already.
            Some(index) => {
                if let Some(input) = inputs[index] {
                    augment_of(augment, input, &place, errors);
                }
            }
        }
    }
}

fn augment_of(augment: &Augment, input: Shape, place: &Place, errors: &mut Errors) {
    let Augment { flip, crop, spec_augment } = augment;
    let is_image = matches!(input.in_floats(), Shape::Image { .. } | Shape::Video { .. });
    for (key, is_there) in [("flip", flip.is_some()), ("crop", crop.is_some())] {
        if is_there && !is_image {
            errors
                .error(
                    &place.key(key).on_key(),
                    format!("`{key}` is for images and videos, and the input is `{input}`"),
                )
                .help("leave it out");
        }
    }
    if let (Some(_), Shape::Video { channels: 2, .. }) = (flip, input.in_floats()) {
        errors
            .error(
                &place.key("flip").on_key(),
                "a video of two channels is optical flow, which a flip would turn around",
            )
            .help("leave it out");
    }
    if let Some(crop) = crop {
        let place = place.key("crop").key("padding");
        let side = match input.in_floats() {
            Shape::Image { height, width, .. } | Shape::Video { height, width, .. } => height.min(width),
            _ => u64::MAX,
        };
        if size(crop.padding, "padding", &place, errors).is_some_and(|padding| padding > side) {
            errors
                .error(&place, format!("a border of {} pixels around a side of {side}", crop.padding))
                .help("write a fraction of that, such as an eighth");
        }
    }
    let Some(masks) = spec_augment else { return };
    let place = place.key("spec_augment");
    let [steps, features] = match input.in_floats() {
        Shape::Sequence { length, features } => [length, features],
        Shape::Image { height, width, .. } => [width, height],
        _ => {
            let message = format!("`spec_augment` is for sequences and images, and the input is `{input}`");
            errors.error(&place.on_key(), message).help("leave it out");
            return;
        }
    };
    for (key, widest, most) in [("time", masks.time, steps), ("frequency", masks.frequency, features)] {
        if widest > most {
            errors
                .error(&place.key(key), format!("a mask of up to {widest} on samples of {most}"))
                .help("write a fraction of that, such as a tenth");
        }
    }
    size(masks.masks, "masks", &place.key("masks"), errors);
}

/// Pre-training can be left out where everything learns together later on.
fn pretrain_epochs(epochs: u64, method: Method, place: &Place, errors: &mut Errors) {
    match (epochs, method) {
        (0, Method::Joint) => {}
        (0, Method::Integral | Method::Peripheral) => {
            errors.error(place, "`epochs` is 0").help(
                "write a whole number of at least 1: `integral` and `peripheral` shortcuts need a pre-trained network; \
                 `shortcuts: { method: joint }` can do without",
            );
        }
        _ => {
            size(epochs, "epochs", place, errors);
        }
    }
}

/// Checks what all stages have in common.
fn stage(stage: &Stage, defaults: Option<&Stage>, place: &Place, errors: &mut Errors) {
    let Stage { epochs: _, batch, optimizer, schedule, patience, select: _ } = stage;
    if defaults.is_none_or(|defaults| defaults.batch != *batch) {
        size(*batch, "batch", &place.key("batch"), errors);
    }
    if let Some(patience) = patience {
        size(*patience, "patience", &place.key("patience"), errors);
    }
    if defaults.is_none_or(|defaults| defaults.optimizer != *optimizer) {
        self::optimizer(optimizer, &place.key("optimizer"), errors);
    }
    if defaults.is_none_or(|defaults| defaults.schedule != *schedule) {
        self::schedule(schedule, &place.key("schedule"), errors);
    }
}

fn optimizer(optimizer: &Optimizer, place: &Place, errors: &mut Errors) {
    let (place, rate, decay) = match *optimizer {
        Optimizer::AdamW { lr, weight_decay } => (place.key("adamw"), lr, weight_decay),
        Optimizer::Sgd { lr, momentum, weight_decay } => {
            let place = place.key("sgd");
            if !(0.0..1.0).contains(&momentum) {
                errors
                    .error(&place.key("momentum"), format!("a momentum of {momentum} is out of range"))
                    .help("write a number from 0 to below 1; 0.9 is common");
            }
            (place, lr, weight_decay)
        }
    };
    if !(rate > 0.0 && rate <= 10.0) {
        errors
            .error(&place.key("lr"), format!("a learning rate of {rate} is out of range"))
            .help("write a number above 0, at most 10; 0.001 is common for AdamW");
    }
    if !(0.0..=1.0).contains(&decay) {
        errors
            .error(&place.key("weight_decay"), format!("a weight decay of {decay} is out of range"))
            .help("write a number from 0 to 1; 0.01 is common");
    }
}

fn schedule(schedule: &Schedule, place: &Place, errors: &mut Errors) {
    match *schedule {
        Schedule::Constant => {}
        Schedule::Cosine { warmup } => {
            if !(0.0..1.0).contains(&warmup) {
                errors
                    .error(&place.key("cosine").key("warmup"), format!("a warm-up of {warmup} is out of range"))
                    .help("write the share of the steps, from 0 to below 1; 0.05 is common");
            }
        }
        Schedule::Step { epochs, gamma } => {
            let place = place.key("step");
            size(epochs, "epochs", &place.key("epochs"), errors);
            if !(gamma > 0.0 && gamma <= 1.0) {
                errors
                    .error(&place.key("gamma"), format!("a factor of {gamma} is out of range"))
                    .help("write a number above 0, at most 1; 0.1 is common");
            }
        }
    }
}
