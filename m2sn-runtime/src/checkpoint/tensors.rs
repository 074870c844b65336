//! Named tensors in a file of the safetensors format, written at once or not at all.
//!
//! `tch` writes the format as well, but neither its metadata nor atomically.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tch::{Kind, Tensor};

use super::hexadecimal;
use super::mapped::{Mapped, Place};
use crate::file::atomically;
use crate::{Error, Result};

/// What a file holds: tensors by name, and texts by key.
#[derive(Debug, Default)]
pub(crate) struct Tensors {
    pub(crate) tensors: BTreeMap<String, Tensor>,
    pub(crate) metadata: BTreeMap<String, String>,
}

/// A file's header: JSON, led by its length in eight bytes.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Header {
    #[serde(rename = "__metadata__", default)]
    pub(super) metadata: BTreeMap<String, String>,
    #[serde(flatten)]
    pub(super) entries: BTreeMap<String, Entry>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) dtype: String,
    pub(super) shape: Vec<i64>,
    pub(super) data_offsets: [usize; 2],
}

/// The element types by their names in the format.
pub(super) const KINDS: [(&str, Kind); 10] = [
    ("F32", Kind::Float),
    ("F64", Kind::Double),
    ("F16", Kind::Half),
    ("BF16", Kind::BFloat16),
    ("I64", Kind::Int64),
    ("I32", Kind::Int),
    ("I16", Kind::Int16),
    ("I8", Kind::Int8),
    ("U8", Kind::Uint8),
    ("BOOL", Kind::Bool),
];

impl Tensors {
    /// Writes `path`: whoever reads it finds the old file or the new one, never a part.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be written, [`Error::Invalid`] for an element type that has no name here.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let mut entries = BTreeMap::new();
        let mut end = 0;
        for (name, tensor) in &self.tensors {
            let (dtype, _) = KINDS.iter().find(|(_, kind)| *kind == tensor.kind()).ok_or_else(|| {
                Error::invalid(format!("variable `{name}`: element type {:?} cannot be saved", tensor.kind()))
            })?;
            let start = end;
            end += bytes(tensor);
            entries.insert(
                name.clone(),
                Entry { dtype: (*dtype).into(), shape: tensor.size(), data_offsets: [start, end] },
            );
        }
        let header = Header { metadata: self.metadata.clone(), entries };
        let mut header = serde_json::to_vec(&header).expect("strings and numbers are always JSON");
        header.resize(header.len().next_multiple_of(8), b' ');
        atomically(path, |file| {
            file.write_all(&(header.len() as u64).to_le_bytes())?;
            file.write_all(&header)?;
            for tensor in self.tensors.values() {
                file.write_all(&values(tensor).map_err(std::io::Error::other)?)?;
            }
            Ok(())
        })
    }

    /// Reads `path` into memory.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be read, [`Error::File`] where it is not of the format.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let file = Mapped::open(path)?;
        let tensor = |(name, place): (&String, &Place)| -> Result<(String, Tensor)> {
            Ok((name.clone(), file.values(place)?.tensor()?))
        };
        let tensors = file.places.iter().map(tensor).collect::<Result<_>>()?;
        file.check_unchanged()?;
        Ok(Self { tensors, metadata: file.metadata })
    }
}

/// The SHA-256 of tensors one after the other: of their names, element types, shapes and values.
#[derive(Debug, Default)]
pub(crate) struct Digest(Sha256);

impl Digest {
    /// Adds a tensor, with its values as they lie in memory.
    pub(crate) fn add(&mut self, name: &str, kind: Kind, shape: &[i64], values: &[u8]) {
        self.0.update(format!("{name}: {kind:?} {shape:?}\n"));
        self.0.update(values);
    }

    /// In hexadecimal digits.
    pub(crate) fn finish(self) -> String {
        hexadecimal(&self.0.finalize())
    }
}

/// The [`Digest`] of tensors in this order.
///
/// # Errors
/// [`Error::Torch`] for a tensor without values in memory.
pub(crate) fn digest<'a>(tensors: impl IntoIterator<Item = (&'a String, &'a Tensor)>) -> Result<String> {
    let mut digest = Digest::default();
    for (name, tensor) in tensors {
        digest.add(name, tensor.kind(), &tensor.size(), &values(tensor)?);
    }
    Ok(digest.finish())
}

/// The values of a tensor as they lie in memory.
pub(crate) fn values(tensor: &Tensor) -> Result<Vec<u8>> {
    let tensor = tensor.detach().to_device(tch::Device::Cpu).contiguous();
    let mut data = vec![0; bytes(&tensor)];
    tensor.f_copy_data_u8(&mut data, tensor.numel())?;
    Ok(data)
}

/// The SHA-256 of a tensor's values, taken in parts so that no second copy of all is needed.
pub(crate) fn sha256_of(tensor: &Tensor) -> Result<String> {
    const ROWS: i64 = 1024;
    let mut digest = Sha256::new();
    let rows = tensor.size().first().copied().unwrap_or(0);
    for start in (0..rows).step_by(ROWS as usize) {
        digest.update(values(&tensor.narrow(0, start, ROWS.min(rows - start)))?);
    }
    Ok(hexadecimal(&digest.finalize()))
}

fn bytes(tensor: &Tensor) -> usize {
    tensor.numel() * tensor.kind().elt_size_in_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some() -> Tensors {
        let tensors = [
            ("a.weight", Tensor::from_slice(&[1.5f32, -2.0, 3.0, 4.0, 5.0, 6.0]).view([2, 3])),
            ("b", Tensor::from_slice(&[true, false, true])),
            ("c", Tensor::from_slice(&[7i64])),
            ("transposed", Tensor::from_slice(&[1f64, 2.0, 3.0, 4.0]).view([2, 2]).tr()),
        ];
        Tensors {
            tensors: tensors.into_iter().map(|(name, tensor)| (name.to_owned(), tensor)).collect(),
            metadata: [("key".to_owned(), "a \"text\"".to_owned())].into(),
        }
    }

    #[test]
    fn reads_what_it_wrote_and_so_does_tch() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("some.safetensors");
        let written = some();
        written.write(&path).unwrap();
        let read = Tensors::read(&path).unwrap();
        let tch: BTreeMap<_, _> = Tensor::read_safetensors(&path).unwrap().into_iter().collect();
        assert_eq!(read.metadata, written.metadata);
        assert_eq!(read.tensors, written.tensors);
        assert_eq!(tch, written.tensors);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left behind");
    }

    #[test]
    fn a_file_cut_anywhere_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("some.safetensors");
        some().write(&path).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for length in 0..whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            let error = Tensors::read(&path).unwrap_err().to_string();
            assert!(error.contains("not a whole safetensors file"), "{length}: {error}");
        }
    }

    #[test]
    fn a_wrong_header_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("some.safetensors");
        for header in [
            r#"{"a":{"dtype":"F32","shape":[9223372036854775807,4],"data_offsets":[0,8]}}"#,
            r#"{"a":{"dtype":"F32","shape":[-1,2],"data_offsets":[0,8]}}"#,
            r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#,
            r#"{"a":{"dtype":"C64","shape":[1],"data_offsets":[0,8]}}"#,
            r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#,
            r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#,
            r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#,
            r#"{"a":7}"#,
            "no JSON",
        ] {
            let file = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &[0; 8]].concat();
            std::fs::write(&path, file).unwrap();
            let error = Tensors::read(&path).unwrap_err().to_string();
            assert!(error.contains("not a whole safetensors file"), "{header}: {error}");
        }
    }
}
