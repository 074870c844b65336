//! Log-mel spectrograms, by the recipe of the recorded data.

use m2sn::tch::{Device, Kind, Tensor};

/// Samples a second.
pub(crate) const SAMPLE_RATE: f32 = 8000.0;
/// The samples of a recording: 0.784 s.
pub(crate) const SAMPLES: usize = 6272;

const WINDOW: i64 = 256;
const HOP: i64 = 128;
const BANDS: i64 = 32;
/// What lies further than this below the loudest point counts as silence.
const RANGE_DB: f64 = 80.0;

/// The spectrograms of waveforms, `[batch, SAMPLES]` → `[batch, 32, 48]` in 0 (silence) to 1 (the loudest point).
pub(crate) fn log_mel(waveforms: &Tensor) -> Tensor {
    let loudness = waveforms.square().mean_dim(1, true, Kind::Float).sqrt().clamp_min(1e-9);
    let window = Tensor::hann_window(WINDOW, (Kind::Float, waveforms.device()));
    // `stft` leaves the ends as they are; LibTorch's centring variant cannot be called from here.
    let spectrum = (waveforms / loudness).stft(WINDOW, HOP, WINDOW, Some(&window), false, true, true, false);
    let power = spectrum.abs().square();
    let decibels: Tensor = mel_filters().to_device(waveforms.device()).matmul(&power).clamp_min(1e-12).log10() * 10.0;
    let below_peak = &decibels - decibels.amax([1, 2], true);
    (below_peak.clamp(-RANGE_DB, 0.0) + RANGE_DB) / RANGE_DB
}

/// Triangles of height 1 that part 0 to 4000 Hz evenly in mel (O'Shaughnessy's formula, as HTK has it), `[32, 129]`.
fn mel_filters() -> Tensor {
    let nyquist = f64::from(SAMPLE_RATE) / 2.0;
    let highest = 2595.0 * (1.0 + nyquist / 700.0).log10();
    let corner = |index: i64| 700.0 * (10_f64.powf(highest * index as f64 / (BANDS + 1) as f64 / 2595.0) - 1.0);
    let bins = WINDOW / 2 + 1;
    let mut weights = Vec::with_capacity((BANDS * bins) as usize);
    for band in 0..BANDS {
        let (low, middle, high) = (corner(band), corner(band + 1), corner(band + 2));
        for bin in 0..bins {
            let frequency = nyquist * bin as f64 / (bins - 1) as f64;
            let (rise, fall) = ((frequency - low) / (middle - low), (high - frequency) / (high - middle));
            weights.push(rise.min(fall).max(0.0) as f32);
        }
    }
    Tensor::from_slice(&weights).view([BANDS, bins]).to_device(Device::Cpu)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// See `tests/fixtures/log_mel.py`: waveforms and their spectrograms by librosa.
    #[test]
    fn agrees_with_librosa() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/log_mel.safetensors");
        let fixture = Tensor::read_safetensors(path).unwrap();
        let tensor = |name: &str| &fixture.iter().find(|(other, _)| other == name).unwrap().1;
        let filters = (mel_filters() - tensor("filters")).abs().max().double_value(&[]);
        assert!(filters < 1e-6, "filters differ by {filters}");
        let spectrograms = (log_mel(tensor("waveforms")) - tensor("spectrograms")).abs().max().double_value(&[]);
        assert!(spectrograms < 1e-4, "spectrograms differ by {spectrograms}");
    }
}
