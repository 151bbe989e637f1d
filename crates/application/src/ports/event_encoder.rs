//! From a domain event to what is written into the outbox.

use domain::stock::{StockUpdatedEvent, Stream};

use crate::{
    ports::{Cause, OutboxMessage},
    stock::RequestContext,
};

/// An event could not be written down.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// The event has no form on the wire.
    #[error("the event could not be encoded")]
    Unencodable(#[source] Cause),
    /// No topic would take it.
    #[error("the event takes {bytes} bytes and {max} are allowed")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The most allowed.
        max: usize,
    },
}

/// The published language of the stock service.
pub trait EventEncoder: Send + Sync {
    /// The message of the event, addressed to these streams.
    ///
    /// # Errors
    /// [`EncodeError`]; then nothing of the change may be kept.
    fn encode(
        &self,
        event: &StockUpdatedEvent,
        streams: &[Stream],
        context: &RequestContext,
    ) -> Result<OutboxMessage, EncodeError>;
}
