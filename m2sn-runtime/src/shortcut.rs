//! Shortcuts: from an early feature to the deepest one (Section III-B).
