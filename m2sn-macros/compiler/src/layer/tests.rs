use super::{Alignment, Inferred, Site, align, infer};
use crate::cost::Cost;
use crate::lines::Lines;
use crate::place::Place;
use crate::report::Errors;
use crate::shape::Shape;
use crate::spec;

/// Applies the rules of a layer, written as in a spec.
fn rules(input: Shape, yaml: &str) -> Option<Inferred> {
    let layer: spec::Layer =
        serde_yaml::with::singleton_map_recursive::deserialize(serde_yaml::Deserializer::from_str(yaml))
            .expect("a layer");
    let mut errors = Errors::default();
    let tokens = Some((500, Some(0)));
    let inferred = infer(&layer, &mut Site { input, tokens, place: Place::default(), errors: &mut errors });
    let reports = errors.take(&Lines::new(""), "", |_| 0);
    assert_eq!(inferred.is_none(), !reports.is_empty(), "{reports:?}");
    inferred
}

fn image(channels: u64, height: u64, width: u64) -> Shape {
    Shape::Image { channels, height, width }
}

fn bytes(channels: u64, height: u64, width: u64) -> Shape {
    Shape::ByteImage { channels, height, width }
}

fn video(frames: u64, channels: u64, height: u64, width: u64) -> Shape {
    Shape::Video { frames, channels, height, width }
}

fn sound(samples: u64) -> Shape {
    Shape::Waveform { samples, rate: 8000 }
}

fn vector(size: u64) -> Shape {
    Shape::Vector { size }
}

fn sequence(length: u64, features: u64) -> Shape {
    Shape::Sequence { length, features }
}

/// Compares with what PyTorch counts; see `tests/fixtures/costs.py`.
#[test]
fn costs_are_those_of_pytorch() {
    let expected: serde_json::Value =
        serde_json::from_str(include_str!("../../tests/fixtures/costs.json")).expect("JSON");
    let cases = [
        ("conv bias", image(3, 33, 20), "conv: { channels: 16, kernel: [5, 3], stride: 2, padding: [2, 1] }"),
        ("conv batch norm", image(3, 28, 28), "conv: { channels: 16, kernel: 3, padding: 1, norm: batch }"),
        ("conv group norm", image(3, 28, 28), "conv: { channels: 16, kernel: 3, norm: { group: 4 } }"),
        ("conv1d bias", sequence(20, 12), "conv1d: { channels: 24, kernel: 5, stride: 2, padding: 1 }"),
        ("conv1d bare", sequence(20, 12), "conv1d: { channels: 24, kernel: 1, bias: false }"),
        ("conv1d batch norm", sequence(20, 12), "conv1d: { channels: 24, kernel: 3, norm: batch }"),
        ("conv1d both", sequence(20, 12), "conv1d: { channels: 24, kernel: 3, bias: true, norm: { group: 4 } }"),
        ("residual same", image(16, 14, 14), "residual: { channels: 16 }"),
        ("residual strided", image(16, 15, 9), "residual: { channels: 32, blocks: 3, stride: 2 }"),
        ("residual wider", image(16, 7, 7), "residual: { channels: 24, blocks: 1 }"),
        ("linear", vector(48), "linear: { size: 10 }"),
        ("linear steps", sequence(20, 12), "linear: { size: 24 }"),
        ("maxout", vector(48), "maxout: { size: 10, pieces: 3 }"),
        ("maxout steps", sequence(20, 12), "maxout: { size: 24 }"),
        ("batch norm", vector(48), "batch_norm: {}"),
        ("batch norm image", image(16, 5, 4), "batch_norm: { epsilon: 0.001 }"),
        ("mlp", vector(48), "mlp: { hidden: [64, 32], size: 10 }"),
        ("embedding", Shape::Tokens { length: 24 }, "embedding: { size: 32, positions: sinusoidal }"),
        (
            "embedding bert",
            Shape::Tokens { length: 24 },
            "embedding: { size: 32, positions: learned, places: 40, types: 2, norm: true }",
        ),
        ("transformer pre", sequence(24, 32), "transformer: { layers: 2, heads: 4, feed_forward: 64 }"),
        ("transformer post", sequence(10, 24), "transformer: { heads: 3, feed_forward: 100, norm: post }"),
        ("gru", sequence(20, 12), "gru: { hidden: 16 }"),
        ("gru deep bidirectional", sequence(20, 12), "gru: { hidden: 16, layers: 3, bidirectional: true }"),
        ("lstm", sequence(20, 12), "lstm: { hidden: 16 }"),
        ("lstm deep bidirectional", sequence(20, 12), "lstm: { hidden: 16, layers: 3, bidirectional: true }"),
    ];
    for (name, input, yaml) in cases {
        let Inferred { cost, .. } = rules(input, yaml).expect("a sound layer");
        assert_eq!(cost, pytorch(&expected[name]), "{name}");
    }
    let shortcut = align(image(16, 28, 28), 64, 2).expect("an image has features");
    assert_eq!(shortcut.cost, pytorch(&expected["shortcut image"]));
}

