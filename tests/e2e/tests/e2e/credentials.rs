//! Settings that ask for credentials.

use std::fmt::Write;

use rand::distr::{Alphanumeric, SampleString};
use sha2::{Digest, Sha256};

/// Settings of the stock service, by the names of their variables.
pub(crate) struct Settings(Vec<(&'static str, String)>);

impl Settings {
    pub(crate) fn as_pairs(&self) -> Vec<(&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect()
    }
}

/// A machine's key with these scopes, and the settings that make it known.
pub(crate) fn machine(scopes: &[&str]) -> (String, Settings) {
    let key = Alphanumeric.sample_string(&mut rand::rng(), 40);
    let settings = Settings(vec![
        ("VIRTUAL_STOCK__AUTH__MODE", "required".to_owned()),
        (
            "VIRTUAL_STOCK__AUTH__API_KEYS",
            known(&[("machine", &key, scopes)]),
        ),
    ]);
    (key, settings)
}

/// The setting that makes these keys known: names, keys and scopes.
pub(crate) fn known(keys: &[(&str, &str, &[&str])]) -> String {
    let keys = keys.iter().map(|(name, key, scopes)| {
        let mut hash = String::new();
        for byte in Sha256::digest(key.as_bytes()) {
            write!(hash, "{byte:02x}").unwrap();
        }
        format!("{{name=\"{name}\", sha256=\"{hash}\", scopes={scopes:?}}}")
    });
    format!("[{}]", keys.collect::<Vec<_>>().join(", "))
}
