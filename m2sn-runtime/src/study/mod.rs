//! What adaptive computation buys for one network on one data set, against everything else that one would use: the
//! paper's evaluation (Section V), with rivals, ablations, and what keeps figures honest.

mod results;

pub use results::{
    Comparison, Difficulty, Finding, Kind, Lambda, Latency, Parts, Results, Row, Seed, Settings, Training, Weight,
};
