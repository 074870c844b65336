//! Generated models: their parts fit, cost what the compiler says, and answer as their typed parts do.

use m2sn::batch::Feature;
use m2sn::network::{self, Input, Network, Part, Route};
use m2sn::policy::Paper;
use m2sn::prelude::*;
use m2sn::routing;
use m2sn::tch::{Kind, Tensor};

use crate::alone::Moods;
use crate::text::{Glove, SmallBert};

/// Reads digits.
#[m2sn_model("specs/avdigits.yaml")]
pub struct AvDigits;

#[m2sn_model("specs/avdigits_missing.yaml")]
pub(super) struct AvDigitsMissing;

#[m2sn_model("specs/genres.yaml")]
pub(super) struct Genres;

#[m2sn_model("specs/gated.yaml")]
pub(super) struct Gated;

#[m2sn_model("specs/quickstart.yaml", crate = crate::networks::renamed)]
#[derive(Debug)]
pub(crate) struct Quickstart;

#[m2sn_model("../../specs/sentiment.yaml")]
pub(super) struct Sentiment;

#[m2sn_model("specs/signals.yaml")]
pub(super) struct Signals;

#[m2sn_model("./unfolded.yaml")]
pub(super) struct Unfolded;

/// The facade under another name, as a package may have it that re-exports it.
mod renamed {
    pub(crate) use m2sn::*;
}

const SAMPLES: i64 = 3;

#[test]
fn parts_fit_and_cost_what_the_compiler_says() -> m2sn::Result<()> {
    fits::<AvDigits>()?;
    fits::<AvDigitsMissing>()?;
    fits::<Genres>()?;
    fits::<Gated>()?;
    fits::<Quickstart>()?;
    fits::<Sentiment>()?;
    fits::<Signals>()?;
    fits::<Unfolded>()?;
    fits::<SmallBert>()?;
    fits::<Glove>()?;
    fits::<Moods>()
}

/// Runs every part on random inputs, and compares its output and its variables with the description.
pub(super) fn fits<N: Network>() -> m2sn::Result<()> {
    let network = N::new(Device::Cpu)?;
    let input = random::<N>()?;
    let description = N::description();
    let (outputs, mut deepest) = (description.task.outputs(), Vec::new());
    for (m, (modality, mut feature)) in description.modalities.iter().zip(input.features()).enumerate() {
        let sized = |dims: &[i64]| [&[SAMPLES], dims].concat();
        assert_eq!(feature.tensor.size(), sized(modality.dims));
        for (e, exit) in modality.exits.iter().enumerate() {
            let place = format!("{}, {}, {}", description.name, modality.name, exit.name);
            feature = network.block(m, e, &feature, false);
            assert_eq!(feature.tensor.size(), sized(exit.dims), "{place}");
            assert_eq!(parameters(&network, Part::Block { modality: m, block: e }), exit.block.parameters, "{place}");
            if e + 1 < modality.exits.len() {
                let shortcut = network.shortcut(m, e, &feature, false);
                assert_eq!(shortcut.size(), [SAMPLES, modality.feature], "{place}");
                assert_eq!(
                    parameters(&network, Part::Shortcut { modality: m, exit: e }),
                    exit.shortcut.parameters,
                    "{place}"
                );
            }
        }
        assert_eq!(feature.tensor.size(), [SAMPLES, modality.feature]);
        assert_eq!(network.task_head(m, &feature.tensor).size(), [SAMPLES, outputs]);
        assert_eq!(parameters(&network, Part::TaskHead { modality: m }), modality.task_head.parameters);
        deepest.push(feature.tensor);
    }
    assert_eq!(network.fuse(&deepest, false).size(), [SAMPLES, outputs]);
    assert_eq!(parameters(&network, Part::Head), description.head.parameters);
    let scores = network.navigate(&input.features(), false);
    let exits: Vec<_> =
        description.modalities.iter().map(|modality| vec![SAMPLES, modality.exits.len() as i64]).collect();
    assert_eq!(scores.iter().map(Tensor::size).collect::<Vec<_>>(), exits);
    assert_eq!(parameters(&network, Part::Navigator), description.navigator.parameters);
    Ok(())
}

/// Random inputs as the description has them.
pub(super) fn random<N: Network>() -> m2sn::Result<N::Input> {
    random_of::<N>(SAMPLES)
}

/// So many random samples.
pub(super) fn random_of<N: Network>(samples: i64) -> m2sn::Result<N::Input> {
    let features = N::description().modalities.iter().map(|modality| {
        let size = [&[samples], modality.dims].concat();
        let options = |kind| (kind, m2sn::tch::Device::Cpu);
        Feature::from(match modality.kind {
            Kind::Int64 => {
                let vocabulary = modality.vocabulary.unwrap_or(2);
                Tensor::randint_low(1, vocabulary, size, options(Kind::Int64))
            }
            Kind::Uint8 => Tensor::randint(256, size, options(Kind::Uint8)),
            kind => Tensor::randn(size, options(kind)),
        })
    });
    N::Input::from_features(features.collect())
}

