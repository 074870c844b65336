//! The shape of what goes through a network.

use std::fmt;

/// The shape of one sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Image { channels: u64, height: u64, width: u64 },
    Vector { size: u64 },
    Tokens { length: u64 },
    Sequence { length: u64, features: u64 },
}

impl Shape {
    /// The dimensions without the batch.
    pub(crate) fn dims(self) -> Vec<u64> {
        match self {
            Self::Image { channels, height, width } => vec![channels, height, width],
            Self::Vector { size } => vec![size],
            Self::Tokens { length } => vec![length],
            Self::Sequence { length, features } => vec![length, features],
        }
    }
}

impl fmt::Display for Shape {
    /// The Rust type, such as `Image<16, 28, 28>`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Image { .. } => "Image",
            Self::Vector { .. } => "Vector",
            Self::Tokens { .. } => "Tokens",
            Self::Sequence { .. } => "Sequence",
        };
        let dims: Vec<_> = self.dims().iter().map(u64::to_string).collect();
        write!(f, "{name}<{}>", dims.join(", "))
    }
}
