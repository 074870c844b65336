//! HDF5 files, chunked and compressed or not, by a reader in Rust alone. Needs the feature `hdf5`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hdf5_pure::{DType, Dataset as Array, File};
use sha2::{Digest, Sha256};
use tch::{Kind, Tensor};

use super::{Source, describe_dims, dims_fit, elements};
use crate::batch::Feature;
use crate::{Error, Result};

/// Reads the array `name` as a whole; `/` parts groups from what is in them.
///
/// `kind` is the array's own element type, or [`Kind::Float`], which any number becomes; `dims` are the dimensions that
/// the array must have, `-1` where any number will do.
///
/// ```no_run
/// use m2sn_runtime::{data::hdf5, tch::Kind};
///
/// let genres = hdf5::read("multimodal_imdb.hdf5", "genres", Kind::Float, &[-1, 23])?;
/// # Ok::<(), m2sn_runtime::Error>(())
/// ```
///
/// # Errors
/// [`Error::Io`] where the file cannot be read; [`Error::File`] where it is no HDF5 file, is damaged, or holds no such array
/// (it names those that it holds).
pub fn read(path: impl AsRef<Path>, name: &str, kind: Kind, dims: &[i64]) -> Result<Tensor> {
    let rows = Rows::open(path, name, kind, dims)?;
    let all = rows.samples();
    rows.range(0, all)
}

/// Reads an array of texts.
///
/// # Errors
/// As [`read`], and where it is no array of texts.
pub fn texts(path: impl AsRef<Path>, name: &str) -> Result<Vec<String>> {
    let path = path.as_ref();
    let array = open(path, name)?;
    check_size(path, &array).map_err(|message| Error::file(path, format!("array `{name}`: {message}")))?;
    let samples = array.shape().ok().and_then(|shape| shape.first().copied()).unwrap_or(1);
    array
        .read_string_rows(0, samples)
        .map_err(|error| Error::file(path, format!("array `{name}`: expected texts: {error}")))
}

/// The rows of an array, read when they are needed: the file may be larger than memory. For [`super::Dataset::streamed`].
///
/// ```no_run
/// use m2sn_runtime::data::{Source, hdf5::Rows, mmimdb};
/// use m2sn_runtime::tch::Kind;
///
/// let posters = Rows::open("multimodal_imdb.hdf5", "vgg_features", Kind::Float, &[-1, 4096])?;
/// let [train, valid, test] = mmimdb::parts(posters.samples());
/// let learned_from = posters.narrow(train.start, train.end - train.start)?;
/// # Ok::<(), m2sn_runtime::Error>(())
/// ```
#[derive(Clone)]
pub struct Rows {
    path: PathBuf,
    name: String,
    array: Arc<Array>,
    stored: Stored,
    kind: Kind,
    dims: Vec<i64>,
    /// The first row, and how many there are.
    part: [i64; 2],
}

/// An element type of HDF5 that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stored {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    F32,
    F64,
}

impl Rows {
    /// Opens the array `name`; see [`read()`].
    ///
    /// # Errors
    /// As [`read()`].
    pub fn open(path: impl AsRef<Path>, name: &str, kind: Kind, dims: &[i64]) -> Result<Self> {
        let path = path.as_ref();
        let fault = |message: String| Error::file(path, format!("array `{name}`: {message}"));
        let array = open(path, name)?;
        let dtype = array.dtype().map_err(|error| fault(error.to_string()))?;
        check_size(path, &array).map_err(fault)?;
        let stored = Stored::of(&dtype)
            .ok_or_else(|| fault(format!("cannot read the element type {dtype}; save an array of numbers")))?;
        let shape = array.shape().map_err(|error| fault(error.to_string()))?;
        let found = shape.iter().map(|dim| i64::try_from(*dim).ok()).collect::<Option<Vec<_>>>();
        let found = found.filter(|found| !found.is_empty() && elements(found).is_some());
        let found = found.ok_or_else(|| fault(format!("expected an array with rows, found dimensions {shape:?}")))?;
        if (kind != Kind::Float && kind != stored.kind()) || !dims_fit(&found, dims) {
            let (expected, found) = (describe_dims(dims), describe_dims(&found));
            return Err(fault(format!(
                "expected an array {expected} of {kind:?}, found {found} of {:?}",
                stored.kind()
            )));
        }
        let part = [0, found[0]];
        let array = Arc::new(array);
        Ok(Self { path: path.into(), name: name.into(), array, stored, kind, dims: found[1..].to_vec(), part })
    }

