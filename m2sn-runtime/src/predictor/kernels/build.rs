//! How a program is made of operations: what they are checked for, what runs, and what lies where.

use super::lanes::Level;
use super::layout::{self, Dims, Layout};
use super::memory::{self, Planner};
use super::plan::{Cell, Home, Kernel, Plan, Step};
use super::pooling::{Pool, Reduction};
use super::product::Product;
use super::vectors::Combination;
use super::weights::Weights;
use super::window::{self, Window};
use super::{Form, Operation, Value};
use crate::nn::Activation;

/// Floats of a group of samples that processors keep close at hand: half of a small second-level cache.
const CLOSE: usize = 64 * 1024;
/// More samples than that share no more of the weights' way through the caches.
const LARGEST_GROUP: usize = 32;

/// A program in the making.
pub(super) struct Builder {
    pub(super) level: Level,
    input_len: usize,
    values: Vec<Stored>,
    steps: Vec<Draft>,
    /// The value that is already what its only reader, a maximum pool, makes of it.
    pub(super) pooled: Option<Value>,
}

/// A value, where its numbers lie, and the step that writes them: none for the input.
#[derive(Clone, Copy)]
pub(super) struct Stored {
    pub(super) dims: Dims,
    pub(super) layout: Layout,
    writer: Option<usize>,
}

/// A step before it is known where its values live.
struct Draft {
    kernel: Kernel,
    input: Stored,
    add: Option<Stored>,
    activation: Option<Activation>,
    layout: Layout,
}

impl Builder {
    /// A program that yields its input.
    pub(super) fn new(level: Level, dims: Dims, form: Form) -> Self {
        let mut builder =
            Self { level, input_len: layout::len(dims, form), values: vec![], steps: vec![], pooled: None };
        let layout = Layout::new(dims);
        let mut input = Stored { dims, layout, writer: None };
        if let (Form::Plain, Dims::Image(_)) = (form, dims) {
            let planes = Stored { layout: Layout { first: 0, sample: builder.input_len, ..layout }, ..input };
            input = builder.step(Kernel::Gather, planes, None, dims);
        }
        builder.values.push(input);
        builder
    }

    /// Adds an operation; the next one may be all that reads it, and ask for the largest of each square of 2x2.
    ///
    /// # Errors
    /// Why it cannot be.
    pub(super) fn push(&mut self, operation: Operation, is_pooled: bool) -> Result<(), String> {
        let value = match operation {
            Operation::Convolution { input, weight, bias, window, add, activation } => {
                let input = self.value(input)?;
                self.convolution(input, Affine { weight, bias }, window, add, activation, is_pooled)?
            }
            Operation::Linear { input, weight, bias, add, activation } => {
                let input = self.value(input)?;
                self.linear(input, Affine { weight, bias }, add, activation)?
            }
            Operation::MaxPool { input, .. } if self.pooled == Some(input) => self.value(input)?,
            Operation::MaxPool { input, window } => self.pool(Reduction::Max, input, window)?,
            Operation::AveragePool { input, window } => self.pool(Reduction::Mean, input, window)?,
            Operation::AdaptiveAveragePool { input, grid } => {
                let input = self.value(input)?;
                let [channels, height, width] = image(input)?;
                let dims = Dims::new(&[channels, grid[0], grid[1]])?;
                let windows = [window::grid(height, grid[0]), window::grid(width, grid[1])];
                self.step(Kernel::Pool(Pool::new(Reduction::Mean, windows, width)), input, None, dims)
            }
            Operation::Mean { input } => {
                let input = self.value(input)?;
                let places = input.dims.places();
                if let Dims::Vector(_) = input.dims {
                    return Err("a vector has no places to take the mean over".into());
                }
                let dims = Dims::new(&[input.dims.channels()])?;
                let windows = [window::grid(1, 1), window::grid(places, 1)];
                self.step(Kernel::Pool(Pool::new(Reduction::Mean, windows, places)), input, None, dims)
            }
            Operation::Rows { input } => {
                let input = self.value(input)?;
                let [channels, height, width] = image(input)?;
                Stored { dims: Dims::new(&[height * width, channels])?, ..input }
            }
            Operation::Flatten { input } => {
                let input = self.value(input)?;
                let (places, channels) = (input.dims.places(), input.dims.channels());
                let dims = Dims::new(&[places * channels])?;
                match input.dims {
                    Dims::Image(_) if places > 1 && channels > 1 => self.step(Kernel::Part, input, None, dims),
                    _ => {
                        let layout = Layout { places: 1, channels: places * channels, ..input.layout };
                        Stored { dims, layout, ..input }
                    }
                }
            }
            Operation::Activate { input, activation } => {
                let input = self.value(input)?;
                let value = self.step(Kernel::Copy, input, None, input.dims);
                self.follow_by(Some(activation));
                value
            }
            Operation::Part { input, start, length } => {
                let input = self.value(input)?;
                let width = vector(input)?;
                if start.checked_add(length).is_none_or(|end| end > width) {
                    return Err(format!("{length} numbers from {start} on are not among {width}"));
                }
                let layout = Layout { channels: length, first: input.layout.first + start, ..input.layout };
                Stored { dims: Dims::new(&[length])?, layout, ..input }
            }
            Operation::Add { input, other } => {
                let input = self.value(input)?;
                let other = self.added(Some(other), Dims::new(&[vector(input)?])?)?;
                self.step(Kernel::Combination(Combination::Add), input, other, input.dims)
            }
            Operation::Multiply { input, other } => {
                let (input, other) = (self.value(input)?, self.value(other)?);
                let widths = [vector(input)?, vector(other)?];
                if widths[0] != widths[1] && widths[1] != 1 {
                    return Err(format!("{} numbers are not multiplied with {}", widths[0], widths[1]));
                }
                self.step(Kernel::Combination(Combination::Multiply), input, Some(other), input.dims)
            }
            Operation::WeightedSum { input, weights } => {
                let input = self.value(input)?;
                let width = vector(input)?;
                if weights.is_empty() || !width.is_multiple_of(weights.len()) {
                    return Err(format!("{width} numbers have no {} equal parts", weights.len()));
                }
                let dims = Dims::new(&[width / weights.len()])?;
                self.step(Kernel::Combination(Combination::WeightedSum(weights)), input, None, dims)
            }
            Operation::Softmax { input } => {
                let input = self.value(input)?;
                vector(input)?;
                self.step(Kernel::Combination(Combination::Softmax), input, None, input.dims)
            }
            Operation::Outer { input, widths } => {
                let input = self.value(input)?;
                let width = vector(input)?;
                if widths.iter().try_fold(0_usize, |sum, width| sum.checked_add(*width)) != Some(width) {
                    return Err(format!("parts of {widths:?} are not {width} numbers"));
                }
                let sides: Vec<usize> = widths.iter().map(|width| width + 1).collect();
                let dims = Dims::new(&[product(&sides)?])?;
                self.step(Kernel::Combination(Combination::Outer(widths)), input, None, dims)
            }
        };
        self.values.push(value);
        Ok(())
    }

