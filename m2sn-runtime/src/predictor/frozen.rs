//! The parts of a model, frozen.

use std::sync::{Arc, Mutex, PoisonError};

use tch::{Device, Kind, Tensor};

use super::floats;
use super::kernels::Form;
use super::native::Native;
use super::packed::{Precision, Shared};
use super::runner::{Choice, Runner, Settings, numbers};
use crate::Result;
use crate::batch::Feature;
use crate::latency::Fingerprint;
use crate::network::{Chain, Description, Modality, Network};
use crate::nn::program::Operation;
use crate::nn::{self, Program};
use crate::parts::{self, Parts};
use crate::policy::State;
use crate::scattered::Scattered;
use crate::task::Rule;

/// The parts of a model, each ready to run.
#[derive(Debug)]
pub(super) struct Frozen<N> {
    encoders: Vec<Encoder>,
    head: Runner,
    embeddings: Vec<Runner>,
    decision: Runner,
    stand_ins: Vec<Option<Shared>>,
    /// By modality, the inputs that are blank once they are normalised, `[C]`; none where they are not.
    blanks: Vec<Option<Shared>>,
    description: &'static Description,
    rule: Rule,
    device: Device,
    fingerprint: Fingerprint,
    /// The model itself, where it has layers that only it can run: for one caller at a time, since they may be anything.
    model: Option<Arc<Mutex<N>>>,
}

/// An encoder with its ways out.
#[derive(Debug)]
struct Encoder {
    blocks: Vec<Runner>,
    shortcuts: Vec<Runner>,
    task_head: Runner,
    /// Mean and maximum of the first block's output, where kernels leave it.
    pools: Option<[Native; 2]>,
}

impl<N: Network> Frozen<N> {
    /// Makes all parts ready, by the engines that a table of this machine names, if there is one.
    ///
    /// # Errors
    /// Where LibTorch cannot read the weights.
    pub(super) fn new(shared: &Arc<Mutex<N>>, precision: Precision, measured: Option<&Fingerprint>) -> Result<Self> {
        let model = shared.lock().unwrap_or_else(PoisonError::into_inner);
        let device = model.variables().device();
        let description = N::description();
        let rule = model.policies().rule()?;
        let settings = Settings { precision, device };
        let chosen = measured.map_or(&[][..], |measured| measured.engines.get(1..).unwrap_or_default());
        let mut freezer =
            Freezer { model: &*model, settings, chosen, engines: vec![precision.to_string()], is_opaque: false };
        let _no_grad = tch::no_grad_guard();

        let mut encoders = Vec::new();
        for (m, modality) in description.modalities.iter().enumerate() {
            encoders.push(freezer.encoder(m, modality)?);
        }
        let feature = |modality: &Modality| modality.feature;
        let (head, _) =
            freezer.freeze(Chain::Head, &[description.modalities.iter().map(feature).sum()], Form::Plain)?;
        let mut embeddings = Vec::new();
        let mut embedded = 0;
        for (m, modality) in description.modalities.iter().enumerate() {
            let (runner, dims) = freezer.freeze(Chain::Embedding { modality: m }, modality.dims, Form::Plain)?;
            embedded += dims.iter().product::<i64>();
            embeddings.push(runner);
        }
        let (decision, _) = freezer.freeze(Chain::Decision, &[embedded], Form::Plain)?;
        let stand_in = |m| model.stand_in(m).map(|feature| Shared::copy(feature, Kind::Float)).transpose();
        let stand_ins = (0..description.modalities.len()).map(stand_in).collect::<Result<_>>()?;

        let variables = model.variables().variables();
        let mean = |modality: &Modality| {
            let [_, embedding] = modality.normalized();
            let mean = variables.get(&format!("{embedding}.mean"));
            mean.map(|mean| Shared::copy(&(mean * nn::range(modality.kind)), Kind::Float)).transpose()
        };
        let blanks = description.modalities.iter().map(mean).collect::<Result<_>>()?;

        let Freezer { engines, is_opaque, .. } = freezer;
        let fingerprint = Fingerprint { engines, ..Fingerprint::of(&*model) };
        let model = is_opaque.then(|| Arc::clone(shared));
        Ok(Self {
            encoders,
            head,
            embeddings,
            decision,
            stand_ins,
            blanks,
            description,
            rule,
            device,
            fingerprint,
            model,
        })
    }

