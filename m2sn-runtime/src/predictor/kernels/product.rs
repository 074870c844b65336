//! Products of rows with a matrix, where a row is gathered from places that lie apart: convolutions and linear maps.
//!
//! A convolution's output at a place is a sum over the taps of its kernel, of a row of input channels times a matrix of
//! weights. Where the input of each tap lies is found once, when the program is planned; padding is read from the place
//! of zeros. So nothing is copied (as by im2col), and a linear map is the case of one tap.

use std::array;

use super::lanes::{Lanes, Level, Work, load, store};
use super::layout::{Layout, Source, Target};
use super::tile::{for_rows, multiply};
use super::weights::Weights;

/// `relu(gathered input · weights + bias + add)`.
#[derive(Debug)]
pub(super) struct Product {
    weights: Weights,
    /// Where in a sample the input channels lie, of each place and tap.
    taps: Vec<u32>,
    relu: bool,
}

impl Product {
    pub(super) fn new(weights: Weights, taps: Vec<u32>, relu: bool) -> Self {
        Self { weights, taps, relu }
    }

    /// Computes all places of all samples.
    pub(super) fn run(&self, level: Level, input: Source<'_>, add: Option<Source<'_>>, output: Target<'_>) {
        level.run(Run { product: self, input, add, output });
    }
}

struct Run<'a> {
    product: &'a Product,
    input: Source<'a>,
    add: Option<Source<'a>>,
    output: Target<'a>,
}

impl Work for Run<'_> {
    #[inline(always)]
    fn run<L: Lanes>(mut self) {
        self.output.clear_zeros();
        let panels = self.product.weights.panels();
        let mut panel = 0;
        while panel < panels {
            if panels - panel >= 2 {
                self.panels::<L, 2>(panel);
                panel += 2;
            } else {
                self.panels::<L, 1>(panel);
                panel += 1;
            }
        }
    }
}

impl Run<'_> {
    /// All rows, times the weights of some panels.
    #[inline(always)]
    fn panels<L: Lanes, const N: usize>(&mut self, panel: usize) {
        let rows = self.input.count() * self.output.layout.places;
        let tiles = rows.div_ceil(L::SUMS / N);
        let mut row = 0;
        for tile in 0..tiles {
            // As even as can be: a tile of few rows would wait for its own sums.
            let rows = (rows - row) / (tiles - tile);
            for_rows!(rows, self.tile::<L, N>(panel, row));
            row += rows;
        }
    }

    /// `M` rows times the weights of `N` panels.
    #[inline(always)]
    fn tile<L: Lanes, const N: usize, const M: usize>(&mut self, panel: usize, row: usize) {
        let Product { weights, taps, relu } = self.product;
        let Layout { places, .. } = self.output.layout;
        let (inputs, count) = (weights.inputs(), weights.taps());

        let panels: [&[f32]; N] = array::from_fn(|n| weights.panel(panel + n));
        let mut next = (row / places, row % places);
        let rows: [(usize, usize); M] = array::from_fn(|_| {
            let (sample, place) = next;
            next = if place + 1 < places { (sample, place + 1) } else { (sample + 1, 0) };
            (sample, place)
        });
        let starts = rows.map(|(sample, place)| (sample * self.input.layout.sample, &taps[place * count..][..count]));
        let mut sums = [[L::splat(0.0); N]; M];
        for m in 0..M {
            for n in 0..N {
                sums[m][n] = L::load(weights.bias(panel + n));
            }
        }
        for tap in 0..count {
            let rows = starts.map(|(start, taps)| &self.input.data[start + taps[tap] as usize..][..inputs]);
            let panels = panels.map(|panel| &panel[tap * inputs * L::WIDTH..][..inputs * L::WIDTH]);
            sums = multiply(sums, rows, panels);
        }

        let floor = L::splat(if *relu { 0.0 } else { f32::NEG_INFINITY });
        let layout = self.output.layout;
        for ((sample, place), sums) in rows.into_iter().zip(sums) {
            for (n, mut sum) in sums.into_iter().enumerate() {
                let channel = (panel + n) * L::WIDTH;
                let some = (layout.channels - channel).min(L::WIDTH);
                if let Some(add) = self.add {
                    sum = sum.add(load(&add.data[add.layout.place(sample, place) + channel..][..some]));
                }
                store(sum.at_least(floor), &mut self.output.data[layout.place(sample, place) + channel..][..some]);
            }
        }
    }
}
