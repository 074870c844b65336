//! The best mixture of fixed routes drawn at random: the line that a policy has to beat to have decided anything.
//!
//! A coin that sends each sample one of two ways comes, on average, to any point between what the two ways come to. So
//! without looking at a sample one can have every balance of time and quality on the upper concave hull of all fixed
//! routes, and none above it. The coin is an old device (Scott et al., 1998, for classifiers between two operating
//! points); that it is the line to beat follows from what it does, and is ours to say.
//!
//! Qualities are those on validation samples, and milliseconds those of the latency table; a coin costs nothing. F1 is no
//! mean over samples, so that of labels a mixture comes only nearly to the point between its routes.

use std::cell::RefCell;

use tch::{Device, Kind, Tensor};

use super::{AsIs, Begins, Lesson, Rival, Setting};
use crate::evaluation::Exits;
use crate::network::{Network, Route};
use crate::policy::{Grid, Look, MOST_STATES, Move, Policy, Seen, State};
use crate::random::SplitMix64;
use crate::training::Progress;
use crate::{Error, Result, routing};

/// About as many points of the hull are settings.
const POINTS: usize = 12;

/// Mixtures of the fixed routes of a network.
#[derive(Debug)]
pub(crate) struct Mixture<N> {
    network: N,
    /// The blocks of each modality on the routes at the corners of the hull, the fastest first; behind them zeros.
    corners: Tensor,
}

impl<N: Network> Rival<N> for Mixture<N> {
    const NAME: &'static str = "mixture of fixed routes";
    const BEGINS: Begins = Begins::Trained;

    fn new(network: N) -> Result<Self> {
        let modalities = N::description().modalities;
        let routes = Grid::of(modalities).len();
        if routes > MOST_STATES {
            return Err(Error::invalid(format!(
                "`{}` has {routes} routes, too many to try one by one (at most {MOST_STATES}); take fewer shortcuts",
                N::description().name
            )));
        }
        let root = network.variables().root() / "rival";
        let corners = root.zeros_no_train("corners", &[routes as i64, modalities.len() as i64]);
        Ok(Self { network, corners })
    }

    fn network(&self) -> &N {
        &self.network
    }

    fn network_mut(&mut self) -> &mut N {
        &mut self.network
    }

    fn train(&mut self, lesson: &Lesson<'_, N>, _: &mut Progress) -> Result<()> {
        let exits = Exits::of(&self.network, &lesson.splits.valid)?;
        let routes: Vec<N::Route> = routing::all::<N>().collect();
        let point = |route: &N::Route| -> Result<[f64; 2]> {
            let milliseconds = lesson.costs.route(&State::of(&route.blocks())).expected;
            Ok([milliseconds, exits.score(&exits.by(*route))?.quality()])
        };
        let points = routes.iter().map(point).collect::<Result<Vec<_>>>()?;
        let corners = hull(&points).into_iter().flat_map(|corner| routes[corner].blocks());
        let mut corners: Vec<f32> = corners.map(|blocks| blocks as f32).collect();
        corners.resize(self.corners.numel(), 0.0);
        let corners = Tensor::from_slice(&corners).view_as(&self.corners);
        tch::no_grad(|| self.corners.shallow_clone().f_copy_(&corners))?;
        Ok(())
    }

    fn settings(&self) -> Result<Vec<Setting<'_>>> {
        let corners = self.corners.to_device(Device::Cpu).to_kind(Kind::Int64);
        let corners =
            Vec::<Vec<i64>>::try_from(corners)?.into_iter().take_while(|corner| corner.iter().any(|n| *n > 0));
        let corners: Vec<State> =
            corners.map(|corner| State::of(&corner.iter().map(|n| *n as usize).collect::<Vec<_>>())).collect();
        let last = Grid::of(N::description().modalities).last();
        let route = |state: &State| -> Result<String> { Ok(format!("({})", routing::route::<N>(state)?)) };
        let setting = |(number, (corner, share)): (usize, (usize, f64))| -> Result<Setting<'_>> {
            let fast = &corners[corner];
            let slow = corners.get(corner + 1).unwrap_or(fast);
            let by = match share > 0.0 {
                true => format!("{:.0} % {}, else {}", 100.0 * share, route(slow)?, route(fast)?),
                false => route(fast)?,
            };
            let random = RefCell::new(SplitMix64::new(number as u64));
            let policy = Box::new(Coin { routes: [fast, slow, &last].map(State::clone), share, random });
            Ok(Setting { by, variant: Box::new(AsIs), policy })
        };
        points(corners.len()).into_iter().enumerate().map(setting).collect()
    }
}

