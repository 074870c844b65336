use super::{Fusion, Operation, Site};
use crate::cost::Cost;

/// The rule of `sum` and `mean`: all features are of one width, and so is what they make.
pub(super) fn infer(kind: &str, operation: Operation, site: &mut Site<'_>) -> Option<Fusion> {
    let widths = site.widths()?;
    let size = *widths.first()?;
    if let Some(other) = widths.iter().position(|width| *width != size) {
        let message = format!(
            "`{kind}` takes features of one width, but that of `{}` has {size} values and that of `{}` {}",
            site.names[0], site.names[other], widths[other]
        );
        site.errors.error(&site.place, message).help(format!(
            "end both encoders in vectors of one size, or bring them to one by `attention: {{ size: {size} }}` or \
             `gated: {{ size: {size} }}`"
        ));
        return None;
    }
    Some(Fusion { operation, widths, size, cost: Cost::default() })
}
