//! Programs on kernels of our own.

use std::cell::RefCell;

use tch::{Kind, Tensor};

use super::floats;
use super::kernels::{self, Form, Plan};
use crate::batch::Feature;
use crate::dispatcher::parallel_for;
use crate::nn::Window;
use crate::nn::program::{Operation, Program, Step};
use crate::scattered::Scattered;

/// A program for the processor, with all shapes known.
#[derive(Debug)]
pub(super) struct Native {
    plan: Plan,
    /// Of one sample of the output in its form.
    dims: Vec<i64>,
    /// The multiply-adds of one sample, about.
    work: i64,
}

/// The multiply-adds for which it pays to wake another thread.
const WORTH_A_THREAD: i64 = 4_000_000;
/// With so many samples a thread, it does not matter that the last thread may have fewer.
const EVEN: i64 = 8;

impl Native {
    /// Plans a program; `None` where it has operations that there are no kernels for.
    ///
    /// Inputs are images and vectors: of a sequence, some steps may be padding, which kernels do not know.
    pub(super) fn new(program: &Program, input: Form, output: Form) -> Option<Self> {
        let dims = program.dims(program.input());
        if dims.len() == 2 || program.output().number() != program.steps().len() {
            return None;
        }
        let operations =
            program.steps().iter().map(|step| translate(program.dims(step.input), step)).collect::<Option<Vec<_>>>()?;
        let plan = Plan::new(&sizes(dims), operations, input, output)
            .inspect_err(|fault| tracing::debug!("no kernels: {fault}"))
            .ok()?;
        let dims = match output {
            Form::Plain => program.dims(program.output()).to_vec(),
            Form::Places => vec![plan.output_len() as i64],
        };
        let work = program.steps().iter().map(|step| work(program, step)).sum();
        Some(Self { plan, dims, work })
    }

    /// From one form to the other, for samples of these dimensions.
    pub(super) fn conversion(dims: &[i64], input: Form, output: Form) -> Option<Self> {
        let plan = Plan::new(&sizes(dims), Vec::new(), input, output).ok()?;
        let dims = if output == Form::Plain { dims.to_vec() } else { vec![plan.output_len() as i64] };
        Some(Self { plan, dims, work: 0 })
    }

    /// The mean and the maximum of each channel of images that lie in [`Form::Places`].
    pub(super) fn pools(dims: &[i64]) -> Option<[Self; 2]> {
        let &[channels, height, width] = dims else { return None };
        let input = kernels::Value(0);
        let whole = Window { kernel: [height, width], stride: [1, 1], padding: [0, 0] };
        let maximum = kernels::Operation::MaxPool { input, window: sized(&whole) };
        let pool = |operations| {
            let plan = Plan::new(&sizes(dims), operations, Form::Places, Form::Plain).ok()?;
            Some(Self { plan, dims: vec![channels], work: 0 })
        };
        let flat = kernels::Operation::Flatten { input: kernels::Value(1) };
        Some([pool(vec![kernels::Operation::Mean { input }])?, pool(vec![maximum, flat])?])
    }

    /// Runs the program, on as many threads as LibTorch would use where there is enough to do for them. They share the
    /// samples, or where these are too few, each operation.
    pub(super) fn run(&self, input: &Scattered<'_>) -> Feature {
        self.run_on(tch::get_num_threads().max(1) as i64, input)
    }

    fn run_on(&self, threads: i64, input: &Scattered<'_>) -> Feature {
        match floats::apart(input) {
            Some(input) => self.run_apart(threads, &input),
            // Whatever came before may have computed in fewer bits.
            None => {
                let input = Feature::from(input.gather().tensor.to_kind(Kind::Float).contiguous());
                self.run_on(threads, &(&input).into())
            }
        }
    }

    /// Runs it on samples each of which is given by its numbers.
    fn run_apart(&self, threads: i64, input: &[&[f32]]) -> Feature {
        let samples = input.len() as i64;
        let size = [&[samples], &self.dims[..]].concat();
        let threads = threads.min(samples * self.work / WORTH_A_THREAD).max(1);
        let is_even = samples % threads == 0 || samples >= EVEN * threads;
        floats::filled(&size, |output| match threads as usize {
            1 => self.compute(1, input, output),
            threads if is_even => self.share(input.len().div_ceil(threads), input, output),
            threads => self.compute(threads, input, output),
        })
        .into()
    }

    /// Computes the samples on several threads, so many on each.
    fn share(&self, each: usize, input: &[&[f32]], output: &mut [f32]) {
        let parts = input.chunks(each).zip(output.chunks_mut(each * self.plan.output_len()));
        parallel_for(parts, |(input, output)| self.compute(1, input, output));
    }

