//! Programs on LibTorch, with packed weights.

use tch::{Device, Kind, Tensor};

use super::packed::{PackedConvolution, PackedLinear, Precision, Shared};
use crate::Result;
use crate::batch::{Feature, blank};
use crate::fusion::outer;
use crate::nn::program::{Operation, Program, Step};
use crate::nn::{
    Activation, EPSILON, Window, attention_bias, average_over_steps, conv1d, embedding, largest_pieces, max_over_steps,
    mean_over_steps, one_step, over_frames, recurrent, scaled,
};

/// A program whose weights are packed, if it has any.
#[derive(Debug)]
pub(super) struct Torch {
    steps: Vec<Ready>,
    output: usize,
}

/// A step that can run.
#[derive(Debug)]
struct Ready {
    operator: Operator,
    input: usize,
    add: Option<usize>,
    /// The values that nobody reads after this step.
    done: Vec<usize>,
}

#[derive(Debug)]
enum Operator {
    Convolution(PackedConvolution),
    Linear(PackedLinear),
    Conv1d(Shared<conv1d::Kernel>),
    Scale { scale: Shared, shift: Shared },
    Maxout { pieces: i64 },
    Activate(Activation),
    MaxPool(Window),
    AveragePool(Window),
    AdaptiveAveragePool([i64; 2]),
    Mean,
    Step { last: bool },
    Rows,
    Flatten,
    GroupNorm { groups: i64, weight: Shared, bias: Shared },
    LayerNorm { weight: Shared, bias: Shared, epsilon: f64 },
    Attend { heads: i64 },
    Embed(Shared<embedding::Lookup>),
    Recurrent(Shared<recurrent::Cells>),
    Part { start: i64, length: i64 },
    Add,
    Multiply,
    WeightedSum(Shared),
    Softmax,
    Outer { widths: Vec<i64> },
    Frames(Box<Torch>),
    Opaque { layer: usize },
}

impl Torch {
    /// Packs the weights of a program.
    ///
    /// # Errors
    /// Where LibTorch cannot read them.
    pub(super) fn new(program: Program, precision: Precision) -> Result<Self> {
        let output = program.output().number();
        let mut last = vec![usize::MAX; program.steps().len() + 1];
        for (number, Step { input, add, .. }) in program.steps().iter().enumerate() {
            last[input.number()] = number;
            add.iter().for_each(|add| last[add.number()] = number);
        }
        last[output] = usize::MAX;
        let inputs: Vec<Vec<i64>> = program.steps().iter().map(|step| program.dims(step.input).to_vec()).collect();
        let ready = |(number, (step, dims)): (usize, (Step, Vec<i64>))| -> Result<Ready> {
            let done = (0..last.len()).filter(|value| last[*value] == number).collect();
            let (input, add) = (step.input.number(), step.add.map(|add| add.number()));
            Ok(Ready { operator: Operator::new(step.operation, &dims, precision)?, input, add, done })
        };
        let steps = program.into_steps().into_iter().zip(inputs).enumerate().map(ready).collect::<Result<_>>()?;
        Ok(Self { steps, output })
    }

    /// Runs the program; `opaque` runs a layer as it is.
    ///
    /// # Panics
    /// Where the input is not of the dimensions that the program is for.
    pub(super) fn run(&self, input: &Feature, opaque: &dyn Fn(usize, &Feature) -> Feature) -> Feature {
        let mut values: Vec<Option<Feature>> = Vec::with_capacity(self.steps.len() + 1);
        values.push(Some(input.clone()));
        for Ready { operator, input, add, done } in &self.steps {
            // What nobody reads any more can be written over, where it is the program's own.
            let sum = add.filter(|add| done.contains(add) && *add != 0 && add != input);
            let sum = sum.and_then(|sum| values[sum].take()).map(|sum| sum.tensor);
            let value = |number: usize| values[number].as_ref().expect("a value is kept until its last use");
            let output = match (operator, sum) {
                (Operator::Convolution(convolution), Some(sum)) => {
                    or_panic(convolution.forward_onto(&value(*input).tensor, sum)).into()
                }
                (_, Some(sum)) => operator.run(value(*input), Some(&sum), opaque),
                (_, None) => operator.run(value(*input), add.map(|add| &value(add).tensor), opaque),
            };
            values.push(Some(output));
            done.iter().for_each(|done| values[*done] = None);
        }
        values[self.output].take().expect("the output is kept")
    }
}

