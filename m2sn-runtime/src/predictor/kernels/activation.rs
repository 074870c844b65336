//! Activations, number by number.

use super::lanes::{Lanes, Level, Work};
use crate::nn::Activation;

impl Activation {
    /// Puts the function's values in the place of the numbers. What is not a number stays none.
    pub(super) fn run(self, level: Level, values: &mut [f32]) {
        level.run(Run { activation: self, values });
    }

    #[inline(always)]
    fn of<L: Lanes>(self, x: L) -> L {
        let (half, one) = (L::splat(0.5), L::splat(1.0));
        match self {
            Self::Relu => x.at_least(L::splat(0.0)),
            Self::Gelu => {
                let half_x = x.mul(half);
                half_x.mul_add(erf(x.mul(L::splat(std::f32::consts::FRAC_1_SQRT_2))), half_x)
            }
            Self::Silu => x.div(one.add(exp(L::splat(0.0).sub(x)))),
            Self::Tanh => tanh(x),
            Self::Sigmoid => one.div(one.add(exp(L::splat(0.0).sub(x)))),
        }
    }
}

struct Run<'a> {
    activation: Activation,
    values: &'a mut [f32],
}

impl Work for Run<'_> {
    #[inline(always)]
    fn run<L: Lanes>(self) {
        let mut vectors = self.values.chunks_exact_mut(L::WIDTH);
        for vector in &mut vectors {
            self.activation.of(L::load(vector)).store(vector);
        }
        let rest = vectors.into_remainder();
        self.activation.of(L::load_some(rest)).store_some(rest);
    }
}

/// `eˣ` as `2ⁿ · eʳ` with `n` whole and `|r| ≤ ln 2 / 2`; the polynomial is that of Cephes' `expf`.
#[inline(always)]
fn exp<L: Lanes>(x: L) -> L {
    // Added and taken away again, it leaves a whole number: there is no room for a fraction beside it.
    let rounding = L::splat(1.5 * (1 << 23) as f32);
    let x = x.at_least(L::splat(-87.3)).at_most(L::splat(88.3));
    let n = x.mul_add(L::splat(std::f32::consts::LOG2_E), rounding).sub(rounding);
    // ln 2 in two parts, the first of which times n is exact.
    let r = n.mul_add(L::splat(2.121_944_4e-4), n.mul_add(L::splat(-355.0 / 512.0), x));
    let series = polynomial(r, [1.987_569_2e-4, 1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5]);
    let series = series.mul_add(r.mul(r), r.add(L::splat(1.0)));
    series.mul(n.power_of_two())
}

/// The hyperbolic tangent as a quotient of polynomials, which Eigen and XLA use too.
#[inline(always)]
fn tanh<L: Lanes>(x: L) -> L {
    odd(
        x.at_least(L::splat(-7.905_311)).at_most(L::splat(7.905_311)),
        [-2.760_768_5e-16, 2.000_188e-13, -8.604_672e-11, 5.122_297e-8, 1.485_722_4e-5, 6.372_619e-4, 4.893_524_6e-3],
        [1.198_258_4e-6, 1.185_347_1e-4, 2.268_434_6e-3, 4.893_525e-3],
    )
}

/// The error function as a quotient of polynomials, which Eigen and XLA use too.
#[inline(always)]
fn erf<L: Lanes>(x: L) -> L {
    odd(
        x.at_least(L::splat(-4.0)).at_most(L::splat(4.0)),
        [
            -2.726_142_3e-10,
            2.770_681_4e-8,
            -2.101_024e-6,
            -5.692_506_5e-5,
            -7.349_906e-4,
            -2.954_598e-3,
            -1.609_603_3e-2,
        ],
        [-1.456_607_2e-5, -2.133_740_5e-4, -1.682_827e-3, -7.373_329e-3, -1.426_474e-2],
    )
}

/// `x · p(x²) / q(x²)`.
#[inline(always)]
fn odd<L: Lanes, const P: usize, const Q: usize>(x: L, p: [f32; P], q: [f32; Q]) -> L {
    let square = x.mul(x);
    x.mul(polynomial(square, p)).div(polynomial(square, q))
}

/// A polynomial by its coefficients, that of the highest power first.
#[inline(always)]
fn polynomial<L: Lanes, const N: usize>(x: L, coefficients: [f32; N]) -> L {
    let mut sum = L::splat(0.0);
    for coefficient in coefficients {
        sum = sum.mul_add(x, L::splat(coefficient));
    }
    sum
}
