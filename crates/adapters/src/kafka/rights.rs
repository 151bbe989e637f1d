//! Whether this service may do on the brokers what it has to do there. Nothing is written and no group is joined.

use std::{
    collections::BTreeMap,
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    time::{Duration, Instant},
};

use rand::RngExt;
use rdkafka::{
    ClientContext, Message, Offset, TopicPartitionList,
    admin::ResourceSpecifier,
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError, RDKafkaErrorCode},
    producer::{BaseRecord, DeliveryResult, ProducerContext, ThreadedProducer},
};
use tokio::task::JoinError;

use crate::kafka::{
    KafkaSettings,
    topics::{admin, options},
};

/// Longest wait for an answer of the brokers.
const PATIENCE: Duration = Duration::from_secs(10);
/// Wait before the brokers are asked again.
const AGAIN: Duration = Duration::from_millis(100);
/// So much more than a topic takes is too much.
const TOO_MUCH: usize = 65_536;
/// Most bytes that are sent to find out.
const MOST: usize = 32 * 1024 * 1024;

/// Topics that a consumer group reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reads {
    /// The group.
    pub group: String,
    /// The topics.
    pub topics: Vec<String>,
}

/// A right is missing, or nobody knows.
#[derive(Debug, thiserror::Error)]
pub enum RightError {
    /// The brokers refuse, or do not answer.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// To try could write something.
    #[error(
        "not tried: how much the topic takes is not known (that needs the right DescribeConfigs), or it is more than 32 MiB"
    )]
    Untried,
    /// It was cut off.
    #[error("the look was cut off")]
    CutOff(#[from] JoinError),
}

/// Hears what became of records.
struct Told(Sender<(String, Option<KafkaError>)>);

impl ClientContext for Told {}

impl ProducerContext for Told {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let told = match result {
            Ok(message) => (message.topic().to_owned(), None),
            Err((error, message)) => (message.topic().to_owned(), Some(error.clone())),
        };
        // Whoever asked may have given up.
        drop(self.0.send(told));
    }
}

/// Whether the topics may be written, one answer for each: a broker looks at the rights first, and then refuses a record that is
/// larger than its topic takes.
///
/// # Errors
/// [`RightError`] if no broker can be asked.
pub async fn may_write(
    kafka: &KafkaSettings,
    topics: &[String],
) -> Result<Vec<Result<(), RightError>>, RightError> {
    let limits = limits(kafka, topics).await?;
    let kafka = kafka.clone();
    let tried: Vec<(String, usize)> = topics
        .iter()
        .zip(&limits)
        .filter_map(|(topic, limit)| Some((topic.clone(), (*limit)?)))
        .collect();
    let asked = tokio::task::spawn_blocking(move || write_too_much(&kafka, &tried));
    let mut answers = asked.await??;
    let answer = |topic: &String| answers.remove(topic).unwrap_or(Err(RightError::Untried));
    Ok(topics.iter().map(answer).collect())
}

fn write_too_much(
    kafka: &KafkaSettings,
    topics: &[(String, usize)],
) -> Result<BTreeMap<String, Result<(), RightError>>, KafkaError> {
    let (sender, told) = channel();
    let most = (MOST + 2 * TOO_MUCH).to_string();
    let fixed = [
        ("message.max.bytes", most.as_str()),
        ("message.timeout.ms", "10000"),
    ];
    let producer: ThreadedProducer<Told> = kafka
        .client(&[], &fixed)
        .create_with_context(Told(sender))?;
    for (topic, limit) in topics {
        // Of chance, so that no compression makes it smaller.
        let mut payload = vec![0_u8; limit + TOO_MUCH];
        rand::rng().fill(&mut payload[..]);
        let record = BaseRecord::<(), [u8]>::to(topic).payload(&payload[..]);
        producer.send(record).map_err(|(error, _)| error)?;
    }
    Ok(answers(topics, &told))
}

