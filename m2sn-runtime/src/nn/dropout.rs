//! Dropout.

use std::marker::PhantomData;

use super::Layer;
use super::program::{Program, Value};
use crate::Batch;
use crate::shape::Shape;

/// In training sets each value to zero with a probability, and scales the others so that the mean stays; else nothing.
///
/// The shape stays. PyTorch's twin is `Dropout`. There are no variables.
#[derive(Debug)]
pub struct Dropout<I, O> {
    probability: f64,
    shapes: PhantomData<fn(I) -> O>,
}

impl<S: Shape> Dropout<S, S> {
    /// Drops values with this `probability`, from 0 to 1.
    pub fn new(probability: f64) -> Self {
        debug_assert!((0.0..=1.0).contains(&probability), "dropout with probability {probability}");
        Self { probability, shapes: PhantomData }
    }
}

impl<S: Shape> Layer<S, S> for Dropout<S, S> {
    fn forward(&self, input: &Batch<S>, train: bool) -> Batch<S> {
        if train { input.map(input.tensor().dropout(self.probability, true)) } else { input.clone() }
    }

    fn lower(&self, _program: &mut Program, input: Value) -> Value {
        input
    }
}

#[cfg(test)]
mod tests {
    use tch::nn::VarStore;
    use tch::{Device, Kind, Tensor};

    use crate::nn::*;
    use crate::shape::{Sequence, Tokens, Vector};

    #[test]
    fn training_drops_the_share_asked_for_and_keeps_the_mean() {
        let ones = Batch::new(Tensor::ones([100, 100], (Kind::Float, Device::Cpu))).unwrap();
        let layer = Dropout::<Vector<100>, Vector<100>>::new(0.2);
        assert_eq!(layer.forward(&ones, false).tensor(), ones.tensor());
        let output = layer.forward(&ones, true);
        let kept = output.tensor().isclose(&(ones.tensor() / 0.8), 1e-6, 0.0, false);
        let dropped = output.tensor().eq(0.0);
        assert!(bool::try_from(kept.logical_or(&dropped).all()).unwrap());
        // The standard error of the share is 0.004.
        let share = dropped.to_kind(Kind::Double).mean(Kind::Double).double_value(&[]);
        assert!((0.18..0.22).contains(&share), "{share} dropped");
    }

    #[test]
    fn layers_with_dropout_apply_it_in_training_alone() {
        let store = VarStore::new(Device::Cpu);
        let root = store.root();
        let mlp = mlp::Settings { hidden: &[16], activation: Activation::Tanh, dropout: 0.5 };
        drops(&Mlp::<Vector<8>, Vector<8>>::new(&root / "mlp", mlp), &random([4, 8]));
        let gru = gru::Settings { layers: 2, bidirectional: true, dropout: 0.5 };
        drops(&Gru::<Sequence<5, 8>, Vector<8>>::new(&root / "gru", gru), &random([4, 5, 8]));
        let lstm = lstm::Settings { layers: 2, bidirectional: true, dropout: 0.5 };
        drops(&Lstm::<Sequence<5, 8>, Vector<8>>::new(&root / "lstm", lstm), &random([4, 5, 8]));
        let settings = transformer::Settings {
            layers: 1,
            heads: 2,
            feed_forward: 16,
            dropout: 0.5,
            activation_dropout: 0.0,
            order: Order::PreNorm,
            epsilon: 1e-5,
            activation: Activation::Gelu,
        };
        let transformer = Transformer::<Sequence<5, 8>, Sequence<5, 8>>::new(&root / "transformer", settings);
        drops(&transformer, &random([4, 5, 8]));
        let settings = transformer::Settings { dropout: 0.0, activation_dropout: 0.5, ..settings };
        let transformer = Transformer::<Sequence<5, 8>, Sequence<5, 8>>::new(&root / "activation", settings);
        drops(&transformer, &random([4, 5, 8]));
        let embedding = embedding::Settings {
            vocabulary: 9,
            padding: None,
            positions: Positions::None,
            types: 0,
            norm: None,
            dropout: 0.5,
        };
        let embedding = Embedding::<Tokens<5>, Sequence<5, 8>>::new(&root / "embedding", embedding);
        let tokens = Batch::new(Tensor::randint(9, [4, 5], (Kind::Int64, Device::Cpu))).unwrap();
        drops(&embedding, &tokens);
    }

    fn random<S: Shape, const N: usize>(dims: [i64; N]) -> Batch<S> {
        Batch::new(Tensor::randn(dims, (Kind::Float, Device::Cpu))).unwrap()
    }

    fn drops<I: Shape, O: Shape>(layer: &impl Layer<I, O>, input: &Batch<I>) {
        let output = |train| layer.forward(input, train).into_feature().tensor;
        assert_eq!(output(false), output(false), "{layer:?} evaluates differently each time");
        assert_ne!(output(true), output(true), "{layer:?} drops nothing in training");
    }
}
