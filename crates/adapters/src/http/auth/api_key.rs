//! Keys of machines. Only their hashes are in the settings.

use std::collections::HashMap;

use domain::stock::Actor;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::{Principal, Scope};
use crate::config::ConfigError;

/// A machine's key.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKeySettings {
    /// The machine's name, as the ledger shows it.
    pub name: String,
    /// SHA-256 of the key, in hexadecimal: `printf %s "$KEY" | sha256sum`. A key has to be long and random.
    pub sha256: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
}

/// Keys by their hash: a look-up says nothing about how far a wrong key is right.
pub(super) struct ApiKeys(HashMap<[u8; 32], Principal>);

impl ApiKeys {
    pub(super) fn new(settings: &[ApiKeySettings]) -> Result<Self, ConfigError> {
        let mut keys = HashMap::new();
        for key in settings {
            let setting = |member| format!("auth.api_keys \"{}\": {member}", key.name);
            let actor: Actor = key
                .name
                .parse()
                .map_err(|error| ConfigError::invalid(&setting("name"), &error))?;
            let hash = from_hex(&key.sha256).ok_or_else(|| {
                ConfigError::invalid(&setting("sha256"), &"must be 64 hexadecimal digits")
            })?;
            let principal = Principal {
                actor,
                scopes: key.scopes.iter().copied().collect(),
                until: None,
            };
            if keys.insert(hash, principal).is_some() {
                let why = "is the hash of another key too";
                return Err(ConfigError::invalid(&setting("sha256"), &why));
            }
        }
        Ok(Self(keys))
    }

    /// The names of the machines.
    pub(super) fn actors(&self) -> impl Iterator<Item = Actor> {
        self.0.values().map(|principal| principal.actor.clone())
    }

    pub(super) fn find(&self, key: &[u8]) -> Option<Principal> {
        let hash: [u8; 32] = Sha256::digest(key).into();
        self.0.get(&hash).cloned()
    }
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(bytes)
}
