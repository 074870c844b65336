//! What enters a network: the fields of a batch, and the check of them.

use std::fmt::Debug;

use tch::{Kind, Tensor};

use super::Description;
use crate::batch::{Batch, Feature, describe};
use crate::shape::{Shape, Vector};
use crate::{Error, Result};

/// A batch of inputs of a generated model, with a typed field for each modality.
pub trait Input: Sized + Clone + Debug + Send + 'static {
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

/// Checks that there is one field a modality, on the device of the network and with the same samples; returns their number.
///
/// Shapes are checked as well, although typed inputs always fit: erased ones come in from measuring.
///
/// # Errors
/// [`Error::Shape`] or [`Error::Invalid`] with the modality, what was expected and what was found.
pub(crate) fn check_inputs(description: &Description, device: tch::Device, inputs: &[Feature]) -> Result<i64> {
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
        let kind = modality.kind;
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
        modality.check_tokens(&input.tensor, |row| row)?;
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
    check_present(description, &inputs.iter().map(|input| input.present.as_ref()).collect::<Vec<_>>())?;
    Ok(samples.map_or(0, |(_, samples)| samples))
}

/// Checks that samples lack no modality that has to be there, and that each has one at least; by modality, which samples
/// have it, `[samples]` of `bool`, `None` where all do.
///
/// # Errors
/// [`Error::Invalid`] with the first row that does.
pub(crate) fn check_present(description: &Description, present: &[Option<&Tensor>]) -> Result<()> {
    let first_lacking = |present: &Tensor| -> Result<Option<i64>> {
        let rows = present.logical_not().nonzero();
        Ok(if rows.size()[0] > 0 { Some(rows.int64_value(&[0, 0])) } else { None })
    };
    for (present, modality) in present.iter().zip(description.modalities) {
        let Some(present) = present.filter(|_| modality.missing.is_none()) else { continue };
        if let Some(row) = first_lacking(present)? {
            return Err(Error::invalid(format!(
                "modality `{}`: row {row} lacks it, and `{}` does not say that it may be missing; say so there by \
                 `missing: 0.25`, or leave the sample out",
                modality.name, description.spec_path
            )));
        }
    }
    let present: Option<Vec<&Tensor>> = present.iter().copied().collect();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Network;
    use crate::tiny::{Tiny, samples};

    #[test]
    fn no_erased_input_ends_the_program() {
        let network = Tiny::new(crate::Device::Cpu).unwrap();
        let [left, right] = <[Feature; 2]>::try_from(samples(3, 1).unwrap().train.input().unwrap().features()).unwrap();
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
            let message =
                check_inputs(Tiny::description(), network.variables().device(), &[left.clone(), tensor.into()])
                    .unwrap_err()
                    .to_string();
            assert!(message.starts_with("modality `right`: expected [batch, 5] of Float, found "), "{message}");
        }
        for mask in [Tensor::new(), Tensor::zeros([3, 5], float), Tensor::zeros([2, 5], (Kind::Bool, tch::Device::Cpu))]
        {
            let masked = Feature { mask: Some(mask), ..right.clone() };
            let message = check_inputs(Tiny::description(), network.variables().device(), &[left.clone(), masked])
                .unwrap_err()
                .to_string();
            assert!(
                message.starts_with("modality `right`: expected a mask [3, 5] of Bool on cpu, found "),
                "{message}"
            );
        }
        let message = check_inputs(Tiny::description(), network.variables().device(), &[left]).unwrap_err().to_string();
        assert_eq!(message, "inputs of `Tiny`: expected 2 modalities, found 1");
        assert!(check_inputs(Tiny::description(), network.variables().device(), &[]).is_err());
    }
}
