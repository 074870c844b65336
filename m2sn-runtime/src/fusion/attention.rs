//! Attention over modalities.

use std::marker::PhantomData;

use tch::nn::Path;
use tch::{Kind, Tensor};

use super::{SOMETHING, Widths, lower_products};
use crate::Batch;
use crate::nn::program::{Operation, Program, Value};
use crate::nn::{Affine, Layer};
use crate::shape::Vector;

/// The mean of the features, each brought to one width, by weights that they give themselves: `Σ aᵢ hᵢ` with
/// `hᵢ = Wᵢ xᵢ + bᵢ` and `a = softmax(V [h₁, h₂, …] + c)`.
///
/// `[batch, Σ Nᵢ]` → `[batch, M]`.
///
/// MMBench's twin is `AttentionFusion`, with the same variables: `linears.0.weight`, `linears.0.bias`, …,
/// `attention.weight` and `attention.bias`, drawn as by [`crate::nn::Linear`].
///
/// ```
/// use m2sn_runtime::{Batch, fusion, nn::Layer, shape::Vector, tch::{Device, Kind, Tensor, nn::VarStore}};
///
/// let variables = VarStore::new(Device::Cpu);
/// let fusion = fusion::Attention::<Vector<240>, Vector<64>>::new(variables.root() / "fusion", &[48, 192]);
/// let joined = Batch::new(Tensor::randn([2, 240], (Kind::Float, Device::Cpu)))?;
/// assert_eq!(fusion.forward(&joined, false).tensor().size(), [2, 64]);
/// # Ok::<(), m2sn_runtime::Error>(())
/// ```
#[derive(Debug)]
pub struct Attention<I, O> {
    linears: Vec<Affine>,
    attention: Affine,
    widths: Widths,
    shapes: PhantomData<fn(I) -> O>,
}

impl<const C: i64, const M: i64> Attention<Vector<C>, Vector<M>> {
    /// Draws the maps over features of these widths, with their variables under `path`.
    pub fn new(path: Path<'_>, widths: &[i64]) -> Self {
        let (linears, count) = (&path / "linears", widths.len() as i64);
        let linear = |(index, width): (usize, &i64)| Affine::new(&(&linears / index), *width, M);
        Self {
            linears: widths.iter().enumerate().map(linear).collect(),
            attention: Affine::new(&(&path / "attention"), count * M, count),
            widths: Widths::of::<Vector<C>>(widths),
            shapes: PhantomData,
        }
    }
}

impl<const C: i64, const M: i64> Layer<Vector<C>, Vector<M>> for Attention<Vector<C>, Vector<M>> {
    fn forward(&self, joined: &Batch<Vector<C>>, _train: bool) -> Batch<Vector<M>> {
        let features = self.widths.split(joined.tensor());
        let hidden: Vec<_> =
            features.iter().zip(&self.linears).map(|(feature, linear)| linear.forward(feature)).collect();
        let scores = self.attention.forward(&Tensor::cat(&hidden, 1));
        let weights = scores.softmax(1, None::<Kind>);
        // `[batch, 1, k]` times `[batch, k, M]`.
        joined.map(weights.unsqueeze(1).matmul(&Tensor::stack(&hidden, 1)).squeeze_dim(1))
    }

    fn lower(&self, program: &mut Program, joined: Value) -> Value {
        let features = self.widths.lower(program, joined);
        let hidden: Vec<_> = features
            .into_iter()
            .zip(&self.linears)
            .map(|(feature, linear)| linear.lower(program, feature, None, None))
            .collect();
        let count = hidden.len() as i64;
        let [weight, bias] = self.attention.variables().map(Tensor::detach);
        // The map of all side by side is the sum of a map each; the bias comes with the first.
        let scores = hidden.iter().zip(weight.split(M, 1)).fold(None, |scores, (hidden, weight)| {
            let bias = if scores.is_none() { bias.shallow_clone() } else { bias.zeros_like() };
            let map = Operation::Linear { weight, bias, activation: None };
            Some(program.push_adding(map, *hidden, scores, &[count]))
        });
        let weights = program.push(Operation::Softmax, scores.expect(SOMETHING), &[count]);
        let weights = Widths(vec![1; hidden.len()]).lower(program, weights);
        lower_products(program, hidden.into_iter().zip(weights))
    }
}
