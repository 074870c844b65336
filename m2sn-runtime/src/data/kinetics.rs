//! Kinetics, and videos like it, as files that a program such as `ffmpeg` has extracted: frames, flow and sound.
//!
//! The layout is that of AdaMML: a list has a line a clip, `path first last class`, parted by blanks or semicolons, with
//! paths from the list's folder and no class where it is to be predicted. A folder holds frames as `00001.jpg` and
//! optical flow as `x_00001.jpg` and `y_00001.jpg`; sound is a WAV file. Each modality has lists of its own, with the
//! same clips in the same order.

use std::path::{Path, PathBuf};

use tch::Tensor;

use super::faults::Faults;
use crate::{Error, Result};

/// The clips of a list.
#[derive(Debug)]
pub struct List {
    /// A row a clip.
    pub clips: Vec<Clip>,
    /// The class of each, `[rows]` of `i64`; `None` where the list has none.
    pub classes: Option<Tensor>,
}

/// A stretch of a video.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clip {
    /// The folder of its frames, or the file of its sound.
    pub path: PathBuf,
    /// The number of its first frame.
    pub first: i64,
    /// The number of its last frame.
    pub last: i64,
}

impl AsRef<Path> for Clip {
    fn as_ref(&self) -> &Path {
        &self.path
    }
}

/// Reads a list.
///
/// # Errors
/// [`Error::Io`] where the file cannot be read; [`Error::File`] with the lines and the reasons where some are no clips, or where
/// only some have a class.
pub fn list(path: impl AsRef<Path>) -> Result<List> {
    let path = path.as_ref();
    let text = std::fs::read_to_string(path).map_err(Error::io(path))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut faults = Faults::default();
    let (mut clips, mut classes) = (Vec::new(), Vec::new());
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        match clip(line, folder) {
            Ok((clip, class)) => {
                clips.push(clip);
                classes.push(class);
            }
            Err(message) => faults.note(|| format!("line {number}: {message}")),
        }
    }
    faults.finish().map_err(|message| Error::file(path, message))?;
    if clips.is_empty() {
        return Err(Error::file(path, "there are no clips"));
    }
    let known: Vec<i64> = classes.iter().copied().flatten().collect();
    match known.len() {
        0 => Ok(List { clips, classes: None }),
        count if count == clips.len() => Ok(List { clips, classes: Some(Tensor::from_slice(&known)) }),
        count => Err(Error::file(
            path,
            format!("expected a class for each of {} clips or for none, found {count}", clips.len()),
        )),
    }
}

impl List {
    /// The files or folders of all clips, for a [`super::files::Files`] of whole files.
    pub fn paths(&self) -> Vec<Option<PathBuf>> {
        self.clips.iter().map(|clip| Some(clip.path.clone())).collect()
    }

    /// All clips, for a [`super::files::Files`] of frames.
    pub fn clips(&self) -> Vec<Option<Clip>> {
        self.clips.iter().cloned().map(Some).collect()
    }
}

fn clip(line: &str, folder: &Path) -> Result<(Clip, Option<i64>), String> {
    const FORM: &str = "expected `path first last class`";
    let mut parts: Vec<&str> = match line.contains(';') {
        true => line.split(';').map(str::trim).collect(),
        false => {
            // The path may have blanks in it, so numbers are taken from the end.
            let (mut path, mut numbers) = (line.trim(), Vec::new());
            while let Some((before, word)) = path.rsplit_once(char::is_whitespace)
                && numbers.len() < 3
                && word.parse::<i64>().is_ok()
            {
                numbers.insert(0, word);
                path = before.trim_end();
            }
            numbers.insert(0, path);
            numbers
        }
    };
    let class = match parts.len() {
        3 => None,
        4 => {
            let class = parts.pop().unwrap_or_default();
            let class = class.parse().ok().filter(|class: &i64| *class >= 0);
            Some(class.ok_or_else(|| format!("{FORM} with the number of one class"))?)
        }
        _ => return Err(format!("{FORM}, found {} parts", parts.len())),
    };
    let number = |text: &str| text.parse::<i64>().map_err(|_| format!("{FORM}, found `{}`", text.escape_debug()));
    let (first, last) = (number(parts[1])?, number(parts[2])?);
    if parts[0].is_empty() || first < 0 || last < first {
        return Err(format!("{FORM} with a last frame that is not before the first, found {first} and {last}"));
    }
    Ok((Clip { path: folder.join(parts[0]), first, last }, class))
}

/// How the frames of a clip are read: `[frames, channels, height, width]`.
#[cfg(feature = "image")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frames {
    /// How many frames are read: the middle ones of as many stretches of equal length. Where the clip has fewer, some are
    /// there more than once.
    pub frames: i64,
    /// What they show.
    pub view: View,
    /// How each is read. Of flow, the channels are two in any case.
    pub picture: super::image::Picture,
}

