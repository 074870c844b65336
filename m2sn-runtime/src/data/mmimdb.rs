//! MM-IMDb (Arevalo et al. 2017): plots and posters of films, and their genres.
//!
//! As published, there is a folder with `dataset/<id>.json` and `dataset/<id>.jpeg` for each film, and `split.json`,
//! `{"train": [id, …], "dev": […], "test": […]}`; or, made of it, `multimodal_imdb.hdf5`, which `data::hdf5` reads and
//! [`parts`] divides.

use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use tch::{Kind, Tensor};

use super::faults::Faults;
use crate::{Error, Result};

/// The genres of the data set, from the most frequent on: the labels.
pub const GENRES: [&str; 23] = [
    "Drama",
    "Comedy",
    "Romance",
    "Thriller",
    "Crime",
    "Action",
    "Adventure",
    "Horror",
    "Documentary",
    "Mystery",
    "Sci-Fi",
    "Fantasy",
    "Family",
    "Biography",
    "War",
    "History",
    "Music",
    "Animation",
    "Musical",
    "Western",
    "Sport",
    "Short",
    "Film-Noir",
];

/// The films of a folder.
#[derive(Debug)]
pub struct Films {
    /// The films to learn from.
    pub train: Part,
    /// The films that choose the best epoch.
    pub valid: Part,
    /// The films to report.
    pub test: Part,
}

/// Some films, a row each.
#[derive(Debug)]
pub struct Part {
    /// Their numbers at IMDb.
    pub ids: Vec<String>,
    /// Their plots; of several, the longest, as the authors have it.
    pub plots: Vec<String>,
    /// The files of their posters, for [`super::files::Files`].
    pub posters: Vec<PathBuf>,
    /// Which of [`GENRES`] they are of, `[rows, 23]` of `f32`: targets of a multilabel task.
    pub genres: Tensor,
}

/// Reads a folder. Posters are only looked for; they are read when they are needed.
///
/// # Errors
/// [`Error::Io`] where `split.json` cannot be read; [`Error::File`] where it is damaged, or with the films and the reasons
/// where descriptions or posters are missing or damaged.
pub fn read(folder: impl AsRef<Path>) -> Result<Films> {
    let folder = folder.as_ref();
    let path = folder.join("split.json");
    let text = std::fs::read_to_string(&path).map_err(Error::io(&path))?;
    let split: Split = serde_json::from_str(&text).map_err(|error| Error::file(&path, error.to_string()))?;
    let mut faults = Faults::default();
    let mut part = |name: &str, ids: Vec<String>| part(&folder.join("dataset"), name, ids, &mut faults);
    let films = [("train", split.train), ("dev", split.dev), ("test", split.test)].map(|(name, ids)| part(name, ids));
    faults.finish().map_err(|message| Error::file(&path, message))?;
    let [train, valid, test] = films;
    Ok(Films { train, valid, test })
}

/// The rows to learn from, those that choose the epoch and those to report, in `multimodal_imdb.hdf5`, whose rows are
/// in that order: 15,552, 2,608 and 7,799 of its 25,959; of a file of another length, the same shares.
pub fn parts(rows: i64) -> [Range<i64>; 3] {
    let at = |published: i64| (i128::from(rows.max(0)) * i128::from(published) / 25_959) as i64;
    let (valid, test) = (at(15_552), at(18_160));
    [0..valid, valid..test, test..rows.max(0)]
}

#[derive(Deserialize)]
struct Split {
    train: Vec<String>,
    dev: Vec<String>,
    test: Vec<String>,
}

#[derive(Deserialize)]
struct Film {
    plot: Vec<String>,
    genres: Vec<String>,
}

fn part(folder: &Path, split: &str, ids: Vec<String>, faults: &mut Faults) -> Part {
    let mut part = Part { ids: Vec::new(), plots: Vec::new(), posters: Vec::new(), genres: Tensor::new() };
    let mut labels: Vec<f32> = Vec::new();
    if ids.is_empty() {
        faults.note(|| format!("`{split}` has no films"));
    }
    for (row, id) in ids.into_iter().enumerate() {
        let fault = |reason: String| format!("`{split}`, row {row}: film `{}`: {reason}", id.escape_debug());
        // A name with a folder in it could lead anywhere.
        if id.contains(['/', '\\']) {
            faults.note(|| fault("expected a number".into()));
            continue;
        }
        let poster = folder.join(format!("{id}.jpeg"));
        if !poster.is_file() {
            faults.note(|| fault(format!("there is no poster {}", poster.display())));
        }
        match film(&folder.join(format!("{id}.json"))) {
            Err(reason) => faults.note(|| fault(reason)),
            Ok(Film { plot, genres }) => {
                labels.extend(GENRES.map(|genre| f32::from(u8::from(genres.iter().any(|name| name == genre)))));
                // Of equals the first is taken, as NumPy's `argmax` does.
                let longest = plot.into_iter().rev().max_by_key(|plot| plot.chars().count()).unwrap_or_default();
                part.plots.push(longest);
                part.posters.push(poster);
                part.ids.push(id);
            }
        }
    }
    part.genres = Tensor::from_slice(&labels).to_kind(Kind::Float).view([-1, GENRES.len() as i64]);
    part
}

fn film(path: &Path) -> Result<Film, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let film: Film = serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    match film.plot.iter().all(|plot| plot.trim().is_empty()) {
        true => Err(format!("{}: there is no plot", path.display())),
        false => Ok(film),
    }
}