    /// The `length` rows from `start` on, such as those of a split.
    ///
    /// # Errors
    /// [`Error::Invalid`] where they are not all there.
    pub fn narrow(&self, start: i64, length: i64) -> Result<Self> {
        let [first, there] = self.part;
        if start < 0 || length < 1 || start.checked_add(length).is_none_or(|end| end > there) {
            return Err(Error::invalid(format!(
                "{}: {length} rows of `{}` from {start} on were asked for, there are {there}",
                self.path.display(),
                self.name,
            )));
        }
        Ok(Self { part: [first + start, length], ..self.clone() })
    }

    /// Reads rows that follow each other, `[rows, …]`.
    fn range(&self, start: i64, length: i64) -> Result<Tensor> {
        let [first, there] = self.part;
        if start < 0 || start.checked_add(length).is_none_or(|end| end > there) {
            return Err(
                self.fault(format!("there are no rows {start} to {} among {there}", start.saturating_add(length)))
            );
        }
        let (from, count) = ((first + start) as u64, length as u64);
        let array = &self.array;
        let tensor = match self.stored {
            Stored::U8 => array.read_u8_rows(from, count).map(|values| Tensor::from_slice(&values)),
            Stored::I8 => array.read_i8_rows(from, count).map(|values| Tensor::from_slice(&values)),
            Stored::I16 => array.read_i16_rows(from, count).map(|values| Tensor::from_slice(&values)),
            Stored::U16 | Stored::I32 => array.read_i32_rows(from, count).map(|values| Tensor::from_slice(&values)),
            Stored::U32 | Stored::U64 | Stored::I64 => {
                array.read_i64_rows(from, count).map(|values| Tensor::from_slice(&values))
            }
            Stored::F32 => array.read_f32_rows(from, count).map(|values| Tensor::from_slice(&values)),
            Stored::F64 => array.read_f64_rows(from, count).map(|values| Tensor::from_slice(&values)),
        };
        let rows = format!("rows {start} to {}", start + length - 1);
        let tensor =
            tensor.map_err(|error| self.fault(format!("{rows} cannot be read: {error}; fetch the file anew")))?;
        let dims = [&[length], &self.dims[..]].concat();
        let tensor = tensor.to_kind(self.kind).f_view(&dims[..])?;
        let feature = tensor.into();
        let what = format!("{}: array `{}`, from row {start} on", self.path.display(), self.name);
        super::check_finite(&what, &feature)?;
        Ok(feature.tensor)
    }

    fn fault(&self, message: impl AsRef<str>) -> Error {
        Error::file(&self.path, format!("array `{}`: {}", self.name, message.as_ref()))
    }
}

impl Source for Rows {
    fn samples(&self) -> i64 {
        self.part[1]
    }

    /// # Errors
    /// [`Error::File`] with the array and the row where one cannot be read or holds a value that is not finite.
    fn read(&self, rows: &[i64]) -> Result<Feature> {
        // Rows that follow each other are read at once: they often lie in one chunk.
        let mut parts = Vec::new();
        let mut rest = rows;
        while let Some(first) = rest.first() {
            let run = (0..).zip(rest).take_while(|(step, row)| first.checked_add(*step) == Some(**row)).count();
            parts.push(self.range(*first, run as i64)?);
            rest = &rest[run..];
        }
        if parts.is_empty() {
            return Err(self.fault("no row was asked for"));
        }
        Ok(Tensor::cat(&parts, 0).into())
    }

