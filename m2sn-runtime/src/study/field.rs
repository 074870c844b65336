//! All contenders of one seed: tried as they enter, then timed against each other.

use std::collections::BTreeMap;

use super::clock::{self, Times};
use super::compare::Answers;
use super::contender::{Contender, Trial, Trials};
use super::difficulty::Group;
use super::results::{Difficulty, Kind, Row, Settings};
use super::{LATE_FUSION, no_reference};
use crate::Result;
use crate::data::{Dataset, Splits};
use crate::evaluation::{Curve, Point, Scores, Shares};
use crate::network::{Modality, Network};
use crate::policy::{Costs, State};
use crate::rivals::Rival;

/// All contenders of one seed.
#[derive(Debug)]
pub(super) struct Field<'a, N: Network> {
    pub(super) splits: &'a Splits<N::Input>,
    pub(super) test: &'a Dataset<N::Input>,
    pub(super) costs: &'a Costs,
    /// The quality on validation samples that a balance has to keep to be chosen.
    pub(super) least: f64,
    /// The test samples by how hard they are.
    pub(super) groups: Vec<Group>,
    pub(super) members: Vec<Member<'a, N>>,
}

/// A contender and what it has come to, but for its time.
#[derive(Debug)]
pub(super) struct Member<'a, N> {
    pub(super) contender: Contender<'a, N>,
    pub(super) point: Point,
    scores: Scores,
    /// The multiply-adds of a sample.
    work: f64,
    states: Vec<State>,
    worth: Vec<f64>,
    /// Quality and share of time by group.
    by_group: Vec<(f64, f64)>,
    /// All balances on test samples.
    curve: Vec<Point>,
}

/// What all contenders came to.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) rows: Vec<Row>,
    /// In the order of the rows.
    pub(super) answers: Vec<Answers>,
    pub(super) curves: Vec<Curve>,
    pub(super) difficulties: Vec<Difficulty>,
}

/// Validation and test samples, as one network has them.
#[derive(Debug)]
pub(super) struct Tried<'a, N: Network> {
    pub(super) valid: Trials<'a, N>,
    pub(super) test: Trials<'a, N>,
}

impl<'a, N: Network> Tried<'a, N> {
    pub(super) fn of(network: &'a N, splits: &'a Splits<N::Input>, test: &'a Dataset<N::Input>) -> Result<Self> {
        Ok(Self { valid: Trials::of(network, &splits.valid)?, test: Trials::of(network, test)? })
    }
}

impl<'a, N: Network> Field<'a, N> {
    /// Has a contender choose its balance on validation samples, and tries that, and all others, on test samples.
    ///
    /// # Errors
    /// Those of its policy.
    pub(super) fn enter(&mut self, mut contender: Contender<'a, N>, tried: &Tried<'_, N>) -> Result<()> {
        let Tried { valid, test } = tried;
        contender.choose(valid, self.least, self.costs)?;
        let setting = contender.setting();
        let trial = test.run(setting, self.costs, None)?;
        let scores = test.exits.score(&trial.logits)?;
        let worth = test.exits.achieved(&trial.logits, test.exits.target())?;
        let share = |trial: &Trial| trial.milliseconds / self.costs.late_fusion();
        let by_group = self.groups.iter().map(|group| {
            let trial = test.run(setting, self.costs, Some(&group.rows))?;
            let rows = tch::Tensor::from_slice(&group.rows).to_device(test.exits.target().device());
            let target = test.exits.target().index_select(0, &rows);
            Ok((Scores::of(test.exits.rule()?, &trial.logits, &target)?.quality(), share(&trial)))
        });
        let by_group = by_group.collect::<Result<_>>()?;
        let curve = match &contender.settings[..] {
            [_] => Vec::new(),
            settings => settings.iter().map(|setting| test.point(setting, self.costs)).collect::<Result<_>>()?,
        };
        let work = trial.ran.multiply_adds(N::description()) as f64 / trial.states.len().max(1) as f64;
        let point = Point { share: share(&trial), quality: scores.quality(), by: setting.by.clone() };
        self.members.push(Member { contender, point, scores, work, states: trial.states, worth, by_group, curve });
        Ok(())
    }

    /// As [`Field::enter`], of what learns as a rival does, over a network of its own.
    ///
    /// # Errors
    /// As [`Field::enter`].
    pub(super) fn enter_rival<R: Rival<N>>(&mut self, kind: Kind, rival: Option<&'a R>) -> Result<()> {
        let Some(rival) = rival else { return Ok(()) };
        let contender = Contender::new(R::NAME, kind, rival.network(), rival.settings()?);
        self.enter(contender, &Tried::of(rival.network(), self.splits, self.test)?)
    }

