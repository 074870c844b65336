//! How parameters are drawn: as PyTorch's layers draw theirs.
//!
//! The defaults of `tch` differ from PyTorch's: its linear and convolution weights are √6 times wider,
//! its convolution biases are zero, and its batch normalisation draws weights from 0 to 1 instead of ones.
//! A network that is known to train well in PyTorch should do so here, hence PyTorch's rules.

use std::cell::Cell;

use tch::Tensor;
use tch::nn::{Init, Path};

thread_local! {
    /// Whether this thread draws parameters, or leaves them at zero.
    static DRAWS: Cell<bool> = const { Cell::new(true) };
}

/// Builds layers whose parameters somebody fills before they are used: they are zeros, since to draw those of a large
/// network takes longer than to read them from a file.
pub(crate) fn undrawn<T>(build: impl FnOnce() -> T) -> T {
    /// Draws again as before, whatever becomes of what is built.
    struct Before(bool);
    impl Drop for Before {
        fn drop(&mut self) {
            DRAWS.set(self.0);
        }
    }
    let _before = Before(DRAWS.replace(false));
    build()
}

/// A parameter drawn uniformly from ±1/√`fan_in`.
///
/// This is what PyTorch's `kaiming_uniform_(a=√5)` comes to for weights, and what it takes for biases.
pub(crate) fn fan_in(path: &Path<'_>, name: &str, dims: &[i64], fan_in: i64) -> Tensor {
    uniform(path, name, dims, (fan_in as f64).sqrt().recip())
}

/// A parameter drawn uniformly from ±√(6 / (`fan_in` + `fan_out`)): Glorot's rule, PyTorch's `xavier_uniform_`.
pub(crate) fn xavier(path: &Path<'_>, name: &str, dims: [i64; 2]) -> Tensor {
    let [fan_out, fan_in] = dims;
    uniform(path, name, &dims, (6.0 / (fan_in + fan_out) as f64).sqrt())
}

/// A parameter drawn uniformly from ±`bound`.
pub(crate) fn uniform(path: &Path<'_>, name: &str, dims: &[i64], bound: f64) -> Tensor {
    drawn(path, name, dims, Init::Uniform { lo: -bound, up: bound })
}

/// A parameter drawn from the normal distribution of this deviation about zero.
pub(crate) fn normal(path: &Path<'_>, name: &str, dims: &[i64], deviation: f64) -> Tensor {
    drawn(path, name, dims, Init::Randn { mean: 0.0, stdev: deviation })
}

