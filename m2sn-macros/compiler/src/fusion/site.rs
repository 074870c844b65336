use crate::layer;
use crate::place::Place;
use crate::report::Errors;

/// Where a fusion stands: what it fuses, where it is written, and who takes the faults.
#[derive(Debug)]
pub(crate) struct Site<'a> {
    /// The names of the modalities, in the order of the spec.
    pub(crate) names: Vec<&'a str>,
    /// The widths of their features, where all encoders are sound.
    pub(crate) widths: Option<Vec<u64>>,
    /// The fusion itself, whose settings lie below the name of its kind.
    pub(crate) place: Place,
    /// Where the modalities are.
    pub(crate) modalities: Place,
    pub(crate) errors: &'a mut Errors,
}

impl Site<'_> {
    /// A size or a count of a fusion of this kind: at least 1, at most [`layer::MAX_SIZE`].
    pub(super) fn size(&mut self, kind: &str, setting: &str, value: u64) -> Option<u64> {
        let place = self.place.key(kind).key(setting);
        layer::size(value, setting, &place, self.errors)
    }

    /// The widths of the features, if side by side they are not too wide.
    pub(super) fn widths(&mut self) -> Option<Vec<u64>> {
        let widths = self.widths.clone()?;
        if widths.iter().fold(0, |sum: u64, width| sum.saturating_add(*width)) > layer::MAX_SIZE {
            self.errors
                .error(
                    &self.modalities,
                    format!("the features of all modalities side by side are more than {}", layer::MAX_SIZE),
                )
                .help("end the encoders in smaller vectors");
            return None;
        }
        Some(widths)
    }

    /// As [`Site::widths`], of two modalities or more.
    pub(super) fn several(&mut self, kind: &str) -> Option<Vec<u64>> {
        if self.names.len() == 1 {
            self.errors
                .error(&self.place, format!("`{kind}` fuses two modalities or more, and the network has one"))
                .help("leave `fusion` out, or add a modality");
            return None;
        }
        self.widths()
    }
}
