//! Layers that stand for several: what they become, and where their faults are shown.

use super::check;
use crate::cost::Cost;
use crate::model::Modality;
use crate::report::Diagnostic;

/// A spec of one modality, an image, with these lines below its encoder.
fn spec(encoder: &str) -> String {
    format!(
        "\
model: Unfolded
task: {{ classification: {{ classes: 3 }} }}
modalities:
  image:
    input: {{ image: {{ channels: 3, height: 64, width: 48 }} }}
    encoder:
{encoder}"
    )
}

fn sound(text: &str) -> Modality {
    check(text, "a.yaml", None).expect("a sound spec").model.modalities.remove(0)
}

/// The faults, each with its place and its help.
fn faults(text: &str) -> Vec<String> {
    let faults = check(text, "a.yaml", None).expect_err("the spec is at fault");
    let said = |fault: &Diagnostic| {
        let help = fault.help.as_deref().unwrap_or("no help");
        format!("{}:{}: {}; {help}", fault.line, fault.column, fault.message)
    };
    faults.iter().map(said).collect()
}

fn architecture(modality: &Modality) -> Vec<String> {
    modality.layers.iter().map(|layer| layer.describe()).collect()
}

/// The numbers are torchvision's; see `tests/fixtures/resnet.py`.
#[test]
fn resnets_cost_what_those_of_torchvision_do() {
    let expected: serde_json::Value =
        serde_json::from_str(include_str!("../../tests/fixtures/resnet.json")).expect("JSON");
    for depth in [18, 34, 50, 101, 152] {
        let modality = sound(&spec(&format!("      - resnet: {{ resnet: {{ depth: {depth} }} }}\n")));
        let cost: Cost = modality.layers.iter().map(|layer| layer.cost).sum();
        let count = |what: &str| expected[depth.to_string()][what].as_u64().expect("a count");
        let torchvision = Cost { parameters: count("parameters"), multiply_adds: count("multiply_adds") };
        assert_eq!(cost, torchvision, "ResNet-{depth}");
        assert_eq!(modality.feature, if depth < 50 { 512 } else { 2048 }, "ResNet-{depth}");
    }
}

/// The numbers are torchvision's; see `tests/fixtures/signals.py`.
#[test]
fn networks_of_videos_cost_what_those_of_torchvision_do() {
    let expected: serde_json::Value =
        serde_json::from_str(include_str!("../../tests/fixtures/signals.json")).expect("JSON");
    for kind in ["r3d", "r2plus1d"] {
        let modality = sound(&of_video(&format!("      - video: {{ {kind}: {{ depth: 18 }} }}\n")));
        let cost: Cost = modality.layers.iter().map(|layer| layer.cost).sum();
        let count = |what: &str| expected[format!("{kind} 18")][what].as_u64().expect("a count");
        let torchvision = Cost { parameters: count("parameters"), multiply_adds: count("multiply_adds") };
        assert_eq!(cost, torchvision, "{kind}");
        assert_eq!(modality.feature, 512, "{kind}");
    }
}

