//! Data in the form of MUStARD's repository, which [`crate::data::mustard`] reads.

use std::path::Path;

use serde_json::{Value, json};

use super::Draw;
use super::pickled::{self, Array, pickled};
use crate::file::{self, atomically};
use crate::{Error, Result};

const FOLDS: usize = 5;

/// Writes `sarcasm_data.json`, `split_indices.p` and `audio_features.p`: utterances of which half are sarcastic, five folds,
/// and 283 features of the voice a step.
///
/// # Errors
/// [`Error::Invalid`] for fewer than 10 utterances; [`Error::Io`] where a file cannot be written.
pub fn write(folder: impl AsRef<Path>, utterances: usize, seed: u64) -> Result<()> {
    let folder = folder.as_ref();
    if utterances < 2 * FOLDS {
        return Err(Error::invalid(format!("expected {} utterances or more, found {utterances}", 2 * FOLDS)));
    }
    let mut draw = Draw::new(seed);
    let mut voices = Vec::new();
    let tone = draw.normals(283);
    let mut text = String::from("{");
    for row in 0..utterances {
        let is_sarcastic = row % 2 == 1;
        let id = format!("{}_{row}", 1 + row / 100);
        let gap = if row == 0 { "" } else { ", " };
        // Written piece by piece: the order of the keys is that of the rows.
        text += &format!("{gap}\"{id}\": {}", utterance(row, is_sarcastic, &mut draw));
        voices.push((id, pickled::Value::Array(voice(is_sarcastic, &tone, &mut draw))));
    }
    text.push('}');
    file::write(&folder.join("sarcasm_data.json"), &text)?;
    let bytes = pickled(&pickled::Value::Dict(voices));
    atomically(&folder.join("audio_features.p"), |file| file.write_all(&bytes))?;
    let folds = (0..FOLDS).map(|fold| {
        // Neighbours are of different classes, so each fold has both.
        let rows = |is_test: bool| {
            let rows = (0..utterances).filter(|row| (row / 2 % FOLDS == fold) == is_test).map(|row| row as i64);
            let data: Vec<_> = rows.flat_map(i64::to_le_bytes).collect();
            pickled::Value::Array(Array { code: "i8", dims: vec![data.len() / 8], data })
        };
        pickled::Value::Tuple(vec![rows(false), rows(true)])
    });
    let bytes = pickled(&pickled::Value::List(folds.collect()));
    atomically(&folder.join("split_indices.p"), |file| file.write_all(&bytes))
}

fn utterance(row: usize, is_sarcastic: bool, draw: &mut Draw) -> Value {
    const PLAIN: [&str; 4] =
        ["I will be there at eight.", "We should call her.", "The train leaves now.", "I made dinner."];
    const SARCASTIC: [&str; 4] = [
        "Oh great, another meeting.",
        "Yeah, because that worked so well.",
        "What a wonderful surprise.",
        "Sure, I love waiting for hours.",
    ];
    const SPEAKERS: [(&str, &str); 4] =
        [("SHELDON", "BBT"), ("CHANDLER", "FRIENDS"), ("DOROTHY", "GOLDENGIRLS"), ("RACHEL", "FRIENDS")];
    // A fifth is said in the other's words, so that the text alone does not tell all.
    let said = if draw.below(5) == 0 { !is_sarcastic } else { is_sarcastic };
    let text = [PLAIN, SARCASTIC][usize::from(said)][draw.below(4)];
    let (speaker, show) = SPEAKERS[row / 2 % SPEAKERS.len()];
    let context: Vec<_> = (0..1 + draw.below(3)).map(|_| PLAIN[draw.below(4)]).collect();
    let speakers = vec!["PERSON"; context.len()];
    json!({
        "utterance": text,
        "speaker": speaker,
        "context": context,
        "context_speakers": speakers,
        "show": show,
        "sarcasm": is_sarcastic,
    })
}

fn voice(is_sarcastic: bool, tone: &[f64], draw: &mut Draw) -> Array {
    let steps = 4 + draw.below(4);
    let clear = draw.unit() * if is_sarcastic { 1.0 } else { -1.0 };
    let values = tone.iter().flat_map(|tone| {
        let values: Vec<_> = (0..steps).map(|_| (clear * tone + draw.normal()) as f32).collect();
        values
    });
    let data = values.flat_map(f32::to_le_bytes).collect();
    Array { code: "f4", dims: vec![tone.len(), steps], data }
}
