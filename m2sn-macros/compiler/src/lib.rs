//! The compiler of m2sn: from a YAML spec to a checked model to Rust source.
//!
//! The way of a spec is read, parse, check, infer, expand, print; each is a module or a function below.
//! This package never links LibTorch and knows no `proc_macro`; what it writes names the facade package `m2sn` alone.

mod args;
mod lints;
mod source;

mod document;
mod lines;
mod place;
mod spec;

mod check;
mod cost;
mod fusion;
mod layer;
mod model;
mod report;
mod shape;
mod unfold;

mod expand;
mod outline;
mod print;

mod compile;

/// The JSON Schema of specs, by which editors complete keys and explain them.
pub const SCHEMA: &str = include_str!("m2sn.schema.json");

pub use args::Args;
pub use compile::{embed, generate, outline, text};
pub use cost::{Cost, grouped};
pub use outline::{Exit, Layer, Modality, Navigator, Outline};
pub use report::{Diagnostic, Severity};
pub use source::Source;
