//! Programs on kernels of our own.

use std::cell::RefCell;

use tch::Tensor;

use super::floats;
use super::kernels::{self, Form, Plan};
use crate::batch::Feature;
use crate::nn::program::{Operation, Program, Step};
use crate::nn::{Activation, Window};

/// A program for the processor, with all shapes known.
#[derive(Debug)]
pub(super) struct Native {
    plan: Plan,
    /// Of one sample of the output in its form.
    dims: Vec<i64>,
}

impl Native {
    /// Plans a program; `None` where it has operations that there are no kernels for.
    ///
    /// Inputs are images and vectors: of a sequence, some steps may be padding, which kernels do not know.
    pub(super) fn new(program: &Program, input: Form, output: Form) -> Option<Self> {
        let dims = program.dims(program.input());
        if dims.len() == 2 || program.output().number() != program.steps().len() {
            return None;
        }
        let operations = program.steps().iter().map(translate).collect::<Option<Vec<_>>>()?;
        let plan = Plan::new(&sizes(dims), operations, input, output)
            .inspect_err(|fault| tracing::debug!("no kernels: {fault}"))
            .ok()?;
        let dims = match output {
            Form::Plain => program.dims(program.output()).to_vec(),
            Form::Places => vec![plan.output_len() as i64],
        };
        Some(Self { plan, dims })
    }

    /// From one form to the other, for samples of these dimensions.
    pub(super) fn conversion(dims: &[i64], input: Form, output: Form) -> Option<Self> {
        let plan = Plan::new(&sizes(dims), Vec::new(), input, output).ok()?;
        let dims = if output == Form::Plain { dims.to_vec() } else { vec![plan.output_len() as i64] };
        Some(Self { plan, dims })
    }

    /// Runs the program.
    pub(super) fn run(&self, input: &Feature) -> Feature {
        let input = input.tensor.contiguous();
        let samples = input.size()[0];
        let size = [&[samples], &self.dims[..]].concat();
        floats::filled(&size, |output| self.compute(samples as usize, floats::of(&input), output)).into()
    }

    fn compute(&self, samples: usize, input: &[f32], output: &mut [f32]) {
        thread_local! {
            /// What kernels work in: as large as any program of this thread has needed it.
            static SCRATCH: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
        }
        SCRATCH.with_borrow_mut(|scratch| {
            let needed = self.plan.scratch_len(samples);
            if scratch.len() < needed {
                scratch.resize(needed, 0.0);
            }
            self.plan.run(samples, input, scratch, output);
        });
    }
}

fn translate(step: &Step) -> Option<kernels::Operation> {
    let Step { operation, input, add } = step;
    let input = kernels::Value(input.number());
    let add = add.map(|add| kernels::Value(add.number()));
    Some(match operation {
        Operation::Convolution { weight, bias, window, activation } => {
            let [kernel, stride, padding] = pairs(window);
            let (weight, bias, activation) = (values(weight)?, values(bias)?, activation.map(activate));
            kernels::Operation::Convolution { input, weight, bias, kernel, stride, padding, activation, add }
        }
        Operation::Linear { weight, bias, activation } => {
            let (weight, bias, activation) = (values(weight)?, values(bias)?, activation.map(activate));
            kernels::Operation::Linear { input, weight, bias, activation, add }
        }
        Operation::Activate(activation) => kernels::Operation::Activate { input, activation: activate(*activation) },
        Operation::MaxPool(window) => {
            let [kernel, stride, padding] = pairs(window);
            kernels::Operation::MaxPool { input, kernel, stride, padding }
        }
        Operation::AveragePool(window) => {
            let [kernel, stride, padding] = pairs(window);
            kernels::Operation::AveragePool { input, kernel, stride, padding }
        }
        Operation::AdaptiveAveragePool(grid) => {
            kernels::Operation::AdaptiveAveragePool { input, grid: grid.map(|side| side as usize) }
        }
        Operation::Mean => kernels::Operation::Mean { input },
        Operation::Rows => kernels::Operation::Rows { input },
        Operation::Flatten => kernels::Operation::Flatten { input },
        Operation::GroupNorm { .. }
        | Operation::LayerNorm { .. }
        | Operation::Attend { .. }
        | Operation::Embed(_)
        | Operation::Gru(_)
        | Operation::Opaque { .. } => return None,
    })
}

/// Kernel, stride and padding.
fn pairs(window: &Window) -> [[usize; 2]; 3] {
    [window.kernel, window.stride, window.padding].map(|pair| pair.map(|value| value as usize))
}

fn activate(activation: Activation) -> kernels::Activation {
    match activation {
        Activation::Relu => kernels::Activation::Relu,
        Activation::Gelu => kernels::Activation::Gelu,
        Activation::Silu => kernels::Activation::Silu,
        Activation::Tanh => kernels::Activation::Tanh,
        Activation::Sigmoid => kernels::Activation::Sigmoid,
    }
}

fn values(tensor: &Tensor) -> Option<Vec<f32>> {
    Vec::try_from(tensor.contiguous().view(-1)).ok()
}

fn sizes(dims: &[i64]) -> Vec<usize> {
    dims.iter().map(|dim| *dim as usize).collect()
}
