//! What training, routing and evaluation need to know of a generated model, and no more.
//!
//! An encoder is cut into blocks at its shortcut points: block `j` holds the layers after exit `j - 1` up to exit `j`,
//! and the last block ends in the deepest feature. Exit `j` is shortcut `j` after block `j`; the last exit, `full`,
//! has no shortcut, because its block's output already is the deepest feature.
//! Exits of an encoder share their prefix: whoever has run blocks `0..=j` has everything that exits `0..=j` need.

use std::fmt::{Debug, Display};

use tch::nn::VarStore;
use tch::{Kind, Tensor};

use crate::batch::{Batch, Feature, describe};
use crate::plan::Plan;
use crate::policy::Policies;
use crate::shape::{Shape, Vector};
use crate::task::Task;
use crate::{Device, Error, Result};

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

    /// Runs one block of one encoder.
    fn block(&self, modality: usize, block: usize, input: &Feature, train: bool) -> Feature;

    /// Runs the shortcut of an exit on the output of the block that ends there, `[batch, …]` → `[batch, feature]`.
    ///
    /// `exit` is not the last one: `full` has no shortcut.
    fn shortcut(&self, modality: usize, exit: usize, input: &Feature, train: bool) -> Tensor;

    /// Predicts the task from the feature of one modality alone, `[batch, feature]` → `[batch, outputs]`.
    fn task_head(&self, modality: usize, feature: &Tensor) -> Tensor;

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

/// A batch of inputs of a generated model, with a typed field for each modality.
pub trait Input: Sized + Clone + Debug + Send {
    /// The names of the modalities, in the order of the spec.
    const MODALITIES: &'static [&'static str];

    /// The erased fields, in the order of the spec; see [`features`].
    fn features(&self) -> Vec<Feature>;

    /// Takes the erased fields back.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] where a field's shape is not that of its modality.
    fn from_features(features: Vec<Feature>) -> Result<Self>;
}

