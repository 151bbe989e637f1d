//! The events on the wire, against the samples in `docs/contracts`: what is written is what they show, and what they
//! show can be read. `UPDATE_SAMPLES=1` writes them anew; the change then shows in the diff.
#![expect(clippy::unwrap_used, reason = "a panic is a failed test")]

use std::path::PathBuf;

use adapters::contract::{Envelope, MAX_PAYLOAD, TopicNames, WireEncoder, decode};
use application::{
    ports::{EventEncoder, InboundRecord, Origin, OutboxMessage},
    stock::RequestContext,
};
use domain::stock::{
    Actor, NewDetails, NewHold, NewStock, Operation, OrderLine, Price, Quantity, ReservationId,
    Stamp, Stock, StockId, StockUpdatedEvent, Stream,
};
use serde_json::{Value, json};
use time::macros::datetime;
use uuid::Uuid;

fn stamp(n: u128) -> Stamp {
    Stamp {
        event_id: Uuid::from_u128(0x0192_f5c0_0000_7000_8000_0000_0000_0000 + n),
        at: datetime!(2026-03-02 09:30:00.123456 UTC),
        actor: "trading-desk".parse::<Actor>().unwrap(),
    }
}

fn units(n: u64) -> Quantity {
    Quantity::try_from(n).unwrap()
}

/// One event of each operation.
fn events() -> Vec<StockUpdatedEvent> {
    let created = Stock::create(
        NewStock {
            id: "STK-001".parse::<StockId>().unwrap(),
            product_id: "AAPL".parse().unwrap(),
            symbol: "AAPL".parse().unwrap(),
            product_name: "Apple Inc.".parse().unwrap(),
            quantity: units(150),
            unit_price: "150.00".parse().unwrap(),
            currency: "USD".parse().unwrap(),
            low_stock_threshold: units(10),
        },
        stamp(1),
    );
    let because = |text: &str| text.parse().unwrap();
    let counted = created
        .stock
        .set_quantity(
            units(200),
            because("delivery"),
            Some("po:7".parse().unwrap()),
            stamp(2),
        )
        .unwrap();
    let price: Price = "99.5".parse().unwrap();
    let priced = counted.stock.set_price(price, because("close"), stamp(3));
    let reserve = |stock: &Stock, n: u128| {
        let id = ReservationId::from_uuid(Uuid::from_u128(n));
        let hold = NewHold {
            id,
            quantity: 50_u64.try_into().unwrap(),
            expires_at: datetime!(2026-03-02 09:45:00.123456 UTC),
            order: Some(OrderLine {
                order: format!("order-{n}").parse().unwrap(),
                line: 0,
            }),
        };
        stock
            .reserve(hold, Some(because("order 4711")), stamp(n))
            .unwrap()
    };
    let reserved = reserve(&priced.stock, 4);
    let hold = |event: &StockUpdatedEvent| event.change.reservation().unwrap().clone();
    let units_taken = 40_u64.try_into().unwrap();
    let confirmed = reserved
        .stock
        .confirm(&hold(&reserved), Some(units_taken), stamp(5))
        .unwrap();
    let second = reserve(&confirmed.stock, 6);
    let released = second
        .stock
        .release(&hold(&second), because("cancelled"), stamp(7))
        .unwrap();
    let third = reserve(&released.stock, 8);
    let expired = third.stock.expire(&hold(&third), stamp(9)).unwrap();
    let details = NewDetails {
        symbol: Some("AAPL.US".parse().unwrap()),
        product_name: Some("Apple".parse().unwrap()),
        low_stock_threshold: Some(units(300)),
    };
    let described = expired.stock.describe(details, stamp(11)).unwrap();
    let discontinued = described
        .stock
        .discontinue(because("delisted"), stamp(10))
        .unwrap();
    vec![
        created,
        counted,
        priced,
        reserved,
        confirmed,
        released,
        expired,
        described,
        discontinued,
    ]
}

