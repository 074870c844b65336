//! What becomes of answers where a sample lacks its picture or its sound.

use m2sn::batch::Feature;
use m2sn::data::Dataset;
use m2sn::evaluation::Exits;
use m2sn::network::{Description, Input as _, Network};
use m2sn::plan::Policy;
use m2sn::policy::Budget;
use m2sn::tch::{self, Kind, Tensor};
use m2sn::{Result, routing};
use serde::Serialize;

/// Test samples some of which lack a modality.
#[derive(Debug, Serialize)]
pub(crate) struct Lacking {
    /// Which samples lack what.
    pub(crate) what: String,
    /// The accuracy of the best network of a single modality; of samples that lack it, it guesses.
    pub(crate) alone: f64,
    /// Its modality.
    pub(crate) by: &'static str,
    /// The accuracy of late fusion after all stages.
    pub(crate) late_fusion: f64,
    /// The accuracy of the sequential policy.
    pub(crate) sequential: f64,
    /// The mean share of late fusion's time that the sequential policy takes, by the latency table, looks included.
    pub(crate) ratio: f64,
}

/// Tries the network, and its uni-modal networks as they were `pretrained`, on samples with gaps.
///
/// A network whose spec does not say that a modality may be missing gets zeros in its place.
pub(crate) fn lacking<N: Network>(
    pretrained: &N,
    model: &N,
    test: &Dataset<N::Input>,
    budget: Budget,
) -> Result<Vec<Lacking>> {
    let Description { modalities, task, .. } = N::description();
    let samples = test.len();
    let late_fusion = model.policies().costs()?.late_fusion();
    let chance = 1.0 / task.outputs() as f64;
    let unimodal = Exits::of(pretrained, test)?;
    let none = || Tensor::zeros([samples], (Kind::Bool, tch::Device::Cpu));
    let all = || none().logical_not();
    let third = |rest: i64| {
        let rows = Tensor::arange(samples, (Kind::Int64, tch::Device::Cpu));
        rows.remainder(modalities.len() as i64 + 1).eq(rest)
    };
    let mut cases = vec![("nothing".to_owned(), modalities.iter().map(|_| none()).collect::<Vec<_>>())];
    for (index, modality) in modalities.iter().enumerate() {
        let missing = (0..modalities.len()).map(|other| if other == index { all() } else { none() });
        cases.push((format!("all lack {}", modality.name), missing.collect()));
    }
    let each: Vec<Tensor> = (0..modalities.len() as i64).map(third).collect();
    cases.push((format!("a share of 1/{} each lacks one", modalities.len() + 1), each));

    let of = |(what, missing): (String, Vec<Tensor>)| {
        let exits = Exits::of(model, &without::<N>(test, &missing)?)?;
        let decided = exits.within(Policy::Sequential, budget)?;
        let alone = modalities.iter().enumerate().map(|(index, modality)| {
            let present = missing[index].logical_not();
            let logits = unimodal.alone(index, modality.exits.len() - 1)?;
            let right = logits.argmax(-1, false).eq_tensor(unimodal.target()).to_device(tch::Device::Cpu);
            let right = right.logical_and(&present).sum(Kind::Double).double_value(&[]);
            let guessed = chance * missing[index].sum(Kind::Double).double_value(&[]);
            Ok(((right + guessed) / samples as f64, modality.name))
        });
        let alone = alone.collect::<Result<Vec<(f64, &str)>>>()?;
        let (alone, by) = alone.into_iter().max_by(|(left, _), (right, _)| left.total_cmp(right)).unwrap_or((0.0, ""));
        Ok(Lacking {
            what,
            alone,
            by,
            late_fusion: exits.score(&exits.by(routing::full::<N>()))?.quality(),
            sequential: exits.score(&exits.along(&decided.routes)?)?.quality(),
            ratio: decided.milliseconds.iter().sum::<f64>() / samples as f64 / late_fusion,
        })
    };
    cases.into_iter().map(of).collect()
}

/// The same samples without what is `missing`, `[samples]` of `bool` a modality.
fn without<N: Network>(test: &Dataset<N::Input>, missing: &[Tensor]) -> Result<Dataset<N::Input>> {
    let fields = test.input()?.features().into_iter().zip(missing).zip(N::description().modalities);
    let fields = fields.map(|((field, missing), modality)| {
        let field = field.without(missing);
        Feature { present: field.present.filter(|_| modality.missing.is_some()), ..field }
    });
    let input = N::Input::from_features(fields.collect())?;
    Dataset::new(input, test.target().shallow_clone(), N::description().task)
}