impl Operator {
    fn new(operation: Operation, input: &[i64], precision: Precision) -> Result<Self> {
        let shared = |tensor: &Tensor| Shared::copy(tensor, Kind::Float);
        Ok(match operation {
            Operation::Convolution { weight, bias, window, activation } => {
                let image = input.try_into().unwrap_or_else(|_| unreachable!("a convolution of {input:?}"));
                Self::Convolution(PackedConvolution::new(&weight, &bias, image, window, activation, precision)?)
            }
            Operation::Linear { weight, bias, activation } => {
                Self::Linear(PackedLinear::new(&weight, &bias, activation, precision)?)
            }
            Operation::Conv1d(kernel) => Self::Conv1d(Shared::new(kernel)),
            Operation::Maxout { pieces } => Self::Maxout { pieces },
            Operation::Activate(activation) => Self::Activate(activation),
            Operation::MaxPool(window) => Self::MaxPool(window),
            Operation::AveragePool(window) => Self::AveragePool(window),
            Operation::AdaptiveAveragePool(grid) => Self::AdaptiveAveragePool(grid),
            Operation::Mean => Self::Mean,
            Operation::Step { last } => Self::Step { last },
            Operation::Rows => Self::Rows,
            Operation::Flatten => Self::Flatten,
            Operation::Scale { scale, shift } => Self::Scale { scale: shared(&scale)?, shift: shared(&shift)? },
            Operation::GroupNorm { groups, weight, bias } => {
                Self::GroupNorm { groups, weight: shared(&weight)?, bias: shared(&bias)? }
            }
            Operation::LayerNorm { weight, bias, epsilon } => {
                Self::LayerNorm { weight: shared(&weight)?, bias: shared(&bias)?, epsilon }
            }
            Operation::Attend { heads } => Self::Attend { heads },
            Operation::Embed(lookup) => Self::Embed(Shared::new(lookup)),
            Operation::Recurrent(cells) => Self::Recurrent(Shared::new(cells)),
            Operation::Part { start, length } => Self::Part { start, length },
            Operation::Add => Self::Add,
            Operation::Multiply => Self::Multiply,
            Operation::WeightedSum(weights) => {
                Self::WeightedSum(Shared::new(Tensor::from_slice(&weights).unsqueeze(0)))
            }
            Operation::Softmax => Self::Softmax,
            Operation::Outer { widths } => Self::Outer { widths },
            Operation::Frames(frame) => Self::Frames(Box::new(Torch::new(*frame, precision)?)),
            Operation::Opaque { layer } => Self::Opaque { layer },
        })
    }

