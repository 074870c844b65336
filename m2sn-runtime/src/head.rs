//! Heads: from a feature to the task’s logits.