    /// Times all contenders against each other, and says what each came to; `oracle` is what it comes to at the price.
    ///
    /// # Errors
    /// As [`Times::measure`].
    pub(super) fn time(self, settings: &Settings, timed: usize, (oracle, price): (&Point, f64)) -> Result<Measured> {
        let Self { test, groups, members, .. } = self;
        let names: Vec<&str> = members.iter().map(|member| &member.contender.name[..]).collect();
        let reference = names.iter().position(|name| *name == LATE_FUSION).ok_or_else(no_reference)?;
        let difficulties = difficulties(&groups, &members);
        let curves = members.iter().filter(|member| !member.curve.is_empty()).map(|member| {
            let mut points = member.curve.clone();
            points.sort_by(|left, right| left.share.total_cmp(&right.share));
            Curve { name: member.contender.name.clone(), points }
        });
        let curves = curves.collect();
        let work = members[reference].work;
        let value = |point: &Point| point.quality - price * point.share;
        let (best, gap) = (value(oracle), value(oracle) - value(&members[reference].point));

        let (contenders, found): (Vec<_>, Vec<_>) = members.into_iter().map(Member::apart).unzip();
        let times = settings.batches.iter().map(|batch| Times::measure(&contenders, test, *batch, timed));
        let times = times.collect::<Result<Vec<_>>>()?;
        let (mut rows, mut answers) = (Vec::new(), Vec::new());
        for (index, (contender, found)) in contenders.iter().zip(found).enumerate() {
            let latencies = times.iter().map(|times| times.of(index, reference)).collect::<Result<Vec<_>>>()?;
            let alone = times.first().map(|times| times.milliseconds(index)).unwrap_or_default();
            answers.push(Answers { worth: found.worth, milliseconds: alone });
            rows.push(Row {
                name: contender.name.clone(),
                kind: contender.kind,
                by: found.point.by.clone(),
                scores: found.scores,
                latencies,
                multiply_adds: found.work,
                work: if work > 0.0 { found.work / work } else { 1.0 },
                parts: clock::parts(contender, test)?,
                exits: exits::<N>(&found.states),
                routes: routes::<N>(&found.states),
                regret: best - value(&found.point),
                closed: if gap > 0.0 { 1.0 - (best - value(&found.point)) / gap } else { 0.0 },
            });
        }
        Ok(Measured { rows, answers, curves, difficulties })
    }
}

/// What a member has come to, without the contender.
#[derive(Debug)]
struct Found {
    point: Point,
    scores: Scores,
    work: f64,
    states: Vec<State>,
    worth: Vec<f64>,
}

impl<'a, N> Member<'a, N> {
    fn apart(self) -> (Contender<'a, N>, Found) {
        let Self { contender, point, scores, work, states, worth, .. } = self;
        (contender, Found { point, scores, work, states, worth })
    }
}

fn difficulties<N>(groups: &[Group], members: &[Member<'_, N>]) -> Vec<Difficulty> {
    let each = groups.iter().enumerate().map(|(index, group)| {
        let methods = members.iter().map(|member| {
            let (quality, share) = member.by_group[index];
            (member.contender.name.clone(), quality, share)
        });
        Difficulty { name: group.name.into(), samples: group.rows.len(), methods: methods.collect() }
    });
    each.collect()
}

/// The share of samples that leave at each exit, by modality.
fn exits<N: Network>(states: &[State]) -> Vec<Shares> {
    let modalities = N::description().modalities.iter().enumerate();
    let of = |(index, modality): (usize, &Modality)| {
        let share = |blocks: usize| {
            states.iter().filter(|state| state.blocks()[index] == blocks).count() as f64 / states.len().max(1) as f64
        };
        let none = Some(("none".to_owned(), share(0))).filter(|(_, share)| *share > 0.0);
        let exits = modality.exits.iter().zip(1..).map(|(exit, blocks)| (exit.name.to_owned(), share(blocks)));
        Shares { modality: modality.name.into(), exits: none.into_iter().chain(exits).collect() }
    };
    modalities.map(of).collect()
}

/// The share of samples that take each route, the most frequent first.
pub(super) fn routes<N: Network>(states: &[State]) -> Vec<(Vec<String>, f64)> {
    let mut counts: BTreeMap<&State, usize> = BTreeMap::new();
    for state in states {
        *counts.entry(state).or_default() += 1;
    }
    let mut counts: Vec<(&State, usize)> = counts.into_iter().collect();
    // The sort is stable, so routes of equal share stay in their own order.
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let name = |(modality, blocks): (&Modality, &usize)| match blocks.checked_sub(1) {
        Some(exit) => modality.exits[exit].name.to_owned(),
        None => "none".into(),
    };
    let route = |state: &State| N::description().modalities.iter().zip(state.blocks()).map(name).collect();
    counts.into_iter().map(|(state, count)| (route(state), count as f64 / states.len() as f64)).collect()
}
