//! The recorded data set: handwritten digits of MNIST paired with spoken ones of the Free Spoken Digit Dataset.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use m2sn::data::{idx, npy};
use m2sn::tch::{Kind, Tensor};
use m2sn::{Error, Result};

use crate::digits::{Digits, Splits};

/// What is done to the images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ImageVariant {
    /// Nothing
    Clean,
    /// Every image is reduced to its four principal components
    Pca,
    /// Half of the images, at random, are reduced
    Mix,
}

/// What is done to the sounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AudioVariant {
    /// Nothing
    Clean,
    /// Other voices are mixed in, at -6 to 12 dB
    Noisy,
}

/// Reads all splits from `folder`, or from the folder `avdigits` in it.
pub(crate) fn read(folder: &Path, image: ImageVariant, audio: AudioVariant) -> Result<Splits> {
    let reader = Reader::new(folder, image, audio)?;
    Ok(Splits { train: reader.split("train")?, valid: reader.split("valid")?, test: reader.split("test")? })
}

struct Reader {
    folder: PathBuf,
    image: ImageVariant,
    audio: AudioVariant,
}

impl Reader {
    fn new(folder: &Path, image: ImageVariant, audio: AudioVariant) -> Result<Self> {
        let holds_data = |folder: &PathBuf| folder.join("pairs_train_i32.npy").is_file();
        let folder = [folder.into(), folder.join("avdigits")].into_iter().find(holds_data).ok_or_else(|| {
            let message = "expected the avdigits data set, found no `pairs_train_i32.npy` here nor in `avdigits/`; \
                it is made from MNIST and the Free Spoken Digit Dataset \
                (https://github.com/Jakobovski/free-spoken-digit-dataset); \
                without `--data` the example runs on generated digits";
            Error::File { path: folder.into(), message: message.into() }
        })?;
        Ok(Self { folder, image, audio })
    }

    fn split(&self, split: &str) -> Result<Digits> {
        let pairs = self.array(&format!("pairs_{split}_i32.npy"), Kind::Int, &[-1, 3])?.to_kind(Kind::Int64);
        let column = |index| pairs.select(1, index);
        let (images, image_difficulty) = self.images(split, &column(0))?;
        let (sounds, signal_to_noise) = self.sounds(split, &column(1))?;
        Ok(Digits { images, sounds, labels: column(2).contiguous(), image_difficulty, signal_to_noise })
    }

    /// The images at `rows` of MNIST, and whether each is reduced.
    fn images(&self, split: &str, rows: &Tensor) -> Result<(Tensor, Tensor)> {
        // MultiBench cuts its validation split from MNIST's training images, and so do the pairs.
        let source = if split == "test" { "t10k" } else { "train" };
        let name = format!("mnist/{source}-images-idx3-ubyte.gz");
        let all = idx::read(self.folder.join(&name), &[-1, 28, 28])?;
        let clean = self.take(&all, &name, split, rows)?;

        let samples = rows.size()[0];
        let reduced = match self.image {
            ImageVariant::Clean => rows.zeros_like().to_kind(Kind::Bool),
            ImageVariant::Pca => rows.ones_like().to_kind(Kind::Bool),
            ImageVariant::Mix => {
                self.array(&format!("image_reduced_{split}_u8.npy"), Kind::Uint8, &[samples])?.to_kind(Kind::Bool)
            }
        };
        let images = self.reduce(&clean)?.where_self(&reduced.view([-1, 1, 1, 1]), &clean);
        Ok((images, reduced.to_kind(Kind::Float)))
    }

    /// Leaves of each image what the first principal components of MNIST tell of it.
    fn reduce(&self, images: &Tensor) -> Result<Tensor> {
        let mean = self.array("mnist_pca25_mean_f32.npy", Kind::Float, &[784])?;
        let components = self.array("mnist_pca25_components_f32.npy", Kind::Float, &[4, 784])?;
        let centred = images.flatten(1, -1) - &mean;
        Ok((mean + centred.matmul(&components.tr()).matmul(&components)).view_as(images))
    }

    /// The sounds of the recordings `rows`, and the level of the voice over the noise.
    fn sounds(&self, split: &str, rows: &Tensor) -> Result<(Tensor, Tensor)> {
        let samples = rows.size()[0];
        match self.audio {
            AudioVariant::Clean => {
                let name = "fsdd_logmel_u8.npy";
                let all = self.array(name, Kind::Uint8, &[-1, 32, 48])?;
                let silent = Tensor::full([samples], f64::INFINITY, (Kind::Float, rows.device()));
                Ok((self.take(&all, name, split, rows)?, silent))
            }
            AudioVariant::Noisy => {
                let all = self.array(&format!("noisy_logmel_{split}_u8.npy"), Kind::Uint8, &[samples, 32, 48])?;
                let levels = self.array(&format!("noisy_snr_db_{split}_f32.npy"), Kind::Float, &[samples])?;
                Ok((unit(&all), levels))
            }
        }
    }

