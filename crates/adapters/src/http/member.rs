//! Values in requests: how each is read, and how the API's description shows it.

mod numbers;

use std::str::FromStr;

use application::{ports::StockSort, stock::ReserveMode};
use domain::{
    InvalidValue,
    stock::{
        Actor, ClientOrderId, Currency, ProductId, ProductName, Reason, Reference, ReservationId,
        ReservationState, Status, StockId, Symbol,
    },
};
pub(super) use numbers::{Delta, Limit, Seconds, VersionNumber};
use serde_json::value::RawValue;
use time::{OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339};
use utoipa::openapi::{
    RefOr,
    schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type},
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
