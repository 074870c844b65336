//! Every candidate on every sample, and no advantage for any by its place among the others.

use tch::nn::VarStore;
use tch::{Kind, Tensor};

use super::super::Way;
use super::*;
use crate::Device;
use crate::batch::Feature;
use crate::network::{Chain, Description};
use crate::nn::AnyLayer;
use crate::plan::Plan;
use crate::policy::Policies;
use crate::tiny::{Tiny, TinyInput, TinyRoute, samples};

#[test]
fn every_candidate_is_timed_on_every_sample() {
    let network = Tiny::new(Device::Cpu).unwrap();
    let data = samples(12, 1).unwrap().train;
    let mut candidates = Candidate::alone(&network);
    candidates.push(Candidate::new("late fusion", &network, Way::LateFusion));
    candidates.push(Candidate::new("fixed", &network, Way::Fixed(TinyRoute::at([0, 1]))));
    candidates.push(Candidate::new("navigator", &network, Way::Navigator));
    let timings = measure(&candidates, &data, &Settings { samples: 7, repetitions: 3, warm_up: 2 }).unwrap();
    assert_eq!(timings.samples(), 7);
    for candidate in 0..candidates.len() {
        let Interval { value, low, high } = timings.mean(candidate).unwrap();
        assert!(0.0 < low && low <= value && value <= high);
    }
    let all = measure(&candidates, &data, &Settings { samples: 100, repetitions: 1, warm_up: 0 }).unwrap();
    assert_eq!(all.samples(), 12);
    let message = measure(&candidates, &data, &Settings { samples: 0, ..Default::default() }).unwrap_err().to_string();
    assert_eq!(message, "timing: 0 samples, 5 repetitions and 5 candidates, expected at least one of each");
    let none = measure::<Tiny>(&[], &data, &Settings::default()).unwrap_err().to_string();
    assert_eq!(none, "timing: 12 samples, 5 repetitions and 0 candidates, expected at least one of each");
    let one = measure(&candidates[..1], &data, &Settings { samples: 1, repetitions: 1, warm_up: 0 }).unwrap();
    assert_eq!(one.samples(), 1);
}

#[test]
fn means_and_ratios_of_given_times() {
    let timings = Timings { milliseconds: vec![vec![1.0, 3.0, 2.0], vec![2.0, 6.0, 4.0]] };
    assert_eq!(timings.mean(1).unwrap().value, 4.0);
    assert_eq!(timings.ratio(0, 1), Some(Interval { value: 0.5, low: 0.5, high: 0.5 }));
    assert_eq!(timings.ratio(1, 1), Some(Interval { value: 1.0, low: 1.0, high: 1.0 }));
    assert_eq!((timings.mean(2), timings.ratio(0, 2), timings.ratio(2, 0)), (None, None, None));
}

/// The candidates in the order in which they answered, one entry a turn.
fn turns(candidates: usize, samples: usize, settings: &Settings) -> Vec<usize> {
    let mut answers = Vec::new();
    in_turns(candidates, samples, settings, |candidate, _| {
        answers.push(candidate);
        Ok(1.0)
    })
    .unwrap();
    assert_eq!(answers.len() % (UNCOUNTED + TURN), 0);
    answers
        .chunks(UNCOUNTED + TURN)
        .map(|turn| {
            // All of a turn is one candidate's: whatever counts follows its own kind.
            assert!(turn.iter().all(|candidate| *candidate == turn[0]));
            turn[0]
        })
        .collect()
}

#[test]
fn every_candidate_follows_every_other_as_often() {
    let settings = Settings { repetitions: 10, warm_up: 0, ..Default::default() };
    let turns = turns(5, 800, &settings);
    assert_eq!(turns.len(), 5 * 2000);
    let mut follows = [[0; 5]; 5];
    let mut begins = [0; 5];
    for round in turns.chunks(5) {
        begins[round[0]] += 1;
        round.windows(2).for_each(|pair| follows[pair[0]][pair[1]] += 1);
    }
    // Each of the 20 pairs is expected 2000 · 4 / 20 = 400 times, and each beginning as often.
    for (candidate, follows) in follows.iter().enumerate() {
        assert!((320..480).contains(&begins[candidate]), "{begins:?}");
        for (next, count) in follows.iter().enumerate() {
            assert!(if candidate == next { *count == 0 } else { (320..480).contains(count) }, "{follows:?}");
        }
    }
}

#[test]
fn the_same_answers_are_timed_in_every_run() {
    let times = || {
        let (mut clock, settings) = (0.0, Settings { samples: 10, repetitions: 3, warm_up: 1 });
        in_turns(3, 10, &settings, |_, _| {
            clock += 1.0;
            Ok(clock)
        })
    };
    assert_eq!(times().unwrap(), times().unwrap());
}

/// A machine with caches: an answer is the dearer, the less of its network the answers before have left there.
#[derive(Debug, Default)]
struct Machine {
    /// The share of each network that the caches hold.
    warmth: [f64; 2],
    answers: usize,
}

/// A candidate of the modelled machine: its network, its milliseconds, and the share of its network that it runs.
type Modelled = (usize, f64, f64);

impl Machine {
    fn answer(&mut self, (network, milliseconds, share): Modelled) -> f64 {
        let missing = 1.0 - self.warmth[network];
        self.answers += 1;
        self.warmth[network] += share * missing;
        self.warmth[1 - network] *= 1.0 - share;
        // Now and then, something else uses the machine for a while.
        let disturbed = if (self.answers / 50).is_multiple_of(7) { 1.4 } else { 1.0 };
        milliseconds * (1.0 + 0.3 * missing) * disturbed
    }
}

