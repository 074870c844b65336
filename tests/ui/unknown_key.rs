//! A key that does not exist is shown with the nearest that does.

use m2sn::prelude::*;
use m2sn::shape::Image;

#[m2sn_model("./unknown_key.yaml")]
pub struct Typo;

fn used(image: Batch<Image<1, 28, 28>>) -> m2sn::Result<Answer<typo::Route>> {
    Typo::new(Device::Cpu)?.predict(&typo::Input { image })
}

fn main() {}
