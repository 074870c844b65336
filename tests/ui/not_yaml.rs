//! What stands above the fault is known, so that it gives no more errors.

use m2sn::prelude::*;
use m2sn::shape::Image;

#[m2sn_model("./not_yaml.yaml")]
pub struct Broken;

fn used(image: Batch<Image<1, 28, 28>>) -> m2sn::Result<Answer<broken::Route>> {
    let route = broken::Route { image: broken::ImageExit::Stem };
    Broken::new(Device::Cpu)?.predict_by(&broken::Input { image }, route)
}

fn main() {}
