//! Staged training (Section IV), each stage a file.

mod plan;

pub use plan::{
    Anneal, Encoders, Latency, Method, Navigator, Optimizer, Plan, Schedule, Shortcuts, Stage, Temperature,
};
