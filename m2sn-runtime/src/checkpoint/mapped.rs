//! A file of the safetensors format of which the header alone is read: its tensors are mapped as they are asked for, one
//! at a time, so that a process holds none of them twice.
//!
//! A mapping shows the file as it is. Files that are written here appear whole or not at all
//! ([`crate::file::atomically`]): whoever replaces one gives its name to a new file, and who has opened the old one goes on
//! with that. What another program writes over in its place is found by [`Mapped::check_unchanged`]; where that program
//! makes the file shorter just while it is read, the system ends the process (`SIGBUS`). So a file is replaced by a copy
//! beside it that takes its name, as `mv` and `rsync` do, and not by `cp`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use memmap2::{Mmap, MmapOptions};
use tch::{Kind, Tensor};

use super::tensors::{Entry, Header, KINDS};
use crate::{Error, Result};

/// The bytes of a tensor that become one of LibTorch's at once: few enough to stay in a processor's cache.
const PIECE: usize = 1 << 20;

/// A file whose header has been read.
#[derive(Debug)]
pub(crate) struct Mapped {
    path: PathBuf,
    file: File,
    stamp: Stamp,
    /// The tensors by name.
    pub(crate) places: BTreeMap<String, Place>,
    /// Texts by key.
    pub(crate) metadata: BTreeMap<String, String>,
}

/// What a file says of a tensor.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) kind: Kind,
    pub(crate) shape: Vec<i64>,
    /// Where the values begin, in bytes of the file.
    start: u64,
    /// How many bytes they are.
    length: usize,
}

/// The values of a tensor as the file has them, mapped.
#[derive(Debug)]
pub(crate) struct Values<'a> {
    place: &'a Place,
    bytes: Mmap,
}

/// By what it is known that nobody has written to a file: its length, and when it was last written where the system
/// tells.
#[derive(Debug, PartialEq)]
struct Stamp {
    length: u64,
    written: Option<SystemTime>,
}

impl Mapped {
    /// Opens `path` and reads its header.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be read, [`Error::File`] where it is not of the format, or not whole.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let mut file = File::open(path).map_err(Error::io(path))?;
        let stamp = Stamp::of(&file).map_err(Error::io(path))?;
        let mut left = stamp.length;
        let mut read = |length: u64| -> Result<Vec<u8>> {
            left = left.checked_sub(length).ok_or_else(|| damaged(path, "it is shorter than its header"))?;
            let mut bytes = vec![0; length as usize];
            file.read_exact(&mut bytes).map_err(|error| match error.kind() {
                ErrorKind::UnexpectedEof => damaged(path, "it is shorter than its header"),
                _ => Error::io(path)(error),
            })?;
            Ok(bytes)
        };
        let length = read(size_of::<u64>() as u64)?;
        let length = u64::from_le_bytes(length.try_into().unwrap_or_else(|_| unreachable!("eight bytes were read")));
        let header: Header =
            serde_json::from_slice(&read(length)?).map_err(|error| damaged(path, &format!("its header: {error}")))?;
        let data = stamp.length - left;
        // Each byte belongs to one tensor, as the format demands; otherwise something has been moved or added.
        let mut offsets: Vec<_> = header.entries.values().map(|entry| entry.data_offsets).collect();
        offsets.sort_unstable();
        let end = offsets.iter().try_fold(0, |end, offsets| (offsets[0] == end).then_some(offsets[1]));
        if end.map(|end| end as u64) != Some(left) {
            return Err(damaged(path, "its tensors do not fill it, one after the other"));
        }
        let mut places = BTreeMap::new();
        for (name, Entry { dtype, shape, data_offsets: [start, end] }) in header.entries {
            let (_, kind) = KINDS
                .iter()
                .find(|(name, _)| *name == dtype)
                .ok_or_else(|| damaged(path, &format!("`{name}` has the unknown element type {dtype}")))?;
            let size = shape.iter().try_fold(kind.elt_size_in_bytes(), |size, dim| {
                usize::try_from(*dim).ok().and_then(|dim| size.checked_mul(dim))
            });
            let length = end.checked_sub(start).filter(|length| Some(*length) == size);
            let length =
                length.ok_or_else(|| damaged(path, &format!("`{name}` does not have the bytes of its shape")))?;
            places.insert(name, Place { kind: *kind, shape, start: data + start as u64, length });
        }
        Ok(Self { path: path.into(), file, stamp, places, metadata: header.metadata })
    }

    /// The values of one of the file's tensors, mapped as long as they are held.
    ///
    /// # Errors
    /// [`Error::Io`] where the system cannot map them.
    #[expect(unsafe_code, reason = "another process could change what is mapped")]
    pub(crate) fn values<'a>(&self, place: &'a Place) -> Result<Values<'a>> {
        let mut options = MmapOptions::new();
        options.offset(place.start).len(place.length).populate();
        // SAFETY: the file had these bytes when it was opened, and nothing is made of them that bytes of any value would
        // not do for. That nobody changes them meanwhile is what this room asks of its files.
        let bytes = unsafe { options.map(&self.file) }.map_err(Error::io(&self.path))?;
        Ok(Values { place, bytes })
    }

    /// Checks that nobody has written to the file since it was opened. That its name was given to another is no matter.
    ///
    /// # Errors
    /// [`Error::File`] where somebody has.
    pub(crate) fn check_unchanged(&self) -> Result<()> {
        if Stamp::of(&self.file).map_err(Error::io(&self.path))? == self.stamp {
            return Ok(());
        }
        let message = "was written over while it was read, so that what was read may be parts of two files\n\
                       help: read it again; replace such files by `mv`, from beside their place";
        Err(Error::file(&self.path, message))
    }
}