    /// The program, its last value as the output.
    pub(super) fn finish(mut self, form: Form) -> Plan {
        let last = self.values[self.values.len() - 1];
        let output_len = layout::len(last.dims, form);
        match (form, last.dims) {
            (Form::Plain, Dims::Image(_)) => {
                self.step(Kernel::Part, last, None, Dims::Vector([output_len]));
            }
            _ if last.writer.is_some_and(|writer| writer + 1 == self.steps.len()) && self.is_fresh(last) => {}
            _ => {
                self.step(Kernel::Copy, last, None, last.dims);
            }
        }

        let count = self.steps.len();
        let mut read_until: Vec<usize> = (0..count).collect();
        for (number, step) in self.steps.iter().enumerate() {
            for writer in [Some(step.input), step.add].into_iter().flatten().filter_map(|read| read.writer) {
                read_until[writer] = number;
            }
        }
        let mut planner = Planner::default();
        let homes: Vec<Home> = (0..count)
            .map(|number| {
                if number + 1 == count {
                    return Home::Output;
                }
                Home::Between(planner.place(self.steps[number].layout.sample, number, read_until[number]))
            })
            .collect();
        let cell = |stored: Stored| Cell {
            home: stored.writer.map_or(Home::Input, |writer| homes[writer]),
            layout: stored.layout,
        };
        let step = |(draft, home): (Draft, &Home)| Step {
            kernel: draft.kernel,
            input: cell(draft.input),
            add: draft.add.map(cell),
            activation: draft.activation,
            output: Cell { home: *home, layout: draft.layout },
        };
        let steps: Vec<Step> = self.steps.into_iter().zip(&homes).map(step).collect();
        let between = planner.len();
        let room =
            steps.iter().map(|step| step.kernel.room(self.level)).max().unwrap_or(0).next_multiple_of(memory::LINE);
        Plan {
            level: self.level,
            steps,
            input_len: self.input_len,
            output_len,
            between,
            room,
            group: (CLOSE / (self.input_len + between + output_len)).clamp(1, LARGEST_GROUP),
        }
    }

    /// Whether a value lies as its step has written it, not as another view of that.
    fn is_fresh(&self, value: Stored) -> bool {
        value.layout == Layout::new(value.dims)
    }

