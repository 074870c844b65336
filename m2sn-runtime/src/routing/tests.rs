//! The executor against counted calls and against samples that are run one by one.

use std::cell::RefCell;
use std::thread;
use std::time::Duration;

use tch::nn::VarStore;
use tch::{Kind, Tensor};

use super::*;
use crate::batch::Feature;
use crate::network::{Chain, Description};
use crate::nn::AnyLayer;
use crate::plan::Plan;
use crate::policy::Policies;
use crate::tiny::{Tiny, TinyInput, TinyRoute, samples};

/// Tiny with a record of what ran.
#[derive(Debug)]
struct Counting {
    tiny: Tiny,
    calls: RefCell<Vec<Call>>,
    pause: Duration,
    elsewhere: Option<VarStore>,
}

/// A part that ran, and on how many samples.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Call {
    Block(usize, usize, Vec<i64>),
    Shortcut(usize, usize, i64),
    Fuse(i64),
    Navigate(i64),
}

impl Counting {
    fn note(&self, call: Call) {
        self.calls.borrow_mut().push(call);
        thread::sleep(self.pause);
    }

    /// Forgets what it has noted so far.
    fn take(&self) -> Vec<Call> {
        self.calls.take()
    }
}

impl Network for Counting {
    type Input = TinyInput;
    type Route = TinyRoute;

    fn new(device: crate::Device) -> Result<Self> {
        let tiny = Tiny::new(device)?;
        Ok(Self { tiny, calls: RefCell::default(), pause: Duration::ZERO, elsewhere: None })
    }

    fn description() -> &'static Description {
        Tiny::description()
    }

    fn plan() -> Plan {
        Tiny::plan()
    }

    fn variables(&self) -> &VarStore {
        self.elsewhere.as_ref().unwrap_or(self.tiny.variables())
    }

    fn policies(&self) -> &Policies {
        self.tiny.policies()
    }

    fn policies_mut(&mut self) -> &mut Policies {
        self.tiny.policies_mut()
    }

    fn block(&self, modality: usize, block: usize, input: &Feature, train: bool) -> Feature {
        assert!(!train);
        // Inputs are numbered in their first column; deeper features have lost the number, and their count must do.
        let rows = if block == 0 {
            Vec::try_from(input.tensor.select(1, 0).to_kind(Kind::Int64)).unwrap()
        } else {
            vec![-1; input.len() as usize]
        };
        self.note(Call::Block(modality, block, rows));
        let output = self.tiny.block(modality, block, input, train);
        assert!(!output.tensor.requires_grad());
        output
    }

    fn shortcut(&self, modality: usize, exit: usize, input: &Feature, train: bool) -> Tensor {
        assert!(!train);
        self.note(Call::Shortcut(modality, exit, input.len()));
        self.tiny.shortcut(modality, exit, input, train)
    }

    fn layers(&self, chain: Chain) -> Vec<Box<dyn AnyLayer + '_>> {
        self.tiny.layers(chain)
    }

    fn fuse(&self, features: &[Tensor], train: bool) -> Tensor {
        assert!(!train);
        self.note(Call::Fuse(features[0].size()[0]));
        self.tiny.fuse(features, train)
    }

    fn navigate(&self, inputs: &[Feature], train: bool) -> Vec<Tensor> {
        assert!(!train);
        self.note(Call::Navigate(inputs[0].len()));
        self.tiny.navigate(inputs, train)
    }
}

/// `count` samples whose first column is their number.
fn numbered(count: i64) -> TinyInput {
    let input = samples(count, 1).unwrap().train.input().unwrap();
    let features = input.features().into_iter().map(|feature| {
        let tensor = feature.tensor.copy();
        let numbers = Tensor::arange(count, (Kind::Float, tch::Device::Cpu));
        tensor.select(1, 0).copy_(&numbers);
        Feature::from(tensor)
    });
    TinyInput::from_features(features.collect()).unwrap()
}

fn sample(input: &TinyInput, row: i64) -> TinyInput {
    TinyInput::from_features(input.features().iter().map(|feature| feature.narrow(row, 1)).collect()).unwrap()
}

fn block(modality: usize, block: usize, samples: usize) -> Call {
    Call::Block(modality, block, if block == 0 { (0..samples as i64).collect() } else { vec![-1; samples] })
}

#[test]
fn only_what_the_routes_need_runs_and_once() {
    let network = Counting::new(crate::Device::Cpu).unwrap();
    let input = numbered(5);
    // Left: two leave at the first exit, none at the second, three run to the end. Right: exits 1, 0, 1, 2, 1.
    let routes = [[0, 1], [2, 0], [2, 1], [0, 2], [2, 1]].map(TinyRoute::at);
    predict_as(&network, &input, &routes).unwrap();
    assert_eq!(
        network.take(),
        [
            block(0, 0, 5),
            Call::Shortcut(0, 0, 2),
            block(0, 1, 3),
            block(0, 2, 3),
            block(1, 0, 5),
            Call::Shortcut(1, 0, 1),
            block(1, 1, 4),
            Call::Shortcut(1, 1, 3),
            block(1, 2, 1),
            Call::Fuse(5),
        ]
    );

    predict_by(&network, &input, TinyRoute::at([0, 1])).unwrap();
    let shallow = [block(0, 0, 5), Call::Shortcut(0, 0, 5), block(1, 0, 5), block(1, 1, 5), Call::Shortcut(1, 1, 5)];
    assert_eq!(network.take(), [&shallow[..], &[Call::Fuse(5)]].concat());

    predict(&network, &input).unwrap();
    let calls = network.take();
    assert_eq!(calls.iter().filter(|call| **call == Call::Navigate(5)).count(), 1);
    assert_eq!(calls[0], Call::Navigate(5));
}

