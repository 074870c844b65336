//! A program that is ready to run.

use super::border::Border;
use super::build::Builder;
use super::columns::Columns;
use super::lanes::Level;
use super::layout::{self, Dims, Layout, Samples, Source, Target};
use super::memory;
use super::pooling::Pool;
use super::product::Product;
use super::team::Team;
use super::vectors::Combination;
use super::winograd::Winograd;
use super::{Form, Operation, fusion};
use crate::nn::Activation;

/// A program over samples of one shape, its weights packed and its memory laid out.
///
/// It is only read when it runs, so threads may share it and part a batch between them. What it computes
/// for a sample does not depend, to the last bit, on the samples beside it.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(super) level: Level,
    pub(super) steps: Vec<Step>,
    pub(super) input_len: usize,
    pub(super) output_len: usize,
    /// Floats between the steps, of one sample.
    pub(super) between: usize,
    /// Floats that a thread of a kernel works in, cache lines as a whole.
    pub(super) room: usize,
    /// How many samples go through the program at once.
    pub(super) group: usize,
}

/// One kernel, and where it reads and writes.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) kernel: Kernel,
    pub(super) input: Cell,
    pub(super) add: Option<Cell>,
    /// What is left to be done with the output.
    pub(super) activation: Option<Activation>,
    pub(super) output: Cell,
}

#[derive(Debug)]
pub(super) enum Kernel {
    Product(Product),
    Winograd(Winograd),
    Columns(Columns),
    Border(Border),
    Pool(Pool),
    Combination(Combination),
    /// From channels plane by plane to channels side by side.
    Gather,
    /// From channels side by side to channels plane by plane.
    Part,
    Copy,
}

/// Where a value lies while a program runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) home: Home,
    pub(super) layout: Layout,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Home {
    Input,
    Output,
    /// Between the steps, so many floats of one sample on.
    Between(usize),
}

impl Plan {
    /// Plans a program over samples of such dimensions: `[C, H, W]`, `[T, F]` or `[N]`. What its last operation yields
    /// is the output.
    ///
    /// # Errors
    /// Which operation cannot be, and why.
    pub(crate) fn new(dims: &[usize], operations: Vec<Operation>, input: Form, output: Form) -> Result<Self, String> {
        Self::with(Level::best(), dims, operations, input, output)
    }

    /// Plans for such instructions.
    pub(super) fn with(
        level: Level,
        dims: &[usize],
        operations: Vec<Operation>,
        input: Form,
        output: Form,
    ) -> Result<Self, String> {
        let mut builder = Builder::new(level, Dims::new(dims)?, input);
        let pooled = fusion::pooled(&operations);
        for (number, (operation, is_pooled)) in operations.into_iter().zip(pooled).enumerate() {
            let name = name(&operation);
            builder.push(operation, is_pooled).map_err(|error| format!("operation {number}, {name}: {error}"))?;
        }
        Ok(builder.finish(output))
    }

    /// Floats of one sample of the output, in its form.
    pub(crate) fn output_len(&self) -> usize {
        self.output_len
    }

    /// Floats that [`Plan::run`] needs to work in for so many samples on so many threads.
    pub(crate) fn scratch_len(&self, samples: usize, threads: usize) -> usize {
        memory::SLACK + threads * self.room + samples.min(self.group) * self.between
    }

    /// Computes the outputs of samples, one after the other, each on so many threads at most. The samples may lie wherever
    /// they are. What the scratch holds does not matter, but in an input in [`Form::Places`] the zeros must be there.
    ///
    /// # Panics
    /// A slice is not as long as it must be.
    pub(crate) fn run(&self, threads: usize, input: &[&[f32]], scratch: &mut [f32], output: &mut [f32]) {
        let samples = input.len();
        assert!(input.iter().all(|sample| sample.len() == self.input_len), "the input of {samples} samples");
        assert_eq!(output.len(), samples * self.output_len, "the output of {samples} samples");
        assert!(scratch.len() >= self.scratch_len(samples, threads), "the scratch of {samples} samples");
        let start = memory::aligned(scratch);
        let (rooms, between) = scratch[start..].split_at_mut(threads * self.room);
        // As even as can be: a last group of few samples would share the weights' way among few.
        let groups = samples.div_ceil(self.group);
        let (mut input, mut output) = (input, output);
        for group in 0..groups {
            let count = input.len() / (groups - group);
            let (own, others) = input.split_at(count);
            let (to, rest) = output.split_at_mut(count * self.output_len);
            for step in &self.steps {
                step.run(self.level, own, between, to, Team::new(threads, rooms));
            }
            (input, output) = (others, rest);
        }
    }
}

