//! Kafka: topics, the producer behind the relay, the consumer behind a subscription.

mod clocks;
mod consumer;
mod inbox;
mod member;
mod offsets;
mod probe;
mod producer;
mod queues;
mod rights;
mod settings;
mod topics;

pub use clocks::{BrokerClock, ClockError, broker_clocks};
pub use consumer::{ConsumeError, ConsumerSettings, consume};
pub use inbox::KafkaInbox;
pub use probe::{KafkaProbe, ProbeError};
pub use producer::KafkaBroker;
pub use rights::{Reads, RightError, may_read, may_write};
pub use settings::KafkaSettings;
pub use topics::{TopicError, TopicSpec, check_topics, ensure_topics};