/// What frames show.
#[cfg(feature = "image")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// What the camera saw: `00001.jpg`.
    Colours,
    /// How it moves, along and across: `x_00001.jpg` and `y_00001.jpg`.
    Flow,
}

#[cfg(feature = "image")]
impl super::files::Item for Frames {
    type Of = Clip;

    /// Reads the frames of a clip.
    ///
    /// # Errors
    /// Those of a [`super::image::Picture`], with the frame's file.
    fn read(&self, clip: &Clip) -> Result<Tensor> {
        if self.frames < 1 {
            return Err(Error::invalid(format!("expected one frame or more a clip, found {}", self.frames)));
        }
        let frames = self.numbers(clip).into_iter().map(|number| match self.view {
            View::Colours => self.picture.read(&clip.path.join(format!("{number:05}.jpg"))),
            View::Flow => {
                let grey = super::image::Picture { channels: 1, ..self.picture };
                let sides = ["x", "y"].map(|side| grey.read(&clip.path.join(format!("{side}_{number:05}.jpg"))));
                let [x, y] = sides;
                Ok(Tensor::cat(&[x?, y?], 0))
            }
        });
        Ok(Tensor::f_stack(&frames.collect::<Result<Vec<_>>>()?, 0)?)
    }

    fn shape(&self) -> (Vec<i64>, tch::Kind) {
        let (mut dims, kind) = self.picture.shape();
        if self.view == View::Flow {
            dims[0] = 2;
        }
        dims.insert(0, self.frames);
        (dims, kind)
    }

    fn part(&self, clip: &Clip) -> String {
        format!("{} {}\n", clip.first, clip.last)
    }
}

#[cfg(feature = "image")]
impl Frames {
    /// The numbers of the frames that are read.
    fn numbers(&self, clip: &Clip) -> Vec<i64> {
        let there = i128::from(clip.last) - i128::from(clip.first) + 1;
        let place = |frame: i64| (there * (2 * i128::from(frame) + 1) / (2 * i128::from(self.frames))) as i64;
        (0..self.frames).map(|frame| clip.first + place(frame)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> Result<List> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("train.txt");
        std::fs::write(&path, text).unwrap();
        let List { clips, classes } = list(&path)?;
        let within = |clip: Clip| Clip { path: clip.path.strip_prefix(folder.path()).unwrap().into(), ..clip };
        Ok(List { clips: clips.into_iter().map(within).collect(), classes })
    }

    #[test]
    fn lists_are_read_in_both_forms() {
        for text in
            ["a/video 1 1 300 4\nb 2 10 0\n", "a/video 1;1;300;4\n\nb;2;10;0", "a/video 1   1\t300 4 \r\nb 2 10 0"]
        {
            let List { clips, classes } = written(text).unwrap();
            assert_eq!(clips[0], Clip { path: "a/video 1".into(), first: 1, last: 300 });
            assert_eq!(clips[1], Clip { path: "b".into(), first: 2, last: 10 });
            assert_eq!(Vec::<i64>::try_from(classes.unwrap()).unwrap(), [4, 0]);
        }
        assert!(written("a 1 3\n").unwrap().classes.is_none());
    }

    #[test]
    fn every_line_at_fault_is_named() {
        let message =
            |text: &str| written(text).unwrap_err().to_string().split_once("train.txt: ").unwrap().1.to_owned();
        assert_eq!(message("\n"), "there are no clips");
        assert_eq!(
            message("a 1 3 0\na\na 5 4 0\na;1;3;0;1\na 1 3 -1"),
            "4 faults:\n  line 2: expected `path first last class`, found 1 parts\n  line 3: expected `path first last class` \
             with a last frame that is not before the first, found 5 and 4\n  line 4: expected `path first last class`, found \
             5 parts\n  line 5: expected `path first last class` with the number of one class"
        );
        assert_eq!(message("a 1 3 0\na 1 3"), "expected a class for each of 2 clips or for none, found 1");
    }

    #[cfg(feature = "image")]
    #[test]
    fn frames_are_the_middle_ones_of_equal_stretches() {
        use crate::data::image::{Fit, Picture};

        let picture = Picture { channels: 3, height: 8, width: 8, fit: Fit::Stretch, floats: true };
        let numbers = |frames, first, last| {
            let clip = Clip { path: "".into(), first, last };
            Frames { frames, view: View::Colours, picture }.numbers(&clip)
        };
        // What AdaMML takes: `int(tick / 2 + tick * frame) + 1` for a tick of 300 / 8.
        assert_eq!(numbers(8, 1, 300), [19, 57, 94, 132, 169, 207, 244, 282]);
        assert_eq!(numbers(3, 1, 3), [1, 2, 3]);
        assert_eq!(numbers(4, 5, 6), [5, 5, 6, 6]);
        assert_eq!(numbers(1, 0, i64::MAX), [1 << 62]);
    }
}
