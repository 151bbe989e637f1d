//! Values in requests: how each is read, and how the API's description shows it.

use std::{str::FromStr, time::Duration};

use application::{ports::StockSort, stock::ReserveMode};
use domain::{
    InvalidValue,
    stock::{
        Actor, ClientOrderId, Currency, PositiveQuantity, Price, ProductId, ProductName, Quantity,
        Reason, Reference, ReservationId, ReservationState, Status, StockId, Symbol, Version,
    },
};
use serde_json::value::RawValue;
use time::{OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339};
use utoipa::openapi::{
    RefOr,
    schema::{KnownFormat, ObjectBuilder, OneOfBuilder, Schema, SchemaFormat, Type},
};

/// What is wrong with a value, or with a part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    /// The part, as a JSON pointer from the value on.
    pub(super) pointer: String,
    /// What, for machines.
    pub(super) code: String,
    /// What, for people.
    pub(super) message: String,
}

impl Wrong {
    /// The whole value is wrong.
    pub(super) fn all(code: &str, message: impl Into<String>) -> Vec<Self> {
        vec![Self {
            pointer: String::new(),
            code: code.to_owned(),
            message: message.into(),
        }]
    }

    /// The same, of a value that has this one as a member.
    pub(super) fn within(mut self, member: &str) -> Self {
        // RFC 6901: ~ and / are escaped.
        let escaped = member.replace('~', "~0").replace('/', "~1");
        self.pointer = format!("/{escaped}{}", self.pointer);
        self
    }
}

/// A value that a request may have.
pub(super) trait Member: Sized {
    /// Its JSON Schema.
    fn schema() -> RefOr<Schema>;

    /// Reads it as text, as a query has it.
    fn from_text(text: &str) -> Result<Self, Vec<Wrong>>;

    /// Reads it as JSON: a string, unless the type says otherwise.
    fn from_json(raw: &RawValue) -> Result<Self, Vec<Wrong>> {
        let text: String = serde_json::from_str(raw.get())
            .map_err(|_| Wrong::all("wrong-type", "must be a string"))?;
        Self::from_text(&text)
    }
}

fn invalid(error: &InvalidValue) -> Vec<Wrong> {
    Wrong::all(error.code(), error.to_string())
}

fn parsed<T: FromStr<Err = InvalidValue>>(text: &str) -> Result<T, Vec<Wrong>> {
    text.parse().map_err(|error| invalid(&error))
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

/// Names that match a pattern.
macro_rules! names {
    ($($type:ty: $pattern:literal, $example:literal;)+) => {
        $(impl Member for $type {
            fn schema() -> RefOr<Schema> {
                text().pattern(Some($pattern)).examples([$example]).into()
            }

            fn from_text(text: &str) -> Result<Self, Vec<Wrong>> {
                parsed(text)
            }
        })+
    };
}

names! {
    StockId: "^STK-[A-Za-z0-9]{1,32}$", "STK-001";
    ReservationId: "^RSV-[A-Za-z0-9]{1,32}$", "RSV-001";
    ProductId: "^[A-Za-z0-9._:-]{1,64}$", "AAPL";
    Symbol: "^[A-Za-z0-9._:-]{1,64}$", "AAPL";
    ClientOrderId: "^[A-Za-z0-9._:-]{1,64}$", "order-4711";
    Currency: "^[A-Z]{3}$", "USD";
}

/// Something visible, and no control characters.
const PRINTABLE: &str =
    "^[^\\x00-\\x1f\\x7f-\\x9f]*[^\\s\\x00-\\x1f\\x7f-\\x9f][^\\x00-\\x1f\\x7f-\\x9f]*$";

/// Texts for people.
macro_rules! texts {
    ($($type:ty: $max:literal, $example:literal;)+) => {
        $(impl Member for $type {
            fn schema() -> RefOr<Schema> {
                text()
                    .min_length(Some(1))
                    .max_length(Some($max))
                    .pattern(Some(PRINTABLE))
                    .examples([$example])
                    .into()
            }

            fn from_text(text: &str) -> Result<Self, Vec<Wrong>> {
                parsed(text)
            }
        })+
    };
}

texts! {
    ProductName: 200, "Apple Inc.";
    Reason: 256, "order 4711";
    Reference: 512, "https://erp.example/po/7";
    Actor: 128, "trading-desk";
}

/// One of some names.
macro_rules! choices {
    ($($type:ty { $($name:literal => $value:expr),+ $(,)? })+) => {
        $(impl Member for $type {
            fn schema() -> RefOr<Schema> {
                text().enum_values(Some([$($name),+])).into()
            }

            fn from_text(text: &str) -> Result<Self, Vec<Wrong>> {
                match text {
                    $($name => Ok($value),)+
                    _ => Err(Wrong::all("unknown-name", concat!("must be one of" $(, " ", $name)+))),
                }
            }
        })+
    };
}

choices! {
    ReserveMode { "all" => Self::All, "partial" => Self::Partial }
    Status {
        "AVAILABLE" => Self::Available,
        "LOW_STOCK" => Self::LowStock,
        "OUT_OF_STOCK" => Self::OutOfStock,
        "DISCONTINUED" => Self::Discontinued,
    }
    ReservationState {
        "HELD" => Self::Held,
        "CONFIRMED" => Self::Confirmed,
        "RELEASED" => Self::Released,
        "EXPIRED" => Self::Expired,
    }
    Sort {
        "stockId" => Self { by: StockSort::StockId, descending: false },
        "-stockId" => Self { by: StockSort::StockId, descending: true },
        "productId" => Self { by: StockSort::ProductId, descending: false },
        "-productId" => Self { by: StockSort::ProductId, descending: true },
        "symbol" => Self { by: StockSort::Symbol, descending: false },
        "-symbol" => Self { by: StockSort::Symbol, descending: true },
        "updatedAt" => Self { by: StockSort::UpdatedAt, descending: false },
        "-updatedAt" => Self { by: StockSort::UpdatedAt, descending: true },
    }
}

/// The order of a list of stocks.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sort {
    pub(super) by: StockSort,
    pub(super) descending: bool,
}

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
pub(super) struct Delta(pub(super) i64);