/// Compares with what PyTorch and torchvision count; see `tests/fixtures/signals.py`.
#[test]
fn costs_of_videos_and_sound_are_those_of_pytorch() {
    let expected: serde_json::Value =
        serde_json::from_str(include_str!("../../tests/fixtures/signals.json")).expect("JSON");
    let kernel = "kernel: [3, 5, 4], stride: [1, 2, 1], padding: [1, 2, 0]";
    let cases = [
        ("conv3d", video(6, 3, 9, 8), &*format!("conv3d: {{ channels: 8, {kernel}, norm: batch }}")),
        ("residual3d", video(5, 3, 9, 8), "residual3d: { channels: 6, stride: 2, blocks: 3 }"),
        ("residual3d factored", video(5, 6, 9, 8), "residual3d: { channels: 6, factored: true }"),
        ("residual3d factored strided", video(5, 3, 9, 8), "residual3d: { channels: 6, stride: 2, factored: true }"),
        ("attention_pool", sequence(20, 12), "attention_pool"),
        ("mel", sound(8000), "mel: { window: 1024, hop: 256, mels: 64 }"),
        ("mfcc", sound(8000), "mfcc: { coefficients: 13, mel: { window: 1024, hop: 256, mels: 64 } }"),
    ];
    for (name, input, yaml) in cases {
        let Inferred { cost, .. } = rules(input, yaml).expect("a sound layer");
        assert_eq!(cost, pytorch(&expected[name]), "{name}");
    }
    let frames = [
        (video(7, 3, 9, 8), "frames: { layers: [{ conv: { channels: 8, kernel: 3, activation: relu } }] }"),
        (video(7, 8, 7, 6), "frames: { layers: [global_average_pool] }"),
        (sequence(7, 8), "linear: { size: 5 }"),
    ];
    let cost = frames.map(|(input, yaml)| rules(input, yaml).expect("a sound layer").cost).into_iter().sum::<Cost>();
    assert_eq!(cost, pytorch(&expected["frames"]));
}

fn pytorch(cost: &serde_json::Value) -> Cost {
    let count = |what: &str| cost[what].as_u64().expect("a count");
    Cost { parameters: count("parameters"), multiply_adds: count("multiply_adds") }
}

