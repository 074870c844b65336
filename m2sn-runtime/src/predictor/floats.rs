//! Tensors on the processor as slices of numbers.

use tch::{Device, Kind, Tensor};

/// The numbers of a contiguous tensor of `f32`.
///
/// # Panics
/// Where it is none.
#[expect(unsafe_code, reason = "`tch` lends no slices")]
pub(super) fn of(tensor: &Tensor) -> &[f32] {
    assert_plain(tensor);
    // SAFETY: the tensor holds so many `f32` side by side from there on, which stay as they are while it is lent: nothing
    // in this room writes to a tensor after it was made.
    unsafe { std::slice::from_raw_parts(tensor.data_ptr().cast(), tensor.numel()) }
}

/// A tensor of this size, whose numbers `write` sets, all of them.
#[expect(unsafe_code, reason = "`tch` lends no slices")]
pub(super) fn filled(size: &[i64], write: impl FnOnce(&mut [f32])) -> Tensor {
    let tensor = Tensor::empty(size, (Kind::Float, Device::Cpu));
    assert_plain(&tensor);
    // SAFETY: as above, and nobody else has the tensor yet.
    write(unsafe { std::slice::from_raw_parts_mut(tensor.data_ptr().cast(), tensor.numel()) });
    tensor
}

fn assert_plain(tensor: &Tensor) {
    let is_plain = tensor.kind() == Kind::Float && tensor.device() == Device::Cpu && tensor.is_contiguous();
    assert!(is_plain, "{tensor:?} does not lie in memory as a slice of f32");
}
