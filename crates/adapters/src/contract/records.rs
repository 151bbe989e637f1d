//! Records on the retry and dead-letter topics, and how one that comes in is understood.

use application::{
    Causes,
    ports::{Arrival, DeadLetter, InboundRecord, OutboundRecord, RecordFormat, Retry},
};

use crate::contract::{
    decode::{decode, printable, text},
    header,
};

/// The form of one subscription's records.
#[derive(Debug, Clone)]
pub struct WireFormat {
    /// The subscription.
    pub subscription: String,
    /// Where retries go.
    pub retry_topic: String,
    /// Where dead letters go.
    pub dead_letter_topic: String,
}

impl WireFormat {
    /// What a record means to this subscription.
    #[must_use]
    pub fn arrival(&self, record: InboundRecord) -> Arrival {
        if record.origin.topic == self.retry_topic {
            let mine =
                text(&record, header::SUBSCRIPTION).is_ok_and(|name| name == self.subscription);
            return match text(&record, header::SUBJECT) {
                Ok(stock_id) if mine => Arrival::Wake {
                    stock_id: stock_id.to_owned(),
                },
                // The waiting row decides, not the record: one that cannot be read will be published again.
                _ => Arrival::Foreign,
            };
        }
        match decode(&record) {
            Ok(notification) => Arrival::Event {
                record,
                notification: Box::new(notification),
            },
            Err(error) => Arrival::Unreadable {
                cause: printable(&Causes(&error).to_string()),
                record,
            },
        }
    }

    fn record(
        &self,
        topic: &str,
        record: &InboundRecord,
        attempts: u32,
        more: &[(&str, &str)],
    ) -> OutboundRecord {
        let origin = &record.origin;
        let added = [
            (header::SUBSCRIPTION, self.subscription.clone()),
            (header::ATTEMPTS, attempts.to_string()),
            (header::ORIGIN_TOPIC, origin.topic.clone()),
            (header::ORIGIN_PARTITION, origin.partition.to_string()),
            (header::ORIGIN_OFFSET, origin.offset.to_string()),
        ];
        let mut headers = record.headers.clone();
        headers.extend(added.map(|(name, value)| (name.to_owned(), value.into_bytes())));
        headers.extend(
            more.iter()
                .map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())),
        );
        OutboundRecord {
            topic: topic.to_owned(),
            key: record.key.clone(),
            headers,
            payload: record.payload.clone(),
        }
    }
}

impl RecordFormat for WireFormat {
    fn retry(&self, retry: &Retry) -> OutboundRecord {
        self.record(&self.retry_topic, &retry.record, retry.attempts, &[])
    }

    fn dead_letter(&self, letter: &DeadLetter) -> OutboundRecord {
        let reason = [(header::REASON, letter.reason.as_str())];
        let topic = &self.dead_letter_topic;
        self.record(topic, &letter.record, letter.attempts, &reason)
    }
}
