//! Feature-wise linear modulation.

use std::marker::PhantomData;

use tch::Tensor;
use tch::nn::Path;

use super::Widths;
use crate::Batch;
use crate::nn::program::{Operation, Program, Value};
use crate::nn::{Activation, Affine, Layer};
use crate::shape::Vector;

/// Feature-wise linear modulation (Perez et al. 2018, "FiLM: Visual Reasoning with a General Conditioning Layer"):
/// `γ ∘ x + β`, where `x` is the feature of one modality, and `γ` and `β` are perceptrons of those of others.
///
/// `[batch, Σ Nᵢ]` → `[batch, N]`, `N` the width of the base.
///
/// MultiBench's twin is `FiLM`; without hidden layers its two networks are linear maps, with one of 512 they are those of
/// MMBench. Variables: `gamma.0.weight`, `gamma.0.bias`, …, `beta.0.weight`, … of the linear maps, counted without the relu
/// between them, each drawn as by [`crate::nn::Linear`].
///
/// ```
/// use m2sn_runtime::{Batch, fusion, nn::Layer, shape::Vector, tch::{Device, Kind, Tensor, nn::VarStore}};
///
/// let variables = VarStore::new(Device::Cpu);
/// let settings = fusion::film::Settings { base: 0, gamma: 1, beta: 1, hidden: &[64] };
/// let fusion = fusion::Film::<Vector<240>, Vector<48>>::new(variables.root() / "fusion", &[48, 192], settings);
/// let joined = Batch::new(Tensor::randn([2, 240], (Kind::Float, Device::Cpu)))?;
/// assert_eq!(fusion.forward(&joined, false).tensor().size(), [2, 48]);
/// # Ok::<(), m2sn_runtime::Error>(())
/// ```
#[derive(Debug)]
pub struct Film<I, O> {
    gamma: Vec<Affine>,
    beta: Vec<Affine>,
    roles: [usize; 3],
    widths: Widths,
    shapes: PhantomData<fn(I) -> O>,
}

/// What the widths do not tell of a [`Film`].
#[derive(Debug, Clone, Copy)]
pub struct Settings<'a> {
    /// The modality whose feature is scaled and shifted, counted from zero.
    pub base: usize,
    /// The modality that says by how much to scale.
    pub gamma: usize,
    /// The modality that says by how much to shift.
    pub beta: usize,
    /// The widths of the hidden layers between these modalities and what they say.
    pub hidden: &'a [i64],
}

impl<const C: i64, const M: i64> Film<Vector<C>, Vector<M>> {
    /// Draws the two perceptrons over features of these widths, with their variables under `path`.
    pub fn new(path: Path<'_>, widths: &[i64], settings: Settings<'_>) -> Self {
        let Settings { base, gamma, beta, hidden } = settings;
        debug_assert_eq!(widths[base], M, "the width of the base");
        let perceptron = |name: &str, from: usize| {
            let path = &path / name;
            let inputs = [&[widths[from]], hidden].concat();
            let pairs = inputs.iter().zip(hidden.iter().chain([&M])).enumerate();
            pairs.map(|(index, (width, next))| Affine::new(&(&path / index), *width, *next)).collect()
        };
        Self {
            gamma: perceptron("gamma", gamma),
            beta: perceptron("beta", beta),
            roles: [base, gamma, beta],
            widths: Widths::of::<Vector<C>>(widths),
            shapes: PhantomData,
        }
    }
}

impl<const C: i64, const M: i64> Layer<Vector<C>, Vector<M>> for Film<Vector<C>, Vector<M>> {
    fn forward(&self, joined: &Batch<Vector<C>>, _train: bool) -> Batch<Vector<M>> {
        let features = self.widths.split(joined.tensor());
        let [base, gamma, beta] = self.roles.map(|role| &features[role]);
        joined.map(run(&self.gamma, gamma) * base + run(&self.beta, beta))
    }

    fn lower(&self, program: &mut Program, joined: Value) -> Value {
        let features = self.widths.lower(program, joined);
        let [base, gamma, beta] = self.roles.map(|role| features[role]);
        let gamma = lower(&self.gamma, program, gamma, None);
        let scaled = program.push_adding(Operation::Multiply, gamma, Some(base), &[M]);
        lower(&self.beta, program, beta, Some(scaled))
    }
}

/// The output of a perceptron.
fn run(perceptron: &[Affine], feature: &Tensor) -> Tensor {
    let maps = perceptron.iter().enumerate();
    maps.fold(feature.shallow_clone(), |value, (index, map)| match index {
        0 => map.forward(&value),
        _ => map.forward(&value.relu()),
    })
}

/// Writes a perceptron down, and the addition of another value to its output.
fn lower(perceptron: &[Affine], program: &mut Program, feature: Value, add: Option<Value>) -> Value {
    let last = perceptron.len() - 1;
    perceptron.iter().enumerate().fold(feature, |value, (index, map)| match index < last {
        true => map.lower(program, value, Some(Activation::Relu), None),
        false => map.lower(program, value, None, add),
    })
}
