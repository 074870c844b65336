//! One seed: trains the network stage by stage, and measures it against what it competes with.

use std::fs;
use std::path::{Path, PathBuf};

use m2sn::evaluation::{
    Batched, Calibration, Candidate, Deadline, Exits, Front, Frozen, Report, Way, batches, deadlines, frozen, routed,
    study, timing,
};
use m2sn::latency::{self, Table};
use m2sn::network::{Input as _, Network, Route as _};
use m2sn::plan::{Latency, Navigator, Plan, Policy};
use m2sn::policy::{Budget, Costs, Paper};
use m2sn::predictor::{Options, Predictor};
use m2sn::tch::{self, Tensor};
use m2sn::training::{Progress, StageReport, Trainer};
use m2sn::{Device, Error, Result, checkpoint, data, routing};
use serde::Serialize;

use crate::digits::{Digits, Splits};
use crate::missing::{Lacking, lacking};
use crate::program::say;

/// What one seed has shown.
#[derive(Debug, Serialize)]
pub(crate) struct Study {
    pub(crate) seed: u64,
    /// Every competitor on the test samples.
    pub(crate) report: Report,
    /// How test samples of different difficulty fare.
    pub(crate) groups: Vec<Group>,
    /// Quality against time, for everything that can be done with the network.
    pub(crate) front: Front,
    /// Whether the learned policies predict well.
    pub(crate) calibrations: Vec<Calibration>,
    /// Whether the sequential policy keeps deadlines.
    pub(crate) deadlines: Vec<Deadline>,
    /// What routing in batches costs.
    pub(crate) batches: Vec<Batched>,
    /// What becomes of samples that lack a modality.
    pub(crate) lacking: Vec<Lacking>,
    /// What freezing the model is worth.
    pub(crate) frozen: Frozen,
    /// What each route would do if every sample took it, the cheapest first.
    pub(crate) fixed_routes: Vec<FixedRoute>,
    /// What the navigator learnt from: what the parts of the network cost on this machine.
    pub(crate) latency: Table,
    /// The file that holds it, to be given to another run.
    pub(crate) latency_file: PathBuf,
    /// What the training stages did.
    pub(crate) training: Vec<StageReport>,
}

/// Test samples of like difficulty.
#[derive(Debug, Serialize)]
pub(crate) struct Group {
    pub(crate) image: &'static str,
    pub(crate) sound: &'static str,
    pub(crate) samples: usize,
    pub(crate) late_fusion_accuracy: f64,
    pub(crate) accuracy: f64,
    /// The mean share of late fusion's time by the latency table, looks included.
    pub(crate) ratio: f64,
}

/// A route that every sample takes.
#[derive(Debug, Serialize)]
pub(crate) struct FixedRoute {
    pub(crate) route: String,
    /// The share of late fusion's time by the latency table.
    pub(crate) ratio: f64,
    pub(crate) valid_accuracy: f64,
    pub(crate) test_accuracy: f64,
}

/// What decides a study besides its samples.
#[derive(Debug)]
pub(crate) struct Settings<'a> {
    pub(crate) plan: Plan,
    /// The file of the milliseconds to learn from; without it they are measured.
    pub(crate) latency: Option<&'a Path>,
    /// The threads that train; one answers and measures, as one sample at a time keeps one core busy.
    pub(crate) threads: usize,
    /// The λ, as ratios, for which the paper's navigator is trained besides that of the spec.
    pub(crate) ratios: &'a [f64],
    /// Where checkpoints go, from which an interrupted study goes on.
    pub(crate) folder: &'a Path,
}

