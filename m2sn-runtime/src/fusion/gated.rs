//! Gated multimodal units.

use std::marker::PhantomData;

use tch::nn::Path;
use tch::{Kind, Tensor};

use super::{Widths, lower_products};
use crate::Batch;
use crate::nn::program::{Operation, Program, Value};
use crate::nn::{Activation, Layer, init};
use crate::shape::Vector;

/// Gated multimodal units (Arevalo et al. 2017, "Gated Multimodal Units for Information Fusion"): `Σ zᵢ ∘ tanh(Wᵢ xᵢ)`
/// with gates `zᵢ = σ(Vᵢ [x₁, x₂, …])`.
///
/// `[batch, Σ Nᵢ]` → `[batch, M]`. Of two modalities there is one gate, and `z₂ = 1 − z₁`, as in the paper's bimodal unit.
///
/// Variables: `hidden.0.weight`, `hidden.1.weight`, … `[M, Nᵢ]`, and `gate.weight`, `[M, Σ Nᵢ]` or, of more than two
/// modalities, `[k · M, Σ Nᵢ]`; all drawn as by [`crate::nn::Linear`], without biases, which the paper has none of.
///
/// ```
/// use m2sn_runtime::{Batch, fusion, nn::Layer, shape::Vector, tch::{Device, Kind, Tensor, nn::VarStore}};
///
/// let variables = VarStore::new(Device::Cpu);
/// let gated = fusion::Gated::<Vector<240>, Vector<64>>::new(variables.root() / "fusion", &[48, 192]);
/// let joined = Batch::new(Tensor::randn([2, 240], (Kind::Float, Device::Cpu)))?;
/// assert_eq!(gated.forward(&joined, false).tensor().size(), [2, 64]);
/// # Ok::<(), m2sn_runtime::Error>(())
/// ```
#[derive(Debug)]
pub struct Gated<I, O> {
    hidden: Vec<Tensor>,
    gate: Tensor,
    widths: Widths,
    shapes: PhantomData<fn(I) -> O>,
}

impl<const C: i64, const M: i64> Gated<Vector<C>, Vector<M>> {
    /// Draws units over features of these widths, with their variables under `path`.
    pub fn new(path: Path<'_>, widths: &[i64]) -> Self {
        let hidden = &path / "hidden";
        let weight = |(index, width): (usize, &i64)| init::fan_in(&(&hidden / index), "weight", &[M, *width], *width);
        let gates = if widths.len() == 2 { 1 } else { widths.len() as i64 };
        Self {
            hidden: widths.iter().enumerate().map(weight).collect(),
            gate: init::fan_in(&(&path / "gate"), "weight", &[gates * M, C], C),
            widths: Widths::of::<Vector<C>>(widths),
            shapes: PhantomData,
        }
    }
}

impl<const C: i64, const M: i64> Layer<Vector<C>, Vector<M>> for Gated<Vector<C>, Vector<M>> {
    fn forward(&self, joined: &Batch<Vector<C>>, _train: bool) -> Batch<Vector<M>> {
        let features = self.widths.split(joined.tensor());
        let hidden = features.iter().zip(&self.hidden).map(|(feature, weight)| feature.linear::<Tensor>(weight, None));
        // `[batch, k, M]`, as are the gates.
        let hidden = Tensor::stack(&hidden.collect::<Vec<_>>(), 1).tanh();
        let gates = joined.tensor().linear::<Tensor>(&self.gate, None).sigmoid();
        let gates = match self.hidden.len() {
            2 => Tensor::stack(&[gates.shallow_clone(), 1.0 - gates], 1),
            _ => gates.unflatten(1, [-1, M]),
        };
        joined.map((hidden * gates).sum_dim_intlist([1].as_slice(), false, None))
    }

    fn lower(&self, program: &mut Program, joined: Value) -> Value {
        let map = |weight: Tensor, activation| {
            let bias = Tensor::zeros([weight.size()[0]], (Kind::Float, weight.device()));
            Operation::Linear { weight, bias, activation: Some(activation) }
        };
        let gate = self.gate.detach();
        // One less a sigmoid is the sigmoid of the negative.
        let gate = if self.hidden.len() == 2 { Tensor::cat(&[&gate, &-&gate], 0) } else { gate };
        let width = gate.size()[0];
        let gates = program.push(map(gate, Activation::Sigmoid), joined, &[width]);
        let gates = Widths(vec![M; self.hidden.len()]).lower(program, gates);
        let features = self.widths.lower(program, joined);
        let hidden = features.into_iter().zip(&self.hidden);
        let hidden: Vec<_> = hidden
            .map(|(feature, weight)| program.push(map(weight.detach(), Activation::Tanh), feature, &[M]))
            .collect();
        lower_products(program, hidden.into_iter().zip(gates))
    }
}
