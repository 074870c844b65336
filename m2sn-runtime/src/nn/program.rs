//! What layers compute once they are frozen, as data: operations in a straight line over numbered values.
//!
//! A layer writes itself down by [`Layer::lower`](super::Layer::lower): what only training needs is gone, and what can be
//! said in fewer operations is, so that a batch normalisation is a matter of its convolution's weights. Whoever runs a
//! program knows the dimensions of every value beforehand.

use tch::{Kind, Tensor};

use super::{Activation, Window, conv1d, embedding, recurrent};

/// Operations that turn the samples of one value into those of others.
#[derive(Debug)]
pub struct Program {
    /// The dimensions of one sample of each value; the first is the input.
    dims: Vec<Vec<i64>>,
    steps: Vec<Step>,
    output: Value,
    /// The layer that is being written down.
    layer: usize,
}

/// A value of a program, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Value(usize);

/// One operation, which makes the value after those of the steps before it.
#[derive(Debug)]
pub struct Step {
    /// What is computed.
    pub operation: Operation,
    /// Of which value.
    pub input: Value,
    /// A value of the output's dimensions that a convolution or a linear map adds, before its activation; the other
    /// operand of a sum or a product.
    pub add: Option<Value>,
}

/// What is computed of a value, over `f32` where nothing else is said.
#[derive(Debug)]
pub enum Operation {
    /// A convolution with zeros around the image, `[C, H, W]` → `[D, G, V]`.
    Convolution {
        /// `[D, C, kernel…]`.
        weight: Tensor,
        /// `[D]`.
        bias: Tensor,
        /// Kernel, stride and padding.
        window: Window,
        /// Applied last.
        activation: Option<Activation>,
    },
    /// A linear map of the last dimension, `[…, N]` → `[…, M]`.
    Linear {
        /// `[M, N]`.
        weight: Tensor,
        /// `[M]`.
        bias: Tensor,
        /// Applied last.
        activation: Option<Activation>,
    },
    /// A convolution over the real steps of a sequence.
    Conv1d(conv1d::Kernel),
    /// Each channel or feature, of floats or of bytes, times a scale and plus a shift; padding stays zero.
    Scale {
        /// `[C]`.
        scale: Tensor,
        /// `[C]`.
        shift: Tensor,
    },
    /// The largest of every so many features that lie side by side, `[…, M · pieces]` → `[…, M]`.
    Maxout {
        /// How many.
        pieces: i64,
    },
    /// An activation of its own.
    Activate(Activation),
    /// The highest value of each window of an image, or of the real steps of a sequence.
    MaxPool(Window),
    /// The mean of each window of an image, padding left out, or of the real steps of a sequence.
    AveragePool(Window),
    /// The means of windows that part an image evenly into so many rows and columns.
    AdaptiveAveragePool([i64; 2]),
    /// The mean over the places of an image, over the real steps of a sequence, or over the real frames of a video, which
    /// leaves an image.
    Mean,
    /// The first or the last real step of a sequence.
    Step {
        /// Whether it is the last.
        last: bool,
    },
    /// The places of an image one after the other, `[C, H, W]` → `[H · W, C]`.
    Rows,
    /// All values side by side, zeros where steps are padding.
    Flatten,
    /// Normalisation of groups of an image's channels.
    GroupNorm {
        /// The number of groups.
        groups: i64,
        /// `[C]`.
        weight: Tensor,
        /// `[C]`.
        bias: Tensor,
    },
    /// Normalisation of the last dimension.
    LayerNorm {
        /// `[F]`.
        weight: Tensor,
        /// `[F]`.
        bias: Tensor,
        /// What is added to the variance.
        epsilon: f64,
    },
    /// Attention of each real step to all, with queries, keys and values side by side, `[T, 3 F]` → `[T, F]`.
    Attend {
        /// The number of heads.
        heads: i64,
    },
    /// The embedding of token ids.
    Embed(embedding::Lookup),
    /// A recurrent layer: the states of every step, or the last.
    Recurrent(recurrent::Cells),
    /// So many values of a vector, from one on, `[N]` → `[length]`.
    Part {
        /// Counted from zero.
        start: i64,
        /// How many.
        length: i64,
    },
    /// The sum with another value.
    Add,
    /// The product with another value, or with a single number.
    Multiply,
    /// The sum of equal parts of a vector, each times its weight, `[n · M]` → `[M]`.
    WeightedSum(Vec<f32>),
    /// Weights that add up to one, `exp(xᵢ) / Σ exp(xⱼ)`, of a vector.
    Softmax,
    /// The outer product of the parts of a vector, each with a one before it, `[Σ Nᵢ]` → `[Π (Nᵢ + 1)]`.
    Outer {
        /// The widths of the parts.
        widths: Vec<i64>,
    },
    /// What is computed of every frame of a video by itself.
    Frames(Box<Program>),
    /// A layer that is run as it is: the `layer`-th of those that the program was made of.
    Opaque {
        /// Counted from zero.
        layer: usize,
    },
}

