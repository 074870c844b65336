//! The parts of a ResNet against torchvision's own modules.

use super::*;

#[test]
fn bottlenecks() {
    let settings = residual::Settings { blocks: 2, stride: 2, bottleneck: Some(2) };
    matches_in("resnet", "strided", |path| Residual::<Map, Image<8, 4, 3>>::new(path, settings));
    let settings = residual::Settings { stride: 1, ..settings };
    matches_in("resnet", "wider", |path| Residual::<Map, Image<8, 7, 6>>::new(path, settings));
    matches_in("resnet", "same", |path| Residual::<Image<8, 4, 5>, Image<8, 4, 5>>::new(path, settings));
}
