//! Layers whose shapes are no longer in their types.

use std::marker::PhantomData;

use super::Layer;
use super::program::{Program, Value};
use crate::batch::{Batch, Feature};
use crate::shape::Shape;

/// A layer as the runtime passes it on.
pub trait AnyLayer {
    /// As [`Layer::forward`], where the wiring vouches for the shapes.
    fn forward(&self, input: &Feature, train: bool) -> Feature;

    /// As [`Layer::lower`].
    fn lower(&self, program: &mut Program, input: Value) -> Value;
}

/// Takes the shapes out of a layer's type.
pub fn erase<'a, I: Shape, O: Shape>(layer: &'a (impl Layer<I, O> + 'a)) -> Box<dyn AnyLayer + 'a> {
    Box::new(Erased { layer, shapes: PhantomData })
}

/// The output of layers that run one after the other.
pub(crate) fn run(layers: &[Box<dyn AnyLayer + '_>], input: &Feature, train: bool) -> Feature {
    let Some((first, layers)) = layers.split_first() else { return input.clone() };
    layers.iter().fold(first.forward(input, train), |feature, layer| layer.forward(&feature, train))
}

/// What layers compute one after the other once they are frozen, from samples of these dimensions.
pub(crate) fn lower(layers: &[Box<dyn AnyLayer + '_>], dims: &[i64]) -> Program {
    let mut program = Program::new(dims);
    let output = layers.iter().enumerate().fold(program.input(), |input, (number, layer)| {
        program.begin_layer(number);
        layer.lower(&mut program, input)
    });
    program.end(output);
    program
}

struct Erased<'a, L, I, O> {
    layer: &'a L,
    shapes: PhantomData<fn(I) -> O>,
}

impl<L: Layer<I, O>, I: Shape, O: Shape> AnyLayer for Erased<'_, L, I, O> {
    fn forward(&self, input: &Feature, train: bool) -> Feature {
        self.layer.forward(&Batch::trusted(input.clone()), train).into_feature()
    }

    fn lower(&self, program: &mut Program, input: Value) -> Value {
        self.layer.lower(program, input)
    }
}
