//! The names of torchvision's ResNets.

use super::Renaming;

/// The names of the ResNet whose layers are `<network>.stem` and so on; its classifier, `fc`, has none here.
pub(super) fn names(network: &str) -> Renaming {
    let layers = (1..=4).map(|stage| (format!("layer{stage}"), format!("{network}.layer{stage}")));
    let stem = [("conv1".to_owned(), format!("{network}.stem")), ("bn1".to_owned(), format!("{network}.stem.norm"))];
    Renaming::new(stem.into_iter().chain(layers).collect())
}
