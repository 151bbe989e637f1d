//! Values in requests of operators.

use std::num::NonZeroU32;

use application::ports::LetterState;
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::delivery::Effect;
use serde_json::value::RawValue;
use utoipa::openapi::{
    RefOr,
    schema::{AdditionalProperties, ArrayBuilder, ObjectBuilder, Schema, Type},
};
use uuid::Uuid;

use crate::http::member::{Member, Wrong, list};

/// Most dead letters that one request names.
const MOST_IDS: usize = 1000;
/// Fastest rate of a replay or a resynchronization.
const FASTEST: u32 = 10_000;

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

/// Declares texts of a pattern.
macro_rules! patterns {
    ($($(#[doc = $doc:literal])+ $name:ident: $pattern:literal, $message:literal, $legal:expr;)+) => {
        $($(#[doc = $doc])+
        #[derive(Debug, Clone)]
        pub(super) struct $name(pub(super) String);

        impl Member for $name {
            fn schema() -> RefOr<Schema> {
                text().pattern(Some($pattern)).into()
            }

            fn from_text(text: &str) -> Result<Self, Vec<Wrong>> {
                let legal: fn(&str) -> bool = $legal;
                if legal(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(Wrong::all("unusable", $message))
                }
            }
        })+
    };
}

patterns! {
    /// A partner's name.
    PartnerName: "^[a-z0-9-]{1,64}$", "must be 1 to 64 lower-case letters, digits and hyphens",
        |text| (1..=64).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    /// Any name or text of at most 256 characters.
    Words: "^[^\\x00-\\x1f\\x7f-\\x9f]{1,256}$", "must be 1 to 256 characters, none of them a control character",
        |text| (1..=256).contains(&text.chars().count()) && !text.chars().any(char::is_control);
}

/// One of some names.
macro_rules! choices {
    ($($(#[doc = $doc:literal])+ $name:ident: $all:expr;)+) => {
        $($(#[doc = $doc])+
        #[derive(Debug, Clone, Copy)]
        pub(super) struct $name(pub(super) &'static str);

        impl Member for $name {
            fn schema() -> RefOr<Schema> {
                text().enum_values(Some($all)).into()
            }

            fn from_text(text: &str) -> Result<Self, Vec<Wrong>> {
                let found = $all.into_iter().find(|name| *name == text);
                found.map(Self).ok_or_else(|| {
                    Wrong::all("unknown-name", format!("must be one of {}", $all.join(" ")))
                })
            }
        })+
    };
}

choices! {
    /// What came of an attempt.
    AttemptName: [
        "DELIVERED", "SUPERSEDED", "DUPLICATE", "FILTERED", "RETRY_SCHEDULED", "DEAD", "DISCARDED",
    ];
    /// What was done to a stock.
    OperationName: Effect::OPERATIONS;
}

impl Member for LetterState {
    fn schema() -> RefOr<Schema> {
        text().enum_values(Some(Self::ALL.map(Self::as_str))).into()
    }

    fn from_text(text: &str) -> Result<Self, Vec<Wrong>> {
        let found = Self::ALL.into_iter().find(|state| state.as_str() == text);
        found.ok_or_else(|| {
            let all = Self::ALL.map(Self::as_str).join(" ");
            Wrong::all("unknown-name", format!("must be one of {all}"))
        })
    }
}

impl Member for Uuid {
    fn schema() -> RefOr<Schema> {
        text()
            .pattern(Some("^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"))
            .into()
    }

    fn from_text(text: &str) -> Result<Self, Vec<Wrong>> {
        let parsed = text.parse().ok().filter(|_| text.len() == 36);
        parsed.ok_or_else(|| Wrong::all("not-a-uuid", "must be a UUID"))
    }
}

/// Yes or no.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flag(pub(super) bool);

impl Member for Flag {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::Boolean).into()
    }

    fn from_text(text: &str) -> Result<Self, Vec<Wrong>> {
        let parsed = text.parse().map(Self);
        parsed.map_err(|_| Wrong::all("wrong-type", "must be true or false"))
    }

    fn from_json(raw: &RawValue) -> Result<Self, Vec<Wrong>> {
        Self::from_text(raw.get())
    }
}

/// So many per second.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rate(pub(super) NonZeroU32);

impl Member for Rate {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(1))
            .maximum(Some(FASTEST))
            .into()
    }

    fn from_text(text: &str) -> Result<Self, Vec<Wrong>> {
        let parsed = text.parse::<NonZeroU32>().ok();
        parsed
            .filter(|rate| rate.get() <= FASTEST)
            .map(Self)
            .ok_or_else(|| {
                let message = format!("must be a whole number between 1 and {FASTEST}");
                Wrong::all("out-of-range", message)
            })
    }

    fn from_json(raw: &RawValue) -> Result<Self, Vec<Wrong>> {
        Self::from_text(raw.get())
    }
}

/// Numbers of dead letters.
#[derive(Debug, Clone)]
pub(super) struct Ids(pub(super) Vec<i64>);

fn id(text: &str) -> Result<i64, Vec<Wrong>> {
    let id = text.parse().ok().filter(|id| *id > 0);
    id.ok_or_else(|| Wrong::all("wrong-type", "must be a whole number above 0"))
}

impl Member for Ids {
    fn schema() -> RefOr<Schema> {
        let item = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(1));
        ArrayBuilder::new()
            .items(RefOr::T(Schema::Object(item.build())))
            .min_items(Some(1))
            .max_items(Some(MOST_IDS))
            .into()
    }

    fn from_text(text: &str) -> Result<Self, Vec<Wrong>> {
        id(text).map(|id| Self(vec![id]))
    }

    fn from_json(raw: &RawValue) -> Result<Self, Vec<Wrong>> {
        list(raw, MOST_IDS, |item| id(item.get())).map(Self)
    }
}

/// A record's value as JSON.
#[derive(Debug, Clone)]
pub(super) struct Payload(pub(super) Vec<u8>);

impl Member for Payload {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::Object)
            .additional_properties(Some(AdditionalProperties::FreeForm(true)))
            .into()
    }

    fn from_text(text: &str) -> Result<Self, Vec<Wrong>> {
        Ok(Self(text.as_bytes().to_vec()))
    }

    fn from_json(raw: &RawValue) -> Result<Self, Vec<Wrong>> {
        if raw.get().starts_with('{') {
            Self::from_text(raw.get())
        } else {
            Err(Wrong::all("wrong-type", "must be an object"))
        }
    }
}

