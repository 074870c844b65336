//! Images: JPEG and PNG, by the crate `image`. Needs the feature `image`.

use std::path::{Path, PathBuf};

use ::image::imageops::FilterType;
use ::image::{DynamicImage, GrayImage, ImageReader};
use tch::{Device, Kind, Tensor};

use super::files::Item;
use crate::{Error, Result};

/// How an image is read: its size, and what is done to get there.
///
/// ```no_run
/// use m2sn_runtime::data::{files::Files, image::{Fit, Picture}, table};
///
/// let table = table::read("films.csv")?;
/// let picture = Picture { channels: 3, height: 224, width: 224, fit: Fit::Crop { shorter: 256 }, floats: true };
/// let posters = Files::new(table.files("poster")?, picture)?.load()?;
/// # Ok::<(), m2sn_runtime::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Picture {
    /// 1 for grey levels, 3 for red, green and blue. Transparency is left out.
    pub channels: i64,
    /// The height in pixels.
    pub height: u32,
    /// The width in pixels.
    pub width: u32,
    /// What is done to an image of another size.
    pub fit: Fit,
    /// Whether values are of `f32` from 0 to 1; else they are the bytes, which take a quarter of the memory.
    pub floats: bool,
}

/// What is done to an image of another size. It is resized by linear interpolation over all pixels that a new pixel
/// covers, as Pillow does it (`antialias=True` in torchvision).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// It is resized to height and width, whatever becomes of its proportions.
    Stretch,
    /// It is resized so that its shorter side has this length, and its centre is cut out.
    Crop {
        /// The length in pixels; height and width are not larger.
        shorter: u32,
    },
}

impl Item for Picture {
    type Of = PathBuf;

    /// Reads an image as `[channels, height, width]`, of `u8` or `f32`.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be read; [`Error::File`] where it is damaged, is no image of a known format, or
    /// has more pixels than memory should be given to; [`Error::Invalid`] where the settings contradict each other.
    fn read(&self, path: &PathBuf) -> Result<Tensor> {
        self.check()?;
        let reader = ImageReader::open(path).and_then(ImageReader::with_guessed_format).map_err(Error::io(path))?;
        let image =
            reader.decode().map_err(|error| Error::file(path, format!("expected a JPEG or PNG image: {error}")))?;
        let image = self.fitted(self.coloured(image));
        let dims = [self.height.into(), self.width.into(), self.channels];
        let tensor = Tensor::f_from_slice(image.as_bytes())?.f_view(dims)?.f_permute([2, 0, 1])?.f_contiguous()?;
        Ok(if self.floats { tensor.to_kind(Kind::Float) / 255.0 } else { tensor })
    }

    fn shape(&self) -> (Vec<i64>, Kind) {
        let kind = if self.floats { Kind::Float } else { Kind::Uint8 };
        (vec![self.channels, self.height.into(), self.width.into()], kind)
    }
}

impl Picture {
    fn check(&self) -> Result<()> {
        let Self { channels, height, width, fit, .. } = *self;
        let fits = match fit {
            Fit::Stretch => true,
            Fit::Crop { shorter } => height <= shorter && width <= shorter,
        };
        match [1, 3].contains(&channels) && height >= 1 && width >= 1 && fits {
            true => Ok(()),
            false => Err(Error::invalid(format!(
                "expected 1 or 3 channels and a height and width from 1 to that of the shorter side, found {self:?}"
            ))),
        }
    }

    /// The image in the channels asked for.
    fn coloured(&self, image: DynamicImage) -> DynamicImage {
        match (self.channels, &image) {
            (1, DynamicImage::ImageLuma8(_)) => image,
            // The weights of Rec. 601, as Pillow has them; the crate's own are those of Rec. 709.
            (1, _) => {
                let colours = image.into_rgb8();
                let grey = |pixel: &::image::Rgb<u8>| {
                    let [red, green, blue] = pixel.0.map(u32::from);
                    ((19595 * red + 38470 * green + 7471 * blue + 0x8000) >> 16) as u8
                };
                let levels = colours.pixels().map(grey).collect();
                GrayImage::from_raw(colours.width(), colours.height(), levels).unwrap_or_default().into()
            }
            _ => image.into_rgb8().into(),
        }
    }

    fn fitted(&self, image: DynamicImage) -> DynamicImage {
        let resized = |image: DynamicImage, width: u32, height: u32| match (image.width(), image.height()) {
            size if size == (width, height) => image,
            _ => image.resize_exact(width, height, FilterType::Triangle),
        };
        match self.fit {
            Fit::Stretch => resized(image, self.width, self.height),
            Fit::Crop { shorter } => {
                let (width, height) = (u64::from(image.width()), u64::from(image.height()));
                let scaled = |side: u64, other: u64| (u64::from(shorter) * side / other.max(1)) as u32;
                let (width, height) = match width <= height {
                    true => (shorter, scaled(height, width)),
                    false => (scaled(width, height), shorter),
                };
                let image = resized(image, width, height);
                let margin = |there: u32, wanted: u32| (f64::from(there - wanted) / 2.0).round_ties_even() as u32;
                let (left, top) = (margin(image.width(), self.width), margin(image.height(), self.height));
                image.crop_imm(left, top, self.width, self.height)
            }
        }
    }
}

