//! Every route's predictions for the price of one full pass.

use std::cmp::Ordering;

use tch::{Kind, Tensor};

use super::{Calibration, Point, Scores, scores};
use crate::batch::Feature;
use crate::data::Dataset;
use crate::latency::{self, Bar, Table, cheapest};
use crate::network::{Description, Input, Network, Route, check_inputs, features_after, route_features};
use crate::parts::{Cached, Live, Parts, stem};
use crate::plan::{self, Reads};
use crate::policy::{self, Budget, Costs, Grid, Look, Paper, Policy, Sequential, State, Value};
use crate::routing::{self, Decisions};
use crate::store::{MEMORY, Store};
use crate::task::{Rule, Task};
use crate::{Error, Result};

/// The samples that go through the network at a time.
const BATCH: i64 = 256;
/// The most routes that a search tries one by one.
const MOST_ROUTES: usize = 10_000;

/// The features of every exit of a network for a data set, and the routes of the paper's navigator.
///
/// Exits share their prefix, so one pass yields them all; what a route predicts is fusion and head over them.
#[derive(Debug)]
pub struct Exits<'a, N: Network> {
    network: &'a N,
    /// By modality, see [`route_features`].
    features: Vec<Vec<Tensor>>,
    /// By modality, see [`stem`].
    stems: Vec<Tensor>,
    /// By modality, which samples have it, `[samples]` of `bool`; `None` where all do.
    present: Vec<Option<Tensor>>,
    /// By modality, the scores of the paper's navigator from the inputs, `[samples, exits]`.
    scores: Vec<Tensor>,
    /// The routes that the paper's navigator decides on.
    routes: Vec<N::Route>,
    /// Where it has looked at each sample.
    looks: Vec<Vec<(State, Look)>>,
    target: Tensor,
}

/// Where a policy would send the samples of a data set.
#[derive(Debug, Clone, PartialEq)]
pub struct Decided<R> {
    /// The route of each sample.
    pub routes: Vec<R>,
    /// What each sample's way takes by the latency table, its looks included.
    pub milliseconds: Vec<f64>,
}

/// What a policy that knew the answers would do.
#[derive(Debug, Clone, PartialEq)]
pub struct Oracle<R> {
    /// For each sample the cheapest route that is right, or the cheapest of all where none is.
    pub routes: Vec<R>,
    /// The scores by these routes; they are flattered by luck.
    pub scores: Scores,
    /// The mean of the routes' latencies by the table, without a navigator.
    pub milliseconds: f64,
}

/// What is kept of all samples, batch by batch.
#[derive(Debug, Default)]
struct Kept {
    /// Undefined before the first batch.
    all: Tensor,
    samples: i64,
}

impl Kept {
    fn append(&mut self, part: &Tensor, samples: i64, store: &Store) -> Result<()> {
        if !self.all.defined() {
            let shape = [&[samples], &part.size()[1..]].concat();
            self.all = store.room(&shape, (part.kind(), part.device()))?;
        }
        let length = part.size()[0];
        self.all.narrow(0, self.samples, length).f_copy_(part)?;
        self.samples += length;
        Ok(())
    }
}

impl<'a, N: Network> Exits<'a, N> {
    /// Runs the network over a data set, in batches on the network's device. Where this takes longer than a second, a
    /// terminal shows the progress. Of the features 4 GiB are held in memory, and what exceeds that goes to disk: see
    /// [`Exits::bounded`].
    ///
    /// # Errors
    /// [`Error::Invalid`] or [`Error::Shape`] where there is no sample or the targets are those of another task; else as
    /// [`routing::predict`].
    pub fn of(network: &'a N, data: &Dataset<N::Input>) -> Result<Self> {
        Self::bounded(network, data, MEMORY)
    }

