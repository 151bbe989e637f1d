//! The golden samples of the contract, for dry runs.

use application::ports::{InboundRecord, Origin};
use serde::Deserialize;
use serde_json::value::RawValue;

/// A sample, as its file has it.
#[derive(Deserialize)]
struct Sample<'a> {
    headers: Vec<(String, String)>,
    key: String,
    #[serde(borrow)]
    value: &'a RawValue,
}

macro_rules! samples {
    ($($name:literal),+) => {
        [$(include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../docs/contracts/stock-updated.v1/",
            $name,
            ".json"
        ))),+]
    };
}

/// One event of each operation, in the order of their versions.
const SAMPLES: [&str; 9] = samples![
    "created",
    "quantity-updated",
    "price-updated",
    "reserved",
    "reservation-confirmed",
    "reservation-released",
    "reservation-expired",
    "details-updated",
    "discontinued"
];

/// The record of a sample's text: an object of `headers`, `key` and `value`.
///
/// # Errors
/// If it is none.
pub fn sample(text: &str) -> serde_json::Result<InboundRecord> {
    let sample: Sample<'_> = serde_json::from_str(text)?;
    let headers = sample.headers.into_iter();
    Ok(InboundRecord {
        origin: Origin {
            topic: "sample".to_owned(),
            partition: 0,
            offset: 0,
        },
        key: Some(sample.key.into_bytes()),
        headers: headers
            .map(|(name, value)| (name, value.into_bytes()))
            .collect(),
        payload: sample.value.get().as_bytes().to_vec(),
    })
}

/// The golden samples.
///
/// # Errors
/// None in a build whose tests passed.
pub fn samples() -> serde_json::Result<Vec<InboundRecord>> {
    SAMPLES.iter().map(|text| sample(text)).collect()
}