impl Values<'_> {
    /// The same values in memory of their own.
    ///
    /// # Errors
    /// [`Error::Torch`] where there is no room for them.
    pub(crate) fn tensor(&self) -> Result<Tensor> {
        Ok(Tensor::f_from_data_size(self, &self.place.shape, self.place.kind)?)
    }

    /// Whether all of them are finite numbers.
    ///
    /// # Errors
    /// [`Error::Torch`] where LibTorch cannot tell.
    pub(crate) fn are_finite(&self) -> Result<bool> {
        for piece in self.pieces() {
            let (_, piece) = piece?;
            if piece.is_floating_point() && !bool::try_from(piece.f_isfinite()?.f_all()?)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Copies them into a variable of their shape.
    ///
    /// # Errors
    /// [`Error::Torch`] where the variable is of another shape.
    pub(crate) fn copy_to(&self, variable: &Tensor) -> Result<()> {
        let rows = if variable.dim() == 0 { variable.f_unsqueeze(0)? } else { variable.shallow_clone() };
        tch::no_grad(|| {
            self.pieces().try_for_each(|piece| {
                let (first, piece) = piece?;
                rows.f_narrow(0, first, piece.size()[0])?.f_copy_(&piece)?;
                Ok(())
            })
        })
    }

    /// Some rows after the other, each time with the number of the first; a single number is a row of one.
    fn pieces(&self) -> impl Iterator<Item = Result<(i64, Tensor)>> {
        let shape = if self.place.shape.is_empty() { &[1][..] } else { self.place.shape.as_slice() };
        let row = self.len() / usize::try_from(shape[0]).unwrap_or(0).max(1);
        let rows = (PIECE / row.max(1)).max(1);
        self.chunks((rows * row).max(1)).enumerate().map(move |(number, bytes)| {
            let size = [&[(bytes.len() / row) as i64], &shape[1..]].concat();
            Ok(((number * rows) as i64, Tensor::f_from_data_size(bytes, &size, self.place.kind)?))
        })
    }
}

impl Deref for Values<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Stamp {
    fn of(file: &File) -> std::io::Result<Self> {
        let metadata = file.metadata()?;
        Ok(Self { length: metadata.len(), written: metadata.modified().ok() })
    }
}

fn damaged(path: &Path, what: &str) -> Error {
    Error::file(path, format!("not a whole safetensors file ({what}); it may be damaged or cut off while copied"))
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::io::{Seek, SeekFrom, Write};

    use super::super::tensors::Tensors;
    use super::*;

    /// Tensors that are larger than a piece, smaller, a single number, and none.
    fn some(value: f32) -> BTreeMap<String, Tensor> {
        let options = (Kind::Float, tch::Device::Cpu);
        let large = Tensor::arange(3 * 1000 * 333, options).view([1000, 3, 333]) * f64::from(value);
        let tensors = [
            // One byte before the others, so that no other begins at a multiple of its size.
            ("a", Tensor::from_slice(&[7u8])),
            ("large", large),
            ("none", Tensor::zeros([3, 0], options)),
            ("number", Tensor::from(value)),
            ("row", Tensor::arange(400_000, options).view([1, 400_000]) + f64::from(value)),
        ];
        tensors.into_iter().map(|(name, tensor)| (name.to_owned(), tensor)).collect()
    }

    fn write(path: &Path, tensors: BTreeMap<String, Tensor>) {
        Tensors { tensors, metadata: BTreeMap::new() }.write(path).unwrap();
    }

    #[test]
    fn values_are_those_of_the_file_piece_by_piece() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("some.safetensors");
        write(&path, some(1.5));
        let file = Mapped::open(&path).unwrap();
        for (name, expected) in some(1.5) {
            let place = &file.places[&name];
            assert_eq!((&place.shape, place.kind), (&expected.size(), expected.kind()), "{name}");
            let values = file.values(place).unwrap();
            assert_eq!(values.tensor().unwrap(), expected, "{name}");
            let copied = expected.zeros_like();
            values.copy_to(&copied).unwrap();
            assert_eq!(copied, expected, "{name}");
            let kept: usize = values.pieces().map(|piece| piece.unwrap().1.numel()).sum();
            assert_eq!(kept, expected.numel(), "{name}");
        }
        let large = &file.places["large"];
        assert!(file.values(large).unwrap().pieces().count() > 3, "a piece is no larger than it has to be");
        // A variable may lie in memory in another way than the file has it.
        let transposed = Tensor::zeros([333, 3, 1000], tch::kind::FLOAT_CPU).transpose(0, 2);
        file.values(large).unwrap().copy_to(&transposed).unwrap();
        assert_eq!(transposed, some(1.5)["large"]);
        file.check_unchanged().unwrap();
    }

    #[test]
    fn a_single_value_that_is_not_finite_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("some.safetensors");
        for place in [0, 400_000, 998_999] {
            let tensors = some(1.0);
            let mut value = tensors["large"].view(-1).get(place);
            assert_ne!(value.double_value(&[]), f64::INFINITY);
            let _ = value.fill_(f64::INFINITY);
            write(&path, tensors);
            let file = Mapped::open(&path).unwrap();
            let finite = |name: &str| file.values(&file.places[name]).unwrap().are_finite().unwrap();
            assert_eq!(["a", "large", "none", "number", "row"].map(finite), [true, false, true, true, true], "{place}");
        }
    }

    #[test]
    fn a_file_that_is_replaced_stays_the_one_that_was_opened() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("some.safetensors");
        write(&path, some(1.0));
        let old = Mapped::open(&path).unwrap();
        let mapped = old.values(&old.places["large"]).unwrap();
        write(&path, some(2.0));
        let new = Mapped::open(&path).unwrap();
        assert_eq!(mapped.tensor().unwrap(), some(1.0)["large"]);
        for (file, value) in [(old, 1.0), (new, 2.0)] {
            assert_eq!(file.values(&file.places["row"]).unwrap().tensor().unwrap(), some(value)["row"]);
            file.check_unchanged().unwrap();
        }
    }

    #[test]
    fn a_file_that_is_written_over_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("some.safetensors");
        write(&path, some(1.0));
        let file = Mapped::open(&path).unwrap();
        file.check_unchanged().unwrap();
        // Clocks of file systems go by some milliseconds.
        std::thread::sleep(std::time::Duration::from_millis(50));
        let mut over = OpenOptions::new().write(true).open(&path).unwrap();
        over.seek(SeekFrom::End(-4)).unwrap();
        over.write_all(&2f32.to_le_bytes()).unwrap();
        let message = file.check_unchanged().unwrap_err().to_string();
        assert!(message.contains("some.safetensors: was written over while it was read"), "{message}");
        over.set_len(10).unwrap();
        assert!(file.check_unchanged().is_err());
    }
}
