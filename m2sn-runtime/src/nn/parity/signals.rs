//! Images in bytes, video and sound.

use super::*;
use crate::shape::{Bytes, Video, Waveform};

fn matches<I: Shape, O: Shape, L: Layer<I, O>>(case: &str, build: impl FnOnce(Path<'_>) -> L) {
    matches_in("signals", case, build);
}

#[test]
fn normalize() {
    type Picture = Image<3, 5, 4>;
    type Clip = Video<4, 3, 5, 4>;
    let (mean, deviation) = (&[0.485, 0.456, 0.406], &[0.229, 0.224, 0.225]);
    matches("normalize_bytes", |path| Normalize::<Bytes<Picture>, Picture>::declared(path, mean, deviation));
    matches("normalize_floats", |path| Normalize::<Picture, Picture>::declared(path, mean, deviation));
    matches("normalize_video", |path| Normalize::<Bytes<Clip>, Clip>::declared(path, mean, deviation));
}

#[test]
fn frames() {
    type Short = Video<3, 2, 6, 5>;
    type Long = Video<4, 2, 6, 5>;
    type Picture = Image<2, 6, 5>;
    let settings = conv::Settings {
        kernel: [3, 3],
        stride: [2, 2],
        padding: [1, 1],
        norm: Some(Norm::Batch),
        activation: Some(Activation::Relu),
    };
    type Inner = Conv<Picture, Image<4, 3, 3>>;
    matches("frames_conv", |path| Frames::<Short, Video<3, 4, 3, 3>, _>::new(Inner::new(path, settings)));
    matches("frames_conv_padded", |path| Frames::<Long, Video<4, 4, 3, 3>, _>::new(Inner::new(path, settings)));
    let flatten = Flatten::<Picture, Vector<60>>::new();
    matches("frames_linear", |path| {
        Frames::<Sequence<3, 4>, Sequence<3, 5>, _>::new(Linear::<Vector<4>, Vector<5>>::new(path, None))
    });
    matches("frames_flatten", |_| Frames::<Short, Sequence<3, 60>, _>::new(flatten));
}

type Clip = Video<5, 2, 6, 5>;

#[test]
fn conv3d() {
    let settings =
        conv3d::Settings { kernel: [3, 2, 3], stride: [1, 2, 1], padding: [1, 0, 1], norm: None, activation: None };
    matches("conv3d", |path| Conv3d::<Clip, Video<5, 4, 3, 5>>::new(path, settings));
    let settings = conv3d::Settings {
        kernel: [3, 5, 4],
        stride: [1, 2, 2],
        padding: [1, 2, 1],
        norm: Some(Norm::Batch),
        activation: Some(Activation::Relu),
    };
    matches("conv3d_batch_norm", |path| Conv3d::<Clip, Video<5, 4, 3, 2>>::new(path, settings));
}

#[test]
fn residual3d() {
    let settings = residual3d::Settings { blocks: 2, stride: 2, factored: false };
    matches("residual3d", |path| Residual3d::<Clip, Video<3, 3, 3, 3>>::new(path, settings));
    let settings = residual3d::Settings { factored: true, ..settings };
    matches("residual3d_factored", |path| Residual3d::<Clip, Video<3, 3, 3, 3>>::new(path, settings));
}

/// A clip gives the same whatever it is padded to.
#[test]
fn padding_reaches_no_frame_of_a_3d_convolution() {
    let store = VarStore::new(Device::Cpu);
    for factored in [false, true] {
        let settings = residual3d::Settings { blocks: 2, stride: 2, factored };
        let path = store.root() / i64::from(factored);
        let long = Residual3d::<Clip, Video<3, 3, 3, 3>>::new(&path / "long", settings);
        let short = Residual3d::<Video<3, 2, 6, 5>, Video<2, 3, 3, 3>>::new(&path / "short", settings);
        let variables = store.variables();
        tch::no_grad(|| {
            for (name, variable) in &variables {
                if let Some(other) = variables.get(&name.replace("short", "long")) {
                    variable.shallow_clone().copy_(other);
                }
            }
        });
        let tensor = Tensor::randn([2, 5, 2, 6, 5], tch::kind::FLOAT_CPU);
        let lengths = Tensor::from_slice(&[3i64, 3]);
        let padded = long.forward(&Batch::with_lengths(tensor.shallow_clone(), &lengths).unwrap(), false);
        let alone = short.forward(&Batch::new(tensor.narrow(1, 0, 3)).unwrap(), false);
        assert_eq!(padded.mask(), Some(&mask(&Tensor::from_slice(&[2i64, 2]), 3)));
        close(&padded.tensor().narrow(1, 0, 2), alone.tensor(), "a padded clip");
        assert!(bool::try_from(padded.tensor().select(1, 2).eq(0.0).all()).unwrap());
    }
}

#[test]
fn pooling_of_videos() {
    type Short = Video<3, 2, 6, 5>;
    for padded in ["", "_padded"] {
        matches(&format!("global_average_pool_video{padded}"), |_| GlobalAveragePool::<Short, Vector<2>>::new());
    }
    let alignment = Alignment::Video { grid: [2, 2], widths: [4, 4, 2] };
    matches("shortcut_video", |path| Shortcut::<Short, Vector<7>>::new(path, alignment));
}

#[test]
fn attention_pool() {
    for padded in ["", "_padded"] {
        let case = format!("attention_pool{padded}");
        matches(&case, AttentionPool::<Sequence<5, 4>, Vector<4>>::new);
    }
}

type Sound = Waveform<1000, 8000>;
type Bands = Sequence<11, 24>;
type Cepstrum = Sequence<11, 13>;

const WHOLE: mel::Settings = mel::Settings { window: 256, hop: 100, fmin: 0.0, fmax: 4000.0, scale: Scale::Power };
const VOICE: mel::Settings = mel::Settings { fmin: 50.0, fmax: 3800.0, scale: Scale::Decibels, ..WHOLE };

#[test]
fn mel() {
    let natural = mel::Settings { scale: Scale::Natural, ..WHOLE };
    for padded in ["", "_padded"] {
        for (case, settings) in [("power", WHOLE), ("decibels", VOICE), ("natural", natural)] {
            matches(&format!("mel_{case}{padded}"), |path| Mel::<Sound, Bands>::new(path, settings));
        }
    }
}

#[test]
fn mfcc_and_delta() {
    let settings = mfcc::Settings { mels: 24, mel: VOICE };
    let delta = |width, order| Delta::<Cepstrum, Cepstrum>::new(delta::Settings { width, order });
    for padded in ["", "_padded"] {
        matches(&format!("mfcc{padded}"), |path| Mfcc::<Sound, Cepstrum>::new(path, settings));
        for (case, width, order) in [("delta", 9, 1), ("delta2", 5, 2)] {
            matches(&format!("mfcc_{case}{padded}"), |path| {
                let mfcc = Mfcc::<Sound, Cepstrum>::new(path, settings);
                Sequential::<Sound, Cepstrum>::new(mfcc).then::<Cepstrum, _>(delta(width, order))
            });
        }
    }
}

#[test]
fn spectral_centroid() {
    let settings = spectral_centroid::Settings { window: 256, hop: 100 };
    for padded in ["", "_padded"] {
        matches(&format!("spectral_centroid{padded}"), |path| {
            SpectralCentroid::<Sound, Sequence<11, 1>>::new(path, settings)
        });
    }
}

#[test]
fn the_features_of_mustard() {
    type Power = Sequence<11, 128>;
    let decibels = mel::Settings { scale: Scale::Decibels, ..WHOLE };
    matches("mustard", |path| {
        let mfcc = || Mfcc::<Sound, Cepstrum>::new(path.clone(), mfcc::Settings { mels: 128, mel: decibels });
        let mel = || Mel::<Sound, Power>::new(path.clone(), WHOLE);
        let settings = delta::Settings { width: 9, order: 1 };
        let centroid = spectral_centroid::Settings { window: 256, hop: 100 };
        let centroid = SpectralCentroid::<Sound, Sequence<11, 1>>::new(path.clone(), centroid);
        Branches::<Sound, Sequence<11, 283>>::new()
            .and(Sequential::<Sound, Cepstrum>::new(mfcc()))
            .and(Sequential::<Sound, Cepstrum>::new(mfcc()).then::<Cepstrum, _>(Delta::new(settings)))
            .and(Sequential::<Sound, Power>::new(mel()))
            .and(Sequential::<Sound, Power>::new(mel()).then::<Power, _>(Delta::new(settings)))
            .and(Sequential::<Sound, Sequence<11, 1>>::new(centroid))
    });
}
