//! Frozen networks against the networks that they are of.

use super::*;
use crate::network::Chain;
use crate::nn::program::Value;
use crate::nn::{Affine, AnyLayer, Program};
use crate::plan::Policy as Which;
use crate::policy::{Budget, Look, Move, Seen};
use crate::tiny::{Lacking, Reading, Stemming, Tiny, TinyInput, TinyRoute, samples, sequential, table};
use crate::training::{Progress, Trainer};
use crate::{Device, routing};

/// A table of the tiny network's invented times, as if a predictor had been measured.
fn measured<N: Network>(predictor: &Predictor<N>) -> Table {
    let mut table = table();
    table.fingerprint = predictor.frozen.fingerprint().clone();
    table
}

fn assert_near(found: &tch::Tensor, expected: &tch::Tensor) {
    assert!(found.allclose(expected, 1e-5, 1e-6, false), "{found} for {expected}");
}

fn inputs() -> TinyInput {
    let data = crate::tiny::samples(40, 2).unwrap();
    TinyInput::from_features(data.train.input().unwrap().features()).unwrap()
}

#[test]
fn many_threads_may_ask_at_once() {
    fn shared<T: Send + Sync>(_: &T) {}
    let network = Tiny::seeded(Device::Cpu, 3).unwrap();
    let input = inputs();
    let routes: Vec<_> = routing::all::<Tiny>().collect();
    let expected: Vec<_> =
        routes.iter().map(|route| routing::predict_by(&network, &input, *route).unwrap().logits).collect();
    let predictor = Predictor::new(network, Options::default()).unwrap();
    shared(&predictor);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (predictor, routes) = (&predictor, &routes);
            let (input, expected) =
                (input.clone(), expected.iter().map(tch::Tensor::shallow_clone).collect::<Vec<_>>());
            scope.spawn(move || {
                for turn in 0..20 {
                    let number = (turn + 3 * thread) % routes.len();
                    assert_near(&predictor.predict_by(&input, routes[number]).unwrap().logits, &expected[number]);
                }
            });
        }
    });
}

#[test]
fn learned_policies_decide_as_those_of_the_network() {
    let (mut network, splits) = sequential().unwrap();
    network.policies_mut().decide_by::<Tiny>(&table()).unwrap();
    let input = TinyInput::from_features(splits.valid.input().unwrap().features()).unwrap();
    let budgets = [Budget::Price(0.05), Budget::Price(0.5), Budget::Lambda(0.003), Budget::AccuracyWithin(2.0)];
    let expected: Vec<_> = budgets
        .iter()
        .map(|budget| routing::predict_within(&network, &input, Which::Sequential, *budget).unwrap())
        .collect();
    let mut predictor = Predictor::new(network, Options::default()).unwrap();
    assert!(predictor.table().is_some(), "what a trained policy needs is measured");
    predictor.decide_by(measured(&predictor)).unwrap();
    for (budget, expected) in budgets.into_iter().zip(expected) {
        let answer = predictor.by_learned(&input, Which::Sequential, budget.into()).unwrap();
        assert_eq!(answer.routes, expected.routes, "{budget}");
        assert_near(&answer.logits, &expected.logits);
    }
}

#[test]
fn the_papers_navigator_decides_as_that_of_the_network() {
    let network = Tiny::seeded(Device::Cpu, 4).unwrap();
    let input = inputs();
    let expected = routing::predict(&network, &input).unwrap();
    let predictor = Predictor::new(network, Options::default()).unwrap();
    let answer = predictor.predict(&input).unwrap();
    assert_eq!(answer.routes, expected.routes);
    assert_near(&answer.logits, &expected.logits);
    assert!(predictor.table().is_none(), "nobody decides by what parts cost");
}

#[test]
fn what_the_first_blocks_leave_is_read_as_by_the_network() {
    reads_as_the_network::<Stemming>();
    reads_as_the_network::<Reading>();
}

