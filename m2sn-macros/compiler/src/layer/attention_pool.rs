use super::{Inferred, Operation, Site, product};
use crate::cost::Cost;
use crate::shape::Shape;

pub(super) fn infer(site: &mut Site<'_>) -> Option<Inferred> {
    let [length, features] = site.sequence("attention_pool")?;
    // Each step is compared with the query, and weighed.
    let cost = Cost { parameters: features, multiply_adds: product(&[2, length, features]) };
    Some(Inferred { operation: Operation::AttentionPool, output: Shape::Vector { size: features }, cost })
}
