//! The device that a model lives on, and the loading of LibTorch's CUDA half.

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

use tch::Cuda;

use crate::{Error, Result};

/// The device that a model and its tensors live on.
///
/// Ask for it before anything else: programs are linked to LibTorch's CPU half alone,
/// and the CUDA half must be loaded before the first use of the library.
///
/// ```
/// use m2sn_runtime::Device;
///
/// let device: Device = "cpu".parse()?;
/// assert_eq!(device, Device::Cpu);
/// assert_eq!("cuda".parse::<Device>()?, Device::Cuda(0));
/// # Ok::<(), m2sn_runtime::Error>(())
/// ```
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
        Self::cuda(0).unwrap_or_else(|error| {
            tracing::debug!("{error}; the processor is used");
            Self::Cpu
        })
    }

    /// The CUDA device of this index.
    ///
    /// # Errors
    /// As [`Device::check`].
    pub fn cuda(index: usize) -> Result<Self> {
        let device = Self::Cuda(index);
        device.check()?;
        Ok(device)
    }

    /// Checks that tensors can live on this device.
    ///
    /// # Errors
    /// [`Error::Invalid`] says whether the CUDA half, a CUDA device at all or this one is missing, and what to do.
    pub fn check(self) -> Result<()> {
        let Self::Cuda(index) = self else { return Ok(()) };
        let fault = match cuda_half() {
            Err(fault) => format!(
                "LibTorch's CUDA half could not be loaded ({fault}); build with `M2SN_TORCH=cuda`, \
                 or let `LD_LIBRARY_PATH` name the folder `torch/lib` of a PyTorch 2.11.0 with CUDA"
            ),
            Ok(()) if !tch::utils::has_cudart() => "LibTorch was used before its CUDA half was loaded; \
                 ask for the device before anything else"
                .to_owned(),
            Ok(()) => match Cuda::device_count() {
                ..1 => "there is no CUDA device; see what `nvidia-smi` says".to_owned(),
                1 if index != 0 => "there is one CUDA device, expected index 0".to_owned(),
                count if index >= count as usize => {
                    format!("there are {count} CUDA devices, expected an index from 0 to {}", count - 1)
                }
                _ => return Ok(()),
            },
        };
        Err(Error::invalid(format!("device `{self}`: {fault}")))
    }
}

impl From<Device> for tch::Device {
    fn from(device: Device) -> Self {
        match device {
            Device::Cpu => Self::Cpu,
            Device::Cuda(index) => {
                // For those who write `Device::Cuda(0)` without a check: what fails later says why.
                let _ = cuda_half();
                Self::Cuda(index)
            }
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

impl FromStr for Device {
    type Err = Error;

    /// Reads `cpu`, `cuda` or `cuda:<index>`; whether there is such a device, [`Device::check`] tells.
    fn from_str(text: &str) -> Result<Self> {
        let device = match text {
            "cpu" => Some(Self::Cpu),
            "cuda" => Some(Self::Cuda(0)),
            _ => text.strip_prefix("cuda:").and_then(|index| index.parse().ok()).map(Self::Cuda),
        };
        device.ok_or_else(|| {
            Error::invalid(format!("device `{text}`: expected `cpu`, `cuda` or an index as in `cuda:1`"))
        })
    }
}

/// Loads LibTorch's CUDA half, once; tells why where it cannot be had.
///
/// Linkers drop it from programs, because nothing in them names it: it registers itself when it is loaded.
/// So the same program serves machines with and without CUDA.
fn cuda_half() -> std::result::Result<(), &'static str> {
    static LOADED: OnceLock<std::result::Result<(), String>> = OnceLock::new();
    LOADED.get_or_init(system::load_cuda_half).as_ref().copied().map_err(String::as_str)
}

#[cfg(target_os = "linux")]
mod system {
    use std::error::Error;
    use std::fs;
    use std::path::{Path, PathBuf};

    use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};

    #[expect(
        unsafe_code,
        reason = "a library's initialisers run when it is loaded; those of LibTorch are made for that"
    )]
    pub(super) fn load_cuda_half() -> Result<(), String> {
        const NAME: &str = "libtorch_cuda.so";
        // Only the two halves of the same LibTorch fit together.
        let path = torch_folder().map_or_else(|| PathBuf::from(NAME), |folder| folder.join(NAME));
        // SAFETY: this is the library that PyTorch itself loads in this way, and it is never unloaded.
        let library = unsafe { Library::open(Some(&path), RTLD_NOW | RTLD_GLOBAL) }
            .map_err(|error| error.source().map_or_else(|| error.to_string(), ToString::to_string))?;
        std::mem::forget(library);
        tracing::debug!("loaded {}", path.display());
        Ok(())
    }

    /// The folder that this process has LibTorch's CPU half from.
    fn torch_folder() -> Option<PathBuf> {
        let maps = fs::read_to_string("/proc/self/maps").ok()?;
        let mut files = maps.lines().filter_map(|line| line.find('/').map(|start| Path::new(&line[start..])));
        let library = files.find(|path| path.ends_with("libtorch_cpu.so"))?;
        library.parent().map(Path::to_owned)
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    pub(super) fn load_cuda_half() -> Result<(), String> {
        Err("PyTorch's packages for this operating system have none".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_read_as_they_are_written() {
        for device in [Device::Cpu, Device::Cuda(0), Device::Cuda(11)] {
            assert_eq!(device.to_string().parse::<Device>().expect("a device"), device);
        }
        for text in ["", "gpu", "CPU", "cuda:", "cuda:-1", "cuda:x", "cuda1", "cuda:99999999999999999999"] {
            let error = text.parse::<Device>().expect_err(text).to_string();
            assert_eq!(error, format!("device `{text}`: expected `cpu`, `cuda` or an index as in `cuda:1`"));
        }
    }

    #[test]
    fn a_device_that_is_not_there_is_an_error_that_names_it() {
        let error = Device::cuda(1000).expect_err("no machine has so many").to_string();
        assert!(error.starts_with("device `cuda:1000`: "), "{error}");
        assert!(Device::Cpu.check().is_ok());
    }

    #[test]
    fn the_device_that_is_found_can_be_used() {
        let device = Device::cuda_if_available();
        device.check().expect("a device that can be used");
        let tensor = tch::Tensor::ones([3], (tch::Kind::Float, device.into()));
        assert_eq!(tensor.sum(tch::Kind::Float).double_value(&[]), 3.0);
    }
}
