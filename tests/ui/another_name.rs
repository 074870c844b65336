//! The struct and the model bear different names.

use m2sn::prelude::*;

#[m2sn_model("./sound.yaml")]
pub struct Noise;

fn main() -> m2sn::Result<()> {
    let model = Noise::new(Device::Cpu)?;
    model.predict(&noise::Input { image: Batch::new(todo!())?, audio: Batch::new(todo!())? })?;
    Ok(())
}
