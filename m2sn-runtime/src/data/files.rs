//! One file a sample: images, sounds, or whatever else can be made of a file.

use std::fmt::Debug;
use std::io::Read;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use sha2::{Digest, Sha256};
use tch::{Kind, Tensor};

use super::Source;
use super::faults::Faults;
use crate::batch::Feature;
use crate::{Error, Result};

/// What is made of a file: a tensor, always of the same dimensions.
///
/// The settings that `Debug` shows are part of what tells one data set from another.
pub trait Item: Debug + Send + Sync {
    /// What names a sample: a path, as a rule.
    type Of: AsRef<Path> + Debug + Send + Sync;

    /// Reads a sample.
    ///
    /// # Errors
    /// Whatever keeps the file from being read.
    fn read(&self, of: &Self::Of) -> Result<Tensor>;

    /// The dimensions and the element type of what is read.
    fn shape(&self) -> (Vec<i64>, Kind);

    /// What there is to a sample beside its files: which part of them it is.
    fn part(&self, _of: &Self::Of) -> String {
        String::new()
    }
}

/// A modality with a file a sample, read when it is needed: for [`super::Dataset::streamed`].
#[derive(Debug)]
pub struct Files<R: Item> {
    paths: Vec<Option<R::Of>>,
    item: R,
}

impl<R: Item> Files<R> {
    /// These files, such as those of [`super::table::Table::files`]; `None` for a sample that lacks the modality.
    ///
    /// # Errors
    /// [`Error::Invalid`] where there are none, with the rows of those that do not exist, or where samples would be of no
    /// size.
    pub fn new(paths: Vec<Option<R::Of>>, item: R) -> Result<Self> {
        if paths.is_empty() {
            return Err(Error::invalid("files: there are no samples"));
        }
        let (dims, _) = item.shape();
        if dims.iter().any(|dim| *dim < 1) {
            return Err(Error::invalid(format!("files: expected dimensions from 1 on, found {dims:?} by {item:?}")));
        }
        let mut faults = Faults::default();
        for (row, path) in paths.iter().enumerate() {
            if let Some(path) = path.as_ref().map(AsRef::as_ref).filter(|path| !path.exists()) {
                faults.note(|| format!("row {row}: there is no file {}", path.display()));
            }
        }
        faults.finish().map_err(Error::Invalid)?;
        Ok(Self { paths, item })
    }

    /// Reads all samples into memory, by several threads.
    ///
    /// # Errors
    /// As [`Files::read`].
    pub fn load(&self) -> Result<Feature> {
        self.joined((0..self.samples()).into_par_iter().map(|row| self.sample(row)).collect())
    }

    /// A sample, and whether it is there; else what is wrong with it.
    fn sample(&self, row: i64) -> Result<(Tensor, bool), String> {
        let (dims, kind) = self.item.shape();
        let path = usize::try_from(row).ok().and_then(|row| self.paths.get(row));
        match path.ok_or_else(|| format!("there is no row {row} among {}", self.paths.len()))? {
            None => Ok((Tensor::zeros(dims, (kind, tch::Device::Cpu)), false)),
            Some(path) => match self.item.read(path) {
                Ok(tensor) if tensor.size() == dims && tensor.kind() == kind => Ok((tensor, true)),
                Ok(tensor) => Err(format!(
                    "row {row}: {}: expected {dims:?} of {kind:?}, found {}",
                    path.as_ref().display(),
                    crate::batch::describe(&tensor),
                )),
                Err(error) => Err(format!("row {row}: {error}")),
            },
        }
    }

    fn joined(&self, samples: Vec<Result<(Tensor, bool), String>>) -> Result<Feature> {
        let mut faults = Faults::default();
        let (mut tensors, mut present) = (Vec::with_capacity(samples.len()), Vec::with_capacity(samples.len()));
        for sample in samples {
            match sample {
                Ok((tensor, is_there)) => {
                    tensors.push(tensor);
                    present.push(is_there);
                }
                Err(message) => faults.note(|| message),
            }
        }
        faults.finish().map_err(Error::Invalid)?;
        if tensors.is_empty() {
            return Err(Error::invalid("files: no row was asked for"));
        }
        let tensor = Tensor::f_stack(&tensors, 0)?;
        let present = self.paths.iter().any(Option::is_none).then(|| Tensor::from_slice(&present));
        Ok(Feature { tensor, mask: None, present })
    }
}

