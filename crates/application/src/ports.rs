//! What the use cases need of the outside. An implementation MUST keep what the documentation of its trait promises.

mod clock;
mod delivery_store;
mod event_encoder;
mod event_publisher;
mod inbox;
mod outbox;
mod partner;
mod stock_repository;

pub use clock::{Clock, IdSource};
pub use delivery_store::{
    Action, Admission, Admitted, Arrival, Attempt, DeadLetter, Delivery, DeliveryStore,
    Disposition, InboundRecord, Origin, RecordFormat, Retry, Settled, Settlement, StoreError, Turn,
};
pub use event_encoder::{EncodeError, EventEncoder};
pub use event_publisher::{Broker, EventPublisher, OutboundRecord, PublishError};
pub use inbox::{Inbox, Receipt, Received};
pub use outbox::{
    Backlog, Continuity, Lease, Outbox, OutboxError, OutboxMessage, OutboxRow, Window,
};
pub use partner::{CallReport, PartnerCall, PartnerGateway};
pub use stock_repository::{
    Decide, Decision, Loaded, Page, Recorded, RepositoryError, StockQuery, StockRepository, Touched,
};

/// The cause of a port's error, kept for the log.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;
