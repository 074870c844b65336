//! MultiBench's data of sentiment, sarcasm and humor: CMU-MOSI, CMU-MOSEI, MUStARD and UR-FUNNY as features a step.
//!
//! A file is a pickle `{train, valid, test: {vision, audio, text, labels, id}}`, in which modalities are arrays
//! `[samples, steps, features]` that are padded with zeros in front.

use std::path::Path;

use tch::{Device, Kind, Tensor};

use super::pickle::{self, Value};
use crate::batch::Batch;
use crate::shape::Padded;
use crate::{Error, Result};

/// How a file is read; the rules are those of MultiBench's own loader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// The most steps of a sequence, 50 in MultiBench; what is longer loses its end.
    pub steps: i64,
    /// Whether the steps of all modalities belong together, so that all begin where the text does.
    pub aligned: bool,
    /// What labels become.
    pub labels: Labels,
}

/// What labels become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Labels {
    /// They stay as they are: sentiment from -3 to 3.
    Kept,
    /// Those below 1 become -1 and the others 1: sarcasm and humor.
    Signs,
}

impl Default for Rules {
    /// 50 steps, aligned, labels as they are.
    fn default() -> Self {
        Self { steps: 50, aligned: true, labels: Labels::Kept }
    }
}

/// The three splits of a file.
#[derive(Debug)]
pub struct Affect {
    /// The samples to learn from.
    pub train: Split,
    /// The samples that choose the best epoch.
    pub valid: Split,
    /// The samples to report.
    pub test: Split,
}

/// Some samples: those whose text is empty are left out.
#[derive(Debug)]
pub struct Split {
    /// Features of the face.
    pub vision: Sequences,
    /// Features of the voice.
    pub audio: Sequences,
    /// A vector a word.
    pub text: Sequences,
    /// `[samples, 1]` of `f32`: targets of a regression.
    pub labels: Tensor,
    /// The row of each sample in the file.
    pub rows: Vec<i64>,
}

/// One modality: sequences that begin with their first step that is not zero, and are padded at their end.
#[derive(Debug)]
pub struct Sequences {
    /// `[samples, steps, features]` of `f32`.
    pub steps: Tensor,
    /// `[samples]` of `i64`.
    pub lengths: Tensor,
}

impl Sequences {
    /// The batch, checked as [`Batch::with_lengths`] does.
    ///
    /// # Errors
    /// [`Error::Shape`] where the spec has other steps or features.
    pub fn batch<S: Padded>(&self) -> Result<Batch<S>> {
        Batch::with_lengths(self.steps.shallow_clone(), &self.lengths)
    }
}

impl Split {
    /// Whether labels are above zero, `[samples]` of `i64`: targets of a classification, as MultiBench has it.
    pub fn classes(&self) -> Tensor {
        self.labels.flatten(0, -1).gt(0.0).to_kind(Kind::Int64)
    }
}

/// Reads a file.
///
/// ```no_run
/// use m2sn_runtime::{Batch, shape::Sequence, data::affect::{self, Labels, Rules}};
///
/// let data = affect::read("sarcasm.pkl", Rules { labels: Labels::Signs, ..Rules::default() })?;
/// let text: Batch<Sequence<50, 300>> = data.train.text.batch()?;
/// let target = data.train.classes();
/// # Ok::<(), m2sn_runtime::Error>(())
/// ```
///
/// # Errors
/// [`Error::Io`] where the file cannot be read; [`Error::File`] with the split, the modality, the row and the reason where
/// it is no such pickle, wants to run something, or holds what is not finite (other than audio of minus infinity, which
/// is silence and becomes zero).
pub fn read(path: impl AsRef<Path>, rules: Rules) -> Result<Affect> {
    if rules.steps < 1 {
        return Err(Error::invalid(format!("expected sequences of one step or more, found {}", rules.steps)));
    }
    let pickle = pickle::read(path)?;
    let split = |name| split(&pickle.root().get(name)?, rules);
    Ok(Affect { train: split("train")?, valid: split("valid")?, test: split("test")? })
}

