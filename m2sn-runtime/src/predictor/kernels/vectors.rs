//! What is computed of vectors beside products with weights: sums and products with one another, sums of their parts.

use super::lanes::{Lanes, Level, Work, load, store};
use super::layout::{Source, Target};

/// One vector of another, or of two.
#[derive(Debug)]
pub(super) enum Combination {
    /// The sum of two.
    Add,
    /// The product of two, or of one with a number.
    Multiply,
    /// The sum of equal parts, each times its weight.
    WeightedSum(Vec<f32>),
    /// Positive numbers that add up to one.
    Softmax,
    /// The outer product of parts of such widths, each with a one before it.
    Outer(Vec<usize>),
}

impl Combination {
    /// Computes all samples.
    pub(super) fn run(&self, level: Level, input: Source<'_>, other: Option<Source<'_>>, output: Target<'_>) {
        level.run(Run { combination: self, input, other, output });
    }
}

struct Run<'a> {
    combination: &'a Combination,
    input: Source<'a>,
    other: Option<Source<'a>>,
    output: Target<'a>,
}

impl Work for Run<'_> {
    #[inline(always)]
    fn run<L: Lanes>(mut self) {
        let mut others = self.other.map(Source::samples);
        for (input, output) in self.input.samples().zip(self.output.samples()) {
            let other = others.as_mut().and_then(Iterator::next).unwrap_or(&[]);
            match self.combination {
                Combination::Add => pairs::<L, true>(input, other, output),
                Combination::Multiply => match other {
                    [factor] => scale::<L>(input, *factor, output),
                    _ => pairs::<L, false>(input, other, output),
                },
                Combination::WeightedSum(weights) => weighted_sum::<L>(input, weights, output),
                Combination::Softmax => softmax(input, output),
                Combination::Outer(widths) => outer::<L>(input, widths, output),
            }
        }
    }
}

#[inline(always)]
fn pairs<L: Lanes, const SUM: bool>(left: &[f32], right: &[f32], output: &mut [f32]) {
    let vectors = left.chunks(L::WIDTH).zip(right.chunks(L::WIDTH));
    for ((left, right), output) in vectors.zip(output.chunks_mut(L::WIDTH)) {
        let (left, right) = (load::<L>(left), load::<L>(right));
        store(if SUM { left.add(right) } else { left.mul(right) }, output);
    }
}

#[inline(always)]
fn scale<L: Lanes>(input: &[f32], factor: f32, output: &mut [f32]) {
    let factor = L::splat(factor);
    for (input, output) in input.chunks(L::WIDTH).zip(output.chunks_mut(L::WIDTH)) {
        store(load::<L>(input).mul(factor), output);
    }
}

#[inline(always)]
fn weighted_sum<L: Lanes>(input: &[f32], weights: &[f32], output: &mut [f32]) {
    let width = output.len();
    for (vector, output) in output.chunks_mut(L::WIDTH).enumerate() {
        let mut sum = L::splat(0.0);
        for (part, weight) in input.chunks_exact(width).zip(weights) {
            sum = load::<L>(&part[vector * L::WIDTH..][..output.len()]).mul_add(L::splat(*weight), sum);
        }
        store(sum, output);
    }
}

/// Number by number: they are one a modality.
fn softmax(input: &[f32], output: &mut [f32]) {
    let largest = input.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for (output, input) in output.iter_mut().zip(input) {
        *output = (input - largest).exp();
        sum += *output;
    }
    output.iter_mut().for_each(|output| *output /= sum);
}

#[inline(always)]
fn outer<L: Lanes>(input: &[f32], widths: &[usize], output: &mut [f32]) {
    output[0] = 1.0;
    let (mut count, mut start) = (1, 0);
    for width in widths {
        let part = &input[start..start + width];
        // From the last on, so that what is written is behind all that is still to be read.
        for number in (0..count).rev() {
            let factor = output[number];
            let products = &mut output[number * (width + 1)..][..width + 1];
            products[0] = factor;
            scale::<L>(part, factor, &mut products[1..]);
        }
        count *= width + 1;
        start += width;
    }
}
