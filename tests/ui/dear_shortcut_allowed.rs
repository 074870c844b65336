//! Whoever knows what a warning of the spec says can allow it, however strict the program is.

#![deny(warnings)]

use m2sn::prelude::*;

mod allowed {
    use super::m2sn_model;

    #[m2sn_model("./dear_shortcut.yaml")]
    #[allow(deprecated, reason = "the first layer is measured to be slow")]
    #[derive(Debug)]
    pub struct Dear;
}

mod expected {
    use super::m2sn_model;

    #[expect(deprecated)]
    #[m2sn_model("./dear_shortcut.yaml")]
    #[derive(Debug)]
    pub struct Dear;
}

mod conditional {
    use super::m2sn_model;

    #[m2sn_model("./dear_shortcut.yaml")]
    #[cfg_attr(all(), allow(deprecated), derive(Debug))]
    pub struct Dear;
}

fn main() {}
