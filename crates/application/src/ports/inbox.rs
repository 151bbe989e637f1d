//! Where events come from.

use async_trait::async_trait;

use crate::ports::Arrival;

/// The promise to the source that an event needs no further delivery by it.
pub struct Receipt(Box<dyn FnOnce() + Send>);

impl Receipt {
    /// A receipt that calls `done` when it is given.
    pub fn new(done: impl FnOnce() + Send + 'static) -> Self {
        Self(Box::new(done))
    }

    /// The event's outcome, or its place in the queue, is durable.
    pub fn give(self) {
        (self.0)();
    }
}

/// An event and its receipt. One that never gets its receipt comes again after a restart.
pub struct Received {
    /// What arrived.
    pub arrival: Arrival,
    /// To be given when it is durable.
    pub receipt: Receipt,
}

/// A stream of events, in order per stock and topic; MUST bring every event again whose receipt was not given.
#[async_trait]
pub trait Inbox: Send + Sync {
    /// Waits until there is an event to be had, or the source has ended. Takes nothing.
    async fn ready(&self);

    /// Waits for at least one event and returns up to `limit`; `None` when the source has ended. MUST lose nothing when it
    /// is given up before it returns.
    async fn next(&self, limit: usize) -> Option<Vec<Received>>;

    /// The same for one event, the one that is most likely to succeed.
    async fn probe(&self) -> Option<Vec<Received>>;
}
