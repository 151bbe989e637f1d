//! The producers: idempotent, acknowledged by all in-sync replicas, in order per topic and key.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use application::{
    metric,
    ports::{Broker, EventPublisher, OutboundRecord, PublishError},
    trace::{Span, SpanKind, attribute},
};
use async_trait::async_trait;
use metrics::Counter;
use rdkafka::{
    ClientConfig, ClientContext, Message,
    error::{KafkaError, RDKafkaErrorCode},
    message::{Header, OwnedHeaders},
    producer::{BaseRecord, DeliveryResult, ProducerContext, ThreadedProducer},
};
use tokio::sync::Notify;

use crate::{contract::header, kafka::KafkaSettings};

/// Wait before a full send queue is tried again.
const QUEUE_FULL: Duration = Duration::from_millis(2);

/// Makes producers.
pub struct KafkaBroker {
    /// The cluster.
    pub settings: KafkaSettings,
    /// Topics whose producers are made with the publisher. Any other topic's is made for its first record, which then waits for
    /// the broker to give the producer its id: half a second, and more where the machine is busy.
    pub topics: Vec<String>,
}

impl Broker for KafkaBroker {
    fn connect(&self) -> Result<Arc<dyn EventPublisher>, PublishError> {
        let own = [
            ("linger.ms", "1"),
            // A dead letter may be larger than any event; its topic takes as much.
            ("message.max.bytes", "4194304"),
        ];
        let fixed = [
            ("enable.idempotence", "true"),
            // A record that fails for good must not let a later one of its key pass.
            ("enable.gapless.guarantee", "true"),
            ("acks", "all"),
            // A record waits for the broker for as long as it takes: its caller gives up, and drops the publisher.
            ("message.timeout.ms", "0"),
            // As the Java clients do it, so that other tools find a key in the same partition.
            ("partitioner", "murmur2_random"),
        ];
        let config = self.settings.client(&own, &fixed);
        // What cannot be set is told now, and not with the first record.
        let known = config.create_native_config();
        known.map_err(|error| PublishError(error.into()))?;
        let publisher = KafkaPublisher {
            config,
            producers: Mutex::default(),
        };
        for topic in &self.topics {
            publisher.producer(topic)?;
        }
        Ok(Arc::new(publisher))
    }
}

/// A producer for each topic: a broker answers the requests of a connection one after the other, and a producer sends one for each
/// partition, so with one producer the copies of an event would wait for each other.
struct KafkaPublisher {
    config: ClientConfig,
    producers: Mutex<HashMap<String, Arc<ThreadedProducer<Reports>>>>,
}

/// What is still to be heard of the records of one call.
struct Tally {
    open: AtomicUsize,
    failure: Mutex<Option<KafkaError>>,
    news: Notify,
}

impl Tally {
    fn report(&self, failure: Option<KafkaError>) {
        if let Some(error) = failure {
            let mut first = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
            first.get_or_insert(error);
        }
        self.open.fetch_sub(1, Ordering::AcqRel);
        self.news.notify_one();
    }

    fn failure(&self) -> Option<KafkaError> {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.clone()
    }

    /// Waits until every record was acknowledged, or the first one was not.
    async fn settled(&self) -> Result<(), KafkaError> {
        loop {
            if let Some(error) = self.failure() {
                return Err(error);
            }
            if self.open.load(Ordering::Acquire) == 0 {
                return Ok(());
            }
            self.news.notified().await;
        }
    }
}

/// Receives the broker's delivery reports of a topic.
struct Reports {
    topic: String,
    /// What counts the records of each partition.
    sent: Mutex<HashMap<i32, Counter>>,
}

impl Reports {
    fn count(&self, partition: i32) {
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        let counter = sent.entry(partition).or_insert_with(|| {
            metrics::counter!(
                metric::both::KAFKA_SENT.name,
                "topic" => self.topic.clone(),
                "partition" => partition.to_string(),
            )
        });
        counter.increment(1);
    }
}

impl ClientContext for Reports {}

impl ProducerContext for Reports {
    type DeliveryOpaque = Arc<Tally>;

