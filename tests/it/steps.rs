//! Layers that go over the steps of sequences: what stands in padding reaches no answer.

use m2sn::prelude::*;
use m2sn::tch::{Kind, Tensor};

use crate::networks::{fits, random_of};
use crate::predictors::answers_alike;

#[m2sn_model("tests/it/gestures.yaml")]
pub(super) struct Gestures;

#[test]
fn parts_fit_and_freeze() -> m2sn::Result<()> {
    fits::<Gestures>()?;
    answers_alike::<Gestures>()
}

#[test]
fn what_stands_in_padding_reaches_no_answer() -> m2sn::Result<()> {
    const SAMPLES: i64 = 5;
    let model = Gestures::seeded(Device::Cpu, 3)?;
    let gestures::Input { hand, sound } = random_of::<Gestures>(SAMPLES)?;
    // From shorter than any window to whole.
    let lengths = Tensor::from_slice(&[1i64, 3, 10, 17, 24]);
    let padded = |tensor: &Tensor, with: f64| {
        let steps = Tensor::arange(tensor.size()[1], (Kind::Int64, m2sn::tch::Device::Cpu));
        tensor.masked_fill(&steps.ge_tensor(&lengths.unsqueeze(1)).unsqueeze(2), with)
    };
    let input = |with: f64| -> m2sn::Result<gestures::Input> {
        let hand = Batch::with_lengths(padded(hand.tensor(), with), &lengths)?;
        let sound = Batch::with_lengths(padded(sound.tensor(), with), &lengths)?;
        Ok(gestures::Input { hand, sound })
    };
    for route in m2sn::routing::all::<Gestures>() {
        let expected = model.predict_by(&input(0.0)?, route)?.logits;
        for with in [f64::NAN, f64::INFINITY, 1e30] {
            assert_eq!(model.predict_by(&input(with)?, route)?.logits, expected, "{with} by {route}");
        }
        let whole = model.predict_by(&gestures::Input { hand: hand.clone(), sound: sound.clone() }, route)?.logits;
        assert!(!expected.allclose(&whole, 1e-3, 1e-3, false), "the mask changes nothing by {route}");
    }
    Ok(())
}
