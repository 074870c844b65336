use crate::place::Place;
use crate::report::Errors;
use crate::spec::{Activation, Conv, Extent, Layer, Norm, Pool, Residual, Resnet};

/// The number of stages, with what is before and behind them.
pub(super) const COUNT: u64 = 7;

/// The blocks of the four stages, and whether they are bottlenecks (He et al., 2016, Table 1).
const ARCHITECTURES: [(u64, [u64; 4], bool); 5] = [
    (18, [2, 2, 2, 2], false),
    (34, [3, 4, 6, 3], false),
    (50, [3, 4, 6, 3], true),
    (101, [3, 4, 23, 3], true),
    (152, [3, 8, 36, 3], true),
];

/// The stages with their names, which are those of torchvision's modules where it has one for them.
pub(super) fn stages(spec: &Resnet, place: &Place, errors: &mut Errors) -> Option<Vec<(String, Layer)>> {
    let Some((_, blocks, bottleneck)) = ARCHITECTURES.iter().find(|(depth, ..)| *depth == spec.depth) else {
        errors
            .error(&place.key("resnet").key("depth"), format!("there is no ResNet of depth {}", spec.depth))
            .help("write 18, 34, 50, 101 or 152");
        return None;
    };
    let square = |side: u64| Extent([side, side]);
    let stem = Layer::Conv(Conv {
        channels: 64,
        kernel: square(7),
        stride: square(2),
        padding: square(3),
        norm: Norm::Batch,
        activation: Activation::Relu,
    });
    let pool = Layer::MaxPool(Pool { kernel: square(3), stride: square(2), padding: square(1) });
    let mut stages = vec![("stem".to_owned(), stem), ("pool".to_owned(), pool)];
    for (stage, blocks) in (1..).zip(*blocks) {
        let width = 32 << stage;
        let stride = if stage == 1 { 1 } else { 2 };
        let residual = if *bottleneck {
            Residual { channels: 4 * width, blocks, stride, bottleneck: Some(width) }
        } else {
            Residual { channels: width, blocks, stride, bottleneck: None }
        };
        stages.push((format!("layer{stage}"), Layer::Residual(residual)));
    }
    stages.push(("feature".to_owned(), Layer::GlobalAveragePool));
    Some(stages)
}
