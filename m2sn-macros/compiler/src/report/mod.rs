//! Faults of a spec: collected with the place that each is about, and rendered as rustc renders its own.

mod nearest;
mod render;

use std::collections::HashSet;

use serde::Serialize;

use crate::lines::Lines;
use crate::place::Place;

pub(crate) use nearest::{nearest, suggest};

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
    /// The byte of the text that it begins at.
    Offset(usize),
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
    /// The column behind what is at fault, in the same line.
    pub end_column: usize,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// The message, and below it the place, the excerpt and the help.
    pub rendered: String,
}

/// The most faults of a severity that are shown: who mends these sees the rest.
const MAX_SHOWN: usize = 50;

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

    /// Renders the faults in the order of the file; `path` is the spec file as its user wrote it, and `locate` says
    /// which byte of the text a place begins at.
    pub(crate) fn take(mut self, lines: &Lines<'_>, path: &str, locate: impl Fn(&Place) -> usize) -> Vec<Diagnostic> {
        let mut faults: Vec<_> = std::mem::take(&mut self.faults)
            .into_iter()
            .map(|fault| match &fault.at {
                At::Place(place) => (locate(place), fault),
                At::Offset(offset) => (*offset, fault),
            })
            .collect();
        faults.sort_by_key(|(offset, _)| *offset);
        // What several aliases bring in is at fault once.
        let mut said = HashSet::new();
        faults.retain(|(at, fault)| said.insert((*at, fault.message.clone())));
        let mut diagnostics = Vec::new();
        for severity in [Severity::Error, Severity::Warning] {
            let mut of = faults.iter().filter(|(_, fault)| fault.severity == severity);
            diagnostics.extend(of.by_ref().take(MAX_SHOWN).map(|(at, fault)| Diagnostic::new(fault, path, lines, *at)));
            if let Some((at, first)) = of.next() {
                let message = format!("and {} more from here on", of.count() + 1);
                diagnostics.push(Diagnostic::new(&Fault { message, help: None, ..first.clone() }, path, lines, *at));
            }
        }
        diagnostics.sort_by_key(|diagnostic| (diagnostic.line, diagnostic.column));
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
