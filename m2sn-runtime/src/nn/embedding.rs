//! Token embeddings, with positions.

use std::marker::PhantomData;

use tch::nn::Path;
use tch::{Device, Kind, Tensor};

use super::program::{Operation, Program, Value};
use super::{Layer, LayerNorm, init};
use crate::Batch;
use crate::batch::Feature;
use crate::shape::{Sequence, Tokens};

/// A learned row for each token, plus a row for each position and one for the type of all tokens:
/// `y[t] = norm(table[x[t]] + positions[t] + types[0])`, then dropout.
///
/// `[batch, L]` of `i64` → `[batch, L, D]`.
/// Where [`Settings::padding`] is set and the batch carries no mask yet, the steps with that id become padding.
/// The row of the padding id is drawn as zero and stays as it is: it receives no gradient.
/// An input is one segment, so all its tokens are of the first type; the rows of others are there for tables that are
/// trained elsewhere.
///
/// Token ids are expected in `0..vocabulary`: check them where data enters, since LibTorch panics over any other.
///
/// PyTorch's twin is `Embedding(padding_idx=…)`; with learned positions, types and norm, Hugging Face's `BertEmbeddings`.
/// Variables: `weight` and, where there are such, `positions` and `types`, all drawn from the standard normal distribution;
/// and `norm.weight` and `norm.bias`.
#[derive(Debug)]
pub struct Embedding<I, O> {
    lookup: Lookup,
    norm: Option<LayerNorm>,
    dropout: f64,
    shapes: PhantomData<fn(I) -> O>,
}

/// What an [`Embedding`] sums up, whatever its shapes.
#[derive(Debug)]
pub struct Lookup {
    table: Tensor,
    padding: Option<i64>,
    /// A row for each step, and maybe more.
    positions: Option<Tensor>,
    types: Option<Tensor>,
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
    /// The rows of the table of token types, of which the first is added; 0 for no table.
    pub types: i64,
    /// What the layer normalisation of the sum adds to the variance; `None` for no normalisation.
    pub norm: Option<f64>,
    /// The probability that training drops a value of the sum.
    pub dropout: f64,
}

/// What an [`Embedding`] adds for the position of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Positions {
    /// Nothing.
    None,
    /// A learned row for each position, in a table of so many rows: the steps of the input at least.
    Learned(i64),
    /// Sines and cosines of geometrically spaced wavelengths (Vaswani et al. 2017, section 3.5).
    ///
    /// Column `2i` holds `sin(t / 10000^(2i/D))`, column `2i + 1` the cosine.
    /// They are computed, not learned, so no checkpoint holds them.
    Sinusoidal,
}

impl<const L: i64, const D: i64> Embedding<Tokens<L>, Sequence<L, D>> {
    /// Draws an embedding, with its variables under `path`.
    pub fn new(path: Path<'_>, settings: Settings) -> Self {
        let Settings { vocabulary, padding, positions, types, norm, dropout } = settings;
        let table = init::normal(&path, "weight", &[vocabulary, D], 1.0);
        if let Some(padding) = padding {
            debug_assert!((0..vocabulary).contains(&padding), "padding id {padding} of {vocabulary} tokens");
            let _ = tch::no_grad(|| table.get(padding).zero_());
        }
        let positions = match positions {
            Positions::None => None,
            Positions::Learned(rows) => {
                debug_assert!(rows >= L, "{rows} positions for {L} steps");
                Some(init::normal(&path, "positions", &[rows, D], 1.0))
            }
            Positions::Sinusoidal => Some(sinusoids(L, D, path.device())),
        };
        let types = (types > 0).then(|| init::normal(&path, "types", &[types, D], 1.0));
        let norm = norm.map(|epsilon| LayerNorm::new(&(&path / "norm"), D, epsilon));
        Self { lookup: Lookup { table, padding, positions, types }, norm, dropout, shapes: PhantomData }
    }
}

impl<const L: i64, const D: i64> Layer<Tokens<L>, Sequence<L, D>> for Embedding<Tokens<L>, Sequence<L, D>> {
    fn forward(&self, input: &Batch<Tokens<L>>, train: bool) -> Batch<Sequence<L, D>> {
        let mut output = self.lookup.run(&input.feature());
        if let Some(norm) = &self.norm {
            output.tensor = norm.forward(&output.tensor);
        }
        if train {
            output.tensor = output.tensor.dropout(self.dropout, true);
        }
        Batch::trusted(output)
    }

    fn lower(&self, program: &mut Program, input: Value) -> Value {
        let rows = program.push(Operation::Embed(self.lookup.frozen(L)), input, &[L, D]);
        self.norm.as_ref().map_or(rows, |norm| norm.lower(program, rows))
    }
}

impl Lookup {
    /// The rows of token ids, and where they are padding.
    pub(crate) fn run(&self, tokens: &Feature) -> Feature {
        let Feature { tensor: tokens, mask, .. } = tokens;
        let found = mask.as_ref().map(Tensor::shallow_clone);
        let mask = found.or_else(|| self.padding.map(|padding| tokens.ne(padding)));
        let mut output = Tensor::embedding(&self.table, tokens, self.padding.unwrap_or(-1), false, false);
        if let Some(offsets) = self.offsets(tokens.size()[1]) {
            output += offsets;
        }
        Feature { tensor: output, mask, present: None }
    }

    /// What is added to the rows of `steps` tokens, whatever these are: `[steps, D]` or `[1, D]`.
    fn offsets(&self, steps: i64) -> Option<Tensor> {
        let positions = self.positions.as_ref().map(|positions| positions.narrow(0, 0, steps));
        let kind = self.types.as_ref().map(|types| types.narrow(0, 0, 1));
        match (positions, kind) {
            (Some(positions), Some(kind)) => Some(positions + kind),
            (positions, kind) => positions.or(kind),
        }
    }

    /// The same for `steps` tokens, without gradients.
    fn frozen(&self, steps: i64) -> Self {
        let offsets = self.offsets(steps).map(|offsets| offsets.detach().expand([steps, -1], false));
        Self { table: self.table.detach(), padding: self.padding, positions: offsets, types: None }
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
        let (positions, padding) = (Positions::None, Some(2));
        let settings = Settings { vocabulary: 5, padding, positions, types: 0, norm: None, dropout: 0.0 };
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
