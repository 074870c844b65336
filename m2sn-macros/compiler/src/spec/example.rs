//! An example of every setting: what the help lines of faults and the JSON Schema show.

/// An example for what stands below `key` in a value of the type `of`, as YAML in one line.
///
/// `of` is a type as serde calls it, or the variant that a setting belongs to. An empty key asks for the whole value.
pub(crate) fn example(of: &str, key: &str) -> Option<&'static str> {
    let (_, settings) = EXAMPLES.iter().find(|(name, _)| *name == of)?;
    settings.iter().find(|(name, _)| *name == key).map(|(_, example)| *example)
}

/// Why a key is no longer one, and what to do.
pub(crate) fn retired(of: &str, key: &str) -> Option<&'static str> {
    (of == "Navigator" && key == "encoders").then_some("encoders run one after another: remove `encoders`")
}

/// The settings of one type, each with an example.
type Settings = &'static [(&'static str, &'static str)];

/// In the order of the types in the files beside this one.
pub(super) const EXAMPLES: &[(&str, Settings)] = &[
    (
        "Spec",
        &[
            ("", "model: Digits"),
            ("model", "Digits"),
            ("description", "Reads digits that are seen and heard."),
            ("task", "{ classification: { classes: 10 } }"),
            (
                "modalities",
                "{ sound: { input: { vector: { size: 64 } }, encoder: [{ feature: { linear: { size: 32 } } }] } }",
            ),
            ("fusion", "concat"),
            ("head", "linear"),
            ("navigator", "{ latency: { ratio: 0.3 } }"),
            ("training", "{ pretrain: { epochs: 20 } }"),
        ],
    ),
    (
        "Task",
        &[("classification", "{ classes: 10 }"), ("multilabel", "{ labels: 23 }"), ("regression", "{ targets: 1 }")],
    ),
    ("classification", &[("classes", "[anger, joy, neutral]")]),
    ("multilabel", &[("labels", "23")]),
    ("regression", &[("targets", "1")]),
    (
        "Fusion",
        &[
            ("gated", "{ size: 64 }"),
            ("low_rank_tensor", "{ size: 64, rank: 16 }"),
            ("attention", "{ size: 64 }"),
            ("film", "{ base: image, gamma: text, hidden: [64] }"),
        ],
    ),
    ("GatedFusion", &[("size", "64")]),
    ("LowRankTensorFusion", &[("size", "64"), ("rank", "16")]),
    ("AttentionFusion", &[("size", "64")]),
    ("FilmFusion", &[("base", "image"), ("gamma", "text"), ("beta", "text"), ("hidden", "[64]")]),
    ("Head", &[("mlp", "{ hidden: [64] }")]),
    ("HeadMlp", &[("hidden", "[64]"), ("activation", "relu"), ("dropout", "0.1")]),
    (
        "Modality",
        &[
            ("", "sound: { input: { vector: { size: 64 } }, encoder: [{ feature: { linear: { size: 32 } } }] }"),
            ("input", "{ image: { channels: 1, height: 28, width: 28 } }"),
            ("missing", "0.25"),
            ("normalize", "fitted"),
            ("encoder", "[{ stem: { conv: { channels: 16, kernel: 3 } } }, { feature: global_average_pool }]"),
            ("shortcuts", "[stem]"),
            ("weights", "{ file: weights/resnet18.safetensors, names: torchvision, ignore: [fc] }"),
        ],
    ),
    (
        "Input",
        &[
            ("image", "{ channels: 1, height: 28, width: 28 }"),
            ("video", "{ frames: 16, channels: 3, height: 112, width: 112 }"),
            ("waveform", "{ samples: 16000, rate: 16000 }"),
            ("tokens", "{ length: 24, vocabulary: 5000, padding: 0 }"),
            ("sequence", "{ length: 30, features: 40 }"),
            ("vector", "{ size: 64 }"),
        ],
    ),
    ("image", &[("channels", "1"), ("height", "28"), ("width", "28"), ("bytes", "true")]),
    ("video", &[("frames", "16"), ("channels", "3"), ("height", "112"), ("width", "112"), ("bytes", "true")]),
    ("waveform", &[("samples", "16000"), ("rate", "16000")]),
    ("tokens", &[("length", "24"), ("vocabulary", "5000"), ("padding", "0")]),
    ("sequence", &[("length", "30"), ("features", "40")]),
    ("vector", &[("size", "64")]),
    ("Declared", &[("mean", "[0.485, 0.456, 0.406]"), ("deviation", "[0.229, 0.224, 0.225]")]),
    ("Named", &[("", "- stem: { conv: { channels: 16, kernel: 3 } }")]),
    ("DetailedPoint", &[("at", "stem"), ("grid", "2")]),
    (
        "Layer",
        &[
            ("conv", "{ channels: 16, kernel: 3 }"),
            ("conv1d", "{ channels: 32, kernel: 3, padding: 1 }"),
            ("residual", "{ channels: 32, blocks: 2, stride: 2 }"),
            ("normalize", "{ mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225] }"),
            ("frames", "{ layers: [{ conv: { channels: 16, kernel: 3 } }, global_average_pool] }"),
            ("conv3d", "{ channels: 64, kernel: 3, padding: 1 }"),
            ("residual3d", "{ channels: 64, blocks: 2, stride: 2 }"),
            ("mel", "{ window: 1024, hop: 256, mels: 64 }"),
            ("mfcc", "{ coefficients: 13 }"),
            ("spectral_centroid", "{ window: 1024, hop: 256 }"),
            ("delta", "{ width: 9 }"),
            ("branches", "[[{ mfcc: { coefficients: 13 } }], [{ spectral_centroid: { hop: 512 } }]]"),
            ("max_pool", "{ kernel: 2 }"),
            ("average_pool", "{ kernel: 2 }"),
            ("linear", "{ size: 32 }"),
            ("maxout", "{ size: 32 }"),
            ("mlp", "{ hidden: [64], size: 32 }"),
            ("embedding", "{ size: 32 }"),
            ("transformer", "{ heads: 4, feed_forward: 64 }"),
            ("gru", "{ hidden: 32 }"),
            ("lstm", "{ hidden: 32 }"),
            ("batch_norm", "{ epsilon: 1e-5 }"),
            ("dropout", "0.5"),
            ("custom", "{ path: \"crate::layers::Gate\", output: [16, 14, 14] }"),
            ("repeat", "{ times: 6, layer: { transformer: { heads: 4, feed_forward: 64 } } }"),
            ("resnet", "{ depth: 18 }"),
            ("bert", "{ layers: 6, hidden: 384, heads: 12, feed_forward: 1536, pool: mean }"),
            ("r3d", "{ depth: 18 }"),
            ("r2plus1d", "{ depth: 18 }"),
        ],
    ),
    (
        "Conv",
        &[
            ("channels", "16"),
            ("kernel", "3"),
            ("stride", "2"),
            ("padding", "1"),
            ("norm", "batch"),
            ("activation", "relu"),
        ],
    ),
    (
        "Conv1d",
        &[
            ("channels", "32"),
            ("kernel", "3"),
            ("stride", "2"),
            ("padding", "1"),
            ("bias", "false"),
            ("norm", "batch"),
            ("activation", "relu"),
        ],
    ),
    ("Residual", &[("channels", "32"), ("blocks", "2"), ("stride", "2"), ("bottleneck", "8")]),
    ("Normalize", &[("mean", "[0.485, 0.456, 0.406]"), ("deviation", "[0.229, 0.224, 0.225]")]),
    ("Frames", &[("layers", "[{ conv: { channels: 16, kernel: 3 } }, global_average_pool]")]),
    (
        "Conv3d",
        &[
            ("channels", "64"),
            ("kernel", "[3, 7, 7]"),
            ("stride", "[1, 2, 2]"),
            ("padding", "[1, 3, 3]"),
            ("norm", "batch"),
            ("activation", "relu"),
        ],
    ),
    ("Residual3d", &[("channels", "64"), ("blocks", "2"), ("stride", "2"), ("factored", "true")]),
    (
        "Mel",
        &[("window", "1024"), ("hop", "256"), ("mels", "64"), ("fmin", "20"), ("fmax", "8000"), ("scale", "natural")],
    ),
    ("Mfcc", &[("coefficients", "13"), ("mel", "{ fmax: 8000 }")]),
    ("SpectralCentroid", &[("window", "1024"), ("hop", "256")]),
    ("Delta", &[("width", "9"), ("order", "2")]),
    ("Pool", &[("kernel", "2"), ("stride", "2"), ("padding", "1")]),
    ("Linear", &[("size", "32"), ("activation", "relu")]),
    ("Maxout", &[("size", "32"), ("pieces", "2")]),
    ("Mlp", &[("hidden", "[64]"), ("size", "32"), ("activation", "relu"), ("dropout", "0.1")]),
    (
        "Embedding",
        &[
            ("size", "32"),
            ("positions", "learned"),
            ("places", "512"),
            ("types", "2"),
            ("norm", "true"),
            ("epsilon", "1.0e-12"),
            ("dropout", "0.1"),
        ],
    ),
    (
        "Transformer",
        &[
            ("layers", "2"),
            ("heads", "4"),
            ("feed_forward", "64"),
            ("dropout", "0.1"),
            ("activation_dropout", "0.0"),
            ("norm", "pre"),
            ("epsilon", "1.0e-12"),
            ("activation", "gelu"),
        ],
    ),
    (
        "Recurrent",
        &[("hidden", "32"), ("layers", "2"), ("bidirectional", "true"), ("dropout", "0.1"), ("output", "sequence")],
    ),
    ("BatchNorm", &[("epsilon", "1e-5")]),
    (
        "Custom",
        &[
            ("path", "\"crate::layers::Gate\""),
            ("output", "[16, 14, 14]"),
            ("parameters", "288"),
            ("multiply_adds", "50176"),
        ],
    ),
    (
        "Weights",
        &[
            ("file", "weights/resnet18.safetensors"),
            ("names", "torchvision"),
            ("ignore", "[fc]"),
            ("fresh", "[feature]"),
            ("freeze", "[resnet.stem, resnet.layer1]"),
            ("learning_rate", "0.1"),
        ],
    ),
    ("Names", &[("map", "{ conv1: stem }"), ("glove", "{ vocabulary: weights/vocabulary.txt }")]),
    ("Glove", &[("vocabulary", "weights/vocabulary.txt")]),
    ("Repeat", &[("times", "6"), ("layer", "{ transformer: { heads: 4, feed_forward: 64 } }")]),
    ("Resnet", &[("depth", "18")]),
    (
        "Bert",
        &[
            ("layers", "6"),
            ("hidden", "384"),
            ("heads", "12"),
            ("feed_forward", "1536"),
            ("positions", "512"),
            ("types", "2"),
            ("dropout", "0.1"),
            ("epsilon", "1.0e-12"),
            ("pool", "mean"),
        ],
    ),
    ("R3d", &[("depth", "18")]),
    ("R2plus1d", &[("depth", "18")]),
    ("Norm", &[("group", "4")]),
    (
        "Navigator",
        &[
            ("policy", "sequential"),
            ("from", "posterior"),
            ("price", "0.1"),
            ("embed", "{ sound: [{ linear: { size: 16 } }] }"),
            ("latency", "{ ratio: 0.3 }"),
            ("temperature", "{ from: 5.0, to: 0.2 }"),
            ("soften", "true"),
        ],
    ),
    ("Latency", &[("ratio", "0.3"), ("weight", "0.02")]),
    ("Temperature", &[("from", "5.0"), ("to", "0.2"), ("anneal", "exponential")]),
    (
        "Training",
        &[
            ("seed", "0"),
            ("pretrain", "{ epochs: 20, batch: 64 }"),
            ("shortcuts", "{ epochs: 5, method: peripheral }"),
            ("fusion", "{ epochs: 5 }"),
            ("navigator", "{ epochs: 10 }"),
            ("augment", "{ camera: { flip: horizontal, crop: { padding: 4 } } }"),
        ],
    ),
    (
        "Augment",
        &[
            ("", "camera: { flip: horizontal, crop: { padding: 4 } }"),
            ("flip", "horizontal"),
            ("crop", "{ padding: 4 }"),
            ("spec_augment", "{ time: 20, frequency: 8 }"),
        ],
    ),
    ("Crop", &[("padding", "4")]),
    ("SpecAugment", &[("time", "20"), ("frequency", "8"), ("masks", "2")]),
    (
        "WrittenStage",
        &[
            ("epochs", "20"),
            ("batch", "64"),
            ("optimizer", "{ adamw: { lr: 0.001 } }"),
            ("schedule", "{ cosine: { warmup: 0.05 } }"),
            ("patience", "3"),
        ],
    ),
    (
        "WrittenShortcuts",
        &[
            ("method", "integral"),
            ("epochs", "5"),
            ("batch", "64"),
            ("optimizer", "{ adamw: { lr: 0.001 } }"),
            ("schedule", "{ cosine: { warmup: 0.05 } }"),
            ("patience", "3"),
        ],
    ),
    ("Optimizer", &[("adamw", "{ lr: 0.001 }"), ("sgd", "{ lr: 0.05, momentum: 0.9 }")]),
    ("adamw", &[("lr", "0.001"), ("weight_decay", "0.01")]),
    ("sgd", &[("lr", "0.05"), ("momentum", "0.9"), ("weight_decay", "0.0001")]),
    ("Schedule", &[("cosine", "{ warmup: 0.05 }"), ("step", "{ epochs: 10, gamma: 0.1 }")]),
    ("cosine", &[("warmup", "0.05")]),
    ("step", &[("epochs", "10"), ("gamma", "0.1")]),
];
