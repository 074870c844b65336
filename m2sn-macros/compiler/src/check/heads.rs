use super::{Context, layer};
use crate::layer::{MAX_SIZE, Site};
use crate::model::{Layer, Modality, Name};
use crate::place::Place;
use crate::report::Errors;
use crate::shape::Shape;
use crate::spec::{self, Activation, HeadMlp};

/// The width of all features side by side.
pub(super) fn fused(modalities: &[Modality], place: &Place, errors: &mut Errors) -> Option<u64> {
    let widths = modalities.iter().map(|modality| modality.feature);
    let fused = widths.fold(0, u64::saturating_add);
    if fused > MAX_SIZE {
        errors
            .error(place, format!("the features of all modalities side by side are more than {MAX_SIZE}"))
            .help("end the encoders in smaller vectors");
        return None;
    }
    Some(fused)
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