    /// What a latency table of these parts depends on.
    pub(super) fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// A few inputs of the right shapes.
    pub(super) fn samples(&self) -> Vec<Feature> {
        const SAMPLES: i64 = 8;
        let sample = |modality: &Modality| -> Feature {
            let size = [&[SAMPLES], modality.dims].concat();
            match modality.vocabulary {
                Some(vocabulary) => {
                    let ids = Tensor::arange(size.iter().product::<i64>(), (Kind::Int64, self.device));
                    ids.remainder(vocabulary).view(&size[..]).into()
                }
                None if modality.kind == Kind::Uint8 => {
                    let bytes = Tensor::arange(size.iter().product::<i64>(), (Kind::Int64, self.device));
                    bytes.remainder(256).to_kind(Kind::Uint8).view(&size[..]).into()
                }
                None => numbers(&size, self.device).into(),
            }
        };
        self.description.modalities.iter().map(sample).collect()
    }

    /// Runs a chain.
    fn run(&self, runner: &Runner, chain: Chain, input: &Scattered<'_>) -> Feature {
        runner.run(input, &|layer, input| self.as_it_is(chain, layer, input))
    }

    /// The inputs of a modality with what is blank once it is normalised in the place of samples that lack it; none where
    /// they can be taken as they are.
    fn blank(&self, modality: usize, input: &Feature) -> Option<Feature> {
        let (blank, present) = (self.blanks[modality].as_ref()?, input.present.as_ref()?);
        let rows: Vec<i64> = (0..input.tensor.dim()).map(|dim| if dim == 0 { -1 } else { 1 }).collect();
        let blank = blank.view(nn::places(&input.tensor.size()[1..]));
        Some(Feature { tensor: input.tensor.where_self(&present.view(&rows[..]), &blank), ..input.clone() })
    }

    fn run_to_float(&self, runner: &Runner, chain: Chain, input: &Scattered<'_>) -> Tensor {
        runner.run_to_float(input, &|layer, input| self.as_it_is(chain, layer, input))
    }

    /// As [`Frozen::run_to_float`], of a batch of vectors.
    fn run_on_vectors(&self, runner: &Runner, chain: Chain, vectors: Tensor) -> Tensor {
        self.run_to_float(runner, chain, &Scattered::from(&Feature::from(vectors)))
    }

    /// Runs a layer of the model as it is.
    fn as_it_is(&self, chain: Chain, layer: usize, input: &Feature) -> Feature {
        let model = self.model.as_ref().expect("the model is kept where it has such layers");
        // Whoever has panicked in there has changed nothing: inference does not.
        let model = model.lock().unwrap_or_else(PoisonError::into_inner);
        let _no_grad = tch::no_grad_guard();
        model.layers(chain)[layer].forward(input, false)
    }
}

/// Freezes chain after chain.
#[derive(Debug)]
struct Freezer<'a, N> {
    model: &'a N,
    settings: Settings,
    /// The engines that were chosen before, in the order in which chains are frozen.
    chosen: &'a [String],
    /// The precision, and the engines that have been chosen.
    engines: Vec<String>,
    is_opaque: bool,
}