fn drawn(path: &Path<'_>, name: &str, dims: &[i64], init: Init) -> Tensor {
    path.var(name, dims, if DRAWS.get() { init } else { Init::Const(0.0) })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tch::nn::VarStore;
    use tch::{Device, Kind, Tensor};

    use super::undrawn;
    use crate::nn::*;
    use crate::shape::{Image, Sequence, Tokens, Vector};

    /// How PyTorch draws a parameter.
    #[derive(Debug)]
    enum Law {
        Uniform(f64),
        Normal,
        Constant(f64),
    }

    use Law::{Constant, Normal, Uniform};

    #[test]
    fn parameters_are_drawn_as_pytorch_draws_them() {
        let conv = |norm| conv::Settings { kernel: [3, 3], stride: [1, 1], padding: [1, 1], norm, activation: None };
        check(
            |path| Box::new(Conv::<Image<10, 5, 5>, Image<200, 5, 5>>::new(path, conv(None))),
            &[("bias", Uniform(90f64.sqrt().recip())), ("weight", Uniform(90f64.sqrt().recip()))],
        );
        check(
            |path| Box::new(Conv::<Image<10, 5, 5>, Image<200, 5, 5>>::new(path, conv(Some(Norm::Batch)))),
            &[
                ("norm.bias", Constant(0.0)),
                ("norm.running_mean", Constant(0.0)),
                ("norm.running_var", Constant(1.0)),
                ("norm.weight", Constant(1.0)),
                ("weight", Uniform(90f64.sqrt().recip())),
            ],
        );
        check(
            |path| Box::new(Linear::<Vector<64>, Vector<300>>::new(path, None)),
            &[("bias", Uniform(0.125)), ("weight", Uniform(0.125))],
        );
        let gru = gru::Settings { layers: 1, bidirectional: false, dropout: 0.0 };
        check(
            |path| Box::new(Gru::<Sequence<5, 9>, Vector<100>>::new(path, gru)),
            &[
                ("bias_hh_l0", Uniform(0.1)),
                ("bias_ih_l0", Uniform(0.1)),
                ("weight_hh_l0", Uniform(0.1)),
                ("weight_ih_l0", Uniform(0.1)),
            ],
        );
        let lstm = lstm::Settings { layers: 1, bidirectional: false, dropout: 0.0 };
        check(
            |path| Box::new(Lstm::<Sequence<5, 9>, Vector<100>>::new(path, lstm)),
            &[
                ("bias_hh_l0", Uniform(0.1)),
                ("bias_ih_l0", Uniform(0.1)),
                ("weight_hh_l0", Uniform(0.1)),
                ("weight_ih_l0", Uniform(0.1)),
            ],
        );
        let conv1d = conv1d::Settings {
            kernel: 3,
            stride: 1,
            padding: 0,
            bias: true,
            norm: Some(Norm::Batch),
            activation: None,
        };
        check(
            |path| Box::new(Conv1d::<Sequence<5, 12>, Sequence<3, 200>>::new(path, conv1d)),
            &[
                ("bias", Uniform(6f64.recip())),
                ("norm.bias", Constant(0.0)),
                ("norm.running_mean", Constant(0.0)),
                ("norm.running_var", Constant(1.0)),
                ("norm.weight", Constant(1.0)),
                ("weight", Uniform(6f64.recip())),
            ],
        );
        check(
            |path| Box::new(Maxout::<Vector<64>, Vector<150>>::new(path, 2)),
            &[("bias", Uniform(0.125)), ("weight", Uniform(0.125))],
        );
        check(
            |path| Box::new(BatchNorm::<Vector<100>, Vector<100>>::new(path, 1e-4)),
            &[
                ("bias", Constant(0.0)),
                ("running_mean", Constant(0.0)),
                ("running_var", Constant(1.0)),
                ("weight", Constant(1.0)),
            ],
        );
        let embedding = embedding::Settings {
            vocabulary: 100,
            padding: None,
            positions: Positions::Learned(90),
            types: 4,
            norm: Some(1e-12),
            dropout: 0.0,
        };
        check(
            |path| Box::new(Embedding::<Tokens<80>, Sequence<80, 30>>::new(path, embedding)),
            &[
                ("norm.bias", Constant(0.0)),
                ("norm.weight", Constant(1.0)),
                ("positions", Normal),
                ("types", Normal),
                ("weight", Normal),
            ],
        );
        let transformer = transformer::Settings {
            layers: 1,
            heads: 4,
            feed_forward: 400,
            dropout: 0.0,
            activation_dropout: 0.0,
            order: Order::PostNorm,
            epsilon: 1e-5,
            activation: Activation::Relu,
        };
        check(
            |path| Box::new(Transformer::<Sequence<5, 100>, Sequence<5, 100>>::new(path, transformer)),
            &[
                ("layers.0.linear1.bias", Uniform(0.1)),
                ("layers.0.linear1.weight", Uniform(0.1)),
                ("layers.0.linear2.bias", Uniform(0.05)),
                ("layers.0.linear2.weight", Uniform(0.05)),
                ("layers.0.norm1.bias", Constant(0.0)),
                ("layers.0.norm1.weight", Constant(1.0)),
                ("layers.0.norm2.bias", Constant(0.0)),
                ("layers.0.norm2.weight", Constant(1.0)),
                ("layers.0.self_attn.in_proj_bias", Constant(0.0)),
                ("layers.0.self_attn.in_proj_weight", Uniform((6.0f64 / 400.0).sqrt())),
                ("layers.0.self_attn.out_proj.bias", Constant(0.0)),
                ("layers.0.self_attn.out_proj.weight", Uniform(0.1)),
            ],
        );
    }

    #[test]
    fn what_is_filled_from_elsewhere_is_not_drawn() {
        let build = || {
            let store = VarStore::new(Device::Cpu);
            let gru = gru::Settings { layers: 1, bidirectional: false, dropout: 0.0 };
            let embedding = embedding::Settings {
                vocabulary: 100,
                padding: Some(0),
                positions: Positions::Learned(90),
                types: 0,
                norm: None,
                dropout: 0.0,
            };
            Gru::<Sequence<5, 9>, Vector<100>>::new(&store.root() / "gru", gru);
            Embedding::<Tokens<80>, Sequence<80, 30>>::new(&store.root() / "words", embedding);
            store
        };
        let zeros = |store: &VarStore| {
            assert_eq!(store.trainable_variables().len(), 6);
            store.variables().into_values().filter(|variable| variable.abs().max().double_value(&[]) == 0.0).count()
        };
        assert_eq!(zeros(&undrawn(build)), 6);
        assert_eq!(zeros(&build()), 0);
        let panicked = std::panic::catch_unwind(|| undrawn(|| panic!("as a layer of the user's own may")));
        assert!(panicked.is_err());
        assert_eq!(zeros(&build()), 0);
    }

    fn check<I: Shape, O: Shape>(build: impl FnOnce(Path<'_>) -> Box<dyn Layer<I, O>>, laws: &[(&str, Law)]) {
        let store = VarStore::new(Device::Cpu);
        build(store.root());
        let variables: BTreeMap<String, Tensor> = store.variables().into_iter().collect();
        let names: Vec<_> = laws.iter().map(|(name, _)| *name).collect();
        assert_eq!(Vec::from_iter(variables.keys()), names);
        for (name, law) in laws {
            let values = variables[*name].to_kind(Kind::Double);
            let spread = values.square().mean(Kind::Double).sqrt().double_value(&[]);
            let largest = values.abs().max().double_value(&[]);
            let fits = match law {
                // The smallest of these tensors holds 100 values: 20 % are more than four standard errors.
                Uniform(bound) => {
                    (0.9 * bound..=1.000001 * bound).contains(&largest)
                        && (0.8..1.2).contains(&(spread * 3f64.sqrt() / bound))
                }
                Normal => (0.9..1.1).contains(&spread) && largest > 2.0,
                Constant(value) => {
                    values.eq_tensor(&Tensor::from(*value).expand_as(&values)).all().int64_value(&[]) == 1
                }
            };
            assert!(fits, "{name}: {law:?}, but the spread is {spread} and the largest value {largest}");
        }
    }
}
