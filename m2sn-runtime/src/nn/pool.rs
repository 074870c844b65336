//! Pooling over windows of an image or of a sequence.

use std::marker::PhantomData;

use tch::{Device, Tensor};

use super::program::{Operation, Program, Value};
use super::steps::{average_over_steps, max_over_steps};
use super::window::Windowed;
use super::{Layer, Window};
use crate::Batch;

/// The largest value under each window, channel by channel.
///
/// `[batch, C, H, W]` → `[batch, C, G, V]` with `G = ⌊(H + 2·padding − kernel) / stride⌋ + 1`, and `V` from `W` likewise;
/// or `[batch, T, F]` → `[batch, U, F]` with `U` from `T`. Padding steps do not count; which steps of the output are
/// real, [`Conv1d`](super::Conv1d) says.
/// PyTorch's twins are `MaxPool2d` and `MaxPool1d`. There are no variables.
#[derive(Debug)]
pub struct MaxPool<I, O> {
    window: Window,
    shapes: PhantomData<fn(I) -> O>,
}

/// The mean of the values under each window, channel by channel; padding does not count.
///
/// Shapes as for [`MaxPool`]. PyTorch's twins are `AvgPool2d(count_include_pad=False)` and `AvgPool1d`. There are
/// no variables.
#[derive(Debug)]
pub struct AveragePool<I, O> {
    window: Window,
    shapes: PhantomData<fn(I) -> O>,
}

/// What the shapes do not tell of a pooling layer; pairs are height and width, for a sequence steps and nothing.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// The size of the window.
    pub kernel: [i64; 2],
    /// The step of the window.
    pub stride: [i64; 2],
    /// The padding on every side, at most half the window.
    pub padding: [i64; 2],
}

impl<I: Windowed, O: Windowed> MaxPool<I, O> {
    /// A layer of maxima.
    pub fn new(settings: Settings) -> Self {
        Self { window: window("max pooling", settings, I::EXTENT, O::EXTENT), shapes: PhantomData }
    }
}

impl<I: Windowed, O: Windowed> AveragePool<I, O> {
    /// A layer of means.
    pub fn new(settings: Settings) -> Self {
        Self { window: window("average pooling", settings, I::EXTENT, O::EXTENT), shapes: PhantomData }
    }
}

impl<I: Windowed, O: Windowed> Layer<I, O> for MaxPool<I, O> {
    fn forward(&self, input: &Batch<I>, _train: bool) -> Batch<O> {
        if I::DIMS.len() == 2 {
            return Batch::trusted(max_over_steps(&self.window, &input.feature()));
        }
        let Window { kernel, stride, padding } = self.window;
        let pool = |image: &Tensor| image.max_pool2d(kernel, stride, padding, [1, 1], false);
        input.map(match input.tensor().device() {
            Device::Cpu => pool(&channels_last(input.tensor())).contiguous(),
            _ => pool(input.tensor()),
        })
    }

    fn lower(&self, program: &mut Program, input: Value) -> Value {
        program.push(Operation::MaxPool(self.window), input, O::DIMS)
    }
}

impl<I: Windowed, O: Windowed> Layer<I, O> for AveragePool<I, O> {
    fn forward(&self, input: &Batch<I>, _train: bool) -> Batch<O> {
        if I::DIMS.len() == 2 {
            return Batch::trusted(average_over_steps(&self.window, &input.feature()));
        }
        let Window { kernel, stride, padding } = self.window;
        input.map(input.tensor().avg_pool2d(kernel, stride, padding, false, false, None))
    }

    fn lower(&self, program: &mut Program, input: Value) -> Value {
        program.push(Operation::AveragePool(self.window), input, O::DIMS)
    }
}

/// The same image with the channels of each pixel side by side in memory.
///
/// LibTorch's maxima on the processor are vectorised in this layout alone: several times faster, copying included.
fn channels_last(image: &Tensor) -> Tensor {
    image.permute([0, 2, 3, 1]).contiguous().permute([0, 3, 1, 2])
}

fn window(layer: &str, settings: Settings, from: [i64; 2], to: [i64; 2]) -> Window {
    let Settings { kernel, stride, padding } = settings;
    debug_assert!(
        (0..2).all(|i| 2 * padding[i] <= kernel[i]),
        "{layer}: the padding {padding:?} is more than half the window {kernel:?}",
    );
    let window = Window { kernel, stride, padding };
    window.connects(layer, from, to);
    window
}
