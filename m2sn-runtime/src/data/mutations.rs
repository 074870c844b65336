//! Files that someone has mistreated: whatever they hold, the readers answer with data or with an error, and never panic.

use std::path::Path;

use tch::Kind;

use super::{idx, npy, npz, pickle, safetensors, table};
use crate::Result;
use crate::random::SplitMix64;

/// Reads `rounds` changed copies of each file; the same ones on every machine. Some are refused, at least.
fn mistreat(files: &[Vec<u8>], extension: &str, rounds: usize, read: impl Fn(&Path) -> Result<()>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file").with_extension(extension);
    let mut random = SplitMix64::new(8);
    let mut refused = 0;
    for round in 0..rounds * files.len() {
        let mut bytes = files[round % files.len()].clone();
        let donor = &files[random.below(files.len())];
        for _ in 0..=random.below(4) {
            mutate(&mut bytes, donor, &mut random);
        }
        std::fs::write(&path, &bytes).unwrap();
        refused += usize::from(read(&path).is_err());
    }
    // A change to a value is no fault; many others are.
    assert!(refused > rounds * files.len() / 20, "{refused} of {}", rounds * files.len());
}

fn mutate(bytes: &mut Vec<u8>, donor: &[u8], random: &mut SplitMix64) {
    let at = random.below(bytes.len().max(1)).min(bytes.len());
    match random.below(6) {
        0 => bytes.truncate(at),
        1 => drop(bytes.drain(at..(at + random.below(9)).min(bytes.len()))),
        2 => {
            let start = random.below(donor.len().max(1)).min(donor.len());
            let end = (start + random.below(33)).min(donor.len());
            bytes.splice(at..at, donor[start..end].iter().copied());
        }
        // Lengths that are far too large, and signs.
        3 => bytes.iter_mut().skip(at).take(8).for_each(|byte| *byte = 0xff),
        4 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte = random.below(256) as u8),
        _ => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << random.below(8)),
    }
}

/// The files of a folder of fixtures whose names end so.
fn fixtures(folder: &str, end: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(folder);
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.to_string_lossy().ends_with(end));
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

#[test]
fn arrays_of_numpy() {
    let kinds = [Kind::Uint8, Kind::Int8, Kind::Int16, Kind::Int, Kind::Int64, Kind::Half, Kind::Float, Kind::Double];
    mistreat(&fixtures("npy", ".npy"), "npy", 25, |path| {
        kinds
            .iter()
            .map(|kind| npy::read(path, *kind, &[-1, -1]).map(drop))
            .find(Result::is_ok)
            .unwrap_or_else(|| npy::read(path, Kind::Bool, &[-1]).map(drop))
    });
    mistreat(&fixtures("npz", ".npz"), "npz", 200, |path| npz::read(path, "inputs", Kind::Float, &[3, 2]).map(drop));
}

#[test]
fn idx_files() {
    let plain = [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6, 10, 20, 30, 40, 50, 255];
    mistreat(&[plain.to_vec()], "idx", 1000, |path| idx::read(path, &[-1, -1, -1]).map(drop));
}

#[test]
fn pickles() {
    mistreat(&fixtures("pickle", ".pkl"), "pkl", 400, |path| {
        let pickle = pickle::read(path)?;
        // Whatever was understood can be looked at, in any way.
        let mut waiting = vec![pickle.root()];
        for _ in 0..300 {
            let Some(value) = waiting.pop() else { break };
            let _ = (value.tensor(), value.text(), value.texts(), value.integer(), value.float(), value.boolean());
            waiting.extend(value.items().unwrap_or_default());
            waiting.extend(value.entries().unwrap_or_default().into_iter().flat_map(|(key, value)| [key, value]));
        }
        Ok(())
    });
}

#[test]
fn safetensors_files() {
    mistreat(&fixtures("recordings", ".safetensors"), "safetensors", 300, |path| safetensors::read_all(path).map(drop));
}

#[test]
fn tables() {
    let mut formats = vec![("jsonl", ".jsonl")];
    if cfg!(feature = "csv") {
        formats.push(("csv", ".csv"));
    }
    if cfg!(feature = "parquet") {
        formats.push(("parquet", ".parquet"));
    }
    for (extension, end) in formats {
        mistreat(&fixtures("table", end), extension, 300, |path| {
            let table = table::read(path)?;
            for column in table.columns() {
                let _ =
                    (table.numbers(&[column]), table.lists(column, 3), table.padded(column, 3), table.files(column));
                let _ = (table.classes(column, &["FR"]), table.label_lists(column, &["Drama"]), table.texts(column));
            }
            Ok(())
        });
    }
}

#[cfg(feature = "hdf5")]
#[test]
fn hdf5_files() {
    use super::hdf5;

    mistreat(&fixtures("hdf5", ".hdf5"), "hdf5", 250, |path| {
        let _ = (hdf5::texts(path, "imdb_ids"), hdf5::read(path, "group/counts", Kind::Int, &[-1]));
        let images = hdf5::read(path, "images", Kind::Uint8, &[-1, 3, 2, 2]);
        images.and(hdf5::read(path, "features", Kind::Float, &[-1, 4])).map(drop)
    });
}

#[cfg(feature = "image")]
#[test]
fn images() {
    use super::files::Item;
    use super::image::{Fit, Picture};

    let picture = Picture { channels: 3, height: 8, width: 8, fit: Fit::Crop { shorter: 9 }, floats: false };
    for end in [".png", ".jpg"] {
        mistreat(&fixtures("image", end), end, 300, |path| picture.read(&path.to_path_buf()).map(drop));
    }
}

#[cfg(feature = "audio")]
#[test]
fn recordings() {
    use super::audio;

    mistreat(&fixtures("recordings", ".wav"), "wav", 300, |path| audio::read(path, 8000).map(drop));
}
