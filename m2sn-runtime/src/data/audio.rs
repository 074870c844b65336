//! Sound: WAV files, by the crate `hound`. Needs the feature `audio`.

use std::path::{Path, PathBuf};

use hound::{SampleFormat, WavReader, WavSpec, WavWriter};
use tch::{Device, Kind, Tensor};

use super::files::Item;
use crate::{Error, Result};

/// How a recording is read: at which rate it must be, and to what length it is brought.
///
/// Channels are averaged. A longer recording loses as much at its beginning as at its end; silence follows a shorter one.
///
/// ```no_run
/// use m2sn_runtime::data::{audio::Sound, files::Files, table};
///
/// let table = table::read("clips.csv")?;
/// // Two seconds at 16 kHz.
/// let voices = Files::new(table.files("voice")?, Sound { rate: 16_000, samples: 32_000 })?.load()?;
/// # Ok::<(), m2sn_runtime::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sound {
    /// Samples a second. A file of another rate is refused.
    pub rate: u32,
    /// The length, in samples.
    pub samples: i64,
}

impl Item for Sound {
    type Of = PathBuf;

    /// Reads a recording as `[samples]` of `f32`, from -1 to 1.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be read; [`Error::File`] where it is damaged, is no WAV file, holds a value that
    /// is not finite or is of another rate.
    fn read(&self, path: &PathBuf) -> Result<Tensor> {
        if self.samples < 1 {
            return Err(Error::invalid(format!("expected a length of one sample or more, found {}", self.samples)));
        }
        let wave = read(path, self.rate)?;
        let there = wave.size()[0];
        if there >= self.samples {
            return Ok(wave.narrow(0, (there - self.samples) / 2, self.samples).copy());
        }
        let silence = Tensor::zeros([self.samples - there], (Kind::Float, Device::Cpu));
        Ok(Tensor::cat(&[wave, silence], 0))
    }

    fn shape(&self) -> (Vec<i64>, Kind) {
        (vec![self.samples], Kind::Float)
    }
}

/// Reads a recording as a whole, `[samples]` of `f32` from -1 to 1; channels are averaged.
///
/// # Errors
/// [`Error::Io`] where the file cannot be read; [`Error::File`] where it is damaged, is no WAV file of at least one sample,
/// holds a value that is not finite, or has another rate than `rate`.
pub fn read(path: impl AsRef<Path>, rate: u32) -> Result<Tensor> {
    let path = path.as_ref();
    let fault = |error: hound::Error| match error {
        hound::Error::IoError(error) if error.kind() == std::io::ErrorKind::NotFound => Error::io(path)(error),
        error => Error::file(path, format!("expected a WAV file: {error}; fetch it anew, or convert it")),
    };
    let reader = WavReader::open(path).map_err(fault)?;
    let WavSpec { channels, sample_rate, bits_per_sample, sample_format } = reader.spec();
    if sample_rate != rate {
        return Err(Error::file(
            path,
            format!(
                "expected {rate} samples a second, found {sample_rate}; convert it by `ffmpeg -i {} -ar {rate} …`",
                path.file_name().unwrap_or_default().to_string_lossy(),
            ),
        ));
    }
    let values: Vec<f32> = match sample_format {
        SampleFormat::Float => reader.into_samples::<f32>().collect::<hound::Result<_>>(),
        SampleFormat::Int => {
            let scale = 1.0 / (1_u64 << (bits_per_sample.clamp(1, 32) - 1)) as f32;
            reader.into_samples::<i32>().map(|value| value.map(|value| value as f32 * scale)).collect()
        }
    }
    .map_err(fault)?;
    if let Some(place) = values.iter().position(|value| !value.is_finite()) {
        let message =
            format!("sample {} is not finite (NaN or infinite); repair the file", place / usize::from(channels.max(1)));
        return Err(Error::file(path, message));
    }
    let channels = i64::from(channels.max(1));
    let length = values.len() as i64 / channels;
    if length == 0 {
        return Err(Error::file(path, "the recording is empty"));
    }
    let wave = Tensor::from_slice(&values).narrow(0, 0, length * channels).view([length, channels]);
    Ok(wave.mean_dim([1_i64].as_slice(), false, Kind::Float))
}

