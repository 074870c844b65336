//! Trains the network of `specs/first.yaml` on data made up here, and answers some more of them.

use m2sn::prelude::*;
use m2sn::tch::{self, Kind, Tensor};

#[m2sn_model("specs/first.yaml")]
struct First;

fn main() -> m2sn::Result<()> {
    let device = Device::cuda_if_available();
    let data = Splits { train: events(2000)?, valid: events(400)? };
    let mut model = First::new(device)?;
    model.train(&data, &mut Progress::bars())?;
    // A program that only predicts begins with `First::new(device)?` and `load("runs/first")`.
    model.save("runs/first")?;

    let test = events(200)?.to_device(device)?;
    let answer = model.predict(&test.input()?)?;
    let wanted = Vec::<i64>::try_from(test.target())?;
    let right = answer.classes()?.iter().zip(&wanted).filter(|(class, wanted)| class == wanted).count();
    println!("{right} of {} events are told apart, the first three by these routes:", wanted.len());
    for route in answer.routes.iter().take(3) {
        println!("  {route}");
    }
    Ok(())
}

/// Events of two kinds; a sensor that feels one reads a rising or a falling line, else noise.
fn events(samples: i64) -> m2sn::Result<Dataset<first::Input>> {
    let float = (Kind::Float, tch::Device::Cpu);
    let kind = Tensor::randint(2, [samples], (Kind::Int64, tch::Device::Cpu));
    let line = Tensor::linspace(-1.0, 1.0, 16, float) * (kind.to_kind(Kind::Float) * 2.0 - 1.0).unsqueeze(1);
    let left_feels = Tensor::rand([samples, 1], float).lt(0.6).to_kind(Kind::Float);
    let right_feels = 1.0 - &left_feels * Tensor::rand([samples, 1], float).lt(0.8).to_kind(Kind::Float);
    let felt = |feels: &Tensor| Batch::new(&line * feels + Tensor::randn([samples, 16], float) * 0.5);
    let input = first::Input { left: felt(&left_feels)?, right: felt(&right_feels)? };
    Dataset::new(input, kind, First::description().task)
}
