//! Reads a JSON body member by member, so that every wrong one is named at once and no number is rounded.

use std::{collections::BTreeMap, fmt, str::FromStr};

use domain::{
    InvalidValue,
    stock::{
        Currency, PositiveQuantity, Price, ProductId, ProductName, Quantity, Reason, Reference,
        StockId, Symbol,
    },
};
use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::http::{FieldError, Problem};

/// The members of a JSON object that were not read yet, and what is wrong with the others.
pub(super) struct Fields<'a> {
    members: BTreeMap<String, &'a RawValue>,
    errors: Vec<FieldError>,
}

/// An object, each name once.
struct Members<'a>(BTreeMap<String, &'a RawValue>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = BTreeMap::new();
                while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
                    if members.contains_key(&name) {
                        return Err(A::Error::custom(format!("member {name} is there twice")));
                    }
                    members.insert(name, value);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

impl<'a> Fields<'a> {
    /// The members of a JSON object.
    pub(super) fn parse(body: &'a [u8]) -> Result<Self, Problem> {
        let members: Members<'a> = serde_json::from_slice(body).map_err(|error| {
            Problem::malformed(format!("The body is not usable JSON: {error}."))
        })?;
        Ok(Self {
            members: members.0,
            errors: Vec::new(),
        })
    }

    /// A member that has to be there.
    pub(super) fn required<T: FromJson>(&mut self, name: &str) -> Option<T> {
        let wrong_so_far = self.errors.len();
        let value = self.optional(name);
        if value.is_none() && self.errors.len() == wrong_so_far {
            self.fail(name, "required", "is required".to_owned());
        }
        value
    }

    /// A member that may be missing or null.
    pub(super) fn optional<T: FromJson>(&mut self, name: &str) -> Option<T> {
        let raw = self.members.remove(name)?;
        if raw.get() == "null" {
            return None;
        }
        match T::from_json(raw) {
            Ok(value) => Some(value),
            Err((code, message)) => {
                self.fail(name, code, message);
                None
            }
        }
    }

    /// What was read, if nothing is wrong with any member and none is left over.
    pub(super) fn finish<T>(mut self, read: Option<T>) -> Result<T, Problem> {
        for name in std::mem::take(&mut self.members).into_keys() {
            self.fail(&name, "unknown-member", "is not known here".to_owned());
        }
        match read {
            Some(read) if self.errors.is_empty() => Ok(read),
            _ => Err(Problem::validation(self.errors)),
        }
    }

    fn fail(&mut self, name: &str, code: &str, message: String) {
        // RFC 6901: ~ and / are escaped.
        let escaped = name.replace('~', "~0").replace('/', "~1");
        self.errors.push(FieldError {
            pointer: format!("/{escaped}"),
            code: code.to_owned(),
            message,
        });
    }
}

/// Code and message of what is wrong with a value.
type Wrong = (&'static str, String);

/// A value that can be read from JSON.
pub(super) trait FromJson: Sized {
    fn from_json(raw: &RawValue) -> Result<Self, Wrong>;
}

fn invalid(error: &InvalidValue) -> Wrong {
    (error.code(), error.to_string())
}

fn text<T: FromStr<Err = InvalidValue>>(raw: &RawValue) -> Result<T, Wrong> {
    let text: String = serde_json::from_str(raw.get())
        .map_err(|_| ("wrong-type", "must be a string".to_owned()))?;
    text.parse().map_err(|error| invalid(&error))
}

fn units<T: TryFrom<u64, Error = InvalidValue>>(raw: &RawValue) -> Result<T, Wrong> {
    let units = match serde_json::from_str::<i128>(raw.get()) {
        // What is too large or negative is out of range like any other.
        Ok(number) => u64::try_from(number).unwrap_or(u64::MAX),
        Err(_) => return Err(("wrong-type", "must be a whole number".to_owned())),
    };
    T::try_from(units).map_err(|error| invalid(&error))
}

macro_rules! from_json {
    ($read:ident: $($value:ty),+) => {
        $(impl FromJson for $value {
            fn from_json(raw: &RawValue) -> Result<Self, Wrong> {
                $read(raw)
            }
        })+
    };
}

from_json!(text: Currency, ProductId, ProductName, Reason, Reference, StockId, Symbol);
from_json!(units: Quantity, PositiveQuantity);

impl FromJson for Price {
    /// A string or a number; the number's text is read, so that it is never rounded.
    fn from_json(raw: &RawValue) -> Result<Self, Wrong> {
        let text = if raw.get().starts_with('"') {
            serde_json::from_str(raw.get()).unwrap_or_default()
        } else {
            raw.get().to_owned()
        };
        text.parse().map_err(|error| invalid(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(body: &str) -> Vec<(String, String)> {
        let mut fields = Fields::parse(body.as_bytes()).unwrap();
        let price = fields.required::<Price>("price");
        let quantity = fields.required::<Quantity>("quantity");
        let name = fields.optional::<ProductName>("productName");
        let read = price.zip(quantity).map(|read| (read, name));
        let Err(problem) = fields.finish(read) else {
            return Vec::new();
        };
        let body = problem_body(problem);
        let errors = body["errors"].as_array().unwrap();
        let pair = |error: &serde_json::Value| {
            let text = |name: &str| error[name].as_str().unwrap().to_owned();
            (text("pointer"), text("code"))
        };
        errors.iter().map(pair).collect()
    }

    fn problem_body(problem: Problem) -> serde_json::Value {
        use http_body_util::BodyExt;
        let body = problem.render("r").into_body().collect();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let bytes = runtime.block_on(body).unwrap().to_bytes();
        serde_json::from_slice(&bytes).unwrap()
    }

    #[test]
    fn prices_are_strings_or_numbers_and_are_never_rounded() {
        for good in [r#""150.00""#, "150.00", "150", "1.5e2", "0.0001"] {
            let body = format!(r#"{{"price": {good}, "quantity": 1}}"#);
            assert_eq!(errors(&body), [], "{good}");
        }
        for (bad, code) in [
            ("123456789.00000000001", "too-many-decimals"),
            ("-1", "out-of-range"),
            ("true", "not-a-number"),
            (r#""""#, "not-a-number"),
            ("{}", "not-a-number"),
        ] {
            let body = format!(r#"{{"price": {bad}, "quantity": 1}}"#);
            assert_eq!(
                errors(&body),
                [("/price".to_owned(), code.to_owned())],
                "{bad}"
            );
        }
    }

    #[test]
    fn every_wrong_member_is_named_at_once() {
        let body = r#"{"quantity": -5, "productName": 7, "colour/red": 1}"#;

        let named = errors(body);

        let expected = [
            ("/price", "required"),
            ("/quantity", "out-of-range"),
            ("/productName", "wrong-type"),
            ("/colour~1red", "unknown-member"),
        ];
        assert_eq!(named, expected.map(|(p, c)| (p.to_owned(), c.to_owned())));
    }

    #[test]
    fn quantities_are_whole_and_bounded() {
        for (bad, code) in [
            ("1.5", "wrong-type"),
            (r#""7""#, "wrong-type"),
            ("1000000000000001", "out-of-range"),
            ("99999999999999999999999999", "out-of-range"),
        ] {
            let body = format!(r#"{{"price": 1, "quantity": {bad}}}"#);
            assert_eq!(
                errors(&body),
                [("/quantity".to_owned(), code.to_owned())],
                "{bad}"
            );
        }
    }

    #[test]
    fn what_is_no_object_is_malformed() {
        for bad in ["", "[]", "nonsense", r#"{"a": 1, "a": 2}"#, "\u{0}"] {
            assert!(Fields::parse(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }
}
