//! tests/partner-sim
