//! The loss that teaches a network.

use tch::{Device, Kind, Reduction, Tensor};

use super::Task;
use crate::plan::{ClassWeights, Loss};
use crate::{Error, Result};

/// The loss that teaches a network: that of its plan, with the weights that its training samples give.
#[derive(Debug)]
pub struct Criterion(Form);

#[derive(Debug)]
enum Form {
    CrossEntropy { label_smoothing: f64, weights: Option<Tensor> },
    BinaryCrossEntropy { positive_weights: Option<Tensor> },
    Mae,
    Mse,
    Huber { delta: f64 },
}

impl Criterion {
    /// The loss of a plan for a task, with weights on `device`; `targets` are those of the training samples.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the loss is one of another task or has a setting out of range, named as in the spec; as
    /// [`Task::check`] where the targets are those of another task.
    pub fn new(task: Task, loss: &Loss, targets: &Tensor, device: Device) -> Result<Self> {
        task.check(targets, targets.size().first().copied().unwrap_or(0))?;
        let form = match (loss, task) {
            (Loss::CrossEntropy { label_smoothing, weights }, Task::Classification { classes }) => {
                let range = (0.0..1.0).contains(label_smoothing);
                require(range, "cross_entropy.label_smoothing", "a number from 0 to below 1", label_smoothing)?;
                let balanced = || {
                    let counts =
                        targets.to_device(Device::Cpu).bincount::<&Tensor>(None, classes).to_kind(Kind::Double);
                    let weights = (&counts * classes).reciprocal() * targets.size()[0];
                    weights.masked_fill(&counts.eq(0.0), 1.0)
                };
                let weights = numbers(weights, classes, "cross_entropy.weights", device, balanced)?;
                Form::CrossEntropy { label_smoothing: *label_smoothing, weights }
            }
            (Loss::BinaryCrossEntropy { positive_weights }, Task::Multilabel { labels }) => {
                let balanced = || {
                    let there = targets.sum_dim_intlist([0_i64].as_slice(), false, Kind::Double).to_device(Device::Cpu);
                    // A label that all samples have would else teach nothing.
                    let lacking = (-&there + targets.size()[0]).clamp_min(1.0);
                    (lacking / &there).masked_fill(&there.eq(0.0), 1.0)
                };
                let place = "binary_cross_entropy.positive_weights";
                Form::BinaryCrossEntropy {
                    positive_weights: numbers(positive_weights, labels, place, device, balanced)?,
                }
            }
            (Loss::Mae, Task::Regression { .. }) => Form::Mae,
            (Loss::Mse, Task::Regression { .. }) => Form::Mse,
            (Loss::Huber { delta }, Task::Regression { .. }) => {
                require(*delta > 0.0 && delta.is_finite(), "huber.delta", "a finite number above 0", delta)?;
                Form::Huber { delta: *delta }
            }
            (loss, task) => {
                return Err(Error::invalid(format!("plan, `training.loss`: {loss:?} is no loss of {task:?}")));
            }
        };
        Ok(Self(form))
    }

    /// The mean loss over a batch, a scalar; `logits` is `[batch, outputs]`, and `target` as the task has it.
    ///
    /// Where classes have weights, the mean is weighted by them, as PyTorch's is.
    ///
    /// # Panics
    /// Where the two do not fit, see [`Task::check`].
    pub fn of(&self, logits: &Tensor, target: &Tensor) -> Tensor {
        match &self.0 {
            Form::CrossEntropy { label_smoothing, weights } => {
                logits.cross_entropy_loss(target, weights.as_ref(), Reduction::Mean, -100, *label_smoothing)
            }
            Form::BinaryCrossEntropy { positive_weights } => logits.binary_cross_entropy_with_logits(
                target,
                None::<&Tensor>,
                positive_weights.as_ref(),
                Reduction::Mean,
            ),
            Form::Mae => logits.l1_loss(target, Reduction::Mean),
            Form::Mse => logits.mse_loss(target, Reduction::Mean),
            Form::Huber { delta } => logits.huber_loss(target, Reduction::Mean, *delta),
        }
    }
}

/// The weights of so many classes or labels, `[count]` of `f32`; `None` where they are equal.
fn numbers(
    weights: &ClassWeights,
    count: i64,
    place: &str,
    device: Device,
    balanced: impl FnOnce() -> Tensor,
) -> Result<Option<Tensor>> {
    let weights = match weights {
        ClassWeights::Equal => return Ok(None),
        ClassWeights::Balanced => balanced(),
        ClassWeights::Listed(weights) => {
            let fit = weights.len() as i64 == count && weights.iter().all(|weight| *weight > 0.0 && weight.is_finite());
            require(fit, place, &format!("{count} finite numbers above 0"), format!("{weights:?}"))?;
            Tensor::from_slice(weights)
        }
    };
    Ok(Some(weights.to_kind(Kind::Float).to_device(device)))
}