    fn run(&self, input: &Feature, add: Option<&Tensor>, opaque: &dyn Fn(usize, &Feature) -> Feature) -> Feature {
        let Feature { tensor, mask, .. } = input;
        let mask = mask.as_ref();
        let output = match self {
            Self::Convolution(convolution) => or_panic(convolution.forward(tensor, add)),
            Self::Linear(linear) => or_panic(linear.forward(tensor, add)),
            Self::Conv1d(kernel) => {
                let output = kernel.run(&float(input));
                return Feature { tensor: output.tensor.to_kind(tensor.kind()), ..output };
            }
            Self::Maxout { pieces } => largest_pieces(tensor, *pieces),
            Self::Activate(activation) => activation.apply(tensor.copy()),
            Self::MaxPool(window) if tensor.dim() == 3 => return max_over_steps(window, input),
            Self::AveragePool(window) if tensor.dim() == 3 => return average_over_steps(window, input),
            Self::MaxPool(Window { kernel, stride, padding }) => {
                channels_last(tensor).max_pool2d(kernel, stride, padding, [1, 1], false)
            }
            Self::AveragePool(Window { kernel, stride, padding }) => {
                tensor.avg_pool2d(kernel, stride, padding, false, false, None)
            }
            Self::AdaptiveAveragePool(grid) => tensor.adaptive_avg_pool2d(grid),
            Self::Mean if tensor.dim() == 4 => tensor.mean_dim([2, 3].as_slice(), false, None),
            Self::Mean => return mean_over_steps(tensor, mask).into(),
            Self::Step { last } => return one_step(tensor, mask, *last).into(),
            Self::Rows => tensor.flatten(2, -1).transpose(1, 2).contiguous(),
            Self::Flatten if mask.is_some() => return blank(tensor, mask).flatten(1, -1).into(),
            Self::Flatten => return tensor.flatten(1, -1).into(),
            Self::Scale { scale, shift } => scaled(tensor, mask, scale, shift),
            Self::GroupNorm { groups, weight, bias } => in_float(tensor, |tensor| {
                tensor.contiguous().group_norm(*groups, Some(&**weight), Some(&**bias), EPSILON, true)
            }),
            Self::LayerNorm { weight, bias, epsilon } => in_float(tensor, |tensor| {
                tensor.layer_norm(weight.size(), Some(&**weight), Some(&**bias), *epsilon, true)
            }),
            Self::Attend { heads } => attend(tensor, mask, *heads),
            Self::Embed(lookup) => return lookup.run(input),
            Self::Recurrent(cells) => {
                let output = in_float(tensor, |tensor| cells.run(tensor, mask, false));
                if output.dim() == 2 {
                    return output.into();
                }
                output
            }
            Self::Part { start, length } => tensor.narrow(-1, *start, *length),
            Self::Add => tensor + other(add),
            Self::Multiply => tensor * other(add),
            Self::WeightedSum(weights) => in_float(tensor, |tensor| {
                let parts = tensor.unflatten(1, [weights.size()[1], -1]);
                weights.to_device(parts.device()).matmul(&parts).squeeze_dim(1)
            }),
            Self::Softmax => in_float(tensor, |tensor| tensor.softmax(-1, None::<Kind>)),
            Self::Outer { widths } => outer(tensor, widths),
            Self::Frames(frame) => return over_frames(input, |frames| frame.run(frames, opaque)),
            Self::Opaque { layer } => return opaque(*layer, &float(input)),
        };
        Feature { tensor: output, mask: mask.map(Tensor::shallow_clone), present: None }
    }
}

/// The other operand of an operation that has two.
fn other(operand: Option<&Tensor>) -> &Tensor {
    operand.unwrap_or_else(|| unreachable!("an operation on two values"))
}

/// The same numbers in single precision, in LibTorch's own order: what layers that know of neither expect.
pub(super) fn float(feature: &Feature) -> Feature {
    let Feature { tensor, mask, .. } = feature;
    let tensor =
        if tensor.is_floating_point() { tensor.to_kind(Kind::Float).contiguous() } else { tensor.shallow_clone() };
    Feature { tensor, mask: mask.as_ref().map(Tensor::shallow_clone), present: None }
}

/// Computes in single precision what is sensitive to less, and goes on in the kind of the input.
fn in_float(tensor: &Tensor, compute: impl FnOnce(&Tensor) -> Tensor) -> Tensor {
    match tensor.kind() {
        Kind::Float => compute(tensor),
        kind => compute(&tensor.to_kind(Kind::Float)).to_kind(kind),
    }
}

fn attend(projected: &Tensor, mask: Option<&Tensor>, heads: i64) -> Tensor {
    let &[batch, steps, width] = &projected.size()[..] else { unreachable!("attention over a sequence") };
    let parts = projected.view([batch, steps, 3, heads, width / 3 / heads]).permute([2, 0, 3, 1, 4]);
    let bias = mask.map(|mask| attention_bias(mask, projected.kind()));
    let (query, key, value) = (parts.get(0), parts.get(1), parts.get(2));
    let attended = Tensor::scaled_dot_product_attention(&query, &key, &value, bias, 0.0, false, None, false);
    attended.transpose(1, 2).reshape([batch, steps, width / 3])
}

/// The same image with its channels side by side, in which LibTorch pools images on the processor many times faster.
fn channels_last(image: &Tensor) -> Tensor {
    if image.device() != Device::Cpu {
        return image.shallow_clone();
    }
    image.permute([0, 2, 3, 1]).contiguous().permute([0, 3, 1, 2])
}

/// The output of a layer whose inputs fit.
///
/// # Panics
/// As all other operators of `tch` do where LibTorch itself fails, such as for want of memory.
fn or_panic(output: Result<Tensor>) -> Tensor {
    output.unwrap_or_else(|error| panic!("{error}"))
}