/// The corners of the upper concave hull of points of milliseconds and quality, from the fastest to the best, by number.
fn hull(points: &[[f64; 2]]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..points.len()).collect();
    let before = |left: &usize, right: &usize| {
        let ([left_time, left_quality], [right_time, right_quality]) = (points[*left], points[*right]);
        left_time.total_cmp(&right_time).then(right_quality.total_cmp(&left_quality))
    };
    order.sort_by(before);
    let mut corners: Vec<usize> = Vec::new();
    for next in order {
        let [time, quality] = points[next];
        if corners.last().is_some_and(|last| quality <= points[*last][1]) {
            continue;
        }
        // A corner is none where it lies on or below the line from the one before to the next.
        while let [.., before, last] = corners[..] {
            let ([from_time, from_quality], [last_time, last_quality]) = (points[before], points[last]);
            if (last_quality - from_quality) * (time - from_time) > (quality - from_quality) * (last_time - from_time) {
                break;
            }
            corners.pop();
        }
        corners.push(next);
    }
    corners
}

/// Points along a hull of so many corners: a corner, and the share that goes on to the next one. All corners are there, and
/// as many points between each two.
fn points(corners: usize) -> Vec<(usize, f64)> {
    let sides = corners.saturating_sub(1);
    let steps = (POINTS - 1).div_ceil(sides.max(1));
    let along = |side: usize| (0..steps).map(move |step| (side, step as f64 / steps as f64));
    (0..sides).flat_map(along).chain(corners.checked_sub(1).map(|last| (last, 0.0))).collect()
}

/// Sends each sample one of two ways, whatever it is.
#[derive(Debug)]
struct Coin {
    /// The faster and the slower route, and that of late fusion for samples that lack all that both look at.
    routes: [State; 3],
    /// The share of samples that go the slower way.
    share: f64,
    random: RefCell<SplitMix64>,
}

impl Coin {
    /// Whether the next sample goes the slower way.
    fn toss(&self) -> bool {
        const SIDES: usize = 1 << 30;
        (self.random.borrow_mut().below(SIDES) as f64) < self.share * SIDES as f64
    }
}

impl Policy for Coin {
    fn look(&self, _: &State) -> Look {
        Look::Nothing
    }