fn split(data: &Value<'_>, rules: Rules) -> Result<Split> {
    let text = sequences(data, "text")?;
    let samples = text.size()[0];
    let labels = data.get("labels")?;
    let targets = labels.tensor()?.to_kind(Kind::Float);
    // Of several labels a sample, as some files of MOSEI have them, the first is the sentiment.
    if targets.dim() == 0 || targets.size()[0] != samples || targets.numel() as i64 == 0 {
        return Err(labels.fault(format!("expected a label for each of {samples} texts, found {:?}", targets.size())));
    }
    let targets = targets.view([samples, -1]).narrow(1, 0, 1);
    // MultiBench's own test, by which a text is empty.
    let empty = text.flatten(1, -1).sum_dim_intlist(1, false, None::<Kind>).eq(0.0);
    let kept = empty.logical_not().nonzero().flatten(0, -1);
    let rows = Vec::<i64>::try_from(&kept)?;
    if rows.is_empty() {
        return Err(data.fault("every text is empty"));
    }

    let targets = targets.index_select(0, &kept);
    check(&labels, &targets, &rows)?;
    let labels = match rules.labels {
        Labels::Kept => targets,
        Labels::Signs => targets.ge(1.0).to_kind(Kind::Float) * 2.0 - 1.0,
    };
    let starts = first_steps(&text.index_select(0, &kept));
    let modality = |name: &str| {
        let value = data.get(name)?;
        let mut steps = sequences(data, name)?;
        if steps.size()[0] != samples {
            return Err(value.fault(format!("expected {samples} samples, as many as texts, found {}", steps.size()[0])));
        }
        steps = steps.index_select(0, &kept);
        if name == "audio" {
            steps = steps.where_self(&steps.ne(f64::NEG_INFINITY), &steps.zeros_like());
        }
        check(&value, &steps, &rows)?;
        let starts = if rules.aligned { &starts } else { &first_steps(&steps) };
        trimmed(&value, &steps, starts, rules.steps, &rows)
    };
    Ok(Split { vision: modality("vision")?, audio: modality("audio")?, text: modality("text")?, labels, rows })
}

/// The array of a modality, `[samples, steps, features]`, in whatever precision it has.
fn sequences(data: &Value<'_>, name: &str) -> Result<Tensor> {
    let value = data.get(name)?;
    let tensor = value.tensor()?;
    if tensor.dim() != 3 || tensor.numel() == 0 {
        return Err(value.fault(format!("expected an array [samples, steps, features], found {:?}", tensor.size())));
    }
    Ok(tensor)
}

/// The first step of each sample that is not zero; where all are, the number of steps.
fn first_steps(steps: &Tensor) -> Vec<i64> {
    let real = steps.ne(0.0).any_dim(2, false);
    // Of equal values `argmax` may take any: the first real step has the largest number of steps from it on.
    let from = Tensor::arange_start_step(real.size()[1], 0, -1, (Kind::Int64, Device::Cpu));
    let left = (real.to_kind(Kind::Int64) * from).amax([1_i64].as_slice(), false);
    Vec::<i64>::try_from(real.size()[1] - left).expect("a vector of whole numbers")
}

/// Sequences from their starts on, at most `most` steps of each.
fn trimmed(value: &Value<'_>, steps: &Tensor, starts: &[i64], most: i64, rows: &[i64]) -> Result<Sequences> {
    let [samples, there, width] = steps.size()[..] else { return Err(value.fault("expected three dimensions")) };
    if let Some(sample) = starts.iter().position(|start| *start >= there) {
        return Err(
            value.fault(format!("row {} is zero at every step; leave it out, or read it aligned", rows[sample]))
        );
    }
    let sequences = Tensor::zeros([samples, most, width], (Kind::Float, Device::Cpu));
    let mut lengths = Vec::with_capacity(starts.len());
    for (sample, start) in (0..).zip(starts) {
        let length = (there - start).min(most);
        sequences.get(sample).narrow(0, 0, length).copy_(&steps.get(sample).narrow(0, *start, length));
        lengths.push(length);
    }
    Ok(Sequences { steps: sequences, lengths: Tensor::from_slice(&lengths) })
}

