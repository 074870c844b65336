//! Fusion: one feature a modality becomes one feature.
