//! What a partner must be told, in which order, and when to stop trying.

mod external_stock;
mod notification;
mod outcome;
mod retry_schedule;

pub use external_stock::{ExternalStock, Gate, Step};
pub use notification::{Effect, ExternalId, Notification, Picture};
pub use outcome::{AttemptStatus, Outcome, Verdict};
pub use retry_schedule::{EmptySchedule, RetrySchedule};
