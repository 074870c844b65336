//! A layer of images, applied to every frame of a video.

use std::marker::PhantomData;

use tch::Tensor;

use super::Layer;
use super::program::{Operation, Program, Value};
use crate::Batch;
use crate::batch::Feature;
use crate::shape::{Image, Sequence, Shape, Vector, Video};

/// A layer `L` of images, applied to every frame of a video by itself, or one of vectors, applied to every step of a sequence.
///
/// `[batch, T, C, H, W]` → `[batch, T, D, G, V]` where the layer yields images, and `[batch, T, F]`, a sequence, where it
/// yields vectors; `[batch, T, F]` → `[batch, T, G]`. Frames that are padding do not reach the layer, nor the statistics of its normalisations; zeros come
/// out in their place. The variables are those of the layer.
#[derive(Debug)]
pub struct Frames<I, O, L> {
    layer: L,
    shapes: PhantomData<fn(I) -> O>,
}

impl<I: Shape, O: Shape, L> Frames<I, O, L> {
    /// Applies this layer to every frame.
    pub fn new(layer: L) -> Self {
        Self { layer, shapes: PhantomData }
    }
}

impl<L, const T: i64, const C: i64, const H: i64, const W: i64, const D: i64, const G: i64, const V: i64>
    Layer<Video<T, C, H, W>, Video<T, D, G, V>> for Frames<Video<T, C, H, W>, Video<T, D, G, V>, L>
where
    L: Layer<Image<C, H, W>, Image<D, G, V>>,
{
    fn forward(&self, input: &Batch<Video<T, C, H, W>>, train: bool) -> Batch<Video<T, D, G, V>> {
        each(&self.layer, input, train)
    }

    fn lower(&self, program: &mut Program, input: Value) -> Value {
        lower(&self.layer, program, input, &[T, D, G, V])
    }
}

impl<L, const T: i64, const C: i64, const H: i64, const W: i64, const F: i64> Layer<Video<T, C, H, W>, Sequence<T, F>>
    for Frames<Video<T, C, H, W>, Sequence<T, F>, L>
where
    L: Layer<Image<C, H, W>, Vector<F>>,
{
    fn forward(&self, input: &Batch<Video<T, C, H, W>>, train: bool) -> Batch<Sequence<T, F>> {
        each(&self.layer, input, train)
    }

    fn lower(&self, program: &mut Program, input: Value) -> Value {
        lower(&self.layer, program, input, &[T, F])
    }
}

impl<L, const T: i64, const F: i64, const G: i64> Layer<Sequence<T, F>, Sequence<T, G>>
    for Frames<Sequence<T, F>, Sequence<T, G>, L>
where
    L: Layer<Vector<F>, Vector<G>>,
{
    fn forward(&self, input: &Batch<Sequence<T, F>>, train: bool) -> Batch<Sequence<T, G>> {
        each(&self.layer, input, train)
    }

    fn lower(&self, program: &mut Program, input: Value) -> Value {
        lower(&self.layer, program, input, &[T, G])
    }
}

/// The outputs of a layer for the real frames of each sample.
fn each<I: Shape, O: Shape, F: Shape, P: Shape>(layer: &impl Layer<F, P>, input: &Batch<I>, train: bool) -> Batch<O> {
    let frames = input.tensor().flatten(0, 1);
    let of = |frames: Tensor| layer.forward(&Batch::trusted(frames.into()), train).into_feature().tensor;
    let output = match input.mask() {
        None => of(frames),
        Some(mask) => {
            let real = mask.reshape([-1]).nonzero().squeeze_dim(1);
            let found = of(frames.index_select(0, &real));
            let size = [&frames.size()[..1], P::DIMS].concat();
            found.new_zeros(size, (found.kind(), found.device())).index_copy(0, &real, &found)
        }
    };
    input.map(output.view(&[&input.tensor().size()[..2], P::DIMS].concat()[..]))
}

fn lower<I: Shape, O: Shape>(layer: &impl Layer<I, O>, program: &mut Program, input: Value, dims: &[i64]) -> Value {
    let mut frame = Program::new(I::DIMS);
    let image = frame.input();
    let output = layer.lower(&mut frame, image);
    frame.end(output);
    // What cannot be told of a frame cannot be of the video either.
    match frame.steps().iter().any(|step| matches!(step.operation, Operation::Opaque { .. })) {
        true => program.push_opaque(input, dims),
        false => program.push(Operation::Frames(Box::new(frame)), input, dims),
    }
}

/// Runs what is computed of an image on every frame of a video.
pub(crate) fn over_frames(video: &Feature, run: impl FnOnce(&Feature) -> Feature) -> Feature {
    let Feature { tensor, mask, .. } = video;
    let steps = tensor.size()[..2].to_vec();
    let output = run(&tensor.flatten(0, 1).into()).tensor;
    let tensor = output.reshape([&steps[..], &output.size()[1..]].concat());
    Feature { tensor, mask: mask.as_ref().map(Tensor::shallow_clone), present: None }
}

#[cfg(test)]
mod tests {
    use tch::nn::VarStore;
    use tch::{Device, Kind};

    use super::*;
    use crate::nn::{Activation, Conv, Norm, conv};

    #[test]
    fn padding_reaches_no_statistics() {
        type Clip = Video<3, 2, 4, 4>;
        let store = VarStore::new(Device::Cpu);
        let settings = conv::Settings {
            kernel: [3, 3],
            stride: [1, 1],
            padding: [1, 1],
            norm: Some(Norm::Batch),
            activation: Some(Activation::Relu),
        };
        let build = |name: &str| Conv::<Image<2, 4, 4>, Image<5, 4, 4>>::new(store.root() / name, settings);
        let frames = Frames::<Clip, Video<3, 5, 4, 4>, _>::new(build("frames"));
        let tensor = Tensor::randn([2, 3, 2, 4, 4], (Kind::Float, Device::Cpu));
        let lengths = Tensor::from_slice(&[2i64, 3]);
        let padded = Batch::<Clip>::with_lengths(tensor.shallow_clone(), &lengths).unwrap();
        let found = frames.forward(&padded, true);
        assert!(bool::try_from(found.tensor().get(0).get(2).eq(0.0).all()).unwrap());

        let variables = store.variables();
        let image = build("image");
        tch::no_grad(|| {
            for name in ["weight", "norm.weight", "norm.bias"] {
                let other = &variables[&format!("frames.{name}")];
                store.variables()[&format!("image.{name}")].shallow_clone().copy_(other);
            }
        });
        let rows = Tensor::from_slice(&[0i64, 1, 3, 4, 5]);
        let real = Batch::new(tensor.flatten(0, 1).index_select(0, &rows)).unwrap();
        let expected = image.forward(&real, true);
        assert!(found.tensor().flatten(0, 1).index_select(0, &rows).allclose(expected.tensor(), 1e-5, 1e-6, false));
        let mean = |name: &str| store.variables()[&format!("{name}.norm.running_mean")].shallow_clone();
        assert!(mean("frames").allclose(&mean("image"), 1e-5, 1e-6, false));
    }
}
