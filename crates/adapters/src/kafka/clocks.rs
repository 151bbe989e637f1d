//! By how much the brokers' clocks differ from this machine's. Kafka has no request for it; a topic whose records are stamped by the
//! broker that takes them tells.

use std::{collections::BTreeMap, time::Duration};

use application::ports::Clock;
use rdkafka::{
    Timestamp,
    error::KafkaError,
    producer::{FutureProducer, FutureRecord, Producer},
    util::Timeout,
};
use time::OffsetDateTime;
use tokio::task::JoinError;

use crate::kafka::KafkaSettings;

/// Longest wait for an answer of the brokers.
const PATIENCE: Duration = Duration::from_secs(10);
/// Looks at one broker: the first one also connects, and the quickest one is the surest.
const LOOKS: usize = 3;

/// What a broker's clock shows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BrokerClock {
    /// Seconds by which it is ahead of ours; negative: behind.
    pub ahead: f64,
    /// Seconds by which that may be wrong: half of the time that the answer took.
    pub unsure: f64,
}

/// A broker's clock could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ClockError {
    /// The brokers refuse, or do not answer.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// Its records carry our own time.
    #[error("{0} has no message.timestamp.type=LogAppendTime")]
    NotStamped(String),
    /// No broker takes records of it.
    #[error("no partition of {0} has a leader")]
    NoLeader(String),
    /// It was cut off.
    #[error("the look was cut off")]
    CutOff(#[from] JoinError),
}

/// The clock of every broker that leads a partition of `topic`, by the brokers' ids. Writes some empty records to the topic.
///
/// # Errors
/// [`ClockError`], if none can be asked.
pub async fn broker_clocks(
    kafka: &KafkaSettings,
    topic: &str,
    clock: &dyn Clock,
) -> Result<BTreeMap<i32, Result<BrokerClock, ClockError>>, ClockError> {
    let fixed = [("message.timeout.ms", "10000"), ("linger.ms", "0")];
    let producer: FutureProducer = kafka.client(&[], &fixed).create()?;
    let mut clocks = BTreeMap::new();
    for (broker, partition) in leaders(&producer, topic).await? {
        clocks.insert(broker, read(&producer, topic, partition, clock).await);
    }
    if clocks.is_empty() {
        return Err(ClockError::NoLeader(topic.to_owned()));
    }
    Ok(clocks)
}

/// The clock of the broker that leads the partition, by the quickest of some answers.
async fn read(
    producer: &FutureProducer,
    topic: &str,
    partition: i32,
    clock: &dyn Clock,
) -> Result<BrokerClock, ClockError> {
    let mut surest = look(producer, topic, partition, clock).await?;
    for _ in 1..LOOKS {
        let another = look(producer, topic, partition, clock).await?;
        if another.unsure < surest.unsure {
            surest = another;
        }
    }
    Ok(surest)
}

async fn look(
    producer: &FutureProducer,
    topic: &str,
    partition: i32,
    clock: &dyn Clock,
) -> Result<BrokerClock, ClockError> {
    let record = FutureRecord::<(), ()>::to(topic).partition(partition);
    let asked = clock.now();
    let delivered = producer.send(record, Timeout::After(PATIENCE)).await;
    let answered = clock.now();
    let delivery = delivered.map_err(|(error, _)| error)?;
    let Timestamp::LogAppendTime(stamped) = delivery.timestamp else {
        return Err(ClockError::NotStamped(topic.to_owned()));
    };
    let unsure = (answered - asked).as_seconds_f64() / 2.0;
    let stamped = Duration::from_millis(stamped.unsigned_abs());
    Ok(BrokerClock {
        ahead: stamped.as_secs_f64() - seconds(asked) - unsure,
        unsure,
    })
}

fn seconds(time: OffsetDateTime) -> f64 {
    (time - OffsetDateTime::UNIX_EPOCH).as_seconds_f64()
}

/// One partition of each broker that leads any.
async fn leaders(producer: &FutureProducer, topic: &str) -> Result<BTreeMap<i32, i32>, ClockError> {
    let (producer, topic) = (producer.clone(), topic.to_owned());
    let asked = tokio::task::spawn_blocking(move || {
        let metadata = producer.client().fetch_metadata(Some(&topic), PATIENCE)?;
        let mut led = BTreeMap::new();
        for topic in metadata.topics() {
            if let Some(error) = topic.error() {
                return Err(KafkaError::MetadataFetch(error.into()).into());
            }
            let partitions = topic.partitions().iter();
            let with_leader = partitions.filter(|partition| partition.leader() >= 0);
            led.extend(with_leader.map(|partition| (partition.leader(), partition.id())));
        }
        Ok(led)
    });
    asked.await?
}
