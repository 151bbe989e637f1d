//! Topics are made and checked by the services' `topics` subcommand, never by the broker on its own.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use rdkafka::{
    admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication},
    client::DefaultClientContext,
    error::{KafkaError, RDKafkaErrorCode},
};
use serde::Deserialize;
use tokio::task::JoinError;

use crate::kafka::KafkaSettings;

/// Longest wait for an answer of the cluster.
const PATIENCE: Duration = Duration::from_secs(15);
/// Wait before the brokers are asked again.
const PROPAGATION: Duration = Duration::from_millis(100);

const TIMESTAMP_TYPE: &str = "message.timestamp.type";
const LOG_APPEND_TIME: &str = "LogAppendTime";

/// A topic as it has to be.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TopicSpec {
    /// Its name on the broker.
    pub name: String,
    /// Number of partitions.
    pub partitions: i32,
    /// Copies of each partition.
    pub replication: i32,
    /// How long records are kept.
    #[serde(with = "humantime_serde")]
    pub retention: Duration,
    /// Largest record in bytes; none: the broker's default.
    pub max_message_bytes: Option<u32>,
    /// Whether a record's time is the broker's when it took it, instead of its producer's.
    #[serde(skip)]
    pub stamped_by_broker: bool,
}

impl TopicSpec {
    /// The topic with `prefix` in front of its name.
    #[must_use]
    pub fn with_prefix(&self, prefix: &str) -> Self {
        Self {
            name: format!("{prefix}{}", self.name),
            ..self.clone()
        }
    }

    /// The topic with the brokers' times in its records.
    #[must_use]
    pub fn with_brokers_time(&self) -> Self {
        Self {
            stamped_by_broker: true,
            ..self.clone()
        }
    }
}

/// Topics could not be made, or are not as they have to be.
#[derive(Debug, thiserror::Error)]
pub enum TopicError {
    /// The cluster did not answer.
    #[error("the Kafka cluster of kafka.brokers did not answer")]
    Kafka(#[from] KafkaError),
    /// The look at it was cut off.
    #[error("the look at the topics was cut off")]
    CutOff(#[from] JoinError),
    /// The cluster refused.
    #[error("topic {topic} was refused: {code}")]
    Refused {
        /// The topic.
        topic: String,
        /// Why.
        code: RDKafkaErrorCode,
    },
    /// Topics are missing or different.
    #[error("topics are not as configured: {0}")]
    Different(String),
}

pub(super) fn admin(
    kafka: &KafkaSettings,
) -> Result<AdminClient<DefaultClientContext>, KafkaError> {
    kafka.client(&[], &[]).create()
}

pub(super) fn options() -> AdminOptions {
    AdminOptions::new()
        .request_timeout(Some(PATIENCE))
        .operation_timeout(Some(PATIENCE))
}

/// Makes the topics that do not exist, leaves the others as they are, and checks all of them.
///
/// # Errors
/// [`TopicError`].
pub async fn ensure_topics(kafka: &KafkaSettings, specs: &[TopicSpec]) -> Result<(), TopicError> {
    create_topics(kafka, specs).await?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        match check_topics(kafka, specs).await {
            // Brokers learn of a new topic a little later than the controller that has made it.
            Err(TopicError::Different(_)) if Instant::now() < deadline => {
                tokio::time::sleep(PROPAGATION).await;
            }
            result => return result,
        }
    }
}

async fn create_topics(kafka: &KafkaSettings, specs: &[TopicSpec]) -> Result<(), TopicError> {
    let values: Vec<(String, Option<String>)> = specs
        .iter()
        .map(|spec| {
            let largest = spec.max_message_bytes.map(|bytes| bytes.to_string());
            (spec.retention.as_millis().to_string(), largest)
        })
        .collect();
    let topics: Vec<NewTopic<'_>> = specs
        .iter()
        .zip(&values)
        .map(|(spec, (retention, largest))| {
            let replication = TopicReplication::Fixed(spec.replication);
            let topic = NewTopic::new(&spec.name, spec.partitions, replication)
                .set("retention.ms", retention)
                .set("cleanup.policy", "delete");
            let topic = match largest {
                Some(largest) => topic.set("max.message.bytes", largest),
                None => topic,
            };
            if spec.stamped_by_broker {
                topic.set(TIMESTAMP_TYPE, LOG_APPEND_TIME)
            } else {
                topic
            }
        })
        .collect();
    for result in admin(kafka)?.create_topics(&topics, &options()).await? {
        match result {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, code)) => return Err(TopicError::Refused { topic, code }),
        }
    }
    Ok(())
}

/// Partitions of every topic, and the copies of the one that has the fewest.
async fn known_topics(
    admin: AdminClient<DefaultClientContext>,
) -> Result<HashMap<String, (usize, Option<usize>)>, TopicError> {
    let asked = tokio::task::spawn_blocking(move || {
        let metadata = admin.inner().fetch_metadata(None, PATIENCE)?;
        let known = metadata.topics().iter().map(|topic| {
            let partitions = topic.partitions();
            let copies = partitions
                .iter()
                .map(|partition| partition.replicas().len());
            (topic.name().to_owned(), (partitions.len(), copies.min()))
        });
        Ok(known.collect())
    });
    asked.await?
}

/// Checks that the topics exist with their partitions, copies and retention, and the brokers' times where they are wanted.
///
/// # Errors
/// [`TopicError::Different`] naming every difference, or another [`TopicError`].
pub async fn check_topics(kafka: &KafkaSettings, specs: &[TopicSpec]) -> Result<(), TopicError> {
    let admin = admin(kafka)?;
    let resources: Vec<_> = specs
        .iter()
        .map(|spec| ResourceSpecifier::Topic(&spec.name))
        .collect();
    let configs = admin.describe_configs(&resources, &options()).await?;
    let known = known_topics(admin).await?;
    let mut differences = Vec::new();
    for (spec, config) in specs.iter().zip(configs) {
        let name = &spec.name;
        let Some((partitions, copies)) = known.get(name).copied() else {
            differences.push(format!("{name} does not exist"));
            continue;
        };
        if i32::try_from(partitions) != Ok(spec.partitions) {
            differences.push(format!(
                "{name} has {partitions} partitions, not {}",
                spec.partitions
            ));
        }
        if copies.map(i32::try_from) != Some(Ok(spec.replication)) {
            differences.push(format!(
                "{name} has {copies:?} copies, not {}",
                spec.replication
            ));
        }
        let config = config.ok();
        let retention = spec.retention.as_millis().to_string();
        let mut settings = vec![("retention.ms", retention.as_str())];
        if spec.stamped_by_broker {
            settings.push((TIMESTAMP_TYPE, LOG_APPEND_TIME));
        }
        for (setting, wanted) in settings {
            let entry = config.as_ref().and_then(|config| config.get(setting));
            let value = entry.and_then(|entry| entry.value.as_deref());
            if value != Some(wanted) {
                differences.push(format!("{name} has {setting} {value:?}, not {wanted}"));
            }
        }
    }
    if differences.is_empty() {
        Ok(())
    } else {
        Err(TopicError::Different(differences.join("; ")))
    }
}
