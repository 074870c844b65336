//! Writes what the guide `docs/own-data.md` begins with: photographs of three kinds of parts, and the table.
//!
//! Scratches can only be seen, breaks can be seen and weighed, and few parts are broken.

use std::fmt::Write;

use m2sn::data::image;
use m2sn::tch::{self, Kind, Tensor};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    tch::manual_seed(3);
    std::fs::create_dir_all("data/photos")?;
    let mut table = String::from("photo,weight,length,finding\n");
    for row in 0..300 {
        let finding = ["fine", "scratched", "fine", "scratched", "broken"][row % 5];
        let photo = Tensor::rand([3, 40, 48], tch::kind::FLOAT_CPU) * 40.0 + 120.0;
        let part = match finding {
            "scratched" => photo.narrow(1, 18, 4),
            "broken" => photo.narrow(2, 0, 20),
            _ => photo.narrow(2, 0, 0),
        };
        let _ = part.shallow_clone().fill_(if finding == "broken" { 10.0 } else { 250.0 });
        image::write(format!("data/photos/{row}.jpg"), &photo.to_kind(Kind::Uint8))?;
        let noise = Vec::<f64>::try_from(Tensor::randn([2], tch::kind::DOUBLE_CPU))?;
        let weight = if finding == "broken" { 30.0 } else { 40.0 } + noise[0];
        let length = 120.0 + 5.0 * noise[1];
        writeln!(table, "photos/{row}.jpg,{weight:.1},{length:.0},{finding}")?;
    }
    Ok(std::fs::write("data/table.csv", table)?)
}
