//! Files that someone has mistreated: whatever they hold, the readers answer with data or with an error, and never panic.

use std::path::Path;

use tch::Kind;

use super::{idx, npy, npz, pickle};
use crate::Result;
use crate::random::SplitMix64;

/// Reads `rounds` changed copies of each file; the same ones on every machine.
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
    // A change to a number in an array is no fault; most others are.
    assert!(refused > rounds * files.len() / 4, "{refused} of {}", rounds * files.len());
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

fn fixtures(folder: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(folder);
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

#[test]
fn arrays_of_numpy() {
    let kinds = [Kind::Uint8, Kind::Int8, Kind::Int16, Kind::Int, Kind::Int64, Kind::Half, Kind::Float, Kind::Double];
    mistreat(&fixtures("npy"), "npy", 25, |path| {
        kinds
            .iter()
            .map(|kind| npy::read(path, *kind, &[-1, -1]).map(drop))
            .find(Result::is_ok)
            .unwrap_or_else(|| npy::read(path, Kind::Bool, &[-1]).map(drop))
    });
    mistreat(&fixtures("npz"), "npz", 200, |path| npz::read(path, "inputs", Kind::Float, &[3, 2]).map(drop));
}

#[test]
fn idx_files() {
    let plain = [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6, 10, 20, 30, 40, 50, 255];
    mistreat(&[plain.to_vec()], "idx", 1000, |path| idx::read(path, &[-1, -1, -1]).map(drop));
}

#[test]
fn pickles() {
    mistreat(&fixtures("pickle"), "pkl", 400, |path| {
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
