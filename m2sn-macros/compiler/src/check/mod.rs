//! Spec to model: every check runs, so that all faults of a spec show at once.

mod encoder;
mod heads;
#[cfg(test)]
mod mutations;
mod names;
mod navigator;
#[cfg(test)]
mod speed;
#[cfg(test)]
mod tests;
mod training;
#[cfg(test)]
mod unfolding;
mod weights;

use crate::cost::Cost;
use crate::document::Document;
use crate::layer::Site;
use crate::model::{Layer, Modality, Model, Name, Task};
use crate::place::Place;
use crate::report::{Diagnostic, Errors, Severity};
use crate::shape::Shape;
use crate::spec::{self, Spec};

/// A checked model, and the warnings on the way to it.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) model: Model,
    /// In the order of the file.
    pub(crate) warnings: Vec<Diagnostic>,
}

/// Checks the text of a spec. `path` is the file as its user wrote it; `strukt` the name of the annotated struct,
/// which has to be that of the model.
///
/// # Errors
/// Every fault, warnings included, in the order of the file; where the text is no spec at all, the first only.
pub(crate) fn check(text: &str, path: &str, strukt: Option<&str>) -> Result<Checked, Vec<Diagnostic>> {
    let (document, faults) = Document::read(text);
    let mut errors = Errors::default();
    let unread = !faults.is_empty();
    for fault in faults {
        errors.push(fault);
    }
    let model = if unread {
        None
    } else {
        match document.parse::<Spec>() {
            Ok(spec) => model(&spec, &document, strukt, &mut errors),
            Err(fault) => {
                errors.push(fault);
                None
            }
        }
    };
    let diagnostics = errors.take(document.lines(), path, |place| document.offset(place));
    match model {
        Some(model) if diagnostics.iter().all(|diagnostic| diagnostic.severity == Severity::Warning) => {
            Ok(Checked { model, warnings: diagnostics })
        }
        _ => Err(diagnostics),
    }
}

/// What the checks share.
struct Context<'a> {
    document: &'a Document<'a>,
    task: Task,
}

impl Context<'_> {
    /// The line of a place, for what is generated from there.
    fn line(&self, place: &Place) -> usize {
        self.document.lines().number(self.document.offset(place))
    }
}

/// The most modalities of a network: what the runtime puts side by side.
const MAX_MODALITIES: usize = 12;

fn model(spec: &Spec, document: &Document<'_>, strukt: Option<&str>, errors: &mut Errors) -> Option<Model> {
    let root = Place::default();
    let task = task(&spec.task, &root.key("task"), errors);
    let context = Context { document, task };
    let name = names::model(spec, strukt, &context, errors);
    let training = training::check(&spec.training, task, &root.key("training"), errors);

    let place = root.key("modalities");
    if spec.modalities.0.is_empty() {
        errors.error(&place, "the network has no modality, and so nothing to fuse").help("add a modality");
    }
    if spec.modalities.0.len() > MAX_MODALITIES {
        errors
            .error(&place, format!("a network of {} modalities", spec.modalities.0.len()))
            .help(format!("write at most {MAX_MODALITIES}"));
        return None;
    }
    names::modalities(spec, &place, errors);
    let alone = spec.modalities.0.len() == 1;
    for (name, modality) in &spec.modalities.0 {
        encoder::missing(modality.missing, alone, &place.key(name), errors);
    }
    let inputs: Vec<_> = spec
        .modalities
        .0
        .iter()
        .map(|(name, modality)| encoder::input(modality.input, &place.key(name).key("input"), errors))
        .collect();
    training::augment(spec, &inputs, &root.key("training").key("augment"), errors);
    let modalities: Vec<_> = spec
        .modalities
        .0
        .iter()
        .zip(&inputs)
        .map(|((name, modality), input)| encoder::modality(name, modality, *input, &place.key(name), &context, errors))
        .collect();
    let modalities: Option<Vec<Modality>> = modalities.into_iter().collect();
    let fusion = heads::fusion(spec, modalities.as_deref(), errors);
    // The settings of the head are checked also where its input is not known.
    let head = heads::head(&spec.head, fusion.as_ref().map_or(1, |fusion| fusion.size), &context, errors);
    let embeddings = navigator::embeddings(spec, &inputs, &context, errors);
    navigator::settings(&spec.navigator, &root.key("navigator"), errors);
    if errors.any() {
        return None;
    }
    let modalities = modalities?;
    let (navigator, embed) = navigator::model(spec, embeddings?, &modalities, &context, errors)?;
    let navigator_spec = spec::Navigator { embed, ..spec.navigator.clone() };
    let resolved = Spec { navigator: navigator_spec, training: training.clone(), ..spec.clone() };
    Some(Model {
        name: name?,
        description: spec.description.clone(),
        task,
        outputs: outputs(&spec.task).names().to_vec(),
        modalities,
        fusion: fusion?,
        head: head?,
        navigator,
        training,
        resolved: resolved.to_yaml(),
    })
}

fn task(task: &spec::Task, place: &Place, errors: &mut Errors) -> Task {
    let (kind, setting, least) = match task {
        spec::Task::Classification { .. } => ("classification", "classes", 2),
        spec::Task::Multilabel { .. } => ("multilabel", "labels", 1),
        spec::Task::Regression { .. } => ("regression", "targets", 1),
    };
    let (place, outputs) = (place.key(kind).key(setting), outputs(task));
    let count = outputs.count();
    if crate::layer::size(count, setting, &place, errors).is_some_and(|count| count < least) {
        errors.error(&place, format!("`{setting}` is {count}")).help(format!("a `{kind}` has at least {least}"));
    }
    names::outputs(outputs.names(), setting, &place, errors);
    match task {
        spec::Task::Classification { .. } => Task::Classification { classes: count },
        spec::Task::Multilabel { .. } => Task::Multilabel { labels: count },
        spec::Task::Regression { .. } => Task::Regression { targets: count },
    }
}

/// The outputs of a task, whatever they are.
fn outputs(task: &spec::Task) -> &spec::Outputs {
    match task {
        spec::Task::Classification { classes: outputs }
        | spec::Task::Multilabel { labels: outputs }
        | spec::Task::Regression { targets: outputs } => outputs,
    }
}

impl Task {
    /// The width of the logits; at least 1, so that checks can go on past a wrong one.
    fn outputs(self) -> u64 {
        match self {
            Self::Classification { classes: count }
            | Self::Multilabel { labels: count }
            | Self::Regression { targets: count } => count.clamp(1, crate::layer::MAX_SIZE),
        }
    }
}

/// Sends a shape through one layer.
fn layer(name: Name, layer: &spec::Layer, site: &mut Site<'_>) -> Option<Layer> {
    let crate::layer::Inferred { operation, output, cost } = crate::layer::infer(layer, site)?;
    Some(Layer { name, operation, input: site.input, output, cost })
}

/// The width of a vector.
fn width(shape: Shape) -> Option<u64> {
    match shape {
        Shape::Vector { size } => Some(size),
        _ => None,
    }
}

/// What layers cost together.
fn total(layers: &[Layer]) -> Cost {
    layers.iter().map(|layer| layer.cost).sum()
}
