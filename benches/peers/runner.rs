//! The ways to run a network.

use clap::ValueEnum;
use serde::Serialize;

/// A way to run a network.
///
/// A new one is a variant here, and an arm in `ours.rs` where it is one of `m2sn`, else an entry in `worker.py`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Runner {
    /// m2sn as it trains: the eager operators of LibTorch through `tch`
    Tch,
    /// The same, each sample by a route of its own, drawn evenly from all
    TchRouted,
    /// m2sn's predictor
    M2sn,
    /// m2sn's predictor in bf16
    M2snBf16,
    /// m2sn's predictor in bf16 and 8-bit integers
    M2snMixed,
    /// m2sn's predictor, by the routes of `tch-routed`
    M2snRouted,
    /// PyTorch, eager
    Pytorch,
    /// TorchScript, frozen and optimised for inference
    Torchscript,
    /// `torch.compile`: inductor with freezing, called through its C++ wrapper
    Inductor,
    /// ONNX Runtime
    Onnxruntime,
    /// OpenVINO
    Openvino,
    /// OpenVINO in bf16
    OpenvinoBf16,
}

/// The largest difference of logits, by their largest value, that rounding explains in f32.
const F32: f64 = 1e-4;
/// The same in bf16, whose numbers have eight bits, and in 8-bit integers.
const BF16: f64 = 5e-2;

impl Runner {
    pub(crate) const ALL: &[Self] = &[
        Self::Tch,
        Self::TchRouted,
        Self::M2sn,
        Self::M2snBf16,
        Self::M2snMixed,
        Self::M2snRouted,
        Self::Pytorch,
        Self::Torchscript,
        Self::Inductor,
        Self::Onnxruntime,
        Self::Openvino,
        Self::OpenvinoBf16,
    ];

    /// What the times of all are compared with.
    pub(crate) const REFERENCE: Self = Self::Tch;

    /// The name on the command line, in tables and in files.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tch => "tch",
            Self::TchRouted => "tch-routed",
            Self::M2sn => "m2sn",
            Self::M2snBf16 => "m2sn-bf16",
            Self::M2snMixed => "m2sn-mixed",
            Self::M2snRouted => "m2sn-routed",
            Self::Pytorch => "pytorch",
            Self::Torchscript => "torchscript",
            Self::Inductor => "inductor",
            Self::Onnxruntime => "onnxruntime",
            Self::Openvino => "openvino",
            Self::OpenvinoBf16 => "openvino-bf16",
        }
    }

    /// Whether `worker.py` runs it, and not this program.
    pub(crate) fn is_python(self) -> bool {
        match self {
            Self::Tch | Self::TchRouted | Self::M2sn | Self::M2snBf16 | Self::M2snMixed | Self::M2snRouted => false,
            Self::Pytorch
            | Self::Torchscript
            | Self::Inductor
            | Self::Onnxruntime
            | Self::Openvino
            | Self::OpenvinoBf16 => true,
        }
    }

    /// Whose logits its own are to be.
    pub(crate) fn model(self) -> Self {
        match self {
            Self::TchRouted | Self::M2snRouted => Self::TchRouted,
            _ => Self::Tch,
        }
    }

    /// How far its logits may be from those.
    pub(crate) fn tolerance(self) -> f64 {
        match self {
            Self::M2snBf16 | Self::M2snMixed | Self::OpenvinoBf16 => BF16,
            _ => F32,
        }
    }

    /// Whether calls differ in what they compute, so that a turn tells by its mean and not by its median.
    pub(crate) fn varies(self) -> bool {
        self.model() == Self::TchRouted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runner_has_one_name_everywhere() {
        assert_eq!(Runner::ALL, Runner::value_variants());
        for runner in Runner::ALL {
            assert_eq!(runner.to_possible_value().unwrap().get_name(), runner.name());
            assert_eq!(serde_json::to_value(runner).unwrap(), runner.name());
        }
    }
}
