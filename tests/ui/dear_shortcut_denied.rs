//! A program that denies warnings denies those of the spec, and what is expected has to come.

#![deny(warnings)]

use m2sn::prelude::*;

mod denied {
    use super::m2sn_model;

    #[m2sn_model("./dear_shortcut.yaml")]
    pub struct Dear;
}

mod unfulfilled {
    use super::m2sn_model;

    #[m2sn_model("./sound.yaml")]
    #[expect(deprecated)]
    pub struct Sound;
}

fn main() {}
