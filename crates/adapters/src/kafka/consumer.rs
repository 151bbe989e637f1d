//! The consumer: one thread that polls and never blocks, a bounded queue per topic behind it.
//!
//! A topic whose queue is full is paused until there is room again; the others are read on. Offsets are stored when a
//! record has its receipt, behind the lowest one that has not. When partitions are taken away the thread waits, to a
//! deadline, for what was taken out of them, and commits; what still waits in a queue is forgotten, and read by whoever
//! has the partition then.

use std::{
    sync::{
        Arc, Mutex, PoisonError, Weak,
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
    Message, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
    message::{BorrowedMessage, Headers},
};
use tokio_util::sync::CancellationToken;

use crate::{
    clock::SystemClock,
    contract::WireFormat,
    kafka::{
        KafkaSettings,
        inbox::{KafkaInbox, Queued},
        member::{Group, Membership, commit},
        offsets::Offsets,
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
    let offsets = Arc::new(Offsets::default());
    let rebalanced = Arc::new(AtomicBool::new(false));
    let membership = Membership {
        kafka: kafka.clone(),
        group: settings.group.clone(),
        topics: settings.topics.clone(),
        offsets: Arc::clone(&offsets),
        rebalanced: Arc::clone(&rebalanced),
        patience: settings.drain.min(REVOKED),
    };
    let consumer = Arc::new(membership.join()?);
    let current = Arc::new(Mutex::new(Arc::downgrade(&consumer)));
    let queues = Arc::new(Queues::new(settings.topics.len()));
    let inbox = KafkaInbox {
        queues: Arc::clone(&queues),
        offsets: Arc::clone(&offsets),
        consumer: Arc::clone(&current),
    };
    let reader = Reader {
        consumer,
        current,
        membership,
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

struct Reader {
    consumer: Arc<BaseConsumer<Group>>,
    /// Where the inbox finds it.
    current: Arc<Mutex<Weak<BaseConsumer<Group>>>>,
    membership: Membership,
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
            // Behind the record: one that was read and not queued would be passed over if this client went on.
            if self.consumer.context().is_cut_off() {
                self.renew();
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

    /// Joins the group anew, with a client that knows where the brokers are. What was read is forgotten: it comes again.
    fn renew(&mut self) {
        let renewed = match self.membership.join() {
            Ok(consumer) => Arc::new(consumer),
            Err(error) => {
                tracing::error!(code = "CONSUMER_NOT_RENEWED", error = %Causes(&error), "the consumer has lost all brokers, and cannot be made anew");
                std::thread::sleep(LOOK);
                return;
            }
        };
        self.consumer.context().retire();
        self.paused.fill(false);
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(&renewed);
        let lost = std::mem::replace(&mut self.consumer, renewed);
        tracing::warn!(code = "CONSUMER_RENEWED", group = %self.settings.group, "the consumer had lost all brokers: there is a new one");
        // It waits for an answer of brokers that it does not have.
        let ended = Builder::new()
            .name("lost consumer".to_owned())
            .spawn(move || drop(lost));
        if let Err(error) = ended {
            tracing::error!(code = "CONSUMER_NOT_RENEWED", error = %Causes(&error), "no thread can be started for the end of the lost consumer");
        }
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
