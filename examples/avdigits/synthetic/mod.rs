//! A generated data set of image and sound of digits, the same for the same seed on every run.
//!
//! Drawn glyphs and a synthesised voice stand in for handwriting and speech, in the shapes of the recorded data set.
//! How hard the image is and how loud the noise is are drawn independently,
//! so that which modality is worth computing differs from sample to sample.

mod glyphs;
mod random;
mod spectrogram;
mod voice;

use std::num::NonZero;
use std::thread;

use indicatif::{ProgressBar, ProgressStyle};
use m2sn::tch::Tensor;

use crate::digits::{Digits, Size, Splits};
use glyphs::SIDE;
use random::Random;
use spectrogram::SAMPLES;

/// Draws and synthesises all splits; a terminal shows how far it is.
pub(crate) fn generate(seed: u64, size: Size) -> Splits {
    let steps = [size.train, size.valid, size.test].map(|samples| recordings(samples) + samples).iter().sum::<usize>();
    let style = ProgressStyle::with_template("{msg} [{bar:30}] {percent} %, {eta} left");
    // The template is a constant, and the plain bar would do as well.
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> ");
    let bar = ProgressBar::new(steps as u64).with_style(style).with_message("generating digits");
    let split = |number: u64, samples: usize| Split { seed, number, samples, bar: &bar }.generate();
    let splits = Splits { train: split(0, size.train), valid: split(1, size.valid), test: split(2, size.test) };
    bar.finish_and_clear();
    splits
}

/// One split to be made. Every sample has its own streams of random numbers, so the number of threads changes nothing.
struct Split<'a> {
    seed: u64,
    number: u64,
    samples: usize,
    /// Takes a step for every waveform, which is most of the work.
    bar: &'a ProgressBar,
}

/// What a stream of random numbers decides.
enum Choice {
    Difficulty,
    Drawing,
    Voice,
    Noise,
}

impl Split<'_> {
    fn generate(&self) -> Digits {
        let samples = self.samples as i64;
        let labels: Vec<_> = (0..self.samples).map(|sample| digit(sample) as i64).collect();
        let (difficulty, levels): (Vec<_>, Vec<_>) = (0..self.samples).map(|sample| self.difficulty(sample)).unzip();
        let images = rows(self.samples, SIDE * SIDE, |sample, pixels| {
            glyphs::draw(digit(sample), difficulty[sample], &mut self.stream(Choice::Drawing, sample), pixels);
        });
        Digits {
            images: Tensor::from_slice(&images).view([samples, 1, SIDE as i64, SIDE as i64]),
            sounds: self.sounds(&levels),
            labels: Tensor::from_slice(&labels),
            image_difficulty: Tensor::from_slice(&difficulty),
            signal_to_noise: Tensor::from_slice(&levels),
        }
    }

    /// How hard the image is, 0 to 1, and how loud the voice is over the noise, in dB.
    fn difficulty(&self, sample: usize) -> (f32, f32) {
        let mut random = self.stream(Choice::Difficulty, sample);
        (random.uniform(0.0, 1.0), random.uniform(-6.0, 12.0))
    }

    /// Spectrograms of spoken digits in babble and hiss, `[samples, 1, 32, 48]`.
    fn sounds(&self, levels: &[f32]) -> Tensor {
        let recordings = recordings(self.samples);
        let voices = rows(recordings, SAMPLES, |recording, waveform| {
            voice::say(digit(recording), &mut self.stream(Choice::Voice, recording), waveform);
            scale_to(1.0, waveform);
            self.bar.inc(1);
        });
        let voice = |recording: usize| &voices[recording * SAMPLES..][..SAMPLES];

        // Waveforms are large, so they become spectrograms a few hundred at a time.
        const CHUNK: usize = 512;
        let chunks = (0..self.samples).step_by(CHUNK).map(|start| {
            let count = CHUNK.min(self.samples - start);
            let waveforms = rows(count, SAMPLES, |row, waveform| {
                let sample = start + row;
                let mut random = self.stream(Choice::Noise, sample);
                noise(digit(sample), recordings, voice, &mut random, waveform);
                scale_to(10_f32.powf(-levels[sample] / 20.0), waveform);
                waveform.iter_mut().zip(voice(sample % recordings)).for_each(|(sum, voice)| *sum += voice);
                self.bar.inc(1);
            });
            spectrogram::log_mel(&Tensor::from_slice(&waveforms).view([count as i64, SAMPLES as i64]))
        });
        Tensor::cat(&chunks.collect::<Vec<_>>(), 0).unsqueeze(1)
    }

    fn stream(&self, choice: Choice, sample: usize) -> Random {
        Random::stream(&[self.seed, self.number, choice as u64, sample as u64])
    }
}

