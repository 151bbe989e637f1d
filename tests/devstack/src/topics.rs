//! What is on a topic.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Context;
use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    message::{Header, Headers, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, Producer},
};
use serde_json::Value;

use crate::Sighting;

const PATIENCE: Duration = Duration::from_secs(20);

/// A record on a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Its key.
    pub key: String,
    /// Its headers as text; the last one of a name counts.
    pub headers: BTreeMap<String, String>,
    /// Its value.
    pub payload: Vec<u8>,
}

impl Record {
    /// The value as JSON.
    ///
    /// # Errors
    /// If it is none.
    pub fn json(&self) -> anyhow::Result<Value> {
        Ok(serde_json::from_slice(&self.payload)?)
    }
}

/// Every record of the topic from offset 0 to its present end.
///
/// # Errors
/// The broker's error.
pub fn read_all(brokers: &str, topic: &str) -> anyhow::Result<Vec<Record>> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "reader")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "false")
        .create()?;
    let metadata = consumer.fetch_metadata(Some(topic), PATIENCE)?;
    let partitions = metadata
        .topics()
        .first()
        .context("no such topic")?
        .partitions();
    let mut list = TopicPartitionList::new();
    let mut missing = 0;
    for partition in partitions {
        let (first, end) = consumer.fetch_watermarks(topic, partition.id(), PATIENCE)?;
        missing += end - first;
        list.add_partition_offset(topic, partition.id(), Offset::Beginning)?;
    }
    consumer.assign(&list)?;
    let mut records = Vec::new();
    while missing > 0 {
        let message = consumer.poll(PATIENCE).context("the topic ends early")??;
        missing -= 1;
        let headers = message.headers().map(|headers| {
            let text = |value: Option<&[u8]>| {
                String::from_utf8_lossy(value.unwrap_or_default()).into_owned()
            };
            let pairs = headers
                .iter()
                .map(|header| (header.key.to_owned(), text(header.value)));
            pairs.collect()
        });
        records.push(Record {
            partition: message.partition(),
            offset: message.offset(),
            key: String::from_utf8_lossy(message.key().unwrap_or_default()).into_owned(),
            headers: headers.unwrap_or_default(),
            payload: message.payload().unwrap_or_default().to_vec(),
        });
    }
    Ok(records)
}

/// Counts the records of topics.
pub struct Counter {
    consumer: BaseConsumer,
    partitions: Vec<(String, i32)>,
}

impl Counter {
    /// For these topics.
    ///
    /// # Errors
    /// The broker's error.
    pub fn new(brokers: &str, topics: &[String]) -> anyhow::Result<Self> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .create()?;
        let mut partitions = Vec::new();
        for topic in topics {
            let metadata = consumer.fetch_metadata(Some(topic), PATIENCE)?;
            let topics = metadata.topics().first().context("no such topic")?;
            let ids = topics.partitions().iter();
            partitions.extend(ids.map(|partition| (topic.clone(), partition.id())));
        }
        Ok(Self {
            consumer,
            partitions,
        })
    }

    /// Records that are there now.
    ///
    /// # Errors
    /// The broker's error.
    pub fn count(&self) -> anyhow::Result<u64> {
        let mut count = 0;
        for (topic, partition) in &self.partitions {
            let (first, end) = self
                .consumer
                .fetch_watermarks(topic, *partition, PATIENCE)?;
            count += u64::try_from(end - first)?;
        }
        Ok(count)
    }
}

/// The topic that carries everything, as the checker takes it.
///
/// # Errors
/// The broker's error, or a record that is no event.
pub fn sightings(brokers: &str, topic: &str) -> anyhow::Result<Vec<Sighting>> {
    let sighting = |record: Record| -> anyhow::Result<Sighting> {
        let header = |name: &str| record.headers.get(name).context("a header is missing");
        Ok(Sighting {
            version: header("ce_stockversion")?.parse()?,
            event_id: header("ce_id")?.clone(),
            stock_id: record.key.clone(),
            payload: record.payload.clone(),
        })
    };
    read_all(brokers, topic)?
        .into_iter()
        .map(sighting)
        .collect()
}

/// A record to be put on a topic: its key, headers and value.
pub type NewRecord = (String, Vec<(String, Vec<u8>)>, Vec<u8>);

/// Puts many records on a topic.
///
/// # Errors
/// The broker's error.
pub fn produce_all(brokers: &str, topic: &str, records: &[NewRecord]) -> anyhow::Result<()> {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("queue.buffering.max.messages", "1000000")
        .set("partitioner", "murmur2_random")
        .create()?;
    for (key, headers, payload) in records {
        let mut all = OwnedHeaders::new();
        for (key, value) in headers {
            all = all.insert(Header {
                key,
                value: Some(value),
            });
        }
        let record = BaseRecord::to(topic).key(key).payload(payload).headers(all);
        producer.send(record).map_err(|(error, _)| error)?;
    }
    producer.flush(PATIENCE * 3)?;
    Ok(())
}

/// Where a consumer group stands: its committed offset by partition; none where it has committed nothing.
///
/// # Errors
/// The broker's error.
pub fn committed(brokers: &str, group: &str, topic: &str) -> anyhow::Result<BTreeMap<i32, i64>> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", group)
        .create()?;
    let metadata = consumer.fetch_metadata(Some(topic), PATIENCE)?;
    let partitions = metadata
        .topics()
        .first()
        .context("no such topic")?
        .partitions();
    let mut list = TopicPartitionList::new();
    for partition in partitions {
        list.add_partition(topic, partition.id());
    }
    let committed = consumer.committed_offsets(list, PATIENCE)?;
    let offsets = committed.elements().into_iter().filter_map(|element| {
        let Offset::Offset(offset) = element.offset() else {
            return None;
        };
        Some((element.partition(), offset))
    });
    Ok(offsets.collect())
}

/// Puts a record on a topic, as a foreign or broken producer might.
///
/// # Errors
/// The broker's error.
pub fn produce(
    brokers: &str,
    topic: &str,
    key: &str,
    headers: &[(&str, &[u8])],
    payload: &[u8],
) -> anyhow::Result<()> {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .create()?;
    let mut all = OwnedHeaders::new();
    for (key, value) in headers {
        all = all.insert(Header {
            key,
            value: Some(*value),
        });
    }
    let record = BaseRecord::to(topic).key(key).payload(payload).headers(all);
    producer.send(record).map_err(|(error, _)| error)?;
    producer.flush(PATIENCE)?;
    Ok(())
}