fn reads_as_the_network<N: Network<Input = TinyInput, Route = TinyRoute>>() {
    let (mut network, splits) = (N::seeded(Device::Cpu, 4).unwrap(), samples(96, 48).unwrap());
    let trainer = Trainer::new(N::plan()).latency(Table { fingerprint: Fingerprint::of(&network), ..table() });
    trainer.navigator(&mut network, &splits, &mut Progress::silent()).unwrap();
    // What it has learned on so few samples may send all of them the same way.
    let place = format!("policies.paper.{}.output.weight", N::plan().navigator.from.name());
    let _ = tch::no_grad(|| network.variables().variables()[&place].shallow_clone().normal_(0.0, 3.0));
    let input = splits.valid.input().unwrap();
    let expected = routing::predict(&network, &input).unwrap();
    assert!(expected.routes.iter().any(|route| *route != expected.routes[0]), "samples part ways");
    let predictor = Predictor::new(network, Options::default()).unwrap();
    let answer = predictor.predict(&input).unwrap();
    assert_eq!(answer.routes, expected.routes);
    assert_near(&answer.logits, &expected.logits);
    for sample in 0..splits.valid.len() {
        let row = input.features().iter().map(|feature| feature.narrow(sample, 1)).collect();
        let alone = predictor.predict(&TinyInput::from_features(row).unwrap()).unwrap();
        assert_eq!(alone.routes, expected.routes[sample as usize..][..1]);
    }
}

#[test]
fn what_cannot_be_asked_for_is_the_same_error() {
    let same = |found: Result<Answer<_>>, expected: Result<Answer<_>>| {
        let [found, expected] = [found, expected].map(|answer| answer.map(drop).unwrap_err().to_string());
        assert_eq!(found, expected);
    };
    let (input, budget) = (inputs(), Budget::Price(0.1));
    let predictor = Predictor::new(Tiny::seeded(Device::Cpu, 5).unwrap(), Options::default()).unwrap();
    let network = Tiny::seeded(Device::Cpu, 5).unwrap();
    for policy in Which::LEARNED {
        let found = predictor.by_learned(&input, policy, budget.into());
        same(found, routing::predict_within(&network, &input, policy, budget));
    }
    let routes: Vec<_> = routing::all::<Tiny>().take(2).collect();
    same(predictor.predict_as(&input, &routes), routing::predict_as(&network, &input, &routes));
    let stemming = Stemming::seeded(Device::Cpu, 5).unwrap();
    let expected = routing::predict(&stemming, &input);
    same(Predictor::new(stemming, Options::default()).unwrap().predict(&input), expected);
    let reading = Reading::seeded(Device::Cpu, 5).unwrap();
    let expected = routing::predict(&reading, &input);
    same(Predictor::new(reading, Options::default()).unwrap().predict(&input), expected);
}

#[test]
fn a_file_keeps_what_was_measured_here_for_this_predictor() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("predictor.json");
    let freeze = |precision| {
        let options = Options { precision, latency: Some(path.clone()), ..Default::default() };
        Predictor::new(Tiny::seeded(Device::Cpu, 5).unwrap(), options).unwrap()
    };
    let measured = |predictor: &Predictor<Tiny>| predictor.table().unwrap().clone();
    let first = measured(&freeze(Precision::F32));
    assert_eq!(Table::read(&path).unwrap(), first);
    let again = freeze(Precision::F32);
    assert_eq!(measured(&again), first, "nothing is measured that was");
    assert_eq!(again.engines(), first.fingerprint.engines, "the same engines are taken again");

    // What is of another precision, of the network itself, or of nothing is measured anew and written over.
    let other = measured(&freeze(Precision::Bf16));
    assert_eq!((&other.fingerprint.engines[0][..], &Table::read(&path).unwrap()), ("bf16", &other));
    let network = Table { fingerprint: Fingerprint::of(&Tiny::seeded(Device::Cpu, 5).unwrap()), ..table() };
    network.save(&path).unwrap();
    assert_ne!(measured(&freeze(Precision::F32)).fingerprint, network.fingerprint);
    let mut elsewhere = measured(&freeze(Precision::F32));
    elsewhere.fingerprint.processor = "Another processor".into();
    elsewhere.save(&path).unwrap();
    assert_ne!(measured(&freeze(Precision::F32)).fingerprint, elsewhere.fingerprint);
    std::fs::write(&path, "garbage").unwrap();
    assert_eq!(Table::read(&path).ok(), None);
    assert_eq!(measured(&freeze(Precision::F32)), Table::read(&path).unwrap());
}

