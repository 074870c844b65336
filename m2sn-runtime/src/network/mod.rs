//! What training, routing and evaluation need to know of a generated model, and no more.
//!
//! An encoder is cut into blocks at its shortcut points: block `j` holds the layers after exit `j - 1` up to exit `j`,
//! and the last block ends in the deepest feature. Exit `j` is shortcut `j` after block `j`; the last exit, `full`,
//! has no shortcut, because its block's output already is the deepest feature.
//! Exits of an encoder share their prefix: whoever has run blocks `0..=j` has everything that exits `0..=j` need.

mod input;
mod route;

use std::fmt::Debug;

use tch::nn::VarStore;
use tch::{Kind, Tensor};

use crate::batch::Feature;
use crate::nn::{self, AnyLayer};
use crate::plan::Plan;
use crate::policy::Policies;
use crate::task::Task;
use crate::{Device, Error, Result};

pub use input::{Field, Input, feature_of, features, or_blank};
pub use route::{Route, exit, exit_or_none, shown};

pub(crate) use input::{check_inputs, check_present};

/// A generated model.
///
/// Modalities, blocks and exits are counted from zero, in the order of the spec.
pub trait Network: Debug + Send + Sized {
    /// A batch of inputs, with a typed field for each modality.
    type Input: Input;
    /// One exit for each modality.
    type Route: Route;

    /// Builds the model with parameters drawn from LibTorch's generator as it stands.
    ///
    /// # Errors
    /// [`crate::Error::Invalid`] where the device cannot be used.
    fn new(device: Device) -> Result<Self>;

    /// Builds the model with parameters that `seed` decides.
    ///
    /// # Errors
    /// As [`Network::new`].
    fn seeded(device: Device, seed: u64) -> Result<Self> {
        // Before the seed, which is already a use of LibTorch.
        device.check()?;
        // The generator takes 64 bits, whatever their sign.
        tch::manual_seed(seed as i64);
        Self::new(device)
    }

    /// What the spec says, and what the compiler inferred.
    fn description() -> &'static Description;

    /// The training stages of the spec.
    fn plan() -> Plan;

    /// All parameters and buffers. Their names follow the YAML; see [`Part`].
    fn variables(&self) -> &VarStore;

    /// The learned policies, and what the model's parts cost on this machine.
    fn policies(&self) -> &Policies;

    /// As [`Network::policies`], to be told other costs.
    fn policies_mut(&mut self) -> &mut Policies;

    /// The layers of a chain, in their order.
    fn layers(&self, chain: Chain) -> Vec<Box<dyn AnyLayer + '_>>;

    /// Runs one block of one encoder.
    fn block(&self, modality: usize, block: usize, input: &Feature, train: bool) -> Feature {
        nn::run(&self.layers(Chain::Block { modality, block }), input, train)
    }

    /// Runs the shortcut of an exit on the output of the block that ends there, `[batch, …]` → `[batch, feature]`.
    ///
    /// `exit` is not the last one: `full` has no shortcut.
    fn shortcut(&self, modality: usize, exit: usize, input: &Feature, train: bool) -> Tensor {
        nn::run(&self.layers(Chain::Shortcut { modality, exit }), input, train).tensor
    }

    /// Predicts the task from the feature of one modality alone, `[batch, feature]` → `[batch, outputs]`.
    fn task_head(&self, modality: usize, feature: &Tensor) -> Tensor {
        nn::run(&self.layers(Chain::TaskHead { modality }), &feature.shallow_clone().into(), false).tensor
    }

    /// Fuses one feature a modality and predicts the task, `[batch, feature]` each → `[batch, outputs]`.
    fn fuse(&self, features: &[Tensor], train: bool) -> Tensor;

    /// What fusion takes in place of the feature of a modality that is missing or not asked, `[feature]`: of those whose
    /// description says that they may be.
    fn stand_in(&self, _modality: usize) -> Option<&Tensor> {
        None
    }

    /// Scores the exits of each modality from the raw inputs, one `[batch, exits]` of logits a modality.
    fn navigate(&self, inputs: &[Feature], train: bool) -> Vec<Tensor>;
}

/// What the spec says of a model, and what the compiler inferred from it.
#[derive(Debug, Clone, Copy)]
pub struct Description {
    /// The model's name.
    pub name: &'static str,
    /// The spec file, as its user wrote the path.
    pub spec_path: &'static str,
    /// The text of the spec.
    pub spec: &'static str,
    /// The spec with all defaults written out, as YAML.
    pub resolved_spec: &'static str,
    /// One line a layer with its shapes and settings: what decides whether a checkpoint fits.
    pub architecture: &'static [&'static str],
    /// What the model predicts.
    pub task: Task,
    /// What the classes, labels or targets are called, in the order of their numbers; empty where they have no names.
    pub outputs: &'static [&'static str],
    /// The modalities, in the order of the spec.
    pub modalities: &'static [Modality],
    /// Fusion and head.
    pub head: Cost,
    /// The navigator.
    pub navigator: Cost,
}

