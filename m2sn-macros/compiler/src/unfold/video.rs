//! Networks of videos, as torchvision has them (Tran et al., 2018).

use crate::place::Place;
use crate::report::Errors;
use crate::spec::{Activation, Conv3d, Extent3d, Layer, Norm, R2plus1d, R3d, Residual3d};

/// The most stages, with what is before and behind them.
pub(super) const MOST: u64 = 7;

/// The stages of an R3D with their names, which are those of torchvision's modules where it has one for them.
pub(super) fn r3d(spec: &R3d, place: &Place, errors: &mut Errors) -> Option<Vec<(String, Layer)>> {
    let blocks = blocks(spec.depth, "R3D", &place.key("r3d"), errors)?;
    let stem = convolution(64, [3, 7, 7], [1, 2, 2], [1, 3, 3]);
    Some(network(vec![("stem".to_owned(), stem)], blocks, false))
}

/// The stages of an R(2+1)D, whose stem is one in space and one in time.
pub(super) fn r2plus1d(spec: &R2plus1d, place: &Place, errors: &mut Errors) -> Option<Vec<(String, Layer)>> {
    let blocks = blocks(spec.depth, "R(2+1)D", &place.key("r2plus1d"), errors)?;
    let space = convolution(45, [1, 7, 7], [1, 2, 2], [0, 3, 3]);
    let time = convolution(64, [3, 1, 1], [1, 1, 1], [1, 0, 0]);
    let stem = [("stem_space", space), ("stem_time", time)];
    Some(network(stem.map(|(name, layer)| (name.to_owned(), layer)).to_vec(), blocks, true))
}

/// The blocks of the four stages.
fn blocks(depth: u64, kind: &str, place: &Place, errors: &mut Errors) -> Option<[u64; 4]> {
    match depth {
        18 => Some([2, 2, 2, 2]),
        34 => Some([3, 4, 6, 3]),
        _ => {
            errors.error(&place.key("depth"), format!("there is no {kind} of depth {depth}")).help("write 18 or 34");
            None
        }
    }
}

fn convolution(channels: u64, kernel: [u64; 3], stride: [u64; 3], padding: [u64; 3]) -> Layer {
    Layer::Conv3d(Conv3d {
        channels,
        kernel: Extent3d(kernel),
        stride: Extent3d(stride),
        padding: Extent3d(padding),
        norm: Norm::Batch,
        activation: Activation::Relu,
    })
}

fn network(mut stages: Vec<(String, Layer)>, blocks: [u64; 4], factored: bool) -> Vec<(String, Layer)> {
    for (stage, blocks) in (1..).zip(blocks) {
        let stride = if stage == 1 { 1 } else { 2 };
        let residual = Residual3d { channels: 32 << stage, blocks, stride, factored };
        stages.push((format!("layer{stage}"), Layer::Residual3d(residual)));
    }
    stages.push(("feature".to_owned(), Layer::GlobalAveragePool));
    stages
}