/// The number of trained values that a part has in the store.
pub(super) fn parameters<N: Network>(network: &N, part: Part) -> u64 {
    let prefixes = part.prefixes(N::description());
    let variables = network.variables().variables().into_iter();
    let of_part = variables
        .filter(|(name, tensor)| tensor.requires_grad() && prefixes.iter().any(|prefix| name.starts_with(prefix)));
    of_part.map(|(_, tensor)| tensor.numel() as u64).sum()
}

#[test]
fn typed_parts_and_erased_parts_agree() -> m2sn::Result<()> {
    use sentiment::{AudioExit, LanguageExit, VisionExit};

    let model = Sentiment::new(Device::Cpu)?;
    let input = random::<Sentiment>()?;
    for route in [
        sentiment::Route { language: LanguageExit::Words, vision: VisionExit::Motion, audio: AudioExit::Frames },
        sentiment::Route { language: LanguageExit::Context, vision: VisionExit::Full, audio: AudioExit::Frames },
        sentiment::Route { language: LanguageExit::Full, vision: VisionExit::Full, audio: AudioExit::Full },
    ] {
        let typed = model.head.forward(&model.encoders.features(&input, route, false), false);
        let answer = model.predict_by(&input, route)?;
        assert!(answer.logits.allclose(typed.tensor(), 1e-5, 1e-6, false), "{route}");
        assert_eq!(answer.routes, [route; SAMPLES as usize]);
    }
    Ok(())
}

#[test]
fn typed_parts_and_erased_parts_agree_on_what_is_missing() -> m2sn::Result<()> {
    use av_digits_missing::{AudioExit, ImageExit, Input, Route};

    let model = AvDigitsMissing::new(Device::Cpu)?;
    for modality in 0..2 {
        let mut stand_in = model.stand_in(modality).expect("either may be missing").shallow_clone();
        m2sn::tch::no_grad(|| stand_in.copy_(&Tensor::randn([64], (Kind::Float, m2sn::tch::Device::Cpu))));
    }
    let Input { image, audio } = random::<AvDigitsMissing>()?;
    let some = audio.clone().map(|audio| audio.where_present(&Tensor::from_slice(&[true, false, true]))).transpose()?;
    let inputs = [
        Input { image: image.clone(), audio: audio.clone() },
        Input { image: image.clone(), audio: None },
        Input { image: None, audio },
        Input { image, audio: some },
    ];
    let both = Route { image: Some(ImageExit::Stage2), audio: Some(AudioExit::Full) };
    for input in &inputs {
        for route in [both, Route { audio: None, ..both }] {
            let typed = model.head.forward(&model.encoders.features(input, route, false), false);
            if input.image.is_none() && route.audio.is_none() {
                // Nothing is left to tell the number of samples by.
                continue;
            }
            let answer = model.predict_by(input, route)?;
            assert!(answer.logits.allclose(typed.tensor(), 1e-5, 1e-6, false), "{route}");
        }
        let scores = model.navigator.forward(input, false);
        let erased = Tensor::cat(&model.navigate(&input.features(), false), 1);
        assert!(erased.allclose(scores.tensor(), 1e-5, 1e-6, false));
    }
    let routes = model.predict_by(&inputs[1], both)?.routes;
    assert_eq!(routes, [Route { audio: None, ..both }; SAMPLES as usize]);
    assert_eq!(routes[0].to_string(), "image: stage2, audio: none");
    let nothing = Input { image: None, audio: None };
    let message = model.predict(&nothing).map(drop).expect_err("there is nothing to predict from").to_string();
    assert_eq!(message, "inputs of `AvDigitsMissing`: every modality is missing, expected one at least");
    Ok(())
}

#[test]
fn what_stands_in_padding_changes_no_answer() -> m2sn::Result<()> {
    let model = Sentiment::new(Device::Cpu)?;
    let sentiment::Input { language, vision, audio } = random::<Sentiment>()?;
    let lengths: Vec<_> = (0..SAMPLES).map(|sample| 1 + 7 * sample % 20).collect();
    let lengths = Tensor::from_slice(&lengths);
    let padded = |with: f64| -> m2sn::Result<sentiment::Input> {
        let padded = |tensor: &Tensor| {
            let steps = Tensor::arange(tensor.size()[1], (Kind::Int64, m2sn::tch::Device::Cpu));
            let padding = steps.ge_tensor(&lengths.unsqueeze(1)).unsqueeze(2);
            tensor.masked_fill(&padding, with)
        };
        let vision = Batch::with_lengths(padded(vision.tensor()), &lengths)?;
        let audio = Batch::with_lengths(padded(audio.tensor()), &lengths)?;
        Ok(sentiment::Input { language: language.clone(), vision, audio })
    };
    let blank = padded(0.0)?;
    for route in m2sn::routing::all::<Sentiment>() {
        let expected = model.predict_by(&blank, route)?;
        for with in [f64::NAN, f64::INFINITY, 1e30] {
            assert_eq!(model.predict_by(&padded(with)?, route)?.logits, expected.logits, "{with} by {route}");
        }
    }
    let expected = model.predict(&blank)?;
    let answer = model.predict(&padded(f64::NAN)?)?;
    assert_eq!((answer.routes, answer.logits), (expected.routes, expected.logits));
    Ok(())
}

