//! Both services on real servers, for tests: a [`World`] has databases, topics and a partner of its own.
#![expect(
    clippy::missing_panics_doc,
    clippy::missing_errors_doc,
    reason = "a panic or an error is a failed test"
)]

mod world;

pub use world::{Answer, World};
