//! The navigator (Section III-C).
