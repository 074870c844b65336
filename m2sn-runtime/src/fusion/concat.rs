//! The features side by side: a fusion by itself, and what all others take.

use tch::Tensor;

use crate::Batch;
use crate::shape::Vector;

/// The features side by side: `[batch, A]`, `[batch, B]`, … → `[batch, A + B + …]`.
///
/// That the widths add up is checked when the program is built (`cargo check` alone does not see it).
///
/// ```
/// use m2sn_runtime::{Batch, fusion, shape::Vector, tch::{Device, Kind, Tensor}};
///
/// let image: Batch<Vector<2>> = Tensor::ones([1, 2], (Kind::Float, Device::Cpu)).try_into()?;
/// let audio: Batch<Vector<3>> = Tensor::zeros([1, 3], (Kind::Float, Device::Cpu)).try_into()?;
/// let fused: Batch<Vector<5>> = fusion::concat((&image, &audio));
/// assert_eq!(fused.tensor(), &Tensor::from_slice2(&[[1f32, 1.0, 0.0, 0.0, 0.0]]));
/// # Ok::<(), m2sn_runtime::Error>(())
/// ```
pub fn concat<P: Parts, const C: i64>(parts: P) -> Batch<Vector<C>> {
    const { assert!(P::WIDTH == C, "the fused width is not the sum of the widths of its parts") };
    Batch::trusted(parts.join().into())
}

/// The features that [`concat()`] takes: tuples of 1 to 12 of `&Batch<Vector<_>>`.
pub trait Parts {
    /// The sum of the widths.
    const WIDTH: i64;

    /// The tensors side by side, `[batch, WIDTH]`.
    fn join(self) -> Tensor;
}

macro_rules! parts {
    ($(($($feature:ident: $width:ident),+);)+) => {$(
        impl<$(const $width: i64),+> Parts for ($(&Batch<Vector<$width>>,)+) {
            const WIDTH: i64 = 0 $(+ $width)+;

            fn join(self) -> Tensor {
                let ($($feature,)+) = self;
                Tensor::cat(&[$($feature.tensor()),+], 1)
            }
        }
    )+};
}

parts! {
    (a: A);
    (a: A, b: B);
    (a: A, b: B, c: C);
    (a: A, b: B, c: C, d: D);
    (a: A, b: B, c: C, d: D, e: E);
    (a: A, b: B, c: C, d: D, e: E, f: F);
    (a: A, b: B, c: C, d: D, e: E, f: F, g: G);
    (a: A, b: B, c: C, d: D, e: E, f: F, g: G, h: H);
    (a: A, b: B, c: C, d: D, e: E, f: F, g: G, h: H, i: I);
    (a: A, b: B, c: C, d: D, e: E, f: F, g: G, h: H, i: I, j: J);
    (a: A, b: B, c: C, d: D, e: E, f: F, g: G, h: H, i: I, j: J, k: K);
    (a: A, b: B, c: C, d: D, e: E, f: F, g: G, h: H, i: I, j: J, k: K, l: L);
}
