//! Which operations can be computed with the next one.

use super::{Operation, Value, Window};

/// A maximum over squares of 2x2.
const SQUARES: Window = Window { kernel: [2, 2], stride: [2, 2], padding: [0, 0] };

/// Of each operation, whether all that is asked of its value is the largest number of each square of 2x2, by the next.
pub(super) fn pooled(operations: &[Operation]) -> Vec<bool> {
    let mut readers = vec![0; operations.len() + 1];
    for Value(read) in operations.iter().flat_map(reads) {
        if let Some(readers) = readers.get_mut(read) {
            *readers += 1;
        }
    }
    let is_pooled = |number: usize| {
        let Some(Operation::MaxPool { input, window }) = operations.get(number + 1) else { return false };
        *input == Value(number + 1) && *window == SQUARES && readers[number + 1] == 1
    };
    (0..operations.len()).map(is_pooled).collect()
}

fn reads(operation: &Operation) -> impl Iterator<Item = Value> {
    let (input, add) = match *operation {
        Operation::Convolution { input, add, .. } | Operation::Linear { input, add, .. } => (input, add),
        Operation::Add { input, other } | Operation::Multiply { input, other } => (input, Some(other)),
        Operation::MaxPool { input, .. }
        | Operation::AveragePool { input, .. }
        | Operation::AdaptiveAveragePool { input, .. }
        | Operation::Mean { input }
        | Operation::Rows { input }
        | Operation::Flatten { input }
        | Operation::Part { input, .. }
        | Operation::WeightedSum { input, .. }
        | Operation::Softmax { input }
        | Operation::Outer { input, .. }
        | Operation::Activate { input, .. } => (input, None),
    };
    [Some(input), add].into_iter().flatten()
}
