//! The metric that selects the epoch of a stage.

use tch::Tensor;

use crate::evaluation::Scores;
use crate::plan::Metric;
use crate::task::{Rule, Task, best_thresholds};
use crate::{Error, Result};

/// What logits come to by a metric of their task.
///
/// Labels are decided by the thresholds at which their F1 is highest here, as a network's are when its stage ends: early in
/// a training hardly a rare label is above one half, and epochs could not be told apart.
///
/// # Errors
/// As [`Scores::of`]; [`Error::Invalid`] where the metric is that of another task.
pub(super) fn measured(metric: Metric, rule: &Rule, logits: &Tensor, target: &Tensor) -> Result<f64> {
    let rule = match rule.task() {
        Task::Multilabel { .. } => rule.clone().with_thresholds(best_thresholds(logits, target)?),
        Task::Classification { .. } | Task::Regression { .. } => rule.clone(),
    };
    Ok(match (metric, Scores::of(rule, logits, target)?) {
        (Metric::Accuracy, Scores::Classification { accuracy, .. }) => accuracy,
        (Metric::WeightedF1, Scores::Classification { weighted_f1, .. }) => weighted_f1,
        (Metric::MacroF1, Scores::Classification { macro_f1, .. } | Scores::Multilabel { macro_f1, .. }) => macro_f1,
        (Metric::MicroF1, Scores::Multilabel { micro_f1, .. }) => micro_f1,
        (Metric::SubsetAccuracy, Scores::Multilabel { subset_accuracy, .. }) => subset_accuracy,
        (Metric::Mae, Scores::Regression { mean_absolute_error, .. }) => mean_absolute_error,
        // Answers that are all the same go along with nothing.
        (Metric::Correlation, Scores::Regression { correlation, .. }) => correlation.unwrap_or(0.0),
        (Metric::BinaryAccuracy, Scores::Regression { binary_accuracy, .. }) => binary_accuracy,
        (metric, _) => return Err(Error::invalid(format!("`{}` is measured of another task", metric.name()))),
    })
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;
    use crate::Device;
    use crate::evaluation::Exits;
    use crate::network::Network;
    use crate::plan::{Plan, Stage};
    use crate::routing;
    use crate::tiny::{Labelling, Tiny, labelled, samples};
    use crate::training::{Epoch, Progress, Trainer};

    /// Pre-trains by a plan, and returns its epochs.
    fn pretrain<N: Network>(network: &mut N, plan: Plan, splits: &crate::data::Splits<N::Input>) -> Vec<Epoch> {
        let epochs = Rc::new(RefCell::new(Vec::new()));
        let seen = Rc::clone(&epochs);
        let mut progress = Progress::silent().observed(move |epoch: &Epoch| {
            seen.borrow_mut().push(epoch.clone());
            std::ops::ControlFlow::Continue(())
        });
        Trainer::new(plan).pretrain(network, splits, &mut progress).unwrap();
        drop(progress);
        epochs.take()
    }

    fn selected<N: Network>(select: Metric, epochs: usize) -> Plan {
        let plan = N::plan();
        Plan { pretrain: Stage { select, epochs, ..plan.pretrain }, ..plan }
    }

    #[test]
    fn the_epoch_of_the_highest_accuracy_is_kept() {
        let splits = samples(200, 60).unwrap();
        let mut network = Tiny::seeded(Device::Cpu, 2).unwrap();
        let epochs = pretrain(&mut network, selected::<Tiny>(Metric::Accuracy, 6), &splits);
        let weighted = |epoch: &Epoch| {
            let [all, left, right] = ["accuracy", "accuracy/left", "accuracy/right"].map(|name| epoch.metrics[name]);
            (all + 0.5 * left + 0.5 * right) / 2.0
        };
        for epoch in &epochs {
            assert!((epoch.score - (1.0 - weighted(epoch))).abs() < 1e-12);
            assert_eq!(epoch.select, Metric::Accuracy);
        }
        let best = epochs.iter().rfind(|epoch| epoch.best).unwrap();
        assert!(epochs.iter().all(|epoch| weighted(epoch) <= weighted(best)));
        let exits = Exits::of(&network, &splits.valid).unwrap();
        let Scores::Classification { accuracy, .. } = exits.score(&exits.by(routing::full::<Tiny>())).unwrap() else {
            panic!("a classification")
        };
        assert!((accuracy - best.metrics["accuracy"]).abs() < 1e-12);
    }

    #[test]
    fn labels_are_measured_at_the_thresholds_that_they_would_get() {
        let splits = labelled(200, 80).unwrap();
        let mut network = Labelling::seeded(Device::Cpu, 2).unwrap();
        let epochs = pretrain(&mut network, selected::<Labelling>(Metric::MacroF1, 3), &splits);
        let best = epochs.iter().rfind(|epoch| epoch.best).unwrap();
        let exits = Exits::of(&network, &splits.valid).unwrap();
        let Scores::Multilabel { macro_f1, .. } = exits.score(&exits.by(routing::full::<Labelling>())).unwrap() else {
            panic!("labels")
        };
        assert!((macro_f1 - best.metrics["macro_f1"]).abs() < 1e-12);
    }

    #[test]
    fn a_metric_of_another_task_is_refused_before_anything_is_trained() {
        let splits = samples(20, 10).unwrap();
        let mut network = Tiny::new(Device::Cpu).unwrap();
        let mut refused =
            |plan| Trainer::new(plan).pretrain(&mut network, &splits, &mut Progress::silent()).unwrap_err().to_string();
        let message = refused(selected::<Tiny>(Metric::Mae, 1));
        let expected =
            "`training.pretrain.select`: expected one of `loss`, `accuracy`, `macro_f1`, `weighted_f1`, found mae";
        assert!(message.contains(expected), "{message}");
        let mut plan = Tiny::plan();
        plan.navigator.stage.select = Metric::Accuracy;
        assert!(refused(plan).contains("`training.navigator.select`: expected one of `loss`, found accuracy"));
    }
}