#[test]
fn a_table_of_the_network_is_none_of_the_predictor() {
    let mut predictor = Predictor::new(Tiny::seeded(Device::Cpu, 5).unwrap(), Options::default()).unwrap();
    let fingerprint = Fingerprint::of(&Tiny::seeded(Device::Cpu, 5).unwrap());
    let message = predictor.decide_by(Table { fingerprint, ..table() }).unwrap_err().to_string();
    assert!(message.contains("run by: the network there, a predictor: f32, "), "{message}");
}

#[test]
fn stand_ins_take_the_place_of_what_is_missing() {
    let network = Lacking::seeded(Device::Cpu, 6).unwrap();
    for modality in 0..2 {
        let mut stand_in = network.stand_in(modality).unwrap().shallow_clone();
        tch::no_grad(|| stand_in.copy_(&stand_in.randn_like()));
    }
    let TinyInput { left, right } = inputs();
    let present = tch::Tensor::arange(left.len(), (tch::Kind::Int64, tch::Device::Cpu)).remainder(3).gt(0);
    let input = TinyInput { left: left.where_present(&present).unwrap(), right };
    let routes: Vec<_> = routing::all::<Lacking>().collect();
    let expected: Vec<_> = routes.iter().map(|route| routing::predict_by(&network, &input, *route).unwrap()).collect();
    let predictor = Predictor::new(network, Options::default()).unwrap();
    for (route, expected) in routes.iter().zip(expected) {
        let answer = predictor.predict_by(&input, *route).unwrap();
        assert_eq!(answer.routes, expected.routes);
        assert_near(&answer.logits, &expected.logits);
    }
}

#[test]
fn logits_are_as_any_tensor() {
    let predictor = Predictor::new(Tiny::seeded(Device::Cpu, 7).unwrap(), Options::default()).unwrap();
    let mut logits = predictor.predict_by(&inputs(), routing::full::<Tiny>()).unwrap().logits;
    assert!(!logits.is_inference());
    let _ = logits.relu_();
}

