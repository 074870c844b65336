//! Doing without packed weights.

use std::sync::Once;

use tch::{Device, Tensor};

use crate::{Error, Result};

/// What `pack` makes of weights on the processor; elsewhere, or where it fails, nothing.
///
/// The first time in a process, a warning tells why: what follows is right and slow.
pub(super) fn unless_it_fails<T>(weight: &Tensor, pack: impl FnOnce() -> Result<T>) -> Option<T> {
    let packed = match weight.device() {
        Device::Cpu => pack(),
        device => Err(Error::invalid(format!("weights on {device:?} cannot be packed"))),
    };
    packed.inspect_err(warn_once).ok()
}

fn warn_once(reason: &Error) {
    static WARNED: Once = Once::new();
    WARNED.call_once(|| tracing::warn!("layers run without packed weights, which is slower: {reason}"));
}
