//! Runs what given exits need, and nothing else.

use tch::Tensor;

use crate::batch::Feature;
use crate::network::{Network, leave};

/// The exits of one modality, one a sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Chosen {
    /// All samples leave at the same exit, as they always do where there is one sample: no row is ever picked.
    Shared(usize),
    /// Each sample has its own.
    Each(Vec<usize>),
}

impl Chosen {
    /// The exit of a sample.
    pub(super) fn of(&self, sample: usize) -> usize {
        match self {
            Self::Shared(exit) => *exit,
            Self::Each(exits) => exits[sample],
        }
    }
}

impl From<Vec<usize>> for Chosen {
    fn from(exits: Vec<usize>) -> Self {
        match exits.split_first() {
            Some((first, rest)) if rest.iter().all(|exit| exit == first) => Self::Shared(*first),
            _ => Self::Each(exits),
        }
    }
}

/// Runs the encoders up to the given exits, then fusion and head, `[batch, outputs]`.
///
/// `inputs` and `exits` hold one entry a modality, and the inputs fit the network.
pub(super) fn run<N: Network>(network: &N, inputs: &[Feature], exits: &[Chosen]) -> Tensor {
    let features: Vec<Tensor> = inputs
        .iter()
        .zip(exits)
        .enumerate()
        .map(|(modality, (input, exits))| match exits {
            Chosen::Shared(exit) => encode(network, modality, input, *exit),
            Chosen::Each(exits) => encode_each(network, modality, input, exits),
        })
        .collect();
    network.fuse(&features, false)
}

/// The feature of one modality at an exit that all samples share, `[batch, feature]`.
pub(crate) fn encode<N: Network>(network: &N, modality: usize, input: &Feature, exit: usize) -> Tensor {
    let mut feature = network.block(modality, 0, input, false);
    for block in 1..=exit {
        feature = network.block(modality, block, &feature, false);
    }
    leave(network, modality, exit, &feature, false)
}

/// The feature of one modality where each sample has its own exit, in the order of the samples.
///
/// The batch narrows from block to block. What leaves it is kept as one piece an exit;
/// at the end the pieces are put together and back in order.
fn encode_each<N: Network>(network: &N, modality: usize, input: &Feature, exits: &[usize]) -> Tensor {
    let device = input.tensor.device();
    let index = |rows: &[i64]| Tensor::from_slice(rows).to_device(device);

    let mut pieces = Vec::new();
    let mut places = vec![0; exits.len()];
    let mut placed = 0;
    let mut running: Vec<usize> = (0..exits.len()).collect();
    let mut feature = input.clone();
    for block in 0.. {
        feature = network.block(modality, block, &feature, false);
        let (leaving, staying): (Vec<i64>, Vec<i64>) =
            (0..running.len() as i64).partition(|row| exits[running[*row as usize]] == block);
        for row in &leaving {
            places[running[*row as usize]] = placed;
            placed += 1;
        }
        if staying.is_empty() {
            pieces.push(leave(network, modality, block, &feature, false));
            break;
        }
        if !leaving.is_empty() {
            pieces.push(leave(network, modality, block, &feature.select(&index(&leaving)), false));
            feature = feature.select(&index(&staying));
            running = staying.iter().map(|row| running[*row as usize]).collect();
        }
    }
    Tensor::cat(&pieces, 0).index_select(0, &index(&places))
}
