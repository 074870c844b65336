//! A spec that a command shows something of.

use m2sn_compiler::{Diagnostic, Outline, Severity, Source, outline};

use crate::{Fault, say};

/// The network of a spec, or `None` where it is at fault; what is wrong has been said then.
pub(crate) fn network(path: &str) -> Result<Option<Outline>, Fault> {
    match outline(&Source::open(path).map_err(Fault::Message)?) {
        Ok((outline, warnings)) => {
            tell(&warnings);
            Ok(Some(outline))
        }
        Err(faults) => {
            tell(&faults);
            Ok(None)
        }
    }
}

/// Says faults as rustc says its own.
pub(crate) fn tell(faults: &[Diagnostic]) {
    for fault in faults {
        let kind = match fault.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        say(&format!("{kind}: {}\n", fault.rendered));
    }
}