/// One exit for each modality of a generated model.
pub trait Route: Copy + Eq + Ord + std::hash::Hash + Debug + Display + Send + Sync + 'static {
    /// The number of blocks of each modality that run: up to its exit, or none where it takes no part.
    fn blocks(&self) -> Vec<usize>;

    /// The route on which so many blocks of each modality run; `None` where there is no such route.
    fn from_blocks(blocks: &[usize]) -> Option<Self>;
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
    /// The number of token ids, from 0 on, where the input is of tokens.
    pub vocabulary: Option<i64>,
    /// Where inputs may lack it, and routes pass it by: the share of training samples from which it is dropped.
    pub missing: Option<f64>,
    /// The width of the deepest feature, which every exit produces.
    pub feature: i64,
    /// The exits from the shallowest to `full`.
    pub exits: &'static [Exit],
    /// The head that predicts from this modality alone.
    pub task_head: Cost,
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

    /// Checks that inputs of this modality hold no token id that its vocabulary lacks.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the first row that holds one.
    pub(crate) fn check_tokens(&self, input: &Tensor) -> Result<()> {
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
            place[0],
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
    /// The paper's navigator: `navigator.…`.
    Navigator,
    /// The value policy: `policies.value.…`.
    Value,
    /// The sequential policy: `policies.sequential.…`.
    Sequential,
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

/// Checks that there is one field a modality, on the network's device and with the same samples; returns their number.
///
/// Shapes are checked as well, although typed inputs always fit: erased ones come in from measuring.
///
/// # Errors
/// [`Error::Shape`] or [`Error::Invalid`] with the modality, what was expected and what was found.
pub(crate) fn check_inputs<N: Network>(network: &N, inputs: &[Feature]) -> Result<i64> {
    let description = N::description();
    let device = network.variables().device();
    if inputs.len() != description.modalities.len() {
        return Err(Error::Shape {
            what: format!("inputs of `{}`", description.name),
            expected: format!("{} modalities", description.modalities.len()),
            found: inputs.len().to_string(),
        });
    }
    let mut samples = None;
    for (input, modality) in inputs.iter().zip(description.modalities) {
        let wrong =
            |expected, found| Err(Error::Shape { what: format!("modality `{}`", modality.name), expected, found });
        let dims: String = modality.dims.iter().map(|dim| format!(", {dim}")).collect();
        let kind = if modality.vocabulary.is_some() { Kind::Int64 } else { Kind::Float };
        let expected = format!("[batch{dims}] of {kind:?}");
        if !input.tensor.defined() {
            return wrong(expected, "an undefined tensor".into());
        }
        if input.tensor.is_sparse() {
            return wrong(expected, "a sparse tensor; make it dense by `to_dense`".into());
        }
        let size = input.tensor.size();
        let found = match size.split_first() {
            Some((found, dims)) if dims == modality.dims && input.tensor.kind() == kind => *found,
            _ => return wrong(expected, format!("{size:?} of {:?}", input.tensor.kind())),
        };
        let (first, samples) = *samples.get_or_insert((modality.name, found));
        if found != samples {
            let expected = format!("{samples} samples, as in modality `{first}`");
            return wrong(expected, format!("{found} samples"));
        }
        if samples == 0 {
            let what = match inputs.iter().all(|input| input.present.is_some()) {
                true => "every modality is missing, expected one at least",
                false => "the batch is empty, expected a sample",
            };
            return Err(Error::invalid(format!("inputs of `{}`: {what}", description.name)));
        }
        modality.check_tokens(&input.tensor)?;
        let fits = |present: &&Tensor| present.defined() && present.kind() == Kind::Bool && present.size() == [samples];
        if let Some(present) = input.present.as_ref().filter(|present| !fits(present)) {
            return wrong(format!("present samples [{samples}] of Bool"), describe(present));
        }
        if input.tensor.device() != device {
            return Err(Error::invalid(format!(
                "modality `{}`: expected a tensor on {}, where the model is, found one on {}; move it by `to_device`",
                modality.name,
                place(device),
                place(input.tensor.device()),
            )));
        }
        if let Some(mask) = &input.mask {
            let steps = [samples, modality.dims.first().copied().unwrap_or(0)];
            if !mask.defined() || mask.kind() != Kind::Bool || mask.size() != steps || mask.device() != device {
                let found = if mask.defined() { format!("{mask:?}") } else { "an undefined tensor".into() };
                return wrong(format!("a mask {steps:?} of Bool on {}", place(device)), found);
            }
        }
    }
    check_present(description, inputs)?;
    Ok(samples.map_or(0, |(_, samples)| samples))
}

/// Checks that samples lack no modality that has to be there, and that each has one at least.
///
/// # Errors
/// [`Error::Invalid`] with the first row that does.
pub(crate) fn check_present(description: &Description, inputs: &[Feature]) -> Result<()> {
    let first_lacking = |present: &Tensor| -> Result<Option<i64>> {
        let rows = present.logical_not().nonzero();
        Ok(if rows.size()[0] > 0 { Some(rows.int64_value(&[0, 0])) } else { None })
    };
    for (input, modality) in inputs.iter().zip(description.modalities) {
        let Some(present) = input.present.as_ref().filter(|_| modality.missing.is_none()) else { continue };
        if let Some(row) = first_lacking(present)? {
            return Err(Error::invalid(format!(
                "modality `{}`: row {row} lacks it, and `{}` does not say that it may be missing; say so there by \
                 `missing: 0.25`, or leave the sample out",
                modality.name, description.spec_path
            )));
        }
    }
    let present: Option<Vec<&Tensor>> = inputs.iter().map(|input| input.present.as_ref()).collect();
    let Some(present) = present.filter(|present| !present.is_empty()) else { return Ok(()) };
    match first_lacking(&Tensor::stack(&present, 0).any_dim(0, false))? {
        Some(row) => Err(Error::invalid(format!(
            "inputs of `{}`: row {row} lacks every modality; leave the sample out",
            description.name
        ))),
        None => Ok(()),
    }
}

/// A device as its user writes it.
fn place(device: tch::Device) -> String {
    match device {
        tch::Device::Cpu => "cpu".into(),
        tch::Device::Cuda(index) => format!("cuda:{index}"),
        other => format!("{other:?}"),
    }
}

/// A field of the inputs: a modality that is always there, or one that may be missing.
pub trait Field {
    /// The erased field; `None` where the whole batch lacks it.
    fn get(&self) -> Option<Feature>;

    /// What stands for it where the whole batch lacks it.
    fn missing(&self, samples: i64, device: tch::Device) -> Feature;
}

impl<S: Shape> Field for Batch<S> {
    fn get(&self) -> Option<Feature> {
        Some(self.feature())
    }

    fn missing(&self, samples: i64, device: tch::Device) -> Feature {
        Self::missing(samples, device).into_feature()
    }
}

impl<S: Shape> Field for Option<Batch<S>> {
    fn get(&self) -> Option<Feature> {
        self.as_ref().map(Batch::feature)
    }

    fn missing(&self, samples: i64, device: tch::Device) -> Feature {
        Batch::<S>::missing(samples, device).into_feature()
    }
}

/// The erased fields of inputs: those that are missing are as long as the others, and where these are.
pub fn features(fields: &[&dyn Field]) -> Vec<Feature> {
    let found: Vec<Option<Feature>> = fields.iter().map(|field| field.get()).collect();
    let there = found.iter().flatten().next();
    let samples = there.map_or(0, Feature::len);
    let device = there.map_or(tch::Device::Cpu, |feature| feature.tensor.device());
    let fill = |(found, field): (Option<Feature>, &&dyn Field)| found.unwrap_or_else(|| field.missing(samples, device));
    found.into_iter().zip(fields).map(fill).collect()
}

/// The batch of a field, or zeros where the inputs lack it.
pub fn or_blank<S: Shape>(field: &Option<Batch<S>>, input: &impl Input) -> Batch<S> {
    field.clone().unwrap_or_else(|| {
        let beside = input.features().into_iter().next();
        let device = beside.as_ref().map_or(tch::Device::Cpu, |beside| beside.tensor.device());
        Batch::missing(beside.map_or(0, |beside| beside.len()), device)
    })
}

/// The deepest feature of a modality that may be missing: `None` where the whole batch lacks it, or where the route passes
/// it by.
pub fn feature_of<I: Shape, E, const D: i64>(
    input: Option<&Batch<I>>,
    exit: Option<E>,
    run: impl FnOnce(&Batch<I>, E) -> Batch<Vector<D>>,
) -> Option<Batch<Vector<D>>> {
    let (input, exit) = input.zip(exit)?;
    let present = input.present().map(Tensor::shallow_clone);
    Some(Batch::trusted(Feature { present, ..run(input, exit).into_feature() }))
}

/// The exit at which so many blocks have run, of all exits of a modality in their order.
pub fn exit<E: Copy>(all: &[E], blocks: usize) -> Option<E> {
    all.get(blocks.checked_sub(1)?).copied()
}

/// As [`exit()`], of a modality that may take no part: that is `Some(None)`.
pub fn exit_or_none<E: Copy>(all: &[E], blocks: usize) -> Option<Option<E>> {
    if blocks == 0 { Some(None) } else { exit(all, blocks).map(Some) }
}

/// The exit of a modality that may take no part, as a route shows it.
pub fn shown<E: Display>(exit: &Option<E>) -> &dyn Display {
    match exit {
        Some(exit) => exit,
        None => &"none",
    }
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

/// Ends the program where a caller of [`Network`]'s methods asks for a part that the network does not have.
///
/// # Panics
/// Always.
pub fn no_such_part(part: Part) -> ! {
    panic!("this network has no {part:?}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tiny::{Tiny, samples};

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

    #[test]
    fn no_erased_input_ends_the_program() {
        let network = Tiny::new(crate::Device::Cpu).unwrap();
        let [left, right] = <[Feature; 2]>::try_from(samples(3, 1).unwrap().train.input().features()).unwrap();
        let float = (Kind::Float, tch::Device::Cpu);
        let wrong = [
            Tensor::new(),
            Tensor::from(1.0f32),
            Tensor::zeros([3, 6], float),
            Tensor::zeros([3, 5, 1], float),
            Tensor::zeros([3, 5], (Kind::Double, tch::Device::Cpu)),
            Tensor::zeros([3, 5], (Kind::Int64, tch::Device::Cpu)),
            Tensor::zeros([3, 5], float).to_sparse_sparse_dim(2),
        ];
        for tensor in wrong {
            let message = check_inputs(&network, &[left.clone(), tensor.into()]).unwrap_err().to_string();
            assert!(message.starts_with("modality `right`: expected [batch, 5] of Float, found "), "{message}");
        }
        for mask in [Tensor::new(), Tensor::zeros([3, 5], float), Tensor::zeros([2, 5], (Kind::Bool, tch::Device::Cpu))]
        {
            let masked = Feature { mask: Some(mask), ..right.clone() };
            let message = check_inputs(&network, &[left.clone(), masked]).unwrap_err().to_string();
            assert!(
                message.starts_with("modality `right`: expected a mask [3, 5] of Bool on cpu, found "),
                "{message}"
            );
        }
        let message = check_inputs(&network, &[left]).unwrap_err().to_string();
        assert_eq!(message, "inputs of `Tiny`: expected 2 modalities, found 1");
        assert!(check_inputs(&network, &[]).is_err());
    }
}
