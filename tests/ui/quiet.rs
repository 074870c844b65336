//! A sound spec gives no message, however strict the program around it.

#![deny(warnings, missing_docs, unreachable_pub, missing_debug_implementations, unused_qualifications)]
#![deny(rustdoc::all, single_use_lifetimes, unused_import_braces, trivial_casts, trivial_numeric_casts)]

use m2sn::prelude::*;

/// Hears and sees.
#[m2sn_model("./sound.yaml")]
pub struct Sound;

mod private {
    use super::m2sn_model;

    #[m2sn_model("./other.yaml")]
    #[derive(Debug)]
    struct Other;
}

fn main() {}
