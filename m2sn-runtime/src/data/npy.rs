//! The `.npy` format of NumPy.

use std::path::Path;

use tch::{Kind, Tensor};

use super::{describe_dims, dims_fit, elements};
use crate::{Error, Result};

/// Reads an array of the element type `kind`.
///
/// `dims` are the dimensions that the array must have, `-1` where any number will do.
/// Little-endian arrays in C order can be read, which is what `numpy.save` writes unless told otherwise.
///
/// ```
/// use m2sn_runtime::{data::npy, tch::{Kind, Tensor}};
///
/// let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("pairs.npy");
/// Tensor::from_slice(&[7_i64, 8, 9]).write_npy(&path)?;
///
/// let pairs = npy::read(&path, Kind::Int64, &[-1])?;
/// assert_eq!(pairs.size(), [3]);
///
/// let error = npy::read(&path, Kind::Uint8, &[-1, 28, 28]).unwrap_err();
/// assert!(error.to_string().ends_with("expected an array [?, 28, 28] of Uint8, found [3] of Int64"));
/// # Ok::<(), m2sn_runtime::Error>(())
/// ```
///
/// # Errors
/// [`Error::Io`] where the file cannot be read;
/// [`Error::File`] where it is no such array, or holds another number of bytes than its header promises.
pub fn read(path: impl AsRef<Path>, kind: Kind, dims: &[i64]) -> Result<Tensor> {
    let path = path.as_ref();
    let bytes = std::fs::read(path).map_err(Error::io(path))?;
    let fault = |message: String| Error::file(path, message);

    if bytes.starts_with(b"version https://git-lfs") {
        return Err(fault("a pointer of Git LFS stands in for the file; fetch the file by `git lfs pull`".into()));
    }
    let (header, data) = split(&bytes).ok_or_else(|| fault("expected a `.npy` file, found something else".into()))?;
    let header = Header::parse(header).map_err(fault)?;
    if header.kind != kind || !dims_fit(&header.dims, dims) {
        let (expected, found) = (describe_dims(dims), describe_dims(&header.dims));
        return Err(fault(format!("expected an array {expected} of {kind:?}, found {found} of {:?}", header.kind)));
    }
    // LibTorch takes the length on trust and would read past the end of a file that was cut off.
    let length = elements(&header.dims).and_then(|elements| elements.checked_mul(kind.elt_size_in_bytes()));
    if length != Some(data.len()) {
        let promised = length.map_or("more".into(), |length| length.to_string());
        let message = format!("expected {promised} bytes of data, found {}; fetch the file anew", data.len());
        return Err(fault(message));
    }
    Ok(Tensor::f_from_data_size(data, &header.dims, kind)?)
}

/// Parts a file into the text of its header and the data.
fn split(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (version, rest) = bytes.strip_prefix(b"\x93NUMPY")?.split_at_checked(2)?;
    let (length, rest) = match version[0] {
        1 => rest.split_first_chunk().map(|(length, rest)| (u16::from_le_bytes(*length).into(), rest))?,
        2 | 3 => rest.split_first_chunk().map(|(length, rest)| (u32::from_le_bytes(*length) as usize, rest))?,
        _ => return None,
    };
    let (header, data) = rest.split_at_checked(length)?;
    Some((std::str::from_utf8(header).ok()?, data))
}

/// What the header says: `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 32, 48), }`.
struct Header {
    kind: Kind,
    dims: Vec<i64>,
}

impl Header {
    fn parse(text: &str) -> Result<Self, String> {
        let unreadable = || format!("expected the header of a NumPy array, found `{}`", text.trim_end());
        let value = |key| text.split_once(key).map(|(_, rest)| rest.trim_start()).ok_or_else(unreadable);

        let descr = value("'descr':")?.strip_prefix('\'').and_then(|rest| rest.split('\'').next());
        let descr = descr.ok_or_else(unreadable)?;
        let kind = match descr {
            "|b1" => Kind::Bool,
            "|u1" => Kind::Uint8,
            "|i1" => Kind::Int8,
            "<i2" => Kind::Int16,
            "<i4" => Kind::Int,
            "<i8" => Kind::Int64,
            "<f2" => Kind::Half,
            "<f4" => Kind::Float,
            "<f8" => Kind::Double,
            // LibTorch's own writer gives single bytes an order too.
            "<u1" => Kind::Uint8,
            "<i1" => Kind::Int8,
            _ => return Err(format!("cannot read the element type `{descr}`; save a little-endian array of numbers")),
        };
        if !value("'fortran_order':")?.starts_with("False") {
            return Err("cannot read Fortran order; save `numpy.ascontiguousarray(array)`".into());
        }
        let dims = value("'shape':")?.strip_prefix('(').and_then(|rest| rest.split(')').next());
        let dims = dims.ok_or_else(unreadable)?.split(',').map(str::trim).filter(|dim| !dim.is_empty());
        // Python 2 ends whole numbers in `L`.
        let dims = dims.map(|dim| dim.trim_end_matches('L').parse().map_err(|_| unreadable()));
        let dims = dims.collect::<Result<_, _>>()?;
        Ok(Self { kind, dims })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, data: &[u8]) -> Vec<u8> {
        let length = u16::try_from(header.len()).unwrap().to_le_bytes();
        [b"\x93NUMPY\x01\x00", length.as_slice(), header.as_bytes(), data].concat()
    }

