//! Transformer encoders.

use std::marker::PhantomData;

use tch::nn::{Init, Path};
use tch::{Kind, Tensor};

use super::program::{Operation, Program, Value};
use super::{Activation, Affine, Layer, LayerNorm, init};
use crate::Batch;
use crate::shape::Sequence;

/// A stack of transformer encoder layers (Vaswani et al. 2017).
///
/// With [`Order::PostNorm`], each layer is
/// `x = norm1(x + attention(x))`, `x = norm2(x + linear2(activation(linear1(x))))`;
/// with [`Order::PreNorm`], `x = x + attention(norm1(x))`, `x = x + linear2(activation(linear1(norm2(x))))`,
/// and a last normalisation follows the stack.
/// `[batch, T, F]` → the same. Nothing attends to padding steps; what comes out at them means nothing.
/// The steps of a sample of nothing but padding attend to all of it evenly.
///
/// PyTorch's twin is `TransformerEncoder` over `TransformerEncoderLayer(batch_first=True)`, with the same variables:
/// `layers.0.self_attn.in_proj_weight`, …, `layers.0.norm2.bias`, …, `norm.weight`.
/// Parameters are drawn as in `TransformerEncoderLayer`; every layer draws its own, where PyTorch copies the first.
#[derive(Debug)]
pub struct Transformer<I, O> {
    layers: Vec<EncoderLayer>,
    norm: Option<LayerNorm>,
    shapes: PhantomData<fn(I) -> O>,
}

/// What the shapes do not tell of a [`Transformer`].
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// The number of layers.
    pub layers: i64,
    /// The number of attention heads, a divisor of the width.
    pub heads: i64,
    /// The width between the two linear maps of the feed-forward part.
    pub feed_forward: i64,
    /// The probability that training drops an attention weight or a value of a residual branch.
    pub dropout: f64,
    /// The probability that training drops a value after the activation of the feed-forward part: [`Settings::dropout`]
    /// in PyTorch's layer, 0 in BERT's.
    pub activation_dropout: f64,
    /// Where the normalisations stand.
    pub order: Order,
    /// What normalisations add to the variance: 1e-5 in PyTorch's layer, 1e-12 in BERT's.
    pub epsilon: f64,
    /// The activation of the feed-forward part.
    pub activation: Activation,
}

/// Where the normalisations of a [`Transformer`] stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Before attention and feed-forward, inside the residual branches (`norm_first=True`), and once at the end.
    PreNorm,
    /// After each residual sum, as in the original.
    PostNorm,
}

impl<const T: i64, const F: i64> Transformer<Sequence<T, F>, Sequence<T, F>> {
    /// Draws an encoder, with its variables under `path`.
    pub fn new(path: Path<'_>, settings: Settings) -> Self {
        debug_assert!(F % settings.heads == 0, "{} heads do not divide the width {F}", settings.heads);
        let layers = &path / "layers";
        Self {
            layers: (0..settings.layers).map(|index| EncoderLayer::new(&(&layers / index), F, settings)).collect(),
            norm: (settings.order == Order::PreNorm).then(|| LayerNorm::new(&(&path / "norm"), F, settings.epsilon)),
            shapes: PhantomData,
        }
    }
}

impl<const T: i64, const F: i64> Layer<Sequence<T, F>, Sequence<T, F>> for Transformer<Sequence<T, F>, Sequence<T, F>> {
    fn forward(&self, input: &Batch<Sequence<T, F>>, train: bool) -> Batch<Sequence<T, F>> {
        input.map(self.run(input.tensor(), input.mask(), train))
    }

    fn lower(&self, program: &mut Program, input: Value) -> Value {
        let rows = self.layers.iter().fold(input, |rows, layer| layer.lower(program, rows));
        self.norm.as_ref().map_or(rows, |norm| norm.lower(program, rows))
    }
}

impl<I, O> Transformer<I, O> {
    fn run(&self, input: &Tensor, mask: Option<&Tensor>, train: bool) -> Tensor {
        let size = input.size();
        let bias = mask.map(|mask| attention_bias(mask, input.kind()));
        // All but the attention itself goes step by step, so the steps of all samples are rows of one matrix.
        let mut rows = input.reshape([-1, size[2]]);
        for layer in &self.layers {
            rows = layer.forward(&rows, [size[0], size[1]], bias.as_ref(), train);
        }
        if let Some(norm) = &self.norm {
            rows = norm.forward(&rows);
        }
        rows.view(size.as_slice())
    }
}