/// Trains on `splits` and measures.
pub(crate) fn run<N: Network>(
    data: &str,
    splits: &Splits,
    Settings { plan, latency, threads, ratios, folder }: &Settings<'_>,
) -> Result<Study> {
    let device = Device::cuda_if_available();
    let learned = data::Splits { train: dataset::<N>(&splits.train)?, valid: dataset::<N>(&splits.valid)? };
    let (valid, test) = (learned.valid.to_device(device)?, dataset::<N>(&splits.test)?.to_device(device)?);

    let mut model = N::seeded(device, plan.seed)?;
    let kept = folder.join("latency.json");
    let table = milliseconds(&model, *latency, &test, &kept)?;
    let train = |plan: &Plan, name: &str| Trainer::new(plan.clone()).folder(folder.join(name)).latency(table.clone());
    let progress = &mut Progress::bars();

    // Pre-training alone gives what M²SN has to compete with: uni-modal networks and late fusion.
    say("pre-training late fusion");
    tch::set_num_threads(i32::try_from(*threads).unwrap_or(1));
    let encoders = Trainer::new(plan.clone()).folder(folder.join("m2sn"));
    let mut training = vec![encoders.pretrain(&mut model, &learned, progress)?];
    let pretrained = copy(&model, &folder.join("pretrained"))?;

    say("training shortcuts and fusion");
    training.push(encoders.shortcuts(&mut model, &learned, progress)?);
    training.push(encoders.fusion(&mut model, &learned, progress)?);
    tch::set_num_threads(1);

    say("training policies");
    // The same network learns a second navigator of the paper's, to which milliseconds mean nothing.
    let mut unhurried = copy(&model, &folder.join("fused"))?;
    let mut without_latency = with(plan, Policy::Paper);
    without_latency.navigator.latency = Latency::Weight(0.0);
    train(&without_latency, "without-latency").navigator(&mut unhurried, &learned, progress)?;
    training.push(train(plan, "m2sn").navigator(&mut model, &learned, progress)?);
    for other in [Policy::Paper, Policy::Confidence, Policy::Value] {
        training.push(train(&with(plan, other), other.name()).navigator(&mut model, &learned, progress)?);
    }

    say("measuring");
    let (on_valid, on_test) = (Exits::of(&model, &valid)?, Exits::of(&model, &test)?);
    let price = plan.navigator.price;
    let budget = Budget::Price(price);
    let candidates = candidates(&pretrained, &unhurried, &model, &on_valid, &table, budget)?;
    let mut report = study(&candidates, &test, &timing::Settings::default())?;
    report.warnings = latency::unpaid::<N>(&table)?;

    let mut front = Front::of(data, &on_valid, &on_test, price)?;
    if !ratios.is_empty() {
        say("training the paper's navigator for other λ");
        let trainer = |ratio: f64| {
            let mut plan = with(plan, Policy::Paper);
            plan.navigator.latency = Latency::Ratio(ratio);
            train(&plan, &format!("paper-{ratio}"))
        };
        let points = ratios.iter().map(|ratio| {
            let mut other = N::new(device)?;
            checkpoint::load(&mut other, folder.join("fused"))?;
            trainer(*ratio).navigator(&mut other, &learned, progress)?;
            let (paper, costs) = (Paper::of(&other)?, Costs::new::<N>(table.clone())?);
            Exits::of(&other, &test)?.point_by(&paper, &costs, format!("λ ratio {ratio}"))
        });
        let points = points.collect::<Result<Vec<_>>>()?;
        front.add(Policy::Paper.name(), points);
    }
    front.save(folder)?;
    let calibrations = [Policy::Value, Policy::Sequential].map(|policy| on_test.calibration(policy));
    let calibrations = calibrations.into_iter().collect::<Result<Vec<_>>>()?;
    for calibration in &calibrations {
        let path = folder.join(format!("calibration-{}.svg", calibration.name));
        fs::write(&path, calibration.svg()?).map_err(|source| Error::Io { path, source })?;
    }
    let limits = LIMITS.map(|share| share * table.late_fusion());
    let deadlines = deadlines(&model, &test, Policy::Sequential, &limits)?;
    let batches = batches(&model, &test, Policy::Sequential, budget, &BATCHES)?;
    let late_fusion = Exits::of(&pretrained, &test)?.by(routing::full::<N>());

    say("freezing");
    let predictor = Predictor::new(copy(&model, &folder.join("trained"))?, Options::default())?;
    let by = (Policy::Sequential, budget);
    let mut frozen = frozen(&model, &predictor, &test, by, &timing::Settings::default())?;
    frozen.routed = routed(&predictor, &test, &PARTED)?;
    if let Some(table) = predictor.table() {
        table.save(folder.join("latency-predictor.json"))?;
    }
    Ok(Study {
        seed: plan.seed,
        report,
        groups: groups(&splits.test, &late_fusion, &on_test, &table, budget)?,
        front,
        calibrations,
        deadlines,
        batches,
        lacking: lacking(&pretrained, &model, &test, budget)?,
        frozen,
        fixed_routes: fixed_routes(&on_valid, &on_test, &table)?,
        latency: table,
        latency_file: kept,
        training,
    })
}

