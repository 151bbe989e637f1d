//! Signatures of the Standard Webhooks specification: a partner can tell that a call is ours, whole and fresh.

use base64::{Engine, engine::general_purpose::STANDARD};
use secrecy::ExposeSecret;
use serde::Deserialize;
use standardwebhooks::Webhook;

use crate::{config::ConfigError, partner::Secret};

/// Fewest bytes of a key (Standard Webhooks).
const LEAST_KEY: usize = 24;

/// What calls are signed with.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SignatureSettings {
    /// The secrets (`whsec_…`): one, or two while the partner changes from one to the other; none: calls are not signed.
    pub secrets: Vec<Secret>,
}

/// Signs calls.
pub(super) struct Signer(Vec<Webhook>);

impl SignatureSettings {
    /// A signer.
    ///
    /// # Errors
    /// [`ConfigError`] naming what is wrong below `setting`.
    pub(super) fn signer(&self, setting: &str) -> Result<Signer, ConfigError> {
        if self.secrets.len() > 2 {
            let setting = format!("{setting}.secrets");
            return Err(ConfigError::invalid(
                &setting,
                &"may name at most two secrets",
            ));
        }
        let webhook = |(index, secret): (usize, &Secret)| {
            let setting = format!("{setting}.secrets.{index}");
            let text = secret.read(&setting)?;
            let wrong = || {
                let why = "must hold whsec_ and a key of at least 24 bytes in base64";
                ConfigError::invalid(&setting, &why)
            };
            let key = text
                .expose_secret()
                .strip_prefix("whsec_")
                .ok_or_else(wrong)?;
            let key = STANDARD.decode(key).map_err(|_| wrong())?;
            if key.len() < LEAST_KEY {
                return Err(wrong());
            }
            Webhook::from_bytes(key).map_err(|_| wrong())
        };
        let webhooks = self.secrets.iter().enumerate().map(webhook);
        Ok(Signer(webhooks.collect::<Result<_, _>>()?))
    }
}

impl Signer {
    /// The headers of a call with this id and body, sent at this second since 1970.
    pub(super) fn headers(&self, id: &str, at: i64, body: &[u8]) -> Vec<(&'static str, String)> {
        let signatures = self
            .0
            .iter()
            .filter_map(|secret| secret.sign(id, at, body).ok());
        let signatures: Vec<String> = signatures.collect();
        if signatures.is_empty() {
            return Vec::new();
        }
        vec![
            ("webhook-id", id.to_owned()),
            ("webhook-timestamp", at.to_string()),
            ("webhook-signature", signatures.join(" ")),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_carries_a_signature_for_each_live_secret() {
        let old = Webhook::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let new = Webhook::new("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD").unwrap();
        let signer = Signer(vec![old, new]);

        let headers = signer.headers(
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
        );

        // The example of the specification's reference implementation.
        let expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE= v1,";
        assert!(headers[2].1.starts_with(expected), "{headers:?}");
        assert_eq!(headers[2].1.split(' ').count(), 2);
    }
}