    /// As [`Exits::of`], with so many bytes of features in memory; the others lie in the system's folder for temporary
    /// files. What lies on a GPU stays there.
    ///
    /// # Errors
    /// As [`Exits::of`]; [`Error::Io`] where there is no room on the disk.
    pub fn bounded(network: &'a N, data: &Dataset<N::Input>, memory: u64) -> Result<Self> {
        if data.is_empty() {
            return Err(Error::invalid("exits: the data set holds no sample"));
        }
        N::description().task.check(data.target(), data.len())?;
        let device = network.variables().device();
        let _no_grad = tch::no_grad_guard();
        let modalities = N::description().modalities;
        let store = Store::new(memory, std::env::temp_dir());
        let mut features: Vec<Vec<Kept>> =
            Grid::of(modalities).places().map(|places| (0..places).map(|_| Kept::default()).collect()).collect();
        let mut stems: Vec<Kept> = modalities.iter().map(|_| Kept::default()).collect();
        let mut scores: Vec<Kept> = modalities.iter().map(|_| Kept::default()).collect();
        let mut bar = Bar::new("exits", (data.len() as usize).div_ceil(BATCH as usize));
        for batch in data.batches(BATCH)? {
            let inputs = batch?.input()?.features();
            let inputs: Vec<Feature> = inputs.iter().map(|input| input.to_device(device)).collect();
            check_inputs(N::description(), network.variables().device(), &inputs)?;
            for (part, kept) in network.navigate(&inputs, false).iter().zip(&mut scores) {
                kept.append(part, data.len(), &store)?;
            }
            for (modality, (input, places)) in inputs.iter().zip(&mut features).enumerate() {
                // Once more than needed: passes that keep everything take memory, and the first blocks are cheap.
                let first = network.block(modality, 0, input, false);
                let stem = stem(&modalities[modality], &first, input.present.as_ref());
                stems[modality].append(&stem, data.len(), &store)?;
                for (part, kept) in route_features(network, modality, input).iter().zip(places) {
                    kept.append(part, data.len(), &store)?;
                }
            }
            bar.step();
        }
        let whole = |kept: Vec<Kept>| kept.into_iter().map(|kept| kept.all).collect::<Vec<_>>();
        let present = data.present().into_iter();
        let mut exits = Self {
            network,
            features: features.into_iter().map(whole).collect(),
            stems: whole(stems),
            scores: whole(scores),
            present: present.map(|present| present.map(|present| present.to_device(device))).collect(),
            routes: Vec::new(),
            looks: Vec::new(),
            target: data.target().to_device(device),
        };
        let paper = Paper::reading(network, N::plan().navigator.from)?;
        let decide = |cached: Cached<'_, N>, inputs: &[Feature]| routing::decisions(&cached, inputs, &paper);
        let Decisions { goals, looks } = exits.cached(None, decide)?;
        exits.routes = goals.iter().map(routing::route::<N>).collect::<Result<_>>()?;
        exits.looks = looks;
        Ok(exits)
    }

    /// Hands the network, as one whose encoders have run, and what stands for all samples, or for those at `rows`, to whoever
    /// routes them.
    ///
    /// # Errors
    /// Those of `run`.
    pub(crate) fn cached<T>(
        &self,
        rows: Option<&[i64]>,
        run: impl FnOnce(Cached<'_, N>, &[Feature]) -> Result<T>,
    ) -> Result<T> {
        let Self { network, features, stems, scores, present, .. } = self;
        let cached = Cached { network: *network, features, stems, scores, present };
        let _no_grad = tch::no_grad_guard();
        let rows = match rows {
            Some(rows) => Tensor::from_slice(rows),
            None => Tensor::arange(self.len() as i64, (Kind::Int64, tch::Device::Cpu)),
        };
        let inputs = cached.inputs(&rows);
        run(cached, &inputs)
    }

    /// Where a policy would send these samples, and what that would take by its costs; nothing but its looks is computed.
    ///
    /// # Errors
    /// Those of the policy.
    pub fn decided(&self, policy: &dyn Policy, costs: &Costs) -> Result<Decided<N::Route>> {
        let outcome = self.cached(None, |cached, inputs| routing::run(&cached, inputs, policy, None))?;
        let ways = outcome.looks.iter().zip(&outcome.states);
        Ok(Decided {
            milliseconds: ways.map(|(looks, end)| costs.journey(looks, end).expected).collect(),
            routes: outcome.states.iter().map(routing::route::<N>).collect::<Result<_>>()?,
        })
    }

    /// What a policy comes to on these samples: the quality of its answers, and their share of late fusion's time.
    ///
    /// # Errors
    /// Those of the policy.
    pub fn point_by(&self, policy: &dyn Policy, costs: &Costs, by: String) -> Result<Point> {
        let decided = self.decided(policy, costs)?;
        let mean = decided.milliseconds.iter().sum::<f64>() / self.len() as f64;
        let quality = self.score(&self.along(&decided.routes)?)?.quality();
        Ok(Point { share: mean / costs.late_fusion(), quality, by })
    }

    /// As [`Exits::decided`], by a policy of the network's own within a budget.
    ///
    /// # Errors
    /// As [`routing::predict_within`].
    pub fn within(&self, policy: plan::Policy, budget: Budget) -> Result<Decided<N::Route>> {
        let policies = self.network.policies();
        policies.check_trained(policy, N::plan().navigator.from)?;
        let costs = policies.costs()?;
        routing::within(policies.standing(policy)?.as_ref(), costs, &[budget], |policy| self.decided(policy, costs))
    }

    /// The network.
    pub fn network(&self) -> &'a N {
        self.network
    }