fn encode(event: &StockUpdatedEvent) -> OutboxMessage {
    let encoder = WireEncoder {
        topics: TopicNames {
            high_priority: "high-priority-updates".to_owned(),
            normal: "virtual-stock-updates".to_owned(),
            critical: "critical-stock-events".to_owned(),
            audit: "stock-audit-logs".to_owned(),
        },
    };
    let context = RequestContext {
        actor: event.actor.clone(),
        request_id: "request-1".into(),
        correlation_id: "order-4711".into(),
        traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into(),
    };
    encoder
        .encode(event, &[Stream::Normal, Stream::Audit], &context)
        .unwrap()
}

fn sample_file(operation: Operation) -> PathBuf {
    let name = operation.as_str().to_lowercase().replace('_', "-");
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/contracts/stock-updated.v1"
    );
    PathBuf::from(folder).join(format!("{name}.json"))
}

#[test]
fn every_operation_is_written_as_its_sample_shows() {
    for event in events() {
        let message = encode(&event);
        let value: Value = serde_json::from_slice(&message.payload).unwrap();
        let headers = Envelope::from(&message).headers().unwrap();
        let written = json!({"key": message.stock_id, "headers": headers, "value": value});
        let file = sample_file(event.operation());
        if std::env::var_os("UPDATE_SAMPLES").is_some() {
            let text = serde_json::to_string_pretty(&written).unwrap();
            std::fs::write(&file, format!("{text}\n")).unwrap();
        }

        let sample: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();

        assert_eq!(written, sample, "{}", file.display());
        assert_eq!(
            message.topics,
            ["virtual-stock-updates", "stock-audit-logs"]
        );
    }
}

#[test]
fn every_sample_can_be_read_and_an_unknown_member_is_no_obstacle() {
    for event in events() {
        let text = std::fs::read(sample_file(event.operation())).unwrap();
        let mut sample: Value = serde_json::from_slice(&text).unwrap();
        sample["value"]["addedLater"] = json!("within v1 only optional members are added");
        let headers: Vec<(String, String)> =
            serde_json::from_value(sample["headers"].clone()).unwrap();
        let record = InboundRecord {
            origin: Origin {
                topic: "virtual-stock-updates".to_owned(),
                partition: 0,
                offset: 0,
            },
            key: None,
            headers: headers
                .into_iter()
                .map(|(n, v)| (n, v.into_bytes()))
                .collect(),
            payload: sample["value"].to_string().into_bytes(),
        };

        let read = decode(&record).unwrap();

        assert_eq!(read.event_id, event.id);
        assert_eq!(read.effect.operation(), event.operation().as_str());
        assert_eq!(read.version(), event.stock.version.get());
        assert_eq!(read.picture.available, event.stock.available().get());
        assert_eq!(read.picture.unit_price, event.stock.unit_price.amount());
        assert_eq!(read.correlation_id, "order-4711");
        assert_eq!(read.occurred_at, event.occurred_at);

        // What says two things at once is not believed.
        let mut wrong = record;
        for header in &mut wrong.headers {
            if header.0 == "ce_stockversion" {
                header.1 = b"77".to_vec();
            }
        }
        assert!(decode(&wrong).is_err());
    }
}

#[test]
fn the_largest_event_fits_its_topic() {
    // Four bytes per character, and a control-free character that JSON writes in the longest way.
    let wide = |n: usize| "😀".repeat(n);
    let quotes = |n: usize| "\"".repeat(n);
    let created = Stock::create(
        NewStock {
            id: format!("STK-{}", "x".repeat(32)).parse().unwrap(),
            product_id: "p".repeat(64).parse().unwrap(),
            symbol: "s".repeat(64).parse().unwrap(),
            product_name: wide(200).parse().unwrap(),
            quantity: Quantity::MAX,
            unit_price: "999999999.9999".parse().unwrap(),
            currency: "USD".parse().unwrap(),
            low_stock_threshold: Quantity::MAX,
        },
        Stamp {
            actor: wide(128).parse().unwrap(),
            ..stamp(1)
        },
    );
    let reference = wide(512).parse().unwrap();
    let largest = created
        .stock
        .set_quantity(
            Quantity::ZERO,
            quotes(256).parse().unwrap(),
            Some(reference),
            stamp(2),
        )
        .unwrap();

    let bytes = encode(&largest).payload.len();

    assert!(bytes < MAX_PAYLOAD / 4, "{bytes}");
}
