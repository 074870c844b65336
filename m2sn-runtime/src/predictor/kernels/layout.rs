//! How a value's numbers lie in memory, and the ways between its forms.

use super::Form;

/// The dimensions of one sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dims {
    /// Channels, rows and columns.
    Image([usize; 3]),
    /// Steps and features.
    Sequence([usize; 2]),
    Vector([usize; 1]),
}

impl Dims {
    /// # Errors
    /// What is wrong with them.
    pub(super) fn new(dims: &[usize]) -> Result<Self, String> {
        let new = match *dims {
            [channels, rows, columns] => Self::Image([channels, rows, columns]),
            [steps, features] => Self::Sequence([steps, features]),
            [width] => Self::Vector([width]),
            _ => return Err(format!("{dims:?} are the dimensions of no image, sequence or vector")),
        };
        // Offsets in a sample, its place of zeros included, are kept in 32 bits.
        let floats = dims.iter().try_fold(2_usize, |product, dim| product.checked_mul(*dim));
        match floats {
            Some(1..=0x7fff_ffff) => Ok(new),
            Some(0) => Err(format!("{dims:?} hold nothing")),
            _ => Err(format!("{dims:?} are too large")),
        }
    }

    pub(super) fn as_slice(&self) -> &[usize] {
        match self {
            Self::Image(dims) => dims,
            Self::Sequence(dims) => dims,
            Self::Vector(dims) => dims,
        }
    }

    /// How many places have all channels each.
    pub(super) fn places(self) -> usize {
        match self {
            Self::Image([_, rows, columns]) => rows * columns,
            Self::Sequence([steps, _]) => steps,
            Self::Vector(_) => 1,
        }
    }

    pub(super) fn channels(self) -> usize {
        match self {
            Self::Image([channels, ..]) => channels,
            Self::Sequence([_, features]) => features,
            Self::Vector([width]) => width,
        }
    }

    /// The same dims with so many channels.
    pub(super) fn with_channels(self, channels: usize) -> Result<Self, String> {
        match self {
            Self::Image([_, rows, columns]) => Self::new(&[channels, rows, columns]),
            Self::Sequence([steps, _]) => Self::new(&[steps, channels]),
            Self::Vector(_) => Self::new(&[channels]),
        }
    }
}

/// Where the numbers of samples lie in a slice: the channels of a place side by side, place after place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) places: usize,
    pub(super) channels: usize,
    /// Where a sample's first place begins; there are zeros before.
    pub(super) first: usize,
    /// How far samples are apart.
    pub(super) sample: usize,
}

impl Layout {
    pub(super) fn new(dims: Dims) -> Self {
        let (places, channels) = (dims.places(), dims.channels());
        let first = if let Dims::Image(_) = dims { channels } else { 0 };
        Self { places, channels, first, sample: first + places * channels }
    }

    /// Where a place of a sample begins.
    #[inline(always)]
    pub(super) fn place(self, sample: usize, place: usize) -> usize {
        sample * self.sample + self.first + place * self.channels
    }
}

/// Where the numbers of samples lie that are read.
#[derive(Debug, Clone, Copy)]
pub(super) enum Samples<'a> {
    /// One sample after the other.
    Together(&'a [f32]),
    /// Each somewhere else.
    Apart(&'a [&'a [f32]]),
}

/// Values of samples that are read.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) data: Samples<'a>,
    pub(super) layout: Layout,
}

impl<'a> Source<'a> {
    /// How many samples there are.
    pub(super) fn count(self) -> usize {
        match self.data {
            Samples::Together(data) => data.len() / self.layout.sample,
            Samples::Apart(data) => data.len(),
        }
    }

    /// So many numbers of a sample, from one on, counted from the zeros before its first place.
    #[inline(always)]
    pub(super) fn some(self, sample: usize, start: usize, count: usize) -> &'a [f32] {
        match self.data {
            Samples::Together(data) => {
                let start = sample * self.layout.sample + start;
                &data[start..start + count]
            }
            Samples::Apart(data) => &data[sample][start..start + count],
        }
    }

    /// The places of a sample.
    #[inline(always)]
    pub(super) fn sample(self, sample: usize) -> &'a [f32] {
        let Layout { places, channels, first, .. } = self.layout;
        self.some(sample, first, places * channels)
    }

    /// The places of each sample, one after the other.
    pub(super) fn samples(self) -> impl Iterator<Item = &'a [f32]> {
        (0..self.count()).map(move |sample| self.sample(sample))
    }
}

/// Values of samples that are written: all of them, or a stretch that one of several threads writes.
pub(super) struct Target<'a> {
    data: &'a mut [f32],
    pub(super) layout: Layout,
    /// Where among the values of all samples the data begin.
    offset: usize,
}

impl<'a> Target<'a> {
    /// The values of all samples.
    pub(super) fn new(data: &'a mut [f32], layout: Layout) -> Self {
        Self { data, layout, offset: 0 }
    }

    /// What lies before a float, counted from the first of all samples, and the rest.
    pub(super) fn split_at(self, at: usize) -> (Self, Self) {
        let Self { data, layout, offset } = self;
        let (before, rest) = data.split_at_mut(at - offset);
        (Self { data: before, layout, offset }, Self { data: rest, layout, offset: at })
    }

    /// Some channels, from one on, at a place of a sample.
    #[inline(always)]
    pub(super) fn channels(&mut self, sample: usize, place: usize, channel: usize, count: usize) -> &mut [f32] {
        let at = self.layout.place(sample, place) + channel - self.offset;
        &mut self.data[at..at + count]
    }
}

impl Target<'_> {
    /// The same, to be written once more.
    pub(super) fn again(&mut self) -> Target<'_> {
        Target { data: self.data, layout: self.layout, offset: self.offset }
    }

    /// Sets all numbers of all samples to zero.
    pub(super) fn clear(&mut self) {
        self.data.fill(0.0);
    }

    /// The places of each sample, one after the other.
    pub(super) fn samples(&mut self) -> impl Iterator<Item = &mut [f32]> {
        let Layout { first, sample, .. } = self.layout;
        self.data.chunks_exact_mut(sample).map(move |sample| &mut sample[first..])
    }

    /// Writes the zeros before the first place of each sample.
    pub(super) fn clear_zeros(&mut self) {
        let Layout { first, sample, .. } = self.layout;
        self.data.chunks_exact_mut(sample).for_each(|sample| sample[..first].fill(0.0));
    }
}

/// Floats of one sample.
pub(super) fn len(dims: Dims, form: Form) -> usize {
    match form {
        Form::Plain => dims.places() * dims.channels(),
        Form::Places => Layout::new(dims).sample,
    }
}

/// Brings channels side by side that lie plane by plane.
pub(super) fn gather(planes: &[f32], places: &mut [f32], channels: usize) {
    transpose(planes, places, channels);
}

/// Brings channels plane by plane that lie side by side.
pub(super) fn part(places: &[f32], planes: &mut [f32], channels: usize) {
    transpose(places, planes, places.len() / channels);
}

/// From `[rows, columns]` to `[columns, rows]`.
fn transpose(from: &[f32], to: &mut [f32], rows: usize) {
    if rows == 1 || rows == from.len() {
        to.copy_from_slice(from);
        return;
    }
    let columns = from.len() / rows;
    for (column, to) in to.chunks_exact_mut(rows).enumerate() {
        for (to, from) in to.iter_mut().zip(from[column..].iter().step_by(columns)) {
            *to = *from;
        }
    }
}
