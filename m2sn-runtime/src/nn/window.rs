//! Windows that slide over an image.

/// A window of `kernel` pixels that moves by `stride` over an image with `padding` pixels added on every side.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    pub(crate) kernel: [i64; 2],
    pub(crate) stride: [i64; 2],
    pub(crate) padding: [i64; 2],
}

impl Window {
    /// How many places the window has along height and width of an image of this `size`.
    pub(crate) fn places(&self, size: [i64; 2]) -> [i64; 2] {
        let along = |i: usize| (size[i] + 2 * self.padding[i] - self.kernel[i]) / self.stride[i] + 1;
        [along(0), along(1)]
    }

    /// Asserts, in debug builds, that `layer` leads from images of size `from` to images of size `to`.
    pub(super) fn connects(&self, layer: &str, from: [i64; 2], to: [i64; 2]) {
        let found = self.places(from);
        debug_assert!(found == to, "{layer}: {self:?} leads from {from:?} to {found:?}, but its type says {to:?}");
    }
}
