//! One chain of layers, ready to run in the way that is fastest.

use std::fmt;
use std::time::{Duration, Instant};

use tch::{Kind, Tensor};

use super::kernels::Form;
use super::native::Native;
use super::packed::Precision;
use super::torch::{Torch, float};
use crate::Result;
use crate::batch::Feature;
use crate::nn::Program;
use crate::scattered::Scattered;

/// A chain of layers that runs.
#[derive(Debug)]
pub(super) struct Runner {
    engine: Engine,
    /// What an input has to go through first, where it lies as kernels leave it and LibTorch reads it.
    plain: Option<Native>,
    /// How the output lies in memory.
    form: Form,
}

/// What runs a chain.
#[derive(Debug)]
enum Engine {
    Native(Native),
    Torch(Torch),
}

/// Which of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Choice {
    /// Kernels of our own.
    Native,
    /// LibTorch.
    Torch,
}

/// How chains are made ready.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    pub(super) precision: Precision,
    pub(super) device: tch::Device,
}

impl Runner {
    /// Makes a program ready whose inputs lie in memory as `input` says, by the engine that is fastest here, or the one
    /// that was chosen before.
    ///
    /// # Errors
    /// Where LibTorch cannot read the weights.
    pub(super) fn new(program: Program, input: Form, settings: Settings, chosen: Option<Choice>) -> Result<Self> {
        let is_image = |dims: &[i64]| dims.len() == 3;
        let dims = program.dims(program.input()).to_vec();
        let output = if is_image(program.dims(program.output())) { Form::Places } else { Form::Plain };
        let may_be_native = settings.device == tch::Device::Cpu && chosen != Some(Choice::Torch);
        let native = may_be_native.then(|| Native::new(&program, input, output)).flatten();
        if chosen == Some(Choice::Native)
            && let Some(native) = native
        {
            return Ok(Self { engine: Engine::Native(native), plain: None, form: output });
        }
        let torch = Torch::new(program, settings.precision)?;
        if let Some(native) = native {
            let sample: Feature = numbers(&[&[1], &dims[..]].concat(), settings.device).into();
            let lying = match (input, Native::conversion(&dims, Form::Plain, input)) {
                (Form::Places, Some(conversion)) => conversion.run(&(&sample).into()),
                _ => sample.clone(),
            };
            let by_torch = || drop(torch.run(&sample, &|_, _| unreachable!("there are no kernels for opaque layers")));
            if is_faster(&|| drop(native.run(&(&lying).into())), &by_torch) {
                return Ok(Self { engine: Engine::Native(native), plain: None, form: output });
            }
        }
        let plain = match input {
            Form::Places => Native::conversion(&dims, Form::Places, Form::Plain),
            Form::Plain => None,
        };
        Ok(Self { engine: Engine::Torch(torch), plain, form: Form::Plain })
    }

    /// Runs the chain; `opaque` runs one of its layers as it is.
    pub(super) fn run(&self, input: &Scattered<'_>, opaque: &dyn Fn(usize, &Feature) -> Feature) -> Feature {
        match (&self.engine, &self.plain) {
            (Engine::Native(native), _) => native.run(input),
            (Engine::Torch(torch), None) => torch.run(&input.gather(), opaque),
            (Engine::Torch(torch), Some(plain)) => torch.run(&plain.run(input), opaque),
        }
    }

    /// As [`Runner::run`], for an output of `f32`.
    pub(super) fn run_to_float(&self, input: &Scattered<'_>, opaque: &dyn Fn(usize, &Feature) -> Feature) -> Tensor {
        float(&self.run(input, opaque)).tensor
    }

    /// How the output lies in memory.
    pub(super) fn form(&self) -> Form {
        self.form
    }

    pub(super) fn choice(&self) -> Choice {
        match self.engine {
            Engine::Native(_) => Choice::Native,
            Engine::Torch(_) => Choice::Torch,
        }
    }
}

