//! Weights in the forms that a layer has use for.

use std::sync::Once;

use tch::{Device, Kind, Tensor};

use super::shared::Shared;
use crate::{Error, Result};

/// The weights of a layer, packed as `P` where that can be and as they were where they are of use.
#[derive(Debug)]
pub(super) enum Weights<P> {
    Packed(P),
    /// For a layer that is sometimes so small that to call an operator on packed weights costs more than it saves.
    Both(P, Plain),
    Plain(Plain),
}

/// The form that serves a call best.
pub(super) enum Way<'a, P> {
    Packed(&'a P),
    Plain(&'a Plain),
}

/// Weight and bias in f32.
#[derive(Debug)]
pub(super) struct Plain {
    pub(super) weight: Shared,
    pub(super) bias: Shared,
}

impl<P> Weights<P> {
    /// What `pack` makes of weights on the processor; elsewhere, or where it fails, the weights alone.
    ///
    /// The first failure in a process is told as a warning: what follows is right and slow.
    ///
    /// # Errors
    /// Where the bias is not that of the weight, or LibTorch cannot read them.
    pub(super) fn new(
        [weight, bias]: [&Tensor; 2],
        sometimes_small: bool,
        pack: impl FnOnce() -> Result<P>,
    ) -> Result<Self> {
        // oneDNN's operators believe what they are told of a bias.
        let (rows, found) = (weight.size().first().copied(), bias.size());
        if found.as_slice() != rows.as_slice() {
            return Err(Error::Shape {
                what: "bias of a layer".into(),
                expected: format!("{:?}", rows.as_slice()),
                found: format!("{found:?}"),
            });
        }
        let packed = match weight.device() {
            Device::Cpu => pack(),
            device => Err(Error::invalid(format!("weights on {device:?} cannot be packed"))),
        };
        Ok(match packed.inspect_err(warn_once) {
            Ok(packed) if sometimes_small => Self::Both(packed, Plain::new(weight, bias)?),
            Ok(packed) => Self::Packed(packed),
            Err(_) => Self::Plain(Plain::new(weight, bias)?),
        })
    }

    pub(super) fn serving(&self, small: bool) -> Way<'_, P> {
        match self {
            Self::Both(_, plain) if small => Way::Plain(plain),
            Self::Packed(packed) | Self::Both(packed, _) => Way::Packed(packed),
            Self::Plain(plain) => Way::Plain(plain),
        }
    }

    /// The packed form for calls of any size, where there is one.
    #[cfg(test)]
    pub(super) fn never_small(self) -> Self {
        match self {
            Self::Both(packed, _) => Self::Packed(packed),
            other => other,
        }
    }

    /// The packed form, where there is one.
    pub(super) fn packed(&self) -> Option<&P> {
        match self {
            Self::Packed(packed) | Self::Both(packed, _) => Some(packed),
            Self::Plain(_) => None,
        }
    }
}

impl Plain {
    pub(super) fn new(weight: &Tensor, bias: &Tensor) -> Result<Self> {
        Ok(Self { weight: Shared::copy(weight, Kind::Float)?, bias: Shared::copy(bias, Kind::Float)? })
    }
}

fn warn_once(reason: &Error) {
    static WARNED: Once = Once::new();
    WARNED.call_once(|| tracing::warn!("layers run without packed weights, which is slower: {reason}"));
}

#[cfg(test)]
mod tests {
    use super::super::tests::random;
    use super::*;

    #[test]
    fn what_cannot_be_packed_stays_as_it_was() {
        let (weight, bias) = (random(&[3, 2]), random(&[3]));
        for sometimes_small in [false, true] {
            let weights: Weights<()> =
                Weights::new([&weight, &bias], sometimes_small, || Err(Error::invalid("no such operator")))
                    .expect("weights");
            assert!(weights.packed().is_none());
            let Way::Plain(plain) = weights.serving(false) else { panic!("packed, though it failed") };
            assert_eq!((&*plain.weight, &*plain.bias), (&weight, &bias));
        }
    }

    #[test]
    fn small_calls_are_served_by_what_was_kept_for_them() {
        let (weight, bias) = (random(&[3, 2]), random(&[3]));
        for sometimes_small in [false, true] {
            let weights = Weights::new([&weight, &bias], sometimes_small, || Ok(())).expect("weights");
            assert!(matches!(weights.serving(false), Way::Packed(())));
            assert_eq!(matches!(weights.serving(true), Way::Plain(_)), sometimes_small);
        }
    }
}
