//! The latency table of Eq. (4), measured on the device at hand.
