//! Every layer against its twin in PyTorch: outputs, gradients and buffers, in evaluation, in training, and frozen.
//!
//! The scripts in `tests/fixtures/` made the numbers; `twins.py` there says what each is called.

mod fusion;
mod resnet;
mod signals;
mod text;

use std::collections::BTreeMap;

use tch::nn::VarStore;
use tch::{Device, Kind, Tensor};

use super::*;
use crate::batch::{Feature, blank};
use crate::predictor;
use crate::shape::{Image, Sequence, Tokens, Vector};
use crate::shortcut::{Alignment, Shortcut};

mod multibench;

type Map = Image<3, 7, 6>;

#[test]
fn conv() {
    let settings = conv::Settings { kernel: [3, 2], stride: [2, 1], padding: [1, 0], norm: None, activation: None };
    matches("conv", |path| Conv::<Map, Image<4, 4, 5>>::new(path, settings));
}

#[test]
fn conv_with_batch_norm() {
    let settings = conv::Settings {
        kernel: [3, 3],
        stride: [2, 2],
        padding: [1, 1],
        norm: Some(Norm::Batch),
        activation: Some(Activation::Relu),
    };
    matches("conv_batch_norm", |path| Conv::<Map, Image<4, 4, 3>>::new(path, settings));
}

#[test]
fn conv_with_group_norm() {
    let settings = conv::Settings {
        kernel: [3, 3],
        stride: [1, 1],
        padding: [1, 1],
        norm: Some(Norm::Group { groups: 2 }),
        activation: Some(Activation::Gelu),
    };
    matches("conv_group_norm", |path| Conv::<Map, Image<4, 7, 6>>::new(path, settings));
}

#[test]
fn residual() {
    let settings = residual::Settings { blocks: 2, stride: 2, bottleneck: None };
    matches("residual", |path| Residual::<Map, Image<4, 4, 3>>::new(path, settings));
}

#[test]
fn pooling() {
    let settings = pool::Settings { kernel: [3, 2], stride: [2, 1], padding: [1, 0] };
    matches("max_pool", |_| MaxPool::<Map, Image<3, 4, 5>>::new(settings));
    matches("average_pool", |_| AveragePool::<Map, Image<3, 4, 5>>::new(settings));
    matches("global_average_pool", |_| GlobalAveragePool::<Map, Vector<3>>::new());
    matches("global_average_pool_steps", |_| GlobalAveragePool::<Sequence<5, 4>, Vector<4>>::new());
    matches("flatten", |_| Flatten::<Map, Vector<126>>::new());
}

#[test]
fn linear() {
    let activations = [
        ("linear_relu", Activation::Relu),
        ("linear_gelu", Activation::Gelu),
        ("linear_silu", Activation::Silu),
        ("linear_tanh", Activation::Tanh),
        ("linear_sigmoid", Activation::Sigmoid),
    ];
    for (case, activation) in activations {
        matches(case, |path| Linear::<Vector<5>, Vector<4>>::new(path, Some(activation)));
    }
    matches("linear_steps", |path| Linear::<Sequence<4, 5>, Sequence<4, 4>>::new(path, None));
}

#[test]
fn mlp() {
    let settings = mlp::Settings { hidden: &[6, 7], activation: Activation::Tanh, dropout: 0.0 };
    matches("mlp", |path| Mlp::<Vector<5>, Vector<2>>::new(path, settings));
}

#[test]
fn embedding() {
    let cases = [
        ("embedding", None, Positions::None),
        ("embedding_learned", Some(1), Positions::Learned(6)),
        ("embedding_sinusoidal", Some(0), Positions::Sinusoidal),
    ];
    for (case, padding, positions) in cases {
        let settings = embedding::Settings { vocabulary: 4, padding, positions, types: 0, norm: None, dropout: 0.0 };
        matches(case, |path| Unmasked(Embedding::<Tokens<6>, Sequence<6, 5>>::new(path, settings)));
    }
}

