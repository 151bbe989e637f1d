//! The consumer: one thread that polls and never blocks, a bounded queue per topic behind it.
//!
//! A topic whose queue is full is paused until there is room again; the others are read on. Offsets are stored when a
//! record has its receipt, behind the lowest one that has not. When partitions are taken away the thread waits, to a
//! deadline, for what was taken out of them, and commits; what still waits in a queue is forgotten, and read by whoever
//! has the partition then.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{Builder, JoinHandle},
    time::{Duration, Instant},
};

use application::{
    Causes, metric,
    ports::{Arrival, Clock, InboundRecord, Origin},
};
use rdkafka::{
    ClientContext, Message, Statistics, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance},
    error::{KafkaError, RDKafkaErrorCode},
    message::{BorrowedMessage, Headers},
};
use tokio_util::sync::CancellationToken;

use crate::{
    clock::SystemClock,
    contract::WireFormat,
    kafka::{
        KafkaSettings,
        inbox::{KafkaInbox, Queued},
        offsets::{Offsets, Partition},
        queues::Queues,
    },
};

/// Longest wait for a record.
const POLL: Duration = Duration::from_millis(100);
/// Between two looks at what waits.
const LOOK: Duration = Duration::from_secs(1);
/// Longest wait while a topic is paused, until there is room again.
const POLL_PAUSED: Duration = Duration::from_millis(5);

/// Longest wait for what is out of partitions that are taken away: nobody in the group reads meanwhile, and what is not
/// finished by then comes again and finds its claim.
const REVOKED: Duration = Duration::from_secs(3);

/// What to read, as whom.
#[derive(Debug, Clone)]
pub struct ConsumerSettings {
    /// The consumer group.
    pub group: String,
    /// The topics, the most urgent first.
    pub topics: Vec<String>,
    /// Records of one topic that wait behind the consumer, about.
    pub queue: usize,
    /// Longest wait for what is out when the service stops.
    pub drain: Duration,
}

/// A consumer could not be started.
#[derive(Debug, thiserror::Error)]
pub enum ConsumeError {
    /// Its settings are wrong.
    #[error("the settings of the consumer are wrong")]
    Kafka(#[from] KafkaError),
    /// There is no thread for it.
    #[error("no thread can be started for the consumer")]
    Thread(#[from] std::io::Error),
}

/// Joins the group and reads until `stop`. The thread ends when everything that is out has its receipt, at the latest
/// after [`ConsumerSettings::drain`].
///
/// # Errors
/// [`ConsumeError`].
pub fn consume(
    kafka: &KafkaSettings,
    settings: ConsumerSettings,
    format: WireFormat,
    stop: CancellationToken,
) -> Result<(KafkaInbox, JoinHandle<()>), ConsumeError> {
    let own = [
        ("auto.commit.interval.ms", "1000"),
        ("auto.offset.reset", "earliest"),
        ("session.timeout.ms", "10000"),
        ("fetch.wait.max.ms", "50"),
        ("statistics.interval.ms", "5000"),
        // A pause throws away what was fetched ahead: not much more than the queue behind takes.
        ("queued.max.messages.kbytes", "4096"),
        ("max.partition.fetch.bytes", "262144"),
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
        name: settings.group.clone(),
        offsets: Arc::clone(&offsets),
        rebalanced: Arc::clone(&rebalanced),
        patience: settings.drain.min(REVOKED),
    })?;
    let topics: Vec<&str> = settings.topics.iter().map(String::as_str).collect();
    consumer.subscribe(&topics)?;
    let queues = Arc::new(Queues::new(settings.topics.len()));
    let consumer = Arc::new(consumer);
    let inbox = KafkaInbox {
        queues: Arc::clone(&queues),
        offsets: Arc::clone(&offsets),
        consumer: Arc::downgrade(&consumer),
    };
    let reader = Reader {
        consumer,
        offsets,
        rebalanced,
        queues,
        paused: vec![false; settings.topics.len()],
        format,
        settings,
    };
    let thread = Builder::new()
        .name("consumer".to_owned())
        .spawn(move || reader.run(&stop))?;
    Ok((inbox, thread))
}

/// Keeps the offsets in step with the assignment.
pub(super) struct Group {
    name: String,
    offsets: Arc<Offsets>,
    /// Set when the assignment has changed, and everything was resumed.
    rebalanced: Arc<AtomicBool>,
    /// Longest wait for what is out of partitions that are taken away.
    patience: Duration,
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
            code = "OFFSETS_NOT_COMMITTED",
            error = %Causes(&error),
            "offsets were not committed: some events will come again"
        ),
    }
}

