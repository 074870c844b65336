//! What operations yield, computed as simply and as exactly as can be.

use crate::nn::Activation;
use crate::predictor::kernels::{Operation, Value, Window};

/// One sample's numbers in the plain form.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    pub(super) dims: Vec<usize>,
    pub(super) data: Vec<f64>,
}

/// The last value of a program.
pub(super) fn run(operations: &[Operation], input: Sample) -> Sample {
    let mut values = vec![input];
    for operation in operations {
        values.push(apply(operation, &values));
    }
    values.swap_remove(operations.len())
}

fn apply(operation: &Operation, values: &[Sample]) -> Sample {
    let value = |value: Value| &values[value.0];
    match operation {
        Operation::Convolution { input, weight, bias, window, add, activation } => {
            let input = value(*input);
            let output = windows(input, bias.len(), *window, |output, _, under| {
                let channels = input.dims[0];
                let mut sum = f64::from(bias[output]);
                for channel in 0..channels {
                    for (tap, at) in under.iter().enumerate() {
                        let weight = weight[(output * channels + channel) * under.len() + tap];
                        sum += at.map_or(0.0, |at| input.at(channel, at)) * f64::from(weight);
                    }
                }
                sum
            });
            finish(output, add.map(value), *activation)
        }
        Operation::Linear { input, weight, bias, activation, add } => {
            let input = value(*input);
            // An image has its channels first, and all else last.
            let channel = if input.dims.len() == 3 { 0 } else { input.dims.len() - 1 };
            let (inputs, outputs) = (input.dims[channel], bias.len());
            let places = input.data.len() / inputs;
            let index = |channels: usize, place: usize, channel: usize| match input.dims.len() {
                3 => channel * places + place,
                _ => place * channels + channel,
            };
            let mut dims = input.dims.clone();
            dims[channel] = outputs;
            let mut data = vec![0.0; places * outputs];
            for place in 0..places {
                for output in 0..outputs {
                    let products = (0..inputs)
                        .map(|i| f64::from(weight[output * inputs + i]) * input.data[index(inputs, place, i)]);
                    data[index(outputs, place, output)] = f64::from(bias[output]) + products.sum::<f64>();
                }
            }
            finish(Sample { dims, data }, add.map(value), *activation)
        }
        Operation::MaxPool { input, window } => {
            let input = value(*input);
            windows(input, input.dims[0], *window, |channel, _, under| {
                under.iter().flatten().map(|at| input.at(channel, *at)).fold(f64::NEG_INFINITY, f64::max)
            })
        }
        Operation::AveragePool { input, window } => {
            let input = value(*input);
            windows(input, input.dims[0], *window, |channel, _, under| {
                mean(under.iter().flatten().map(|at| input.at(channel, *at)))
            })
        }
        Operation::AdaptiveAveragePool { input, grid: [rows, columns] } => {
            let input = value(*input);
            let [channels, height, width] = [0, 1, 2].map(|i| input.dims[i]);
            let mut data = vec![];
            for channel in 0..channels {
                for row in 0..*rows {
                    for column in 0..*columns {
                        let range = |i: usize, of: usize, size: usize| i * size / of..((i + 1) * size).div_ceil(of);
                        let columns = range(column, *columns, width);
                        let under =
                            range(row, *rows, height).flat_map(|row| columns.clone().map(move |column| [row, column]));
                        data.push(mean(under.map(|at| input.at(channel, at))));
                    }
                }
            }
            Sample { dims: vec![channels, *rows, *columns], data }
        }
        Operation::Mean { input } => {
            let input = value(*input);
            let is_image = input.dims.len() == 3;
            let channels = if is_image { input.dims[0] } else { input.dims[1] };
            let places = input.data.len() / channels;
            let of = |channel: usize| {
                let at = |place| if is_image { channel * places + place } else { place * channels + channel };
                mean((0..places).map(|place| input.data[at(place)]))
            };
            Sample { dims: vec![channels], data: (0..channels).map(of).collect() }
        }
        Operation::Rows { input } => {
            let input = value(*input);
            let [channels, height, width] = [0, 1, 2].map(|i| input.dims[i]);
            let places = height * width;
            let data = (0..places * channels).map(|i| input.data[i % channels * places + i / channels]).collect();
            Sample { dims: vec![places, channels], data }
        }
        Operation::Flatten { input } => {
            let input = value(*input);
            Sample { dims: vec![input.data.len()], data: input.data.clone() }
        }
        Operation::Part { input, start, length } => vector(value(*input).data[*start..start + length].to_vec()),
        Operation::Add { input, other } => pairs(value(*input), value(*other), |a, b| a + b),
        Operation::Multiply { input, other } => pairs(value(*input), value(*other), |a, b| a * b),
        Operation::WeightedSum { input, weights } => {
            let data = &value(*input).data;
            let width = data.len() / weights.len();
            let sum = |number| {
                let parts = weights.iter().enumerate();
                parts.map(|(part, weight)| f64::from(*weight) * data[part * width + number]).sum()
            };
            vector((0..width).map(sum).collect())
        }
        Operation::Softmax { input } => {
            let exponentials: Vec<f64> = value(*input).data.iter().map(|value| value.exp()).collect();
            let sum: f64 = exponentials.iter().sum();
            vector(exponentials.iter().map(|value| value / sum).collect())
        }
        Operation::Outer { input, widths } => {
            let mut rest = &value(*input).data[..];
            let mut product = vec![1.0];
            for width in widths {
                let (part, others) = rest.split_at(*width);
                let part: Vec<f64> = std::iter::once(1.0).chain(part.iter().copied()).collect();
                product = product.iter().flat_map(|one| part.iter().map(move |other| one * other)).collect();
                rest = others;
            }
            vector(product)
        }
        Operation::Activate { input, activation } => finish(value(*input).clone(), None, Some(*activation)),
    }
}

