//! The `.npy` format of NumPy.

use std::path::Path;

use tch::{Kind, Tensor};

use super::{describe_dims, dims_fit, elements};
use crate::{Error, Result};

/// Reads an array of the element type `kind`.
///
/// `dims` are the dimensions that the array must have, `-1` where any number will do.
/// Arrays of numbers and booleans can be read in either byte order, in C and in Fortran order. Unsigned types that
/// LibTorch lacks become wider ones: `uint16` reads as [`Kind::Int`] or [`Kind::Int64`], `uint32` and `uint64` as
/// [`Kind::Int64`].
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
/// [`Error::File`] where it is no such array, holds another number of bytes than its header promises, or a value that
/// `kind` cannot.
pub fn read(path: impl AsRef<Path>, kind: Kind, dims: &[i64]) -> Result<Tensor> {
    let path = path.as_ref();
    let bytes = std::fs::read(path).map_err(Error::io(path))?;
    array(&bytes, kind, dims).map_err(|message| Error::file(path, message))
}

/// The array that the bytes of a file hold; else what is wrong with them.
pub(super) fn array(bytes: &[u8], kind: Kind, dims: &[i64]) -> Result<Tensor, String> {
    if bytes.starts_with(b"version https://git-lfs") {
        return Err("a pointer of Git LFS stands in for the file; fetch the file by `git lfs pull`".into());
    }
    let (header, data) = split(bytes).ok_or("expected a `.npy` file, found something else")?;
    let Header { element, is_fortran, dims: found } = Header::parse(header)?;
    element.array(data, &found, is_fortran, kind, dims)
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
    element: Element,
    is_fortran: bool,
    dims: Vec<i64>,
}

impl Header {
    fn parse(text: &str) -> Result<Self, String> {
        let unreadable = || format!("expected the header of a NumPy array, found `{}`", text.trim_end());
        let value = |key| text.split_once(key).map(|(_, rest)| rest.trim_start()).ok_or_else(unreadable);

        let descr = value("'descr':")?.strip_prefix('\'').and_then(|rest| rest.split('\'').next());
        let descr = descr.ok_or_else(unreadable)?;
        let element = Element::parse(descr)
            .ok_or_else(|| format!("cannot read the element type `{descr}`; save an array of numbers or booleans"))?;
        let is_fortran = value("'fortran_order':")?.starts_with("True");
        let dims = value("'shape':")?.strip_prefix('(').and_then(|rest| rest.split(')').next());
        let dims = dims.ok_or_else(unreadable)?.split(',').map(str::trim).filter(|dim| !dim.is_empty());
        // Python 2 ends whole numbers in `L`.
        let dims = dims.map(|dim| dim.trim_end_matches('L').parse().map_err(|_| unreadable()));
        let dims = dims.collect::<Result<_, _>>()?;
        Ok(Self { element, is_fortran, dims })
    }
}

/// An element type of NumPy.
pub(super) struct Element {
    /// The type of LibTorch that holds every value; for `uint64` all but those beyond [`i64::MAX`].
    pub(super) kind: Kind,
    /// Whether LibTorch lacks the type, so that `kind` is wider.
    is_wider: bool,
    size: usize,
    is_big_endian: bool,
}

impl Element {
    /// Reads `<f4` and the like: byte order, kind of number, bytes.
    pub(super) fn parse(descr: &str) -> Option<Self> {
        let (order, code) = descr.split_at_checked(1)?;
        let kind = match code {
            "b1" => Kind::Bool,
            "u1" => Kind::Uint8,
            "i1" => Kind::Int8,
            "i2" => Kind::Int16,
            "i4" | "u2" => Kind::Int,
            "i8" | "u4" | "u8" => Kind::Int64,
            "f2" => Kind::Half,
            "f4" => Kind::Float,
            "f8" => Kind::Double,
            _ => return None,
        };
        let size = usize::from(code.as_bytes()[1] - b'0');
        // LibTorch's own writer gives single bytes an order too.
        matches!(order, "<" | ">" | "|").then(|| Self {
            kind,
            is_wider: matches!(code, "u2" | "u4" | "u8"),
            size,
            is_big_endian: order == ">" && size > 1,
        })
    }