/// What is added to the attention scores, `[batch, 1, 1, T]`: zero for real steps.
///
/// The penalty of a padding step is finite but far beyond any score, so that its weight is exactly zero next to a
/// real step, while a sample of nothing but padding gets even weights instead of 0/0.
pub(crate) fn attention_bias(mask: &Tensor, kind: Kind) -> Tensor {
    const PENALTY: f64 = -1e9;
    (mask.logical_not().to_kind(kind) * PENALTY).unsqueeze(1).unsqueeze(1)
}

#[derive(Debug)]
struct EncoderLayer {
    self_attn: Attention,
    linear1: Affine,
    linear2: Affine,
    norm1: LayerNorm,
    norm2: LayerNorm,
    dropout: f64,
    activation_dropout: f64,
    order: Order,
    activation: Activation,
}

impl EncoderLayer {
    fn new(path: &Path<'_>, width: i64, settings: Settings) -> Self {
        let Settings { heads, feed_forward, dropout, activation_dropout, order, epsilon, activation, .. } = settings;
        Self {
            self_attn: Attention::new(&(path / "self_attn"), width, heads, dropout),
            linear1: Affine::new(&(path / "linear1"), width, feed_forward),
            linear2: Affine::new(&(path / "linear2"), feed_forward, width),
            norm1: LayerNorm::new(&(path / "norm1"), width, epsilon),
            norm2: LayerNorm::new(&(path / "norm2"), width, epsilon),
            dropout,
            activation_dropout,
            order,
            activation,
        }
    }

    /// `[batch · T, F]` → the same, where `size` is batch and T.
    fn forward(&self, rows: &Tensor, size: [i64; 2], bias: Option<&Tensor>, train: bool) -> Tensor {
        match self.order {
            Order::PreNorm => {
                let rows = self.attend(&self.norm1.forward(rows), size, bias, train) + rows;
                self.feed(&self.norm2.forward(&rows), train) + rows
            }
            Order::PostNorm => {
                let rows = self.norm1.forward(&(self.attend(rows, size, bias, train) + rows));
                self.norm2.forward(&(self.feed(&rows, train) + &rows))
            }
        }
    }

    fn lower(&self, program: &mut Program, rows: Value) -> Value {
        match self.order {
            Order::PreNorm => {
                let normed = self.norm1.lower(program, rows);
                let rows = self.self_attn.lower(program, normed, rows);
                let normed = self.norm2.lower(program, rows);
                self.lower_feed(program, normed, rows)
            }
            Order::PostNorm => {
                let attended = self.self_attn.lower(program, rows, rows);
                let rows = self.norm1.lower(program, attended);
                let fed = self.lower_feed(program, rows, rows);
                self.norm2.lower(program, fed)
            }
        }
    }

    /// Writes down the feed-forward network of `rows`, added to `past`.
    fn lower_feed(&self, program: &mut Program, rows: Value, past: Value) -> Value {
        let hidden = self.linear1.lower(program, rows, Some(self.activation), None);
        self.linear2.lower(program, hidden, None, Some(past))
    }

    fn attend(&self, rows: &Tensor, size: [i64; 2], bias: Option<&Tensor>, train: bool) -> Tensor {
        drop(self.self_attn.forward(rows, size, bias, train), self.dropout, train)
    }

    fn feed(&self, rows: &Tensor, train: bool) -> Tensor {
        let hidden = drop(self.activation.apply(self.linear1.forward(rows)), self.activation_dropout, train);
        drop(self.linear2.forward(&hidden), self.dropout, train)
    }
}

fn drop(tensor: Tensor, probability: f64, train: bool) -> Tensor {
    if train { tensor.dropout(probability, true) } else { tensor }
}

/// Multi-head self-attention: `softmax(Q Kᵀ / √d + bias) V` for each head, then a linear map.
#[derive(Debug)]
struct Attention {
    in_proj_weight: Tensor,
    in_proj_bias: Tensor,
    out_weight: Tensor,
    out_bias: Tensor,
    heads: i64,
    dropout: f64,
}