    fn read_bytes(bytes: &[u8], kind: Kind, dims: &[i64]) -> Result<Tensor> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, bytes).unwrap();
        read(path, kind, dims)
    }

    fn message(bytes: &[u8], kind: Kind, dims: &[i64]) -> String {
        let text = read_bytes(bytes, kind, dims).unwrap_err().to_string();
        text.split_once("file: ").unwrap().1.to_owned()
    }

    #[test]
    fn reads_what_numpy_writes() {
        // `numpy.save` of `numpy.array([[1, -2], [3, 40000]], "int32")`, whose header NumPy pads to 128 bytes.
        let header = format!("{:<117}\n", "{'descr': '<i4', 'fortran_order': False, 'shape': (2, 2), }");
        let data: Vec<u8> = [1_i32, -2, 3, 40_000].iter().flat_map(|value| value.to_le_bytes()).collect();
        let array = read_bytes(&file(&header, &data), Kind::Int, &[-1, 2]).unwrap();
        assert_eq!(Vec::<i32>::try_from(array.flatten(0, 1)).unwrap(), [1, -2, 3, 40_000]);

        let one = file("{'descr': '|u1', 'fortran_order': False, 'shape': (3,), }\n", &[7, 8, 255]);
        assert_eq!(read_bytes(&one, Kind::Uint8, &[3]).unwrap().int64_value(&[2]), 255);
        let python2 = file("{'descr': '|u1', 'fortran_order': False, 'shape': (3L, 1L), }\n", &[7, 8, 255]);
        assert_eq!(read_bytes(&python2, Kind::Uint8, &[3, 1]).unwrap().size(), [3, 1]);
    }

    #[test]
    fn refuses_what_does_not_fit() {
        let fine = "{'descr': '|u1', 'fortran_order': False, 'shape': (3,), }\n";
        assert_eq!(
            message(&file(fine, &[1, 2, 3]), Kind::Float, &[-1]),
            "expected an array [?] of Float, found [3] of Uint8"
        );
        assert_eq!(
            message(&file(fine, &[1, 2]), Kind::Uint8, &[-1]),
            "expected 3 bytes of data, found 2; fetch the file anew"
        );
        assert_eq!(
            message(&file(&fine.replace("(3,)", "(9999999999, 9999999999)"), &[1]), Kind::Uint8, &[-1, -1]),
            "expected more bytes of data, found 1; fetch the file anew"
        );
        assert!(message(&file(&fine.replace("False", "True"), &[1, 2, 3]), Kind::Uint8, &[3]).contains("Fortran"));
        assert!(message(&file(&fine.replace("|u1", ">f4"), &[1, 2, 3]), Kind::Uint8, &[3]).contains("`>f4`"));
        assert!(message(&file(&fine.replace("(3,)", "(x,)"), &[1, 2, 3]), Kind::Uint8, &[3]).contains("header"));
        let versions = [0, 4, 9].map(|version| {
            let mut bytes = file(fine, &[1, 2, 3]);
            bytes[6] = version;
            bytes
        });
        let nonsense = [&b""[..], b"PK\x03\x04", b"\x93NUMPY\x01\x00\xff\xff{", b"\x93NUMPY\x09\x00\xff"];
        for nonsense in versions.iter().map(Vec::as_slice).chain(nonsense) {
            assert_eq!(message(nonsense, Kind::Uint8, &[3]), "expected a `.npy` file, found something else");
        }
        // LibTorch cannot count as many elements, even where the product is none.
        let none = fine.replace("(3,)", "(0, 9223372036854775807, 9223372036854775807)");
        assert!(message(&file(&none, &[]), Kind::Uint8, &[-1, -1, -1]).contains("more bytes of data"));
        let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n";
        assert!(message(pointer, Kind::Uint8, &[3]).contains("`git lfs pull`"));
    }
}
