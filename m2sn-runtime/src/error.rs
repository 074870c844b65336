//! What can go wrong at run time, each with the place, what was expected and the likely fix.

use std::fmt;
use std::path::PathBuf;

/// The result of every fallible call of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of the runtime.
///
/// `Debug` shows what `Display` shows, so that `fn main() -> m2sn::Result<()>` ends with words for a person.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A tensor does not have the shape or the element type that its place in the network demands.
    #[error("{what}: expected {expected}, found {found}")]
    Shape {
        /// The tensor's place, such as `modality image`.
        what: String,
        /// The shape and element type that would fit.
        expected: String,
        /// The shape and element type at hand.
        found: String,
    },
    /// A value that the caller chose cannot be used.
    #[error("{0}")]
    Invalid(String),
    /// A file holds something else than what it should.
    #[error("{}: {message}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What was expected, what was found, and the likely fix.
        message: String,
    },
    /// The operating system refused an access to a file.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The refusal.
        source: std::io::Error,
    },
    /// A training was stopped by its observer; in a run folder it can go on from there.
    #[error("training was stopped after epoch {epoch} of `{phase}`")]
    Stopped {
        /// The phase, such as `shortcuts/image/stem`.
        phase: String,
        /// The last epoch that was finished, counted from 1.
        epoch: usize,
    },
    /// LibTorch does not have an operator, or the operator failed.
    #[error("LibTorch's operator `{name}`: {message}")]
    Operator {
        /// The operator, such as `mkldnn::_linear_pointwise`.
        name: String,
        /// What LibTorch says.
        message: String,
    },
    /// LibTorch refused an operation.
    #[error("LibTorch: {0}")]
    Torch(#[from] tch::TchError),
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error {
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }

    pub(crate) fn file(path: impl Into<PathBuf>, message: impl Into<String>) -> Self {
        Self::File { path: path.into(), message: message.into() }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid(message.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leaves_main_can_be_read() {
        let error = Error::file("runs/a", "another spec\n  one line\nhelp: train anew");
        assert_eq!(format!("{error:?}"), "runs/a: another spec\n  one line\nhelp: train anew");
    }
}
