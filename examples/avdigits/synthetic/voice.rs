//! A synthesised voice that says digits: a buzzing or hissing source through the resonances of a mouth.
//!
//! It imitates how spoken digits sound (a source-filter model with rough English formants); nobody ever spoke them.

use std::f32::consts::{PI, TAU};

use super::random::Random;
use super::spectrogram::{SAMPLE_RATE, SAMPLES};

/// Says a digit in a voice of its own, into the middle of `waveform` of [`SAMPLES`] samples.
pub(crate) fn say(digit: usize, random: &mut Random, waveform: &mut [f32]) {
    let speaker = Speaker::new(random);
    let sounds: Vec<Sound> = WORDS[digit].iter().map(|phone| phone.spoken_by(&speaker, random)).collect();

    let length = sounds.iter().map(|sound| sound.length).sum::<usize>().min(SAMPLES);
    let slack = SAMPLES - length;
    let start = (slack as f32 * random.uniform(0.3, 0.7)) as usize;

    waveform.fill(0.0);
    let mut mouth = Mouth::new(speaker);
    let mut place = waveform[start..start + length].iter_mut();
    for (index, sound) in sounds.iter().enumerate() {
        let next = sounds.get(index + 1).unwrap_or(sound);
        for (at, sample) in place.by_ref().take(sound.length).enumerate() {
            // A sound holds for its first half, and glides to the next one in its second.
            let glide = (2.0 * at as f32 / sound.length as f32 - 1.0).max(0.0);
            if at % Mouth::STEP == 0 {
                mouth.shape(&sound.toward(next, glide));
            }
            *sample = mouth.sample(random);
        }
    }
}

/// What makes a voice: drawn anew for every recording.
#[derive(Debug)]
struct Speaker {
    /// The pitch in Hz at the start of the word.
    pitch: f32,
    /// The pitch at the end as a share of that at the start.
    fall: f32,
    /// The length of the vocal tract: scales all resonances.
    tract: f32,
    /// How long sounds last.
    pace: f32,
    /// The share of breath in the voice.
    breath: f32,
}

impl Speaker {
    fn new(random: &mut Random) -> Self {
        // High voices tend to come from short vocal tracts.
        let height = random.uniform(0.0, 1.0);
        Self {
            pitch: 90.0 + 130.0 * height + random.uniform(-15.0, 15.0),
            fall: random.uniform(0.75, 1.1),
            tract: 0.90 + 0.22 * height + random.uniform(-0.05, 0.05),
            pace: random.uniform(0.75, 1.20),
            breath: random.uniform(0.02, 0.12),
        }
    }
}

/// A speech sound as the table of words gives it.
#[derive(Debug, Clone, Copy)]
struct Phone {
    milliseconds: f32,
    /// The first three resonances in Hz.
    formants: [f32; 3],
    /// How loud the vocal folds are.
    voice: f32,
    /// How loud the hiss is, and where its middle lies in Hz.
    hiss: (f32, f32),
}

impl Phone {
    fn spoken_by(&self, speaker: &Speaker, random: &mut Random) -> Sound {
        let length = self.milliseconds * speaker.pace * random.uniform(0.7, 1.4);
        Sound {
            length: (length * SAMPLE_RATE / 1000.0) as usize,
            formants: self.formants.map(|formant| formant * speaker.tract * (1.0 + 0.10 * random.normal())),
            voice: self.voice * random.uniform(0.8, 1.2),
            hiss: (self.hiss.0 * random.uniform(0.6, 1.4), self.hiss.1 * (1.0 + 0.05 * random.normal())),
        }
    }
}

/// A speech sound as one speaker makes it once.
#[derive(Debug, Clone, Copy)]
struct Sound {
    /// In samples.
    length: usize,
    formants: [f32; 3],
    voice: f32,
    hiss: (f32, f32),
}

