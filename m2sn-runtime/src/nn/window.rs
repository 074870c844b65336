//! Windows that slide over an image, or over the steps of a sequence.

use crate::shape::{Image, Sequence, Shape};

/// A window of `kernel` pixels that moves by `stride` over an image with `padding` pixels added on every side.
///
/// A sequence is an image of one column, as high as it has steps.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// Height and width.
    pub kernel: [i64; 2],
    /// Rows and columns from one place to the next.
    pub stride: [i64; 2],
    /// Rows above and below, columns on the left and on the right.
    pub padding: [i64; 2],
}

/// A shape that windows slide over.
#[diagnostic::on_unimplemented(message = "no window slides over a `{Self}`")]
pub trait Windowed: Shape {
    /// Height and width.
    const EXTENT: [i64; 2];
}

impl<const C: i64, const H: i64, const W: i64> Windowed for Image<C, H, W> {
    const EXTENT: [i64; 2] = [H, W];
}

impl<const T: i64, const F: i64> Windowed for Sequence<T, F> {
    const EXTENT: [i64; 2] = [T, 1];
}

impl Window {
    /// How many places the window has along height and width of an image of this `size`.
    pub(crate) fn places(&self, size: [i64; 2]) -> [i64; 2] {
        let along = |i: usize| (size[i] + 2 * self.padding[i] - self.kernel[i]) / self.stride[i] + 1;
        [along(0), along(1)]
    }

    /// Whether what is under the window is each place by itself.
    pub(crate) fn is_trivial(&self) -> bool {
        [self.kernel, self.stride, self.padding] == [[1, 1], [1, 1], [0, 0]]
    }

    /// Asserts, in debug builds, that `layer` leads from images of size `from` to images of size `to`.
    pub(super) fn connects(&self, layer: &str, from: [i64; 2], to: [i64; 2]) {
        let found = self.places(from);
        debug_assert!(found == to, "{layer}: {self:?} leads from {from:?} to {found:?}, but its type says {to:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_as_pytorch_counts_them() {
        let window = Window { kernel: [3, 2], stride: [2, 1], padding: [1, 0] };
        assert_eq!(window.places([7, 6]), [4, 5]);
        assert_eq!(window.places([8, 2]), [4, 1]);
    }

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "leads from [8, 8] to [4, 4], but its type says [3, 3]")]
    fn settings_that_contradict_the_types_are_named() {
        Window { kernel: [2, 2], stride: [2, 2], padding: [0, 0] }.connects("pooling", [8, 8], [3, 3]);
    }
}
