//! Inference: the navigator decides, then only the chosen blocks run (Section III-D).