impl Sound {
    fn toward(&self, next: &Self, share: f32) -> Self {
        let mix = |from: f32, to: f32| from + share * (to - from);
        Self {
            length: self.length,
            formants: [0, 1, 2].map(|index| mix(self.formants[index], next.formants[index])),
            voice: mix(self.voice, next.voice),
            hiss: (mix(self.hiss.0, next.hiss.0), mix(self.hiss.1, next.hiss.1)),
        }
    }
}

/// The vocal folds and the resonances that follow them.
#[derive(Debug)]
struct Mouth {
    speaker: Speaker,
    formants: [Resonator; 3],
    fricative: Resonator,
    voice: f32,
    hiss: f32,
    /// Where the vocal folds are in their cycle, 0 to 1.
    phase: f32,
    /// The time since the word began, in samples.
    time: f32,
    pulse: f32,
}

impl Mouth {
    /// The number of samples after which the mouth changes its shape: 4 ms.
    const STEP: usize = 32;

    fn new(speaker: Speaker) -> Self {
        let silent = Resonator::default();
        Self {
            speaker,
            formants: [silent; 3],
            fricative: silent,
            voice: 0.0,
            hiss: 0.0,
            phase: 0.0,
            time: 0.0,
            pulse: 0.0,
        }
    }

    fn shape(&mut self, sound: &Sound) {
        for ((formant, frequency), bandwidth) in self.formants.iter_mut().zip(sound.formants).zip([70.0, 100.0, 150.0])
        {
            formant.tune(frequency, bandwidth);
        }
        self.fricative.tune(sound.hiss.1, 900.0);
        self.voice = sound.voice;
        self.hiss = sound.hiss.0;
    }

    fn sample(&mut self, random: &mut Random) -> f32 {
        let sink = 1.0 - (1.0 - self.speaker.fall) * self.time / SAMPLES as f32;
        self.time += 1.0;
        self.phase += self.speaker.pitch * sink / SAMPLE_RATE;
        let closes = self.phase >= 1.0;
        self.phase -= f32::from(closes);
        // The folds close with a click, which the throat rounds off.
        self.pulse = 0.9 * self.pulse + if closes { 1.0 } else { 0.0 };
        let noise = random.normal();
        let source = self.voice * (self.pulse - 0.1 + self.speaker.breath * noise);
        let voiced = self.formants.iter_mut().fold(source, |sound, formant| formant.apply(sound));
        voiced + self.fricative.apply(0.15 * self.hiss * noise)
    }
}

/// A resonance: a filter with two poles and gain 1 at 0 Hz (Klatt, 1980).
#[derive(Debug, Clone, Copy, Default)]
struct Resonator {
    gain: f32,
    feedback: [f32; 2],
    past: [f32; 2],
}

impl Resonator {
    fn tune(&mut self, frequency: f32, bandwidth: f32) {
        let frequency = frequency.clamp(50.0, 0.48 * SAMPLE_RATE);
        let radius = (-PI * bandwidth / SAMPLE_RATE).exp();
        self.feedback = [2.0 * radius * (TAU * frequency / SAMPLE_RATE).cos(), -radius * radius];
        self.gain = 1.0 - self.feedback[0] - self.feedback[1];
    }

    fn apply(&mut self, input: f32) -> f32 {
        let output = self.gain * input + self.feedback[0] * self.past[0] + self.feedback[1] * self.past[1];
        self.past = [output, self.past[0]];
        output
    }
}

const fn vowel(milliseconds: f32, formants: [f32; 3]) -> Phone {
    Phone { milliseconds, formants, voice: 1.0, hiss: (0.0, 2500.0) }
}

/// A nasal or a glide: voiced, and softer than a vowel.
const fn soft(milliseconds: f32, formants: [f32; 3]) -> Phone {
    Phone { milliseconds, formants, voice: 0.5, hiss: (0.0, 2500.0) }
}