#[test]
fn every_mix_of_routes_equals_sample_by_sample() {
    let network = Tiny::new(crate::Device::Cpu).unwrap();
    let input = numbered(9);
    let all: Vec<TinyRoute> = all::<Tiny>().collect();
    // Stride 1, 2, 4, … walk through the nine routes in different orders; stride 3 leaves out most; 0 takes one only.
    for stride in 0..9 {
        for start in 0..9 {
            let routes: Vec<_> = (0..9).map(|row| all[(start + stride * row) % 9]).collect();
            let batch = predict_as(&network, &input, &routes).unwrap();
            assert_eq!(batch.routes, routes);
            let single: Vec<_> = (0..9)
                .map(|row| predict_by(&network, &sample(&input, row), routes[row as usize]).unwrap().logits)
                .collect();
            let difference = (batch.logits - Tensor::cat(&single, 0)).abs().max().double_value(&[]);
            assert!(difference < 1e-5, "{routes:?}: {difference}");
        }
    }
}

#[test]
fn routes_differ_in_what_they_say() {
    // Without this, the comparison above would hold for an executor that ignores the routes.
    let network = Tiny::new(crate::Device::Cpu).unwrap();
    let input = numbered(1);
    let mut logits: Vec<String> = all::<Tiny>()
        .map(|route| {
            format!("{:?}", Vec::<f32>::try_from(predict_by(&network, &input, route).unwrap().logits.view(-1)))
        })
        .collect();
    logits.sort();
    logits.dedup();
    assert_eq!(logits.len(), 9);
}

#[test]
fn the_navigator_decides_by_its_highest_score() {
    let input = numbered(20);
    // A freshly drawn navigator may happen to send all samples the same way, which would tell little.
    let differs =
        |(_, answer): &(Tiny, Answer<TinyRoute>)| answer.routes.iter().any(|route| *route != answer.routes[0]);
    let (network, answer) = (0..100)
        .map(|_| {
            let network = Tiny::new(crate::Device::Cpu).unwrap();
            let answer = predict(&network, &input).unwrap();
            (network, answer)
        })
        .find(differs)
        .unwrap();
    let scores = tch::no_grad(|| network.navigate(&input.features(), false));
    for (row, route) in answer.routes.iter().enumerate() {
        for (modality, exit) in route.exits().into_iter().enumerate() {
            let row = Vec::<f32>::try_from(scores[modality].get(row as i64)).unwrap();
            assert!(row.iter().all(|score| *score <= row[exit]), "{row:?} {exit}");
        }
    }
    assert_eq!(decide(&network, &input).unwrap(), answer.routes);
    let again = predict_as(&network, &input, &answer.routes).unwrap();
    assert!((again.logits - answer.logits).abs().max().double_value(&[]) < 1e-6);
    assert!(answer.milliseconds > 0.0);
}

#[test]
fn unusable_inputs_are_errors() {
    let mut network = Counting::new(crate::Device::Cpu).unwrap();
    let input = numbered(3);
    let message = |result: Result<Answer<TinyRoute>>| result.unwrap_err().to_string();

    let empty =
        TinyInput::from_features(input.features().iter().map(|feature| feature.narrow(0, 0)).collect()).unwrap();
    assert_eq!(message(predict(&network, &empty)), "inputs of `Tiny`: the batch is empty, expected a sample");

    let [left, right] = <[Feature; 2]>::try_from(input.features()).unwrap();
    let uneven = TinyInput::from_features(vec![left, right.narrow(0, 2)]).unwrap();
    assert_eq!(
        message(predict(&network, &uneven)),
        "modality `right`: expected 3 samples, as in modality `left`, found 2 samples"
    );

    assert_eq!(
        message(predict_as(&network, &input, &[TinyRoute::at([0, 0])])),
        "routes: expected 3, one a sample, found 1"
    );

    network.elsewhere = Some(VarStore::new(tch::Device::Cuda(0)));
    assert_eq!(
        message(predict(&network, &input)),
        "modality `left`: expected a tensor on cuda:0, where the model is, found one on cpu; move it by `to_device`"
    );
    assert_eq!(network.take(), []);
}

#[test]
fn a_sample_that_is_not_a_number_has_no_answer() {
    let network = Tiny::new(crate::Device::Cpu).unwrap();
    let [left, right] = <[Feature; 2]>::try_from(numbered(3).features()).unwrap();
    let _ = left.tensor.get(1).select(0, 2).fill_(f64::NAN);
    let input = TinyInput::from_features(vec![left, right]).unwrap();
    let route = TinyRoute::at([0, 0]);
    let errors = [
        predict(&network, &input).map(|_| ()).unwrap_err(),
        decide(&network, &input).map(|_| ()).unwrap_err(),
        predict_by(&network, &input, route).unwrap().classes().map(|_| ()).unwrap_err(),
        predict_as(&network, &input, &[route; 3]).unwrap().predictions().map(|_| ()).unwrap_err(),
        explain(&network, &sample(&input, 1), Decider::Paper, None).map(|_| ()).unwrap_err(),
    ];
    for (error, row) in errors.iter().zip([1, 1, 1, 1, 0]) {
        let message = error.to_string();
        assert!(message.contains(&format!("row {row} ")) && message.contains("NaN"), "{message}");
    }
    assert_eq!(predict_by(&network, &sample(&input, 2), route).unwrap().classes().unwrap().len(), 1);
}
