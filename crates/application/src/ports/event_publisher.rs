//! The way to the broker.

use std::{borrow::Cow, sync::Arc};

use async_trait::async_trait;

use crate::ports::Cause;

/// One record, the same for each of its topics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboundRecord {
    /// The topics' names on the broker.
    pub topics: Vec<String>,
    /// Records of one key stay in order.
    pub key: Option<Vec<u8>>,
    /// Names and values, in order.
    pub headers: Vec<(Cow<'static, str>, Vec<u8>)>,
    /// The value.
    pub payload: Vec<u8>,
}

/// The broker did not take everything.
#[derive(Debug, thiserror::Error)]
#[error("not every record was acknowledged by the broker")]
pub struct PublishError(#[source] pub Cause);

/// Publishes in order.
#[async_trait]
pub trait EventPublisher: Send + Sync {
    /// Publishes the records, those of one topic and key in the order given.
    ///
    /// MUST return `Ok` only when every record was acknowledged on each of its topics by all in-sync replicas. After an error some may have
    /// been published; the publisher MUST NOT be used again.
    async fn publish(&self, records: Vec<OutboundRecord>) -> Result<(), PublishError>;
}

/// Where publishers come from: after a failure the old one is dropped and a new one made.
pub trait Broker: Send + Sync {
    /// A new publisher. It need not have reached the broker yet.
    ///
    /// # Errors
    /// [`PublishError`] if the settings are wrong.
    fn connect(&self) -> Result<Arc<dyn EventPublisher>, PublishError>;
}
