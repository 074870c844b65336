//! The networks, each with its twin in `networks.py`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use m2sn::batch::Feature;
use m2sn::checkpoint;
use m2sn::latency::Fingerprint;
use m2sn::network::Input;
use m2sn::prelude::*;
use m2sn::tch::{self, Kind, Tensor};
use serde::Serialize;

use crate::ours::{self, Call};
use crate::runner::Runner;

/// The house's own network.
#[m2sn_model("specs/avdigits.yaml")]
struct AvDigits;

/// A network of which the calls are the larger part.
#[m2sn_model("benches/peers/specs/av_mnist.yaml")]
struct AvMnist;

/// A network of which the convolutions are the larger part.
#[m2sn_model("benches/peers/specs/mm256.yaml")]
struct Mm256;

/// A network of which the linear layers are the larger part.
#[m2sn_model("benches/peers/specs/mm512.yaml")]
struct Mm512;

/// A network, without its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[value(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub(crate) enum Subject {
    /// Two small ResNets, `specs/avdigits.yaml`
    Avdigits,
    /// MultiBench's late fusion of AV-MNIST: two LeNets
    AvMnist,
    /// ResNet-18 at 224 x 224 and six transformer layers of width 256 over 64 tokens
    Mm256,
    /// The same of width 512 over 128 tokens
    Mm512,
}

impl Subject {
    pub(crate) const ALL: &[Self] = &[Self::Avdigits, Self::AvMnist, Self::Mm256, Self::Mm512];

    /// The name on the command line, in tables and in files.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Avdigits => "avdigits",
            Self::AvMnist => "av_mnist",
            Self::Mm256 => "mm256",
            Self::Mm512 => "mm512",
        }
    }

    /// Writes weights, and inputs of each batch, for all runners; says on what machine.
    pub(crate) fn write(self, folder: &Path, batches: &[u16]) -> m2sn::Result<Machine> {
        match self {
            Self::Avdigits => write::<AvDigits>(folder, batches),
            Self::AvMnist => write::<AvMnist>(folder, batches),
            Self::Mm256 => write::<Mm256>(folder, batches),
            Self::Mm512 => write::<Mm512>(folder, batches),
        }
    }

    /// Gets what was written ready to be called, in a way of `m2sn`.
    pub(crate) fn prepare(self, runner: Runner, folder: &Path, batch: u16) -> m2sn::Result<Call> {
        match self {
            Self::Avdigits => prepare::<AvDigits>(runner, folder, batch),
            Self::AvMnist => prepare::<AvMnist>(runner, folder, batch),
            Self::Mm256 => prepare::<Mm256>(runner, folder, batch),
            Self::Mm512 => prepare::<Mm512>(runner, folder, batch),
        }
    }
}

/// What decides times besides the program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) system: String,
    pub(crate) libtorch: String,
}

fn write<N: Network>(folder: &Path, batches: &[u16]) -> m2sn::Result<Machine> {
    let network = N::seeded(Device::Cpu, 0)?;
    settle(&network);
    checkpoint::save(&network, folder)?;
    for batch in batches {
        let names = N::description().modalities.iter().map(|modality| modality.name);
        let inputs: Vec<_> = names.zip(draw::<N>(i64::from(*batch))).collect();
        Tensor::write_safetensors(&inputs, inputs_file(folder, *batch))?;
    }
    let Fingerprint { processor, system, libtorch, .. } = Fingerprint::of(&network);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Ok(Machine { processor, cores, system, libtorch })
}

fn prepare<N: Network + 'static>(runner: Runner, folder: &Path, batch: u16) -> m2sn::Result<Call>
where
    N::Input: 'static,
{
    let mut network = N::new(Device::Cpu)?;
    checkpoint::load(&mut network, folder)?;
    let mut inputs: BTreeMap<_, _> = Tensor::read_safetensors(inputs_file(folder, batch))?.into_iter().collect();
    let names = N::description().modalities.iter().map(|modality| modality.name);
    let features = names.filter_map(|name| inputs.remove(name)).map(Feature::from).collect();
    ours::prepare(runner, network, N::Input::from_features(features)?)
}

/// Makes parameters and running averages such as a trained network has: ones and zeros would hide mistakes.
fn settle<N: Network>(network: &N) {
    let _no_grad = tch::no_grad_guard();
    let variables: BTreeMap<_, _> = network.variables().variables().into_iter().collect();
    for mut variable in variables.into_values().filter(|variable| variable.requires_grad() && variable.dim() == 1) {
        variable += variable.randn_like() * 0.1;
    }
    for _ in 0..16 {
        for (m, (modality, input)) in N::description().modalities.iter().zip(draw::<N>(4)).enumerate() {
            let blocks = 0..modality.exits.len();
            blocks.fold(Feature::from(input), |feature, block| network.block(m, block, &feature, true));
        }
    }
}

/// Draws an input a modality.
fn draw<N: Network>(samples: i64) -> Vec<Tensor> {
    let modalities = N::description().modalities.iter();
    let inputs = modalities.map(|modality| {
        let size = [&[samples], modality.dims].concat();
        match modality.vocabulary {
            Some(tokens) => Tensor::randint(tokens, size, (Kind::Int64, tch::Device::Cpu)),
            None => Tensor::randn(size, (Kind::Float, tch::Device::Cpu)),
        }
    });
    inputs.collect()
}

/// The file that `worker.py` knows by the same name.
fn inputs_file(folder: &Path, batch: u16) -> PathBuf {
    folder.join(format!("inputs-{batch}.safetensors"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_one_name_everywhere() {
        assert_eq!(Subject::ALL, Subject::value_variants());
        for subject in Subject::ALL {
            assert_eq!(subject.to_possible_value().unwrap().get_name(), subject.name());
            assert_eq!(serde_json::to_value(subject).unwrap(), subject.name());
            assert!(include_str!("networks.py").contains(&format!("\"{}\": ", subject.name())));
        }
    }

    #[test]
    fn what_is_written_can_be_called() {
        let folder = tempfile::tempdir().unwrap();
        let machine = Subject::AvMnist.write(folder.path(), &[2]).unwrap();
        assert!(machine.cores > 0, "{machine:?}");
        for runner in [Runner::Tch, Runner::TchRouted, Runner::M2sn, Runner::M2snRouted] {
            let mut call = Subject::AvMnist.prepare(runner, folder.path(), 2).unwrap();
            let logits = call().unwrap();
            assert_eq!(logits.size(), [2, 10]);
            assert!(bool::try_from(logits.isfinite().all()).unwrap());
            // Samples differ, so a runner that mixed them up would be found out.
            assert!((logits.get(0) - logits.get(1)).abs().max().double_value(&[]) > 1e-3, "{runner:?}: {logits:?}");
        }
    }
}