#[test]
fn output_shapes() {
    let cases = [
        (image(3, 33, 20), "conv: { channels: 16, kernel: [5, 3], stride: 2, padding: [2, 1] }", image(16, 17, 10)),
        (image(3, 28, 28), "conv: { channels: 8, kernel: 28 }", image(8, 1, 1)),
        (image(16, 15, 9), "residual: { channels: 32, stride: 2 }", image(32, 8, 5)),
        (image(16, 3, 3), "residual: { channels: 32, stride: 9 }", image(32, 1, 1)),
        (video(6, 3, 9, 8), "conv3d: { channels: 8, kernel: [3, 5, 4], stride: [1, 2, 1] }", video(4, 8, 3, 5)),
        (video(5, 3, 9, 8), "residual3d: { channels: 6, stride: 2 }", video(3, 6, 5, 4)),
        (video(5, 3, 9, 8), "frames: { layers: [{ conv: { channels: 6, kernel: 3 } }] }", video(5, 6, 7, 6)),
        (video(5, 3, 9, 8), "frames: { layers: [flatten] }", sequence(5, 216)),
        (video(5, 3, 9, 8), "global_average_pool", vector(3)),
        (video(5, 3, 9, 8), "dropout: 0.5", video(5, 3, 9, 8)),
        (video(5, 3, 9, 8), "custom: { path: crate::A, output: [1, 2, 3, 4] }", video(1, 2, 3, 4)),
        (sound(8000), "mel: { hop: 100, mels: 40 }", sequence(81, 40)),
        (sound(99), "mfcc: {}", sequence(1, 20)),
        (sound(8000), "spectral_centroid: {}", sequence(16, 1)),
        (sequence(9, 4), "delta: { order: 2 }", sequence(9, 4)),
        (sequence(9, 4), "to_image", image(1, 4, 9)),
        (sequence(9, 4), "attention_pool", vector(4)),
        (
            sound(8000),
            "branches: [[{ mel: { mels: 40 } }, { delta: {} }], [{ spectral_centroid: {} }]]",
            sequence(16, 41),
        ),
        (vector(8), "branches: [[{ linear: { size: 2 } }], [{ linear: { size: 3 } }]]", vector(5)),
        (image(16, 15, 9), "max_pool: { kernel: 2 }", image(16, 7, 4)),
        (image(16, 15, 9), "average_pool: { kernel: 3, stride: 2, padding: 1 }", image(16, 8, 5)),
        (image(16, 15, 9), "global_average_pool", vector(16)),
        (sequence(15, 9), "global_average_pool", vector(9)),
        (image(16, 15, 9), "flatten", vector(2160)),
        (sequence(15, 9), "flatten", vector(135)),
        (sequence(15, 9), "first_step", vector(9)),
        (sequence(15, 9), "last_step", vector(9)),
        (Shape::Tokens { length: 12 }, "embedding: { size: 8 }", sequence(12, 8)),
        (sequence(12, 8), "transformer: { heads: 2, feed_forward: 8 }", sequence(12, 8)),
        (sequence(12, 8), "gru: { hidden: 5 }", vector(5)),
        (sequence(12, 8), "gru: { hidden: 5, bidirectional: true }", vector(10)),
        (sequence(12, 8), "gru: { hidden: 5, bidirectional: true, output: sequence }", sequence(12, 10)),
        (sequence(12, 8), "lstm: { hidden: 5, bidirectional: true, output: sequence }", sequence(12, 10)),
        (sequence(12, 8), "conv1d: { channels: 5, kernel: 1 }", sequence(12, 5)),
        (sequence(12, 8), "conv1d: { channels: 5, kernel: 4, stride: 3, padding: 2 }", sequence(5, 5)),
        (sequence(15, 9), "max_pool: { kernel: 2 }", sequence(7, 9)),
        (sequence(15, 9), "average_pool: { kernel: 3, stride: 2, padding: 1 }", sequence(8, 9)),
        (sequence(12, 8), "maxout: { size: 5 }", sequence(12, 5)),
        (vector(7), "maxout: { size: 5 }", vector(5)),
        (sequence(12, 8), "batch_norm: {}", sequence(12, 8)),
        (vector(7), "dropout: 0.5", vector(7)),
        (vector(7), "custom: { path: crate::A, output: [1, 2, 3] }", image(1, 2, 3)),
        (vector(7), "custom: { path: \"::a::A\", output: [2, 3] }", sequence(2, 3)),
    ];
    for (input, yaml, output) in cases {
        assert_eq!(rules(input, yaml).expect(yaml).output, output, "{yaml}");
    }
}