    /// The routes that the paper's navigator decides on, one a sample; at random where it has not been trained.
    pub fn routes(&self) -> &[N::Route] {
        &self.routes
    }

    /// The targets, on the network's device.
    pub fn target(&self) -> &Tensor {
        &self.target
    }

    /// The number of samples.
    pub fn len(&self) -> usize {
        self.target.size()[0] as usize
    }

    /// Whether there are no samples; a [`Dataset`] has some.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The logits of one modality alone at one of its exits, `[samples, outputs]`. Of samples that lack it they say nothing,
    /// and are the same for all.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the network has no such modality or exit.
    pub fn alone(&self, modality: usize, exit: usize) -> Result<Tensor> {
        let feature = N::description().modalities.get(modality).and_then(|described| {
            let place = exit.checked_add(1)? - described.least_blocks();
            self.features[modality].get(place)
        });
        let feature = feature.ok_or_else(|| {
            Error::invalid(format!(
                "exits of `{}`: there is no exit {exit} of a modality {modality}",
                N::description().name
            ))
        })?;
        Ok(tch::no_grad(|| self.network.task_head(modality, feature)))
    }

    /// The logits of all samples by one route, `[samples, outputs]`.
    pub fn by(&self, route: N::Route) -> Tensor {
        tch::no_grad(|| self.network.fuse(&features_after::<N>(&self.features, &route.blocks()), false))
    }

    /// The logits of each sample by its own route, `[samples, outputs]`.
    ///
    /// # Errors
    /// [`Error::Shape`] where there is not one route a sample.
    pub fn along(&self, routes: &[N::Route]) -> Result<Tensor> {
        if routes.len() != self.len() {
            return Err(Error::Shape {
                what: "routes".into(),
                expected: format!("{}, one a sample", self.len()),
                found: routes.len().to_string(),
            });
        }
        let rows: Vec<Vec<usize>> = routes.iter().map(Route::blocks).collect();
        let _no_grad = tch::no_grad_guard();
        let features: Vec<Tensor> = self
            .features
            .iter()
            .enumerate()
            .map(|(modality, features)| {
                let least = N::description().modalities[modality].least_blocks();
                let chosen: Vec<i64> = rows.iter().map(|row| (row[modality].saturating_sub(least)) as i64).collect();
                let chosen = Tensor::from_slice(&chosen).to_device(self.target.device()).view([1, -1, 1]);
                let all = Tensor::stack(features, 0);
                let [_, samples, width] = all.size3().map(|(places, samples, width)| [places, samples, width])?;
                Ok(all.gather(0, &chosen.expand([1, samples, width], false), false).squeeze_dim(0))
            })
            .collect::<Result<_>>()?;
        Ok(self.network.fuse(&features, false))
    }

    /// The rule by which the network's logits decide.
    ///
    /// # Errors
    /// As [`Policies::rule`](policy::Policies::rule).
    pub fn rule(&self) -> Result<Rule> {
        self.network.policies().rule()
    }

    /// Scores logits of these samples.
    ///
    /// # Errors
    /// As [`Scores::of`].
    pub fn score(&self, logits: &Tensor) -> Result<Scores> {
        Scores::of(self.rule()?, logits, &self.target)
    }