const fn hiss(milliseconds: f32, loudness: f32, middle: f32) -> Phone {
    Phone { milliseconds, formants: [350.0, 1500.0, 2500.0], voice: 0.0, hiss: (loudness, middle) }
}

const fn buzz(milliseconds: f32, loudness: f32, middle: f32) -> Phone {
    Phone { milliseconds, formants: [280.0, 1500.0, 2500.0], voice: 0.4, hiss: (loudness, middle) }
}

const fn silence(milliseconds: f32) -> Phone {
    hiss(milliseconds, 0.0, 2500.0)
}

const N: Phone = soft(80.0, [280.0, 1450.0, 2400.0]);
const R: Phone = soft(60.0, [340.0, 1200.0, 1650.0]);
const S: Phone = hiss(110.0, 0.9, 3600.0);
const F: Phone = hiss(90.0, 0.25, 2800.0);
const V: Phone = buzz(60.0, 0.12, 2600.0);

/// The words `zero` to `nine`, sound by sound.
#[rustfmt::skip]
const WORDS: [&[Phone]; 10] = [
    &[buzz(80.0, 0.5, 3500.0), vowel(70.0, [320.0, 2150.0, 2850.0]), R, vowel(110.0, [520.0, 950.0, 2400.0]), vowel(80.0, [380.0, 820.0, 2300.0])],
    &[soft(70.0, [310.0, 700.0, 2200.0]), vowel(150.0, [640.0, 1190.0, 2400.0]), N],
    &[silence(20.0), hiss(50.0, 0.8, 3300.0), vowel(90.0, [340.0, 1500.0, 2300.0]), vowel(120.0, [320.0, 950.0, 2250.0])],
    &[hiss(80.0, 0.2, 3200.0), R, vowel(190.0, [290.0, 2250.0, 2950.0])],
    &[F, vowel(150.0, [560.0, 860.0, 2400.0]), R],
    &[F, vowel(130.0, [730.0, 1150.0, 2450.0]), vowel(80.0, [380.0, 2000.0, 2650.0]), V],
    &[S, vowel(90.0, [400.0, 1950.0, 2550.0]), silence(50.0), hiss(25.0, 0.6, 1900.0), S],
    &[S, vowel(80.0, [540.0, 1800.0, 2500.0]), V, vowel(60.0, [500.0, 1400.0, 2400.0]), N],
    &[vowel(110.0, [500.0, 1900.0, 2550.0]), vowel(80.0, [330.0, 2200.0, 2800.0]), silence(60.0), hiss(45.0, 0.7, 3200.0)],
    &[N, vowel(130.0, [720.0, 1180.0, 2450.0]), vowel(80.0, [380.0, 2000.0, 2650.0]), N],
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resonators_ring_at_their_frequency() {
        let mut resonator = Resonator::default();
        resonator.tune(1000.0, 20.0);
        let ringing: Vec<f32> = (0..800).map(|at| resonator.apply(if at == 0 { 1.0 } else { 0.0 })).collect();
        // 0.1 s at 1000 Hz: 100 periods, and a zero crossing upwards in each.
        let rises = ringing.windows(2).filter(|pair| pair[0] < 0.0 && pair[1] >= 0.0).count();
        assert!((98..=101).contains(&rises), "{rises}");
        assert!(ringing[700..].iter().all(|sample| sample.abs() < ringing[1].abs()), "it dies away");
    }

    #[test]
    fn every_word_is_heard_and_fits_the_window() {
        for digit in 0..10 {
            let mut waveform = vec![0.0; SAMPLES];
            say(digit, &mut Random::stream(&[digit as u64]), &mut waveform);
            let loud = waveform.iter().filter(|sample| sample.abs() > 0.01).count();
            assert!(loud > SAMPLES / 8, "{digit}: {loud}");
            assert!(waveform.iter().all(|sample| sample.is_finite() && sample.abs() < 100.0), "{digit}");
        }
    }
}
