//! The records behind the consumer: taken in turn, each with the receipt that moves its offset on.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use application::{
    Causes,
    ports::{Arrival, Inbox, Receipt, Received},
};
use async_trait::async_trait;
use rdkafka::consumer::{BaseConsumer, Consumer};

use crate::kafka::{
    member::Group,
    offsets::{Offsets, Partition},
    queues::Queues,
};

/// A record that was read and not yet taken.
pub(super) struct Queued {
    pub(super) arrival: Arrival,
    pub(super) partition: Partition,
    pub(super) offset: i64,
    /// The assignment of the partition that it was read under.
    pub(super) generation: u64,
}

/// The records of a consumer group's member.
pub struct KafkaInbox {
    pub(super) queues: Arc<Queues<Queued>>,
    pub(super) offsets: Arc<Offsets>,
    /// The client of now.
    pub(super) consumer: Arc<Mutex<Weak<BaseConsumer<Group>>>>,
}

#[async_trait]
impl Inbox for KafkaInbox {
    async fn ready(&self) {
        self.queues.ready().await;
    }

    async fn next(&self, limit: usize) -> Option<Vec<Received>> {
        self.queues.take(limit, |queued| self.receive(queued)).await
    }

    async fn probe(&self) -> Option<Vec<Received>> {
        self.queues.take_any(|queued| self.receive(queued)).await
    }
}

impl KafkaInbox {
    fn receive(&self, queued: Queued) -> Option<Received> {
        let Queued {
            arrival,
            partition,
            offset,
            generation,
        } = queued;
        // Taken away since: its new owner reads it.
        if !self.offsets.begin(&partition, generation, offset) {
            return None;
        }
        let out = Out {
            consumer: Weak::clone(&self.consumer.lock().unwrap_or_else(PoisonError::into_inner)),
            offsets: Arc::clone(&self.offsets),
            partition,
            generation,
            offset,
            finished: false,
        };
        Some(Received {
            arrival,
            receipt: Receipt::new(move || out.finish()),
        })
    }
}

/// A record that was handed out.
struct Out {
    consumer: Weak<BaseConsumer<Group>>,
    offsets: Arc<Offsets>,
    partition: Partition,
    generation: u64,
    offset: i64,
    finished: bool,
}

impl Out {
    fn finish(mut self) {
        self.finished = true;
        let (topic, partition) = &self.partition;
        let store = |next: i64| {
            let Some(consumer) = self.consumer.upgrade() else {
                return;
            };
            // librdkafka is told the last finished offset and commits the one behind it.
            if let Err(error) = consumer.store_offset(topic, *partition, next - 1) {
                tracing::debug!(
                    error = %Causes(&error),
                    "the partition was taken away before its offset was stored"
                );
            }
        };
        self.offsets
            .finish(&self.partition, self.generation, self.offset, store);
    }
}

impl Drop for Out {
    fn drop(&mut self) {
        if !self.finished {
            self.offsets
                .abandon(&self.partition, self.generation, self.offset);
        }
    }
}