    /// The mean latency of the navigator and the routes that it decides on, by the table; where it reads no inputs, with
    /// what it takes to see what it reads.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the table is of another network.
    pub fn expected_milliseconds(&self, table: &Table) -> Result<f64> {
        check::<N>(table)?;
        if N::plan().navigator.from == Reads::Inputs {
            return Ok(mean_latency(&self.routes, table) + table.navigator.median);
        }
        let costs = Costs::new::<N>(table.clone())?;
        let ways = self.looks.iter().zip(&self.routes);
        let way = |(looks, route): (&Vec<_>, &N::Route)| costs.journey(looks, &State::of(&route.blocks())).expected;
        Ok(ways.map(way).sum::<f64>() / self.len() as f64)
    }

    /// The best fixed shortcut: of all routes that are faster than late fusion and cost at most `bound` milliseconds
    /// by the table, the one of the highest [`Scores::quality`], and of equals the cheapest.
    ///
    /// Choose on validation samples, not on those of the test.
    ///
    /// # Errors
    /// [`Error::Invalid`] where no route is that cheap, the bound is not finite or below zero, there are too many routes
    /// to try, or the table is of another network.
    pub fn best_fixed(&self, table: &Table, bound: f64) -> Result<N::Route> {
        check::<N>(table)?;
        if !bound.is_finite() || bound < 0.0 {
            return Err(Error::invalid(format!(
                "best fixed shortcut: the bound is {bound} ms, expected a finite number that is not below zero"
            )));
        }
        let (cheapest, late_fusion) = (cheapest(table), table.late_fusion());
        if cheapest >= late_fusion {
            return Err(Error::invalid(format!(
                "best fixed shortcut: no route is faster than late fusion, which takes {late_fusion:.3} ms; \
                 `latency::unpaid` says of each shortcut why"
            )));
        }
        self.best_within(table, bound)?.ok_or_else(|| {
            Error::invalid(format!(
                "best fixed shortcut: none takes at most {bound:.3} ms, the cheapest takes {cheapest:.3} ms; raise the \
                 bound"
            ))
        })
    }

    /// The fixed shortcut that the navigator has to beat: the best that takes no longer than the navigator and its
    /// routes, or the cheapest where there is none; `None` where no route is faster than late fusion.
    ///
    /// What does not pay by the table, see [`latency::unpaid`], is logged as a warning.
    ///
    /// # Errors
    /// [`Error::Invalid`] where there are too many routes to try, or the table is of another network.
    pub fn rival(&self, table: &Table) -> Result<Option<N::Route>> {
        check::<N>(table)?;
        for warning in latency::unpaid::<N>(table)? {
            tracing::warn!("{warning}");
        }
        self.best_within(table, self.expected_milliseconds(table)?.max(cheapest(table)))
    }

    /// The best of the routes that are faster than late fusion and within the bound.
    fn best_within(&self, table: &Table, bound: f64) -> Result<Option<N::Route>> {
        few_routes::<N>()?;
        let late_fusion = table.late_fusion();
        let mut best: Option<(f64, f64, N::Route)> = None;
        for route in routing::all::<N>() {
            let cost = table.route(&route.blocks());
            if cost > bound || cost >= late_fusion {
                continue;
            }
            let quality = self.score(&self.by(route))?.quality();
            let better = best.is_none_or(|(best, least, _)| match quality.total_cmp(&best) {
                Ordering::Greater => true,
                Ordering::Equal => cost < least,
                Ordering::Less => false,
            });
            if better {
                best = Some((quality, cost, route));
            }
        }
        Ok(best.map(|(_, _, route)| route))
    }

    /// What is worth most for each sample at a price, for one who knows the answers.
    pub(crate) fn oracle_at(&self, costs: &Costs, price: f64) -> Result<Point> {
        few_routes::<N>()?;
        let late_fusion = costs.late_fusion();
        let mut best = vec![(f64::NEG_INFINITY, 0.0, routing::full::<N>()); self.len()];
        for route in routing::all::<N>() {
            let share = costs.table().route(&route.blocks()) / late_fusion;
            for (best, quality) in best.iter_mut().zip(self.achieved(&self.by(route), &self.target)?) {
                let worth = quality - price * share;
                if worth > best.0 {
                    *best = (worth, share, route);
                }
            }
        }
        let routes: Vec<N::Route> = best.iter().map(|(_, _, route)| *route).collect();
        Ok(Point {
            share: best.iter().map(|(_, share, _)| share).sum::<f64>() / self.len() as f64,
            quality: self.score(&self.along(&routes)?)?.quality(),
            by: format!("price {price}"),
        })
    }

