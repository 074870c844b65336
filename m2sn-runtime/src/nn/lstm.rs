//! Long short-term memory.

use super::recurrent::{Cell, Recurrent, Unit};

pub use super::recurrent::Settings;

/// A stack of units of long short-term memory (Hochreiter & Schmidhuber 1997), with a gate that forgets (Gers et al. 2000):
/// `i = σ(W_ii x + b_ii + W_hi h + b_hi)`, `f = σ(W_if x + b_if + W_hf h + b_hf)`,
/// `g = tanh(W_ig x + b_ig + W_hg h + b_hg)`, `o = σ(W_io x + b_io + W_ho h + b_ho)`,
/// `c' = f ⊙ c + i ⊙ g`, `h' = o ⊙ tanh(c')`. The output is `h`.
///
/// Shapes, padding and variables are those of every [`Recurrent`] layer. PyTorch's twin is `LSTM`.
pub type Lstm<I, O> = Recurrent<LongShortTerm, I, O>;

/// The unit of an [`Lstm`].
#[derive(Debug)]
pub enum LongShortTerm {}

impl Unit for LongShortTerm {
    const CELL: Cell = Cell::Lstm;
}