/// A time of at most a year.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seconds(pub(super) Duration);

/// A version of a stock.
#[derive(Debug, Clone, Copy)]
pub(super) struct VersionNumber(pub(super) Option<Version>);

/// The most items of a page.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limit(pub(super) u16);

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

/// A moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment(pub(super) OffsetDateTime);

impl Member for Moment {
    fn schema() -> RefOr<Schema> {
        text()
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .examples(["2026-03-02T09:30:00Z"])
            .into()
    }

    fn from_text(text: &str) -> Result<Self, Vec<Wrong>> {
        let moment = OffsetDateTime::parse(text, &Rfc3339)
            .ok()
            .and_then(|moment| moment.checked_to_offset(UtcOffset::UTC))
            // What no calendar of the store has.
            .filter(|moment| (1..=9999).contains(&moment.year()));
        moment.map(Self).ok_or_else(|| {
            Wrong::all(
                "not-a-time",
                "must be a time like 2026-03-02T09:30:00Z (RFC 3339)",
            )
        })
    }
}

/// Some of these, in a query separated by commas.
#[derive(Debug, Clone)]
pub(super) struct Several<T>(pub(super) Vec<T>);

impl<T: Member> Member for Several<T> {
    fn schema() -> RefOr<Schema> {
        T::schema()
    }

    fn from_text(text: &str) -> Result<Self, Vec<Wrong>> {
        let all = text.split(',').map(T::from_text);
        all.collect::<Result<_, _>>().map(Self)
    }
}

/// A place in a list, as an earlier answer named it.
#[derive(Debug, Clone)]
pub(super) struct Cursor(pub(super) String);

impl Member for Cursor {
    fn schema() -> RefOr<Schema> {
        text()
            .pattern(Some("^[A-Za-z0-9_-]{1,512}$"))
            .description(Some(
                "The nextCursor of an earlier answer to the same query.",
            ))
            .into()
    }

    fn from_text(text: &str) -> Result<Self, Vec<Wrong>> {
        Ok(Self(text.to_owned()))
    }
}

/// A list of values, at most so many.
pub(super) fn list<T>(
    raw: &RawValue,
    most: usize,
    read: impl Fn(&RawValue) -> Result<T, Vec<Wrong>>,
) -> Result<Vec<T>, Vec<Wrong>> {
    let items: Vec<&RawValue> = serde_json::from_str(raw.get())
        .map_err(|_| Wrong::all("wrong-type", "must be an array"))?;
    if items.is_empty() || items.len() > most {
        let message = format!("must have 1 to {most} items");
        return Err(Wrong::all("out-of-range", message));
    }
    let mut wrong = Vec::new();
    let mut values = Vec::with_capacity(items.len());
    for (index, item) in items.into_iter().enumerate() {
        match read(item) {
            Ok(value) => values.push(value),
            Err(errors) => {
                let index = index.to_string();
                wrong.extend(errors.into_iter().map(|error| error.within(&index)));
            }
        }
    }
    if wrong.is_empty() {
        Ok(values)
    } else {
        Err(wrong)
    }
}
