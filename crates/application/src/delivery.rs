//! The anti-corruption layer at work: one subscription takes events in, calls its partner, and keeps the order.

mod dispatch;
mod subscription;

pub use dispatch::Dispatch;
pub use subscription::{Subscription, SubscriptionError, SubscriptionSettings};