fn answers(
    topics: &[(String, usize)],
    told: &Receiver<(String, Option<KafkaError>)>,
) -> BTreeMap<String, Result<(), RightError>> {
    let deadline = Instant::now() + PATIENCE;
    let mut heard = BTreeMap::new();
    while heard.len() < topics.len() {
        let left = deadline.saturating_duration_since(Instant::now());
        match told.recv_timeout(left) {
            Ok((topic, error)) => heard.insert(topic, error),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
        };
    }
    let answers = topics.iter().map(|(topic, _)| {
        let answer = match heard.remove(topic) {
            Some(
                None | Some(KafkaError::MessageProduction(RDKafkaErrorCode::MessageSizeTooLarge)),
            ) => Ok(()),
            Some(Some(error)) => Err(error),
            None => Err(KafkaError::MessageProduction(
                RDKafkaErrorCode::RequestTimedOut,
            )),
        };
        (topic.clone(), answer.map_err(Into::into))
    });
    answers.collect()
}

/// Most bytes of a record of each topic, where that is known and not too much.
async fn limits(
    kafka: &KafkaSettings,
    topics: &[String],
) -> Result<Vec<Option<usize>>, KafkaError> {
    let admin = admin(kafka)?;
    let resources: Vec<_> = topics
        .iter()
        .map(|topic| ResourceSpecifier::Topic(topic))
        .collect();
    let described = admin.describe_configs(&resources, &options()).await?;
    let limits = described.into_iter().map(|config| {
        let config = config.ok()?;
        let limit: usize = config
            .get("max.message.bytes")?
            .value
            .as_ref()?
            .parse()
            .ok()?;
        (limit <= MOST).then_some(limit)
    });
    Ok(limits.collect())
}

/// Whether the group may read its topics: each is read at its end.
///
/// # Errors
/// [`RightError`].
pub async fn may_read(kafka: &KafkaSettings, reads: &Reads) -> Result<(), RightError> {
    let (kafka, reads) = (kafka.clone(), reads.clone());
    let asked = tokio::task::spawn_blocking(move || {
        let fixed = [
            ("group.id", reads.group.as_str()),
            ("enable.auto.commit", "false"),
            ("enable.partition.eof", "true"),
        ];
        let consumer: BaseConsumer = kafka.client(&[], &fixed).create()?;
        for topic in &reads.topics {
            let mut end = TopicPartitionList::new();
            end.add_partition_offset(topic, 0, Offset::End)?;
            // What the group has read: the right to the group.
            for element in committed(&consumer, &end)?.elements() {
                element.error()?;
            }
            consumer.assign(&end)?;
            at_end(&consumer)?;
        }
        Ok::<(), KafkaError>(())
    });
    Ok(asked.await??)
}

/// Waits until the end of what is assigned is read. That a broker is away for a moment is no refusal.
fn at_end(consumer: &BaseConsumer) -> Result<(), KafkaError> {
    use RDKafkaErrorCode as Code;
    let deadline = Instant::now() + PATIENCE;
    let mut last = KafkaError::MessageConsumption(Code::RequestTimedOut);
    while let Some(left) = deadline.checked_duration_since(Instant::now()) {
        match consumer.poll(left) {
            Some(Ok(_) | Err(KafkaError::PartitionEOF(_))) => return Ok(()),
            Some(Err(
                error @ KafkaError::MessageConsumption(
                    Code::TopicAuthorizationFailed
                    | Code::GroupAuthorizationFailed
                    | Code::UnknownTopic
                    | Code::UnknownTopicOrPartition
                    | Code::UnknownPartition,
                ),
            )) => return Err(error),
            Some(Err(error)) => last = error,
            None => {}
        }
    }
    Err(last)
}

/// What a group has read. One that nobody has asked for before has no coordinator yet.
fn committed(
    consumer: &BaseConsumer,
    partitions: &TopicPartitionList,
) -> Result<TopicPartitionList, KafkaError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match consumer.committed_offsets(partitions.clone(), PATIENCE) {
            Err(KafkaError::MetadataFetch(
                RDKafkaErrorCode::NotCoordinator
                | RDKafkaErrorCode::CoordinatorNotAvailable
                | RDKafkaErrorCode::CoordinatorLoadInProgress,
            )) if Instant::now() < deadline => std::thread::sleep(AGAIN),
            asked => return asked,
        }
    }
}