    fn array(&self, name: &str, kind: Kind, dims: &[i64]) -> Result<Tensor> {
        npy::read(self.folder.join(name), kind, dims)
    }

    /// The pictures at `rows` of a file, `[n, h, w]` of bytes → `[samples, 1, h, w]` in 0 to 1.
    fn take(&self, all: &Tensor, name: &str, split: &str, rows: &Tensor) -> Result<Tensor> {
        let count = all.size()[0];
        let outside = rows.lt(0).logical_or(&rows.ge(count)).any();
        if bool::try_from(outside)? {
            let message = format!("expected rows below {count}, which is what `{name}` has; fetch both files anew");
            return Err(Error::File { path: self.folder.join(format!("pairs_{split}_i32.npy")), message });
        }
        Ok(unit(&all.index_select(0, rows)))
    }
}

/// Bytes as numbers from 0 to 1, with a dimension for the one channel.
fn unit(bytes: &Tensor) -> Tensor {
    (bytes.to_kind(Kind::Float) / 255.0).unsqueeze(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The recorded data, where this machine has it.
    fn data() -> Option<PathBuf> {
        let folder = std::env::var_os("M2SN_DATA").map(PathBuf::from);
        if folder.is_none() {
            eprintln!("skipped: there is no recorded data; set M2SN_DATA to its folder");
        }
        folder
    }

    #[test]
    fn reads_every_variant() {
        let Some(folder) = data() else { return };
        let mix = read(&folder, ImageVariant::Mix, AudioVariant::Noisy).unwrap();
        for (split, samples) in [(&mix.train, 9600), (&mix.valid, 1200), (&mix.test, 1500)] {
            assert_eq!(split.images.size(), [samples, 1, 28, 28]);
            assert_eq!(split.sounds.size(), [samples, 1, 32, 48]);
            assert_eq!(split.labels.size(), [samples]);
            let level = split.signal_to_noise.min().double_value(&[]);
            assert!((-6.0..-5.5).contains(&level), "{level}");
            let reduced = split.image_difficulty.mean(Kind::Float).double_value(&[]);
            assert!((0.45..0.55).contains(&reduced), "{reduced}");
        }
        let clean = read(&folder.join("avdigits"), ImageVariant::Clean, AudioVariant::Clean).unwrap().test;
        let pca = read(&folder, ImageVariant::Pca, AudioVariant::Clean).unwrap().test;
        assert!(clean.sounds.equal(&pca.sounds) && clean.labels.equal(&mix.test.labels));
        assert_eq!(clean.signal_to_noise.double_value(&[0]), f64::INFINITY);
        let reduced = mix.test.image_difficulty.view([-1, 1, 1, 1]);
        let mixed: Tensor = &pca.images * &reduced + &clean.images * (1.0 - &reduced);
        assert!(mixed.allclose(&mix.test.images, 1e-6, 1e-6, false));
        // By NumPy on the same files: the mean of all pixels, and one pixel of a reduced image.
        assert!((clean.images.mean(Kind::Float).double_value(&[]) - 0.134_309).abs() < 1e-5);
        assert!((pca.images.double_value(&[0, 0, 14, 14]) - 0.819_177).abs() < 1e-5);
        assert!((mix.test.sounds.mean(Kind::Float).double_value(&[]) - 0.589_387).abs() < 1e-5);
    }

    #[test]
    fn labels_are_those_of_the_images() {
        let Some(folder) = data() else { return };
        let reader = Reader::new(&folder, ImageVariant::Clean, AudioVariant::Clean).unwrap();
        let pairs = reader.array("pairs_test_i32.npy", Kind::Int, &[1500, 3]).unwrap().to_kind(Kind::Int64);
        let labels = idx::read(reader.folder.join("mnist/t10k-labels-idx1-ubyte.gz"), &[10_000]).unwrap();
        assert!(labels.to_kind(Kind::Int64).index_select(0, &pairs.select(1, 0)).equal(&pairs.select(1, 2)));
    }

    #[test]
    fn says_what_is_missing_and_where_to_get_it() {
        let folder = tempfile::tempdir().unwrap();
        let variants = (ImageVariant::Mix, AudioVariant::Noisy);
        let error = read(folder.path(), variants.0, variants.1).unwrap_err().to_string();
        assert!(error.contains("pairs_train_i32.npy") && error.contains("MNIST"), "{error}");

        // A folder that holds the pairs alone: the first other file is named.
        let pairs = Tensor::from_slice(&[0_i32, 0, 0]).view([1, 3]);
        pairs.write_npy(folder.path().join("pairs_train_i32.npy")).unwrap();
        let error = read(folder.path(), variants.0, variants.1).unwrap_err().to_string();
        assert!(error.contains("train-images-idx3-ubyte.gz"), "{error}");

        pairs.view([3, 1]).write_npy(folder.path().join("pairs_train_i32.npy")).unwrap();
        let error = read(folder.path(), variants.0, variants.1).unwrap_err().to_string();
        assert!(error.ends_with("expected an array [?, 3] of Int, found [3, 1] of Int"), "{error}");
    }
}