/// Each with its own names, which the runtime knows.
#[test]
fn torchvision_names_the_first_network_that_it_knows() {
    for (encoder, names) in [
        ("net: { r3d: { depth: 18 } }", r#"Torchvision { kind: R3d, network: "net" }"#),
        ("net: { r2plus1d: { depth: 34 } }", r#"Torchvision { kind: R2plus1d, network: "net" }"#),
        (
            "each: { frames: { layers: [{ dropout: 0.1 }, { resnet: { depth: 18 } }] } }\n      - feature: attention_pool",
            r#"Torchvision { kind: Resnet, network: "each.resnet" }"#,
        ),
    ] {
        let weights = "weights: { file: a.safetensors, names: torchvision, ignore: [fc] }";
        let modality = sound(&of_video(&format!("      - {encoder}\n    {weights}\n")));
        let found = modality.weights.map(|weights| weights.names);
        assert_eq!(format!("{:?}", found.expect("weights")), names);
    }
}

/// The same of a video.
fn of_video(encoder: &str) -> String {
    let video = "video: { frames: 8, channels: 3, height: 40, width: 48 }";
    spec(encoder).replace("image: { channels: 3, height: 64, width: 48 }", video)
}

#[test]
fn a_network_of_images_unfolds_over_frames() {
    let text = of_video(
        "      - video: { frames: { layers: [{ resnet: { depth: 18 } }, { dropout: 0.1 }] } }\n      - feature: attention_pool\n",
    );
    let modality = sound(&(text + "    shortcuts: [video.resnet.pool, video.resnet.layer2, video.dropout]\n"));
    let layers = architecture(&modality);
    assert_eq!(
        [&*layers[0], &layers[6], &layers[7]],
        [
            "video.resnet.stem: Video<8, 3, 40, 48> -> Video<8, 64, 20, 24>, frames of conv kernel [7, 7] stride [2, 2] \
             padding [3, 3] batch norm relu",
            "video.resnet.feature: Video<8, 512, 2, 2> -> Sequence<8, 512>, frames of global_average_pool",
            "video.dropout: Sequence<8, 512> -> Sequence<8, 512>, frames of dropout",
        ]
    );
    let exits: Vec<_> = modality.exits.iter().map(|exit| (&*exit.name.pascal, exit.layers.clone())).collect();
    assert_eq!(exits, [("VideoResnetPool", 0..2), ("VideoResnetLayer2", 2..4), ("VideoDropout", 4..8), ("Full", 8..9)]);
}

#[test]
fn faults_of_layers_over_frames_are_shown_where_they_are() {
    let of = |layers: &str| {
        faults(&of_video(&format!(
            "      - video: {{ frames: {{ layers: {layers} }} }}\n      - feature: attention_pool\n"
        )))
    };
    insta::assert_debug_snapshot!([
        of("[]"),
        of("[{ conv: { channels: 0, kernel: 3 } }, global_average_pool]"),
        of("[{ conv: { channels: 4, kernel: 3 } }, { gru: { hidden: 3 } }]"),
        of("[{ frames: { layers: [flatten] } }]"),
        of("[{ custom: { path: crate::A, output: [2, 3] } }]"),
        of("[{ residual3d: { channels: 4 } }]"),
        faults(&of_video("      - a: { r3d: { depth: 50 } }\n")),
        faults(&of_video("      - a: { branches: [[global_average_pool], [{ r3d: { depth: 18 } }]] }\n")),
        faults(&of_video("      - a: { conv: { channels: 4, kernel: 3 } }\n")),
        faults(&of_video("      - a: { linear: { size: 4 } }\n")),
        faults(&spec("      - a: { r3d: { depth: 18 } }\n")),
    ]);
}

#[test]
fn a_resnet_unfolds_into_its_stages() {
    let text = spec("      - resnet: { resnet: { depth: 50 } }\n      - last: { linear: { size: 8 } }\n");
    let text = text.replace("channels: 3", "channels: 2") + "    shortcuts: [resnet.layer1, resnet.layer3]\n";
    let modality = sound(&text);
    assert_eq!(
        architecture(&modality),
        [
            "resnet.stem: Image<2, 64, 48> -> Image<64, 32, 24>, \
             conv kernel [7, 7] stride [2, 2] padding [3, 3] batch norm relu",
            "resnet.pool: Image<64, 32, 24> -> Image<64, 16, 12>, \
             max_pool kernel [3, 3] stride [2, 2] padding [1, 1]",
            "resnet.layer1: Image<64, 16, 12> -> Image<256, 16, 12>, residual blocks 3 stride 1 bottleneck 64",
            "resnet.layer2: Image<256, 16, 12> -> Image<512, 8, 6>, residual blocks 4 stride 2 bottleneck 128",
            "resnet.layer3: Image<512, 8, 6> -> Image<1024, 4, 3>, residual blocks 6 stride 2 bottleneck 256",
            "resnet.layer4: Image<1024, 4, 3> -> Image<2048, 2, 2>, residual blocks 3 stride 2 bottleneck 512",
            "resnet.feature: Image<2048, 2, 2> -> Vector<2048>, global_average_pool",
            "last: Vector<2048> -> Vector<8>, linear",
        ]
    );
    let exits: Vec<_> = modality.exits.iter().map(|exit| (exit.name.pascal.as_str(), exit.layers.clone())).collect();
    assert_eq!(exits, [("ResnetLayer1", 0..3), ("ResnetLayer3", 3..5), ("Full", 5..8)]);
    assert!(modality.layers.iter().all(|layer| layer.name.line == if layer.name.text == "last" { 8 } else { 7 }));
}

/// A spec of one modality, a text, whose encoder is a BERT with these settings.
fn bert(settings: &str) -> String {
    spec(&format!("      - bert: {{ bert: {settings} }}\n")).replace(
        "{ image: { channels: 3, height: 64, width: 48 } }",
        "{ tokens: { length: 24, vocabulary: 30522, padding: 0 } }",
    )
}

/// The numbers are those of `transformers`; see `tests/fixtures/bert.py`.
#[test]
fn berts_cost_what_those_of_transformers_do() {
    let expected: serde_json::Value =
        serde_json::from_str(include_str!("../../tests/fixtures/bert.json")).expect("JSON");
    for (size, settings) in [
        ("tiny", "layers: 2, hidden: 128, heads: 2, feed_forward: 512, "),
        ("mini", "layers: 4, hidden: 256, heads: 4, feed_forward: 1024, "),
        ("base", ""),
    ] {
        for pool in ["pooler", "first"] {
            let modality = sound(&bert(&format!("{{ {settings}pool: {pool} }}")));
            let cost: Cost = modality.layers.iter().map(|layer| layer.cost).sum();
            let expected = &expected[format!("{size} {pool}")];
            let count = |what: &str| expected[what].as_u64().expect("a count");
            let there = Cost { parameters: count("parameters"), multiply_adds: count("multiply_adds") };
            assert_eq!(cost, there, "{size} {pool}");
        }
    }
}

#[test]
fn a_bert_unfolds_into_its_layers() {
    let text = bert("{ layers: 2, hidden: 8, heads: 2, feed_forward: 16 }")
        + "    shortcuts: [bert.embeddings, bert.layer1]\n";
    let modality = sound(&text);
    let layer = "Sequence<24, 8> -> Sequence<24, 8>, \
                 transformer layers 1 heads 2 feed_forward 16 post-norm gelu epsilon 1e-12";
    assert_eq!(
        architecture(&modality),
        [
            "bert.embeddings: Tokens<24> -> Sequence<24, 8>, \
             embedding vocabulary 30522 padding 0 512 learned positions types 2 norm epsilon 1e-12",
            &format!("bert.layer1: {layer}"),
            &format!("bert.layer2: {layer}"),
            "bert.first: Sequence<24, 8> -> Vector<8>, first_step",
            "bert.pooler: Vector<8> -> Vector<8>, linear tanh",
        ]
    );
    let exits: Vec<_> = modality.exits.iter().map(|exit| (exit.name.pascal.as_str(), exit.layers.clone())).collect();
    assert_eq!(exits, [("BertEmbeddings", 0..1), ("BertLayer1", 1..2), ("Full", 2..5)]);

    for (pool, last) in [("mean", "global_average_pool"), ("first", "first_step")] {
        let text = text.replace("feed_forward: 16", &format!("feed_forward: 16, types: 0, pool: {pool}"));
        let parts = architecture(&sound(&text));
        assert_eq!(parts[3..], [format!("bert.feature: Sequence<24, 8> -> Vector<8>, {last}")]);
        assert!(!parts[0].contains("types"), "{}", parts[0]);
    }
    let text = text.replace("feed_forward: 16", "feed_forward: 16, pool: none");
    let text = text.replace("    shortcuts", "      - states: { gru: { hidden: 5 } }\n    shortcuts");
    assert_eq!(architecture(&sound(&text))[3..], ["states: Sequence<24, 8> -> Vector<5>, gru layers 1"]);
}

#[test]
fn faults_of_a_bert_are_said_once() {
    for (settings, fault) in [
        ("{ heads: 7 }", "7:32: 7 heads do not divide the 768 features of a token; 6 and 8 would divide 768"),
        ("{ layers: 0 }", "7:33: `layers` is 0; write a whole number of at least 1"),
        ("{ epsilon: 0 }", "7:34: an `epsilon` of 0 is out of range; write a small number above 0, such as 1e-5"),
        ("{ dropout: 1.0 }", "7:34: a probability of dropout of 1 is out of range; write a number from 0 to below 1"),
        (
            "{ positions: 20 }",
            "7:9: a table of 20 places for an input of 24 tokens; write at least 24, or shorten the input",
        ),
        ("{ layers: 5000 }", "6:5: an encoder of more than 4096 layers; write fewer"),
        (
            "{ pool: cls }",
            "7:31: unknown bert pool `cls`; the choices of bert pool are: `pooler`, `first`, `mean`, `none`",
        ),
        (
            "{ pool: none }",
            "7:9: the encoder ends in `Sequence<24, 768>`, but the deepest feature is a vector; end it with `- feature: global_average_pool`, `- feature: flatten` or a `gru`",
        ),
    ] {
        assert_eq!(faults(&bert(settings)), [fault], "{settings}");
    }
    let image = spec("      - bert: { bert: {} }\n");
    assert_eq!(faults(&image), ["7:9: `embedding` takes tokens, but its input is `Image<3, 64, 48>`; no help"]);
}

#[test]
fn repeated_layers_are_numbered() {
    let text = spec(
        "      - a: { conv: { channels: 4, kernel: 3 } }
      - b: { repeat: { times: 2, layer: { repeat: { times: 11, layer: { dropout: 0.5 } } } } }
      - c: { repeat: { times: 1, layer: global_average_pool } }
    shortcuts: [b.1.11, b.2.1]
",
    );
    let modality = sound(&text);
    let names: Vec<_> = modality.layers.iter().map(|layer| layer.name.text.as_str()).collect();
    assert_eq!(names[..3], ["a", "b.1.1", "b.1.2"]);
    assert_eq!(names[22..], ["b.2.11", "c.1"]);
    let exits: Vec<_> = modality.exits.iter().map(|exit| (&*exit.name.snake, &*exit.name.pascal)).collect();
    assert_eq!(exits, [("b_1_11", "B1_11"), ("b_2_1", "B2_1"), ("full", "Full")]);
}

#[test]
fn the_resolved_spec_keeps_the_short_form() {
    let text = spec("      - resnet: { resnet: { depth: 18 } }\n")
        + "navigator: { embed: { image: [resnet: { depth: 18 }] } }\n";
    let resolved = check(&text, "a.yaml", None).expect("a sound spec").model.resolved;
    assert!(
        resolved.contains("    - resnet:\n        resnet:\n          depth: 18\n    shortcuts: []\n"),
        "{resolved}"
    );
    assert!(resolved.contains("  embed:\n    image:\n    - resnet:\n        depth: 18\n  latency"), "{resolved}");
    assert_eq!(check(&resolved, "b.yaml", None).expect("a sound spec").model.resolved, resolved);
}

#[test]
fn embeddings_unfold_too() {
    let text = spec("      - a: global_average_pool\n")
        + "navigator: { embed: { image: [resnet: { depth: 18 }, repeat: { times: 2, layer: { linear: { size: 4 } } }] } }\n";
    let model = check(&text, "a.yaml", None).expect("a sound spec").model;
    let names: Vec<_> = model.navigator.embeddings[0].iter().map(|layer| layer.name.text.as_str()).collect();
    assert_eq!(names[0], "resnet.stem");
    assert_eq!(names[6..], ["resnet.feature", "repeat.1", "repeat.2"]);
}

#[test]
fn faults_are_shown_where_the_layer_is_written() {
    for (encoder, fault) in [
        ("- resnet: { resnet: { depth: 20 } }", "7:36: there is no ResNet of depth 20; write 18, 34, 50, 101 or 152"),
        (
            "- a: flatten\n      - resnet: { resnet: { depth: 18 } }",
            "8:9: `conv` takes an image, but its input is `Vector<9216>`; put it before the layer that yields the vector",
        ),
        (
            "- a: { repeat: { times: 3, layer: { conv: { channels: 4, kernel: 3, norm: { group: 3 } } } } }\n      - b: flatten",
            "7:90: 3 groups do not divide 4 channels; 2 and 4 would divide 4",
        ),
        (
            "- a: { repeat: { times: 2, layer: global_average_pool } }",
            "7:41: `global_average_pool` takes an image, a video or a sequence, but its input is `Vector<3>`; put it before the layer that yields the vector",
        ),
        (
            "- a: { repeat: { times: 2, layer: { resnet: { depth: 18 } } } }",
            "7:34: `conv` takes an image, but its input is `Vector<512>`; put it before the layer that yields the vector",
        ),
        (
            "- a: { repeat: { times: 2, layer: { dropout: 0.1 } } }",
            "7:9: the encoder ends in `Image<3, 64, 48>`, but the deepest feature is a vector; end it with `- feature: global_average_pool`, `- feature: flatten` or a `gru`",
        ),
        ("- a: { repeat: { times: 0, layer: flatten } }", "7:31: `times` is 0; write a whole number of at least 1"),
        (
            "- a: { repeat: { times: 2, layer: { convv: { channels: 4 } } } }",
            "7:43: unknown layer `convv`; did you mean `conv`?",
        ),
        ("- resnet: { resnet: { dept: 18 } }", "7:29: unknown key `dept`; did you mean `depth`?"),
        (
            "- resnet: { depth: 18 }",
            "7:9: a layer without a name; write `- stem: { conv: { channels: 16, kernel: 3 } }`, for example",
        ),
    ] {
        assert_eq!(faults(&spec(&format!("      {encoder}\n"))), [fault], "{encoder}");
    }
}

#[test]
fn names_of_parts_are_names_like_others() {
    for (encoder, fault) in [
        (
            "- a: { repeat: { times: 2, layer: { dropout: 0.1 } } }\n      - a_2: global_average_pool",
            "8:9: the layer `a_2` and the layer `a.2` are both `A2` in Rust; give one of them another name",
        ),
        (
            "- net.stem: global_average_pool",
            "7:9: `net.stem` cannot be the name of a layer; write a name of ASCII letters, digits and `_` that begins with a letter",
        ),
        (
            "- net: { resnet: { depth: 18 } }\n    shortcuts: [net]",
            "8:17: a shortcut after `net`, which is no layer of this encoder; the layers that a shortcut can follow are: `net.stem`, `net.pool`, `net.layer1`, `net.layer2`, `net.layer3`, `net.layer4`",
        ),
        (
            "- net: { resnet: { depth: 18 } }\n    shortcuts: [net.layer]",
            "8:17: a shortcut after `net.layer`, which is no layer of this encoder; did you mean `net.layer1`?",
        ),
    ] {
        assert_eq!(faults(&spec(&format!("      {encoder}\n"))), [fault], "{encoder}");
    }
}

#[test]
fn a_name_given_twice_is_one_fault_for_all_parts() {
    let net = "      - net: { repeat: { times: 5, layer: { conv: { channels: 4, kernel: 1 } } } }\n";
    let text = spec(&format!("{net}{net}      - feature: global_average_pool\n"));
    assert_eq!(faults(&text), ["8:9: a second layer named `net`; give it another name"]);
}

/// What would become too many layers is refused before it is written out.
#[test]
fn too_many_layers_are_none() {
    let nested = (0..20).fold("{ dropout: 0.1 }".to_owned(), |layer, _| {
        format!("{{ repeat: {{ times: 2147483647, layer: {layer} }} }}")
    });
    let wide =
        format!("{{ repeat: {{ times: 4000, layer: {{ mlp: {{ hidden: [{}], size: 1 }} }} }} }}", "1, ".repeat(5000));
    let many = "{ repeat: { times: 4096, layer: { dropout: 0.1 } } }";
    for layer in [&nested, &wide, many] {
        let text = spec(&format!("      - a: {layer}\n      - b: global_average_pool\n"));
        assert_eq!(faults(&text), ["6:5: an encoder of more than 4096 layers; write fewer"]);
    }
    let embed = format!("navigator: {{ embed: {{ image: [{many}, flatten] }} }}\n");
    let text = spec("      - a: global_average_pool\n") + &embed;
    assert_eq!(faults(&text), ["8:23: an embedding of more than 4096 layers; write fewer"]);
    let most =
        spec("      - a: { repeat: { times: 4095, layer: { dropout: 0.1 } } }\n      - b: global_average_pool\n");
    assert_eq!(sound(&most).layers.len(), 4096);
}
