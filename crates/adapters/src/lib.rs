//! crates/adapters