/// Refuses values that are not finite, and names their rows in the file.
fn check(value: &Value<'_>, tensor: &Tensor, rows: &[i64]) -> Result<()> {
    let wrong = tensor.isfinite().logical_not().flatten(1, -1).any_dim(1, false).nonzero().flatten(0, -1);
    let wrong = Vec::<i64>::try_from(wrong)?;
    let Some(first) = wrong.first() else { return Ok(()) };
    Err(value.fault(format!(
        "row {} holds a value that is not finite (NaN or infinite), as do {} rows in all; repair or leave them out",
        rows[*first as usize],
        wrong.len(),
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::Sequence;

    fn fixture(name: &str) -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
    }

    /// What MultiBench's rules make of the file in Python, by `tests/fixtures/pickles.py`: equal to the last bit.
    #[test]
    fn rows_labels_and_steps_are_those_of_multibench() {
        let twin = Tensor::read_safetensors(fixture("affect.safetensors")).unwrap();
        let twin = |name: String| &twin.iter().find(|(key, _)| *key == name).unwrap_or_else(|| panic!("{name}")).1;
        for (aligned, way) in [(true, "aligned"), (false, "apart")] {
            for labels in [Labels::Kept, Labels::Signs] {
                let data = read(fixture("pickle/affect.pkl"), Rules { steps: 5, aligned, labels }).unwrap();
                for (name, split) in [("train", &data.train), ("valid", &data.valid), ("test", &data.test)] {
                    for (modality, sequences) in
                        [("vision", &split.vision), ("audio", &split.audio), ("text", &split.text)]
                    {
                        assert_eq!(&sequences.steps, twin(format!("{name}.{way}.{modality}")), "{name} {modality}");
                        assert_eq!(&sequences.lengths, twin(format!("{name}.{way}.{modality}.lengths")));
                    }
                    match labels {
                        Labels::Kept => {
                            assert_eq!(&split.labels, twin(format!("{name}.labels")));
                            assert_eq!(&split.classes(), twin(format!("{name}.classes")));
                        }
                        Labels::Signs => assert_eq!(&split.labels, twin(format!("{name}.signs"))),
                    }
                }
                assert_eq!(data.train.rows, [0, 1, 2, 3, 5, 6, 7, 8]);
                let batch: Batch<Sequence<5, 5>> = data.train.text.batch().unwrap();
                assert_eq!(batch.len(), 8);
            }
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_its_row() {
        let refused = |rules| read(fixture("pickle/affect.pkl"), rules).unwrap_err().to_string();
        assert!(refused(Rules { steps: 0, ..Rules::default() }).contains("one step or more"));
        let text = read(fixture("pickle/values_4.pkl"), Rules::default()).unwrap_err().to_string();
        assert!(text.contains("there is no key \"train\""), "{text}");

        // The first number of the text of row 5, in the bytes of the file, becomes no number.
        let bytes = std::fs::read(fixture("pickle/affect.pkl")).unwrap();
        let pickle = pickle::read(fixture("pickle/affect.pkl")).unwrap();
        let text = pickle.root().get("train").unwrap().get("text").unwrap().tensor().unwrap();
        let value = text.get(5).get(6).get(0).double_value(&[]) as f32;
        let at = bytes.windows(4).position(|window| window == value.to_le_bytes()).unwrap();
        let mut damaged = bytes;
        damaged[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nan.pkl");
        std::fs::write(&path, damaged).unwrap();
        let text = read(path, Rules::default()).unwrap_err().to_string();
        let expected = "nan.pkl: in [\"train\"][\"text\"], row 5 holds a value that is not finite (NaN or infinite), as do \
                        1 rows in all; repair or leave them out";
        assert!(text.ends_with(expected), "{text}");
    }
}
