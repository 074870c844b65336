//! One seed: everything learns, is tried, and is timed.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::compare::Answers;
use super::contender::{Contender, best};
use super::difficulty;
use super::field::{Field, Measured, Tried, routes};
use super::networks::{Navigated, School, Shortcut, name_of};
use super::results::{Kind, Lambda, Seed, Settings};
use super::ways::{self, Learned};
use super::{AGAIN, FIXED, LATE_FUSION, Samples};
use crate::evaluation::{Curve, Point};
use crate::network::Network;
use crate::plan::{Latency, Method, Plan, Policy, Reads};
use crate::policy::Costs;
use crate::rivals::{AdaMml, Admn, DynMm, EeNet, Mixture, MmExit, Rival, SkipNet};
use crate::training::Progress;
use crate::{Device, Result};

/// The paper's navigators that read no inputs, by what they read.
const READING: [(&str, Reads); 2] = [("M²SN, reading stems", Reads::Stem), ("M²SN, reading exits", Reads::Posterior)];

/// What one seed has come to.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Outcome {
    pub(super) seed: Seed,
    /// What each method did on each sample, in the order of the rows.
    pub(super) answers: Vec<Answers>,
    /// Rivals that there cannot be of this network, and why; navigators that collapsed, and what has come of that.
    pub(super) remarks: Vec<String>,
}

/// By what and where one seed is run.
#[derive(Debug)]
pub(super) struct Job<'a> {
    /// Its seed is that of the job.
    pub(super) plan: Plan,
    pub(super) settings: &'a Settings,
    /// The number of samples that are timed one by one.
    pub(super) timed: usize,
    pub(super) costs: &'a Costs,
    pub(super) device: Device,
    pub(super) folder: &'a Path,
}

/// Trains everything, and measures it.
///
/// # Errors
/// As [`crate::training::Trainer::train`]; those of what is tried and timed.
pub(super) fn run<N: Network>(
    job: &Job<'_>,
    samples: &Samples<N::Input>,
    progress: &mut Progress,
    say: &mut dyn FnMut(&str),
) -> Result<Outcome> {
    let Job { plan, settings, costs, device, folder, timed } = job;
    let splits = &samples.splits;
    let test = &samples.test.to_device(*device)?;
    let school = School::<N> { plan, splits, costs, device: *device, folder };
    let main = plan.shortcuts.method;

    say("pre-training late fusion");
    let pretrained = school.pretrained(progress)?;
    let mut shortcuts: Vec<Shortcut<N>> = Vec::new();
    for method in methods(main) {
        say(&format!("training shortcuts and fusion, {}", name_of(method)));
        shortcuts.push(school.shortcuts(method, progress)?);
    }
    say("training the paper's navigators");
    let mut navigate = |method, latency| school.navigated(method, latency, progress);
    let by_method = shortcuts.iter().map(|shortcut| navigate(shortcut.method, plan.navigator.latency));
    let by_method = by_method.collect::<Result<Vec<_>>>()?;
    let unhurried = navigate(main, Latency::Weight(0.0))?;
    let navigated = settings.ratios.iter().map(|ratio| navigate(main, Latency::Ratio(*ratio)));
    let navigated = navigated.collect::<Result<Vec<_>>>()?;
    say("training learned policies");
    for (_, reads) in READING {
        school.reading(&mut shortcuts[0].network, reads, progress)?;
    }
    for policy in Policy::LEARNED {
        school.policy(&mut shortcuts[0].network, policy, progress)?;
    }
    let names = shortcuts.iter().map(|shortcut| format!("`M²SN, {}`", name_of(shortcut.method)));
    let named = names.zip(&by_method).chain(navigated.iter().map(|navigated| ("`M²SN`".to_owned(), navigated)));
    let repairs = named.filter_map(|(name, navigated)| Some(format!("{name}: {}", navigated.repair.as_ref()?)));
    let mut remarks: Vec<String> = repairs.collect();
    let mut rivals = Rivals { school: &school, main, progress, say, remarks: &mut remarks };
    let mixture = rivals.learn::<Mixture<N>>()?;
    let eenet = rivals.learn::<EeNet<N>>()?;
    let mmexit = rivals.learn::<MmExit<N>>()?;
    let adamml = rivals.learn::<AdaMml<N>>()?;
    let dynmm = rivals.learn::<DynMm<N>>()?;
    let admn = rivals.learn::<Admn<N>>()?;
    let skipnet = rivals.learn::<SkipNet<N>>()?;

    say("trying everything on validation and test samples");
    let network = &shortcuts[0].network;
    let learned = Policy::LEARNED.map(|policy| Learned::of(network, policy, costs));
    let learned = learned.into_iter().collect::<Result<Vec<_>>>()?;
    let (before, after) = (Tried::of(&pretrained, splits, test)?, Tried::of(network, splits, test)?);
    let late_fusion = before.valid.point(&ways::late_fusion::<N>(), costs)?.quality;
    let groups = difficulty::groups(&before.test.exits)?;
    let least = late_fusion - settings.within;
    let mut field = Field { splits, test, costs, least, groups, members: Vec::new() };

    for (index, modality) in N::description().modalities.iter().enumerate() {
        let setting = vec![ways::alone::<N>(index)];
        field.enter(Contender::new(format!("{} alone", modality.name), Kind::Alone, &pretrained, setting), &before)?;
    }
    for name in [LATE_FUSION, AGAIN] {
        field.enter(Contender::new(name, Kind::Static, &pretrained, vec![ways::late_fusion::<N>()]), &before)?;
    }
    let whole = vec![ways::late_fusion::<N>()];
    field.enter(Contender::new("late fusion, all stages", Kind::Static, network, whole), &after)?;
    field.enter(Contender::new(FIXED, Kind::Static, network, ways::routes::<N>(costs)), &after)?;
    field.enter_rival(Kind::Static, mixture.as_ref())?;

    let (lambdas, curve) = by_lambda(&navigated, &mut field)?;
    for (Shortcut { method, .. }, Navigated { network, .. }) in shortcuts.iter().zip(&by_method) {
        let (name, setting) = (format!("M²SN, {}", name_of(*method)), vec![ways::paper(network, Reads::Inputs)?]);
        let tried = Tried::of(network, splits, test)?;
        field.enter(Contender::new(name, Kind::Paper, network, setting), &tried)?;
    }
    for (name, reads) in READING {
        let setting = vec![ways::paper(network, reads)?];
        field.enter(Contender::new(name, Kind::Paper, network, setting), &after)?;
    }
    let setting = vec![ways::paper(&unhurried.network, Reads::Inputs)?];
    let contender = Contender::new("M²SN without latency", Kind::Paper, &unhurried.network, setting);
    field.enter(contender, &Tried::of(&unhurried.network, splits, test)?)?;

    for learned in &learned {
        let contender = Contender::new(learned.policy.name(), Kind::Learned, network, learned.settings(costs));
        field.enter(contender, &after)?;
    }
    field.enter_rival(Kind::Rival, eenet.as_ref())?;
    field.enter_rival(Kind::Rival, mmexit.as_ref())?;
    field.enter_rival(Kind::Rival, adamml.as_ref())?;
    field.enter_rival(Kind::Rival, dynmm.as_ref())?;
    field.enter_rival(Kind::Rival, admn.as_ref())?;
    field.enter_rival(Kind::Rival, skipnet.as_ref())?;

    let price = plan.navigator.price;
    let oracle = after.test.exits.oracle_at(costs, price)?;
    let points = after.test.exits.oracle_front(costs)?;
    say("timing everything in turns");
    let Measured { rows, answers, mut curves, difficulties } = field.time(settings, *timed, (&oracle, price))?;
    curves.extend(curve);
    curves.push(Curve { name: "oracle".into(), points });
    let training = shortcuts.into_iter().map(|Shortcut { method, mut training, .. }| {
        let row = rows.iter().find(|row| row.name == format!("M²SN, {}", name_of(method)));
        if let Some(row) = row {
            training.quality = row.scores.quality();
            training.milliseconds = row.latencies.first().map_or(0.0, |latency| latency.milliseconds.value);
        }
        training
    });
    let training = training.collect();
    let count = |data: i64| usize::try_from(data).unwrap_or(0);
    let samples = [splits.train.len(), splits.valid.len(), test.len()].map(count);
    let table = costs.table().clone();
    let seed = Seed { seed: plan.seed, samples, table, rows, curves, training, lambdas, difficulties };
    Ok(Outcome { seed, answers, remarks })
}

