//! The thresholds of labels, chosen on the validation samples at the end of a stage that changes answers.
//!
//! A model has one threshold a label, by whichever route it answers: routes of one sample would else contradict each other
//! for no other reason than their thresholds. So they are chosen on late fusion and on routes drawn at random together,
//! half and half, once there are shortcuts; after pre-training on late fusion alone. The navigator's stage leaves them, since
//! it learns what answers are worth by them.

use tch::{Device, Kind, Tensor};

use super::cache::chunks;
use super::context::Context;
use super::fit::seed;
use super::run::Run;
use crate::Result;
use crate::network::Network;
use crate::task::{Task, best_thresholds};

/// Chooses the thresholds of the labels, where the task has labels and the stage has had an epoch.
pub(super) fn choose<N: Network>(context: &Context<'_, N>, run: &Run<'_>) -> Result<()> {
    let (stage, has_trained) = run.stage();
    if !matches!(context.task(), Task::Multilabel { .. }) || !has_trained {
        return Ok(());
    }
    let (samples, chunk) = (context.valid.len(), context.plan.fusion.batch);
    let features = context.route_features(&context.valid, chunk, run.progress)?;
    let full = |modality: usize| Tensor::full([samples], context.deepest(modality), (Kind::Int64, Device::Cpu));
    let mut routes: Vec<Vec<Tensor>> = vec![context.modalities().map(full).collect()];
    if stage != "pretrain" {
        tch::manual_seed(seed(run.seed, &format!("{stage}/thresholds"), 0));
        routes.push(context.random_routes(samples));
    }
    let answers = routes.iter().flat_map(|places| {
        chunks(samples, chunk as i64).map(|range| {
            let length = range.end - range.start;
            tch::no_grad(|| {
                let here = |modality: usize| places[modality].narrow(0, range.start, length);
                context.network.fuse(&context.along(&context.valid, &features, range.clone(), &here), false)
            })
        })
    });
    let logits = Tensor::cat(&answers.collect::<Vec<_>>(), 0);
    let target = context.valid.target(&Tensor::arange(samples, (Kind::Int64, Device::Cpu)));
    let thresholds = best_thresholds(&logits, &target.repeat([routes.len() as i64, 1]))?;
    tracing::info!(stage, ?thresholds, "what the logit of each label has to exceed");
    context.network.policies().set_thresholds(&thresholds)
}

#[cfg(test)]
mod tests {
    use tch::Tensor;

    use crate::data::Splits;
    use crate::evaluation::{Exits, Scores};
    use crate::network::Network;
    use crate::plan::{Navigator, Plan, Policy};
    use crate::predictor::{Options, Predictor};
    use crate::task::{Rule, best_thresholds};
    use crate::tiny::{Labelling, TinyInput, labelled};
    use crate::training::{Progress, Trainer};
    use crate::{Device, checkpoint, routing};

    fn trained() -> (Labelling, Splits<TinyInput>) {
        let splits = labelled(300, 120).unwrap();
        let mut network = Labelling::seeded(Device::Cpu, 3).unwrap();
        trainer().pretrain(&mut network, &splits, &mut Progress::silent()).unwrap();
        (network, splits)
    }

    fn trainer() -> Trainer {
        let plan = Labelling::plan();
        let navigator = Navigator { policy: Policy::Sequential, ..plan.navigator };
        Trainer::new(Plan { navigator, ..plan })
    }

    fn rule(network: &Labelling) -> Rule {
        network.policies().rule().unwrap()
    }

    #[test]
    fn late_fusion_has_the_best_f1_after_pretraining() {
        let (network, splits) = trained();
        let exits = Exits::of(&network, &splits.valid).unwrap();
        let logits = exits.by(routing::full::<Labelling>());
        let best = best_thresholds(&logits, splits.valid.target()).unwrap();
        assert_eq!(rule(&network), Rule::of_labels(best));
        let macro_f1 = |rule: Rule| match Scores::of(rule, &logits, splits.valid.target()).unwrap() {
            Scores::Multilabel { macro_f1, .. } => macro_f1,
            other => panic!("{other:?}"),
        };
        let (half, chosen) = (macro_f1(Labelling::description().task.into()), macro_f1(rule(&network)));
        assert!(chosen > half + 0.02, "{chosen} by thresholds, {half} by one half");
    }

    #[test]
    fn every_decision_goes_by_them() {
        let (mut network, splits) = trained();
        let mut progress = Progress::silent();
        let before = rule(&network);
        trainer().shortcuts(&mut network, &splits, &mut progress).unwrap();
        trainer().fusion(&mut network, &splits, &mut progress).unwrap();
        let after = rule(&network);
        assert_ne!(before, after);
        trainer().navigator(&mut network, &splits, &mut progress).unwrap();
        assert_eq!(rule(&network), after);

        let answer =
            routing::predict_by(&network, &splits.valid.input().unwrap(), routing::full::<Labelling>()).unwrap();
        let labels = |rule: &Rule, logits: &Tensor| Vec::<Vec<bool>>::try_from(rule.decide(logits).unwrap()).unwrap();
        let expected = labels(&after, &answer.logits);
        assert_ne!(expected, labels(&Labelling::description().task.into(), &answer.logits));
        assert_eq!(answer.labels().unwrap(), expected);
        for (prediction, expected) in answer.predictions().unwrap().iter().zip(&expected) {
            let routing::Prediction::Labels { labels, .. } = prediction else { panic!("{prediction}") };
            assert_eq!(labels.len(), expected.iter().filter(|there| **there).count());
        }
        let exits = Exits::of(&network, &splits.valid).unwrap();
        assert_eq!(
            exits.score(&answer.logits).unwrap(),
            Scores::of(after.clone(), &answer.logits, exits.target()).unwrap()
        );

        let folder = tempfile::tempdir().unwrap();
        checkpoint::save(&network, folder.path()).unwrap();
        let mut loaded = Labelling::new(Device::Cpu).unwrap();
        checkpoint::load(&mut loaded, folder.path()).unwrap();
        assert_eq!(rule(&loaded), after);
        let predictor = Predictor::new(loaded, Options::default()).unwrap();
        let frozen = predictor.predict_by(&splits.valid.input().unwrap(), routing::full::<Labelling>()).unwrap();
        assert_eq!(frozen.rule(), &after);
    }

    #[test]
    fn a_training_without_epochs_chooses_none() {
        let splits = labelled(40, 20).unwrap();
        let mut network = Labelling::seeded(Device::Cpu, 3).unwrap();
        let mut plan = Labelling::plan();
        plan.pretrain.epochs = 0;
        plan.shortcuts.method = crate::plan::Method::Joint;
        Trainer::new(plan).pretrain(&mut network, &splits, &mut Progress::silent()).unwrap();
        assert_eq!(rule(&network), Rule::of_labels(vec![0.0; 3]));
    }
}