    /// Computes the samples, each on so many threads.
    fn compute(&self, threads: usize, input: &[&[f32]], output: &mut [f32]) {
        thread_local! {
            /// What kernels work in: as large as any program of this thread has needed it.
            static SCRATCH: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
        }
        SCRATCH.with_borrow_mut(|scratch| {
            let needed = self.plan.scratch_len(input.len(), threads);
            if scratch.len() < needed {
                scratch.resize(needed, 0.0);
            }
            self.plan.run(threads, input, scratch, output);
        });
    }
}

/// The multiply-adds of a step for one sample.
fn work(program: &Program, step: &Step) -> i64 {
    let places = |dims: &[i64]| -> i64 { dims.iter().product() };
    match &step.operation {
        Operation::Convolution { weight, window, .. } => match program.dims(step.input) {
            &[_, height, width] => weight.numel() as i64 * window.places([height, width]).iter().product::<i64>(),
            _ => 0,
        },
        Operation::Linear { weight, .. } => {
            let dims = program.dims(step.input);
            places(&dims[..dims.len() - 1]) * weight.numel() as i64
        }
        _ => 0,
    }
}

fn translate(dims: &[i64], step: &Step) -> Option<kernels::Operation> {
    let Step { operation, input, add } = step;
    let input = kernels::Value(input.number());
    let add = add.map(|add| kernels::Value(add.number()));
    Some(match operation {
        Operation::Convolution { weight, bias, window, activation } => {
            let (weight, bias, activation) = (values(weight)?, values(bias)?, *activation);
            kernels::Operation::Convolution { input, weight, bias, window: sized(window), add, activation }
        }
        Operation::Linear { weight, bias, activation } => {
            let (weight, bias, activation) = (values(weight)?, values(bias)?, *activation);
            kernels::Operation::Linear { input, weight, bias, activation, add }
        }
        Operation::Activate(activation) => kernels::Operation::Activate { input, activation: *activation },
        Operation::MaxPool(window) => kernels::Operation::MaxPool { input, window: sized(window) },
        Operation::AveragePool(window) => kernels::Operation::AveragePool { input, window: sized(window) },
        Operation::AdaptiveAveragePool(grid) => {
            kernels::Operation::AdaptiveAveragePool { input, grid: grid.map(|side| side as usize) }
        }
        Operation::Mean => kernels::Operation::Mean { input },
        Operation::Rows => kernels::Operation::Rows { input },
        Operation::Flatten => kernels::Operation::Flatten { input },
        // A 1x1 convolution of an image, of which each channel is read by one output alone.
        Operation::Scale { scale, shift } if dims.len() == 3 => {
            let channels = scale.size()[0];
            let weight = values(&scale.diag(0).view([channels, channels, 1, 1]))?;
            let window = kernels::Window { kernel: [1, 1], stride: [1, 1], padding: [0, 0] };
            let bias = values(shift)?;
            kernels::Operation::Convolution { input, weight, bias, window, add: None, activation: None }
        }
        Operation::Part { start, length } => {
            kernels::Operation::Part { input, start: *start as usize, length: *length as usize }
        }
        Operation::Add => kernels::Operation::Add { input, other: add? },
        Operation::Multiply => kernels::Operation::Multiply { input, other: add? },
        Operation::WeightedSum(weights) => kernels::Operation::WeightedSum { input, weights: weights.clone() },
        Operation::Softmax => kernels::Operation::Softmax { input },
        Operation::Outer { widths } => kernels::Operation::Outer { input, widths: sizes(widths) },
        Operation::Step { .. }
        | Operation::Conv1d(_)
        | Operation::Scale { .. }
        | Operation::Maxout { .. }
        | Operation::GroupNorm { .. }
        | Operation::LayerNorm { .. }
        | Operation::Attend { .. }
        | Operation::Embed(_)
        | Operation::Recurrent(_)
        | Operation::Frames(_)
        | Operation::Opaque { .. } => return None,
    })
}

fn sized(window: &Window) -> kernels::Window {
    let [kernel, stride, padding] =
        [window.kernel, window.stride, window.padding].map(|pair| pair.map(|value| value as usize));
    kernels::Window { kernel, stride, padding }
}

fn values(tensor: &Tensor) -> Option<Vec<f32>> {
    Vec::try_from(tensor.contiguous().view(-1)).ok()
}