    /// The value of the operation that is being added.
    pub(super) fn next(&self) -> Value {
        Value(self.values.len())
    }

    pub(super) fn value(&self, value: Value) -> Result<Stored, String> {
        self.values.get(value.0).copied().ok_or_else(|| format!("value {} does not exist yet", value.0))
    }

    /// The value that is added to one of such dimensions.
    pub(super) fn added(&self, add: Option<Value>, dims: Dims) -> Result<Option<Stored>, String> {
        let Some(add) = add else { return Ok(None) };
        let value = self.value(add)?;
        if value.dims == dims {
            return Ok(Some(value));
        }
        Err(format!("value {} of {:?} cannot be added to {:?}", add.0, value.dims.as_slice(), dims.as_slice()))
    }

    fn linear(
        &mut self,
        input: Stored,
        affine: Affine,
        add: Option<Value>,
        activation: Option<Activation>,
    ) -> Result<Stored, String> {
        let channels = input.dims.channels();
        let dims = input.dims.with_channels(affine.bias.len())?;
        affine.check(&[channels])?;
        let add = self.added(add, dims)?;
        let weights = Weights::new(self.level, [channels, 1], &affine.bias, |output, input, _| {
            affine.weight[output * channels + input]
        });
        Ok(self.product(input, weights, add, activation, dims))
    }

    /// A product with the channels of every place.
    pub(super) fn product(
        &mut self,
        input: Stored,
        weights: Weights,
        add: Option<Stored>,
        activation: Option<Activation>,
        dims: Dims,
    ) -> Stored {
        let places = (0..dims.places()).map(|place| input.layout.place(0, place) as u32).collect();
        let product = Product::new(weights, places, activation == Some(Activation::Relu));
        self.finished(Kernel::Product(product), input, add, activation, dims)
    }

    fn pool(&mut self, reduction: Reduction, input: Value, window: Window) -> Result<Stored, String> {
        let input = self.value(input)?;
        let [channels, height, width] = image(input)?;
        let [rows, columns] = window.over([height, width])?;
        let dims = Dims::new(&[channels, rows.count, columns.count])?;
        let pool = Pool::new(reduction, [rows.ranges()?, columns.ranges()?], width);
        Ok(self.step(Kernel::Pool(pool), input, None, dims))
    }

    /// What a new step yields whose kernel adds, and sees to relu; all other activations are a matter of the step.
    pub(super) fn finished(
        &mut self,
        kernel: Kernel,
        input: Stored,
        add: Option<Stored>,
        activation: Option<Activation>,
        dims: Dims,
    ) -> Stored {
        let stored = self.step(kernel, input, add, dims);
        self.follow_by(activation.filter(|activation| *activation != Activation::Relu));
        stored
    }

    /// Lets an activation follow the last step.
    fn follow_by(&mut self, activation: Option<Activation>) {
        if let Some(step) = self.steps.last_mut() {
            step.activation = activation;
        }
    }

    /// What a new step yields.
    pub(super) fn step(&mut self, kernel: Kernel, input: Stored, add: Option<Stored>, dims: Dims) -> Stored {
        let layout = Layout::new(dims);
        self.steps.push(Draft { kernel, input, add, layout, activation: None });
        Stored { dims, layout, writer: Some(self.steps.len() - 1) }
    }
}

pub(super) fn image(value: Stored) -> Result<[usize; 3], String> {
    match value.dims {
        Dims::Image(dims) => Ok(dims),
        other => Err(format!("needs an image, and its input is {:?}", other.as_slice())),
    }
}

/// The width of a vector.
fn vector(value: Stored) -> Result<usize, String> {
    match value.dims {
        Dims::Vector([width]) => Ok(width),
        other => Err(format!("needs a vector, and its input is {:?}", other.as_slice())),
    }
}

/// Weights and biases, both by output first.
pub(super) struct Affine {
    pub(super) weight: Vec<f32>,
    pub(super) bias: Vec<f32>,
}

impl Affine {
    /// # Errors
    /// There are not as many weights as there must be for so many of each output.
    pub(super) fn check(&self, dims: &[usize]) -> Result<(), String> {
        let dims = [&[self.bias.len()], dims].concat();
        if self.weight.len() == product(&dims)? {
            return Ok(());
        }
        Err(format!("the {} weights are not {dims:?}", self.weight.len()))
    }
}

/// # Errors
/// It is larger than any memory.
pub(super) fn product(dims: &[usize]) -> Result<usize, String> {
    let product = dims.iter().try_fold(1_usize, |product, dim| product.checked_mul(*dim));
    product.ok_or_else(|| format!("{dims:?} are too many"))
}