    /// The SHA-256 of what the file says of itself and of the first 64 KiB of what it holds: hashing gigabytes at each start
    /// would take longer than what it guards.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be read.
    fn fingerprint(&self) -> Result<String> {
        use std::io::Read;
        let mut start = Vec::new();
        let file = std::fs::File::open(&self.path).map_err(Error::io(&self.path))?;
        let length = file.metadata().map_err(Error::io(&self.path))?.len();
        file.take(1 << 16).read_to_end(&mut start).map_err(Error::io(&self.path))?;
        let mut digest = Sha256::new();
        digest.update(format!("{} {:?} {:?} {:?} {length}\n", self.name, self.kind, self.dims, self.part));
        digest.update(start);
        Ok(crate::checkpoint::hexadecimal(&digest.finalize()))
    }
}

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { path, name, kind, dims, part, .. } = self;
        write!(f, "Rows({}, {name}, {part:?}, {dims:?} of {kind:?})", path.display())
    }
}

impl Stored {
    fn of(dtype: &DType) -> Option<Self> {
        Some(match dtype {
            DType::U8 => Self::U8,
            DType::I8 => Self::I8,
            DType::U16 => Self::U16,
            DType::I16 => Self::I16,
            DType::U32 => Self::U32,
            DType::I32 => Self::I32,
            DType::U64 => Self::U64,
            DType::I64 => Self::I64,
            DType::F32 => Self::F32,
            DType::F64 => Self::F64,
            _ => return None,
        })
    }

    /// The type of LibTorch that holds every value.
    fn kind(self) -> Kind {
        match self {
            Self::U8 => Kind::Uint8,
            Self::I8 => Kind::Int8,
            Self::I16 => Kind::Int16,
            Self::U16 | Self::I32 => Kind::Int,
            Self::U32 | Self::U64 | Self::I64 => Kind::Int64,
            Self::F32 => Kind::Float,
            Self::F64 => Kind::Double,
        }
    }
}

fn open(path: &Path, name: &str) -> Result<Array> {
    // A file that is not there is the system's matter.
    std::fs::File::open(path).map_err(Error::io(path))?;
    let file = File::open_streaming(path)
        .map_err(|error| Error::file(path, format!("expected an HDF5 file: {error}; fetch it anew")))?;
    file.dataset(name).map_err(|error| {
        let names = file.root().datasets().unwrap_or_default();
        let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
        Error::file(path, format!("there is no array `{name}` ({error}); the file holds {}", names.join(", ")))
    })
}

