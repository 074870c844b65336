//! The file is not there.

use m2sn::prelude::*;

#[m2sn_model("./misssing.yaml")]
pub struct Missing;

fn main() -> m2sn::Result<()> {
    Missing::new(Device::Cpu)?.save("run")
}
