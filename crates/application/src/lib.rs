//! Use cases of both services: what happens in which order, on ports that say what the outside must do.
//!
//! Nothing here knows of HTTP, SQL or Kafka. [`stock`] is the write path of the stock service, [`relay`] brings its
//! events to the broker, [`feed`] to clients that follow them live, [`delivery`] on to partners.

mod causes;
pub mod delivery;
#[cfg(feature = "fakes")]
pub mod fakes;
pub mod feed;
pub mod metric;
pub mod ports;
pub mod relay;
pub mod stock;
pub mod trace;
pub mod verifier;

pub use causes::Causes;