impl Choice {
    /// The engine that is written so.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        [Self::Native, Self::Torch].into_iter().find(|choice| choice.to_string() == name)
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Native => "kernels",
            Self::Torch => "LibTorch",
        })
    }
}

/// Numbers of about one, to be computed with where only the time matters.
///
/// They are not drawn at random: the generator of LibTorch is its user's.
pub(super) fn numbers(size: &[i64], device: tch::Device) -> Tensor {
    Tensor::arange(size.iter().product::<i64>(), (Kind::Float, device)).sin().view(size)
}

/// Whether `one` takes less time than `other`: they take turns, so that a disturbance meets both, and the fastest third of
/// the runs counts. It is over once each run of one was faster than every run of the other, which is soon where it matters.
pub(super) fn is_faster(one: &dyn Fn(), other: &dyn Fn()) -> bool {
    const ROUNDS: usize = 12;
    const LEAST: usize = 4;
    const LIMIT: Duration = Duration::from_millis(300);
    /// The first rounds find nothing in the caches; where a round takes long, one is enough.
    const WARMING: usize = 3;
    const WARM: Duration = Duration::from_millis(50);
    let time = |run: &dyn Fn()| {
        let start = Instant::now();
        run();
        start.elapsed()
    };
    let begin = Instant::now();
    for _ in 0..WARMING {
        one();
        other();
        if begin.elapsed() > WARM {
            break;
        }
    }
    let mut times = [Vec::new(), Vec::new()];
    while times[0].len() < ROUNDS {
        times.iter_mut().zip([one, other]).for_each(|(times, run)| times.push(time(run)));
        let range = |times: &[Duration]| (times.iter().min().copied(), times.iter().max().copied());
        let [(one_least, one_most), (other_least, other_most)] = times.each_ref().map(|times| range(times));
        let is_apart = one_most < other_least || other_most < one_least;
        if times[0].len() >= LEAST && (is_apart || begin.elapsed() > LIMIT) {
            break;
        }
    }
    let [one, other] = times.map(|mut times| {
        times.sort_unstable();
        times[times.len() / 3]
    });
    one < other
}

/// What layers compute when they are frozen, by each engine that can run them.
#[cfg(test)]
pub(crate) fn by_every_engine(
    layers: &[Box<dyn crate::nn::AnyLayer + '_>],
    dims: &[i64],
    input: &Feature,
) -> Vec<(Choice, Tensor)> {
    let _no_grad = tch::no_grad_guard();
    let settings = Settings { precision: Precision::F32, device: tch::Device::Cpu };
    let by = |choice| {
        let runner = Runner::new(crate::nn::lower(layers, dims), Form::Plain, settings, Some(choice)).expect("weights");
        let output = runner.run(&input.into(), &|layer, input| layers[layer].forward(input, false));
        let output = match runner.form() {
            Form::Plain => output,
            Form::Places => {
                let program = crate::nn::lower(layers, dims);
                Native::conversion(program.dims(program.output()), Form::Places, Form::Plain)
                    .expect("one")
                    .run(&(&output).into())
            }
        };
        (runner.choice() == choice).then(|| (choice, float(&output).tensor))
    };
    [Choice::Native, Choice::Torch].into_iter().filter_map(by).collect()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn what_is_clear_is_soon_over() {
        let runs = Cell::new(0);
        let asleep = |milliseconds| {
            let runs = &runs;
            move || {
                runs.set(runs.get() + 1);
                std::thread::sleep(Duration::from_millis(milliseconds));
            }
        };
        assert!(is_faster(&asleep(1), &asleep(20)));
        assert!(!is_faster(&asleep(20), &asleep(1)));
        // All of both comparisons would be sixty.
        assert!(runs.get() < 60, "{} runs", runs.get());
        runs.set(0);
        is_faster(&asleep(100), &asleep(100));
        assert_eq!(runs.get(), 10, "what takes long is warm after a round, and compared in four");
    }
}
