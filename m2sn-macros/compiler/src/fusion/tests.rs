use insta::assert_snapshot;

use super::{Fusion, Site, infer};
use crate::cost::Cost;
use crate::lines::Lines;
use crate::place::Place;
use crate::report::Errors;
use crate::spec;

const TWO: &[(&str, u64)] = &[("image", 48), ("audio", 192)];
const THREE: &[(&str, u64)] = &[("image", 48), ("audio", 192), ("text", 20)];

/// Applies the rules of a fusion, written as in a spec, to modalities of these widths; or what is wrong with it.
fn rules(modalities: &[(&str, u64)], yaml: &str) -> Result<Fusion, String> {
    let fusion: spec::Fusion =
        serde_yaml::with::singleton_map_recursive::deserialize(serde_yaml::Deserializer::from_str(yaml))
            .expect("a fusion");
    let mut errors = Errors::default();
    let place = Place::default();
    let inferred = infer(
        &fusion,
        &mut Site {
            names: modalities.iter().map(|(name, _)| *name).collect(),
            widths: Some(modalities.iter().map(|(_, width)| *width).collect()),
            place: place.key("fusion"),
            modalities: place.key("modalities"),
            errors: &mut errors,
        },
    );
    let reports = errors.take(&Lines::new(""), "a.yaml", |_| 0);
    assert_eq!(inferred.is_none(), !reports.is_empty(), "{reports:?}");
    let texts = reports.iter().map(|report| format!("{}\n{}\n", report.message, report.help.as_deref().unwrap_or("")));
    inferred.ok_or_else(|| texts.collect())
}

/// Compares with what PyTorch counts; see `tests/fixtures/fusion_costs.py`.
#[test]
fn costs_are_those_of_pytorch() {
    let expected: serde_json::Value =
        serde_json::from_str(include_str!("../../tests/fixtures/fusion_costs.json")).expect("JSON");
    let cases = [
        ("gated", "gated: { size: 64 }", "gated: { size: 64 }"),
        ("tensor", "tensor", "tensor"),
        ("low_rank_tensor", "low_rank_tensor: { size: 64, rank: 8 }", "low_rank_tensor: { size: 64, rank: 8 }"),
        ("attention", "attention: { size: 64 }", "attention: { size: 64 }"),
        (
            "film",
            "film: { base: image, gamma: audio }",
            "film: { base: audio, gamma: text, beta: image, hidden: [32, 16] }",
        ),
    ];
    for (name, two, three) in cases {
        for (modalities, yaml) in [(TWO, two), (THREE, three)] {
            let name = format!("{name} {}", modalities.len());
            let Fusion { cost, .. } = rules(modalities, yaml).expect("a sound fusion");
            let count = |what: &str| expected[&name][what].as_u64().expect("a count");
            let expected = Cost { parameters: count("parameters"), multiply_adds: count("multiply_adds") };
            assert_eq!(cost, expected, "{name}");
        }
    }
    for free in ["concat", "sum", "mean"] {
        let cost = rules(&[("left", 48), ("right", 48)], free).expect("a sound fusion").cost;
        assert_eq!(cost, Cost::default(), "{free}");
    }
}

#[test]
fn what_a_fusion_yields() {
    let cases = [
        (THREE, "concat", 260),
        (TWO, "tensor", 49 * 193),
        (THREE, "tensor", 49 * 193 * 21),
        (THREE, "gated: { size: 7 }", 7),
        (THREE, "low_rank_tensor: { size: 7, rank: 3 }", 7),
        (THREE, "attention: { size: 7 }", 7),
        (TWO, "film: { base: image, gamma: audio }", 48),
        (TWO, "film: { base: audio, gamma: image }", 192),
        (&[("left", 9), ("right", 9), ("middle", 9)], "sum", 9),
        (&[("left", 9), ("right", 9)], "mean", 9),
        (&[("alone", 9)], "sum", 9),
        (&[("alone", 9)], "concat", 9),
    ];
    for (modalities, yaml, size) in cases {
        assert_eq!(rules(modalities, yaml).expect("a sound fusion").size, size, "{yaml}");
    }
}

#[test]
fn what_a_fusion_cannot_take() {
    let fault = |modalities, yaml| rules(modalities, yaml).unwrap_err();
    assert_snapshot!(fault(THREE, "mean"), @"
    `mean` takes features of one width, but that of `image` has 48 values and that of `audio` 192
    end both encoders in vectors of one size, or bring them to one by `attention: { size: 48 }` or `gated: { size: 48 }`
    ");
    assert_snapshot!(fault(&[("image", 512), ("audio", 512), ("text", 512)], "tensor"), @"
    `tensor` would make (512 + 1) · (512 + 1) · (512 + 1) values of a sample, more than 16777216
    end the encoders in smaller vectors, or write `low_rank_tensor: { size: 64, rank: 16 }`, which maps the same products without forming them
    ");
    assert_snapshot!(fault(&[("image", 1 << 31), ("audio", 1 << 31)], "tensor"), @"
    the features of all modalities side by side are more than 2147483647
    end the encoders in smaller vectors
    ");
    for alone in ["gated: { size: 4 }", "tensor", "low_rank_tensor: { size: 4, rank: 2 }", "attention: { size: 4 }"] {
        let kind = alone.split(':').next().expect("a kind");
        let expected = format!("`{kind}` fuses two modalities or more, and the network has one\n");
        assert!(fault(&[("alone", 9)], alone).starts_with(&expected), "{alone}");
    }
    assert_snapshot!(fault(&[("alone", 9)], "film: { base: alone, gamma: alone }"), @"
    `film` fuses two modalities or more, and the network has one
    leave `fusion` out, or add a modality
    ");
    assert_snapshot!(fault(THREE, "film: { base: imag, gamma: smell, beta: text, hidden: [0] }"), @"
    there is no modality `imag`
    did you mean `image`?
    there is no modality `smell`
    the modalities are: `image`, `audio`, `text`
    `hidden` is 0
    write a whole number of at least 1
    ");
    assert_snapshot!(fault(THREE, "film: { base: image, gamma: audio }"), @"
    `film` takes no feature of `text`
    let it be `gamma` or `beta`, leave the modality out, or choose a fusion of any number of modalities
    ");
    assert_snapshot!(fault(TWO, "film: { base: image, gamma: audio, beta: image }"), @"
    `image` is the base: its feature would scale or shift itself
    name another modality
    ");
    assert_snapshot!(fault(TWO, "low_rank_tensor: { size: 0, rank: 0 }"), @"
    `size` is 0
    write a whole number of at least 1
    `rank` is 0
    write a whole number of at least 1
    ");
    let huge = "low_rank_tensor: { size: 2147483647, rank: 2147483647 }";
    assert_snapshot!(fault(&[("image", 1 << 30), ("audio", 1 << 29)], huge), @"
    the fusion would have more than 9007199254740992 parameters
    check the sizes of the fusion and of its input
    ");
}
