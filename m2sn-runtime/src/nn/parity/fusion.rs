//! The fusions, of two and of three features side by side.

use super::*;
use crate::fusion::{Attention, Film, Gated, LowRankTensor, Mean, Sum, TensorProduct, film};

const TWO: &[i64] = &[5, 7];
const THREE: &[i64] = &[5, 7, 3];

#[test]
fn sum_and_mean() {
    fuses("sum_2", |_| Sum::<Vector<12>, Vector<6>>::new());
    fuses("sum_3", |_| Sum::<Vector<18>, Vector<6>>::new());
    fuses("mean_2", |_| Mean::<Vector<12>, Vector<6>>::new());
    fuses("mean_3", |_| Mean::<Vector<18>, Vector<6>>::new());
}

#[test]
fn gated() {
    fuses("gated_2", |path| Gated::<Vector<12>, Vector<6>>::new(path, TWO));
    fuses("gated_3", |path| Gated::<Vector<15>, Vector<6>>::new(path, THREE));
}

#[test]
fn tensor() {
    fuses("tensor_2", |_| TensorProduct::<Vector<12>, Vector<48>>::new(TWO));
    fuses("tensor_3", |_| TensorProduct::<Vector<15>, Vector<192>>::new(THREE));
}

#[test]
fn low_rank_tensor() {
    fuses("low_rank_tensor_2", |path| LowRankTensor::<Vector<12>, Vector<6>>::new(path, TWO, 4));
    fuses("low_rank_tensor_3", |path| LowRankTensor::<Vector<15>, Vector<6>>::new(path, THREE, 4));
}

#[test]
fn attention() {
    fuses("attention_2", |path| Attention::<Vector<12>, Vector<6>>::new(path, TWO));
    fuses("attention_3", |path| Attention::<Vector<15>, Vector<6>>::new(path, THREE));
}

#[test]
fn film() {
    let two = film::Settings { base: 0, gamma: 1, beta: 1, hidden: &[] };
    fuses("film_2", |path| Film::<Vector<12>, Vector<5>>::new(path, TWO, two));
    let three = film::Settings { base: 1, gamma: 2, beta: 0, hidden: &[8, 4] };
    fuses("film_3", |path| Film::<Vector<15>, Vector<7>>::new(path, THREE, three));
}

/// As [`matches_in`], and that there are kernels for all that the fusion does.
fn fuses<I: Shape, O: Shape, L: Layer<I, O>>(case: &str, build: impl Fn(Path<'_>) -> L) {
    matches_in("fusion", case, &build);
    let store = VarStore::new(Device::Cpu);
    let layer = build(store.root());
    let input = Tensor::ones([1, I::DIMS[0]], (Kind::Float, Device::Cpu)).into();
    assert_eq!(predictor::by_every_engine(&[erase(&layer)], I::DIMS, &input).len(), 2, "{case}");
}
