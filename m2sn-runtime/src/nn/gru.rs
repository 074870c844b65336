//! Gated recurrent units.

use super::recurrent::{Cell, Recurrent, Unit};

pub use super::recurrent::Settings;

/// A stack of gated recurrent units (Cho et al. 2014):
/// `r = σ(W_ir x + b_ir + W_hr h + b_hr)`, `z = σ(W_iz x + b_iz + W_hz h + b_hz)`,
/// `n = tanh(W_in x + b_in + r ⊙ (W_hn h + b_hn))`, `h' = (1 − z) ⊙ n + z ⊙ h`.
///
/// Shapes, padding and variables are those of every [`Recurrent`] layer. PyTorch's twin is `GRU`.
pub type Gru<I, O> = Recurrent<Gated, I, O>;

/// The unit of a [`Gru`].
#[derive(Debug)]
pub enum Gated {}

impl Unit for Gated {
    const CELL: Cell = Cell::Gru;
}
