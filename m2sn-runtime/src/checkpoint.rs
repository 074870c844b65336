//! Checkpoints: safetensors and a manifest.
