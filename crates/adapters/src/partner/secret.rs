//! Secrets come from files or from the environment, never from the settings themselves.

use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

use crate::config::ConfigError;

/// Where a secret is: in a file or in a variable of the environment. Where both are named, the file counts: settings that
/// override others can only add to them.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(try_from = "SecretForm")]
pub struct Secret {
    /// In this file; a line end behind it does not belong to it.
    pub file: Option<PathBuf>,
    /// In this variable of the environment.
    pub env: Option<String>,
}

/// What stands where a secret should be named.
#[derive(Deserialize)]
#[serde(untagged)]
enum SecretForm {
    Named(SecretPlace),
    /// Perhaps the secret itself: no error may repeat it.
    Other(serde::de::IgnoredAny),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SecretPlace {
    file: Option<PathBuf>,
    env: Option<String>,
}

impl TryFrom<SecretForm> for Secret {
    type Error = &'static str;

    fn try_from(form: SecretForm) -> Result<Self, Self::Error> {
        match form {
            SecretForm::Named(SecretPlace { file, env }) => Ok(Self { file, env }),
            SecretForm::Other(_) => {
                Err("a secret has to be named, as { env = \"VARIABLE\" } or { file = \"PATH\" }")
            }
        }
    }
}

impl Secret {
    /// Reads it.
    ///
    /// # Errors
    /// [`ConfigError`] naming the setting, and never what it holds.
    pub fn read(&self, setting: &str) -> Result<SecretString, ConfigError> {
        let read = match (&self.file, &self.env) {
            (Some(path), _) => std::fs::read_to_string(path)
                .map_err(|error| format!("names the file {}: {error}", path.display())),
            (None, Some(variable)) => std::env::var(variable)
                .map_err(|_| format!("names the variable {variable}, which is not set")),
            (None, None) => Err("must name a file or a variable (env)".to_owned()),
        };
        let text = read.map_err(|why| ConfigError::invalid(setting, &why))?;
        let text = text.trim_end_matches(['\r', '\n']);
        if text.is_empty() {
            return Err(ConfigError::invalid(setting, &"names an empty secret"));
        }
        Ok(text.to_owned().into())
    }
}

/// A URL, which may be a secret as a whole.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum UrlSource {
    /// It is none.
    Plain(Url),
    /// It is one.
    Secret(Secret),
}

impl UrlSource {
    /// Reads it.
    ///
    /// # Errors
    /// [`ConfigError`] naming the setting.
    pub fn read(&self, setting: &str) -> Result<Url, ConfigError> {
        match self {
            Self::Plain(url) => Ok(url.clone()),
            Self::Secret(secret) => {
                let text = secret.read(setting)?;
                let parsed = Url::parse(text.expose_secret());
                parsed.map_err(|error| {
                    ConfigError::invalid(setting, &format!("does not hold a URL: {error}"))
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_secret_is_named_by_its_setting() {
        let variable = Secret {
            env: Some("NO_SUCH_VARIABLE_AT_ALL".to_owned()),
            ..Secret::default()
        };
        let file = Secret {
            file: Some("/no/such/file".into()),
            ..variable.clone()
        };

        for (secret, named) in [
            (variable, "NO_SUCH_VARIABLE_AT_ALL"),
            (file, "/no/such/file"),
            (Secret::default(), "must name"),
        ] {
            let error = secret.read("x.token").unwrap_err().to_string();
            assert!(
                error.contains("x.token") && error.contains(named),
                "{error}"
            );
        }
    }

    #[test]
    fn a_secret_that_stands_in_the_settings_is_refused_and_not_repeated() {
        let read = |text: &str| toml_value::<Secret>(text);

        for text in ["\"s3cr3t\"", "7", "{env = \"A\", value = \"s3cr3t\"}"] {
            let error = read(text).unwrap_err();
            assert!(
                error.contains("has to be named") && !error.contains("s3cr3t"),
                "{error}"
            );
        }
        assert_eq!(read("{env = \"A\"}").unwrap().env.as_deref(), Some("A"));
    }

    fn toml_value<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, String> {
        use figment::providers::Format;
        let toml = figment::providers::Toml::string(&format!("value = {text}"));
        let read = figment::Figment::from(toml).extract_inner("value");
        read.map_err(|error| error.to_string())
    }
}