/// Bytes in base64.
#[derive(Debug, Clone)]
pub(super) struct Bytes(pub(super) Vec<u8>);

impl Member for Bytes {
    fn schema() -> RefOr<Schema> {
        text().pattern(Some("^[A-Za-z0-9+/]*={0,2}$")).into()
    }

    fn from_text(text: &str) -> Result<Self, Vec<Wrong>> {
        let bytes = STANDARD.decode(text).map(Self);
        bytes.map_err(|_| Wrong::all("not-base64", "must be base64"))
    }
}

/// Headers of a record, by name.
#[derive(Debug, Clone)]
pub(super) struct HeaderTexts(pub(super) Vec<(String, Vec<u8>)>);

impl Member for HeaderTexts {
    fn schema() -> RefOr<Schema> {
        let value = RefOr::T(Schema::Object(text().build()));
        ObjectBuilder::new()
            .schema_type(Type::Object)
            .additional_properties(Some(value))
            .into()
    }

    fn from_text(_: &str) -> Result<Self, Vec<Wrong>> {
        Err(Wrong::all("wrong-type", "must be an object"))
    }

    fn from_json(raw: &RawValue) -> Result<Self, Vec<Wrong>> {
        let read: Result<std::collections::BTreeMap<String, String>, _> =
            serde_json::from_str(raw.get());
        let headers = read
            .map_err(|_| Wrong::all("wrong-type", "must be an object whose members are strings"))?;
        let headers = headers.into_iter();
        let headers = headers.map(|(name, value)| (name, value.into_bytes()));
        Ok(Self(headers.collect()))
    }
}