/// The method of the spec, then those of the paper.
fn methods(main: Method) -> Vec<Method> {
    let others = [Method::Integral, Method::Peripheral].into_iter().filter(|method| *method != main);
    std::iter::once(main).chain(others).collect()
}

/// Enters M²SN with the λ that does best on validation samples, and says what all of them come to on test samples.
fn by_lambda<'a, N: Network>(
    navigated: &'a [Navigated<N>],
    field: &mut Field<'a, N>,
) -> Result<(Vec<Lambda>, Option<Curve>)> {
    let (mut lambdas, mut on_valid, mut on_test) = (Vec::new(), Vec::new(), Vec::new());
    for Navigated { ratio, lambda, network, .. } in navigated {
        let tried = Tried::of(network, field.splits, field.test)?;
        let mut setting = ways::paper(network, Reads::Inputs)?;
        setting.by = format!("λ ratio {ratio}");
        on_valid.push(tried.valid.point(&setting, field.costs)?);
        let trial = tried.test.run(&setting, field.costs, None)?;
        let point = tried.test.point_of(&trial, &setting, field.costs)?;
        let one_route = routes::<N>(&trial.states).first().map_or(0.0, |(_, share)| *share);
        let Point { quality, share, .. } = point;
        lambdas.push(Lambda { ratio: *ratio, lambda: *lambda, quality, share, one_route });
        on_test.push(point);
    }
    let Some(Navigated { ratio, network, .. }) = navigated.get(best(&on_valid, field.least)) else {
        return Ok((lambdas, None));
    };
    let mut setting = ways::paper(network, Reads::Inputs)?;
    setting.by = format!("λ ratio {ratio}");
    let tried = Tried::of(network, field.splits, field.test)?;
    field.enter(Contender::new("M²SN", Kind::Paper, network, vec![setting]), &tried)?;
    on_test.sort_by(|left, right| left.share.total_cmp(&right.share));
    Ok((lambdas, Some(Curve { name: "M²SN".into(), points: on_test })))
}

/// Has rivals learn, one after the other.
struct Rivals<'a, 'b, N: Network> {
    school: &'a School<'b, N>,
    main: Method,
    progress: &'a mut Progress,
    say: &'a mut dyn FnMut(&str),
    remarks: &'a mut Vec<String>,
}

impl<N: Network> Rivals<'_, '_, N> {
    fn learn<R: Rival<N>>(&mut self) -> Result<Option<R>> {
        (self.say)(&format!("training {}", R::NAME));
        let learned = self.school.rival::<R>(self.main, self.progress)?;
        Ok(learned.map_err(|reason| self.remarks.push(format!("left out, {}: {reason}", R::NAME))).ok())
    }
}
