//! The consumer: one thread that polls and never blocks, a bounded queue behind it.
//!
//! Offsets are stored when a record has its receipt, behind the lowest one that has not. When partitions are taken away
//! the thread waits, to a deadline, for what is out of them, and commits.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use application::{
    Causes, metric,
    ports::{InboundRecord, Inbox, Origin, Receipt, Received},
};
use async_trait::async_trait;
use rdkafka::{
    ClientContext, Message, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance},
    error::{KafkaError, KafkaResult, RDKafkaErrorCode},
    message::{BorrowedMessage, Headers},
};
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio_util::sync::CancellationToken;

use crate::{
    contract::WireFormat,
    kafka::{
        KafkaSettings,
        offsets::{Offsets, Partition},
    },
};

/// Longest wait for a record.
const POLL: Duration = Duration::from_millis(100);
/// Wait while nothing is fetched, until there is room again.
const POLL_PAUSED: Duration = Duration::from_millis(5);

/// What to read, as whom.
#[derive(Debug, Clone)]
pub struct ConsumerSettings {
    /// The consumer group.
    pub group: String,
    /// The topics.
    pub topics: Vec<String>,
    /// Records in the queue behind the consumer.
    pub queue: usize,
    /// Longest wait for what is out, when partitions are taken away or the service stops.
    pub drain: Duration,
}

/// The records of a consumer group's member.
pub struct KafkaInbox {
    queue: mpsc::Receiver<Received>,
}

#[async_trait]
impl Inbox for KafkaInbox {
    async fn next(&mut self, limit: usize) -> Option<Vec<Received>> {
        let mut received = Vec::new();
        let count = self.queue.recv_many(&mut received, limit).await;
        (count > 0).then_some(received)
    }
}

/// Joins the group and reads until `stop`. The thread ends when everything that is out has its receipt, at the latest
/// after [`ConsumerSettings::drain`].
///
/// # Errors
/// The client's error if the settings are wrong.
pub fn consume(
    kafka: &KafkaSettings,
    settings: ConsumerSettings,
    format: WireFormat,
    stop: CancellationToken,
) -> KafkaResult<(KafkaInbox, JoinHandle<()>)> {
    let own = [
        ("auto.commit.interval.ms", "1000"),
        ("auto.offset.reset", "earliest"),
        ("session.timeout.ms", "10000"),
        ("fetch.wait.max.ms", "50"),
        ("queued.max.messages.kbytes", "16384"),
    ];
    let fixed = [
        ("group.id", settings.group.as_str()),
        ("enable.auto.offset.store", "false"),
        ("enable.auto.commit", "true"),
        // Everything is revoked before anything is assigned, which the bookkeeping of offsets and pauses relies on.
        ("partition.assignment.strategy", "range"),
    ];
    let config = kafka.client(&own, &fixed);
    let offsets = Arc::new(Offsets::default());
    let rebalanced = Arc::new(AtomicBool::new(false));
    let consumer: BaseConsumer<Group> = config.create_with_context(Group {
        offsets: Arc::clone(&offsets),
        rebalanced: Arc::clone(&rebalanced),
        drain: settings.drain,
    })?;
    let topics: Vec<&str> = settings.topics.iter().map(String::as_str).collect();
    consumer.subscribe(&topics)?;
    let (sender, queue) = mpsc::channel(settings.queue);
    let reader = Reader {
        consumer: Arc::new(consumer),
        offsets,
        rebalanced,
        sender,
        backlog: VecDeque::new(),
        format,
        settings,
    };
    let thread = std::thread::spawn(move || reader.run(&stop));
    Ok((KafkaInbox { queue }, thread))
}

/// Keeps the offsets in step with the assignment.
struct Group {
    offsets: Arc<Offsets>,
    /// Set when the assignment has changed, and everything was resumed.
    rebalanced: Arc<AtomicBool>,
    drain: Duration,
}

fn partitions(list: &TopicPartitionList) -> Vec<Partition> {
    let elements = list.elements();
    let names = elements
        .iter()
        .map(|e| (e.topic().to_owned(), e.partition()));
    names.collect()
}

fn commit<C: ConsumerContext>(consumer: &BaseConsumer<C>) {
    match consumer.commit_consumer_state(CommitMode::Sync) {
        Ok(()) | Err(KafkaError::ConsumerCommit(RDKafkaErrorCode::NoOffset)) => {}
        Err(error) => tracing::warn!(
            error = %Causes(&error),
            "offsets were not committed: some events will come again"
        ),
    }
}

impl ClientContext for Group {}