    /// As [`Exits::oracle_at`], at prices over four decades; the fastest first.
    ///
    /// # Errors
    /// As [`Exits::oracle_at`].
    pub(crate) fn oracle_front(&self, costs: &Costs) -> Result<Vec<Point>> {
        let at = |step: i32| self.oracle_at(costs, 10f64.powf(f64::from(step) / 4.0 - 3.0));
        let mut points = (0..=16).map(at).collect::<Result<Vec<_>>>()?;
        points.sort_by(|left, right| left.share.total_cmp(&right.share));
        Ok(points)
    }

    /// What the answer of each sample is worth, by the task's own quality.
    ///
    /// # Errors
    /// [`Error::Invalid`] where logits are not finite.
    pub(crate) fn achieved(&self, logits: &Tensor, target: &Tensor) -> Result<Vec<f64>> {
        let rule = self.rule()?;
        rule.task().check_logits(logits)?;
        let quality = policy::achieved(&rule, logits, target).to_device(tch::Device::Cpu);
        Ok(Vec::try_from(quality.to_kind(Kind::Double))?)
    }

    /// Whether the qualities that a learned policy predicts come true, over the states in which it is asked: those of its
    /// answer there for the sequential policy, those of all routes for the value policy.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the network has too many routes for a learned policy, and for one that predicts no quality.
    pub fn calibration(&self, which: plan::Policy) -> Result<Calibration> {
        let policies = self.network.policies();
        let _no_grad = tch::no_grad_guard();
        let grid = Grid::of(N::description().modalities);
        let (mut predicted, mut achieved) = (Vec::new(), Vec::new());
        let starts = self.cached(None, |_, inputs| routing::starts(&grid, inputs))?;
        for number in 0..grid.len() {
            let state = grid.state(number);
            // Nobody comes to an answer from a modality that a sample lacks.
            let rows: Vec<i64> =
                (0..).zip(&starts).filter(|(_, start)| start.leads_to(&state)).map(|(row, _)| row).collect();
            if rows.is_empty() {
                continue;
            }
            let index = Tensor::from_slice(&rows).to_device(self.target.device());
            let of = |tensors: &[Tensor]| tensors.iter().map(|all| all.index_select(0, &index)).collect::<Vec<_>>();
            let features = of(&features_after::<N>(&self.features, state.blocks()));
            let logits = self.network.fuse(&features, false);
            let qualities = match which {
                plan::Policy::Paper | plan::Policy::Confidence => {
                    return Err(Error::invalid(format!("the {} policy predicts no quality", which.name())));
                }
                plan::Policy::Value => Value::qualities(&policies.value()?.quality.frozen()?, &of(&self.stems))?,
                plan::Policy::Sequential => {
                    let alone = Live(self.network).alone(&state, &features, &logits);
                    let frozen = policies.sequential()?.quality.frozen()?;
                    Sequential::qualities(N::description(), &frozen, &state, &logits, &alone)?
                }
            };
            predicted.extend(qualities.iter().map(|row| row[number]));
            achieved.extend(self.achieved(&logits, &self.target.index_select(0, &index))?);
        }
        Calibration::of(which.name(), &predicted, &achieved)
    }

    /// The cheapest route of at least this quality; late fusion's where there is none.
    ///
    /// Choose on validation samples, not on those of the test.
    ///
    /// # Errors
    /// As [`Exits::best_fixed`].
    pub fn as_good(&self, table: &Table, quality: f64) -> Result<N::Route> {
        check::<N>(table)?;
        for route in by_cost::<N>(table)? {
            if self.score(&self.by(route))?.quality() >= quality {
                return Ok(route);
            }
        }
        Ok(routing::full::<N>())
    }