#[test]
fn navigator_decides_among_the_exits() -> m2sn::Result<()> {
    let model = AvDigits::new(Device::Cpu)?;
    let input = random::<AvDigits>()?;
    let scores = model.navigator.forward(&input, false);
    let answer = routing::predict_with(&model, &input, &Paper::of(&model)?)?;
    for (row, route) in answer.routes.iter().enumerate() {
        let row = scores.tensor().get(row as i64);
        let best = |start, exits| row.narrow(0, start, exits).argmax(0, false).int64_value(&[]) as usize;
        assert_eq!(route.blocks(), [best(0, 4) + 1, best(4, 4) + 1]);
    }
    Ok(())
}

#[test]
fn a_model_explains_itself() -> m2sn::Result<()> {
    let model = Quickstart::new(Device::Cpu)?;
    let features = random::<Quickstart>()?.features();
    let sample = quickstart::Input::from_features(features.iter().map(|feature| feature.narrow(0, 1)).collect())?;
    let explanation = model.explain(&sample)?;
    assert_eq!(explanation.route, model.predict(&sample)?.routes[0].to_string());
    assert_eq!((explanation.policy.as_str(), explanation.routes.len()), ("paper", 4));
    Ok(())
}

#[test]
fn token_ids_beyond_the_vocabulary_are_refused() -> m2sn::Result<()> {
    let model = Sentiment::new(Device::Cpu)?;
    let features = random::<Sentiment>()?.features();
    let _ = features[0].tensor.get(2).get(1).fill_(500);
    let error = model.predict(&sentiment::Input::from_features(features)?).expect_err("the id is not known");
    assert_eq!(
        error.to_string(),
        "modality `language`: row 2 holds the token id 500, expected 0 to 499, the vocabulary of its spec"
    );
    Ok(())
}

#[test]
fn routes_and_inputs_survive_erasure() -> m2sn::Result<()> {
    use av_digits::{AudioExit, ImageExit};

    let route = av_digits::Route { image: ImageExit::Stage2, audio: AudioExit::Full };
    assert_eq!(route.blocks(), [2, 4]);
    assert_eq!(av_digits::Route::from_blocks(&[2, 4]), Some(route));
    for blocks in [&[2, 5][..], &[2, 0], &[2]] {
        assert_eq!(av_digits::Route::from_blocks(blocks), None);
    }
    assert_eq!(route.to_string(), "image: stage2, audio: full");
    assert_eq!(ImageExit::ALL.len(), 4);

    let input = random::<AvDigits>()?;
    let mut features = input.features();
    assert_eq!(av_digits::Input::from_features(features.clone())?.audio.len(), SAMPLES);
    features.reverse();
    let swapped = av_digits::Input::from_features(features).expect_err("the modalities are swapped");
    assert_eq!(
        swapped.to_string(),
        "batch of `Image<1, 28, 28>`: expected [batch, 1, 28, 28] of Float, found [3, 1, 32, 48] of Float"
    );
    let missing = av_digits::Input::from_features(Vec::new()).expect_err("there are none");
    assert_eq!(missing.to_string(), "modalities: expected 2, found 0");
    Ok(())
}

#[test]
fn description_holds_the_spec() {
    let description = AvDigits::description();
    assert_eq!(description.name, "AvDigits");
    assert_eq!(description.spec_path, "specs/avdigits.yaml");
    assert_eq!(description.spec, include_str!("../../specs/avdigits.yaml"));
    assert_eq!(description.modalities[1].exits[3].layers, ["stage4", "feature"]);
}

#[test]
fn variables_are_named_as_in_the_spec() -> m2sn::Result<()> {
    let model = Gated::new(Device::Cpu)?;
    let mut places: Vec<_> = model.variables.variables().into_keys().collect();
    places.sort();
    insta::assert_snapshot!(places.join("\n"));
    Ok(())
}

#[test]
fn models_may_be_local() -> m2sn::Result<()> {
    #[m2sn_model("specs/quickstart.yaml")]
    struct Quickstart;

    let model = Quickstart::new(Device::Cpu)?;
    let input = random::<Quickstart>()?;
    assert_eq!(model.predict(&input)?.logits.size(), [SAMPLES, 3]);
    Ok(())
}

#[test]
fn parts_that_do_not_exist_are_refused() -> m2sn::Result<()> {
    let error = network::try_one_each::<u8, 2>(vec![1]).expect_err("one is too few");
    assert_eq!(error.to_string(), "modalities: expected 2, found 1");
    let missing = Device::Cuda(1000);
    assert!(AvDigits::new(missing).is_err());
    Ok(())
}
