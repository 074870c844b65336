//! The shape of what goes through a network.

use std::fmt;

/// The shape of one sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Image {
        channels: u64,
        height: u64,
        width: u64,
    },
    Video {
        frames: u64,
        channels: u64,
        height: u64,
        width: u64,
    },
    /// An image before `normalize` makes it floats.
    ByteImage {
        channels: u64,
        height: u64,
        width: u64,
    },
    /// A video before `normalize` makes it floats.
    ByteVideo {
        frames: u64,
        channels: u64,
        height: u64,
        width: u64,
    },
    /// Sound, of so many samples a second.
    Waveform {
        samples: u64,
        rate: u64,
    },
    Vector {
        size: u64,
    },
    Tokens {
        length: u64,
    },
    Sequence {
        length: u64,
        features: u64,
    },
}

impl Shape {
    /// The dimensions without the batch.
    pub(crate) fn dims(self) -> Vec<u64> {
        match self {
            Self::Image { channels, height, width } | Self::ByteImage { channels, height, width } => {
                vec![channels, height, width]
            }
            Self::Video { frames, channels, height, width } | Self::ByteVideo { frames, channels, height, width } => {
                vec![frames, channels, height, width]
            }
            Self::Waveform { samples, .. } => vec![samples],
            Self::Vector { size } => vec![size],
            Self::Tokens { length } => vec![length],
            Self::Sequence { length, features } => vec![length, features],
        }
    }
}

impl Shape {
    /// The same in floats, where it is in bytes.
    pub(crate) fn in_floats(self) -> Self {
        match self {
            Self::ByteImage { channels, height, width } => Self::Image { channels, height, width },
            Self::ByteVideo { frames, channels, height, width } => Self::Video { frames, channels, height, width },
            floats => floats,
        }
    }

    /// Whether it is in bytes, which only `normalize` takes.
    pub(crate) fn is_bytes(self) -> bool {
        self.in_floats() != self
    }

    /// Whether it is a feature: what dropout is for, and what shortcuts lead from.
    pub(crate) fn is_feature(self) -> bool {
        !matches!(self, Self::Tokens { .. } | Self::Waveform { .. }) && !self.is_bytes()
    }

    /// The numbers of its type in Rust: the dimensions, and what else tells it from others.
    pub(crate) fn arguments(self) -> Vec<u64> {
        match self {
            Self::Waveform { samples, rate } => vec![samples, rate],
            other => other.dims(),
        }
    }
}

impl fmt::Display for Shape {
    /// The Rust type, such as `Image<16, 28, 28>`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_bytes() {
            return write!(f, "Bytes<{}>", self.in_floats());
        }
        let name = match self {
            Self::Image { .. } | Self::ByteImage { .. } => "Image",
            Self::Video { .. } | Self::ByteVideo { .. } => "Video",
            Self::Waveform { .. } => "Waveform",
            Self::Vector { .. } => "Vector",
            Self::Tokens { .. } => "Tokens",
            Self::Sequence { .. } => "Sequence",
        };
        let arguments: Vec<_> = self.arguments().iter().map(u64::to_string).collect();
        write!(f, "{name}<{}>", arguments.join(", "))
    }
}