/// The deadlines that are tried, as shares of late fusion's time.
const LIMITS: [f64; 5] = [0.5, 0.75, 1.0, 1.5, 2.0];

/// The batch sizes that are timed.
const BATCHES: [i64; 4] = [1, 8, 32, 128];

/// The sizes of the batches of the predictor whose samples part.
const PARTED: [i64; 2] = [32, 128];

/// All that competes: what pre-training alone gives, fixed routes, and the policies, named as in the spec.
fn candidates<'a, N: Network>(
    pretrained: &'a N,
    unhurried: &'a N,
    model: &'a N,
    on_valid: &Exits<'_, N>,
    table: &Table,
    budget: Budget,
) -> Result<Vec<Candidate<'a, N>>> {
    let mut candidates = Candidate::alone(pretrained);
    candidates.extend([
        Candidate::new("late fusion", pretrained, Way::LateFusion),
        Candidate::new("late fusion after all stages", model, Way::LateFusion),
    ]);
    // What the recommended policy has to beat: the best fixed shortcut in its time, and the fastest of its quality.
    let decided = on_valid.within(Policy::Sequential, budget)?;
    let bound = decided.milliseconds.iter().sum::<f64>() / decided.milliseconds.len() as f64;
    let quality = on_valid.score(&on_valid.along(&decided.routes)?)?.quality();
    if let Ok(route) = on_valid.best_fixed(table, bound) {
        candidates.push(Candidate::new("fixed, as fast as sequential", model, Way::Fixed(route)));
    }
    let route = on_valid.as_good(table, quality)?;
    candidates.push(Candidate::new("fixed, as good as sequential", model, Way::Fixed(route)));
    candidates.extend([
        Candidate::new("paper without latency in the loss", unhurried, Way::Navigator),
        Candidate::new("paper", model, Way::Navigator),
    ]);
    let learned = |policy: Policy| Candidate::new(policy.name(), model, Way::Within(policy, budget));
    candidates.extend(Policy::LEARNED.map(learned));
    Ok(candidates)
}

/// The plan with another policy.
fn with(plan: &Plan, policy: Policy) -> Plan {
    let navigator = Navigator { policy, ..plan.navigator.clone() };
    Plan { navigator, ..plan.clone() }
}

/// The samples as the network takes them.
fn dataset<N: Network>(digits: &Digits) -> Result<data::Dataset<N::Input>> {
    let [images, sounds] = [&digits.images, &digits.sounds].map(|tensor| tensor.shallow_clone().into());
    let input = N::Input::from_features(vec![images, sounds])?;
    data::Dataset::new(input, digits.labels.shallow_clone(), N::description().task)
}

/// A second network with the same parameters.
fn copy<N: Network>(model: &N, folder: &Path) -> Result<N> {
    checkpoint::save(model, folder)?;
    let mut copy = N::new(Device::cuda_if_available())?;
    checkpoint::load(&mut copy, folder)?;
    Ok(copy)
}

