use super::{linear_cost, product};
use crate::cost::Cost;
use crate::shape::Shape;

/// A shortcut module (Section III-B of the paper).
#[derive(Debug)]
pub(crate) struct Shortcut {
    pub(crate) alignment: Alignment,
    pub(crate) input: Shape,
    /// The width of the deepest feature.
    pub(crate) feature: u64,
    pub(crate) cost: Cost,
}

/// How a shortcut brings a feature to the deepest one's dimension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Alignment {
    /// Average pooling to a grid and three 1x1 convolutions of these widths.
    Image { grid: [u64; 2], widths: [u64; 3] },
    /// The mean over the real frames, then as for an image.
    Video { grid: [u64; 2], widths: [u64; 3] },
    /// The mean over the real steps, and three 1x1 convolutions of these widths.
    Sequence { widths: [u64; 3] },
    /// Three 1x1 convolutions of these widths on a vector.
    Vector { widths: [u64; 3] },
    /// The dimensions match: for a sequence the mean over the real steps, for a vector nothing.
    None,
}

/// The shortcut from a feature to the deepest one (Section III-B): alignment, then a linear generator.
///
/// `None` for tokens, bytes and sound, which have no features yet. `grid` is the side of the grid that an image is pooled to.
pub(crate) fn align(input: Shape, feature: u64, grid: u64) -> Option<Shortcut> {
    // Bottlenecks of half the feature keep a shortcut cheap however wide the layer is that it leaves.
    let widths = |last: u64| [feature.div_ceil(2), feature.div_ceil(2), last];
    let (alignment, cost) = match input {
        Shape::Tokens { .. } | Shape::ByteImage { .. } | Shape::ByteVideo { .. } | Shape::Waveform { .. } => {
            return None;
        }
        Shape::Image { channels, height, width } | Shape::Video { channels, height, width, .. } => {
            let cells = [height, width].map(|side| grid.min(side));
            let area = product(&cells);
            let widths = widths(feature.div_ceil(4));
            let cost = convolutions(channels, widths, area) + linear_cost(product(&[widths[2], area]), feature, 1);
            let alignment = match input {
                Shape::Video { .. } => Alignment::Video { grid: cells, widths },
                _ => Alignment::Image { grid: cells, widths },
            };
            (alignment, cost)
        }
        Shape::Sequence { features: size, .. } | Shape::Vector { size } if size == feature => {
            (Alignment::None, linear_cost(feature, feature, 1))
        }
        Shape::Sequence { features: size, .. } | Shape::Vector { size } => {
            let widths = widths(feature);
            let cost = convolutions(size, widths, 1) + linear_cost(feature, feature, 1);
            let alignment = match input {
                Shape::Vector { .. } => Alignment::Vector { widths },
                _ => Alignment::Sequence { widths },
            };
            (alignment, cost)
        }
    };
    Some(Shortcut { alignment, input, feature, cost })
}

/// Three 1x1 convolutions, which are linear maps of each pixel.
fn convolutions(mut channels: u64, widths: [u64; 3], pixels: u64) -> Cost {
    let mut cost = Cost::default();
    for width in widths {
        cost = cost + linear_cost(channels, width, pixels);
        channels = width;
    }
    cost
}
