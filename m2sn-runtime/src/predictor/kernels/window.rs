//! Windows that move over an image: how many places they have, and what lies under them.

use std::ops::Range;

/// A window in one direction.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    /// The size of what it moves over.
    size: usize,
    kernel: usize,
    stride: usize,
    padding: usize,
    /// How many places it has.
    pub(super) count: usize,
}

impl Window {
    /// # Errors
    /// Why the window cannot be.
    pub(super) fn new(size: usize, kernel: usize, stride: usize, padding: usize) -> Result<Self, String> {
        let padded = padding.checked_mul(2).and_then(|padding| padding.checked_add(size));
        let count = match padded.and_then(|padded| padded.checked_sub(kernel)) {
            Some(way) if kernel > 0 && stride > 0 => way / stride + 1,
            _ => {
                return Err(format!(
                    "no window of {kernel} at steps of {stride} fits {size} with a padding of {padding}"
                ));
            }
        };
        Ok(Self { size, kernel, stride, padding, count })
    }

    /// As many squares of two outputs as a kernel of three at steps of one needs, each from four inputs; the last may be
    /// cut off.
    pub(super) fn squares(size: usize, padding: usize) -> Self {
        Self { size, kernel: 4, stride: 2, padding, count: (size + 2 * padding - 2).div_ceil(2) }
    }

    /// In both directions.
    pub(super) fn both(
        sizes: [usize; 2],
        kernel: [usize; 2],
        stride: [usize; 2],
        padding: [usize; 2],
    ) -> Result<[Self; 2], String> {
        let window = |i: usize| Self::new(sizes[i], kernel[i], stride[i], padding[i]);
        Ok([window(0)?, window(1)?])
    }

    /// What a tap of the kernel meets, if it is no padding.
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
