//! Shapes as types: the trailing dimensions of a tensor, known when the program is compiled.
//!
//! The macro computes every dimension; the type system only has to compare them.
//! So these types carry plain numbers and need no arithmetic.

use std::marker::PhantomData;

use tch::Kind;

/// The trailing dimensions and the element type of a batch; the leading dimension counts the samples.
pub trait Shape: std::fmt::Debug + Send + 'static {
    /// The dimensions after the batch dimension.
    const DIMS: &'static [i64];
    /// The element type.
    const KIND: Kind = Kind::Float;
    /// How many channels or features there are, each a quantity of its own.
    const CHANNELS: i64 = 1;

    /// The shape as a user would write it in Rust, such as `Image<1, 28, 28>`.
    fn describe() -> String;
}

/// A feature vector, `[batch, N]`.
#[derive(Debug)]
pub struct Vector<const N: i64>;

/// An image or a feature map, `[batch, C, H, W]`.
#[derive(Debug)]
pub struct Image<const C: i64, const H: i64, const W: i64>;

/// Token ids, `[batch, L]`, of element type `i64`.
#[derive(Debug)]
pub struct Tokens<const L: i64>;

/// Features over time, `[batch, T, F]`, padded to `T` steps.
#[derive(Debug)]
pub struct Sequence<const T: i64, const F: i64>;

/// Frames of images over time, `[batch, T, C, H, W]`, padded to `T` frames. Optical flow has two channels.
#[derive(Debug)]
pub struct Video<const T: i64, const C: i64, const H: i64, const W: i64>;

/// Sound, `[batch, N]`, of `R` samples a second, padded to `N` samples.
#[derive(Debug)]
pub struct Waveform<const N: i64, const R: i64>;

/// The same as `S` in bytes, before [`Normalize`](crate::nn::Normalize) makes them floats: a quarter of the memory.
#[derive(Debug)]
pub struct Bytes<S>(PhantomData<fn() -> S>);

impl<const N: i64> Shape for Vector<N> {
    const DIMS: &'static [i64] = &[N];
    const CHANNELS: i64 = N;

    fn describe() -> String {
        format!("Vector<{N}>")
    }
}

impl<const C: i64, const H: i64, const W: i64> Shape for Image<C, H, W> {
    const DIMS: &'static [i64] = &[C, H, W];
    const CHANNELS: i64 = C;

    fn describe() -> String {
        format!("Image<{C}, {H}, {W}>")
    }
}

impl<const L: i64> Shape for Tokens<L> {
    const DIMS: &'static [i64] = &[L];
    const KIND: Kind = Kind::Int64;

    fn describe() -> String {
        format!("Tokens<{L}>")
    }
}

impl<const T: i64, const F: i64> Shape for Sequence<T, F> {
    const DIMS: &'static [i64] = &[T, F];
    const CHANNELS: i64 = F;

    fn describe() -> String {
        format!("Sequence<{T}, {F}>")
    }
}

impl<const T: i64, const C: i64, const H: i64, const W: i64> Shape for Video<T, C, H, W> {
    const DIMS: &'static [i64] = &[T, C, H, W];
    const CHANNELS: i64 = C;

    fn describe() -> String {
        format!("Video<{T}, {C}, {H}, {W}>")
    }
}

impl<const N: i64, const R: i64> Shape for Waveform<N, R> {
    const DIMS: &'static [i64] = &[N];

    fn describe() -> String {
        format!("Waveform<{N}, {R}>")
    }
}

impl<S: Shape> Shape for Bytes<S> {
    const DIMS: &'static [i64] = S::DIMS;
    const KIND: Kind = Kind::Uint8;
    const CHANNELS: i64 = S::CHANNELS;

    fn describe() -> String {
        format!("Bytes<{}>", S::describe())
    }
}

/// A shape whose first dimension is time, so that samples may be padded.
pub trait Padded: Shape {}

impl<const L: i64> Padded for Tokens<L> {}
impl<const T: i64, const F: i64> Padded for Sequence<T, F> {}
impl<const T: i64, const C: i64, const H: i64, const W: i64> Padded for Video<T, C, H, W> {}
impl<const N: i64, const R: i64> Padded for Waveform<N, R> {}
impl<S: Padded> Padded for Bytes<S> {}