fn sizes(dims: &[i64]) -> Vec<usize> {
    dims.iter().map(|dim| *dim as usize).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::{Conv, Layer, conv, erase, lower};
    use crate::shape::Image;

    #[test]
    fn channels_are_pooled_as_a_stem_is() {
        let image = Tensor::randn([3, 5, 7, 6], tch::kind::FLOAT_CPU);
        let conversion = Native::conversion(&[5, 7, 6], Form::Plain, Form::Places).unwrap();
        let places = conversion.run(&(&Feature::from(image.shallow_clone())).into());
        let [mean, maximum] = Native::pools(&[5, 7, 6]).unwrap().map(|pool| pool.run(&(&places).into()).tensor);
        assert!(mean.allclose(&image.mean_dim([2, 3].as_slice(), false, None), 1e-5, 1e-6, false));
        assert_eq!(maximum, image.flatten(2, -1).amax(-1, false));
    }

    type Convolution = Conv<Image<16, 30, 30>, Image<32, 30, 30>>;

    /// A convolution that is large enough to be shared.
    fn convolution() -> (Convolution, Native) {
        let settings = conv::Settings { kernel: [3, 3], stride: [1, 1], padding: [1, 1], norm: None, activation: None };
        let store = tch::nn::VarStore::new(tch::Device::Cpu);
        let layer = Convolution::new(store.root(), settings);
        let native = Native::new(&lower(&[erase(&layer)], &[16, 30, 30]), Form::Plain, Form::Plain).unwrap();
        (layer, native)
    }

    #[test]
    fn threads_share_a_batch_and_change_nothing() {
        let (layer, native) = convolution();
        assert_eq!(native.work, 16 * 32 * 9 * 900);
        let images = Tensor::randn([7, 16, 30, 30], tch::kind::FLOAT_CPU);
        let input = Feature::from(images.shallow_clone());
        let on = |threads| native.run_on(threads, &(&input).into()).tensor;
        let alone = on(1);
        // Seven share a batch of seven; three and five share each operation.
        for threads in [3, 5, 7] {
            assert_eq!(on(threads), alone, "{threads} threads");
        }
        let batch = crate::Batch::new(images).unwrap();
        assert!(alone.allclose(layer.forward(&batch, false).tensor(), 1e-4, 1e-5, false));
    }

    #[test]
    fn samples_are_read_where_they_lie() {
        let settings = conv::Settings { kernel: [3, 3], stride: [1, 1], padding: [1, 1], norm: None, activation: None };
        let store = tch::nn::VarStore::new(tch::Device::Cpu);
        let layer = Conv::<Image<8, 9, 9>, Image<8, 9, 9>>::new(store.root(), settings);
        let native = Native::new(&lower(&[erase(&layer)], &[8, 9, 9]), Form::Plain, Form::Places).unwrap();
        let [one, other] = [5, 4].map(|samples| Feature::from(Tensor::randn([samples, 8, 9, 9], tch::kind::FLOAT_CPU)));
        let scattered = || Scattered::new([(&one, 3), (&other, 0), (&one, 0), (&other, 3)].into_iter());
        let found = native.run(&scattered()).tensor;
        assert_eq!(found, native.run(&(&scattered().gather()).into()).tensor);
        // What is of another kind, or lies otherwise, is brought into order first.
        let doubles = Feature::from(other.tensor.to_kind(Kind::Double));
        let turned = Feature::from(one.tensor.permute([3, 1, 2, 0]).contiguous().permute([3, 1, 2, 0]));
        for odd in [(&one, &doubles), (&turned, &other)] {
            let (one, other) = odd;
            let scattered = Scattered::new([(one, 3), (one, 0)].into_iter());
            let of_others = Scattered::new([(other, 0), (other, 3)].into_iter());
            let expected = [found.get(0), found.get(2), found.get(1), found.get(3)];
            let found = [native.run(&scattered).tensor, native.run(&of_others).tensor];
            assert_eq!(Tensor::cat(&found, 0), Tensor::stack(&expected, 0));
        }
    }

    #[test]
    fn callers_at_once_share_their_operations_among_threads() {
        let (_, native) = convolution();
        let images = Tensor::randn([3, 16, 30, 30], tch::kind::FLOAT_CPU);
        let input = Feature::from(images.shallow_clone());
        let expected = native.run_on(1, &(&input).into()).tensor;
        std::thread::scope(|scope| {
            for _ in 0..4 {
                let (native, images, expected) = (&native, images.shallow_clone(), expected.shallow_clone());
                scope.spawn(move || {
                    tch::set_num_threads(2);
                    let input = Feature::from(images);
                    for _ in 0..100 {
                        assert_eq!(native.run_on(2, &(&input).into()).tensor, expected);
                    }
                });
            }
        });
    }
}
