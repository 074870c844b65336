//! The attribute goes on a unit struct.

use m2sn::prelude::*;

#[m2sn_model("./sound.yaml")]
pub enum Choice {
    One,
}

#[m2sn_model("./sound.yaml")]
pub struct Filled {
    one: u8,
}

#[m2sn_model("./sound.yaml")]
pub struct Generic<T>;

#[m2sn_model("./sound.yaml")]
fn function() {}

fn main() -> m2sn::Result<()> {
    Choice::new(Device::Cpu)?.save("run")?;
    Filled::new(Device::Cpu)?.save("run")
}
