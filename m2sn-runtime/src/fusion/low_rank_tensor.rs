//! Low-rank tensor fusion.

use std::marker::PhantomData;

use tch::nn::{Init, Path};
use tch::{Kind, Tensor};

use super::{SOMETHING, Widths};
use crate::Batch;
use crate::nn::program::{Operation, Program, Value};
use crate::nn::{Layer, init};
use crate::shape::Vector;

/// A linear map of the [`super::TensorProduct`] of the features, of so low a rank that the product need not be formed (Liu
/// et al. 2018, "Efficient Low-rank Multimodal Fusion with Modality-Specific Factors"):
/// `Σᵣ wᵣ (F₁ᵣ [1, x₁]) ∘ (F₂ᵣ [1, x₂]) ∘ … + b`.
///
/// `[batch, Σ Nᵢ]` → `[batch, M]`.
///
/// MultiBench's twin is `LowRankTensorFusion`, with the same variables: `factors.0`, `factors.1`, … `[rank, Nᵢ + 1, M]`,
/// `fusion_weights`, `[1, rank]`, both drawn by `xavier_normal_`, and `fusion_bias`, `[1, M]`, zeros. There they are in no
/// list of parameters, and never trained; here they are.
///
/// ```
/// use m2sn_runtime::{Batch, fusion, nn::Layer, shape::Vector, tch::{Device, Kind, Tensor, nn::VarStore}};
///
/// let variables = VarStore::new(Device::Cpu);
/// let fusion = fusion::LowRankTensor::<Vector<240>, Vector<64>>::new(variables.root() / "fusion", &[48, 192], 16);
/// let joined = Batch::new(Tensor::randn([2, 240], (Kind::Float, Device::Cpu)))?;
/// assert_eq!(fusion.forward(&joined, false).tensor().size(), [2, 64]);
/// # Ok::<(), m2sn_runtime::Error>(())
/// ```
#[derive(Debug)]
pub struct LowRankTensor<I, O> {
    factors: Vec<Tensor>,
    weights: Tensor,
    bias: Tensor,
    widths: Widths,
    shapes: PhantomData<fn(I) -> O>,
}

impl<const C: i64, const M: i64> LowRankTensor<Vector<C>, Vector<M>> {
    /// Draws the factors of so many summands over features of these widths, with their variables under `path`.
    pub fn new(path: Path<'_>, widths: &[i64], rank: i64) -> Self {
        let normal = |path: &Path<'_>, name: &str, dims: &[i64], fans: i64| {
            init::normal(path, name, dims, (2.0 / fans as f64).sqrt())
        };
        let factors = &path / "factors";
        // PyTorch takes the first two dimensions of a tensor for the outputs and inputs of a convolution.
        let factor = |(index, width): (usize, &i64)| {
            let inputs = width + 1;
            normal(&factors, &index.to_string(), &[rank, inputs, M], (inputs + rank) * M)
        };
        Self {
            factors: widths.iter().enumerate().map(factor).collect(),
            weights: normal(&path, "fusion_weights", &[1, rank], rank + 1),
            bias: path.var("fusion_bias", &[1, M], Init::Const(0.0)),
            widths: Widths::of::<Vector<C>>(widths),
            shapes: PhantomData,
        }
    }
}

impl<const C: i64, const M: i64> Layer<Vector<C>, Vector<M>> for LowRankTensor<Vector<C>, Vector<M>> {
    fn forward(&self, joined: &Batch<Vector<C>>, _train: bool) -> Batch<Vector<M>> {
        let features = self.widths.split(joined.tensor());
        // `[rank, batch, M]` of each modality.
        let maps =
            features.iter().zip(&self.factors).zip(&self.widths.0).map(|((feature, factor), width)| {
                feature.matmul(&factor.narrow(1, 1, *width)) + factor.narrow(1, 0, 1)
            });
        let product = maps.reduce(|product, map| product * map).expect(SOMETHING);
        joined.map(self.weights.matmul(&product.transpose(0, 1)).squeeze_dim(1) + &self.bias)
    }

    fn lower(&self, program: &mut Program, joined: Value) -> Value {
        let features = self.widths.lower(program, joined);
        let maps = features.into_iter().zip(&self.factors).enumerate().map(|(index, (feature, factor))| {
            let (factor, dims) = (factor.detach(), factor.size());
            let weight = factor.narrow(1, 1, dims[1] - 1).transpose(1, 2).flatten(0, 1);
            let bias = factor.select(1, 0).flatten(0, 1);
            // One more summand, whatever the features, is the bias.
            let none = Tensor::zeros([M, dims[1] - 1], (Kind::Float, factor.device()));
            let last = self.bias.detach().squeeze_dim(0);
            let last = if index == 0 { last } else { last.ones_like() };
            let (weight, bias) = (Tensor::cat(&[weight, none], 0), Tensor::cat(&[bias, last], 0));
            let width = bias.size()[0];
            program.push(Operation::Linear { weight, bias, activation: None }, feature, &[width])
        });
        let maps: Vec<_> = maps.collect();
        let product = maps.into_iter().reduce(|product, map| {
            let dims = program.dims(map).to_vec();
            program.push_adding(Operation::Multiply, product, Some(map), &dims)
        });
        let weights = self.weights.detach().flatten(0, 1).to_device(tch::Device::Cpu);
        let mut weights = Vec::<f32>::try_from(weights).expect("a vector of floats");
        weights.push(1.0);
        program.push(Operation::WeightedSum(weights), product.expect(SOMETHING), &[M])
    }
}