impl Group {
    fn lag(&self, topic: &str, partition: i32, records: f64) {
        metrics::gauge!(
            metric::acl::KAFKA_LAG.name,
            "topic" => topic.to_owned(),
            "partition" => partition.to_string(),
            "consumer_group" => self.name.clone(),
        )
        .set(records);
    }
}

impl ClientContext for Group {
    fn stats(&self, statistics: Statistics) {
        for (topic, partition) in self.offsets.assigned() {
            let of_topic = statistics.topics.get(&topic);
            let seen = of_topic.and_then(|of_topic| of_topic.partitions.get(&partition));
            let lag = seen.and_then(|seen| {
                // Before this member has finished a record, what was committed before counts; before that, everything.
                let all = seen.hi_offset.saturating_sub(seen.lo_offset);
                let lags = [seen.consumer_lag_stored, seen.consumer_lag, all];
                lags.into_iter().find(|lag| *lag >= 0)
            });
            if let Some(lag) = lag {
                #[expect(clippy::cast_precision_loss, reason = "a lag is far below 2^52")]
                self.lag(&topic, partition, lag as f64);
            }
        }
    }
}

impl ConsumerContext for Group {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(list) => {
                let partitions = partitions(list);
                tracing::info!(code = "PARTITIONS_ASSIGNED", partitions = ?partitions, "assigned");
                metrics::counter!(metric::acl::REBALANCES.name, "consumer_group" => self.name.clone())
                    .increment(1);
                self.offsets.assign(partitions);
            }
            Rebalance::Revoke(list) => {
                let partitions = partitions(list);
                tracing::info!(code = "PARTITIONS_REVOKED", partitions = ?partitions, "revoked");
                self.offsets.drain(&partitions, self.patience);
                commit(consumer);
                self.offsets.revoke(&partitions);
                for (topic, partition) in &partitions {
                    self.lag(topic, *partition, 0.0);
                }
            }
            Rebalance::Error(error) => {
                tracing::error!(code = "REBALANCE_FAILED", error = %Causes(error), "rebalance failed");
            }
        }
    }

    fn post_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        // librdkafka keeps a pause over a revocation: what comes back must not stay paused.
        if let Rebalance::Assign(list) = rebalance
            && let Err(error) = consumer.resume(list)
        {
            tracing::warn!(code = "FLOW_CONTROL_FAILED", error = %Causes(&error), "flow control failed");
        }
        self.rebalanced.store(true, Ordering::Release);
    }
}

struct Reader {
    consumer: Arc<BaseConsumer<Group>>,
    offsets: Arc<Offsets>,
    rebalanced: Arc<AtomicBool>,
    queues: Arc<Queues<Queued>>,
    /// Which topics are paused, in the order of the settings.
    paused: Vec<bool>,
    format: WireFormat,
    settings: ConsumerSettings,
}

