//! What a latency table depends on.

use std::fs;

use serde::{Deserialize, Serialize};
use tch::Device;

use crate::network::Network;

/// The model and the device that latencies were measured with; they hold for no other.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// The model's name.
    pub model: String,
    /// One line a layer, as in [`crate::network::Description::architecture`].
    pub architecture: Vec<String>,
    /// `cpu`, or the name of the GPU.
    pub device: String,
    /// The name of the processor; it counts for a GPU as well, because it feeds it.
    pub processor: String,
    /// The threads that LibTorch uses within an operation.
    pub threads: i32,
    /// The operating system and the architecture, such as `linux x86_64`.
    pub system: String,
    /// The version of LibTorch.
    pub libtorch: String,
    /// Of a predictor its precision, and what runs each of its chains; empty for a network as it is trained.
    #[serde(default)]
    pub engines: Vec<String>,
}

impl Fingerprint {
    /// The fingerprint of a network on its device.
    pub fn of<N: Network>(network: &N) -> Self {
        let description = N::description();
        Self {
            model: description.name.into(),
            architecture: description.architecture.iter().map(|line| line.to_string()).collect(),
            device: match network.variables().device() {
                Device::Cuda(index) => cuda::name(index).unwrap_or_else(|| "unknown CUDA device".into()),
                Device::Cpu => "cpu".into(),
                other => format!("{other:?}"),
            },
            processor: processor(),
            threads: tch::get_num_threads(),
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            libtorch: libtorch::version().unwrap_or_else(|| "unknown".into()),
            engines: Vec::new(),
        }
    }

    /// What differs in `other`, one readable line each; none where the two are the same.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let mut differences: Vec<String> = [
            ("model", &self.model, &other.model),
            ("device", &self.device, &other.device),
            ("processor", &self.processor, &other.processor),
            ("threads", &self.threads.to_string(), &other.threads.to_string()),
            ("system", &self.system, &other.system),
            ("LibTorch", &self.libtorch, &other.libtorch),
            ("run by", &self.run_by(), &other.run_by()),
        ]
        .into_iter()
        .filter(|(_, own, other)| own != other)
        .map(|(what, own, other)| format!("{what}: {own} there, {other} here"))
        .collect();
        if self.architecture != other.architecture {
            let row = self.architecture.iter().zip(&other.architecture).take_while(|(own, other)| own == other).count();
            let line = |lines: &[String]| lines.get(row).map_or("nothing".into(), |line| format!("`{line}`"));
            differences.push(format!(
                "architecture, line {}: {} there, {} here",
                row + 1,
                line(&self.architecture),
                line(&other.architecture)
            ));
        }
        differences
    }
}

impl Fingerprint {
    fn run_by(&self) -> String {
        if self.engines.is_empty() { "the network".into() } else { format!("a predictor: {}", self.engines.join(", ")) }
    }
}

/// The name that Linux gives the processor; elsewhere, its architecture has to do.
fn processor() -> String {
    let name = fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("model name"))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    });
    name.unwrap_or_else(|| format!("unknown {} processor", std::env::consts::ARCH))
}

#[cfg(unix)]
mod libtorch {
    use libloading::os::unix::Library;

    /// The version of the LibTorch in this process, which `tch` does not tell.
    #[allow(unsafe_code, reason = "a symbol's type cannot be checked when it is looked up by name")]
    pub(super) fn version() -> Option<String> {
        // SAFETY: LibTorch's stable C interface declares `uint64_t aoti_torch_abi_version()`; it reads a constant.
        let version = unsafe {
            let function = Library::this().get::<unsafe extern "C" fn() -> u64>(b"aoti_torch_abi_version\0").ok()?;
            function()
        };
        // The three highest bytes are the major, the minor and the patch number.
        let [major, minor, patch, ..] = version.to_be_bytes();
        Some(format!("{major}.{minor}.{patch}"))
    }
}

#[cfg(not(unix))]
mod libtorch {
    pub(super) fn version() -> Option<String> {
        None
    }
}

mod cuda {
    use std::ffi::{CStr, c_char, c_int};

    use libloading::{Library, Symbol};

    /// The name of a GPU, such as `NVIDIA H100`, from the driver; LibTorch has initialised it by the time a model is there.
    #[allow(unsafe_code, reason = "the driver is reached through its C interface alone")]
    pub(super) fn name(index: usize) -> Option<String> {
        let library = if cfg!(windows) { "nvcuda.dll" } else { "libcuda.so.1" };
        let mut name = [0; 256];
        let index = c_int::try_from(index).ok()?;
        // SAFETY: the driver's interface declares `CUresult cuDeviceGetName(char *name, int len, CUdevice dev)`;
        // a device is the index as LibTorch counts it, and the name is written within `len` bytes.
        let status = unsafe {
            let driver = Library::new(library).ok()?;
            let function: Symbol<'_, unsafe extern "system" fn(*mut c_char, c_int, c_int) -> c_int> =
                driver.get(b"cuDeviceGetName\0").ok()?;
            function(name.as_mut_ptr(), name.len() as c_int, index)
        };
        let bytes = name.map(|byte| byte as u8);
        let name = CStr::from_bytes_until_nul(&bytes).ok()?.to_str().ok()?;
        (status == 0).then(|| name.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Device, tiny::Tiny};

    #[test]
    fn names_this_machine() {
        let fingerprint = Fingerprint::of(&Tiny::new(Device::Cpu).unwrap());
        assert_eq!(fingerprint.model, "Tiny");
        assert_eq!(fingerprint.device, "cpu");
        assert!(fingerprint.threads >= 1);
        if cfg!(target_os = "linux") {
            assert_eq!(fingerprint.libtorch.split('.').count(), 3, "{}", fingerprint.libtorch);
            assert!(fingerprint.libtorch.starts_with("2."), "{}", fingerprint.libtorch);
        }
        assert_eq!(fingerprint.differences(&fingerprint.clone()), Vec::<String>::new());
    }

    #[test]
    fn differences_name_both_sides() {
        let here = Fingerprint {
            threads: 2,
            architecture: vec!["stem: conv".into(), "stage1: residual".into()],
            ..Default::default()
        };
        let there = Fingerprint {
            threads: 8,
            architecture: vec!["stem: conv".into(), "stage1: residual, stride 2".into()],
            ..Default::default()
        };
        assert_eq!(
            there.differences(&here),
            [
                "threads: 8 there, 2 here",
                "architecture, line 2: `stage1: residual, stride 2` there, `stage1: residual` here"
            ]
        );
    }
}