/// The milliseconds that this study learns from: those of `kept` where it goes on, else given ones, else measured now.
///
/// They decide the navigator, so a study keeps those that it began with.
fn milliseconds<N: Network>(
    model: &N,
    given: Option<&Path>,
    test: &data::Dataset<N::Input>,
    kept: &Path,
) -> Result<Table> {
    let given = given.map(|path| Table::load(path, model).map(|table| (path, table))).transpose()?;
    if kept.exists() {
        let table = Table::load(kept, model)?;
        return match given {
            Some((path, given)) if given != table => {
                let message = format!(
                    "this run began with other milliseconds than those of {}\nhelp: leave `--latency` out to go on, or \
                     choose another folder with `--run`",
                    path.display()
                );
                Err(Error::File { path: kept.into(), message })
            }
            _ => Ok(table),
        };
    }
    let table = match given {
        Some((_, table)) => table,
        None => latency::measure(model, &test.input()?.features(), &latency::Settings::default())?,
    };
    table.save(kept)?;
    Ok(table)
}

fn fixed_routes<N: Network>(valid: &Exits<N>, test: &Exits<N>, table: &Table) -> Result<Vec<FixedRoute>> {
    let accuracy = |exits: &Exits<N>, route| exits.score(&exits.by(route)).map(|scores| scores.quality());
    let mut routes = routing::all::<N>()
        .map(|route| {
            Ok(FixedRoute {
                route: route.to_string(),
                ratio: table.route(&route.blocks()) / table.late_fusion(),
                valid_accuracy: accuracy(valid, route)?,
                test_accuracy: accuracy(test, route)?,
            })
        })
        .collect::<Result<Vec<_>>>()?;
    routes.sort_by(|left, right| left.ratio.total_cmp(&right.ratio));
    Ok(routes)
}

/// Parts the test samples by how hard the image is and how loud the noise, and looks at the sequential policy.
fn groups<N: Network>(
    digits: &Digits,
    late_fusion: &Tensor,
    exits: &Exits<N>,
    table: &Table,
    budget: Budget,
) -> Result<Vec<Group>> {
    let labels = Vec::<i64>::try_from(&digits.labels)?;
    let right = |logits: &Tensor| -> Result<Vec<bool>> {
        let classes = Vec::<i64>::try_from(exits.rule()?.decide(logits)?.to_device(tch::Device::Cpu))?;
        Ok(classes.iter().zip(&labels).map(|(class, label)| class == label).collect())
    };
    let decided = exits.within(Policy::Sequential, budget)?;
    let (late_fusion, adaptive) = (right(late_fusion)?, right(&exits.along(&decided.routes)?)?);
    let hard_image: Vec<bool> = Vec::<f32>::try_from(&digits.image_difficulty)?.iter().map(|at| *at > 0.5).collect();
    let loud_noise: Vec<bool> = Vec::<f32>::try_from(&digits.signal_to_noise)?.iter().map(|at| *at < 3.0).collect();

    let mut groups = Vec::new();
    for (image, hard) in [("easy", false), ("hard", true)] {
        for (sound, loud) in [("clear", false), ("noisy", true)] {
            let rows: Vec<usize> =
                (0..labels.len()).filter(|row| hard_image[*row] == hard && loud_noise[*row] == loud).collect();
            if rows.is_empty() {
                continue;
            }
            let mean =
                |value: &dyn Fn(usize) -> f64| rows.iter().map(|row| value(*row)).sum::<f64>() / rows.len() as f64;
            groups.push(Group {
                image,
                sound,
                samples: rows.len(),
                late_fusion_accuracy: mean(&|row| f64::from(late_fusion[row])),
                accuracy: mean(&|row| f64::from(adaptive[row])),
                ratio: mean(&|row| decided.milliseconds[row]) / table.late_fusion(),
            });
        }
    }
    Ok(groups)
}
