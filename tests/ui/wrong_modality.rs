//! The audio tensor is passed for the image.

use m2sn::prelude::*;
use m2sn::shape::Image;

#[m2sn_model("./sound.yaml")]
struct Sound;

fn main() -> m2sn::Result<()> {
    let model = Sound::new(Device::Cpu)?;
    let pixels: Batch<Image<1, 28, 28>> = todo!();
    let spectrogram: Batch<Image<1, 32, 48>> = todo!();
    model.predict(&sound::Input { image: spectrogram, audio: pixels })?;
    Ok(())
}
