//! The samples of the networks that can be studied here.

use std::path::PathBuf;

use m2sn::data::mustard::{self, Mustard};
use m2sn::data::{self, By, Dataset, generate};
use m2sn::network::{Input as _, Network};
use m2sn::plan::Weights;
use m2sn::study::Samples;
use m2sn::{Error, Result};

use crate::arguments::Arguments;
use crate::digits::{Digits, Size};
use crate::{mustard_text, recorded, synthetic, texts};

/// Digits: recorded ones are the same for all seeds.
pub(crate) fn digits<N: Network>(arguments: &Arguments, seed: u64) -> Result<Samples<N::Input>> {
    let size = if arguments.quick { Size::QUICK } else { Size::FULL };
    let splits = match &arguments.data {
        Some(folder) => recorded::read(folder, arguments.image, arguments.audio)?.at_most(size),
        None => synthetic::generate(seed, size),
    };
    let of = |digits: &Digits| {
        let [images, sounds] = [&digits.images, &digits.sounds].map(|tensor| tensor.shallow_clone().into());
        let input = N::Input::from_features(vec![images, sounds])?;
        Dataset::new(input, digits.labels.shallow_clone(), N::description().task)
    };
    let (train, valid) = (of(&splits.train)?, of(&splits.valid)?);
    Ok(Samples { splits: data::Splits { train, valid }, test: of(&splits.test)? })
}

/// How many utterances are generated where none are given.
const GENERATED: usize = 200;
/// The share of the texts to learn from that validates.
const VALIDATION: f64 = 0.15;

/// MUStARD's texts, or generated ones.
pub(crate) struct Texts {
    data: Mustard,
    samples: Dataset<mustard_text::Input>,
    /// The word vectors, where there are any, and the words.
    vectors: Option<PathBuf>,
    words: PathBuf,
}

impl Texts {
    pub(crate) fn read(arguments: &Arguments) -> Result<Self> {
        let run = arguments.run_folder();
        let folder = match &arguments.data {
            Some(folder) => folder.clone(),
            None => {
                let folder = run.join("data");
                generate::mustard::write(&folder, GENERATED, 0)?;
                folder
            }
        };
        let data = mustard::read(&folder)?;
        let vocabulary = texts::vocabulary(&data);
        let words = run.join("vocabulary.txt");
        vocabulary.save(&words)?;
        let vectors = texts::vectors(None, &folder, &run)?;
        Ok(Self { samples: texts::dataset(&data, &vocabulary)?, data, vectors, words })
    }

    /// The number of folds.
    pub(crate) fn folds(&self) -> u64 {
        self.data.folds.len() as u64
    }

    /// The weights of the spec, from the vectors that there are.
    pub(crate) fn weights(&self, weights: Vec<Weights>) -> Vec<Weights> {
        texts::weights(weights, self.vectors.as_deref(), &self.words)
    }

    /// The texts of a fold, which a seed stands for.
    pub(crate) fn fold(&self, seed: u64) -> Result<Samples<mustard_text::Input>> {
        let fold = usize::try_from(seed).ok().and_then(|fold| self.data.folds.get(fold)).ok_or_else(|| {
            Error::Invalid(format!(
                "mustard: there is no fold {seed}, expected 0 to {}",
                self.folds().saturating_sub(1)
            ))
        })?;
        let (train, valid) = self.samples.select(&fold.train)?.part(VALIDATION, By::Class, seed)?;
        Ok(Samples { splits: data::Splits { train, valid }, test: self.samples.select(&fold.test)? })
    }
}
