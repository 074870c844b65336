//! Layers that go through a sequence step by step and keep a state.

use std::fmt::Debug;
use std::marker::PhantomData;

use tch::nn::Path;
use tch::{Device, Kind, Tensor};

use super::linear::width;
use super::program::{Operation, Program, Value};
use super::{Layer, init};
use crate::Batch;
use crate::shape::{Sequence, Shape, Vector};

/// A stack of recurrent layers of the units `U`: a [`Gru`](super::Gru) or an [`Lstm`](super::Lstm).
///
/// `[batch, T, F]` → `[batch, T, H]` (the last layer's state at every step), or → `[batch, H]` (the last layer's state
/// after its last step, which for the backward direction is the first step). Where bidirectional, `H` is twice the
/// hidden width: forward, then backward.
///
/// Padding is passed over wherever it stands: the state after it is the state before it, and the backward direction
/// starts with the last real step. The output at padding steps is zero, and so is that of nothing but padding.
///
/// PyTorch's twins work over `pack_padded_sequence`, with the same variables:
/// `weight_ih_l0`, `weight_hh_l0`, `bias_ih_l0`, `bias_hh_l0`, then `…_reverse`, drawn uniformly from ±1/√hidden.
#[derive(Debug)]
pub struct Recurrent<U, I, O> {
    cells: Cells,
    types: PhantomData<fn(U, I) -> O>,
}

/// A kind of recurrent unit.
pub trait Unit: Debug + 'static {
    /// What it computes.
    const CELL: Cell;
}

/// What a recurrent unit computes of a step and of its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell {
    /// A gated recurrent unit.
    Gru,
    /// A unit of long short-term memory, of whose two states the output is the short one.
    Lstm,
}

/// What a [`Recurrent`] layer is whatever its shapes.
#[derive(Debug)]
pub struct Cells {
    cell: Cell,
    parameters: Vec<Tensor>,
    hidden: i64,
    settings: Settings,
    /// Whether the state after the last step is the output, and not the states of all.
    last: bool,
}

/// What the shapes do not tell of a [`Recurrent`] layer.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// The number of layers.
    pub layers: i64,
    /// Whether each layer also runs backward.
    pub bidirectional: bool,
    /// The probability that training drops a value between two layers.
    pub dropout: f64,
}

impl<U: Unit, I: Shape, O: Shape> Recurrent<U, I, O> {
    /// Draws a recurrent layer, with its variables under `path`.
    pub fn new(path: Path<'_>, settings: Settings) -> Self {
        let (inputs, outputs) = (width::<I>(), width::<O>());
        let directions = if settings.bidirectional { 2 } else { 1 };
        debug_assert!(outputs % directions == 0, "a bidirectional {:?} of the odd width {outputs}", U::CELL);
        let hidden = outputs / directions;
        let gates = U::CELL.gates();
        let suffixes = if settings.bidirectional { ["", "_reverse"].as_slice() } else { &[""] };
        let mut parameters = Vec::new();
        for layer in 0..settings.layers {
            let inputs = if layer == 0 { inputs } else { outputs };
            for suffix in suffixes {
                let mut draw = |name: &str, dims: &[i64]| {
                    let name = format!("{name}_l{layer}{suffix}");
                    parameters.push(init::fan_in(&path, &name, dims, hidden));
                };
                draw("weight_ih", &[gates * hidden, inputs]);
                draw("weight_hh", &[gates * hidden, hidden]);
                draw("bias_ih", &[gates * hidden]);
                draw("bias_hh", &[gates * hidden]);
            }
        }
        let last = O::DIMS.len() == 1;
        Self { cells: Cells { cell: U::CELL, parameters, hidden, settings, last }, types: PhantomData }
    }
}

impl<U: Unit, const T: i64, const F: i64, const H: i64> Layer<Sequence<T, F>, Sequence<T, H>>
    for Recurrent<U, Sequence<T, F>, Sequence<T, H>>
{
    fn forward(&self, input: &Batch<Sequence<T, F>>, train: bool) -> Batch<Sequence<T, H>> {
        input.map(self.cells.run(input.tensor(), input.mask(), train))
    }

    fn lower(&self, program: &mut Program, input: Value) -> Value {
        program.push(Operation::Recurrent(self.cells.frozen()), input, &[T, H])
    }
}

