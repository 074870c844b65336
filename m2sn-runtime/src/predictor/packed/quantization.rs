//! Weights in 8-bit integers.

use tch::{Device, Kind, Tensor};

use crate::Result;

/// The weight in steps of a row's own size, such that its largest value takes 127 of them.
pub(super) fn by_rows(weight: &Tensor) -> Result<Tensor> {
    // Rows of nothing but zeros, and of next to nothing, take a step that can be divided by.
    const SMALLEST: f64 = 1e-12;
    let largest = weight.f_abs()?.f_amax([1], false)?;
    let steps = (largest.f_to_kind(Kind::Double)? / 127.0).f_clamp_min(SMALLEST)?;
    let zeros = Tensor::f_zeros([weight.size()[0]], (Kind::Int64, Device::Cpu))?;
    Ok(weight.f_quantize_per_channel(&steps, &zeros, 0, Kind::QInt8)?)
}

/// Whether inputs must do with 7 bits.
///
/// Processors without the instructions that sum four products of bytes sum two of them in 16 bits, which 8-bit inputs
/// can exceed.
pub(super) fn reduce_range() -> bool {
    #[cfg(target_arch = "x86_64")]
    let short = !std::arch::is_x86_feature_detected!("avx512vnni");
    #[cfg(not(target_arch = "x86_64"))]
    let short = false;
    short
}