impl<R: Item> Source for Files<R> {
    fn samples(&self) -> i64 {
        self.paths.len() as i64
    }

    /// Those that lack the modality are marked as missing.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the rows, the files and the reasons where some cannot be read.
    fn read(&self, rows: &[i64]) -> Result<Feature> {
        self.joined(rows.iter().map(|row| self.sample(*row)).collect())
    }

    fn present(&self) -> Option<Vec<bool>> {
        let present: Vec<_> = self.paths.iter().map(Option::is_some).collect();
        present.contains(&false).then_some(present)
    }

    /// The SHA-256 of the settings and, of each file, its name, its length and its first 4 KiB: what changes when another
    /// file takes a name, and what data sets of many gigabytes can be asked for at each start.
    ///
    /// # Errors
    /// [`Error::Io`] where a file cannot be read.
    fn fingerprint(&self) -> Result<String> {
        let mut digest = Sha256::new();
        digest.update(format!("{:?}\n", self.item));
        for path in &self.paths {
            let Some(path) = path else {
                digest.update("missing\n");
                continue;
            };
            digest.update(self.item.part(path));
            for file in contents(path.as_ref())? {
                let mut start = Vec::new();
                let opened = std::fs::File::open(&file).map_err(Error::io(&file))?;
                let length = opened.metadata().map_err(Error::io(&file))?.len();
                opened.take(4096).read_to_end(&mut start).map_err(Error::io(&file))?;
                // The folder's own name may change when data are moved.
                digest.update(format!("{:?} {length}\n", file.file_name().unwrap_or_default()));
                digest.update(start);
            }
        }
        Ok(crate::checkpoint::hexadecimal(&digest.finalize()))
    }
}