impl<U: Unit, const T: i64, const F: i64, const H: i64> Layer<Sequence<T, F>, Vector<H>>
    for Recurrent<U, Sequence<T, F>, Vector<H>>
{
    fn forward(&self, input: &Batch<Sequence<T, F>>, train: bool) -> Batch<Vector<H>> {
        Batch::trusted(self.cells.run(input.tensor(), input.mask(), train).into())
    }

    fn lower(&self, program: &mut Program, input: Value) -> Value {
        program.push(Operation::Recurrent(self.cells.frozen()), input, &[H])
    }
}

impl Cell {
    /// How many values the parameters hold for each value of the state.
    fn gates(self) -> i64 {
        match self {
            Self::Gru => 3,
            Self::Lstm => 4,
        }
    }
}

impl Cells {
    /// `[batch, T, F]` → the states of the last layer, `[batch, T, H]`, or the last of them, `[batch, H]`.
    pub(crate) fn run(&self, input: &Tensor, mask: Option<&Tensor>, train: bool) -> Tensor {
        let Some(mask) = mask else {
            let (states, last) = self.run_evenly(input, train);
            return if self.last { self.last_layer(&last) } else { states };
        };
        // Real steps first, in their order, so that padding is passed over wherever it stands.
        let steps = mask.to_kind(Kind::Int64).argsort_stable(true, 1, true);
        let along = |steps: &Tensor, tensor: &Tensor| {
            let size = [-1, -1, tensor.size()[2]];
            tensor.gather(1, &steps.unsqueeze(-1).expand(size, false), false)
        };
        let input = &along(&steps, input);
        // Packing wants the samples from the longest to the shortest, and their lengths on the processor.
        let (lengths, order) = lengths(mask).sort(0, true);
        let inverse = order.argsort(0, false).to_device(input.device());
        let order = order.to_device(input.device());
        let (data, sizes) = input.index_select(0, &order).internal_pack_padded_sequence(&lengths, true);
        let (data, last) = self.run_packed(&data, &sizes, input.size()[0], train);
        if self.last {
            let last = self.last_layer(&last).index_select(0, &inverse);
            return last.masked_fill(&mask.any_dim(1, true).logical_not(), 0.0);
        }
        let (states, _) = Tensor::internal_pad_packed_sequence(&data, &sizes, true, 0.0, mask.size()[1]);
        let states = along(&steps.argsort(1, false), &states.index_select(0, &inverse));
        states.masked_fill(&mask.logical_not().unsqueeze(-1), 0.0)
    }

    /// Samples of the same length, `[batch, T, F]` → the states of the last layer, and the last of every layer.
    fn run_evenly(&self, input: &Tensor, train: bool) -> (Tensor, Tensor) {
        let Settings { layers, bidirectional, dropout } = self.settings;
        let start = self.start(input, input.size()[0]);
        match self.cell {
            Cell::Gru => input.gru(&start, &self.parameters, true, layers, dropout, train, bidirectional, true),
            Cell::Lstm => {
                let start = [start.shallow_clone(), start];
                let (states, last, _) =
                    input.lstm(&start, &self.parameters, true, layers, dropout, train, bidirectional, true);
                (states, last)
            }
        }
    }

    /// Samples that are packed: the same, the states packed too.
    fn run_packed(&self, data: &Tensor, sizes: &Tensor, samples: i64, train: bool) -> (Tensor, Tensor) {
        let Settings { layers, bidirectional, dropout } = self.settings;
        let start = self.start(data, samples);
        let parameters = &self.parameters;
        match self.cell {
            Cell::Gru => Tensor::gru_data(data, sizes, &start, parameters, true, layers, dropout, train, bidirectional),
            Cell::Lstm => {
                let start = [start.shallow_clone(), start];
                let (states, last, _) =
                    Tensor::lstm_data(data, sizes, &start, parameters, true, layers, dropout, train, bidirectional);
                (states, last)
            }
        }
    }

