//! Images plane by plane, with a border of zeros, split so that neighbours lie side by side.

/// Where an image's numbers lie in planes: each channel has one, or four if windows go on by two.
///
/// Of four, each has every other row, and of those every other column: what the same tap of neighbouring windows meets
/// lies side by side there too. As nothing is between the rows, a window's place is a number that is added to
/// where the taps of the first window lie, and vectors of places need not end with the rows.
#[derive(Debug)]
pub(super) struct Planes {
    /// Channels, rows and columns of the image.
    image: [usize; 3],
    padding: [usize; 2],
    step: usize,
    /// Rows and columns of a plane; what no window meets is left out.
    pub(super) size: [usize; 2],
}

impl Planes {
    pub(super) fn new(image: [usize; 3], padding: [usize; 2], step: usize, size: [usize; 2]) -> Self {
        Self { image, padding, step, size }
    }

    /// Floats of all planes.
    pub(super) fn len(&self) -> usize {
        self.image[0] * self.step * self.step * self.size[0] * self.size[1]
    }

    /// Where a number lies, by its row and column in the image with its border.
    pub(super) fn at(&self, channel: usize, row: usize, column: usize) -> usize {
        let Self { step, size, .. } = self;
        let plane = (channel * step + row % step) * step + column % step;
        (plane * size[0] + row / step) * size[1] + column / step
    }

    /// Brings the places of a sample into planes, in which the zeros of the border must be already.
    #[inline(always)]
    pub(super) fn fill(&self, places: &[f32], planes: &mut [f32]) {
        let Self { image: [channels, rows, columns], padding, step, size } = *self;
        for row in 0..rows.min((size[0] * step).saturating_sub(padding[0])) {
            let places = &places[row * columns * channels..][..columns * channels];
            for first in 0..step.min(columns) {
                let count = (columns - first).div_ceil(step);
                let count = count.min(size[1].saturating_sub((first + padding[1]) / step));
                for channel in 0..channels {
                    let start = self.at(channel, row + padding[0], first + padding[1]);
                    let (from, to) = (&places[first * channels + channel..], &mut planes[start..][..count]);
                    match step * channels {
                        // Of a distance that is known the compiler makes shuffles.
                        2 => copy_every::<2>(2, from, to),
                        distance => copy_every::<0>(distance, from, to),
                    }
                }
            }
        }
    }
}

/// Copies one of each so many numbers, for as many as there is room; `KNOWN` is how many those are, or zero.
#[inline(always)]
fn copy_every<const KNOWN: usize>(distance: usize, from: &[f32], to: &mut [f32]) {
    let distance = if KNOWN > 0 { KNOWN } else { distance };
    let from = &from[..(to.len().max(1) - 1) * distance + 1];
    for i in 0..to.len() {
        to[i] = from[i * distance];
    }
}