    /// What knowing the answers would achieve: a bound that no policy reaches.
    ///
    /// A route is right where its class, or all its labels, are; with several real values none is ever quite right,
    /// so a regression's best route is the one of the smallest error.
    ///
    /// # Errors
    /// [`Error::Invalid`] where there are too many routes to try, or the table is of another network.
    pub fn oracle(&self, table: &Table) -> Result<Oracle<N::Route>> {
        check::<N>(table)?;
        let rule = self.rule()?;
        let mut best: Vec<Option<(f64, N::Route)>> = vec![None; self.len()];
        for route in by_cost::<N>(table)? {
            let errors = scores::errors(&rule, &self.by(route), &self.target)?;
            for (best, error) in best.iter_mut().zip(errors) {
                // Labels that are partly wrong are as wrong as any, where real values can be nearer.
                let error = if matches!(rule.task(), Task::Regression { .. }) { error } else { error.ceil() };
                if best.is_none_or(|(least, _)| error < least) {
                    *best = Some((error, route));
                }
            }
        }
        let routes: Vec<N::Route> = best.into_iter().flatten().map(|(_, route)| route).collect();
        let scores = self.score(&self.along(&routes)?)?;
        let milliseconds = mean_latency(&routes, table);
        Ok(Oracle { routes, scores, milliseconds })
    }
}

/// Checks that a table is of this network and that its figures can be compared, wherever they come from.
///
/// It may be of another device: one can choose here for there.
fn check<N: Network>(table: &Table) -> Result<()> {
    table.check::<N>()?;
    let Description { name, architecture, .. } = N::description();
    let found = &table.fingerprint;
    if found.model != *name || found.architecture != *architecture {
        return Err(Error::invalid(format!(
            "latency table: expected one of `{name}` as it is now, found one of {}; measure anew with `latency::measure`",
            if found.model == *name { "other layers".into() } else { format!("`{}`", found.model) }
        )));
    }
    Ok(())
}

/// All routes, the cheapest first.
pub(super) fn by_cost<N: Network>(table: &Table) -> Result<Vec<N::Route>> {
    few_routes::<N>()?;
    let mut routes: Vec<N::Route> = routing::all::<N>().collect();
    let cost = |route: &N::Route| table.route(&route.blocks());
    routes.sort_by(|left, right| cost(left).total_cmp(&cost(right)));
    Ok(routes)
}

fn few_routes<N: Network>() -> Result<()> {
    let count = routing::count::<N>();
    if count > MOST_ROUTES {
        return Err(Error::invalid(format!(
            "`{}` has {count} routes, too many to try one by one (at most {MOST_ROUTES})",
            N::description().name
        )));
    }
    Ok(())
}

