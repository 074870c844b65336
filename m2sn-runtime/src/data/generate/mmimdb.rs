//! Data in the two forms of MM-IMDb: the folder, which [`crate::data::mmimdb`] reads, and `multimodal_imdb.hdf5`.

use std::path::Path;

use super::Draw;
use crate::data::mmimdb::GENRES;
use crate::{Error, Result};

/// Writes `dataset/<id>.json`, `dataset/<id>.jpeg` and `split.json` for so many films.
///
/// # Errors
/// [`Error::Invalid`] for fewer than 10 films; [`Error::Io`] or [`Error::File`] where a file cannot be written.
#[cfg(feature = "image")]
pub fn folder(folder: impl AsRef<Path>, films: usize, seed: u64) -> Result<()> {
    use crate::data::image;
    use crate::data::mmimdb::parts;
    use crate::file;

    let folder = folder.as_ref();
    if films < 10 {
        return Err(Error::invalid(format!("expected 10 films or more, found {films}")));
    }
    let mut draw = Draw::new(seed);
    let ids: Vec<_> = (0..films).map(|film| format!("{:07}", 100_000 + film)).collect();
    for id in &ids {
        let genres = genres(&mut draw);
        let named: Vec<_> = genres.iter().map(|genre| GENRES[*genre]).collect();
        let plot = plot(&genres, &mut draw);
        let film = serde_json::json!({ "title": format!("Film {id}"), "genres": named, "plot": [plot, "A film."], "year": 1990 });
        file::write(&folder.join("dataset").join(format!("{id}.json")), &film.to_string())?;
        image::write(folder.join("dataset").join(format!("{id}.jpeg")), &poster(&genres, &mut draw))?;
    }
    let [train, dev, test] = parts(films as i64).map(|rows| &ids[rows.start as usize..rows.end as usize]);
    file::write(
        &folder.join("split.json"),
        &serde_json::json!({ "train": train, "dev": dev, "test": test }).to_string(),
    )
}

/// Writes a file of so many films: `features` (300), `vgg_features` (4,096) and `images` (3 by 256 by 160) of `f32` or `i32`,
/// `genres` (23) of `i32` and `imdb_ids`, in compressed chunks.
///
/// # Errors
/// [`Error::Invalid`] for no film; [`Error::Io`] where the file cannot be written.
#[cfg(feature = "hdf5")]
pub fn features(path: impl AsRef<Path>, films: usize, seed: u64) -> Result<()> {
    let path = path.as_ref();
    if films == 0 {
        return Err(Error::invalid("expected one film or more, found 0"));
    }
    let mut draw = Draw::new(seed);
    let genres: Vec<_> = (0..films).map(|_| genres(&mut draw)).collect();
    let rows = films as u64;
    let mut file = hdf5_pure::FileBuilder::new();
    for (name, width) in [("features", 300), ("vgg_features", 4096)] {
        let directions: Vec<_> = GENRES.iter().map(|_| draw.normals(width)).collect();
        let mut values = Vec::with_capacity(films * width);
        for genres in &genres {
            let clear = draw.unit();
            values.extend((0..width).map(|place| {
                let told: f64 = genres.iter().map(|genre| directions[*genre][place]).sum();
                (clear * told + draw.normal()) as f32
            }));
        }
        let array = file.create_dataset(name).with_f32_data(&values).with_shape(&[rows, width as u64]);
        array.with_chunks(&[rows.min(16), width as u64]).with_deflate(4);
    }
    let pixels: Vec<i32> = genres
        .iter()
        .flat_map(|genres| {
            let level = 60 + 8 * genres.first().copied().unwrap_or(0);
            (0..3 * 256 * 160).map(|_| (level + draw.below(40)) as i32).collect::<Vec<_>>()
        })
        .collect();
    let images = file.create_dataset("images").with_i32_data(&pixels).with_shape(&[rows, 3, 256, 160]);
    images.with_chunks(&[1, 3, 256, 160]).with_shuffle().with_deflate(4);
    let labels = genres.iter().flat_map(|genres| (0..GENRES.len()).map(|genre| i32::from(genres.contains(&genre))));
    let labels: Vec<_> = labels.collect();
    file.create_dataset("genres").with_i32_data(&labels).with_shape(&[rows, GENRES.len() as u64]);
    let ids: Vec<_> = (0..films).map(|film| format!("{:07}", 100_000 + film)).collect();
    let ids: Vec<_> = ids.iter().map(String::as_str).collect();
    let fault = |message: String| Error::file(path, message);
    file.create_dataset("imdb_ids").with_ascii_strings(&ids).map_err(|error| fault(error.to_string()))?;
    let bytes = file.finish().map_err(|error| fault(error.to_string()))?;
    crate::file::atomically(path, |file| file.write_all(&bytes))
}

/// One to three genres, the frequent ones more often.
fn genres(draw: &mut Draw) -> Vec<usize> {
    (0..1 + draw.below(3)).map(|_| ((draw.unit() * draw.unit()) * GENRES.len() as f64) as usize).collect()
}

/// Two words for each genre among others.
#[cfg(feature = "image")]
fn plot(genres: &[usize], draw: &mut Draw) -> String {
    let mut words: Vec<String> = (0..12).map(|_| format!("word{}", draw.below(200))).collect();
    for genre in genres {
        let place = draw.below(words.len());
        words.insert(place, format!("{}{}", GENRES[*genre].to_lowercase().replace('-', ""), draw.below(3)));
    }
    words.join(" ")
}

/// A bar for each genre, at its height and of its colour, over noise.
#[cfg(feature = "image")]
fn poster(genres: &[usize], draw: &mut Draw) -> tch::Tensor {
    const SIDE: i64 = 69;
    let noise: Vec<u8> = (0..3 * SIDE * SIDE).map(|_| draw.below(80) as u8).collect();
    let poster = tch::Tensor::from_slice(&noise).view([3, SIDE, SIDE]);
    for genre in genres {
        let mut bar = poster.get(*genre as i64 % 3).narrow(0, *genre as i64 * 3, 3);
        bar.copy_(&tch::Tensor::full([3, SIDE], 230, (tch::Kind::Uint8, tch::Device::Cpu)));
    }
    poster
}
