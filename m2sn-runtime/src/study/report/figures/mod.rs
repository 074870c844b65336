//! The figures of a report, each as SVG.

mod canvas;
mod difficulty;
mod front;
mod lambda;
mod marks;
mod routes;
mod shares;

use super::super::{Kind, Results};
use super::methods::methods;
use crate::Result;
use crate::plan::Policy;

/// A figure.
#[derive(Debug)]
pub(super) struct Figure {
    /// The name of its file, and its anchor in a page.
    pub(super) name: &'static str,
    pub(super) title: String,
    /// How it is to be read.
    pub(super) caption: String,
    pub(super) svg: String,
}

/// The names of all figures that a report may have.
pub(super) const NAMES: [&str; 6] = ["front", "shares", "difficulty", "lambdas", "routes-learned", "routes-paper"];

/// All figures that there is something to show in.
///
/// # Errors
/// [`crate::Error::Invalid`] where one cannot be drawn.
pub(super) fn all(results: &Results) -> Result<Vec<Figure>> {
    let methods = methods(results);
    let of = |kind: Kind| methods.iter().filter(move |method| method.kind == kind);
    // Of the learned policies, the one that is recommended.
    let learned = of(Kind::Learned).find(|method| method.name.contains(Policy::Sequential.name()));
    let learned =
        learned.or_else(|| of(Kind::Learned).next()).and_then(|method| routes::figure("routes-learned", method));
    let paper = of(Kind::Paper).next().and_then(|method| routes::figure("routes-paper", method));
    let drawn = [
        front::figure(results, &methods)?,
        shares::figure(&methods)?,
        difficulty::figure(results)?,
        lambda::figure(results, &methods)?,
        learned,
        paper,
    ];
    Ok(drawn.into_iter().flatten().collect())
}