/// Refuses an array or a chunk that cannot come of so short a file, before memory is reserved for it: no byte of what
/// deflate packs becomes more than 1,032.
fn check_size(path: &Path, array: &Array) -> Result<(), String> {
    let error = |error: hdf5_pure::Error| error.to_string();
    let size = array.element_size().map_err(error)?;
    let most = std::fs::metadata(path).map_err(|error| error.to_string())?.len().saturating_mul(1032);
    let shapes = [Some(array.shape().map_err(error)?), array.chunk_shape().map_err(error)?];
    for shape in shapes.into_iter().flatten() {
        let bytes = shape.iter().try_fold(size, |bytes, dim| bytes.checked_mul(*dim));
        if bytes.is_none_or(|bytes| bytes > most) {
            return Err(format!("dimensions {shape:?} are more than the file can hold; fetch it anew"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixture() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/hdf5/imdb.hdf5")
    }

    /// What h5py wrote by `tests/fixtures/hdf5.py`: chunks of some rows, compressed by gzip, and what stands there is known.
    #[test]
    fn rows_are_those_that_h5py_wrote() {
        let expected = Tensor::arange(12 * 4, (Kind::Double, tch::Device::Cpu)).view([12, 4]);
        let features = read(fixture(), "features", Kind::Double, &[-1, 4]).unwrap();
        assert_eq!(features, expected);
        let rows = Rows::open(fixture(), "features", Kind::Float, &[-1, 4]).unwrap();
        let some = rows.read(&[11, 3, 4, 5, 3]).unwrap().tensor;
        assert_eq!(some, expected.index_select(0, &Tensor::from_slice(&[11_i64, 3, 4, 5, 3])).to_kind(Kind::Float));
        let part = rows.narrow(5, 3).unwrap();
        assert_eq!(part.samples(), 3);
        assert_eq!(part.read(&[2]).unwrap().tensor.double_value(&[0, 0]), 28.0);

        let images = read(fixture(), "images", Kind::Uint8, &[-1, 3, 2, 2]).unwrap();
        assert_eq!(images.flatten(0, -1).int64_value(&[143]), 143);
        let genres = read(fixture(), "genres", Kind::Int64, &[12, 3]).unwrap();
        assert_eq!(genres.sum(Kind::Int64).int64_value(&[]), 18);
        assert_eq!(read(fixture(), "big", Kind::Float, &[-1]).unwrap().double_value(&[11]), 11.0);
        assert_eq!(read(fixture(), "group/counts", Kind::Int, &[-1]).unwrap().int64_value(&[1]), 65535);
        assert_eq!(texts(fixture(), "imdb_ids").unwrap()[3], "tt0003");
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let message = |name, kind, dims: &[i64]| read(fixture(), name, kind, dims).unwrap_err().to_string();
        let text = message("feature", Kind::Float, &[-1, 4]);
        assert!(text.contains("there is no array `feature`"), "{text}");
        assert!(text.ends_with("the file holds `big`, `features`, `genres`, `images`, `imdb_ids`, `wrong`"), "{text}");
        let text = message("features", Kind::Int64, &[-1, 4]);
        assert!(
            text.ends_with("array `features`: expected an array [?, 4] of Int64, found [12, 4] of Double"),
            "{text}"
        );
        assert!(message("imdb_ids", Kind::Float, &[-1]).contains("cannot read the element type"));
        let text = message("wrong", Kind::Float, &[-1]);
        assert!(text.contains("array `wrong`, from row 0 on: row 2 holds a value that is not finite"), "{text}");
        assert!(texts(fixture(), "genres").is_err());
        let rows = || Rows::open(fixture(), "features", Kind::Float, &[-1, 4]).unwrap();
        for wrong in [&[12][..], &[-1], &[i64::MAX], &[]] {
            assert!(rows().read(wrong).is_err(), "{wrong:?}");
        }
        assert!(rows().narrow(11, 2).is_err() && rows().narrow(-1, 2).is_err() && rows().narrow(0, i64::MAX).is_err());

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.hdf5");
        let whole = std::fs::read(fixture()).unwrap();
        for length in [0, 8, 100, whole.len() / 2] {
            std::fs::write(&path, &whole[..length]).unwrap();
            assert!(read(&path, "features", Kind::Float, &[-1, 4]).is_err());
        }
        assert!(matches!(read("no/such.hdf5", "a", Kind::Float, &[-1]), Err(Error::Io { .. })));
    }

    #[test]
    fn a_data_set_is_streamed_from_arrays() {
        use crate::data::Dataset;
        use crate::network::{Input, Network};
        use crate::tiny::{Tiny, TinyInput};

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("two.hdf5");
        let mut file = hdf5_pure::FileBuilder::new();
        for (name, width) in [("left", 6), ("right", 5)] {
            let values: Vec<_> = (0..9 * width).map(|value| value as f32).collect();
            let array = file.create_dataset(name).with_f32_data(&values).with_shape(&[9, width]);
            array.with_chunks(&[4, width]).with_deflate(4);
        }
        file.write(&path).unwrap();
        let rows = |name, width| Rows::open(&path, name, Kind::Float, &[-1, width]).unwrap().narrow(2, 5).unwrap();
        let sources: Vec<(&str, Box<dyn Source>)> =
            vec![("left", Box::new(rows("left", 6))), ("right", Box::new(rows("right", 5)))];
        let target = Tensor::from_slice(&[0_i64, 1, 2, 0, 1]);
        let data = Dataset::<TinyInput>::streamed(sources, target, Tiny::description().task).unwrap();
        let input = data.select(&[4, 0, 1]).unwrap().input().unwrap();
        let expected = read(&path, "right", Kind::Float, &[9, 5]).unwrap();
        let expected = expected.index_select(0, &Tensor::from_slice(&[6_i64, 2, 3]));
        assert_eq!(input.features()[1].tensor, expected);
        let fingerprint = |name, width| rows(name, width).fingerprint().unwrap();
        assert_eq!(fingerprint("left", 6), fingerprint("left", 6));
        assert_ne!(fingerprint("left", 6), fingerprint("right", 5));
    }
}
