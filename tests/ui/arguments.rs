//! The macros take the path of a spec.

use m2sn::prelude::*;

#[m2sn_model]
pub struct Nothing;

#[m2sn_model(specs)]
pub struct NoLiteral;

#[m2sn_model("./sound.yaml", runtime = m2sn)]
pub struct NoSuchArgument;

#[m2sn_model("")]
pub struct Empty;

fn main() {
    let _source: &str = m2sn_source!("./unknown_key.yaml");
}
