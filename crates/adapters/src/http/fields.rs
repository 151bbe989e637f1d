//! Reads a JSON body member by member, so that every wrong one is named at once and no number is rounded.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::http::member::{Member, Wrong};

/// The members of a JSON object that were not read yet, and what is wrong with the others.
pub(super) struct Fields<'a> {
    members: BTreeMap<String, &'a RawValue>,
    errors: Vec<Wrong>,
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
    ///
    /// # Errors
    /// Says what is wrong with the JSON.
    pub(super) fn parse(body: &'a [u8]) -> Result<Self, serde_json::Error> {
        let members: Members<'a> = serde_json::from_slice(body)?;
        Ok(Self {
            members: members.0,
            errors: Vec::new(),
        })
    }

    /// Whether the member is there and not null.
    pub(super) fn has(&self, name: &str) -> bool {
        self.members
            .get(name)
            .is_some_and(|raw| raw.get() != "null")
    }

    /// What is wrong so far.
    pub(super) fn into_errors(self) -> Vec<Wrong> {
        self.errors
    }

    /// A member that has to be there.
    pub(super) fn required<T: Member>(&mut self, name: &str) -> Option<T> {
        if self.has(name) {
            return self.given(name);
        }
        self.members.remove(name);
        self.fail(name, Wrong::all("required", "is required"));
        None
    }

    /// A member that may be missing or null.
    pub(super) fn optional<T: Member>(&mut self, name: &str) -> Option<T> {
        if !self.has(name) {
            self.members.remove(name);
        }
        self.given(name)
    }

    /// A member that may be missing, but not null.
    pub(super) fn given<T: Member>(&mut self, name: &str) -> Option<T> {
        let raw = self.members.remove(name)?;
        match T::from_json(raw) {
            Ok(value) => Some(value),
            Err(errors) => {
                self.fail(name, errors);
                None
            }
        }
    }

    /// What was read, if nothing is wrong with any member and none is left over.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub(super) fn finish<T>(mut self, read: Option<T>) -> Result<T, Vec<Wrong>> {
        for name in std::mem::take(&mut self.members).into_keys() {
            self.fail(&name, Wrong::all("unknown-member", "is not known here"));
        }
        match read {
            Some(read) if self.errors.is_empty() => Ok(read),
            _ => Err(self.errors),
        }
    }

    fn fail(&mut self, name: &str, errors: Vec<Wrong>) {
        let errors = errors.into_iter().map(|error| error.within(name));
        self.errors.extend(errors);
    }
}

#[cfg(test)]
mod tests {
    use domain::stock::{Price, ProductName, Quantity};

    use super::*;

    fn errors(body: &str) -> Vec<(String, String)> {
        let mut fields = Fields::parse(body.as_bytes()).unwrap();
        let price = fields.required::<Price>("price");
        let quantity = fields.required::<Quantity>("quantity");
        let name = fields.optional::<ProductName>("productName");
        let read = price.zip(quantity).map(|read| (read, name));
        let errors = fields.finish(read).err().unwrap_or_default();
        let pair = |error: Wrong| (error.pointer, error.code);
        errors.into_iter().map(pair).collect()
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