/// Writes an image, `[1 or 3, height, width]` of `u8`, in the format of the path's extension.
///
/// # Errors
/// [`Error::Shape`] where the tensor is none; [`Error::File`] where it cannot be written.
pub fn write(path: impl AsRef<Path>, image: &Tensor) -> Result<()> {
    let path = path.as_ref();
    let [channels @ (1 | 3), height, width] = image.size()[..] else {
        return Err(Error::Shape {
            what: "image".into(),
            expected: "[1 or 3, height, width] of Uint8".into(),
            found: crate::batch::describe(image),
        });
    };
    let pixels = image.f_to_kind(Kind::Uint8)?.to_device(Device::Cpu).permute([1, 2, 0]).contiguous();
    let mut bytes = vec![0_u8; pixels.numel()];
    pixels.f_copy_data(&mut bytes, pixels.numel())?;
    let colour = if channels == 1 { ::image::ExtendedColorType::L8 } else { ::image::ExtendedColorType::Rgb8 };
    ::image::save_buffer(path, &bytes, width as u32, height as u32, colour)
        .map_err(|error| Error::file(path, error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixture(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/image").join(name)
    }

    fn difference(image: &Tensor, twin: &Tensor) -> f64 {
        (image.to_kind(Kind::Int) - twin.to_kind(Kind::Int)).abs().max().double_value(&[])
    }

    /// What Pillow and torchvision make of the same files, by `tests/fixtures/images.py`.
    #[test]
    fn images_are_those_of_pillow() {
        let twins = Tensor::read_safetensors(fixture("images.safetensors")).unwrap();
        let twin = |name: &str| &twins.iter().find(|(key, _)| key == name).unwrap().1;
        let picture = |channels, height, width, fit| Picture { channels, height, width, fit, floats: false };
        for (name, file, picture, most) in [
            ("whole", "wide.png", picture(3, 20, 30, Fit::Stretch), 0.0),
            ("transparent", "transparent.png", picture(3, 20, 30, Fit::Stretch), 0.0),
            ("grey", "wide.png", picture(1, 20, 30, Fit::Stretch), 0.0),
            ("smaller", "wide.png", picture(3, 9, 11, Fit::Stretch), 1.0),
            ("larger", "wide.png", picture(3, 41, 50, Fit::Stretch), 1.0),
            ("crop", "wide.png", picture(3, 12, 13, Fit::Crop { shorter: 15 }), 1.0),
            ("crop_tall", "tall.png", picture(3, 12, 13, Fit::Crop { shorter: 15 }), 1.0),
            // Decoders of JPEG may round differently.
            ("jpeg", "wide.jpg", picture(3, 20, 30, Fit::Stretch), 3.0),
            ("jpeg_grey", "grey.jpg", picture(1, 20, 30, Fit::Stretch), 2.0),
        ] {
            let image = picture.read(&fixture(file)).unwrap();
            assert_eq!(image.size(), picture.shape().0, "{name}");
            let difference = difference(&image, twin(name));
            assert!(difference <= most, "{name}: {difference}");
        }
        let bytes = picture(3, 20, 30, Fit::Stretch).read(&fixture("wide.png")).unwrap();
        let floats = Picture { floats: true, ..picture(3, 20, 30, Fit::Stretch) }.read(&fixture("wide.png")).unwrap();
        assert_eq!(floats, bytes.to_kind(Kind::Float) / 255.0);
    }

    #[test]
    fn what_is_no_image_is_refused() {
        let picture = Picture { channels: 3, height: 8, width: 8, fit: Fit::Stretch, floats: false };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        let whole = std::fs::read(fixture("wide.png")).unwrap();
        for bytes in [&b""[..], b"text", &whole[..whole.len() / 2]] {
            std::fs::write(&path, bytes).unwrap();
            let text = picture.read(&path).unwrap_err().to_string();
            assert!(text.contains("a.png: expected a JPEG or PNG image: "), "{text}");
        }
        assert!(matches!(picture.read(&PathBuf::from("no/such.png")), Err(Error::Io { .. })));
        for wrong in [
            Picture { channels: 2, ..picture },
            Picture { height: 0, ..picture },
            Picture { fit: Fit::Crop { shorter: 7 }, ..picture },
        ] {
            assert!(wrong.read(&fixture("wide.png")).unwrap_err().to_string().contains("expected 1 or 3 channels"));
        }
        // An image of 65,536 by 65,536 pixels, as its header says.
        let mut huge = whole;
        huge[16..24].copy_from_slice(&[0, 1, 0, 0, 0, 1, 0, 0]);
        std::fs::write(&path, huge).unwrap();
        assert!(picture.read(&path).is_err());
    }

    #[test]
    fn what_is_written_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        for channels in [1, 3] {
            let path = folder.path().join("a.png");
            let image = Tensor::randint(256, [channels, 5, 7], (Kind::Uint8, Device::Cpu));
            write(&path, &image).unwrap();
            let picture = Picture { channels, height: 5, width: 7, fit: Fit::Stretch, floats: false };
            assert_eq!(picture.read(&path).unwrap(), image);
        }
        assert!(write(folder.path().join("b.png"), &Tensor::zeros([2, 3], (Kind::Uint8, Device::Cpu))).is_err());
    }
}