impl Step {
    fn run(&self, level: Level, input: &[&[f32]], between: &mut [f32], output: &mut [f32], team: Team<'_>) {
        let samples = input.len();
        let range = |cell: Option<Cell>| match cell {
            Some(Cell { home: Home::Between(start), layout }) => start * samples..(start + layout.sample) * samples,
            _ => 0..0,
        };
        let other = self.add.filter(|add| add.home != self.input.home);
        let ranges = [range(Some(self.input)), range(other), range(Some(self.output))];
        let [from, added, to] =
            between.get_disjoint_mut(ranges).expect("what a step reads and writes is held apart by the planner");

        let source = |cell: Cell, own| match cell.home {
            Home::Input => Source { data: Samples::Apart(input), layout: cell.layout },
            _ => Source { data: Samples::Together(own), layout: cell.layout },
        };
        let from: &[f32] = from;
        let add = self.add.map(|add| source(add, if other.is_some() { added } else { from }));
        let from = source(self.input, from);
        let to = match self.output.home {
            Home::Output => output,
            _ => to,
        };
        let mut to = Target::new(to, self.output.layout);
        self.kernel.run(level, from, add, to.again(), team);
        if let Some(activation) = self.activation {
            to.samples().for_each(|sample| activation.run(level, sample));
        }
    }
}

impl Kernel {
    /// Floats that a thread works in, however many samples there are.
    pub(super) fn room(&self, level: Level) -> usize {
        match self {
            Self::Winograd(winograd) => winograd.room(level),
            Self::Columns(columns) => columns.room(level),
            _ => 0,
        }
    }

    fn run(
        &self,
        level: Level,
        input: Source<'_>,
        add: Option<Source<'_>>,
        mut output: Target<'_>,
        mut team: Team<'_>,
    ) {
        match self {
            Self::Product(product) => product.run(level, input, add, output, team),
            Self::Winograd(winograd) => winograd.run(level, input, add, output, team),
            Self::Columns(columns) => columns.run(level, input, output, team.room()),
            Self::Border(border) => border.run(input, output),
            Self::Pool(pool) => pool.run(level, input, output, team),
            Self::Combination(combination) => combination.run(level, input, add, output),
            Self::Gather => {
                output.clear_zeros();
                let channels = output.layout.channels;
                input.samples().zip(output.samples()).for_each(|(from, to)| layout::gather(from, to, channels));
            }
            Self::Part => {
                let channels = input.layout.channels;
                input.samples().zip(output.samples()).for_each(|(from, to)| layout::part(from, to, channels));
            }
            Self::Copy => {
                output.clear_zeros();
                input.samples().zip(output.samples()).for_each(|(from, to)| to.copy_from_slice(from));
            }
        }
    }
}

fn name(operation: &Operation) -> &'static str {
    match operation {
        Operation::Convolution { .. } => "a convolution",
        Operation::Linear { .. } => "a linear map",
        Operation::MaxPool { .. } => "a maximum pool",
        Operation::AveragePool { .. } => "an average pool",
        Operation::AdaptiveAveragePool { .. } => "an adaptive average pool",
        Operation::Mean { .. } => "a mean",
        Operation::Rows { .. } => "rows of an image",
        Operation::Flatten { .. } => "a flattening",
        Operation::Activate { .. } => "an activation",
        Operation::Part { .. } => "a part",
        Operation::Add { .. } => "a sum",
        Operation::Multiply { .. } => "a product",
        Operation::WeightedSum { .. } => "a weighted sum",
        Operation::Softmax { .. } => "a softmax",
        Operation::Outer { .. } => "an outer product",
    }
}
