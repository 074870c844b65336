//! The device that a model lives on, and the loading of LibTorch's CUDA half.

use std::fmt;

/// The device that a model and its tensors live on.
///
/// Ask for it before anything else: programs are linked to LibTorch's CPU half alone,
/// and the CUDA half must be loaded before the first use of the library.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Device {
    /// The processor.
    Cpu,
    /// The CUDA device of this index.
    Cuda(usize),
}

impl Device {
    /// The first CUDA device where there is one and LibTorch's CUDA half is installed, else the processor.
    pub fn cuda_if_available() -> Self {
        // The CUDA half is loaded here by the set-up work still to come in this file.
        if tch::Cuda::is_available() { Self::Cuda(0) } else { Self::Cpu }
    }
}

impl From<Device> for tch::Device {
    fn from(device: Device) -> Self {
        match device {
            Device::Cpu => Self::Cpu,
            Device::Cuda(index) => Self::Cuda(index),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
        }
    }
}
