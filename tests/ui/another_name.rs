//! The struct and the model bear different names.

use m2sn::prelude::*;
use m2sn::shape::Image;

#[m2sn_model("./sound.yaml")]
pub struct Noise;

fn used(image: Batch<Image<1, 28, 28>>, audio: Batch<Image<1, 32, 48>>) -> m2sn::Result<Answer<noise::Route>> {
    Noise::new(Device::Cpu)?.predict(&noise::Input { image, audio })
}

fn main() {}
