//! A key that does not exist is shown with the nearest that does.

use m2sn::prelude::*;

#[m2sn_model("./unknown_key.yaml")]
pub struct Typo;

fn main() -> m2sn::Result<()> {
    let model = Typo::new(Device::Cpu)?;
    model.predict(&typo::Input { image: Batch::new(todo!())? })?;
    Ok(())
}
