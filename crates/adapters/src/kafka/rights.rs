//! Whether this service may do on the brokers what it has to do there. Nothing is written and no group is joined.

use std::{
    collections::BTreeMap,
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    time::{Duration, Instant},
};

use rdkafka::{
    ClientContext, Message, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, ResourceSpecifier},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError, RDKafkaErrorCode},
    producer::{BaseRecord, DeliveryResult, ProducerContext, ThreadedProducer},
};

use crate::kafka::KafkaSettings;

/// Longest wait for an answer of the brokers.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a reader waits for a refusal.
const REFUSAL: Duration = Duration::from_millis(1500);
/// Wait before the brokers are asked again.
const AGAIN: Duration = Duration::from_millis(100);
/// What a topic takes that has no limit of its own (the brokers' default).
const DEFAULT_LIMIT: usize = 1_048_588;
/// So much more is too much.
const TOO_MUCH: usize = 65_536;

/// Topics that a consumer group reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reads {
    /// The group.
    pub group: String,
    /// The topics.
    pub topics: Vec<String>,
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

/// Whether the topics may be written, one answer for each: a record that is too large is refused for that only where one
/// that is not would be taken.
///
/// # Errors
/// The client's error if no broker can be asked.
pub async fn may_write(
    kafka: &KafkaSettings,
    topics: &[String],
) -> Result<Vec<Result<(), KafkaError>>, KafkaError> {
    let limits = limits(kafka, topics).await?;
    let (kafka, topics) = (kafka.clone(), topics.to_vec());
    let asked = tokio::task::spawn_blocking(move || {
        let largest = limits.iter().copied().max().unwrap_or(DEFAULT_LIMIT);
        let (sender, told) = channel();
        let most = (largest + 2 * TOO_MUCH).to_string();
        let own = [
            ("message.max.bytes", most.as_str()),
            ("compression.codec", "none"),
            ("message.timeout.ms", "10000"),
        ];
        let producer: ThreadedProducer<Told> =
            kafka.client(&[], &own).create_with_context(Told(sender))?;
        for (topic, limit) in topics.iter().zip(limits) {
            let payload = vec![0_u8; limit + TOO_MUCH];
            let record = BaseRecord::<(), [u8], ()>::to(topic).payload(&payload[..]);
            producer.send(record).map_err(|(error, _)| error)?;
        }
        Ok(answers(&topics, &told))
    });
    asked.await.unwrap_or(Err(KafkaError::Canceled))
}

fn answers(
    topics: &[String],
    told: &Receiver<(String, Option<KafkaError>)>,
) -> Vec<Result<(), KafkaError>> {
    let deadline = Instant::now() + PATIENCE;
    let mut heard = BTreeMap::new();
    while heard.len() < topics.len() {
        let left = deadline.saturating_duration_since(Instant::now());
        match told.recv_timeout(left) {
            Ok((topic, error)) => heard.insert(topic, error),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
        };
    }
    let answers = topics.iter().map(|topic| match heard.remove(topic) {
        Some(None | Some(KafkaError::MessageProduction(RDKafkaErrorCode::MessageSizeTooLarge))) => {
            Ok(())
        }
        Some(Some(error)) => Err(error),
        None => Err(KafkaError::MessageProduction(
            RDKafkaErrorCode::RequestTimedOut,
        )),
    });
    answers.collect()
}

/// Most bytes of a record of each topic.
async fn limits(kafka: &KafkaSettings, topics: &[String]) -> Result<Vec<usize>, KafkaError> {
    let admin: AdminClient<DefaultClientContext> = kafka.client(&[], &[]).create()?;
    let resources: Vec<_> = topics
        .iter()
        .map(|topic| ResourceSpecifier::Topic(topic))
        .collect();
    let options = AdminOptions::new().request_timeout(Some(PATIENCE));
    let described = admin.describe_configs(&resources, &options).await?;
    let limits = described.into_iter().map(|config| {
        let config = config.ok()?;
        config
            .get("max.message.bytes")?
            .value
            .as_ref()?
            .parse()
            .ok()
    });
    Ok(limits.map(|limit| limit.unwrap_or(DEFAULT_LIMIT)).collect())
}

/// Whether the group may read its topics.
///
/// # Errors
/// The brokers' refusal.
pub async fn may_read(kafka: &KafkaSettings, reads: &Reads) -> Result<(), KafkaError> {
    let (kafka, reads) = (kafka.clone(), reads.clone());
    let asked = tokio::task::spawn_blocking(move || {
        let own = [
            ("group.id", reads.group.as_str()),
            ("enable.auto.commit", "false"),
        ];
        let consumer: BaseConsumer = kafka.client(&[], &own).create()?;
        let mut ends = TopicPartitionList::new();
        for topic in &reads.topics {
            ends.add_partition_offset(topic, 0, Offset::End)?;
        }
        // What the group has read: the right to the group.
        for element in committed(&consumer, &ends)?.elements() {
            element.error()?;
        }
        consumer.assign(&ends)?;
        let deadline = Instant::now() + REFUSAL;
        while let Some(left) = deadline.checked_duration_since(Instant::now()) {
            if let Some(Err(error)) = consumer.poll(left) {
                return Err(error);
            }
        }
        Ok(())
    });
    asked.await.unwrap_or(Err(KafkaError::Canceled))
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