impl Reader {
    fn run(mut self, stop: &CancellationToken) {
        let mut looked = None;
        while !stop.is_cancelled() {
            if looked.is_none_or(|at: Instant| at.elapsed() >= LOOK) {
                looked = Some(Instant::now());
                self.look();
            }
            self.resume_where_there_is_room();
            let waits = self.paused.contains(&true);
            let polled = self.consumer.poll(if waits { POLL_PAUSED } else { POLL });
            if self.rebalanced.swap(false, Ordering::AcqRel) {
                // Everything was resumed.
                self.paused.fill(false);
            }
            match polled {
                Some(Ok(message)) => {
                    let record = record(&message);
                    drop(message);
                    self.queue(record);
                }
                Some(Err(error)) => tracing::warn!(
                    code = "CONSUMER_FAILED",
                    error = %Causes(&error),
                    "the consumer cannot read now"
                ),
                None => {}
            }
        }
        let Self {
            consumer,
            offsets,
            queues,
            settings,
            ..
        } = self;
        queues.close();
        let assigned = offsets.assigned();
        offsets.drain(&assigned, settings.drain);
        commit(&consumer);
        // Leaving the group revokes everything once more: there is nothing left to wait for.
        offsets.revoke(&assigned);
    }

    /// Puts a record into the queue of its topic, and pauses the topic when that is full.
    fn queue(&mut self, record: InboundRecord) {
        let origin = record.origin.clone();
        let topics = &self.settings.topics;
        let Some(level) = topics.iter().position(|topic| *topic == origin.topic) else {
            return;
        };
        let partition = (origin.topic.clone(), origin.partition);
        let Some(generation) = self.offsets.generation(&partition) else {
            return;
        };
        self.count(&origin);
        let queued = Queued {
            arrival: self.format.arrival(record),
            partition,
            offset: origin.offset,
            generation,
        };
        let waiting = self.queues.push(level, queued);
        if waiting >= self.settings.queue && !self.paused[level] {
            self.paused[level] = self.pause(level, true);
        }
    }

    /// A pause throws away what was fetched ahead: it ends only when there is room for more than a record.
    fn resume_where_there_is_room(&mut self) {
        for level in 0..self.paused.len() {
            if self.paused[level] && self.queues.waiting(level) * 2 <= self.settings.queue {
                self.paused[level] = !self.pause(level, false);
            }
        }
    }

    /// Pauses or resumes what is assigned of a topic; says whether it worked.
    fn pause(&self, level: usize, pause: bool) -> bool {
        let topic = &self.settings.topics[level];
        let changed = self.consumer.assignment().and_then(|assigned| {
            let mut list = TopicPartitionList::new();
            for element in assigned.elements_for_topic(topic) {
                list.add_partition(topic, element.partition());
            }
            if pause {
                self.consumer.pause(&list)
            } else {
                self.consumer.resume(&list)
            }
        });
        if let Err(error) = &changed {
            tracing::warn!(code = "FLOW_CONTROL_FAILED", error = %Causes(error), topic, pause, "flow control failed");
        }
        changed.is_ok()
    }

    /// Shows how long what was read has waited.
    fn look(&self) {
        let now = SystemClock.now();
        let occurred = |queued: &Queued| match &queued.arrival {
            Arrival::Event { notification, .. } => Some(notification.occurred_at),
            Arrival::Wake { .. } | Arrival::Unreadable { .. } | Arrival::Foreign => None,
        };
        let oldest = self.queues.first(occurred).into_iter().min();
        let age = oldest.map_or(0.0, |oldest| (now - oldest).as_seconds_f64().max(0.0));
        let subscription = self.format.subscription.clone();
        metrics::gauge!(metric::acl::OLDEST_QUEUED.name, "subscription" => subscription.clone())
            .set(age);
        #[expect(clippy::cast_precision_loss, reason = "seconds are far below 2^52")]
        metrics::gauge!(metric::acl::LAST_POLL.name, "subscription" => subscription, "consumer_group" => self.settings.group.clone())
            .set(now.unix_timestamp() as f64);
    }

    fn count(&self, origin: &Origin) {
        metrics::counter!(
            metric::acl::KAFKA_CONSUMED.name,
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
