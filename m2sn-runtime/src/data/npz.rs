//! The `.npz` format of NumPy: several arrays in one file.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use tch::{Kind, Tensor};
use zip::ZipArchive;

use super::npy;
use crate::{Error, Result};

/// Reads the array that `numpy.savez` or `numpy.savez_compressed` has saved under `name`.
///
/// Element types and dimensions are those of [`npy::read`].
///
/// ```no_run
/// use m2sn_runtime::{data::npz, tch::Kind};
///
/// let images = npz::read("digits.npz", "images", Kind::Uint8, &[-1, 28, 28])?;
/// let labels = npz::read("digits.npz", "labels", Kind::Int64, &[-1])?;
/// # Ok::<(), m2sn_runtime::Error>(())
/// ```
///
/// # Errors
/// [`Error::Io`] where the file cannot be read; [`Error::File`] where it is no such file, holds no array of that name
/// (it names those that it holds), or as [`npy::read`].
pub fn read(path: impl AsRef<Path>, name: &str, kind: Kind, dims: &[i64]) -> Result<Tensor> {
    let path = path.as_ref();
    let fault = |message: String| Error::file(path, message);
    let file = BufReader::new(File::open(path).map_err(Error::io(path))?);
    let mut archive = ZipArchive::new(file).map_err(|error| fault(format!("expected a `.npz` file: {error}")))?;
    let Some(index) = archive.index_for_name(&format!("{name}.npy")) else {
        let names = archive.file_names().filter_map(Result::ok);
        let names: Vec<_> = names.map(|name| format!("`{}`", name.trim_end_matches(".npy"))).collect();
        return Err(fault(format!("there is no array `{name}`; the file holds {}", names.join(", "))));
    };
    let mut bytes = Vec::new();
    let array = archive.by_index(index).map_err(|error| error.to_string());
    array
        .and_then(|mut array| array.read_to_end(&mut bytes).map_err(|error| error.to_string()))
        .map_err(|message| fault(format!("array `{name}`: {message}")))?;
    npy::array(&bytes, kind, dims).map_err(|message| fault(format!("array `{name}`: {message}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixture(name: &str) -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/npz").join(name)
    }

    #[test]
    fn arrays_are_read_by_name_compressed_or_not() {
        for name in ["plain.npz", "compressed.npz"] {
            let labels = read(fixture(name), "labels", Kind::Int64, &[-1]).unwrap();
            assert_eq!(Vec::<i64>::try_from(labels).unwrap(), [2, 0, 1]);
            let inputs = read(fixture(name), "inputs", Kind::Float, &[3, 2]).unwrap();
            assert_eq!(Vec::<f32>::try_from(inputs.flatten(0, 1)).unwrap(), [0.0, 0.5, 1.0, 1.5, 2.0, 2.5]);
        }
    }

    #[test]
    fn says_what_the_file_holds_and_what_is_wrong() {
        let message = |path: &Path, name| read(path, name, Kind::Int64, &[-1]).unwrap_err().to_string();
        let text = message(&fixture("plain.npz"), "label");
        assert!(text.ends_with("there is no array `label`; the file holds `inputs`, `labels`"), "{text}");
        let text = message(&fixture("plain.npz"), "inputs");
        assert!(text.ends_with("array `inputs`: expected an array [?] of Int64, found [3, 2] of Float"), "{text}");

        let whole = std::fs::read(fixture("compressed.npz")).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("damaged.npz");
        for length in [0, 10, whole.len() - 1] {
            std::fs::write(&path, &whole[..length]).unwrap();
            assert!(message(&path, "labels").contains("expected a `.npz` file: "));
        }
        // A flipped bit is found by the checksum, or by the decoder.
        let mut flipped = whole.clone();
        flipped[60] ^= 16;
        std::fs::write(&path, &flipped).unwrap();
        assert!(["inputs", "labels"].iter().any(|name| message(&path, name).contains("array `inputs`: ")));
    }
}