#[test]
fn transformer() {
    let orders = [("pre", Order::PreNorm, Activation::Gelu), ("post", Order::PostNorm, Activation::Relu)];
    for (name, order, activation) in orders {
        let settings = transformer::Settings {
            layers: 2,
            heads: 2,
            feed_forward: 12,
            dropout: 0.0,
            activation_dropout: 0.0,
            order,
            epsilon: 1e-5,
            activation,
        };
        for padded in ["", "_padded"] {
            matches(&format!("transformer_{name}{padded}"), |path| {
                Transformer::<Sequence<5, 8>, Sequence<5, 8>>::new(path, settings)
            });
        }
    }
}

#[test]
fn gru() {
    let one = gru::Settings { layers: 2, bidirectional: false, dropout: 0.0 };
    let both = gru::Settings { bidirectional: true, ..one };
    for padded in ["", "_padded"] {
        let case = |name: &str| format!("gru_{name}{padded}");
        matches(&case("forward_all"), |path| Gru::<Sequence<5, 3>, Sequence<5, 4>>::new(path, one));
        matches(&case("forward_last"), |path| Gru::<Sequence<5, 3>, Vector<4>>::new(path, one));
        matches(&case("both_all"), |path| Gru::<Sequence<5, 3>, Sequence<5, 8>>::new(path, both));
        matches(&case("both_last"), |path| Gru::<Sequence<5, 3>, Vector<8>>::new(path, both));
    }
}

#[test]
fn shortcut() {
    let image = Alignment::Image { grid: [4, 3], widths: [4, 5, 6] };
    let widths = [6, 5, 3];
    matches("shortcut_image", |path| Shortcut::<Map, Vector<7>>::new(path, image));
    matches("shortcut_sequence", |path| {
        Shortcut::<Sequence<5, 4>, Vector<7>>::new(path, Alignment::Sequence { widths })
    });
    matches("shortcut_vector", |path| Shortcut::<Vector<4>, Vector<7>>::new(path, Alignment::Vector { widths }));
    matches("shortcut_none", |path| Shortcut::<Sequence<5, 7>, Vector<7>>::new(path, Alignment::None));
}

/// An embedding whose own mask is taken off, since PyTorch's twin fills padding steps with their positions.
#[derive(Debug)]
struct Unmasked<L>(L);

impl<I: Shape, O: Shape, L: Layer<I, O>> Layer<I, O> for Unmasked<L> {
    fn forward(&self, input: &Batch<I>, train: bool) -> Batch<O> {
        let Feature { tensor, .. } = self.0.forward(input, train).into_feature();
        Batch::trusted(tensor.into())
    }

    fn lower(&self, program: &mut Program, input: program::Value) -> program::Value {
        self.0.lower(program, input)
    }
}

