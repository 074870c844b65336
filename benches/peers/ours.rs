//! The ways of `m2sn`.

use m2sn::network::Input;
use m2sn::predictor::{Options, Precision, Predictor};
use m2sn::prelude::*;
use m2sn::tch::{self, Kind, Tensor};
use m2sn::{Error, routing};

use crate::runner::Runner;

/// Answers the same inputs anew at each call, by logits.
pub(crate) type Call = Box<dyn FnMut() -> m2sn::Result<Tensor>>;

/// Gets a network ready to be called.
pub(crate) fn prepare<N: Network + 'static>(runner: Runner, network: N, input: N::Input) -> m2sn::Result<Call>
where
    N::Input: 'static,
{
    let freeze = |network, precision| Predictor::new(network, Options { precision, ..Options::default() });
    let full = routing::full::<N>();
    let precision = match runner {
        Runner::Tch => return Ok(Box::new(move || Ok(routing::predict_by(&network, &input, full)?.logits))),
        Runner::TchRouted => {
            let mut routes = routes::<N>(&input)?;
            return Ok(Box::new(move || Ok(routing::predict_as(&network, &input, &routes())?.logits)));
        }
        Runner::M2snRouted => {
            let predictor = freeze(network, Precision::F32)?;
            let mut routes = routes::<N>(&input)?;
            return Ok(Box::new(move || Ok(predictor.predict_as(&input, &routes())?.logits)));
        }
        Runner::M2sn => Precision::F32,
        Runner::M2snBf16 => Precision::Bf16,
        Runner::M2snMixed => Precision::Mixed,
        _ => return Err(Error::Invalid(format!("`{}` is no way of m2sn", runner.name()))),
    };
    let predictor = freeze(network, precision)?;
    Ok(Box::new(move || Ok(predictor.predict_by(&input, full)?.logits)))
}

/// The routes of a batch, drawn evenly from all, at each call others: in use, hardly a batch takes those of the last.
fn routes<N: Network>(input: &N::Input) -> m2sn::Result<impl FnMut() -> Vec<N::Route> + 'static> {
    const BATCHES: i64 = 64;
    let samples = input.features().first().map_or(0, |feature| feature.tensor.size()[0]);
    let all: Vec<_> = routing::all::<N>().collect();
    tch::manual_seed(0);
    let drawn = Tensor::randint(all.len() as i64, [BATCHES, samples], (Kind::Int64, tch::Device::Cpu));
    let drawn = Vec::<Vec<i64>>::try_from(drawn)?;
    let mut batches = drawn.into_iter().cycle();
    Ok(move || batches.next().into_iter().flatten().map(|number| all[number as usize]).collect())
}
