//! MUStARD (Castro et al. 2019): 690 utterances of television series, sarcastic or not, as its repository has them.
//!
//! A folder holds `sarcasm_data.json` and the folds of its authors, `split_indices.p`, or the same as `splits.json`:
//! `{"folds": [{"train": [row, …], "test": [row, …]}, …]}`.

use std::fmt;
use std::path::Path;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use tch::{Kind, Tensor};

use super::faults::Faults;
use super::pickle;
use crate::{Error, Result};

/// The utterances, in the order of the file, and the folds over them.
#[derive(Debug)]
pub struct Mustard {
    /// A row an utterance.
    pub utterances: Vec<Utterance>,
    /// The folds of the authors: five, with the same share of sarcasm in each.
    pub folds: Vec<Fold>,
}

/// An utterance, and what was said before it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Utterance {
    /// Its name, which is also that of its video: `1_60`.
    #[serde(skip)]
    pub id: String,
    /// What is said.
    #[serde(rename = "utterance")]
    pub text: String,
    /// Who says it.
    pub speaker: String,
    /// What was said before, a sentence each.
    pub context: Vec<String>,
    /// Who said that.
    pub context_speakers: Vec<String>,
    /// The series: `BBT`, `FRIENDS`, `GOLDENGIRLS` or `SARCASMOHOLICS`.
    pub show: String,
    /// Whether it is meant to say the contrary.
    pub sarcasm: bool,
}

/// Rows to learn from and rows to report, for [`super::Dataset::select`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Fold {
    /// The rows to learn from.
    pub train: Vec<i64>,
    /// The rows to report.
    pub test: Vec<i64>,
}

/// Reads the folder.
///
/// ```no_run
/// use m2sn_runtime::data::mustard;
///
/// let data = mustard::read("MUStARD/data")?;
/// let target = data.target();
/// for fold in &data.folds {
///     println!("{} utterances to learn from, {} to report", fold.train.len(), fold.test.len());
/// }
/// # Ok::<(), m2sn_runtime::Error>(())
/// ```
///
/// # Errors
/// [`Error::Io`] where a file cannot be read; [`Error::File`] with the place and the reason where one is damaged, or a fold has
/// rows that there are not, or the same row in both parts.
pub fn read(folder: impl AsRef<Path>) -> Result<Mustard> {
    let folder = folder.as_ref();
    let path = folder.join("sarcasm_data.json");
    let text = std::fs::read_to_string(&path).map_err(Error::io(&path))?;
    let Utterances(utterances) = serde_json::from_str(&text).map_err(|error| Error::file(&path, error.to_string()))?;
    if utterances.is_empty() {
        return Err(Error::file(path, "there are no utterances"));
    }
    let (path, folds) = match (folder.join("split_indices.p"), folder.join("splits.json")) {
        (pickled, _) if pickled.exists() => {
            let folds = pickled_folds(&pickled)?;
            (pickled, folds)
        }
        (_, path) => {
            let text = std::fs::read_to_string(&path).map_err(Error::io(&path))?;
            let splits: Splits = serde_json::from_str(&text).map_err(|error| Error::file(&path, error.to_string()))?;
            (path, splits.folds)
        }
    };
    check(&folds, utterances.len()).map_err(|message| Error::file(path, message))?;
    Ok(Mustard { utterances, folds })
}

impl Mustard {
    /// Whether each utterance is sarcastic, `[rows]` of `i64`: targets of a classification.
    pub fn target(&self) -> Tensor {
        let target: Vec<_> = self.utterances.iter().map(|utterance| i64::from(utterance.sarcasm)).collect();
        Tensor::from_slice(&target)
    }

    /// The speaker-independent setting of the authors: what is said in `FRIENDS` is reported, and learned from is the rest.
    ///
    /// # Errors
    /// [`Error::Invalid`] where either part is empty.
    pub fn speaker_independent(&self) -> Result<Fold> {
        let rows = |is_test: bool| {
            let of = (0..).zip(&self.utterances).filter(|(_, utterance)| (utterance.show == "FRIENDS") == is_test);
            of.map(|(row, _)| row).collect::<Vec<i64>>()
        };
        match [rows(false), rows(true)] {
            [train, test] if !train.is_empty() && !test.is_empty() => Ok(Fold { train, test }),
            _ => Err(Error::invalid("MUStARD: expected utterances of `FRIENDS` and of other series")),
        }
    }

    /// The features of the voice in the authors' `audio_features.p`, averaged over time: `[rows, features]` of `f32`, 283
    /// features in the published file.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be read; [`Error::File`] with the utterances and the reasons where it is no such
    /// pickle, lacks some of them, or holds what is not finite.
    pub fn audio_features(&self, path: impl AsRef<Path>) -> Result<Tensor> {
        let pickle = pickle::read(path)?;
        let root = pickle.root();
        let mut faults = Faults::default();
        let mut rows: Vec<Tensor> = Vec::new();
        for (row, utterance) in self.utterances.iter().enumerate() {
            match root.get(&utterance.id).and_then(|value| value.tensor()) {
                Ok(steps) if steps.dim() == 2 && steps.numel() > 0 => {
                    let mean = steps.to_kind(Kind::Float).mean_dim([1_i64].as_slice(), false, Kind::Float);
                    if mean.isfinite().all().int64_value(&[]) == 0 {
                        faults.note(|| format!("row {row}: `{}` holds a value that is not finite", utterance.id));
                    } else if rows.first().is_some_and(|first| first.size() != mean.size()) {
                        faults.note(|| format!("row {row}: `{}` has {} features", utterance.id, steps.size()[0]));
                    } else {
                        rows.push(mean);
                    }
                }
                Ok(steps) => faults.note(|| {
                    let found = steps.size();
                    format!("row {row}: expected `{}` as [features, steps], found {found:?}", utterance.id)
                }),
                Err(error) => faults.note(|| format!("row {row}: {error}")),
            }
        }
        faults.finish().map_err(|message| root.fault(message))?;
        Ok(Tensor::f_stack(&rows, 0)?)
    }
}