/// The same under two names has a ratio of one, wherever the two stand: the clock is a model, so nothing is left to
/// chance.
#[test]
fn the_same_under_two_names_takes_the_same_time() {
    const FULL: Modelled = (0, 1.0, 0.9);
    const OTHER: Modelled = (1, 1.0, 0.9);
    const SHORT: Modelled = (0, 0.4, 0.5);
    /// The same as [`SHORT`], of a network that is its copy.
    const COPY: Modelled = (1, 0.4, 0.5);
    let layouts: [(&[Modelled], [usize; 2]); 6] = [
        (&[FULL, SHORT, OTHER, SHORT], [1, 3]),
        (&[OTHER, SHORT, FULL, SHORT], [3, 1]),
        (&[FULL, SHORT, SHORT, OTHER], [1, 2]),
        (&[FULL, FULL, SHORT, OTHER, OTHER, SHORT, OTHER], [2, 5]),
        (&[FULL, SHORT, COPY], [1, 2]),
        (&[SHORT, FULL, FULL, OTHER, COPY], [0, 4]),
    ];
    let settings = Settings::default();
    let mut rotated = Vec::new();
    for (candidates, [left, right]) in layouts {
        let mut machine = Machine::default();
        let timings = in_turns(candidates.len(), settings.samples, &settings, |candidate, _| {
            Ok(machine.answer(candidates[candidate]))
        });
        let ratio = Timings::of(timings.unwrap()).ratio(left, right).unwrap();
        assert!((ratio.value - 1.0).abs() < 0.01, "{candidates:?}: {ratio}");

        // Turns of one answer, beginning with another candidate each time, as one might do it at first.
        let (mut machine, mut totals) = (Machine::default(), [0.0; 7]);
        for round in 0..1000 {
            for turn in 0..candidates.len() {
                let candidate = (round + turn) % candidates.len();
                totals[candidate] += machine.answer(candidates[candidate]);
            }
        }
        rotated.push(totals[left] / totals[right]);
    }
    assert!(rotated.iter().filter(|ratio| (*ratio - 1.0).abs() > 0.02).count() >= 5, "{rotated:?}");
}

/// Tiny, its blocks made as heavy as those of a network in use: their weights do not fit a core's own cache.
#[derive(Debug)]
struct Heavy {
    tiny: Tiny,
    /// One a block.
    ballast: Vec<Tensor>,
}

/// The width of the ballast: 1 MB a block.
const BALLAST: i64 = 512;

impl Network for Heavy {
    type Input = TinyInput;
    type Route = TinyRoute;

    fn new(device: Device) -> Result<Self> {
        let ballast = || Tensor::rand([BALLAST, BALLAST], (Kind::Float, device.into()));
        Ok(Self { tiny: Tiny::new(device)?, ballast: (0..6).map(|_| ballast()).collect() })
    }

    fn description() -> &'static Description {
        Tiny::description()
    }

    fn plan() -> Plan {
        Tiny::plan()
    }

    fn variables(&self) -> &VarStore {
        self.tiny.variables()
    }

    fn policies(&self) -> &Policies {
        self.tiny.policies()
    }

    fn policies_mut(&mut self) -> &mut Policies {
        self.tiny.policies_mut()
    }

    fn block(&self, modality: usize, block: usize, input: &Feature, train: bool) -> Feature {
        let _ballast = self.ballast[3 * modality + block].mv(&Tensor::ones([BALLAST], (Kind::Float, tch::Device::Cpu)));
        self.tiny.block(modality, block, input, train)
    }

    fn layers(&self, chain: Chain) -> Vec<Box<dyn AnyLayer + '_>> {
        self.tiny.layers(chain)
    }

    fn fuse(&self, features: &[Tensor], train: bool) -> Tensor {
        self.tiny.fuse(features, train)
    }

    fn navigate(&self, inputs: &[Feature], train: bool) -> Vec<Tensor> {
        self.tiny.navigate(inputs, train)
    }
}

/// The same by the clock of the machine at hand.
#[test]
#[ignore = "measures for a minute: run it on an idle machine, with `--ignored --nocapture`"]
fn the_same_under_two_names_by_the_clock() {
    let (x, y) = (Heavy::new(Device::Cpu).unwrap(), Heavy::new(Device::Cpu).unwrap());
    let data = samples(200, 1).unwrap().train;
    let (full, short) = (Way::LateFusion, Way::Fixed(TinyRoute::at([0, 0])));
    let layouts: [&[(&str, &Heavy, Way<TinyRoute>)]; 5] = [
        &[("x", &x, full), ("a", &x, short), ("y", &y, full), ("b", &x, short)],
        &[("y", &y, full), ("b", &x, short), ("x", &x, full), ("a", &x, short)],
        &[("x", &x, full), ("a", &x, short), ("y", &y, full), ("navigator", &y, Way::Navigator), ("b", &x, short)],
        &[("x", &x, full), ("a", &x, short), ("b", &y, short)],
        &[("y", &y, full), ("a", &x, short), ("b", &y, short)],
    ];
    for layout in layouts {
        let names: Vec<_> = layout.iter().map(|(name, ..)| *name).collect();
        let candidates: Vec<_> =
            layout.iter().map(|(name, network, way)| Candidate::new(*name, *network, *way)).collect();
        let place = |name: &str| names.iter().position(|other| *other == name).unwrap();
        let ratios: Vec<_> = (0..3)
            .map(|_| {
                let timings = measure(&candidates, &data, &Settings::default()).unwrap();
                timings.ratio(place("a"), place("b")).unwrap()
            })
            .collect();
        println!("{names:?}: a by b {:.3}, {:.3}, {:.3}", ratios[0], ratios[1], ratios[2]);
        // The best of three: other jobs of the machine may disturb two.
        assert!(ratios.iter().any(|ratio| (ratio.value - 1.0).abs() < 0.05));
    }
}
