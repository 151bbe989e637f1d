//! Numbers in requests.

use std::time::Duration;

use domain::{
    InvalidValue,
    stock::{PositiveQuantity, Price, Quantity, Version},
};
use serde_json::value::RawValue;
use utoipa::openapi::{
    RefOr,
    schema::{KnownFormat, ObjectBuilder, OneOfBuilder, Schema, SchemaFormat, Type},
};

use super::{Member, Wrong, invalid, parsed, text};

/// A whole number as JSON has it.
fn whole(raw: &RawValue) -> Result<i128, Vec<Wrong>> {
    // What is longer than this is out of any range of ours.
    let digits = raw.get().trim_start_matches('-');
    if digits.len() > 38 && digits.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(i128::MAX);
    }
    serde_json::from_str(raw.get()).map_err(|_| Wrong::all("wrong-type", "must be a whole number"))
}

fn whole_text(text: &str) -> Result<i128, Vec<Wrong>> {
    text.parse()
        .map_err(|_| Wrong::all("wrong-type", "must be a whole number"))
}

fn within(number: i128, least: i64, most: i64) -> Result<i64, Vec<Wrong>> {
    let legal = i64::try_from(number).ok();
    legal
        .filter(|number| (least..=most).contains(number))
        .ok_or_else(|| {
            Wrong::all(
                "out-of-range",
                format!("must be between {least} and {most}"),
            )
        })
}

fn whole_schema(least: i64, most: i64) -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
        .minimum(Some(least))
        .maximum(Some(most))
        .into()
}

/// The most units of a stock.
const MOST_UNITS: i64 = 1_000_000_000_000_000;

/// Whole numbers between two others.
macro_rules! numbers {
    ($($type:ty: $least:expr, $most:expr, $make:expr;)+) => {
        $(impl Member for $type {
            fn schema() -> RefOr<Schema> {
                whole_schema($least, $most)
            }

            fn from_text(text: &str) -> Result<Self, Vec<Wrong>> {
                let make: fn(i64) -> Result<Self, InvalidValue> = $make;
                make(within(whole_text(text)?, $least, $most)?).map_err(|error| invalid(&error))
            }

            fn from_json(raw: &RawValue) -> Result<Self, Vec<Wrong>> {
                let make: fn(i64) -> Result<Self, InvalidValue> = $make;
                make(within(whole(raw)?, $least, $most)?).map_err(|error| invalid(&error))
            }
        })+
    };
}

numbers! {
    Quantity: 0, MOST_UNITS, Self::try_from;
    PositiveQuantity: 1, MOST_UNITS, |units| Self::try_from(units.unsigned_abs());
    Delta: -MOST_UNITS, MOST_UNITS, |units| Ok(Self(units));
    Seconds: 1, 31_536_000, |seconds| Ok(Self(Duration::from_secs(seconds.unsigned_abs())));
    VersionNumber: 1, i64::MAX, |number| Ok(Self(Version::new(number.unsigned_abs())));
    Limit: 1, 500, |limit| Ok(Self(u16::try_from(limit).unwrap_or(u16::MAX)));
}

/// Units to add, or below zero to take.
#[derive(Debug, Clone, Copy)]
pub(in crate::http) struct Delta(pub(in crate::http) i64);

/// A time of at most a year.
#[derive(Debug, Clone, Copy)]
pub(in crate::http) struct Seconds(pub(in crate::http) Duration);

/// A version of a stock.
#[derive(Debug, Clone, Copy)]
pub(in crate::http) struct VersionNumber(pub(in crate::http) Option<Version>);

/// The most items of a page.
#[derive(Debug, Clone, Copy)]
pub(in crate::http) struct Limit(pub(in crate::http) u16);

impl Default for Limit {
    fn default() -> Self {
        Self(50)
    }
}

/// The form of a price as a string.
const PRICE: &str = "^[0-9]{1,9}(\\.[0-9]{1,4})?$";

impl Member for Price {
    fn schema() -> RefOr<Schema> {
        OneOfBuilder::new()
            .item(text().pattern(Some(PRICE)).examples(["150.00"]))
            .item(
                ObjectBuilder::new()
                    .schema_type(Type::Number)
                    .minimum(Some(0))
                    .maximum(Some(999_999_999.999_9))
                    .multiple_of(Some(0.0001)),
            )
            .into()
    }

    fn from_text(text: &str) -> Result<Self, Vec<Wrong>> {
        let plain = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        let point = text.starts_with('.') || text.ends_with('.');
        if !plain || point {
            return Err(invalid(&InvalidValue::NotANumber));
        }
        let decimals = text
            .split_once('.')
            .map_or(0, |(_, decimals)| decimals.len());
        let max = Price::MAX_SCALE;
        if decimals > usize::try_from(max).unwrap_or(usize::MAX) {
            return Err(invalid(&InvalidValue::TooManyDecimals { max }));
        }
        parsed(text)
    }

    /// A string or a number; the number's text is read, so that it is never rounded.
    fn from_json(raw: &RawValue) -> Result<Self, Vec<Wrong>> {
        if raw.get().starts_with('"') {
            let text: String = serde_json::from_str(raw.get())
                .map_err(|_| Wrong::all("wrong-type", "must be a decimal"))?;
            return Self::from_text(&text);
        }
        parsed(raw.get())
    }
}
