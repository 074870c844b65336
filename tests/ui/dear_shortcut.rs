//! A warning of the spec is a warning of the compiler.

use m2sn::prelude::*;

#[m2sn_model("./dear_shortcut.yaml")]
pub struct Dear;

fn main() {}