/// The utterances of the file in its order, on which the folds rest.
struct Utterances(Vec<Utterance>);

impl<'de> Deserialize<'de> for Utterances {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Ordered;

        impl<'de> Visitor<'de> for Ordered {
            type Value = Utterances;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of utterances by their names")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Utterances, A::Error> {
                let mut utterances = Vec::new();
                while let Some((id, utterance)) = map.next_entry::<String, Utterance>()? {
                    utterances.push(Utterance { id, ..utterance });
                }
                Ok(Utterances(utterances))
            }
        }

        deserializer.deserialize_map(Ordered)
    }
}

#[derive(Deserialize)]
struct Splits {
    folds: Vec<Fold>,
}

/// The folds as scikit-learn gave them to the authors: a list of pairs of arrays.
fn pickled_folds(path: &Path) -> Result<Vec<Fold>> {
    let pickle = pickle::read(path)?;
    let fold = |pair: pickle::Value<'_>| {
        let parts = pair.items()?;
        let [train, test] = &parts[..] else {
            return Err(pair.fault("expected the rows to learn from, and those to report"));
        };
        let rows =
            |part: &pickle::Value<'_>| -> Result<_> { Ok(Vec::<i64>::try_from(part.array(Kind::Int64, &[-1])?)?) };
        Ok(Fold { train: rows(train)?, test: rows(test)? })
    };
    pickle.root().items()?.into_iter().map(fold).collect()
}

fn check(folds: &[Fold], rows: usize) -> Result<(), String> {
    if folds.is_empty() {
        return Err("there are no folds".into());
    }
    let mut faults = Faults::default();
    for (number, Fold { train, test }) in folds.iter().enumerate() {
        let mut seen = vec![false; rows];
        for row in train.iter().chain(test) {
            match usize::try_from(*row).ok().and_then(|row| seen.get_mut(row)) {
                None => faults.note(|| format!("fold {number}: there is no row {row} among {rows} utterances")),
                Some(true) => faults.note(|| format!("fold {number}: row {row} is there twice")),
                Some(seen) => *seen = true,
            }
        }
        if train.is_empty() || test.is_empty() {
            faults.note(|| format!("fold {number}: a part has no rows"));
        }
    }
    faults.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(data: &str, splits: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("sarcasm_data.json"), data).unwrap();
        std::fs::write(folder.path().join("splits.json"), splits).unwrap();
        folder
    }

    /// Names that are not in alphabetical order, as in the published file, on whose order the folds rest.
    const DATA: &str = r#"{
        "2_9": {"utterance": "Sure.", "speaker": "A", "context": ["Well?"], "context_speakers": ["B"], "show": "BBT",
            "sarcasm": true},
        "1_60": {"utterance": "No.", "speaker": "B", "context": [], "context_speakers": [], "show": "FRIENDS",
            "sarcasm": false},
        "1_7": {"utterance": "Oh.", "speaker": "B", "context": [], "context_speakers": [], "show": "BBT", "sarcasm": false}
    }"#;

    #[test]
    fn utterances_keep_their_order() {
        let folder = folder(DATA, r#"{"note": "", "folds": [{"train": [2, 0], "test": [1]}]}"#);
        let data = read(folder.path()).unwrap();
        let ids: Vec<_> = data.utterances.iter().map(|utterance| utterance.id.as_str()).collect();
        assert_eq!(ids, ["2_9", "1_60", "1_7"]);
        assert_eq!(data.utterances[0].context, ["Well?"]);
        assert_eq!(Vec::<i64>::try_from(data.target()).unwrap(), [1, 0, 0]);
        assert_eq!(data.folds, [Fold { train: vec![2, 0], test: vec![1] }]);
        assert_eq!(data.speaker_independent().unwrap(), Fold { train: vec![0, 2], test: vec![1] });
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        let message = |data: &str, splits: &str| read(folder(data, splits).path()).unwrap_err().to_string();
        let text = message(&DATA.replace("true", "\"yes\""), "{}");
        assert!(
            text.contains("sarcasm_data.json: invalid type: string \"yes\", expected a boolean at line 3"),
            "{text}"
        );
        assert!(message("{}", "{}").ends_with("there are no utterances"));
        assert!(message(DATA, "{}").contains("splits.json: missing field `folds`"));
        assert!(message(DATA, r#"{"folds": []}"#).ends_with("there are no folds"));
        let text = message(DATA, r#"{"folds": [{"train": [0, 3], "test": [0, -1]}, {"train": [], "test": [1]}]}"#);
        let expected = "splits.json: 4 faults:\n  fold 0: there is no row 3 among 3 utterances\n  fold 0: row 0 is there \
                        twice\n  fold 0: there is no row -1 among 3 utterances\n  fold 1: a part has no rows";
        assert!(text.ends_with(expected), "{text}");
        assert!(matches!(read("no/such/folder"), Err(Error::Io { .. })));
    }
}
