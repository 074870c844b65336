use super::{Context, layer};
use crate::fusion::{self, Fusion};
use crate::layer::Site;
use crate::model::{Layer, Modality, Name};
use crate::place::Place;
use crate::report::Errors;
use crate::shape::Shape;
use crate::spec::{self, Activation, HeadMlp, Spec};

/// How the features of the modalities become one; its settings are checked also where they are not known.
pub(super) fn fusion(spec: &Spec, modalities: Option<&[Modality]>, errors: &mut Errors) -> Option<Fusion> {
    let root = Place::default();
    let names = spec.modalities.0.iter().map(|(name, _)| name.as_str()).collect();
    let widths = modalities.map(|modalities| modalities.iter().map(|modality| modality.feature).collect());
    let (place, modalities) = (root.key("fusion"), root.key("modalities"));
    fusion::infer(&spec.fusion, &mut fusion::Site { names, widths, place, modalities, errors })
}

/// The head of the network, from the fused feature to the task.
pub(super) fn head(head: &spec::Head, fused: u64, context: &Context<'_>, errors: &mut Errors) -> Option<Layer> {
    let place = Place::default().key("head");
    let size = context.task.outputs();
    let spec = match head {
        spec::Head::Linear => linear(size),
        spec::Head::Mlp(HeadMlp { hidden, activation, dropout }) => {
            let (hidden, activation, dropout) = (hidden.clone(), *activation, *dropout);
            spec::Layer::Mlp(spec::Mlp { hidden, size, activation, dropout })
        }
    };
    let name = Name::new("head", context.line(&place));
    layer(name, &spec, &mut Site { input: Shape::Vector { size: fused }, tokens: None, place, errors })
}

/// The head that predicts the task from one modality alone: a linear layer.
pub(super) fn task_head(feature: u64, place: &Place, context: &Context<'_>, errors: &mut Errors) -> Option<Layer> {
    let name = Name::new("task_head", context.line(place));
    let (input, place) = (Shape::Vector { size: feature }, place.clone());
    layer(name, &linear(context.task.outputs()), &mut Site { input, tokens: None, place, errors })
}

/// A linear layer that the spec does not name.
pub(super) fn linear(size: u64) -> spec::Layer {
    spec::Layer::Linear(spec::Linear { size, activation: Activation::None })
}
