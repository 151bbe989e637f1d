//! crates/application
