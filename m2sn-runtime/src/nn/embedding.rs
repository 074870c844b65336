//! Token embeddings, with positions.

use std::marker::PhantomData;

use tch::nn::Path;
use tch::{Device, Kind, Tensor};

use super::program::{Operation, Program, Value};
use super::{Layer, init};
use crate::Batch;
use crate::batch::Feature;
use crate::shape::{Sequence, Tokens};

/// A learned row for each token, plus a row for each position: `y[t] = table[x[t]] + positions[t]`, then dropout.
///
/// `[batch, L]` of `i64` → `[batch, L, D]`.
/// Where [`Settings::padding`] is set and the batch carries no mask yet, the steps with that id become padding.
/// The row of the padding id is zero and stays so: it receives no gradient.
///
/// Token ids are expected in `0..vocabulary`: check them where data enters, since LibTorch panics over any other.
///
/// PyTorch's twin is `Embedding(padding_idx=…)`. Variables: `weight` and, for learned positions, `positions`,
/// both drawn from the standard normal distribution.
#[derive(Debug)]
pub struct Embedding<I, O> {
    lookup: Lookup,
    dropout: f64,
    shapes: PhantomData<fn(I) -> O>,
}

/// What an [`Embedding`] is whatever its shapes.
#[derive(Debug)]
pub struct Lookup {
    table: Tensor,
    padding: Option<i64>,
    positions: Option<Tensor>,
}

/// What the shapes do not tell of an [`Embedding`].
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// The number of tokens.
    pub vocabulary: i64,
    /// The id that marks padding.
    pub padding: Option<i64>,
    /// What is added for the position.
    pub positions: Positions,
    /// The probability that training drops a value of the sum.
    pub dropout: f64,
}

/// What an [`Embedding`] adds for the position of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Positions {
    /// Nothing.
    None,
    /// A learned row for each position.
    Learned,
    /// Sines and cosines of geometrically spaced wavelengths (Vaswani et al. 2017, section 3.5).
    ///
    /// Column `2i` holds `sin(t / 10000^(2i/D))`, column `2i + 1` the cosine.
    /// They are computed, not learned, so no checkpoint holds them.
    Sinusoidal,
}

impl<const L: i64, const D: i64> Embedding<Tokens<L>, Sequence<L, D>> {
    /// Draws an embedding, with its variables under `path`.
    pub fn new(path: Path<'_>, settings: Settings) -> Self {
        let Settings { vocabulary, padding, positions, dropout } = settings;
        let table = init::normal(&path, "weight", &[vocabulary, D]);
        if let Some(padding) = padding {
            debug_assert!((0..vocabulary).contains(&padding), "padding id {padding} of {vocabulary} tokens");
            let _ = tch::no_grad(|| table.get(padding).zero_());
        }
        let positions = match positions {
            Positions::None => None,
            Positions::Learned => Some(init::normal(&path, "positions", &[L, D])),
            Positions::Sinusoidal => Some(sinusoids(L, D, path.device())),
        };
        Self { lookup: Lookup { table, padding, positions }, dropout, shapes: PhantomData }
    }
}

impl<const L: i64, const D: i64> Layer<Tokens<L>, Sequence<L, D>> for Embedding<Tokens<L>, Sequence<L, D>> {
    fn forward(&self, input: &Batch<Tokens<L>>, train: bool) -> Batch<Sequence<L, D>> {
        let mut output = self.lookup.run(&input.feature());
        if train {
            output.tensor = output.tensor.dropout(self.dropout, true);
        }
        Batch::trusted(output)
    }

    fn lower(&self, program: &mut Program, input: Value) -> Value {
        program.push(Operation::Embed(self.lookup.frozen()), input, &[L, D])
    }
}

impl Lookup {
    /// The rows of token ids, and where they are padding.
    pub(crate) fn run(&self, tokens: &Feature) -> Feature {
        let Feature { tensor: tokens, mask, .. } = tokens;
        let found = mask.as_ref().map(Tensor::shallow_clone);
        let mask = found.or_else(|| self.padding.map(|padding| tokens.ne(padding)));
        let mut output = Tensor::embedding(&self.table, tokens, self.padding.unwrap_or(-1), false, false);
        if let Some(positions) = &self.positions {
            output += positions;
        }
        Feature { tensor: output, mask, present: None }
    }

    /// The same without gradients.
    fn frozen(&self) -> Self {
        Self {
            table: self.table.detach(),
            padding: self.padding,
            positions: self.positions.as_ref().map(Tensor::detach),
        }
    }
}

/// `[steps, features]` of sines in the even columns and cosines in the odd ones.
fn sinusoids(steps: i64, features: i64, device: Device) -> Tensor {
    let options = (Kind::Double, device);
    let columns = Tensor::arange(features, options);
    let pairs = columns.divide_scalar_mode(2, "floor") * (2.0 / features as f64);
    let angles = Tensor::arange(steps, options).unsqueeze(1) * (pairs * -(10000f64.ln())).exp();
    // The cosine is the sine a quarter turn on.
    let quarter_turns = columns.remainder(2) * std::f64::consts::FRAC_PI_2;
    (angles + quarter_turns).sin().to_kind(Kind::Float)
}

#[cfg(test)]
mod tests {
    use tch::nn::VarStore;

    use super::*;

    fn build(store: &VarStore) -> Embedding<Tokens<3>, Sequence<3, 4>> {
        let settings = Settings { vocabulary: 5, padding: Some(2), positions: Positions::None, dropout: 0.0 };
        Embedding::new(store.root(), settings)
    }

    fn tokens() -> Tensor {
        Tensor::from_slice(&[1i64, 2, 4, 3, 2, 2]).view([2, 3])
    }

    #[test]
    fn the_padding_id_marks_padding_where_the_batch_does_not() {
        let store = VarStore::new(Device::Cpu);
        let embedding = build(&store);
        let found = embedding.forward(&Batch::new(tokens()).unwrap(), false);
        let expected = Tensor::from_slice(&[true, false, true, true, false, false]).view([2, 3]);
        assert_eq!(found.mask(), Some(&expected));

        let given = Batch::with_lengths(tokens(), &Tensor::from_slice(&[2i64, 3])).unwrap();
        let found = embedding.forward(&given, false);
        assert_eq!(found.mask(), given.mask());
    }

    #[test]
    fn the_padding_row_is_zero_and_learns_nothing() {
        let store = VarStore::new(Device::Cpu);
        let output = build(&store).forward(&Batch::new(tokens()).unwrap(), true);
        output.tensor().sum(Kind::Float).backward();
        let table = &store.variables()["weight"];
        let zeros = Tensor::zeros([4], (Kind::Float, Device::Cpu));
        assert_eq!(table.get(2), zeros);
        assert_eq!(table.grad().get(2), zeros);
        assert_eq!(table.grad().get(1), zeros.ones_like());
    }
}
