//! The idx format of MNIST: a small header and bytes, often compressed with gzip.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use tch::{Kind, Tensor};

use super::{describe_dims, dims_fit, elements};
use crate::{Error, Result};

/// Reads an array of bytes, compressed or not, as a tensor of `u8`.
///
/// `dims` are the dimensions that the array must have, `-1` where any number will do:
/// `[-1, 28, 28]` for MNIST's images, `[-1]` for its labels.
///
/// ```no_run
/// use m2sn_runtime::data::idx;
///
/// let images = idx::read("mnist/train-images-idx3-ubyte.gz", &[-1, 28, 28])?;
/// # Ok::<(), m2sn_runtime::Error>(())
/// ```
///
/// # Errors
/// [`Error::Io`] where the file cannot be read;
/// [`Error::File`] where it is no idx file of bytes, has other dimensions or ends early.
pub fn read(path: impl AsRef<Path>, dims: &[i64]) -> Result<Tensor> {
    let path = path.as_ref();
    let mut reader = open(path).map_err(Error::io(path))?;

    let mut magic = [0; 4];
    reader.read_exact(&mut magic).map_err(|error| ends_early(path, error))?;
    let [0, 0, UNSIGNED_BYTE, rank] = magic else {
        let message = format!("expected an idx file of unsigned bytes (00 00 08 ..), found it to begin {magic:02x?}");
        return Err(Error::file(path, message));
    };
    let mut found = Vec::with_capacity(rank.into());
    for _ in 0..rank {
        let mut dim = [0; 4];
        reader.read_exact(&mut dim).map_err(|error| ends_early(path, error))?;
        found.push(u32::from_be_bytes(dim).into());
    }
    if !dims_fit(&found, dims) {
        let message = format!("expected an array {}, found {}", describe_dims(dims), describe_dims(&found));
        return Err(Error::file(path, message));
    }

    let length = elements(&found).ok_or_else(|| Error::file(path, "the array is too large to hold"))?;
    let mut bytes = Vec::new();
    // One byte more than there should be is enough to see that the header and the data disagree.
    reader.take(length as u64 + 1).read_to_end(&mut bytes).map_err(|error| ends_early(path, error))?;
    if bytes.len() != length {
        let than = if bytes.len() < length { format!("only {}", bytes.len()) } else { "more".into() };
        return Err(Error::file(path, format!("expected {length} bytes of data, found {than}; fetch the file anew")));
    }
    Ok(Tensor::f_from_data_size(&bytes, &found, Kind::Uint8)?)
}

const UNSIGNED_BYTE: u8 = 8;

/// Opens a file, and unpacks it where its first bytes are those of gzip.
fn open(path: &Path) -> std::io::Result<Box<dyn Read>> {
    let mut start = Vec::new();
    File::open(path)?.take(2).read_to_end(&mut start)?;
    let file = BufReader::new(File::open(path)?);
    Ok(if start == [0x1f, 0x8b] { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) })
}

fn ends_early(path: &Path, error: std::io::Error) -> Error {
    Error::file(path, format!("the file is damaged or incomplete ({error}); fetch it anew"))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    /// Two images of two rows and three columns.
    const IMAGES: &[u8] = &[
        0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3, // header
        1, 2, 3, 4, 5, 6, 10, 20, 30, 40, 50, 255,
    ];

    fn read_bytes(bytes: &[u8], dims: &[i64]) -> Result<Tensor> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, bytes).unwrap();
        read(path, dims)
    }

    fn message(bytes: &[u8], dims: &[i64]) -> String {
        let text = read_bytes(bytes, dims).unwrap_err().to_string();
        text.split_once("file: ").unwrap().1.to_owned()
    }

    #[test]
    fn reads_plain_and_compressed_files_alike() {
        let gzip = |bytes: &[u8]| {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        };
        // A file of several gzip members is that of all their bytes, as `cat` and `pigz` leave it.
        let members = [gzip(&IMAGES[..10]), gzip(&IMAGES[10..])].concat();
        for bytes in [IMAGES, &gzip(IMAGES), &members] {
            let images = read_bytes(bytes, &[-1, 2, 3]).unwrap();
            assert_eq!(images.size(), [2, 2, 3]);
            assert_eq!(images.int64_value(&[0, 1, 0]), 4);
            assert_eq!(images.int64_value(&[1, 1, 2]), 255);
        }
    }

    #[test]
    fn refuses_what_does_not_fit() {
        assert_eq!(message(IMAGES, &[-1, 28, 28]), "expected an array [?, 28, 28], found [2, 2, 3]");
        assert_eq!(message(IMAGES, &[-1]), "expected an array [?], found [2, 2, 3]");
        assert_eq!(
            message(b"PNG\0", &[-1]),
            "expected an idx file of unsigned bytes (00 00 08 ..), found it to begin [50, 4e, 47, 00]"
        );
        let short = &IMAGES[..IMAGES.len() - 1];
        assert_eq!(message(short, &[-1, 2, 3]), "expected 12 bytes of data, found only 11; fetch the file anew");
        let long = [IMAGES, &[0]].concat();
        assert_eq!(message(&long, &[-1, 2, 3]), "expected 12 bytes of data, found more; fetch the file anew");
        assert!(message(&IMAGES[..9], &[-1, 2, 3]).contains("damaged or incomplete"));
        assert!(message(&[0x1f, 0x8b, 8, 0, 1], &[-1]).contains("damaged or incomplete"));
        // A header that promises more than any machine can hold is refused before anything is reserved.
        let huge = [&[0, 0, 8, 3], [255_u8; 12].as_slice(), &[7]].concat();
        assert!(message(&huge, &[-1, -1, -1]).contains("too large"));
    }

    #[test]
    fn names_a_missing_file() {
        let error = read("no/such/file.gz", &[-1]).unwrap_err();
        assert!(matches!(&error, Error::Io { path, .. } if path == Path::new("no/such/file.gz")), "{error}");
    }
}