impl<N: Network> Freezer<'_, N> {
    fn encoder(&mut self, m: usize, modality: &Modality) -> Result<Encoder> {
        let (mut dims, mut form) = (modality.dims.to_vec(), Form::Plain);
        let (mut blocks, mut shortcuts) = (Vec::new(), Vec::new());
        let exits = modality.exits.len();
        for exit in 0..exits {
            let (block, output) = self.freeze(Chain::Block { modality: m, block: exit }, &dims, form)?;
            (dims, form) = (output, block.form());
            blocks.push(block);
            if exit + 1 < exits {
                shortcuts.push(self.freeze(Chain::Shortcut { modality: m, exit }, &dims, form)?.0);
            }
        }
        let (task_head, _) = self.freeze(Chain::TaskHead { modality: m }, &[modality.feature], Form::Plain)?;
        let pools = match blocks[0].form() {
            Form::Places => Native::pools(modality.exits[0].dims),
            Form::Plain => None,
        };
        Ok(Encoder { blocks, shortcuts, task_head, pools })
    }

    /// Freezes a chain, and tells the dimensions of its output.
    fn freeze(&mut self, chain: Chain, dims: &[i64], form: Form) -> Result<(Runner, Vec<i64>)> {
        let program: Program = nn::lower(&self.model.layers(chain), dims);
        self.is_opaque |= program.steps().iter().any(|step| matches!(step.operation, Operation::Opaque { .. }));
        let output = program.dims(program.output()).to_vec();
        let chosen = self.chosen.get(self.engines.len() - 1).and_then(|name| Choice::from_name(name));
        let runner = Runner::new(program, form, self.settings, chosen)?;
        self.engines.push(runner.choice().to_string());
        Ok((runner, output))
    }
}

impl<N: Network> Parts for Frozen<N> {
    fn description(&self) -> &'static Description {
        self.description
    }

    fn rule(&self) -> Result<Rule> {
        Ok(self.rule.clone())
    }

    fn device(&self) -> Device {
        self.device
    }

    fn block(&self, modality: usize, block: usize, input: &Feature) -> Feature {
        self.block_of(modality, block, &input.into())
    }

    fn block_of(&self, modality: usize, block: usize, input: &Scattered<'_>) -> Feature {
        self.run(&self.encoders[modality].blocks[block], Chain::Block { modality, block }, input)
    }

    fn leave(&self, modality: usize, exit: usize, output: &Feature) -> Tensor {
        self.leave_of(modality, exit, &output.into())
    }

    fn leave_of(&self, modality: usize, exit: usize, output: &Scattered<'_>) -> Tensor {
        match self.encoders[modality].shortcuts.get(exit) {
            Some(shortcut) => self.run_to_float(shortcut, Chain::Shortcut { modality, exit }, output),
            None => super::torch::float(&output.gather()).tensor,
        }
    }

    fn stem(&self, modality: usize, output: &Feature) -> Tensor {
        let pools = &self.encoders[modality].pools;
        let modality = &self.description.modalities[modality];
        match pools {
            // What is pooled is as good as a vector.
            Some(pools) => {
                let [mean, maximum] = pools.each_ref().map(|pool| pool.run(&output.into()).tensor);
                parts::stem(modality, &Tensor::cat(&[mean, maximum], 1).into(), None)
            }
            None => parts::stem(modality, &super::torch::float(output), None),
        }
    }

    fn task_head(&self, modality: usize, feature: &Tensor) -> Tensor {
        let head = &self.encoders[modality].task_head;
        self.run_on_vectors(head, Chain::TaskHead { modality }, feature.shallow_clone())
    }

    fn stand_in(&self, modality: usize, samples: i64) -> Tensor {
        parts::stand_in(self.stand_ins[modality].as_deref(), modality, samples)
    }

    fn fuse(&self, features: &[Tensor]) -> Tensor {
        self.run_on_vectors(&self.head, Chain::Head, Tensor::cat(features, 1))
    }

    fn answer(&self, _: &[State], _: &[usize], features: &[Scattered<'_>]) -> Tensor {
        let features = floats::beside(features).unwrap_or_else(|| Tensor::cat(&parts::tensors(features), 1));
        self.run_on_vectors(&self.head, Chain::Head, features)
    }

    fn navigate(&self, inputs: &[Feature]) -> Vec<Tensor> {
        let embed = |(modality, (runner, input)): (usize, (&Runner, &Feature))| {
            let filled = self.blank(modality, input);
            self.run_to_float(runner, Chain::Embedding { modality }, &filled.as_ref().unwrap_or(input).into())
        };
        let embedded: Vec<Tensor> = self.embeddings.iter().zip(inputs).enumerate().map(embed).collect();
        let scores = self.run_on_vectors(&self.decision, Chain::Decision, Tensor::cat(&embedded, 1));
        let exits: Vec<i64> = self.description.modalities.iter().map(|modality| modality.exits.len() as i64).collect();
        crate::navigator::split(&scores, &exits)
    }
}