fn require(holds: bool, place: &str, expected: &str, found: impl std::fmt::Display) -> Result<()> {
    if holds {
        return Ok(());
    }
    Err(Error::invalid(format!("plan, `training.loss.{place}`: expected {expected}, found {found}")))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const CPU: Device = Device::Cpu;

    /// Losses and gradients by PyTorch, see `tests/fixtures/criteria.py`.
    #[test]
    fn losses_and_gradients_are_those_of_pytorch() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/criteria.safetensors");
        let fixture: BTreeMap<_, _> = Tensor::read_safetensors(path).unwrap().into_iter().collect();
        let (classes, labels, values) =
            (Task::Classification { classes: 4 }, Task::Multilabel { labels: 3 }, Task::Regression { targets: 2 });
        let listed = |weights: &[f64]| ClassWeights::Listed(weights.to_vec());
        let entropy = |label_smoothing, weights| Loss::CrossEntropy { label_smoothing, weights };
        let binary = |positive_weights| Loss::BinaryCrossEntropy { positive_weights };
        let cases = [
            ("cross_entropy", classes, Loss::of(classes)),
            ("cross_entropy_smoothed", classes, entropy(0.1, ClassWeights::Equal)),
            ("cross_entropy_weighted", classes, entropy(0.0, listed(&[0.5, 2.0, 1.0, 3.0]))),
            ("cross_entropy_both", classes, entropy(0.2, listed(&[0.5, 2.0, 1.0, 3.0]))),
            ("cross_entropy_balanced", classes, entropy(0.0, ClassWeights::Balanced)),
            ("binary", labels, Loss::of(labels)),
            ("binary_weighted", labels, binary(listed(&[0.5, 2.0, 10.0]))),
            ("binary_balanced", labels, binary(ClassWeights::Balanced)),
            ("mae", values, Loss::of(values)),
            ("mse", values, Loss::Mse),
            ("huber", values, Loss::Huber { delta: 0.7 }),
        ];
        for (name, task, loss) in cases {
            let get = |what: &str| &fixture[&format!("{name}.{what}")];
            let logits = get("logits").copy().set_requires_grad(true);
            let found = Criterion::new(task, &loss, get("target"), CPU).unwrap().of(&logits, get("target"));
            found.backward();
            for (found, what) in [(found.detach(), "loss"), (logits.grad(), "gradient")] {
                let error = (found - get(what)).abs().max().double_value(&[]);
                assert!(error <= 1e-6 * get(what).abs().max().double_value(&[]), "{name}: {what} is off by {error:e}");
            }
        }
    }

    #[test]
    fn what_no_training_sample_has_weighs_one() {
        let weights = |criterion: Criterion| match criterion.0 {
            Form::CrossEntropy { weights: Some(weights), .. } => Vec::<f64>::try_from(weights.to_kind(Kind::Double)),
            Form::BinaryCrossEntropy { positive_weights: Some(weights) } => {
                Vec::<f64>::try_from(weights.to_kind(Kind::Double))
            }
            other => panic!("{other:?}"),
        };
        let loss = Loss::CrossEntropy { label_smoothing: 0.0, weights: ClassWeights::Balanced };
        let targets = Tensor::from_slice(&[0i64, 0, 0, 2]);
        let found = weights(Criterion::new(Task::Classification { classes: 4 }, &loss, &targets, CPU).unwrap());
        // Four samples by four classes times three, none, one and none.
        assert!((found.unwrap()[0] - 1.0 / 3.0).abs() < 1e-7);
        let loss = Loss::BinaryCrossEntropy { positive_weights: ClassWeights::Balanced };
        let targets = Tensor::from_slice(&[1f32, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0]).view([3, 3]);
        let found = weights(Criterion::new(Task::Multilabel { labels: 3 }, &loss, &targets, CPU).unwrap());
        assert_eq!(found.unwrap(), [1.0 / 3.0f32, 1.0, 2.0].map(f64::from));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let message = |task: Task, loss: &Loss, targets: &Tensor| {
            Criterion::new(task, loss, targets, CPU).unwrap_err().to_string()
        };
        let (classes, targets) = (Task::Classification { classes: 2 }, Tensor::from_slice(&[0i64, 1]));
        assert!(
            message(classes, &Loss::Mae, &targets)
                .starts_with("plan, `training.loss`: Mae is no loss of Classification")
        );
        let smoothed = Loss::CrossEntropy { label_smoothing: 1.0, weights: ClassWeights::Equal };
        let expected =
            "plan, `training.loss.cross_entropy.label_smoothing`: expected a number from 0 to below 1, found 1";
        assert_eq!(message(classes, &smoothed, &targets), expected);
        let weighted = Loss::CrossEntropy { label_smoothing: 0.0, weights: ClassWeights::Listed(vec![1.0, 0.0]) };
        let expected =
            "plan, `training.loss.cross_entropy.weights`: expected 2 finite numbers above 0, found [1.0, 0.0]";
        assert_eq!(message(classes, &weighted, &targets), expected);
        let values = Tensor::zeros([2, 1], tch::kind::FLOAT_CPU);
        let message = message(Task::Regression { targets: 1 }, &Loss::Huber { delta: f64::NAN }, &values);
        assert_eq!(message, "plan, `training.loss.huber.delta`: expected a finite number above 0, found NaN");
    }
}