fn matches<I: Shape, O: Shape, L: Layer<I, O>>(case: &str, build: impl FnOnce(Path<'_>) -> L) {
    matches_in("layers", case, build);
}

/// Checks everything that the fixture `file` holds of `case` for the layer that `build` makes.
fn matches_in<I: Shape, O: Shape, L: Layer<I, O>>(file: &str, case: &str, build: impl FnOnce(Path<'_>) -> L) {
    let fixture = Fixture::read(file, case);
    let store = VarStore::new(Device::Cpu);
    let layer = build(store.root());
    let variables: BTreeMap<String, Tensor> = store.variables().into_iter().collect();
    let expected = fixture.under("variables.");
    assert_eq!(Vec::from_iter(variables.keys()), Vec::from_iter(expected.keys()), "{case}: the variables' names");
    tch::no_grad(|| {
        for (name, variable) in &variables {
            assert_eq!(variable.size(), expected[name].size(), "{case}: {name}");
            variable.shallow_clone().copy_(expected[name]);
        }
    });
    for (mode, train) in [("eval", false), ("train", true)] {
        let values = if fixture.holds(&format!("{mode}.output")) { mode } else { "eval" };
        let differentiable = fixture.holds(&format!("{values}.input"));
        let tensor = fixture.get("input").copy().set_requires_grad(differentiable);
        let mask = fixture.holds("lengths").then(|| mask(fixture.get("lengths"), tensor.size()[1]));
        let input = Feature { mask, ..tensor.shallow_clone().into() };
        let input = Batch::<I>::try_from_feature(input).expect("the fixture's shape");

        let output = layer.forward(&input, train).into_feature();
        let output = Batch::<O>::try_from_feature(output).expect("the layer's shape");
        let at = |what: &str| format!("{case} in {mode}: {what}");
        let weights = fixture.get("weights");
        // What comes out at padding steps means nothing; the fixture holds zeros.
        let real = |tensor: &Tensor| blank(tensor, output.mask());
        let expected = fixture.get(&format!("{values}.output"));
        if !train {
            for (engine, frozen) in predictor::by_every_engine(&[erase(&layer)], I::DIMS, &input.feature()) {
                close(&real(&frozen), expected, &at(&format!("output of {engine}")));
            }
        }
        let real = real(output.tensor());
        close(&real, expected, &at("output"));

        if real.requires_grad() {
            (real * weights).sum(Kind::Float).backward();
        }
        if differentiable {
            close(&tensor.grad(), fixture.get(&format!("{values}.input")), &at("gradient of the input"));
        }
        for (name, gradient) in fixture.under(&format!("{values}.variables.")) {
            let mut variable = variables[&name].shallow_clone();
            close(&variable.grad(), gradient, &at(&format!("gradient of {name}")));
            variable.zero_grad();
        }
    }
    for (name, buffer) in fixture.under("after.") {
        close(&variables[&name], buffer, &format!("{case}: {name} after a step"));
    }
}

/// Asserts equality up to 1e-5 of the largest expected value.
fn close(found: &Tensor, expected: &Tensor, what: &str) {
    assert_eq!(found.size(), expected.size(), "{what}");
    let error = (found - expected).abs().max().double_value(&[]);
    let scale = expected.abs().max().double_value(&[]);
    // What `cargo test -p m2sn-runtime nn::parity -- --nocapture` says of each case stands in `docs/layers.md`.
    println!("{what}: {:.1e}", if scale > 0.0 { error / scale } else { error });
    assert!(error <= 1e-5 * scale, "{what}: off by {error:e}, where the largest value is {scale:e}");
}

fn mask(lengths: &Tensor, steps: i64) -> Tensor {
    Tensor::arange(steps, (Kind::Int64, Device::Cpu)).lt_tensor(&lengths.unsqueeze(1))
}

/// The tensors of one case.
struct Fixture(BTreeMap<String, Tensor>);

impl Fixture {
    fn read(file: &str, case: &str) -> Self {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
        let path = folder.join(file).with_extension("safetensors");
        let tensors = Tensor::read_safetensors(path).expect("the fixture");
        let prefix = format!("{case}.");
        let of_case = |(name, tensor): (String, Tensor)| Some((name.strip_prefix(&prefix)?.to_owned(), tensor));
        let found: BTreeMap<_, _> = tensors.into_iter().filter_map(of_case).collect();
        assert!(!found.is_empty(), "the fixture holds no case {case}");
        Self(found)
    }

    fn holds(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    fn get(&self, name: &str) -> &Tensor {
        &self.0[name]
    }

    /// All tensors whose names start with `prefix`, by the rest of their names.
    fn under(&self, prefix: &str) -> BTreeMap<String, &Tensor> {
        let rest = |(name, tensor): (&String, _)| Some((name.strip_prefix(prefix)?.to_owned(), tensor));
        self.0.iter().filter_map(|(name, tensor)| rest((name, tensor))).collect()
    }
}
