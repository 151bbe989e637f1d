//! From a record on Kafka to the words of delivery.

use std::sync::Arc;

use application::ports::InboundRecord;
use domain::delivery::{Effect, Notification, Picture};
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::contract::{
    header,
    v1::{ReservationView, StockUpdated},
};

/// Why a record is not an event that can be read here.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// A header is missing or not text.
    #[error("header {0} is missing or not UTF-8")]
    Header(&'static str),
    /// A header or field has a value that cannot be.
    #[error("{0} has an unusable value")]
    Value(&'static str),
    /// Not an event of contract version 1.
    #[error("events of type {0} are not known here")]
    Type(String),
    /// The value is not the documented JSON.
    #[error("the value is not the documented JSON")]
    Json(#[from] serde_json::Error),
    /// Headers and value name different things.
    #[error("header {0} and the value disagree")]
    Disagree(&'static str),
}

/// The text of a header; the last one of that name counts.
pub(crate) fn text<'a>(
    record: &'a InboundRecord,
    name: &'static str,
) -> Result<&'a str, DecodeError> {
    record
        .headers
        .iter()
        .rfind(|(header, _)| header == name)
        .and_then(|(_, value)| std::str::from_utf8(value).ok())
        .ok_or(DecodeError::Header(name))
}

/// Text from outside as it may be stored and logged: one line, at most 1,000 characters.
pub(crate) fn printable(text: &str) -> String {
    let safe = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().take(1000).map(safe).collect()
}

/// The event's id, where it can be read.
pub(crate) fn event_id(record: &InboundRecord) -> Option<Uuid> {
    text(record, header::ID).ok()?.parse().ok()
}

/// A text that every store, log and header takes: without control characters, at most 1,024 bytes long.
fn bounded(name: &'static str, text: String) -> Result<String, DecodeError> {
    let usable = !text.is_empty() && text.len() <= 1024 && !text.chars().any(char::is_control);
    if usable {
        Ok(text)
    } else {
        Err(DecodeError::Value(name))
    }
}

/// Reads an event of contract version 1.
///
/// # Errors
/// [`DecodeError`]: such a record can only be a dead letter.
pub fn decode(record: &InboundRecord) -> Result<Notification, DecodeError> {
    text(record, header::ID)?;
    let event_id = event_id(record).ok_or(DecodeError::Value(header::ID))?;
    let event: StockUpdated = {
        let event_type = text(record, header::TYPE)?;
        let known = event_type
            .strip_prefix(header::TYPE_PREFIX)
            .and_then(|rest| rest.strip_suffix(header::TYPE_VERSION));
        if known.is_none() {
            return Err(DecodeError::Type(event_type.to_owned()));
        }
        serde_json::from_slice(&record.payload)?
    };
    if text(record, header::SUBJECT)? != event.stock.stock_id {
        return Err(DecodeError::Disagree(header::SUBJECT));
    }
    if text(record, header::TYPE)? != header::event_type(&event.operation) {
        return Err(DecodeError::Disagree(header::TYPE));
    }
    if text(record, header::STOCK_VERSION)? != event.stock.version.to_string() {
        return Err(DecodeError::Disagree(header::STOCK_VERSION));
    }
    if !(1..=i64::MAX.unsigned_abs()).contains(&event.stock.version) {
        return Err(DecodeError::Value("stock.version"));
    }
    let effect = effect(&event)?;
    let optional = |name, text: Option<String>| text.map(|text| bounded(name, text)).transpose();
    let stock = event.stock;
    Ok(Notification {
        event_id,
        stock_id: bounded("stock.stockId", stock.stock_id)?,
        effect,
        picture: Arc::new(Picture {
            version: stock.version,
            product_id: bounded("stock.productId", stock.product_id)?,
            symbol: bounded("stock.symbol", stock.symbol)?,
            product_name: bounded("stock.productName", stock.product_name)?,
            quantity: stock.quantity,
            reserved: stock.reserved,
            available: stock.available,
            unit_price: Decimal::from_str_exact(&stock.unit_price)
                .map_err(|_| DecodeError::Value("stock.unitPrice"))?,
            currency: bounded("stock.currency", stock.currency)?,
            status: bounded("stock.status", stock.status)?,
        }),
        previous_status: optional(
            "previous.status",
            event.previous.map(|previous| previous.status),
        )?,
        quantity_delta: event.change.quantity_delta,
        reserved_delta: event.change.reserved_delta,
        reason: optional("change.reason", event.change.reason)?,
        actor: bounded("actor", event.actor)?,
        occurred_at: event.occurred_at,
        correlation_id: bounded(
            header::CORRELATION_ID,
            text(record, header::CORRELATION_ID)?.to_owned(),
        )?,
        traceparent: text(record, header::TRACEPARENT)
            .ok()
            .and_then(|text| bounded(header::TRACEPARENT, text.to_owned()).ok()),
    })
}

fn effect(event: &StockUpdated) -> Result<Effect, DecodeError> {
    let hold = || {
        let reservation = event.change.reservation.clone();
        let reservation = reservation.ok_or(DecodeError::Value("change.reservation"))?;
        bounded(
            "change.reservation.reservationId",
            reservation.reservation_id.clone(),
        )?;
        Ok(reservation)
    };
    let with = |make: fn(String, u64) -> Effect| {
        hold().map(
            |ReservationView {
                 reservation_id,
                 quantity,
                 confirmed_quantity,
                 ..
             }| make(reservation_id, confirmed_quantity.unwrap_or(quantity)),
        )
    };
    match event.operation.as_str() {
        "CREATED" => Ok(Effect::Created),
        "QUANTITY_UPDATED" => Ok(Effect::QuantityUpdated),
        "PRICE_UPDATED" => Ok(Effect::PriceUpdated),
        "DETAILS_UPDATED" => Ok(Effect::DetailsUpdated),
        "DISCONTINUED" => Ok(Effect::Discontinued),
        "RESERVED" => with(|reservation_id, units| Effect::Reserved {
            reservation_id,
            units,
        }),
        "RESERVATION_CONFIRMED" => with(|reservation_id, units| Effect::ReservationConfirmed {
            reservation_id,
            units,
        }),
        "RESERVATION_RELEASED" => with(|reservation_id, units| Effect::ReservationReleased {
            reservation_id,
            units,
        }),
        "RESERVATION_EXPIRED" => with(|reservation_id, units| Effect::ReservationExpired {
            reservation_id,
            units,
        }),
        _ => Err(DecodeError::Value("operation")),
    }
}