impl ConsumerContext for Group {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(list) => {
                let partitions = partitions(list);
                tracing::info!(partitions = ?partitions, "assigned");
                self.offsets.assign(partitions);
            }
            Rebalance::Revoke(list) => {
                let partitions = partitions(list);
                tracing::info!(partitions = ?partitions, "revoked");
                self.offsets.drain(&partitions, self.drain);
                commit(consumer);
                self.offsets.revoke(&partitions);
            }
            Rebalance::Error(error) => {
                tracing::error!(error = %Causes(error), "rebalance failed");
            }
        }
    }

    fn post_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        // librdkafka keeps a pause over a revocation: what comes back must not stay paused.
        if let Rebalance::Assign(list) = rebalance
            && let Err(error) = consumer.resume(list)
        {
            tracing::warn!(error = %Causes(&error), "flow control failed");
        }
        self.rebalanced.store(true, Ordering::Release);
    }
}

struct Reader {
    consumer: Arc<BaseConsumer<Group>>,
    offsets: Arc<Offsets>,
    rebalanced: Arc<AtomicBool>,
    sender: mpsc::Sender<Received>,
    /// Read, and not yet in the queue: it was full.
    backlog: VecDeque<InboundRecord>,
    format: WireFormat,
    settings: ConsumerSettings,
}

impl Reader {
    fn run(mut self, stop: &CancellationToken) {
        let mut paused = false;
        while !stop.is_cancelled() && !self.sender.is_closed() {
            self.hand_out();
            let full = !self.backlog.is_empty();
            // A pause throws away what was fetched ahead: it ends only when there is room for more than a record.
            let roomy = self.sender.capacity() * 2 >= self.sender.max_capacity();
            if full && !paused {
                paused = self.pause(true);
            } else if paused && !full && roomy {
                paused = !self.pause(false);
            }
            let polled = self.consumer.poll(if paused { POLL_PAUSED } else { POLL });
            if self.rebalanced.swap(false, Ordering::AcqRel) {
                // What was read before belongs to the last assignment: it comes again from where that one was left.
                self.backlog.clear();
                paused = false;
            }
            match polled {
                Some(Ok(message)) => self.backlog.push_back(record(&message)),
                Some(Err(error)) => tracing::warn!(
                    error = %Causes(&error),
                    "the consumer cannot read now"
                ),
                None => {}
            }
        }
        let Self {
            consumer,
            offsets,
            sender,
            settings,
            ..
        } = self;
        drop(sender);
        let assigned = offsets.assigned();
        offsets.drain(&assigned, settings.drain);
        commit(&consumer);
        // Leaving the group revokes everything once more: there is nothing left to wait for.
        offsets.revoke(&assigned);
    }

    /// Moves what was read into the queue, as far as there is room.
    fn hand_out(&mut self) {
        while let Some(record) = self.backlog.pop_front() {
            let origin = record.origin.clone();
            let partition = (origin.topic.clone(), origin.partition);
            let permit = match self.sender.try_reserve() {
                Ok(permit) => permit,
                Err(TrySendError::Full(()) | TrySendError::Closed(())) => {
                    self.backlog.push_front(record);
                    return;
                }
            };
            // Taken away since: its new owner reads it.
            let Some(generation) = self.offsets.begin(&partition, origin.offset) else {
                continue;
            };
            let out = Out {
                consumer: Arc::downgrade(&self.consumer),
                offsets: Arc::clone(&self.offsets),
                partition,
                generation,
                offset: origin.offset,
                finished: false,
            };
            self.count(&origin);
            permit.send(Received {
                arrival: self.format.arrival(record),
                receipt: Receipt::new(move || out.finish()),
            });
        }
    }

    /// Pauses or resumes everything that is assigned; says whether it worked.
    fn pause(&self, pause: bool) -> bool {
        let changed = self.consumer.assignment().and_then(|list| {
            if pause {
                self.consumer.pause(&list)
            } else {
                self.consumer.resume(&list)
            }
        });
        if let Err(error) = &changed {
            tracing::warn!(error = %Causes(error), pause, "flow control failed");
        }
        changed.is_ok()
    }

    fn count(&self, origin: &Origin) {
        metrics::counter!(
            metric::KAFKA_CONSUMED,
            "topic" => origin.topic.clone(),
            "partition" => origin.partition.to_string(),
            "consumer_group" => self.settings.group.clone(),
        )
        .increment(1);
    }
}

fn record(message: &BorrowedMessage<'_>) -> InboundRecord {
    let headers = message.headers().map(|headers| {
        let headers = headers.iter();
        headers
            .map(|header| {
                (
                    header.key.to_owned(),
                    header.value.unwrap_or_default().to_vec(),
                )
            })
            .collect()
    });
    InboundRecord {
        origin: Origin {
            topic: message.topic().to_owned(),
            partition: message.partition(),
            offset: message.offset(),
        },
        key: message.key().map(<[u8]>::to_vec),
        headers: headers.unwrap_or_default(),
        payload: message.payload().unwrap_or_default().to_vec(),
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