fn vector(data: Vec<f64>) -> Sample {
    Sample { dims: vec![data.len()], data }
}

/// Of two vectors, the second of which may be a single number.
fn pairs(left: &Sample, right: &Sample, of: impl Fn(f64, f64) -> f64) -> Sample {
    let right = right.data.iter().cycle();
    vector(left.data.iter().zip(right).map(|(left, right)| of(*left, *right)).collect())
}

impl Sample {
    fn at(&self, channel: usize, [row, column]: [usize; 2]) -> f64 {
        self.data[(channel * self.dims[1] + row) * self.dims[2] + column]
    }
}

/// Computes an image from what lies under each window: the places, or none where there is padding.
fn windows(
    input: &Sample,
    channels: usize,
    Window { kernel, stride, padding }: Window,
    of: impl Fn(usize, [usize; 2], &[Option<[usize; 2]>]) -> f64,
) -> Sample {
    let size = |i: usize| (input.dims[i + 1] + 2 * padding[i] - kernel[i]) / stride[i] + 1;
    let mut data = vec![];
    for channel in 0..channels {
        for row in 0..size(0) {
            for column in 0..size(1) {
                let under = |tap: usize| {
                    let at = [row * stride[0] + tap / kernel[1], column * stride[1] + tap % kernel[1]];
                    let at = [at[0].checked_sub(padding[0])?, at[1].checked_sub(padding[1])?];
                    (at[0] < input.dims[1] && at[1] < input.dims[2]).then_some(at)
                };
                let under: Vec<_> = (0..kernel[0] * kernel[1]).map(under).collect();
                data.push(of(channel, [row, column], &under));
            }
        }
    }
    Sample { dims: vec![channels, size(0), size(1)], data }
}

fn finish(mut output: Sample, add: Option<&Sample>, activation: Option<Activation>) -> Sample {
    if let Some(add) = add {
        output.data.iter_mut().zip(&add.data).for_each(|(sum, add)| *sum += add);
    }
    if let Some(activation) = activation {
        output.data.iter_mut().for_each(|value| *value = activate(activation, *value));
    }
    output
}

fn activate(activation: Activation, x: f64) -> f64 {
    match activation {
        Activation::Relu => x.max(0.0),
        Activation::Gelu => x / 2.0 * (1.0 + erf(x / 2_f64.sqrt())),
        Activation::Silu => x / (1.0 + (-x).exp()),
        Activation::Tanh => x.tanh(),
        Activation::Sigmoid => 1.0 / (1.0 + (-x).exp()),
    }
}

/// The error function, by its series; farther out than 5 it is ±1 as far as can be told.
fn erf(x: f64) -> f64 {
    if x.abs() > 5.0 {
        return x.signum();
    }
    let terms = (1..120).scan(x, |term, n| {
        *term *= -x * x / f64::from(n);
        Some(*term / f64::from(2 * n + 1))
    });
    2.0 / std::f64::consts::PI.sqrt() * (x + terms.sum::<f64>())
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (count, sum) = values.fold((0.0, 0.0), |(count, sum), value| (count + 1.0, sum + value));
    sum / count
}
