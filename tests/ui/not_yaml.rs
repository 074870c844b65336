//! What stands above the fault is known, so that it gives no more errors.

use m2sn::prelude::*;

#[m2sn_model("./not_yaml.yaml")]
pub struct Broken;

fn main() -> m2sn::Result<()> {
    let model = Broken::new(Device::Cpu)?;
    model.predict(&broken::Input { image: Batch::new(todo!())? })?;
    Ok(())
}
