//! The anti-corruption layer at work: one subscription takes events in, calls its partner, and keeps the order.

mod cause;
mod dispatch;
mod flow;
mod shown;
mod subscription;
mod work;

pub use cause::cause;
pub use dispatch::Dispatch;
pub use flow::{Flow, FlowSettings};
pub use subscription::{Subscription, SubscriptionError, SubscriptionSettings};
