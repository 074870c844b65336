//! Data in the form of extracted videos, which [`crate::data::kinetics`] reads.

use std::path::Path;

use tch::Tensor;

use super::Draw;
use crate::data::{audio, image};
use crate::{Error, Result, file};

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// The clips to learn from, those that choose the epoch and those to report.
    pub clips: [usize; 3],
    /// The classes.
    pub classes: usize,
    /// The frames of a clip.
    pub frames: usize,
    /// Height and width of a frame in pixels.
    pub side: usize,
    /// The samples of sound a second; a clip is a second long.
    pub rate: u32,
}

/// Writes a folder for each modality: `video/`, `flow/` and `sound/`, each with the lists `train.txt`, `val.txt` and `test.txt`,
/// and frames, flow and sound under `clips/`. A class has a colour, a direction and a tone.
///
/// # Errors
/// [`Error::Invalid`] where a number is 0; [`Error::Io`] or [`Error::File`] where a file cannot be written.
pub fn write(folder: impl AsRef<Path>, settings: Settings, seed: u64) -> Result<()> {
    let folder = folder.as_ref();
    let Settings { clips, classes, frames, side, rate } = settings;
    if clips.contains(&0) || [classes, frames, side, rate as usize].contains(&0) {
        return Err(Error::invalid(format!("expected numbers from 1 on, found {settings:?}")));
    }
    let mut draw = Draw::new(seed);
    let mut number = 0;
    for (list, clips) in [("train.txt", clips[0]), ("val.txt", clips[1]), ("test.txt", clips[2])] {
        let mut lines = [String::new(), String::new(), String::new()];
        for clip in 0..clips {
            let class = clip % classes;
            let name = format!("clips/{number:05}");
            number += 1;
            for (modality, lines) in ["video", "flow", "sound"].into_iter().zip(&mut lines) {
                let file = if modality == "sound" { format!("{name}.wav") } else { name.clone() };
                *lines += &format!("{file} 1 {frames} {class}\n");
            }
            let share = class as f64 / classes as f64;
            write_frames(folder, &name, settings, share, &mut draw)?;
            let wave: Vec<_> = (0..rate)
                .map(|sample| {
                    let turn = f64::from(sample) / f64::from(rate) * (200.0 + 800.0 * share) * std::f64::consts::TAU;
                    (0.3 * turn.sin() + 0.1 * draw.normal()) as f32
                })
                .collect();
            let path = folder.join("sound").join(format!("{name}.wav"));
            made(path.parent())?;
            audio::write(path, &Tensor::from_slice(&wave), rate)?;
        }
        for (modality, lines) in ["video", "flow", "sound"].into_iter().zip(lines) {
            file::write(&folder.join(modality).join(list), &lines)?;
        }
    }
    Ok(())
}

fn write_frames(folder: &Path, name: &str, settings: Settings, share: f64, draw: &mut Draw) -> Result<()> {
    let Settings { frames, side, .. } = settings;
    let (video, flow) = (folder.join("video").join(name), folder.join("flow").join(name));
    made(Some(&video))?;
    made(Some(&flow))?;
    let plane = |draw: &mut Draw, level: f64| {
        let values: Vec<u8> =
            (0..side * side).map(|_| (level + 20.0 * draw.normal()).clamp(0.0, 255.0) as u8).collect();
        Tensor::from_slice(&values).view([1, side as i64, side as i64])
    };
    let turn = share * std::f64::consts::TAU;
    for frame in 1..=frames {
        let colours = [share, 1.0 - share, 0.5].map(|part| plane(draw, 40.0 + 160.0 * part));
        image::write(video.join(format!("{frame:05}.jpg")), &Tensor::cat(&colours, 0))?;
        // Flow is kept as levels around 128, which is no motion.
        for (side, part) in [("x", turn.cos()), ("y", turn.sin())] {
            image::write(flow.join(format!("{side}_{frame:05}.jpg")), &plane(draw, 128.0 + 80.0 * part))?;
        }
    }
    Ok(())
}

fn made(folder: Option<&Path>) -> Result<()> {
    folder.map_or(Ok(()), |folder| std::fs::create_dir_all(folder).map_err(Error::io(folder)))
}
