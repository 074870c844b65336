//! Programs and samples, drawn alike on every machine.

use super::ACTIVATIONS;
use crate::nn::Activation;
use crate::predictor::kernels::{Operation, Value, Window};
use crate::random::SplitMix64;

/// Numbers of channels that fill vectors, leave some lanes over, or are a few.
const CHANNELS: [usize; 9] = [1, 2, 3, 6, 10, 16, 17, 31, 64];

pub(super) struct Random(SplitMix64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(SplitMix64::new(seed))
    }

    pub(super) fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.0.below(choices.len())]
    }

    /// So many samples, each from −1 to 1.
    pub(super) fn samples(&mut self, dims: &[usize], count: usize) -> Vec<Vec<f32>> {
        (0..count).map(|_| self.floats(dims.iter().product(), 1.0)).collect()
    }

    /// The dimensions of an input, and a program.
    pub(super) fn program(&mut self) -> (Vec<usize>, Vec<Operation>) {
        let channels = self.of(&CHANNELS);
        let dims = match self.0.below(5) {
            0 => vec![channels],
            1 => vec![1 + self.0.below(9), channels],
            _ => vec![channels, 1 + self.0.below(9), 1 + self.0.below(9)],
        };
        let (mut values, mut operations) = (vec![dims.clone()], vec![]);
        for _ in 0..self.of(&[0, 1, 1, 2, 3, 4]) {
            // Mostly the last value.
            let back = self.0.below(values.len());
            let input = values.len() - 1 - self.of(&[0, 0, 0, back]);
            let (operation, dims) = self.operation(&values, input);
            operations.push(operation);
            values.push(dims);
        }
        (dims, operations)
    }

    pub(super) fn convolution(
        &mut self,
        dims: &[usize],
        input: Value,
        window: Window,
        outputs: usize,
        activation: Option<Activation>,
    ) -> Operation {
        let inputs = dims[0] * window.kernel[0] * window.kernel[1];
        let weight = self.floats(outputs * inputs, 1.0 / (inputs as f32).sqrt());
        let bias = self.floats(outputs, 1.0);
        Operation::Convolution { input, weight, bias, window, activation, add: None }
    }

    /// An operation on a value, and the dimensions of what it yields.
    fn operation(&mut self, values: &[Vec<usize>], index: usize) -> (Operation, Vec<usize>) {
        let (dims, input) = (&values[index], Value(index));
        let activation = self.of(&ACTIVATIONS);
        let is_image = dims.len() == 3;
        if dims.len() == 1 && self.0.below(2) == 0 {
            return self.of_vector(values, index);
        }
        match self.0.below(if is_image { 12 } else { 5 }) {
            0 => (Operation::Flatten { input }, vec![dims.iter().product()]),
            1 => (Operation::Activate { input, activation: activation.unwrap_or(Activation::Relu) }, dims.clone()),
            2 if dims.len() > 1 => (Operation::Mean { input }, vec![if is_image { dims[0] } else { dims[1] }]),
            2..=4 => {
                let mut to = dims.clone();
                let channel = if is_image { 0 } else { dims.len() - 1 };
                to[channel] = self.of(&CHANNELS);
                let (weights, outputs) = (to[channel] * dims[channel], to[channel]);
                let weight = self.floats(weights, 1.0 / (dims[channel] as f32).sqrt());
                let (bias, add) = (self.floats(outputs, 1.0), self.earlier(values, &to));
                (Operation::Linear { input, weight, bias, activation, add }, to)
            }
            5 => (Operation::Rows { input }, vec![dims[1] * dims[2], dims[0]]),
            6 => {
                let grid = [1 + self.0.below(6), 1 + self.0.below(6)];
                (Operation::AdaptiveAveragePool { input, grid }, vec![dims[0], grid[0], grid[1]])
            }
            kind @ 7..=8 => {
                let (window, size) = self.window(dims, |kernel| kernel / 2);
                let operation = match kind {
                    7 => Operation::MaxPool { input, window },
                    _ => Operation::AveragePool { input, window },
                };
                (operation, vec![dims[0], size[0], size[1]])
            }
            _ => {
                let (window, size) = self.window(dims, |kernel| kernel);
                // So that earlier values have the same shape, and are added.
                let outputs = if self.0.below(2) == 0 { dims[0] } else { self.of(&CHANNELS) };
                let to = vec![outputs, size[0], size[1]];
                let mut operation = self.convolution(dims, input, window, outputs, activation);
                if let Operation::Convolution { add, .. } = &mut operation {
                    *add = self.earlier(values, &to);
                }
                (operation, to)
            }
        }
    }

    /// An operation on a vector.
    fn of_vector(&mut self, values: &[Vec<usize>], index: usize) -> (Operation, Vec<usize>) {
        let (dims, input) = (&values[index], Value(index));
        let width = dims[0];
        match self.0.below(6) {
            0 => {
                let start = self.0.below(width);
                let length = 1 + self.0.below(width - start);
                (Operation::Part { input, start, length }, vec![length])
            }
            1 => (Operation::Add { input, other: self.earlier(values, dims).unwrap_or(input) }, dims.clone()),
            2 => {
                let other = self.earlier(values, dims).or_else(|| self.earlier(values, &[1])).unwrap_or(input);
                (Operation::Multiply { input, other }, dims.clone())
            }
            3 => {
                let parts = (1..=width).filter(|parts| width.is_multiple_of(*parts)).collect::<Vec<_>>();
                let parts = self.of(&parts);
                (Operation::WeightedSum { input, weights: self.floats(parts, 1.0) }, vec![width / parts])
            }
            4 => (Operation::Softmax { input }, dims.clone()),
            _ => {
                let first = self.0.below(width);
                let widths = if first == 0 { vec![width] } else { vec![first, width - first] };
                let size = widths.iter().map(|width| width + 1).product();
                (Operation::Outer { input, widths }, vec![size])
            }
        }
    }

    /// A kernel that fits, its stride and its padding, and how many places it has.
    fn window(&mut self, dims: &[usize], most: impl Fn(usize) -> usize) -> (Window, [usize; 2]) {
        let (mut kernel, mut stride, mut padding, mut count) = ([0; 2], [0; 2], [0; 2], [0; 2]);
        let is_usual = self.0.below(2) == 0;
        for i in 0..2 {
            kernel[i] = if is_usual { 3 } else { self.of(&[1, 2, 3, 5]) };
            stride[i] = if is_usual { 1 } else { self.of(&[1, 1, 2, 3]) };
            padding[i] = self.0.below(most(kernel[i]) + 1);
            while dims[i + 1] + 2 * padding[i] < kernel[i] {
                kernel[i] -= 1;
                padding[i] = padding[i].min(most(kernel[i]));
            }
            count[i] = (dims[i + 1] + 2 * padding[i] - kernel[i]) / stride[i] + 1;
        }
        (Window { kernel, stride, padding }, count)
    }

    /// A value of such dimensions, if there is one and chance has it.
    fn earlier(&mut self, values: &[Vec<usize>], dims: &[usize]) -> Option<Value> {
        let found: Vec<usize> = (0..values.len()).filter(|value| values[*value] == dims).collect();
        if found.is_empty() || self.0.below(3) == 0 {
            return None;
        }
        Some(Value(self.of(&found)))
    }

    /// Numbers from minus to plus `scale`.
    fn floats(&mut self, count: usize, scale: f32) -> Vec<f32> {
        (0..count).map(|_| (self.0.below(1 << 24) as f32 / (1 << 23) as f32 - 1.0) * scale).collect()
    }
}
