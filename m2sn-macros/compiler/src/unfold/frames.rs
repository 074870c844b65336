use std::borrow::Cow;
use std::collections::HashMap;

use super::Part;
use crate::place::Place;
use crate::report::Errors;
use crate::spec::{Frames, Layer};

/// The layers with their names and places.
pub(super) fn layers<'a>(
    spec: &'a Frames,
    place: &Place,
    errors: &mut Errors,
) -> Option<Vec<(String, Place, &'a Layer)>> {
    let place = place.key("frames").key("layers");
    if spec.layers.is_empty() {
        errors
            .error(&place, "`frames` without a layer does nothing")
            .help("add at least one, such as `global_average_pool`, or leave the `frames` out");
        return None;
    }
    let places = (0..).map(|index| place.entry(index));
    Some(named(spec).zip(places).map(|((name, layer), place)| (name, place, layer)).collect())
}

/// The layers, each named by its kind, with a number where earlier ones are of the same kind.
pub(super) fn named(spec: &Frames) -> impl Iterator<Item = (String, &Layer)> {
    let mut counts = HashMap::new();
    spec.layers.iter().map(move |layer| {
        let count = counts.entry(layer.kind()).or_insert(0);
        *count += 1;
        let name = if *count == 1 { layer.kind().to_owned() } else { format!("{}{count}", layer.kind()) };
        (name, layer)
    })
}

/// The same, of every frame of a video.
pub(super) fn of_every_frame(part: Part<'_>) -> Part<'_> {
    let layer = Layer::Frames(Frames { layers: vec![part.layer.into_owned()] });
    Part { layer: Cow::Owned(layer), ..part }
}
