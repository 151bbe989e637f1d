//! What a partner must be told, in which order, and when to stop trying.

mod breaker;
mod external_stock;
mod filter;
mod notification;
mod outcome;
mod retry_schedule;

pub use breaker::{Breaker, Tripped};
pub use external_stock::{ExternalStock, Gate, Ordering, Rules, Step};
pub use filter::Filter;
pub use notification::{Effect, ExternalId, Notification, Picture};
pub use outcome::{AttemptStatus, Outcome, Reach, Verdict};
pub use retry_schedule::{EmptySchedule, RetrySchedule};