/// One modality: its encoder and exits.
#[derive(Debug, Clone, Copy)]
pub struct Modality {
    /// The name in the spec.
    pub name: &'static str,
    /// The input shape as a Rust type, such as `Image<1, 28, 28>`.
    pub input: &'static str,
    /// The dimensions of one input sample.
    pub dims: &'static [i64],
    /// The element type of inputs.
    pub kind: Kind,
    /// The number of token ids, from 0 on, where the input is of tokens.
    pub vocabulary: Option<i64>,
    /// Where inputs may lack it, and routes pass it by: the share of training samples from which it is dropped.
    pub missing: Option<f64>,
    /// By what its inputs are normalised, inside of the model; `None` where they are taken as they come.
    pub normalize: Option<Normalization>,
    /// The width of the deepest feature, which every exit produces.
    pub feature: i64,
    /// The exits from the shallowest to `full`.
    pub exits: &'static [Exit],
    /// The head that predicts from this modality alone.
    pub task_head: Cost,
}

/// By what the inputs of a modality are normalised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Normalization {
    /// By mean and deviation of the training samples.
    Fitted,
    /// By those that the spec declares.
    Declared,
}

/// One exit of an encoder, and the block that leads to it from the exit before.
#[derive(Debug, Clone, Copy)]
pub struct Exit {
    /// The layer that it follows, or `full`.
    pub name: &'static str,
    /// The layers of the block, by name.
    pub layers: &'static [&'static str],
    /// The dimensions of the block's output for one sample.
    pub dims: &'static [i64],
    /// The block.
    pub block: Cost,
    /// The shortcut; zero for `full`.
    pub shortcut: Cost,
}

impl Modality {
    /// The fewest of its blocks that a route runs.
    pub(crate) fn least_blocks(&self) -> usize {
        usize::from(self.missing.is_none())
    }

    /// Where the layers have their variables that normalise its inputs, before the encoder and before what the navigator
    /// reads, where there are such layers.
    pub(crate) fn normalized(&self) -> [String; 2] {
        ["encoders", "navigator.embed"].map(|place| format!("{place}.{}.normalize", self.name))
    }

    /// Checks that inputs of this modality hold no token id that its vocabulary lacks. `name` says of a row by which number
    /// its user knows it.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the first row that holds one.
    pub(crate) fn check_tokens(&self, input: &Tensor, name: impl Fn(i64) -> i64) -> Result<()> {
        let Some(vocabulary) = self.vocabulary else { return Ok(()) };
        let unknown = input.lt(0).logical_or(&input.ge(vocabulary));
        if !bool::try_from(unknown.any())? {
            return Ok(());
        }
        let place = Vec::<i64>::try_from(unknown.nonzero().get(0))?;
        let id = input.int64_value(&place);
        Err(Error::invalid(format!(
            "modality `{}`: row {} holds the token id {id}, expected 0 to {}, the vocabulary of its spec",
            self.name,
            name(place[0]),
            vocabulary - 1
        )))
    }
}

/// What a part of a network costs: for a layer of the user's own, what its `custom` entry declares.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    /// The number of trained parameters.
    pub parameters: u64,
    /// The number of multiply-adds for one sample.
    pub multiply_adds: u64,
}

/// Layers that run one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chain {
    /// One block of one encoder.
    Block {
        /// The modality.
        modality: usize,
        /// The block.
        block: usize,
    },
    /// One shortcut.
    Shortcut {
        /// The modality.
        modality: usize,
        /// The exit.
        exit: usize,
    },
    /// The head of one modality.
    TaskHead {
        /// The modality.
        modality: usize,
    },
    /// Fusion and head, over all modalities' features side by side.
    Head,
    /// The navigator's embedding of one modality.
    Embedding {
        /// The modality.
        modality: usize,
    },
    /// The navigator's decision over all embeddings side by side.
    Decision,
}

/// A part of a network that is trained or frozen as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// One block of one encoder: the variables `encoders.<modality>.<layer>.…` of its layers.
    Block {
        /// The modality.
        modality: usize,
        /// The block.
        block: usize,
    },
    /// One shortcut: `shortcuts.<modality>.<exit>.…`.
    Shortcut {
        /// The modality.
        modality: usize,
        /// The exit.
        exit: usize,
    },
    /// The head of one modality: `task_heads.<modality>.…`.
    TaskHead {
        /// The modality.
        modality: usize,
    },
    /// Fusion and head, stand-ins included: `fusion.…` and `head.…`.
    Head,
    /// What fusion takes in place of one modality: `fusion.missing.<modality>.…`.
    StandIn {
        /// The modality.
        modality: usize,
    },
    /// The paper's navigator, which reads the inputs: `navigator.…`.
    Navigator,
    /// The value policy: `policies.value.…`.
    Value,
    /// The sequential policy: `policies.sequential.…`.
    Sequential,
    /// By what the paper's navigator decides where it reads the posterior of the first exits: `policies.paper.posterior.…`.
    PosteriorReader,
    /// By what it decides where it reads the outputs of the first blocks: `policies.paper.stem.…`.
    StemReader,
    /// What a rival of the policies has learned in a copy of the network that is its own: `rival.…`.
    Rival,
}

