//! Records on the retry and dead-letter topics, and how one that comes in is understood.

use std::borrow::Cow;

use application::{
    Causes,
    ports::{Arrival, DeadLetter, InboundRecord, Origin, OutboundRecord, RecordFormat, Retry},
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
                record: record.into(),
                notification: notification.into(),
            },
            Err(error) => Arrival::Unreadable {
                cause: printable(&Causes(&error).to_string()),
                record: record.into(),
            },
        }
    }

    /// The headers that records of this subscription have besides those they were read with.
    fn added(&self, attempts: u32, origin: Option<&Origin>) -> Vec<(Cow<'static, str>, Vec<u8>)> {
        let mut added = vec![
            (header::SUBSCRIPTION, self.subscription.clone()),
            (header::ATTEMPTS, attempts.to_string()),
        ];
        if let Some(origin) = origin {
            added.push((header::ORIGIN_TOPIC, origin.topic.clone()));
            added.push((header::ORIGIN_PARTITION, origin.partition.to_string()));
            added.push((header::ORIGIN_OFFSET, origin.offset.to_string()));
        }
        let added = added.into_iter();
        added
            .map(|(name, value)| (name.into(), value.into_bytes()))
            .collect()
    }
}

/// The headers that a record was read with.
fn read(record: &InboundRecord) -> Vec<(Cow<'static, str>, Vec<u8>)> {
    let headers = record.headers.iter().cloned();
    headers.map(|(name, value)| (name.into(), value)).collect()
}

impl RecordFormat for WireFormat {
    fn retry(&self, retry: &Retry) -> OutboundRecord {
        let record = retry.record.as_ref();
        let mut headers = match record {
            Some(record) => read(record),
            None => vec![(header::SUBJECT.into(), retry.stock_id.clone().into_bytes())],
        };
        headers.extend(self.added(retry.attempts, record.map(|record| &record.origin)));
        OutboundRecord {
            topics: vec![self.retry_topic.clone()],
            key: Some(retry.stock_id.clone().into_bytes()),
            headers,
            payload: record
                .map(|record| record.payload.clone())
                .unwrap_or_default(),
        }
    }

    fn dead_letter(&self, letter: &DeadLetter) -> OutboundRecord {
        let record = &letter.record;
        let mut headers = read(record);
        headers.extend(self.added(letter.attempts, Some(&record.origin)));
        headers.push((header::REASON.into(), letter.reason.clone().into_bytes()));
        OutboundRecord {
            topics: vec![self.dead_letter_topic.clone()],
            key: record.key.clone(),
            headers,
            payload: record.payload.clone(),
        }
    }
}