fn mean_latency<R: Route>(routes: &[R], table: &Table) -> f64 {
    routes.iter().map(|route| table.route(&route.blocks())).sum::<f64>() / routes.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Device;
    use crate::latency::Estimate;
    use crate::tiny::{Tiny, TinyRoute, samples, table};

    fn difference(left: &Tensor, right: &Tensor) -> f64 {
        (left - right).abs().max().double_value(&[])
    }

    #[test]
    fn logits_are_those_of_the_executor() {
        let network = Tiny::new(Device::Cpu).unwrap();
        // More samples than go through at a time.
        let data = samples(300, 1).unwrap().train;
        let exits = Exits::of(&network, &data).unwrap();
        assert_eq!(exits.len(), 300);
        for route in routing::all::<Tiny>() {
            let expected = routing::predict_by(&network, &data.input().unwrap(), route).unwrap().logits;
            assert!(difference(&exits.by(route), &expected) < 1e-5);
        }
        let answer = routing::predict(&network, &data.input().unwrap()).unwrap();
        assert_eq!(exits.routes(), answer.routes);
        assert!(difference(&exits.along(exits.routes()).unwrap(), &answer.logits) < 1e-5);
        let mixed: Vec<_> = (0..34).flat_map(|_| routing::all::<Tiny>()).take(300).collect();
        let expected = routing::predict_as(&network, &data.input().unwrap(), &mixed).unwrap().logits;
        assert!(difference(&exits.along(&mixed).unwrap(), &expected) < 1e-5);
        assert!(exits.along(&mixed[1..]).is_err());
    }

    #[test]
    fn the_best_fixed_shortcut_is_the_best_within_its_bound() {
        let network = Tiny::new(Device::Cpu).unwrap();
        let data = samples(60, 1).unwrap().train;
        let exits = Exits::of(&network, &data).unwrap();
        let table = table();
        let quality = |route| exits.score(&exits.by(route)).unwrap().quality();
        for bound in [12.5, 20.0, 40.0, 1000.0] {
            let best = exits.best_fixed(&table, bound).unwrap();
            assert!(table.route(&best.blocks()) <= bound);
            assert_ne!(best, TinyRoute::at([2, 2]));
            for other in routing::all::<Tiny>().filter(|route| *route != TinyRoute::at([2, 2])) {
                let cost = table.route(&other.blocks());
                let no_better = quality(other) < quality(best)
                    || (quality(other) == quality(best) && cost >= table.route(&best.blocks()));
                assert!(cost > bound || no_better, "{other:?} beats {best:?} at {bound}");
            }
        }
        // The cheapest: 1 + 0.5, 10 + 0.5, and 0.25 for the head.
        let message = exits.best_fixed(&table, 11.5).unwrap_err().to_string();
        assert_eq!(
            message,
            "best fixed shortcut: none takes at most 11.500 ms, the cheapest takes 12.250 ms; raise the bound"
        );
    }

    #[test]
    fn a_shortcut_that_is_slower_than_late_fusion_is_none() {
        let network = Tiny::new(Device::Cpu).unwrap();
        let exits = Exits::of(&network, &samples(30, 1).unwrap().train).unwrap();
        let time = |median: f64| Estimate { median, low: median, high: median, p99: median };
        // On the left, any way out costs 12 ms and more, where the end costs 7.
        let mut table = table();
        for (shortcut, median) in table.modalities[0].shortcuts.iter_mut().zip([11.0, 20.0]) {
            *shortcut = time(median);
        }
        // Room for a navigator that is slower than all it saves.
        table.navigator = time(500.0);
        let late_fusion = table.late_fusion();
        for best in [exits.best_fixed(&table, 1000.0).unwrap(), exits.rival(&table).unwrap().unwrap()] {
            assert!(table.route(&best.blocks()) < late_fusion, "{best}");
        }
        // A bound below all routes: the cheapest, [2, 0], has to do.
        table.navigator = time(0.0);
        assert!(exits.best_fixed(&table, 10.0).is_err());

        for shortcut in &mut table.modalities[1].shortcuts {
            *shortcut = time(1000.0);
        }
        assert_eq!(exits.rival(&table).unwrap(), None);
        assert_eq!(
            exits.best_fixed(&table, 1000.0).unwrap_err().to_string(),
            "best fixed shortcut: no route is faster than late fusion, which takes 77.250 ms; `latency::unpaid` says of \
             each shortcut why"
        );
    }

    #[test]
    fn unusable_bounds_and_tables_are_refused() {
        let network = Tiny::new(Device::Cpu).unwrap();
        let exits = Exits::of(&network, &samples(5, 1).unwrap().train).unwrap();
        for bound in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0] {
            assert_eq!(
                exits.best_fixed(&table(), bound).unwrap_err().to_string(),
                format!(
                    "best fixed shortcut: the bound is {bound} ms, expected a finite number that is not below zero"
                )
            );
        }
        assert!(exits.best_fixed(&table(), 0.0).is_err());
        for wrong in [f64::NAN, f64::INFINITY, -5.0] {
            let mut tables = [table(), table(), table()];
            tables[0].modalities[1].blocks[2].median = wrong;
            tables[1].head.median = wrong;
            tables[2].navigator.median = wrong;
            for table in tables {
                let errors = [
                    exits.best_fixed(&table, 50.0).map(|_| ()).unwrap_err(),
                    exits.rival(&table).map(|_| ()).unwrap_err(),
                    exits.oracle(&table).map(|_| ()).unwrap_err(),
                    exits.expected_milliseconds(&table).map(|_| ()).unwrap_err(),
                ];
                for error in errors {
                    assert!(error.to_string().starts_with("latency table: "), "{error}");
                }
            }
        }
        let mut other = table();
        other.fingerprint.architecture.pop();
        let message = exits.best_fixed(&other, 50.0).unwrap_err().to_string();
        assert!(message.contains("expected one of `Tiny` as it is now, found one of other layers"), "{message}");
        other.fingerprint.model = "Other".into();
        let message = exits.oracle(&other).unwrap_err().to_string();
        assert!(message.contains("found one of `Other`"), "{message}");
        assert!(exits.best_fixed(&Table::default(), 50.0).is_err());
        assert!(exits.rival(&Table::default()).is_err());
        assert!(exits.oracle(&Table::default()).is_err());
        assert!(
            exits.alone(2, 0).is_err()
                && exits.alone(0, 3).is_err()
                && exits.alone(0, usize::MAX).is_err()
                && exits.alone(1, 2).is_ok()
        );
    }

    #[test]
    fn features_on_disk_are_those_in_memory() {
        let network = Tiny::new(Device::Cpu).unwrap();
        let data = samples(300, 1).unwrap().train;
        let [held, mapped] = [u64::MAX, 0].map(|bytes| Exits::bounded(&network, &data, bytes).unwrap());
        for route in routing::all::<Tiny>() {
            assert_eq!(held.by(route), mapped.by(route));
        }
        assert_eq!(held.routes(), mapped.routes());
        assert_eq!((&held.stems, &held.scores), (&mapped.stems, &mapped.scores));
    }

    #[test]
    fn one_sample_is_enough() {
        let network = Tiny::new(Device::Cpu).unwrap();
        let exits = Exits::of(&network, &samples(1, 1).unwrap().train).unwrap();
        assert_eq!(exits.oracle(&table()).unwrap().routes.len(), 1);
        assert!(exits.rival(&table()).unwrap().is_some());
    }

    #[test]
    fn a_sample_that_is_not_a_number_is_named() {
        let network = Tiny::new(Device::Cpu).unwrap();
        let data = samples(300, 1).unwrap().train;
        let _ = data.input().unwrap().left.tensor().get(257).fill_(f64::NAN);
        let message = Exits::of(&network, &data).unwrap_err().to_string();
        let expected = "navigator: row 257 has the score NaN for modality 0";
        assert!(message.starts_with(expected), "{message}");
    }

    #[test]
    fn data_of_another_task_are_refused() {
        let network = Tiny::new(Device::Cpu).unwrap();
        let input = samples(4, 1).unwrap().train.input().unwrap();
        let target = Tensor::zeros([4, 3], (tch::Kind::Float, tch::Device::Cpu));
        let data = Dataset::new(input, target, Task::Multilabel { labels: 3 }).unwrap();
        let message = Exits::of(&network, &data).unwrap_err().to_string();
        assert_eq!(message, "target: expected [4] of Int64, found [4, 3] of Float");
    }

    #[test]
    fn the_oracle_takes_the_cheapest_right_route() {
        let network = Tiny::new(Device::Cpu).unwrap();
        let data = samples(40, 1).unwrap().train;
        let exits = Exits::of(&network, &data).unwrap();
        let table = table();
        let oracle = exits.oracle(&table).unwrap();
        let target = Vec::<i64>::try_from(data.target()).unwrap();
        let right = |route, sample: usize| {
            exits.by(route).get(sample as i64).argmax(0, false).int64_value(&[]) == target[sample]
        };
        for (sample, chosen) in oracle.routes.iter().enumerate() {
            let cost = table.route(&chosen.blocks());
            let cheaper = routing::all::<Tiny>().filter(|route| table.route(&route.blocks()) < cost);
            assert_eq!(cheaper.filter(|route| right(*route, sample)).count(), 0);
            let any = routing::all::<Tiny>().any(|route| right(route, sample));
            assert_eq!(right(*chosen, sample), any);
            assert!(any || *chosen == TinyRoute::at([0, 0]));
        }
        let best = routing::all::<Tiny>().map(|route| exits.score(&exits.by(route)).unwrap().quality());
        assert!(best.into_iter().all(|quality| quality <= oracle.scores.quality()));
    }

    #[test]
    fn expected_milliseconds_include_the_navigator() {
        let network = Tiny::new(Device::Cpu).unwrap();
        let exits = Exits::of(&network, &samples(2, 1).unwrap().train).unwrap();
        let routes: f64 = exits.routes().iter().map(|route| table().route(&route.blocks())).sum();
        let expected = exits.expected_milliseconds(&table()).unwrap();
        assert!((expected - (routes / 2.0 + 0.125)).abs() < 1e-12);
        assert!(exits.expected_milliseconds(&Table::default()).is_err());
    }
}