impl Part {
    /// The prefixes of the names of this part's variables, each ending in a dot.
    pub fn prefixes(self, description: &Description) -> Vec<String> {
        let modality = |index: usize| description.modalities[index].name;
        match self {
            Self::Block { modality: m, block } => description.modalities[m].exits[block]
                .layers
                .iter()
                .map(|layer| format!("encoders.{}.{layer}.", modality(m)))
                .collect(),
            Self::Shortcut { modality: m, exit } => {
                vec![format!("shortcuts.{}.{}.", modality(m), description.modalities[m].exits[exit].name)]
            }
            Self::TaskHead { modality: m } => vec![format!("task_heads.{}.", modality(m))],
            Self::Head => vec!["fusion.".into(), "head.".into()],
            Self::StandIn { modality: m } => vec![format!("fusion.missing.{}.", modality(m))],
            Self::Navigator => vec!["navigator.".into()],
            Self::Value => vec!["policies.value.".into()],
            Self::Sequential => vec!["policies.sequential.".into()],
            Self::PosteriorReader => vec!["policies.paper.posterior.".into()],
            Self::StemReader => vec!["policies.paper.stem.".into()],
            Self::Rival => vec!["rival.".into()],
        }
    }
}

/// The empty store of a new model's variables on a device.
///
/// # Errors
/// [`Error::Invalid`] where there is no such device.
pub fn variables(device: Device) -> Result<VarStore> {
    device.check()?;
    Ok(VarStore::new(device.into()))
}

/// The features of one modality after every number of blocks that a route can run, `[batch, feature]` each, from one pass.
///
/// Of a modality that may be missing the first is the stand-in; a sample that lacks it has that everywhere.
pub(crate) fn route_features<N: Network>(network: &N, modality: usize, input: &Feature) -> Vec<Tensor> {
    let features = exit_features(network, modality, input, false);
    let Some(stand_in) = network.stand_in(modality) else { return features };
    let [samples, width] = [input.len(), stand_in.size()[0]];
    let filled = features.into_iter().map(|feature| match &input.present {
        Some(present) => feature.where_self(&present.unsqueeze(1), stand_in),
        None => feature,
    });
    std::iter::once(stand_in.expand([samples, width], false)).chain(filled).collect()
}

/// Of [`route_features`], all modalities', those after so many blocks of each, `[batch, feature]`.
pub(crate) fn features_after<N: Network>(features: &[Vec<Tensor>], blocks: &[usize]) -> Vec<Tensor> {
    let modalities = N::description().modalities.iter().zip(features).zip(blocks);
    modalities.map(|((m, features), blocks)| features[blocks - m.least_blocks()].shallow_clone()).collect()
}

/// The features of one modality at every exit, `[batch, feature]` each, from one pass: exits share their prefix.
pub(crate) fn exit_features<N: Network>(network: &N, modality: usize, input: &Feature, train: bool) -> Vec<Tensor> {
    let mut output = input.clone();
    (0..N::description().modalities[modality].exits.len())
        .map(|exit| {
            output = network.block(modality, exit, &output, train);
            leave(network, modality, exit, &output, train)
        })
        .collect()
}

/// Takes a block's output through the exit's shortcut; at `full` it already is the deepest feature.
pub(crate) fn leave<N: Network>(network: &N, modality: usize, exit: usize, output: &Feature, train: bool) -> Tensor {
    let full = N::description().modalities[modality].exits.len() - 1;
    if exit < full { network.shortcut(modality, exit, output, train) } else { output.tensor.shallow_clone() }
}

/// One value for each of the `N` modalities that generated code expects.
///
/// # Errors
/// [`Error::Shape`] where their number is another.
pub fn try_one_each<T, const N: usize>(values: Vec<T>) -> Result<[T; N]> {
    <[T; N]>::try_from(values).map_err(|values| Error::Shape {
        what: "modalities".into(),
        expected: N.to_string(),
        found: values.len().to_string(),
    })
}

/// One value for each of the `N` modalities that generated code expects.
///
/// # Panics
/// Where their number is another, which only a caller of [`Network`]'s methods can bring about.
pub fn one_each<T, const N: usize>(values: &[T]) -> &[T; N] {
    values.try_into().unwrap_or_else(|_| panic!("{N} modalities expected, {} found", values.len()))
}

/// Ends the program where a caller of [`Network`]'s methods asks for layers that the network does not have.
///
/// # Panics
/// Always.
pub fn no_such_chain(chain: Chain) -> ! {
    panic!("this network has no {chain:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_values_as_modalities() {
        assert_eq!(try_one_each::<_, 2>(vec!['a', 'b']).expect("two values"), ['a', 'b']);
        let error = try_one_each::<_, 2>(vec!['a']).unwrap_err();
        assert_eq!(error.to_string(), "modalities: expected 2, found 1");
    }

    #[test]
    fn devices_that_do_not_exist_are_refused() {
        let error = variables(Device::Cuda(1000)).unwrap_err().to_string();
        assert!(error.contains("cuda:1000"), "{error}");
    }
}
