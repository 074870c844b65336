//! The audio tensor is passed for the image.

use m2sn::nn::Layer;
use m2sn::prelude::*;
use m2sn::shape::Image;

#[m2sn_model("./sound.yaml")]
struct Sound;

fn swapped(pixels: Batch<Image<1, 28, 28>>, spectrogram: Batch<Image<1, 32, 48>>) -> sound::Input {
    sound::Input { image: spectrogram, audio: pixels }
}

fn encoded(model: &Sound, spectrogram: &Batch<Image<1, 32, 48>>) {
    model.encoders.image.blocks.stem(spectrogram, false);
}

fn skipped(model: &Sound, stem: &Batch<Image<16, 13, 13>>) {
    model.encoders.audio.shortcuts.stem.forward(stem, false);
}

fn main() {}