/// Writes a recording, `[samples]` of floats from -1 to 1, with 16 bits a sample.
///
/// # Errors
/// [`Error::Shape`] where the tensor is none; [`Error::File`] where it cannot be written.
pub fn write(path: impl AsRef<Path>, wave: &Tensor, rate: u32) -> Result<()> {
    let path = path.as_ref();
    if wave.dim() != 1 {
        let found = crate::batch::describe(wave);
        return Err(Error::Shape { what: "recording".into(), expected: "[samples] of Float".into(), found });
    }
    let values = Vec::<f32>::try_from(wave.to_device(Device::Cpu).to_kind(Kind::Float))?;
    let spec = WavSpec { channels: 1, sample_rate: rate, bits_per_sample: 16, sample_format: SampleFormat::Int };
    let written = WavWriter::create(path, spec).and_then(|mut writer| {
        for value in values {
            writer.write_sample((value.clamp(-1.0, 1.0) * f32::from(i16::MAX)).round() as i16)?;
        }
        writer.finalize()
    });
    written.map_err(|error| Error::file(path, error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixture(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/recordings").join(name)
    }

    /// What libsndfile reads from the same files, by `tests/fixtures/recordings.py`.
    #[test]
    fn recordings_are_those_of_libsndfile() {
        let twins = Tensor::read_safetensors(fixture("recordings.safetensors")).unwrap();
        for (name, twin) in &twins {
            let wave = read(fixture(&format!("{name}.wav")), 8000).unwrap();
            assert_eq!(wave.size(), twin.size(), "{name}");
            let difference = (wave - twin).abs().max().double_value(&[]);
            assert!(difference < 1e-7, "{name}: {difference}");
        }
        assert_eq!(twins.len(), 5);
    }

    #[test]
    fn recordings_are_brought_to_one_length() {
        let whole = read(fixture("mono_16.wav"), 8000).unwrap();
        let length = whole.size()[0];
        let of = |samples| Sound { rate: 8000, samples }.read(&fixture("mono_16.wav")).unwrap();
        assert_eq!(of(length - 5), whole.narrow(0, 2, length - 5));
        assert_eq!(of(length + 3).narrow(0, 0, length), whole);
        assert_eq!(of(length + 3).narrow(0, length, 3).abs().sum(Kind::Float).double_value(&[]), 0.0);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let text = read(fixture("mono_16.wav"), 16_000).unwrap_err().to_string();
        let expected = "expected 16000 samples a second, found 8000; convert it by `ffmpeg -i mono_16.wav -ar 16000 …`";
        assert!(text.ends_with(expected), "{text}");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        let whole = std::fs::read(fixture("mono_16.wav")).unwrap();
        for bytes in [&b""[..], b"text", &whole[..60]] {
            std::fs::write(&path, bytes).unwrap();
            let text = read(&path, 8000).unwrap_err().to_string();
            assert!(text.contains("a.wav: expected a WAV file: "), "{text}");
        }
        assert!(matches!(read("no/such.wav", 8000), Err(Error::Io { .. })));
        write(&path, &Tensor::zeros([0], tch::kind::FLOAT_CPU), 8000).unwrap();
        assert!(read(&path, 8000).unwrap_err().to_string().ends_with("the recording is empty"));
        assert!(write(&path, &Tensor::zeros([2, 2], tch::kind::FLOAT_CPU), 8000).is_err());
    }

    #[test]
    fn what_is_written_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        let wave = Tensor::linspace(-1, 1, 100, tch::kind::FLOAT_CPU);
        write(&path, &wave, 8000).unwrap();
        assert!((read(&path, 8000).unwrap() - wave).abs().max().double_value(&[]) < 1e-4);
    }
}
