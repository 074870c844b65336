//! Every fault of a spec is shown, and nothing else, although the program uses all that the model would have.

use m2sn::network::{Input as _, Route as _};
use m2sn::prelude::*;
use m2sn::tch::Tensor;

/// A model that cannot be.
#[m2sn_model("./several_faults.yaml")]
pub struct Faulty;

fn used(pixels: Tensor, words: Tensor, splits: Splits<faulty::Input>) -> m2sn::Result<()> {
    let mut model = Faulty::new(Device::cuda_if_available())?;
    let input = faulty::Input { image: Batch::new(pixels)?, text: Batch::new(words)? };
    model.train(&splits, &mut Progress::bars())?;
    let answer = model.predict(&input)?;
    for route in &answer.routes {
        match route.image {
            faulty::ImageExit::Stem | faulty::ImageExit::Full => println!("{route}: {}", route.text),
        }
    }
    let route = faulty::Route { image: faulty::ImageExit::Stem, text: faulty::TextExit::Full };
    model.predict_by(&input, route)?;
    model.save("run")?;
    println!("{} {:?} {model:?}", Faulty::description().name, input.features().len() + route.blocks().len());
    Ok(())
}

fn main() {}
