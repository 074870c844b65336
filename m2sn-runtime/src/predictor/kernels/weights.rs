//! Weights in the order in which products read them.

use super::lanes::Level;
use super::memory;

/// The weights and biases of a product, in panels of as many outputs as a vector has lanes:
/// `[panel][tap][input][lane]`.
///
/// The outputs of the last panel that do not exist have weights of zero.
#[derive(Debug)]
pub(super) struct Weights {
    floats: Vec<f32>,
    /// Where the first panel begins, so that no vector lies across two cache lines.
    start: usize,
    biases: Vec<f32>,
    width: usize,
    panels: usize,
    taps: usize,
    inputs: usize,
}

impl Weights {
    /// Packs weights for vectors of a level, as many outputs as there are biases; `weight` knows them by output, input
    /// and tap.
    pub(super) fn new(
        level: Level,
        [inputs, taps]: [usize; 2],
        bias: &[f32],
        weight: impl Fn(usize, usize, usize) -> f32,
    ) -> Self {
        let width = level.width();
        let panels = bias.len().div_ceil(width);
        let len = panels * width * inputs * taps;
        let mut floats = vec![0.0; len + memory::SLACK];
        let start = memory::aligned(&floats);
        for (at, float) in floats[start..][..len].iter_mut().enumerate() {
            let (row, lane) = (at / width, at % width);
            let (panel, tap, input) = (row / inputs / taps, row / inputs % taps, row % inputs);
            let output = panel * width + lane;
            if output < bias.len() {
                *float = weight(output, input, tap);
            }
        }
        let mut biases = bias.to_vec();
        biases.resize(panels * width, 0.0);
        Self { floats, start, biases, width, panels, taps, inputs }
    }

    /// How many there are, those that stand in for outputs that do not exist included.
    pub(super) fn len(&self) -> usize {
        self.panels * self.taps * self.inputs * self.width
    }

    pub(super) fn panels(&self) -> usize {
        self.panels
    }

    pub(super) fn taps(&self) -> usize {
        self.taps
    }

    pub(super) fn inputs(&self) -> usize {
        self.inputs
    }

    /// The weights of a panel, `[tap][input][lane]`.
    #[inline(always)]
    pub(super) fn panel(&self, panel: usize) -> &[f32] {
        let len = self.taps * self.inputs * self.width;
        &self.floats[self.start + panel * len..][..len]
    }

    /// The biases of a panel.
    #[inline(always)]
    pub(super) fn bias(&self, panel: usize) -> &[f32] {
        &self.biases[panel * self.width..][..self.width]
    }
}
