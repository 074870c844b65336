//! Windows that move over an image: how many places they have, and what lies under them.

use std::ops::Range;

/// A window of an image; pairs are rows and columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    /// Its size.
    pub(crate) kernel: [usize; 2],
    /// Its step.
    pub(crate) stride: [usize; 2],
    /// What is added to the image on every side.
    pub(crate) padding: [usize; 2],
}

impl Window {
    /// The window over an image of such rows and columns, in both directions.
    ///
    /// # Errors
    /// Why the window cannot be.
    pub(super) fn over(self, size: [usize; 2]) -> Result<[Axis; 2], String> {
        let Self { kernel, stride, padding } = self;
        let axis = |i: usize| Axis::new(size[i], kernel[i], stride[i], padding[i]);
        Ok([axis(0)?, axis(1)?])
    }
}

/// A window in one direction.
#[derive(Debug, Clone, Copy)]
pub(super) struct Axis {
    /// The size of what it moves over.
    size: usize,
    kernel: usize,
    stride: usize,
    padding: usize,
    /// How many places it has.
    pub(super) count: usize,
}

impl Axis {
    fn new(size: usize, kernel: usize, stride: usize, padding: usize) -> Result<Self, String> {
        let padded = padding.checked_mul(2).and_then(|padding| padding.checked_add(size));
        match padded.and_then(|padded| padded.checked_sub(kernel)) {
            Some(way) if kernel > 0 && stride > 0 => {
                Ok(Self { size, kernel, stride, padding, count: way / stride + 1 })
            }
            _ => Err(format!("no window of {kernel} at steps of {stride} fits {size} with a padding of {padding}")),
        }
    }

    /// A window over as many inputs as a square of outputs depends on, instead of a window of three at steps of one.
    /// The last square may have outputs that do not exist.
    pub(super) fn squares(self) -> Self {
        Self { kernel: self.kernel + 1, stride: 2, count: self.count.div_ceil(2), ..self }
    }

    /// What a tap of the kernel meets at a place, if it is no padding.
    pub(super) fn tap(&self, place: usize, tap: usize) -> Option<usize> {
        (place * self.stride + tap).checked_sub(self.padding).filter(|at| *at < self.size)
    }

    /// What lies under the window at each of its places, without the padding.
    ///
    /// # Errors
    /// The padding is more than half the window, so that there might be nothing.
    pub(super) fn ranges(&self) -> Result<Vec<Range<usize>>, String> {
        let Self { size, kernel, stride, padding, count } = *self;
        if padding > kernel / 2 {
            return Err(format!("the padding of {padding} is more than half the window of {kernel}"));
        }
        let range = |start: usize| start.saturating_sub(padding)..(start + kernel - padding).min(size);
        Ok((0..count).map(|place| range(place * stride)).collect())
    }
}

/// The windows of a grid over so many, as PyTorch has them: they cover all, and overlap where they must.
pub(super) fn grid(size: usize, grid: usize) -> Vec<Range<usize>> {
    (0..grid).map(|place| place * size / grid..((place + 1) * size).div_ceil(grid)).collect()
}