#[test]
fn the_fastest_precision_that_keeps_the_promise_is_taken() {
    let valid = crate::tiny::samples(4, 300).unwrap().valid;
    let freeze = |points| Predictor::within(Tiny::seeded(Device::Cpu, 8).unwrap(), points, &valid);
    let (predictor, precisions) = freeze(0.0).unwrap();
    assert_eq!(precisions.chosen, Precision::F32, "nothing else is sure to lose nothing");
    assert_eq!(predictor.frozen.fingerprint().engines[0], "f32");
    assert_eq!((precisions.samples, precisions.compared.len()), (300, 3));
    assert_eq!((precisions.compared[0].loss, precisions.compared[0].bound), (0.0, 0.0));

    let (predictor, precisions) = freeze(100.0).unwrap();
    let fastest = precisions.compared.iter().map(|compared| compared.milliseconds.median).fold(f64::MAX, f64::min);
    let chosen = precisions.compared.iter().find(|compared| compared.precision == precisions.chosen).unwrap();
    assert_eq!(chosen.milliseconds.median, fastest);
    assert_eq!(predictor.frozen.fingerprint().engines[0], precisions.chosen.to_string());
    let single = precisions.compared[0];
    for Compared { precision, quality, loss, bound, .. } in &precisions.compared {
        assert!((single.quality - quality - loss / 100.0).abs() < 1e-9, "{precision}");
        assert!(loss.abs() < 20.0 && bound >= loss, "{precision}: {loss}, {bound}");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("precisions.json");
    precisions.save(&path).unwrap();
    let read: Precisions = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(read, precisions);
    assert!(precisions.to_string().lines().count() == 5 && precisions.to_string().contains("chosen"));

    let message = freeze(f64::NAN).map(drop).unwrap_err().to_string();
    assert_eq!(message, "precision: within NaN points, expected a number of at least 0");
}

/// [`Tiny`] with a wide map in its head: nearly all of its weights.
#[derive(Debug)]
struct Wide {
    tiny: Tiny,
    into: Affine,
    wide: Affine,
    out: Affine,
    /// Whether the wide map says nothing of itself.
    is_opaque: bool,
}

const WIDTH: i64 = 2048;

impl Wide {
    fn opaque() -> Self {
        Self { is_opaque: true, ..Self::new(Device::Cpu).unwrap() }
    }
}

impl Network for Wide {
    type Input = TinyInput;
    type Route = crate::tiny::TinyRoute;

    fn new(device: Device) -> Result<Self> {
        let tiny = Tiny::new(device)?;
        let path = tiny.variables().root() / "head";
        let affine = |name: &str, inputs, outputs| Affine::new(&(&path / name), inputs, outputs);
        let (into, wide, out) = (affine("into", 16, WIDTH), affine("wide", WIDTH, WIDTH), affine("out", WIDTH, 3));
        Ok(Self { tiny, into, wide, out, is_opaque: false })
    }

    fn description() -> &'static crate::network::Description {
        Tiny::description()
    }

    fn plan() -> plan::Plan {
        Tiny::plan()
    }

    fn variables(&self) -> &tch::nn::VarStore {
        self.tiny.variables()
    }

    fn policies(&self) -> &crate::policy::Policies {
        self.tiny.policies()
    }

    fn policies_mut(&mut self) -> &mut crate::policy::Policies {
        self.tiny.policies_mut()
    }

    fn layers(&self, chain: Chain) -> Vec<Box<dyn AnyLayer + '_>> {
        let map = |affine, is_opaque| -> Box<dyn AnyLayer + '_> { Box::new(Map { affine, is_opaque }) };
        match chain {
            Chain::Head => vec![map(&self.into, false), map(&self.wide, self.is_opaque), map(&self.out, false)],
            _ => self.tiny.layers(chain),
        }
    }

    fn fuse(&self, features: &[tch::Tensor], train: bool) -> tch::Tensor {
        crate::nn::run(&self.layers(Chain::Head), &tch::Tensor::cat(features, 1).into(), train).tensor
    }

    fn navigate(&self, inputs: &[Feature], train: bool) -> Vec<tch::Tensor> {
        self.tiny.navigate(inputs, train)
    }
}

struct Map<'a> {
    affine: &'a Affine,
    is_opaque: bool,
}

impl AnyLayer for Map<'_> {
    fn forward(&self, input: &Feature, _train: bool) -> Feature {
        self.affine.forward(&input.tensor).into()
    }

    fn lower(&self, program: &mut Program, input: Value) -> Value {
        match self.is_opaque {
            true => program.push_opaque(input, &[WIDTH]),
            false => self.affine.lower(program, input, None, None),
        }
    }
}

/// Takes each sample to its goal block by block, one modality before the other as it comes, and looks at every answer.
#[derive(Debug)]
struct Winding(Vec<Vec<usize>>);

impl Policy for Winding {
    fn look(&self, state: &State) -> Look {
        if state.can_leave() { Look::Posterior } else { Look::Nothing }
    }

    fn next(&self, state: &State, seen: &Seen) -> Result<Vec<Move>> {
        let next = |row: &usize| {
            let is_behind = |modality: &usize| state.blocks()[*modality] < self.0[*row][*modality];
            let turn = (row + state.depth()) % 2;
            [turn, 1 - turn].into_iter().find(is_behind).map_or(Move::Stop, Move::Run)
        };
        Ok(seen.rows.iter().map(next).collect())
    }
}