    fn next(&self, state: &State, seen: &Seen) -> Result<Vec<Move>> {
        let [fast, slow, last] = &self.routes;
        let of = |_: &usize| {
            let ways = if self.toss() { [slow, fast, last] } else { [fast, slow, last] };
            let way = ways.into_iter().find(|way| state.towards(way).depth() > 0).unwrap_or(last);
            Move::Finish(way.clone())
        };
        Ok(seen.rows.iter().map(of).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Input;
    use crate::rivals::trials::{answer, batches_are_answered_as_their_samples, lacking, restored, teach, trained};
    use crate::tiny::{Labelling, Tiny, TinyInput, labelled, table};

    #[test]
    fn the_hull_by_hand() {
        // The second lies below the line from the first to the third, the fourth is no better, the last is on the line.
        let points = [[1.0, 0.5], [2.0, 0.55], [3.0, 0.8], [4.0, 0.7], [7.0, 0.9], [5.0, 0.85]];
        assert_eq!(hull(&points), [0, 2, 4]);
        // Of equal time the better counts, of equal quality the faster.
        assert_eq!(hull(&[[1.0, 0.5], [1.0, 0.6], [2.0, 0.6]]), [1]);
        assert_eq!(hull(&[[1.0, -3.0], [2.0, -1.0], [3.0, -0.5]]), [0, 1, 2]);
        assert_eq!(hull(&[]), [0; 0]);
    }

    #[test]
    fn settings_lie_along_the_hull() {
        assert_eq!(points(0), []);
        assert_eq!(points(1), [(0, 0.0)]);
        assert_eq!(points(2).len(), POINTS);
        let three = points(3);
        assert_eq!(
            (three.len(), three[0], three[3], three[6], three[12]),
            (13, (0, 0.0), (0, 0.5), (1, 0.0), (2, 0.0))
        );
        assert_eq!(points(20).len(), 20);
    }

    #[test]
    fn a_coin_is_tossed_for_every_sample() {
        let (rival, splits) = trained::<Mixture<Tiny>>();
        let inputs = splits.valid.input().unwrap();
        let [first, again] = [rival.settings().unwrap(), rival.settings().unwrap()];
        let mut spent = Vec::new();
        for (one, other) in first.iter().zip(&again) {
            let (whole, ran) = answer(rival.network(), one, &inputs);
            spent.push(ran.by_table(&table()) / 64.0);
            // A batch of one tosses as well: one by one, samples go as they do together.
            for row in 0..64 {
                let features = inputs.features().iter().map(|feature| feature.narrow(row, 1)).collect();
                let (single, _) = answer(rival.network(), other, &TinyInput::from_features(features).unwrap());
                assert_eq!(single.states[0], whole.states[row as usize], "{}: row {row}", one.by);
            }
        }
        let corners = spent.len() - 1;
        assert!(spent[0] < spent[corners / 2] && spent[corners / 2] < spent[corners], "{spent:?}");
        batches_are_answered_as_their_samples(rival.network(), &first[0], &inputs);
    }

    #[test]
    fn shares_are_those_of_the_setting() {
        let coin = |share| Coin {
            routes: [[1, 1], [2, 3], [3, 3]].map(|blocks| State::of(&blocks)),
            share,
            random: RefCell::new(SplitMix64::new(1)),
        };
        let seen = Seen { rows: (0..10_000).collect(), ..Seen::default() };
        for share in [0.0, 0.25, 1.0] {
            let moves = coin(share).next(&State::of(&[0, 0]), &seen).unwrap();
            let slow = moves.iter().filter(|next| **next == Move::Finish(State::of(&[2, 3]))).count() as f64 / 1e4;
            // Four standard deviations.
            let bound = 4.0 * (share * (1.0 - share) / 1e4).sqrt();
            assert!((slow - share).abs() <= bound, "{slow} for {share}");
        }
    }

    #[test]
    fn nothing_but_one_of_two_routes_runs() {
        let (rival, splits) = trained::<Mixture<Tiny>>();
        let inputs = splits.valid.input().unwrap();
        for setting in rival.settings().unwrap() {
            let (outcome, ran) = answer(rival.network(), &setting, &inputs);
            let by_hand: f64 = outcome.states.iter().map(|state| table().route(state.blocks())).sum();
            assert!((ran.by_table(&table()) - by_hand).abs() < 1e-6, "{}", setting.by);
            let mut ends = outcome.states.clone();
            ends.sort();
            ends.dedup();
            assert!(ends.len() <= 2, "{}: {ends:?}", setting.by);
        }
        restored(&rival, &inputs);
    }

    #[test]
    fn samples_that_lack_a_modality_go_another_way() {
        let splits = lacking(&labelled(60, 42).unwrap(), Labelling::description().task);
        let network = Labelling::seeded(crate::Device::Cpu, 3).unwrap();
        let rival: Mixture<Labelling> = teach(network, &splits, &Labelling::plan());
        for setting in rival.settings().unwrap() {
            let (outcome, _) = answer(rival.network(), &setting, &splits.valid.input().unwrap());
            for (row, state) in outcome.states.iter().enumerate() {
                assert!(state.depth() > 0 && (row % 3 == 0 || state.blocks()[row % 3 - 1] == 0), "row {row}: {state}");
            }
        }
    }
}
