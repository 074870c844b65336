//! A method over its network, with the balances among which it chooses.

use tch::Tensor;

use super::Kind;
use crate::Result;
use crate::batch::Feature;
use crate::data::Dataset;
use crate::evaluation::{Exits, Point};
use crate::network::{Input, Network, check_inputs};
use crate::parts::{Live, Parts};
use crate::policy::{Costs, Look, State};
use crate::rivals::{Altered, Ran, Setting, Tally};
use crate::routing::{self, Outcome};

/// The samples that are tried at a time where encoders have to run for it.
const BATCH: i64 = 256;

/// A method over its network.
#[derive(Debug)]
pub(super) struct Contender<'a, N> {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) network: &'a N,
    /// The balances of quality and time that it has; at least one.
    pub(super) settings: Vec<Setting<'a>>,
    /// The one that was chosen.
    pub(super) chosen: usize,
}

/// What a setting makes of samples.
#[derive(Debug)]
pub(super) struct Trial {
    pub(super) logits: Tensor,
    pub(super) states: Vec<State>,
    pub(super) ran: Ran,
    /// What it takes by the table, decisions included: the mean of a sample.
    pub(super) milliseconds: f64,
}

/// Samples on which contenders of one network are tried.
#[derive(Debug)]
pub(super) struct Trials<'a, N: Network> {
    pub(super) data: &'a Dataset<N::Input>,
    pub(super) exits: Exits<'a, N>,
}

impl<'a, N: Network> Trials<'a, N> {
    pub(super) fn of(network: &'a N, data: &'a Dataset<N::Input>) -> Result<Self> {
        Ok(Self { data, exits: Exits::of(network, data)? })
    }

    /// Tries a setting on all samples, or on those at `rows`: on features of exits, or, where it decides by inputs or inside
    /// of blocks, by running the network.
    ///
    /// # Errors
    /// Those of the policy.
    pub(super) fn run(&self, setting: &Setting<'_>, costs: &Costs, rows: Option<&[i64]>) -> Result<Trial> {
        let tally = Tally::counting(N::description());
        let mut outcomes = Vec::new();
        if setting.variant.needs_inputs() {
            let chosen = rows.map(|rows| self.data.select(rows)).transpose()?;
            let network = self.exits.network();
            let device = network.variables().device();
            let _no_grad = tch::no_grad_guard();
            for batch in chosen.as_ref().unwrap_or(self.data).batches(BATCH)? {
                let inputs = batch?.input()?.features();
                let inputs: Vec<Feature> = inputs.iter().map(|input| input.to_device(device)).collect();
                check_inputs(N::description(), device, &inputs)?;
                outcomes.push(run(Live(network), &inputs, setting, &tally)?);
            }
        } else {
            outcomes.push(self.exits.cached(rows, |cached, inputs| run(cached, inputs, setting, &tally))?);
        }
        let logits: Vec<Tensor> = outcomes.iter().map(|outcome| outcome.logits.shallow_clone()).collect();
        let looks = outcomes.iter().flat_map(|outcome| outcome.looks.iter().flatten());
        let decisions: f64 = looks.map(|(_, look)| decision(costs, *look)).sum();
        let states: Vec<State> = outcomes.into_iter().flat_map(|outcome| outcome.states).collect();
        let ran = tally.ran();
        let milliseconds = (ran.by_table(costs.table()) + decisions) / states.len().max(1) as f64;
        Ok(Trial { logits: Tensor::cat(&logits, 0), states, ran, milliseconds })
    }

    /// What a setting comes to: the quality of its answers, and their share of late fusion's time by the table.
    ///
    /// # Errors
    /// As [`Trials::run`].
    pub(super) fn point(&self, setting: &Setting<'_>, costs: &Costs) -> Result<Point> {
        self.point_of(&self.run(setting, costs, None)?, setting, costs)
    }

    /// What a trial of a setting on all samples has come to.
    ///
    /// # Errors
    /// As [`Exits::score`].
    pub(super) fn point_of(&self, trial: &Trial, setting: &Setting<'_>, costs: &Costs) -> Result<Point> {
        let quality = self.exits.score(&trial.logits)?.quality();
        Ok(Point { share: trial.milliseconds / costs.late_fusion(), quality, by: setting.by.clone() })
    }
}

impl<'a, N: Network> Contender<'a, N> {
    pub(super) fn new(name: impl Into<String>, kind: Kind, network: &'a N, settings: Vec<Setting<'a>>) -> Self {
        Self { name: name.into(), kind, network, settings, chosen: 0 }
    }

    /// Chooses, of all balances that lose no more than that against late fusion on validation samples, the fastest; where all
    /// lose more, the one that loses the least.
    ///
    /// # Errors
    /// As [`Trials::run`].
    pub(super) fn choose(&mut self, valid: &Trials<'_, N>, least: f64, costs: &Costs) -> Result<()> {
        if self.settings.len() > 1 {
            let points = self.settings.iter().map(|setting| valid.point(setting, costs)).collect::<Result<Vec<_>>>()?;
            self.chosen = best(&points, least);
        }
        Ok(())
    }

    pub(super) fn setting(&self) -> &Setting<'a> {
        &self.settings[self.chosen]
    }

    /// Answers by what was chosen.
    ///
    /// # Errors
    /// Those of the policy.
    pub(super) fn answer(&self, inputs: &[Feature], tally: &Tally) -> Result<Outcome> {
        check_inputs(N::description(), self.network.variables().device(), inputs)?;
        let _no_grad = tch::no_grad_guard();
        run(Live(self.network), inputs, self.setting(), tally)
    }
}

/// The fastest of the points that are good enough; where none is, the best, and of equals the fastest.
pub(super) fn best(points: &[Point], least: f64) -> usize {
    let good = (0..points.len()).filter(|index| points[*index].quality >= least);
    let fastest = good.min_by(|left, right| points[*left].share.total_cmp(&points[*right].share));
    let better = |left: &usize, right: &usize| {
        let [left, right] = [left, right].map(|index| &points[*index]);
        left.quality.total_cmp(&right.quality).then(right.share.total_cmp(&left.share))
    };
    fastest.or_else(|| (0..points.len()).max_by(better)).unwrap_or(0)
}

fn run<P: Parts>(parts: P, inputs: &[Feature], setting: &Setting<'_>, tally: &Tally) -> Result<Outcome> {
    routing::run(&Altered::new(parts, &*setting.variant, tally), inputs, &*setting.policy, None)
}

/// What a decision takes by the table besides what was counted; gates were.
fn decision(costs: &Costs, look: Look) -> f64 {
    match look {
        Look::Scores => 0.0,
        _ => costs.decision(look).median,
    }
}
