//! The safetensors format: named tensors in one file.

use std::path::Path;

use tch::{Kind, Tensor};

use super::{describe_dims, dims_fit};
use crate::checkpoint::mapped::Mapped;
use crate::checkpoint::tensors::Tensors;
use crate::{Error, Result};

/// Reads the tensor `name`, of the element type `kind`.
///
/// `dims` are the dimensions that it must have, `-1` where any number will do. Nothing else of the file is read but its
/// header.
///
/// ```
/// use m2sn_runtime::{data::safetensors, tch::{Kind, Tensor}};
///
/// let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("features.safetensors");
/// Tensor::write_safetensors(&[("labels", Tensor::from_slice(&[2_i64, 0, 1]))], &path)?;
///
/// let labels = safetensors::read(&path, "labels", Kind::Int64, &[-1])?;
/// assert_eq!(labels.size(), [3]);
///
/// let error = safetensors::read(&path, "label", Kind::Int64, &[-1]).unwrap_err();
/// assert!(error.to_string().ends_with("there is no tensor `label`; the file holds `labels`"));
/// # Ok::<(), m2sn_runtime::Error>(())
/// ```
///
/// # Errors
/// [`Error::Io`] where the file cannot be read; [`Error::File`] where it is no such file, holds no tensor of that name
/// (it names those that it holds), or one of another element type or other dimensions.
pub fn read(path: impl AsRef<Path>, name: &str, kind: Kind, dims: &[i64]) -> Result<Tensor> {
    let path = path.as_ref();
    let file = Mapped::open(path)?;
    let Some(place) = file.places.get(name) else {
        let names: Vec<_> = file.places.keys().map(|key| format!("`{key}`")).collect();
        let message = format!("there is no tensor `{name}`; the file holds {}", names.join(", "));
        return Err(Error::file(path, message));
    };
    if place.kind != kind || !dims_fit(&place.shape, dims) {
        let (expected, found) = (describe_dims(dims), describe_dims(&place.shape));
        let message =
            format!("tensor `{name}`: expected an array {expected} of {kind:?}, found {found} of {:?}", place.kind);
        return Err(Error::file(path, message));
    }
    let tensor = file.values(place)?.tensor()?;
    file.check_unchanged()?;
    Ok(tensor)
}

/// Reads all tensors of a file with their names, in alphabetical order.
///
/// # Errors
/// [`Error::Io`] where the file cannot be read; [`Error::File`] where it is no such file.
pub fn read_all(path: impl AsRef<Path>) -> Result<Vec<(String, Tensor)>> {
    Ok(Tensors::read(path.as_ref())?.tensors.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_of_every_type_are_read_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("all.safetensors");
        let kinds = [
            Kind::Uint8,
            Kind::Int8,
            Kind::Int16,
            Kind::Int,
            Kind::Int64,
            Kind::Half,
            Kind::BFloat16,
            Kind::Float,
            Kind::Double,
            Kind::Bool,
        ];
        let tensor = |kind| Tensor::from_slice(&[1_i64, 0, 1]).to_kind(kind);
        let named: Vec<_> = kinds.iter().map(|kind| (format!("{kind:?}"), tensor(*kind))).collect();
        Tensor::write_safetensors(&named, &path).unwrap();
        for kind in kinds {
            assert_eq!(read(&path, &format!("{kind:?}"), kind, &[3]).unwrap(), tensor(kind));
        }
        let text = read(&path, "Float", Kind::Double, &[-1, 2]).unwrap_err().to_string();
        assert!(text.ends_with("tensor `Float`: expected an array [?, 2] of Double, found [3] of Float"), "{text}");
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        let text = read(&path, "Float", Kind::Float, &[3]).unwrap_err().to_string();
        assert!(text.contains("not a whole safetensors file"), "{text}");
    }
}
