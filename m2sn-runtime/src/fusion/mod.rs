//! Fusion: one feature a modality becomes one feature.
//!
//! [`concat()`] puts the features side by side. That is a fusion by itself; each of the others is a layer over it, so that
//! head and fusion are one chain of layers, which is trained, timed and frozen as such. Of features `x₁, x₂, …`:
//!
//! | in a spec | here | fused feature | source |
//! |---|---|---|---|
//! | `concat` | [`concat()`] | `[x₁, x₂, …]` | MultiBench's `Concat` |
//! | `sum` | [`Sum`] | `Σ xᵢ` | |
//! | `mean` | [`Mean`] | `Σ xᵢ / k` | |
//! | `gated` | [`Gated`] | `Σ σ(Vᵢ [x₁, x₂, …]) ∘ tanh(Wᵢ xᵢ)` | Arevalo et al. 2017 |
//! | `tensor` | [`TensorProduct`] | `[1, x₁] ⊗ [1, x₂] ⊗ …` | Zadeh et al. 2017, MultiBench's `TensorFusion` |
//! | `low_rank_tensor` | [`LowRankTensor`] | `Σᵣ wᵣ (F₁ᵣ [1, x₁]) ∘ (F₂ᵣ [1, x₂]) ∘ … + b` | Liu et al. 2018, MultiBench's `LowRankTensorFusion` |
//! | `attention` | [`Attention`] | `Σ aᵢ hᵢ`, `hᵢ = Wᵢ xᵢ + bᵢ`, `a = softmax(V [h₁, h₂, …] + c)` | MMBench's `AttentionFusion` |
//! | `film` | [`Film`] | `γ(x₂) ∘ x₁ + β(x₃)` | Perez et al. 2018, MultiBench's `FiLM` |
//!
//! In place of a modality that is missing all of them take its [`StandIn`].

mod attention;
mod concat;
pub mod film;
mod gated;
mod low_rank_tensor;
mod pointwise;
mod stand_in;
mod tensor;

use tch::Tensor;

use crate::nn::Program;
use crate::nn::program::{Operation, Value};
use crate::shape::Shape;

pub use attention::Attention;
pub use concat::{Parts, concat};
pub use film::Film;
pub use gated::Gated;
pub use low_rank_tensor::LowRankTensor;
pub use pointwise::{Mean, Sum};
pub use stand_in::{StandIn, samples};
pub use tensor::TensorProduct;

pub(crate) use tensor::outer;

/// The widths of features that lie side by side.
#[derive(Debug)]
struct Widths(Vec<i64>);

impl Widths {
    /// Those of features that `I` puts side by side.
    fn of<I: Shape>(widths: &[i64]) -> Self {
        debug_assert_eq!(&[widths.iter().sum::<i64>()], I::DIMS, "the widths {widths:?} do not add up");
        Self(widths.to_vec())
    }

    /// The features, `[batch, width]` each.
    fn split(&self, joined: &Tensor) -> Vec<Tensor> {
        joined.split_with_sizes(&self.0, 1)
    }

    /// Writes down the parting into features.
    fn lower(&self, program: &mut Program, joined: Value) -> Vec<Value> {
        let mut start = 0;
        let part = |width: &i64| {
            let part = Operation::Part { start, length: *width };
            start += width;
            program.push(part, joined, &[*width])
        };
        self.0.iter().map(part).collect()
    }
}

/// Writes down the sum of products, each of two values of one width.
fn lower_products(program: &mut Program, products: impl IntoIterator<Item = (Value, Value)>) -> Value {
    let mut sum = None;
    for (one, other) in products {
        let dims = program.dims(one).to_vec();
        let product = program.push_adding(Operation::Multiply, one, Some(other), &dims);
        sum = Some(match sum {
            Some(sum) => program.push_adding(Operation::Add, product, Some(sum), &dims),
            None => product,
        });
    }
    sum.expect(SOMETHING)
}

/// Why there is a first feature.
const SOMETHING: &str = "something is fused";

#[cfg(test)]
mod tests {
    use tch::nn::{Path, VarStore};
    use tch::{Device, Kind};

    use super::*;
    use crate::shape::Vector;

    type Joined = Vector<70>;

    const WIDTHS: &[i64] = &[40, 30];

    /// What is drawn uniformly from ±b deviates by b/√3.
    #[test]
    fn parameters_are_drawn_as_the_sources_draw_them() {
        let uniform = |inputs: f64| (3.0 * inputs).sqrt().recip();
        deviates(
            |path| drop(Gated::<Joined, Vector<20>>::new(path, WIDTHS)),
            &[("gate.weight", uniform(70.0)), ("hidden.0.weight", uniform(40.0)), ("hidden.1.weight", uniform(30.0))],
        );
        // As `xavier_normal_` draws tensors of three dimensions.
        deviates(
            |path| drop(LowRankTensor::<Joined, Vector<20>>::new(path, WIDTHS, 200)),
            &[
                ("factors.0", (2.0 / (241.0 * 20.0_f64)).sqrt()),
                ("factors.1", (2.0 / (231.0 * 20.0_f64)).sqrt()),
                ("fusion_bias", 0.0),
                ("fusion_weights", (2.0 / 201.0_f64).sqrt()),
            ],
        );
        deviates(
            |path| drop(Attention::<Joined, Vector<200>>::new(path, WIDTHS)),
            &[
                ("attention.weight", uniform(400.0)),
                ("linears.0.bias", uniform(40.0)),
                ("linears.0.weight", uniform(40.0)),
                ("linears.1.bias", uniform(30.0)),
                ("linears.1.weight", uniform(30.0)),
            ],
        );
        let settings = film::Settings { base: 0, gamma: 1, beta: 1, hidden: &[100] };
        deviates(
            |path| drop(Film::<Joined, Vector<40>>::new(path, WIDTHS, settings)),
            &[("beta.0.weight", uniform(30.0)), ("beta.1.weight", uniform(100.0)), ("gamma.0.bias", uniform(30.0))],
        );
    }

    fn deviates(build: impl FnOnce(Path<'_>), deviations: &[(&str, f64)]) {
        let store = VarStore::new(Device::Cpu);
        build(store.root());
        let variables = store.variables();
        for (name, expected) in deviations {
            let found = variables[*name].to_kind(Kind::Double).square().mean(Kind::Double).sqrt().double_value(&[]);
            // The smallest of these tensors holds 100 values: 20 % are more than two standard errors of a normal law, and
            // more than four of a uniform one.
            assert!((found - expected).abs() <= 0.2 * expected, "{name}: {found} for {expected}");
        }
    }
}