    fn delivery(&self, result: &DeliveryResult<'_>, tally: Arc<Tally>) {
        match result {
            Ok(message) => {
                self.count(message.partition());
                tally.report(None);
            }
            Err((error, _)) => tally.report(Some(error.clone())),
        }
    }
}

#[async_trait]
impl EventPublisher for KafkaPublisher {
    async fn publish(&self, records: Vec<OutboundRecord>) -> Result<(), PublishError> {
        let began = Instant::now();
        let copies = records.iter().map(|record| record.topics.len());
        let tally = Arc::new(Tally {
            open: AtomicUsize::new(copies.sum()),
            failure: Mutex::new(None),
            news: Notify::new(),
        });
        let mut spans = spans(&records);
        let sent = async {
            for record in &records {
                for topic in &record.topics {
                    self.send(topic, record, &tally).await?;
                }
            }
            let settled = tally.settled().await;
            metrics::histogram!(metric::both::KAFKA_SEND_DURATION.name).record(began.elapsed());
            settled.map_err(|error| PublishError(error.into()))
        };
        let sent = sent.await;
        if sent.is_err() {
            for span in &mut spans {
                span.fail("not acknowledged");
            }
        }
        sent
    }
}

/// The parts of the records' traces in which they are sent; each ends when all are acknowledged.
fn spans(records: &[OutboundRecord]) -> Vec<Span> {
    let copies = records
        .iter()
        .flat_map(|record| record.topics.iter().map(move |topic| (record, topic)));
    let spans = copies.map(|(record, topic)| {
        let mut headers = record.headers.iter();
        let parent = headers.find(|(name, _)| name == header::TRACEPARENT);
        let parent = parent.and_then(|(_, value)| std::str::from_utf8(value).ok());
        let mut span = Span::within(parent, SpanKind::Producer, || {
            format!("send {topic}").into()
        });
        if span.is_recorded() {
            span.set(attribute::MESSAGING_SYSTEM, "kafka");
            span.set(attribute::MESSAGING_OPERATION_NAME, "send");
            span.set(attribute::MESSAGING_OPERATION_TYPE, "send");
            span.set(attribute::MESSAGING_DESTINATION_NAME, topic.clone());
            let batch = i64::try_from(records.len()).unwrap_or(i64::MAX);
            span.set(attribute::MESSAGING_BATCH_MESSAGE_COUNT, batch);
            if let Some(key) = &record.key {
                let key = String::from_utf8_lossy(key).into_owned();
                span.set(attribute::MESSAGING_KAFKA_MESSAGE_KEY, key);
            }
        }
        span
    });
    spans.filter(Span::is_recorded).collect()
}

impl KafkaPublisher {
    fn producer(&self, topic: &str) -> Result<Arc<ThreadedProducer<Reports>>, PublishError> {
        let mut producers = self
            .producers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = producers.get(topic) {
            return Ok(Arc::clone(known));
        }
        let reports = Reports {
            topic: topic.to_owned(),
            sent: Mutex::default(),
        };
        let producer = self.config.create_with_context(reports);
        let producer = Arc::new(producer.map_err(|error| PublishError(error.into()))?);
        producers.insert(topic.to_owned(), Arc::clone(&producer));
        Ok(producer)
    }

    async fn send(
        &self,
        topic: &str,
        record: &OutboundRecord,
        tally: &Arc<Tally>,
    ) -> Result<(), PublishError> {
        let mut headers = OwnedHeaders::new_with_capacity(record.headers.len());
        for (name, value) in &record.headers {
            headers = headers.insert(Header {
                key: name,
                value: Some(value),
            });
        }
        let mut outgoing = BaseRecord::with_opaque_to(topic, Arc::clone(tally))
            .payload(&record.payload)
            .headers(headers);
        outgoing.key = record.key.as_ref();
        let producer = self.producer(topic)?;
        loop {
            match producer.send(outgoing) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), refused)) => {
                    outgoing = refused;
                    tokio::time::sleep(QUEUE_FULL).await;
                }
                Err((error, _)) => return Err(PublishError(error.into())),
            }
        }
    }
}
