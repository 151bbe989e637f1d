//! The published language: what a `StockUpdatedEvent` looks like on Kafka (CloudEvents 1.0.2, binary mode).
//!
//! Within `v1` only optional fields are added. `docs/EVENTS.md` describes it, `docs/contracts/` holds samples.

mod decode;
pub mod documents;
mod encode;
mod envelope;
pub mod explain;
pub mod header;
pub(crate) mod names;
mod records;
mod samples;
pub mod v1;

pub use decode::{DecodeError, decode};
pub(crate) use decode::{event_id, printable};
pub use encode::{MAX_PAYLOAD, TopicNames, WireEncoder};
pub use envelope::Envelope;
pub use records::WireFormat;
pub use samples::{sample, samples};