impl Program {
    /// A program of no operation, of samples of these dimensions.
    pub(super) fn new(dims: &[i64]) -> Self {
        Self { dims: vec![dims.to_vec()], steps: Vec::new(), output: Value(0), layer: 0 }
    }

    /// The input.
    pub fn input(&self) -> Value {
        Value(0)
    }

    /// The output.
    pub fn output(&self) -> Value {
        self.output
    }

    /// The steps in their order.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The steps in their order, without the dimensions.
    pub fn into_steps(self) -> Vec<Step> {
        self.steps
    }

    /// The dimensions of one sample of a value.
    pub fn dims(&self, value: Value) -> &[i64] {
        &self.dims[value.0]
    }

    /// Adds an operation on a value, whose output has these dimensions.
    pub fn push(&mut self, operation: Operation, input: Value, dims: &[i64]) -> Value {
        self.push_adding(operation, input, None, dims)
    }

    /// As [`Program::push`], for a convolution or a linear map that adds another value to its output, and for operations
    /// on two values.
    pub fn push_adding(&mut self, operation: Operation, input: Value, add: Option<Value>, dims: &[i64]) -> Value {
        self.steps.push(Step { operation, input, add });
        self.dims.push(dims.to_vec());
        Value(self.steps.len())
    }

    /// Adds the layer that is being written down as it is.
    pub fn push_opaque(&mut self, input: Value, dims: &[i64]) -> Value {
        self.push(Operation::Opaque { layer: self.layer }, input, dims)
    }

    /// Adds an activation where there is one.
    pub fn activate(&mut self, activation: Option<Activation>, input: Value) -> Value {
        let Some(activation) = activation else { return input };
        let dims = self.dims(input).to_vec();
        self.push(Operation::Activate(activation), input, &dims)
    }

    pub(super) fn begin_layer(&mut self, layer: usize) {
        self.layer = layer;
    }

    pub(super) fn end(&mut self, output: Value) {
        self.output = output;
        self.fold_scale();
    }

    /// Makes a scale that comes first a matter of the weights that read it, where nothing else does.
    fn fold_scale(&mut self) {
        let scaled = Value(1);
        let readers = self.steps.iter().flat_map(|step| [Some(step.input), step.add]).flatten();
        if self.output == scaled || readers.filter(|read| *read == scaled).count() != 1 {
            return;
        }
        let Some((Step { operation: Operation::Scale { scale, shift }, input: Value(0), .. }, rest)) =
            self.steps.split_first_mut()
        else {
            return;
        };
        // In double precision, so that nothing is lost but by the last rounding.
        let double = |tensor: &Tensor| tensor.to_kind(Kind::Double);
        let folded = rest.iter_mut().find(|step| step.input == scaled).is_some_and(|step| match &mut step.operation {
            Operation::Linear { weight, bias, .. } => {
                let wide = double(weight);
                *bias = (double(bias) + wide.mv(&double(shift))).to_kind(Kind::Float);
                *weight = (wide * double(scale)).to_kind(Kind::Float);
                true
            }
            // Around the image there are zeros, to which no shift is added.
            Operation::Convolution { weight, bias, window, .. } if window.padding == [0, 0] => {
                let wide = double(weight);
                let shifted = &wide * double(shift).view([1, -1, 1, 1]);
                *bias =
                    (double(bias) + shifted.sum_dim_intlist([1, 2, 3].as_slice(), false, None)).to_kind(Kind::Float);
                *weight = (wide * double(scale).view([1, -1, 1, 1])).to_kind(Kind::Float);
                true
            }
            _ => false,
        });
        if folded {
            self.steps.remove(0);
            self.dims.remove(1);
            let earlier = |value: &mut Value| value.0 = value.0.saturating_sub(1);
            for step in &mut self.steps {
                earlier(&mut step.input);
                step.add.iter_mut().for_each(earlier);
            }
            earlier(&mut self.output);
        }
    }
}

impl Value {
    /// Its number: 0 is the input, and each step makes the next.
    pub fn number(self) -> usize {
        self.0
    }
}
