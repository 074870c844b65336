//! Inference with weights that are prepared once.

#![cfg_attr(not(test), expect(dead_code, reason = "the predictor that uses these is being written"))]

mod memory;
mod packed;