    /// The array of the dimensions `found` whose elements are `data`, if it is one of `kind` and `dims`.
    pub(super) fn array(
        &self,
        data: &[u8],
        found: &[i64],
        is_fortran: bool,
        kind: Kind,
        dims: &[i64],
    ) -> Result<Tensor, String> {
        if !self.reads_as(kind) || !dims_fit(found, dims) {
            let (expected, found) = (describe_dims(dims), describe_dims(found));
            return Err(format!("expected an array {expected} of {kind:?}, found {found} of {:?}", self.kind));
        }
        // LibTorch takes the length on trust and would read past the end of a file that was cut off.
        let length = elements(found).and_then(|elements| elements.checked_mul(self.size));
        if length != Some(data.len()) {
            let promised = length.map_or("more".into(), |length| length.to_string());
            return Err(format!("expected {promised} bytes of data, found {}; fetch the file anew", data.len()));
        }
        if !is_fortran {
            return self.tensor(data, found, kind);
        }
        // In Fortran order the first index runs fastest, as the last one does in the transposed array.
        let (reversed, order): (Vec<_>, Vec<_>) =
            (found.iter().rev().copied().collect(), (0..found.len() as i64).rev().collect());
        Ok(self.tensor(data, &reversed, kind)?.permute(order).contiguous())
    }

    fn reads_as(&self, kind: Kind) -> bool {
        self.kind == kind || (self.is_wider && kind == Kind::Int64)
    }

    /// The tensor of as many bytes as `dims` takes.
    fn tensor(&self, data: &[u8], dims: &[i64], kind: Kind) -> Result<Tensor, String> {
        let swapped: Vec<u8>;
        let data = if self.is_big_endian {
            swapped = data.chunks_exact(self.size).flat_map(|element| element.iter().rev().copied()).collect();
            &swapped
        } else {
            data
        };
        if !self.is_wider {
            return Tensor::f_from_data_size(data, dims, kind).map_err(|error| error.to_string());
        }
        let values = data.chunks_exact(self.size).map(|element| {
            let value = element.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte));
            i64::try_from(value)
                .map_err(|_| format!("the value {value} is larger than {}, the largest of {kind:?}", i64::MAX))
        });
        let values = values.collect::<Result<Vec<_>, _>>()?;
        Ok(Tensor::from_slice(&values).to_kind(kind).view(dims))
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

    /// What NumPy itself wrote, by `tests/fixtures/npy.py`: the numbers 0 to 5, by 2 and 3, in every type, byte order and
    /// order of dimensions.
    #[test]
    fn every_array_of_numpy_reads_as_its_numbers() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/npy");
        let expected = Tensor::arange(6, tch::kind::DOUBLE_CPU).view([2, 3]);
        let mut files = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let kinds: &[Kind] = match name.split('_').next().unwrap() {
                "uint8" => &[Kind::Uint8],
                "int8" => &[Kind::Int8],
                "int16" => &[Kind::Int16],
                "int32" => &[Kind::Int],
                "uint16" => &[Kind::Int, Kind::Int64],
                "int64" | "uint32" | "uint64" => &[Kind::Int64],
                "float16" => &[Kind::Half],
                "float32" => &[Kind::Float],
                "float64" => &[Kind::Double],
                other => panic!("{other}"),
            };
            for kind in kinds {
                let array = read(&path, *kind, &[-1, 3]).unwrap();
                assert_eq!((array.kind(), array.to_kind(Kind::Double)), (*kind, expected.copy()), "{name}");
            }
            files += 1;
        }
        assert_eq!(files, 44);
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
        for descr in ["<c8", "|O", "<U3", "=f4", "<f16", "", "é4"] {
            let text = message(&file(&fine.replace("|u1", descr), &[1, 2, 3]), Kind::Uint8, &[3]);
            assert!(text.contains(&format!("cannot read the element type `{descr}`")), "{text}");
        }
        let large = file(&fine.replace("|u1", "<u8").replace("(3,)", "(1,)"), &u64::MAX.to_le_bytes());
        assert!(message(&large, Kind::Int64, &[1]).starts_with("the value 18446744073709551615 is larger than"));
        let narrow = file(&fine.replace("|u1", "<u4"), &[0; 12]);
        assert!(message(&narrow, Kind::Int, &[3]).ends_with("found [3] of Int64"));
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