#[test]
fn what_a_layer_cannot_take() {
    for (input, yaml) in [
        (vector(7), "residual: { channels: 8 }"),
        (image(1, 2, 2), "max_pool: { kernel: 3 }"),
        (Shape::Tokens { length: 3 }, "dropout: 0.5"),
        (bytes(1, 2, 2), "dropout: 0.5"),
        (bytes(1, 2, 2), "flatten"),
        (sound(8), "flatten"),
        (sound(8), "dropout: 0.5"),
        (image(1, 2, 2), "frames: { layers: [flatten] }"),
        (video(5, 3, 9, 8), "frames: { layers: [{ linear: { size: 3 } }] }"),
        (video(5, 3, 9, 8), "frames: { layers: [{ custom: { path: crate::A, output: [2, 3] } }] }"),
        (video(5, 3, 9, 8), "residual: { channels: 8 }"),
        (image(5, 3, 9), "residual3d: { channels: 8 }"),
        (video(1, 1, 1, 1), "conv3d: { channels: 1, kernel: 2 }"),
        (video(1 << 30, 1 << 30, 1 << 30, 1 << 30), "residual3d: { channels: 2147483647, factored: true }"),
        (video(1 << 30, 1 << 30, 1 << 30, 1 << 30), "conv3d: { channels: 2147483647, kernel: 1073741824 }"),
        (vector(7), "mel: {}"),
        (sound(8), "mel: { window: 3 }"),
        (sound(8), "mel: { window: 8, mels: 6 }"),
        (sound(8), "mel: { fmin: 5000 }"),
        (sound(8), "mel: { fmax: 5000 }"),
        (sound(8), "mel: { fmin: .nan }"),
        (sound(8), "mfcc: { coefficients: 129 }"),
        (sequence(8, 4), "delta: {}"),
        (sequence(8, 4), "delta: { width: 4 }"),
        (sequence(8, 4), "delta: { width: 3, order: 3 }"),
        (sound(8000), "branches: []"),
        (sound(8000), "branches: [[]]"),
        (sound(8000), "branches: [[{ mel: {} }], [{ mel: { hop: 8 } }]]"),
        (sound(8000), "branches: [[{ mel: {} }, to_image]]"),
        (vector(2147483647), "branches: [[{ dropout: 0.1 }], [{ dropout: 0.1 }]]"),
        (vector(7), "gru: { hidden: 8 }"),
        (vector(7), "first_step"),
        (image(1, 8, 8), "last_step"),
        (vector(7), "lstm: { hidden: 8 }"),
        (image(1, 8, 8), "conv1d: { channels: 8, kernel: 3 }"),
        (sequence(3, 8), "conv1d: { channels: 8, kernel: 4 }"),
        (sequence(3, 8), "conv1d: { channels: 8, kernel: 3, padding: 2 }"),
        (sequence(8, 8), "conv1d: { channels: 8, kernel: 0 }"),
        (sequence(8, 8), "conv1d: { channels: 8, kernel: 3, stride: 0 }"),
        (sequence(1 << 30, 1 << 30), "conv1d: { channels: 2147483647, kernel: 1073741824 }"),
        (sequence(3, 8), "max_pool: { kernel: 4 }"),
        (sequence(8, 8), "average_pool: { kernel: [2, 1] }"),
        (vector(7), "average_pool: { kernel: 2 }"),
        (image(1, 8, 8), "maxout: { size: 8 }"),
        (vector(7), "maxout: { size: 8, pieces: 1 }"),
        (vector(7), "maxout: { size: 2147483647, pieces: 2147483647 }"),
        (Shape::Tokens { length: 3 }, "batch_norm: {}"),
        (image(1 << 30, 1 << 30, 1 << 30), "conv: { channels: 2147483647, kernel: 1073741824 }"),
        (sequence(1 << 30, 1 << 30), "transformer: { layers: 2147483647, heads: 1, feed_forward: 2147483647 }"),
        (sequence(2, 2), "gru: { hidden: 2147483647, bidirectional: true, layers: 2147483647 }"),
    ] {
        assert!(rules(input, yaml).is_none(), "{yaml}");
    }
}

#[test]
fn shortcuts_pool_images_to_a_grid_that_fits() {
    for (input, feature, side, grid, widths) in [
        (image(16, 28, 28), 64, 2, [2, 2], [32, 32, 16]),
        (image(8, 7, 5), 10, 2, [2, 2], [5, 5, 3]),
        (image(8, 1, 9), 3, 4, [1, 4], [2, 2, 1]),
        (image(8, 3, 3), 100, 100, [3, 3], [50, 50, 25]),
    ] {
        let alignment = align(input, feature, side).expect("an image has features").alignment;
        assert_eq!(alignment, Alignment::Image { grid, widths });
    }
    let alignment = |input, feature| align(input, feature, 2).map(|shortcut| shortcut.alignment);
    assert_eq!(alignment(sequence(9, 8), 8), Some(Alignment::None));
    assert_eq!(alignment(sequence(9, 8), 5), Some(Alignment::Sequence { widths: [3, 3, 5] }));
    assert_eq!(alignment(vector(8), 8), Some(Alignment::None));
    assert_eq!(alignment(vector(8), 5), Some(Alignment::Vector { widths: [3, 3, 5] }));
    assert_eq!(alignment(Shape::Tokens { length: 3 }, 5), None);
    assert_eq!(alignment(bytes(3, 8, 8), 5), None);
    assert_eq!(alignment(sound(8000), 5), None);
    let widths = [3, 3, 2];
    assert_eq!(alignment(video(4, 3, 1, 9), 5), Some(Alignment::Video { grid: [1, 2], widths }));
}
