//! m2sn