/// The file, or all files of the folder, by name.
fn contents(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.into()]);
    }
    let entries = std::fs::read_dir(path).map_err(Error::io(path))?;
    let files = entries.map(|entry| entry.map(|entry| entry.path())).collect::<std::io::Result<Vec<_>>>();
    let mut files: Vec<_> = files.map_err(Error::io(path))?.into_iter().filter(|file| file.is_file()).collect();
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The length of a file.
    #[derive(Debug)]
    struct Length;

    impl Item for Length {
        type Of = PathBuf;

        fn read(&self, path: &PathBuf) -> Result<Tensor> {
            match std::fs::read(path).map_err(Error::io(path))? {
                bytes if bytes.is_empty() => Err(Error::file(path, "the file is empty")),
                bytes => Ok(Tensor::from_slice(&[bytes.len() as i64])),
            }
        }

        fn shape(&self) -> (Vec<i64>, Kind) {
            (vec![1], Kind::Int64)
        }
    }

    fn folder(lengths: &[usize]) -> (tempfile::TempDir, Vec<Option<PathBuf>>) {
        let folder = tempfile::tempdir().unwrap();
        let write = |(row, length): (usize, &usize)| {
            let path = folder.path().join(format!("{row}.txt"));
            std::fs::write(&path, vec![row as u8; *length]).unwrap();
            Some(path)
        };
        let paths = lengths.iter().enumerate().map(write).collect();
        (folder, paths)
    }

    #[test]
    fn rows_are_read_in_the_order_asked_for() {
        let (_folder, mut paths) = folder(&[5, 6, 7]);
        let files = Files::new(paths.clone(), Length).unwrap();
        let numbers = |feature: Feature| Vec::<i64>::try_from(feature.tensor.flatten(0, 1)).unwrap();
        assert_eq!(numbers(files.read(&[2, 0, 2]).unwrap()), [7, 5, 7]);
        let all = files.load().unwrap();
        assert!(all.present.is_none() && files.present().is_none());
        assert_eq!(numbers(all), [5, 6, 7]);

        paths[1] = None;
        let files = Files::new(paths, Length).unwrap();
        let some = files.read(&[1, 2]).unwrap();
        assert_eq!(Vec::<bool>::try_from(some.present.as_ref().unwrap()).unwrap(), [false, true]);
        assert_eq!(numbers(some), [0, 7]);
        assert_eq!(files.present(), Some(vec![true, false, true]));
    }

    #[test]
    fn every_file_at_fault_is_named_with_its_row() {
        let (_folder, paths) = folder(&[5, 0, 7, 0]);
        let files = Files::new(paths.clone(), Length).unwrap();
        let text = files.load().unwrap_err().to_string();
        assert!(text.starts_with("2 faults:\n  row 1: ") && text.contains("\n  row 3: "), "{text}");
        assert!(text.ends_with("3.txt: the file is empty"), "{text}");
        assert!(files.read(&[4]).unwrap_err().to_string().contains("there is no row 4 among 4"));
        assert!(files.read(&[]).is_err());
        let missing = vec![paths[0].clone(), Some("no/such.png".into())];
        assert_eq!(Files::new(missing, Length).unwrap_err().to_string(), "row 1: there is no file no/such.png");
        assert!(Files::new(Vec::new(), Length).is_err());

        /// Less than nothing.
        #[derive(Debug)]
        struct Negative;

        impl Item for Negative {
            type Of = PathBuf;

            fn read(&self, path: &PathBuf) -> Result<Tensor> {
                Length.read(path)
            }

            fn shape(&self) -> (Vec<i64>, Kind) {
                (vec![2, -1], Kind::Float)
            }
        }
        let text = Files::new(vec![None], Negative).unwrap_err().to_string();
        assert_eq!(text, "files: expected dimensions from 1 on, found [2, -1] by Negative");
    }

    #[test]
    fn the_fingerprint_follows_files_and_settings_and_not_the_folder() {
        let [(_first, here), (_second, there), (_third, other)] = [folder(&[5, 6]), folder(&[5, 6]), folder(&[5, 7])];
        let fingerprint = |paths: &Vec<_>| Files::new(paths.clone(), Length).unwrap().fingerprint().unwrap();
        assert_eq!(fingerprint(&here), fingerprint(&there));
        assert_ne!(fingerprint(&here), fingerprint(&other));
        std::fs::write(here[0].as_ref().unwrap(), "other").unwrap();
        assert_ne!(fingerprint(&here), fingerprint(&there));
    }

    /// Six numbers in a text.
    #[derive(Debug)]
    struct Numbers;

    impl Item for Numbers {
        type Of = PathBuf;

        fn read(&self, path: &PathBuf) -> Result<Tensor> {
            let text = std::fs::read_to_string(path).map_err(Error::io(path))?;
            let numbers = text.split(' ').map(str::parse::<f32>).collect::<std::result::Result<Vec<_>, _>>();
            Ok(Tensor::from_slice(&numbers.map_err(|error| Error::file(path, error.to_string()))?))
        }

        fn shape(&self) -> (Vec<i64>, Kind) {
            (vec![6], Kind::Float)
        }
    }

    #[test]
    fn a_data_set_is_streamed_from_files() {
        use crate::data::{Dataset, Held};
        use crate::network::{Input, Network};
        use crate::tiny::{Tiny, TinyInput};

        let folder = tempfile::tempdir().unwrap();
        let path = |row: usize| folder.path().join(format!("{row}.txt"));
        let values = Tensor::arange(30, tch::kind::FLOAT_CPU).view([5, 6]);
        for row in 0..5 {
            let text: Vec<_> = (0..6).map(|place| (row * 6 + place).to_string()).collect();
            std::fs::write(path(row), text.join(" ")).unwrap();
        }
        let data = || {
            let files = Files::new((0..5).map(|row| Some(path(row))).collect(), Numbers).unwrap();
            let right = Held::new(Tensor::ones([5, 5], tch::kind::FLOAT_CPU).into());
            let sources: Vec<(&str, Box<dyn Source>)> = vec![("left", Box::new(files)), ("right", Box::new(right))];
            let target = Tensor::from_slice(&[0_i64, 1, 2, 0, 1]);
            Dataset::<TinyInput>::streamed(sources, target, Tiny::description().task)
        };
        assert_eq!(data().unwrap().input().unwrap().features()[0].tensor, values);
        std::fs::write(path(3), "1 2 3").unwrap();
        let text = data().unwrap().input().unwrap_err().to_string();
        assert!(
            text.contains("row 3: ") && text.ends_with("3.txt: expected [6] of Float, found [3] of Float"),
            "{text}"
        );
    }
}
