//! Products of rows with a matrix, where a row is gathered from places that lie apart: convolutions and linear maps.
//!
//! A convolution's output at a place is a sum over the taps of its kernel, of a row of input channels times a matrix of
//! weights. Where the input of each tap lies is found once, when the program is planned; padding is read from the place
//! of zeros. So nothing is copied, and a linear map is the case of one tap.

use std::array;
use std::ops::Range;

use super::finish::Finish;
use super::lanes::{Lanes, Level, Work};
use super::layout::{Source, Target};
use super::team::Team;
use super::tile::{ROWS, for_rows, multiply};
use super::weights::Weights;

/// So few rows have not sums enough to hide the latency of additions, unless more panels are taken at once.
const FEW_ROWS: usize = 3;

/// `relu(gathered input · weights + bias + add)`.
#[derive(Debug)]
pub(super) struct Product {
    weights: Weights,
    /// Where in a sample the input channels lie, of each place and tap.
    taps: Vec<u32>,
    /// How many places there are.
    places: usize,
    relu: bool,
}

impl Product {
    /// `taps` are those of each place, one place after the other.
    pub(super) fn new(weights: Weights, taps: Vec<u32>, relu: bool) -> Self {
        let places = taps.len() / weights.taps();
        Self { weights, taps, places, relu }
    }

    /// Computes all places of all samples.
    pub(super) fn run(
        &self,
        level: Level,
        input: Source<'_>,
        add: Option<Source<'_>>,
        mut output: Target<'_>,
        mut team: Team<'_>,
    ) {
        output.clear_zeros();
        let (layout, places) = (output.layout, self.places);
        let start = |row: usize| layout.place(row / places, row % places);
        team.share(input.count() * places, self.weights.len(), output, start, |rows, output, _| {
            level.run(Run { product: self, rows, input, finish: Finish::new(add, output, self.relu) });
        });
    }
}

struct Run<'a> {
    product: &'a Product,
    /// Of the places of all samples, those to be computed.
    rows: Range<usize>,
    input: Source<'a>,
    finish: Finish<'a>,
}

impl Work for Run<'_> {
    #[inline(always)]
    fn run<L: Lanes>(mut self) {
        let rows = self.rows.len();
        let panels = self.product.weights.panels();
        let mut panel = 0;
        while panel < panels {
            // Each number of a row is loaded once for all panels that are taken at once.
            panel += match panels - panel {
                4.. if rows <= FEW_ROWS => self.panels::<L, 4>(panel),
                2.. => self.panels::<L, 2>(panel),
                _ => self.panels::<L, 1>(panel),
            };
        }
    }
}

impl Run<'_> {
    /// All rows times `N` panels: how many that are.
    #[inline(always)]
    fn panels<L: Lanes, const N: usize>(&mut self, panel: usize) -> usize {
        let Range { start: mut first, end } = self.rows;
        let tiles = (end - first).div_ceil(ROWS.min(L::SUMS / N));
        for tile in 0..tiles {
            // As even as can be: a tile of few rows would wait for its own sums.
            let count = (end - first) / (tiles - tile);
            for_rows!(count, self.tile::<L, N>(panel, first));
            first += count;
        }
        N
    }

    /// `M` rows times `N` panels.
    #[inline(always)]
    fn tile<L: Lanes, const N: usize, const M: usize>(&mut self, panel: usize, first: usize) {
        let Product { weights, taps, places, .. } = self.product;
        let (count, inputs) = (weights.taps(), weights.inputs());
        let (mut sample, mut place) = (first / places, first % places);
        let mut rows = [(0, 0); M];
        for row in &mut rows {
            *row = (sample, place);
            place += 1;
            if place == *places {
                (sample, place) = (sample + 1, 0);
            }
        }

        let mut biases = [L::splat(0.0); N];
        for (n, bias) in biases.iter_mut().enumerate() {
            *bias = L::load(weights.bias(panel + n));
        }
        let mut sums = [biases; M];
        let panels: [&[f32]; N] = array::from_fn(|n| weights.panel(panel + n));
        for tap in 0..count {
            let mut values: [&[f32]; M] = [&[]; M];
            for (values, (sample, place)) in values.iter_mut().zip(&rows) {
                *values = self.input.some(*sample, taps[place * count + tap] as usize, inputs);
            }
            let panels = panels.map(|panel| &panel[tap * inputs * L::WIDTH..][..inputs * L::WIDTH]);
            sums = multiply(sums, values, panels);
        }
        // A copy, so that the sums themselves can stay in registers though these are asked for by number.
        let sums = sums;
        for (m, (sample, place)) in rows.iter().enumerate() {
            for (n, sum) in sums[m].iter().enumerate() {
                self.finish.write(*sum, *sample, *place, (panel + n) * L::WIDTH);
            }
        }
    }
}
