//! Faults of a spec: collected with the place that each is about, and rendered as rustc renders its own.

mod nearest;
mod render;

use serde::Serialize;

use crate::document::{Document, Spot};

pub(crate) use nearest::{nearest, suggest};
pub(crate) use render::render;

/// The faults found so far. They have to be taken with [`Errors::take`]: to lose one would be to accept a wrong spec.
#[derive(Debug, Default)]
#[must_use]
pub(crate) struct Errors {
    faults: Vec<Fault>,
}

/// One fault.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fault {
    severity: Severity,
    message: String,
    help: Option<String>,
    at: At,
}

/// Whether a fault stands in the way of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// There is no model.
    Error,
    /// There is one, but perhaps not the one that was meant.
    Warning,
}

/// Where a fault lies.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum At {
    Place(Place),
    Spot(Spot),
    Position(Position),
}

/// A line and a column of the spec file, both counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// A place in a spec by the keys and entries that lead there, merged keys included.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Place {
    pub(crate) steps: Vec<Step>,
    /// Whether the last key itself is meant, not its value.
    pub(crate) on_key: bool,
}

/// One step down into a spec.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Step {
    Key(String),
    Entry(usize),
}

/// A fault as its user is told of it, whole and in parts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// Whether there is a model all the same.
    pub severity: Severity,
    /// The spec file, as its user wrote it.
    pub path: String,
    /// The line in it, counted from 1.
    pub line: usize,
    /// The column, in characters, counted from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// The message, and below it the place, the excerpt and the help.
    pub rendered: String,
}

impl Errors {
    /// Adds an error; the result takes the help.
    pub(crate) fn error(&mut self, place: &Place, message: impl Into<String>) -> &mut Fault {
        self.push(Fault::new(At::Place(place.clone()), message))
    }

    /// Adds a warning; the result takes the help.
    pub(crate) fn warning(&mut self, place: &Place, message: impl Into<String>) -> &mut Fault {
        self.push(Fault { severity: Severity::Warning, ..Fault::new(At::Place(place.clone()), message) })
    }

    /// Adds a fault that was found elsewhere.
    pub(crate) fn push(&mut self, fault: Fault) -> &mut Fault {
        self.faults.push(fault);
        self.faults.last_mut().expect("one was pushed just now")
    }

    /// Whether there is an error, not only warnings.
    pub(crate) fn any(&self) -> bool {
        self.faults.iter().any(|fault| fault.severity == Severity::Error)
    }

    /// Renders the faults in the order of the file; `path` is the spec file as its user wrote it.
    pub(crate) fn take(mut self, document: &Document<'_>, path: &str) -> Vec<Diagnostic> {
        let mut faults: Vec<_> =
            std::mem::take(&mut self.faults).into_iter().map(|fault| (document.position(&fault.at), fault)).collect();
        faults.sort_by_key(|(position, _)| *position);
        let mut diagnostics: Vec<_> = faults
            .into_iter()
            .map(|(position, Fault { severity, message, help, .. })| Diagnostic {
                severity,
                path: path.to_owned(),
                line: position.line,
                column: position.column,
                rendered: render(&message, path, document.text(), position, help.as_deref()),
                message,
                help,
            })
            .collect();
        // What several aliases bring in is at fault once.
        diagnostics.dedup();
        diagnostics
    }
}

impl Drop for Errors {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(self.faults.is_empty(), "faults of a spec were dropped unread: {:?}", self.faults);
        }
    }
}

impl Fault {
    /// An error without help.
    pub(crate) fn new(at: At, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, message: message.into(), help: None, at }
    }

    /// Says what to do about it.
    pub(crate) fn help(&mut self, help: impl Into<String>) {
        self.help = Some(help.into());
    }
}

impl Place {
    /// The value below a key.
    pub(crate) fn key(&self, key: &str) -> Self {
        self.step(Step::Key(key.to_owned()))
    }

    /// An entry of a sequence, counted from zero.
    pub(crate) fn entry(&self, index: usize) -> Self {
        self.step(Step::Entry(index))
    }

    /// The key of this place, not its value.
    pub(crate) fn on_key(mut self) -> Self {
        self.on_key = true;
        self
    }

    fn step(&self, step: Step) -> Self {
        let mut steps = self.steps.clone();
        steps.push(step);
        Self { steps, on_key: false }
    }
}
