//! Layers one after the other, as one.

use std::fmt::Debug;
use std::marker::PhantomData;

use super::program::{Program, Value};
use super::{AnyLayer, Layer};
use crate::batch::{Batch, Feature};
use crate::shape::Shape;

/// Layers that run one after the other, from samples of shape `I` to samples of shape `O`.
#[derive(Debug)]
pub struct Sequential<I, O> {
    links: Vec<Box<dyn Link>>,
    shapes: PhantomData<fn(I) -> O>,
}

/// A layer that is owned, and whose shapes are no longer in its type.
pub(super) trait Link: AnyLayer + Debug + Send {}

impl<I: Shape, O: Shape> Sequential<I, O> {
    /// The first layer.
    pub fn new<L: Layer<I, O> + 'static>(layer: L) -> Self {
        Self { links: vec![Box::new(Owned { layer, shapes: PhantomData })], shapes: PhantomData }
    }

    /// One more layer behind the others.
    #[must_use]
    pub fn then<P: Shape, L: Layer<O, P> + 'static>(self, layer: L) -> Sequential<I, P> {
        let mut links = self.links;
        links.push(Box::new(Owned { layer, shapes: PhantomData }));
        Sequential { links, shapes: PhantomData }
    }

    pub(super) fn into_link(self) -> Box<dyn Link> {
        Box::new(Owned { layer: self, shapes: PhantomData })
    }
}

impl<I: Shape, O: Shape> Layer<I, O> for Sequential<I, O> {
    fn forward(&self, input: &Batch<I>, train: bool) -> Batch<O> {
        Batch::trusted(self.links.iter().fold(input.feature(), |feature, link| link.forward(&feature, train)))
    }
}

#[derive(Debug)]
struct Owned<L, I, O> {
    layer: L,
    shapes: PhantomData<fn(I) -> O>,
}

impl<L: Layer<I, O>, I: Shape, O: Shape> AnyLayer for Owned<L, I, O> {
    fn forward(&self, input: &Feature, train: bool) -> Feature {
        self.layer.forward(&Batch::trusted(input.clone()), train).into_feature()
    }

    fn lower(&self, program: &mut Program, input: Value) -> Value {
        self.layer.lower(program, input)
    }
}

impl<L: Layer<I, O>, I: Shape, O: Shape> Link for Owned<L, I, O> {}
