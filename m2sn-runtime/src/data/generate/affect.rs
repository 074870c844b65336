//! Data in the form of MultiBench's affect pickles, which [`crate::data::affect`] reads.

use std::path::Path;

use super::Draw;
use super::pickled::{Array, Value, pickled};
use crate::data::affect::Labels;
use crate::file::atomically;
use crate::{Error, Result};

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// The samples of the training, the validation and the test split, each one at least.
    pub samples: [usize; 3],
    /// The steps, 50 in MultiBench.
    pub steps: usize,
    /// The features of vision, audio and text: `[35, 74, 300]` for MOSI and MOSEI, `[371, 81, 300]` for sarcasm and humor.
    pub features: [usize; 3],
    /// What labels are: sentiment from -3 to 3, or 0 and 1, of which [`Labels::Signs`] makes signs.
    pub labels: Labels,
}

/// Writes a file. Sequences are of different lengths and padded in front, some audio is minus infinity, and every tenth text
/// is empty, as in the published files.
///
/// # Errors
/// [`Error::Invalid`] where a number is 0; [`Error::Io`] where the file cannot be written.
pub fn write(path: impl AsRef<Path>, settings: Settings, seed: u64) -> Result<()> {
    let Settings { samples, steps, features, .. } = settings;
    if samples.contains(&0) || features.contains(&0) || steps == 0 {
        return Err(Error::invalid(format!("expected numbers from 1 on, found {settings:?}")));
    }
    let mut draw = Draw::new(seed);
    let directions = features.map(|features| draw.normals(features));
    let mut split = |samples| split(samples, settings, &directions, &mut draw);
    let splits = [("train", samples[0]), ("valid", samples[1]), ("test", samples[2])];
    let splits = splits.map(|(name, samples)| (name.to_owned(), split(samples)));
    let bytes = pickled(&Value::Dict(splits.into()));
    atomically(path.as_ref(), |file| file.write_all(&bytes))
}

fn split(samples: usize, settings: Settings, directions: &[Vec<f64>; 3], draw: &mut Draw) -> Value {
    let Settings { steps, features, labels, .. } = settings;
    let labels: Vec<f32> = (0..samples)
        .map(|_| match labels {
            Labels::Kept => (draw.unit() * 6.0 - 3.0) as f32,
            Labels::Signs => draw.below(2) as f32,
        })
        .collect();
    let starts: Vec<_> = (0..samples).map(|_| draw.below(steps.div_ceil(2))).collect();
    let mut modality = |index: usize| {
        let mut values = Vec::with_capacity(samples * steps * features[index]);
        for (row, label) in labels.iter().enumerate() {
            let mood = match settings.labels {
                Labels::Kept => f64::from(*label) / 3.0,
                Labels::Signs => f64::from(*label) * 2.0 - 1.0,
            };
            // A modality may be of little help with a sample.
            let clear = draw.unit();
            let is_empty = index == 2 && row % 10 == 9;
            for step in 0..steps {
                for direction in &directions[index] {
                    let value = (clear * mood * direction + draw.normal()) as f32;
                    let is_silent = index == 1 && draw.below(100) == 0;
                    values.push(match step < starts[row] || is_empty {
                        true => 0.0,
                        false if is_silent => f32::NEG_INFINITY,
                        false => value,
                    });
                }
            }
        }
        floats(vec![samples, steps, features[index]], &values)
    };
    let [vision, audio, text] = [0, 1, 2].map(&mut modality);
    let ids = (0..samples).map(|row| Value::Text(format!("clip_{row}"))).collect();
    let entries = [
        ("vision", vision),
        ("audio", audio),
        ("text", text),
        ("labels", floats(vec![samples, 1, 1], &labels)),
        ("id", Value::List(ids)),
    ];
    Value::Dict(entries.map(|(name, value)| (name.to_owned(), value)).into())
}

fn floats(dims: Vec<usize>, values: &[f32]) -> Value {
    let data = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    Value::Array(Array { code: "f4", dims, data })
}
