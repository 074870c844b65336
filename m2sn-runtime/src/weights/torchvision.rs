//! The names of torchvision's ResNets, of images and of videos.

use super::Renaming;
use crate::plan::Torchvision;

/// The names of the network whose layers are `<network>.layer1` and so on; its classifier, `fc`, has none here.
pub(super) fn names(kind: Torchvision, network: &str) -> Renaming {
    let stem: &[_] = match kind {
        Torchvision::Resnet => &[("conv1", "stem"), ("bn1", "stem.norm")],
        Torchvision::R3d => &[("stem.0", "stem"), ("stem.1", "stem.norm")],
        Torchvision::R2plus1d => &[
            ("stem.0", "stem_space"),
            ("stem.1", "stem_space.norm"),
            ("stem.3", "stem_time"),
            ("stem.4", "stem_time.norm"),
        ],
    };
    let stages = ["layer1", "layer2", "layer3", "layer4"].map(|stage| (stage, stage));
    let pairs = stem.iter().chain(&stages);
    Renaming::new(pairs.map(|(theirs, ours)| ((*theirs).to_owned(), format!("{network}.{ours}"))).collect())
}