#[test]
fn a_model_is_kept_only_where_layers_of_it_are_run() {
    let input = inputs();
    for (network, kept) in [(Wide::new(Device::Cpu).unwrap(), false), (Wide::opaque(), true)] {
        let variables = Arc::downgrade(&network.variables().variables_);
        let route = routing::full::<Wide>();
        let expected = routing::predict_by(&network, &input, route).unwrap().logits;
        let predictor = Predictor::new(network, Options::default()).unwrap();
        assert_eq!(variables.upgrade().is_some(), kept);
        assert_near(&predictor.predict_by(&input, route).unwrap().logits, &expected);
        drop(predictor);
        assert!(variables.upgrade().is_none());
    }
}

/// The bytes that are allocated in this process, whoever holds them.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "glibc's own figures have no other door")]
fn allocated() -> usize {
    // SAFETY: reads the allocator's figures under its locks.
    let figures = unsafe { libc::mallinfo2() };
    figures.uordblks + figures.hblkhd
}

/// Counts bytes, so it runs in a process of its own, in which nothing else does.
#[test]
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn weights_are_held_once() {
    const ALONE: &str = "M2SN_WEIGHTS_ARE_HELD_ONCE";
    if std::env::var_os(ALONE).is_none() {
        let this = std::env::current_exe().unwrap();
        let arguments = ["--exact", "predictor::tests::weights_are_held_once", "--nocapture"];
        let output = std::process::Command::new(this).args(arguments).env(ALONE, "yes").output().unwrap();
        let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        assert!(output.status.success() && out.contains("1 passed"), "{out}{err}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let input = inputs();
    let route = routing::full::<Wide>();
    // Once for what LibTorch keeps for itself.
    let network = Wide::new(Device::Cpu).unwrap();
    crate::checkpoint::save(&network, folder.path()).unwrap();
    Predictor::new(network, Options::default()).unwrap().predict_by(&input, route).unwrap();

    let weights = (WIDTH * WIDTH * 4) as f64;
    let before = allocated();
    let held = || (allocated() as f64 - before as f64) / weights;
    let network: Wide = crate::checkpoint::open(folder.path(), Device::Cpu).unwrap();
    assert!((0.99..1.2).contains(&held()), "{} times the weights after they were loaded", held());
    let predictor = Predictor::new(network, Options::default()).unwrap();
    predictor.predict_by(&input, route).unwrap();
    assert!((0.99..1.2).contains(&held()), "{} times the weights of a frozen network", held());
    drop(predictor);
    assert!(held() < 0.2, "{} times the weights of no network", held());
}

#[test]
fn samples_that_part_are_answered_as_they_are_alone() {
    let network = Arc::new(Mutex::new(Tiny::seeded(Device::Cpu, 9).unwrap()));
    // Kernels compute each sample by itself to the last bit, wherever it lies.
    let engines: Vec<String> = std::iter::once("f32").chain(["kernels"; 20]).map(str::to_owned).collect();
    let kernels = Fingerprint { engines, ..Default::default() };
    let frozen = Frozen::new(&network, Precision::F32, Some(&kernels)).unwrap();
    assert!(frozen.fingerprint().engines[1..].iter().all(|engine| engine == "kernels"));
    let answer = |input: &TinyInput, policy: &dyn Policy| answer_by::<Tiny>(&frozen, input, policy).unwrap();

    let input = inputs();
    let all: Vec<_> = routing::all::<Tiny>().collect();
    let routes: Vec<_> = all.into_iter().cycle().take(input.left.len() as usize).collect();
    let parted = answer(&input, &given(&routes, input.left.len()).unwrap());
    let wound = answer(&input, &Winding(routes.iter().map(|route| route.blocks()).collect()));
    assert_eq!((&parted.routes, &wound.routes), (&routes, &routes));
    assert_eq!(parted.logits, wound.logits);
    for (sample, route) in routes.iter().enumerate() {
        let features = input.features().iter().map(|feature| feature.narrow(sample as i64, 1)).collect();
        let alone = answer(&TinyInput::from_features(features).unwrap(), &given(&[*route], 1).unwrap());
        assert_eq!(alone.logits, parted.logits.narrow(0, sample as i64, 1), "{sample} by {route}");
    }
}