impl Attention {
    fn new(path: &Path<'_>, width: i64, heads: i64, dropout: f64) -> Self {
        let out = path / "out_proj";
        Self {
            in_proj_weight: init::xavier(path, "in_proj_weight", [3 * width, width]),
            in_proj_bias: path.var("in_proj_bias", &[3 * width], Init::Const(0.0)),
            out_weight: init::fan_in(&out, "weight", &[width, width], width),
            out_bias: out.var("bias", &[width], Init::Const(0.0)),
            heads,
            dropout,
        }
    }

    fn forward(&self, rows: &Tensor, [batch, steps]: [i64; 2], bias: Option<&Tensor>, train: bool) -> Tensor {
        let projected = rows.linear(&self.in_proj_weight, Some(&self.in_proj_bias));
        let parts = projected.view([batch, steps, 3, self.heads, -1]).permute([2, 0, 3, 1, 4]);
        let (query, key, value) = (parts.get(0), parts.get(1), parts.get(2));
        let dropout = if train { self.dropout } else { 0.0 };
        let attended = Tensor::scaled_dot_product_attention(&query, &key, &value, bias, dropout, false, None, false);
        let merged = attended.transpose(1, 2).reshape([batch * steps, -1]);
        merged.linear(&self.out_weight, Some(&self.out_bias))
    }

    /// Writes down the attention of `rows`, added to `past`.
    fn lower(&self, program: &mut Program, rows: Value, past: Value) -> Value {
        let linear = |weight: &Tensor, bias: &Tensor| Operation::Linear {
            weight: weight.detach(),
            bias: bias.detach(),
            activation: None,
        };
        let [steps, width] = match program.dims(rows) {
            &[steps, width] => [steps, width],
            dims => unreachable!("attention over {dims:?}"),
        };
        let projected = linear(&self.in_proj_weight, &self.in_proj_bias);
        let projected = program.push(projected, rows, &[steps, 3 * width]);
        let attended = program.push(Operation::Attend { heads: self.heads }, projected, &[steps, width]);
        program.push_adding(linear(&self.out_weight, &self.out_bias), attended, Some(past), &[steps, width])
    }
}

#[cfg(test)]
mod tests {
    use tch::Device;
    use tch::nn::VarStore;

    use super::*;
    use crate::batch::Feature;

    #[test]
    fn a_sample_of_nothing_but_padding_is_no_nan() {
        for order in [Order::PreNorm, Order::PostNorm] {
            let store = VarStore::new(Device::Cpu);
            let encoder = Transformer::<Sequence<3, 4>, Sequence<3, 4>>::new(store.root(), settings(order));
            let tensor = Tensor::randn([2, 3, 4], (Kind::Float, Device::Cpu)).set_requires_grad(true);
            let mask = Tensor::from_slice(&[true, true, false, false, false, false]).view([2, 3]);
            let input = Batch::trusted(Feature { mask: Some(mask), ..tensor.shallow_clone().into() });
            let output = encoder.forward(&input, true);
            assert!(finite(output.tensor()));

            output.tensor().square().sum(Kind::Float).backward();
            assert!(finite(&tensor.grad()));
            assert!(store.trainable_variables().iter().all(|variable| finite(&variable.grad())));
        }
    }

    #[test]
    fn what_stands_in_padding_reaches_no_real_step() {
        for order in [Order::PreNorm, Order::PostNorm] {
            let store = VarStore::new(Device::Cpu);
            let encoder = Transformer::<Sequence<3, 4>, Sequence<3, 4>>::new(store.root(), settings(order));
            let steps = Tensor::randn([1, 3, 4], (Kind::Float, Device::Cpu));
            let real = |padding: f64| {
                let tensor = steps.copy();
                let _ = tensor.narrow(1, 2, 1).fill_(padding);
                let input = Batch::<Sequence<3, 4>>::with_lengths(tensor, &Tensor::from_slice(&[2_i64])).unwrap();
                encoder.forward(&input, false).tensor().narrow(1, 0, 2)
            };
            for padding in [f64::NAN, f64::INFINITY, -7.0] {
                assert_eq!(real(padding), real(0.0), "{padding}");
            }
        }
    }

    fn settings(order: Order) -> Settings {
        Settings {
            layers: 2,
            heads: 2,
            feed_forward: 8,
            dropout: 0.0,
            activation_dropout: 0.0,
            order,
            epsilon: 1e-5,
            activation: Activation::Gelu,
        }
    }

    fn finite(tensor: &Tensor) -> bool {
        bool::try_from(tensor.isfinite().all()).unwrap()
    }
}
