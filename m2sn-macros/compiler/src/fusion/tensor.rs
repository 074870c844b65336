use super::{Fusion, Operation, Site};
use crate::cost::Cost;

/// The most products: a sample's take 64 MB in single precision, a batch's of 64 samples 4 GB.
const MAX_PRODUCTS: u64 = 1 << 24;

pub(super) fn infer(site: &mut Site<'_>) -> Option<Fusion> {
    let widths = site.several("tensor")?;
    // The products of the first two features, of these with the third, and so on.
    let mut products = widths.iter().map(|width| width + 1);
    let mut size = products.next()?;
    let mut multiply_adds: u64 = 0;
    for factor in products {
        size = size.saturating_mul(factor);
        multiply_adds = multiply_adds.saturating_add(size);
    }
    if size > MAX_PRODUCTS {
        let factors: Vec<_> = widths.iter().map(|width| format!("({width} + 1)")).collect();
        site.errors
            .error(
                &site.place,
                format!("`tensor` would make {} values of a sample, more than {MAX_PRODUCTS}", factors.join(" · ")),
            )
            .help(
                "end the encoders in smaller vectors, or write `low_rank_tensor: { size: 64, rank: 16 }`, which maps the \
                 same products without forming them",
            );
        return None;
    }
    Some(Fusion { operation: Operation::Tensor, widths, size, cost: Cost { parameters: 0, multiply_adds } })
}
