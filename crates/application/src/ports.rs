//! What the use cases need of the outside. An implementation MUST keep what the documentation of its trait promises.

mod answer_format;
mod clock;
mod delivery_store;
mod event_encoder;
mod event_publisher;
mod idempotency;
mod inbox;
mod inspection;
mod operations;
mod outbox;
mod partner;
mod partner_states;
mod stock_queries;
mod stock_repository;

pub use answer_format::AnswerFormat;
pub use clock::{Clock, IdSource};
pub use delivery_store::{
    Action, Admission, Admitted, Arrival, Attempt, DeadLetter, Delivery, DeliveryStore,
    Disposition, InboundRecord, Origin, RecordFormat, Resync, Resynced, Retry, Settled, Settlement,
    StoreError, Turn,
};
pub use event_encoder::{EncodeError, EventEncoder};
pub use event_publisher::{Broker, EventPublisher, OutboundRecord, PublishError};
pub use idempotency::{Answered, Fingerprint, IdempotencyKey, StoredAnswer};
pub use inbox::{Inbox, Receipt, Received};
pub use inspection::{Inspected, Inspection, Position, Violation};
pub use operations::{
    DeliveryQuery, Edit, HeldQuery, HeldStock, Letter, LetterDetail, LetterGroup, LetterQuery,
    LetterState, LoggedAttempt, NotHandled, Operations, Operator, OperatorAction, PartnerStatus,
    Propagation, ReplayOrder, Replayed, ResyncProgress, Standing,
};
pub use outbox::{
    Backlog, Continuity, Lease, Outbox, OutboxError, OutboxMessage, OutboxRow, Window,
};
pub use partner::{CallReport, PartnerCall, PartnerGateway};
pub use partner_states::{PartnerState, PartnerStates};
pub use stock_queries::{
    Movement, Page, ReservationQuery, StockPlace, StockQueries, StockQuery, StockSort, StockStats,
    micros,
};
pub use stock_repository::{
    Decide, Decided, Decision, Loaded, Recorded, RepositoryError, StockRepository, Touched,
};

/// The cause of a port's error, kept for the log.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;
