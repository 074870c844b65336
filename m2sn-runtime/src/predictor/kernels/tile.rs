//! The innermost loop of all products: some rows times some panels of weights, all sums in registers.

#![expect(unsafe_code, reason = "a check of bounds before each multiplication would cost more than the multiplication")]

use super::lanes::Lanes;

/// How many rows are taken at once at most. With more there is a lack of registers for where they lie.
pub(super) const ROWS: usize = 12;

/// The sums of `M` rows and `N` panels.
pub(super) type Sums<L, const N: usize, const M: usize> = [[L; N]; M];

/// The sums and rows times panels. A panel holds a vector of weights for each number of a row.
#[inline(always)]
pub(super) fn multiply<L: Lanes, const N: usize, const M: usize>(
    mut sums: Sums<L, N, M>,
    rows: [&[f32]; M],
    panels: [&[f32]; N],
) -> Sums<L, N, M> {
    let len = panels[0].len() / L::WIDTH;
    assert!(rows.iter().all(|row| row.len() >= len) && panels.iter().all(|panel| panel.len() >= len * L::WIDTH));
    for i in 0..len {
        let mut weights = [L::splat(0.0); N];
        for n in 0..N {
            // SAFETY: every panel holds at least `len` vectors.
            weights[n] = L::load(unsafe { panels[n].get_unchecked(i * L::WIDTH..(i + 1) * L::WIDTH) });
        }
        for m in 0..M {
            // SAFETY: every row holds at least `len` numbers.
            let value = L::splat(unsafe { *rows[m].get_unchecked(i) });
            for n in 0..N {
                sums[m][n] = value.mul_add(weights[n], sums[m][n]);
            }
        }
    }
    sums
}

/// Calls a method for a number of rows, at most [`ROWS`] and no more than there are registers for their sums.
macro_rules! for_rows {
    ($rows:expr, $run:ident . $method:ident :: <$lanes:ident, $panels:tt> $arguments:tt) => {
        for_rows!(
            @ $rows, $run.$method::<$lanes, $panels> $arguments,
            1 2 3 4 5 6 7 8 9 10 11 12
        )
    };
    (@ $rows:expr, $run:ident . $method:ident :: <$lanes:ident, $panels:tt> $arguments:tt, $($count:literal)*) => {
        match $rows {
            $($count if $count * $panels <= $lanes::SUMS => $run.$method::<$lanes, $panels, $count> $arguments,)*
            rows => unreachable!("{rows} rows of {} panels are more than there are registers", $panels),
        }
    };
}

pub(super) use for_rows;