/// The number of recordings: as in the recorded data, one is heard several times, each time in other noise.
fn recordings(samples: usize) -> usize {
    samples.div_ceil(4).next_multiple_of(10)
}

/// The digit of a sample, and of a recording: all digits are equally frequent.
fn digit(sample: usize) -> usize {
    sample % 10
}

/// Four voices that say other digits at other times, and a hiss of half their loudness.
fn noise<'a>(
    digit: usize,
    recordings: usize,
    voice: impl Fn(usize) -> &'a [f32],
    random: &mut Random,
    waveform: &mut [f32],
) {
    waveform.iter_mut().for_each(|sample| *sample = random.normal());
    for _ in 0..4 {
        // Adding 1 to 9 to a recording's number changes its digit.
        let other = (random.below(recordings / 10) * 10 + (digit + 1 + random.below(9)) % 10) % recordings;
        let (end, start) = voice(other).split_at(random.below(SAMPLES));
        let (early, late) = waveform.split_at_mut(start.len());
        early.iter_mut().zip(start).for_each(|(sum, voice)| *sum += voice);
        late.iter_mut().zip(end).for_each(|(sum, voice)| *sum += voice);
    }
}

/// Scales a waveform so that the root of its mean square is `loudness`.
fn scale_to(loudness: f32, waveform: &mut [f32]) {
    let power = waveform.iter().map(|sample| sample * sample).sum::<f32>() / waveform.len() as f32;
    let factor = loudness / power.sqrt().max(1e-9);
    waveform.iter_mut().for_each(|sample| *sample *= factor);
}

/// `count` rows of `length` numbers, filled by all processors.
fn rows(count: usize, length: usize, fill: impl Fn(usize, &mut [f32]) + Sync) -> Vec<f32> {
    let mut values = vec![0.0; count * length];
    let share = count.div_ceil(thread::available_parallelism().map_or(1, NonZero::get)).max(1);
    thread::scope(|scope| {
        for (part, rows) in values.chunks_mut(share * length).enumerate() {
            let fill = &fill;
            scope.spawn(move || {
                rows.chunks_mut(length).enumerate().for_each(|(row, values)| fill(part * share + row, values));
            });
        }
    });
    values
}

#[cfg(test)]
mod tests {
    use m2sn::tch::Kind;

    use super::*;

    const SMALL: Size = Size { train: 30, valid: 10, test: 20 };

    #[test]
    fn has_the_shapes_and_ranges_of_the_recorded_data() {
        let Digits { images, sounds, labels, image_difficulty, signal_to_noise } = generate(0, SMALL).train;
        assert_eq!(images.size(), [30, 1, 28, 28]);
        assert_eq!(sounds.size(), [30, 1, 32, 48]);
        assert_eq!(labels.size(), [30]);
        for (values, low, high) in
            [(&images, 0.0, 1.0), (&sounds, 0.0, 1.0), (&image_difficulty, 0.0, 1.0), (&signal_to_noise, -6.0, 12.0)]
        {
            assert_eq!(values.kind(), Kind::Float);
            assert!(values.min().double_value(&[]) >= low && values.max().double_value(&[]) <= high);
        }
        assert_eq!(sounds.amax([1, 2, 3], false).min().double_value(&[]), 1.0, "the loudest point of each sound is 1");
    }

    #[test]
    fn is_the_same_for_the_same_seed_only() {
        let (one, same, other) = (generate(3, SMALL), generate(3, SMALL), generate(4, SMALL));
        assert!(one.test.images.equal(&same.test.images) && one.test.sounds.equal(&same.test.sounds));
        assert!(!one.test.images.equal(&other.test.images) && !one.test.sounds.equal(&other.test.sounds));
        assert!(!one.test.images.narrow(0, 0, 10).equal(&one.valid.images), "splits share no sample");
    }

    #[test]
    fn mixes_at_the_level_that_it_states() {
        let mut waveform = vec![0.5; SAMPLES];
        scale_to(10_f32.powf(6.0 / 20.0), &mut waveform);
        let power = waveform.iter().map(|sample| sample * sample).sum::<f32>() / SAMPLES as f32;
        assert!((10.0 * power.log10() - 6.0).abs() < 1e-3, "{power}");
    }

    #[test]
    fn babble_holds_no_voice_of_the_same_digit() {
        // Every recording is constant and tells its digit, so that what was mixed in can be read off.
        let recordings: Vec<Vec<f32>> =
            (0..20).map(|index| vec![100.0 * 100_f32.powi((index % 10 == 3).into()); SAMPLES]).collect();
        for sample in 0..50 {
            let mut waveform = vec![0.0; SAMPLES];
            noise(3, 20, |index| &recordings[index], &mut Random::stream(&[sample]), &mut waveform);
            assert!(waveform.iter().all(|value| (value - 400.0).abs() < 10.0));
        }
    }
}
