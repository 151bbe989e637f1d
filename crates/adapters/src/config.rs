//! Configuration: a commented default inside the binary, then a file, then the environment.

use std::time::Duration;

use figment::{
    Figment,
    providers::{Env, Format, Serialized, Toml},
};
use serde::de::DeserializeOwned;

use crate::kafka::TopicSpec;

/// A setting is missing, unknown or wrong; the message names it and where it came from.
#[derive(Debug, thiserror::Error)]
#[error("configuration: {0}")]
pub struct ConfigError(String);

impl ConfigError {
    /// A value that has the right type and still cannot be.
    #[must_use]
    pub fn invalid(setting: &str, why: &dyn std::fmt::Display) -> Self {
        Self(format!("{setting} {why}"))
    }
}

/// The setting is not below its least value.
///
/// # Errors
/// [`ConfigError`] naming it.
pub fn at_least<T: PartialOrd + Copy + std::fmt::Debug>(
    setting: &str,
    value: T,
    least: T,
) -> Result<(), ConfigError> {
    if value >= least {
        return Ok(());
    }
    Err(ConfigError::invalid(
        setting,
        &format!("must be at least {least:?}, not {value:?}"),
    ))
}

/// The setting is not above its greatest value.
///
/// # Errors
/// [`ConfigError`] naming it.
pub fn at_most<T: PartialOrd + Copy + std::fmt::Debug>(
    setting: &str,
    value: T,
    most: T,
) -> Result<(), ConfigError> {
    if value <= most {
        return Ok(());
    }
    Err(ConfigError::invalid(
        setting,
        &format!("must be at most {most:?}, not {value:?}"),
    ))
}

/// The things that a list of names means.
///
/// # Errors
/// [`ConfigError`] naming the setting and the name that means nothing.
pub fn named<T: Copy>(
    setting: &str,
    names: &[String],
    known: &[(&str, T)],
) -> Result<Vec<T>, ConfigError> {
    let find = |name: &String| {
        let found = known.iter().find(|(known, _)| known == name);
        found.map(|(_, thing)| *thing).ok_or_else(|| {
            let all: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
            ConfigError::invalid(
                setting,
                &format!("knows no {name}, only {}", all.join(", ")),
            )
        })
    };
    names.iter().map(find).collect()
}

/// The topic can exist.
///
/// # Errors
/// [`ConfigError`] naming it.
pub fn topic(spec: &TopicSpec) -> Result<(), ConfigError> {
    let name = &spec.name;
    let setting = |member| format!("topic \"{name}\": {member}");
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    if name.is_empty() || name.len() > 249 || !name.bytes().all(legal) {
        let why = "must be 1 to 249 letters, digits, dots, underscores and hyphens";
        return Err(ConfigError::invalid(&setting("name"), &why));
    }
    at_least(&setting("partitions"), spec.partitions, 1)?;
    at_least(&setting("replication"), spec.replication, 1)?;
    at_least(
        &setting("retention"),
        spec.retention,
        Duration::from_secs(1),
    )
}

/// A table whose settings are those of every entry of another one, as far as the entry does not say otherwise.
#[derive(Debug, Clone, Copy)]
pub struct Inherited {
    /// The table; the entries have one of the same name.
    pub from: &'static str,
    /// The table of the entries.
    pub entries: &'static str,
}

/// Reads the settings of a service: `default` is its default file's text, `file` the path of one that overrides it, and
/// `prefix` the start of the environment's variables (`VIRTUAL_STOCK__HTTP__LISTEN` sets `http.listen`).
///
/// # Errors
/// [`ConfigError`] naming the setting.
pub fn load<T: DeserializeOwned>(
    default: &str,
    file: Option<&std::path::Path>,
    prefix: &str,
    inherited: Option<Inherited>,
) -> Result<T, ConfigError> {
    let mut settings = Figment::from(Toml::string(default));
    if let Some(file) = file {
        if !file.is_file() {
            return Err(ConfigError(format!("there is no file {}", file.display())));
        }
        settings = settings.merge(Toml::file_exact(file));
    }
    settings = settings.merge(Env::prefixed(prefix).split("__"));
    if let Some(inherited) = inherited {
        settings = inherit(settings, inherited);
    }
    settings
        .extract()
        .map_err(|errors| ConfigError(describe(errors, prefix)))
}

/// A table that is missing is named when the settings are read.
fn inherit(mut settings: Figment, inherited: Inherited) -> Figment {
    let Inherited { from, entries } = inherited;
    let found = (settings.find_value(from), settings.find_value(entries));
    let (Ok(common), Ok(found)) = found else {
        return settings;
    };
    for name in found
        .as_dict()
        .into_iter()
        .flat_map(|entries| entries.keys())
    {
        let entry = format!("{entries}.{name}.{from}");
        settings = settings.join(Serialized::default(&entry, &common));
    }
    settings
}

/// One line per wrong setting.
fn describe(errors: figment::Error, prefix: &str) -> String {
    let lines = errors.into_iter().map(|error| {
        let setting = error.path.join(".");
        let variable = format!("{prefix}{}", error.path.join("__").to_uppercase());
        let from = error
            .metadata
            .as_ref()
            .map_or_else(|| "the settings".to_owned(), |m| m.name.to_string());
        format!("{setting} ({variable}): {} (from {from})", error.kind)
    });
    lines.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Settings {
        http: Http,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Http {
        port: u16,
        #[serde(with = "humantime_serde")]
        timeout: Duration,
    }

    const DEFAULT: &str = "[http]\nport = 8080\ntimeout = \"5s\"\n";

    #[test]
    fn a_wrong_setting_is_named_with_its_variable() {
        let settings: Settings = load(DEFAULT, None, "UNSET__", None).unwrap();
        let wrong = load::<Settings>(&DEFAULT.replace("8080", "\"x\""), None, "UNSET__", None);
        let unknown = load::<Settings>(&DEFAULT.replace("port", "prot"), None, "UNSET__", None);
        let no_file = load::<Settings>(DEFAULT, Some("none.toml".as_ref()), "UNSET__", None);

        assert_eq!(
            (settings.http.port, settings.http.timeout.as_secs()),
            (8080, 5)
        );
        let wrong = wrong.unwrap_err().to_string();
        assert!(wrong.contains("http.port (UNSET__HTTP__PORT)"), "{wrong}");
        let unknown = unknown.unwrap_err().to_string();
        assert!(unknown.contains("http.prot"), "{unknown}");
        let no_file = no_file.unwrap_err().to_string();
        assert!(no_file.contains("none.toml"), "{no_file}");
    }

    #[test]
    fn entries_inherit_what_they_do_not_say() {
        #[derive(Debug, Deserialize)]
        struct Entries {
            many: std::collections::BTreeMap<String, Entry>,
        }
        #[derive(Debug, Deserialize)]
        struct Entry {
            common: Http,
        }
        let text = "[common]\nport = 1\ntimeout = \"5s\"\n[many.a]\n[many.b.common]\nport = 2\n";
        let inherited = Inherited {
            from: "common",
            entries: "many",
        };

        let read: Entries = load(text, None, "UNSET__", Some(inherited)).unwrap();

        let ports = read.many.values().map(|entry| entry.common.port);
        assert_eq!(ports.collect::<Vec<_>>(), [1, 2]);
    }
}