    /// The same without gradients.
    fn frozen(&self) -> Self {
        let Self { cell, hidden, settings, last, .. } = *self;
        Self { cell, parameters: self.parameters.iter().map(Tensor::detach).collect(), hidden, settings, last }
    }

    /// The state before the first step.
    fn start(&self, input: &Tensor, samples: i64) -> Tensor {
        let directions = if self.settings.bidirectional { 2 } else { 1 };
        let dims = [self.settings.layers * directions, samples, self.hidden];
        Tensor::zeros(dims, (input.kind(), input.device()))
    }

    /// `[layers · directions, batch, hidden]` → the last layer's directions side by side.
    fn last_layer(&self, states: &Tensor) -> Tensor {
        if self.settings.bidirectional { Tensor::cat(&[states.get(-2), states.get(-1)], 1) } else { states.get(-1) }
    }
}

/// The number of each sample's real steps, at least 1: `[batch]` on the processor.
fn lengths(mask: &Tensor) -> Tensor {
    mask.sum_dim_intlist([1].as_slice(), false, Kind::Int64).clamp_min(1).to_device(Device::Cpu)
}

#[cfg(test)]
mod tests {
    use tch::nn::VarStore;

    use super::*;
    use crate::batch::Feature;
    use crate::nn::{gru, lstm};

    const BOTH: Settings = Settings { layers: 2, bidirectional: true, dropout: 0.0 };

    fn input(tensor: &Tensor, mask: &[bool]) -> Batch<Sequence<4, 3>> {
        let mask = Tensor::from_slice(mask).view([-1, 4]);
        Batch::trusted(Feature { mask: Some(mask), ..tensor.shallow_clone().into() })
    }

    fn padding_gives_zeros_by<U: Unit>() {
        let store = VarStore::new(Device::Cpu);
        let all = Recurrent::<U, Sequence<4, 3>, Sequence<4, 10>>::new(store.root() / "all", BOTH);
        let last = Recurrent::<U, Sequence<4, 3>, Vector<10>>::new(store.root() / "last", BOTH);
        let tensor = Tensor::randn([2, 4, 3], (Kind::Float, Device::Cpu));
        let input = input(&tensor, &[false, false, false, false, true, false, true, false]);
        let states = all.forward(&input, false);
        let zero = states.tensor().eq(0.0).all_dim(2, false);
        assert_eq!(zero, input.mask().expect("a mask").logical_not());
        let last = last.forward(&input, false);
        assert!(bool::try_from(last.tensor().get(0).eq(0.0).all()).unwrap());
        assert!(bool::try_from(last.tensor().get(1).ne(0.0).all()).unwrap());
        assert!(last.mask().is_none());
    }

    #[test]
    fn padding_gives_zeros() {
        padding_gives_zeros_by::<gru::Gated>();
        padding_gives_zeros_by::<lstm::LongShortTerm>();
    }

    fn padding_is_passed_over_by<U: Unit>() {
        let store = VarStore::new(Device::Cpu);
        let all = Recurrent::<U, Sequence<4, 3>, Sequence<4, 10>>::new(store.root() / "all", BOTH);
        let last = Recurrent::<U, Sequence<4, 3>, Vector<10>>::new(store.root() / "last", BOTH);
        let tensor = Tensor::randn([1, 4, 3], (Kind::Float, Device::Cpu));
        // Steps 1 and 3 of four, and the same two steps padded at the end.
        let apart = input(&tensor, &[false, true, false, true]);
        let rows = Tensor::from_slice(&[1i64, 3, 0, 2]);
        let together = input(&tensor.index_select(1, &rows), &[true, true, false, false]);
        let (found, expected) = (last.forward(&apart, false), last.forward(&together, false));
        assert!(found.tensor().allclose(expected.tensor(), 1e-6, 1e-7, false));
        let (found, expected) = (all.forward(&apart, false), all.forward(&together, false));
        for (step, same) in [(1, 0), (3, 1)] {
            assert!(found.tensor().select(1, step).allclose(&expected.tensor().select(1, same), 1e-6, 1e-7, false));
        }
    }

    #[test]
    fn padding_is_passed_over_wherever_it_stands() {
        padding_is_passed_over_by::<gru::Gated>();
        padding_is_passed_over_by::<lstm::LongShortTerm>();
    }
}
