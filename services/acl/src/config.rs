//! The service's settings, checked before anything connects.

use std::{path::Path, time::Duration};

use adapters::{
    config::{self, ConfigError},
    http::HttpSettings,
    kafka::{KafkaSettings, TopicSpec},
    partner::PartnerSettings,
    postgres::DatabaseSettings,
    telemetry::LogSettings,
};
use domain::delivery::RetrySchedule;
use serde::Deserialize;

const DEFAULT: &str = include_str!("../config.default.toml");
const PREFIX: &str = "ACL__";

/// All settings; `config.default.toml` describes them.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) http: HttpSettings,
    pub(crate) management: HttpSettings,
    pub(crate) database: DatabaseSettings,
    pub(crate) kafka: KafkaSettings,
    topics: Topics,
    pub(crate) subscription: Subscription,
    pub(crate) partner: PartnerSettings,
    pub(crate) shutdown: Shutdown,
    pub(crate) log: LogSettings,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Topics {
    prefix: String,
    sources: Vec<String>,
    retry: TopicSpec,
    dead_letter: TopicSpec,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Subscription {
    pub(crate) name: String,
    pub(crate) group: String,
    pub(crate) concurrency: usize,
    pub(crate) max_batch: usize,
    pub(crate) queue: usize,
    #[serde(with = "humantime_serde")]
    pub(crate) claim_lease: Duration,
    retry: Vec<humantime_serde::Serde<Duration>>,
    #[serde(with = "humantime_serde")]
    pub(crate) retry_poll: Duration,
    #[serde(with = "humantime_serde")]
    pub(crate) backoff: Duration,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Shutdown {
    #[serde(with = "humantime_serde")]
    pub(crate) drain: Duration,
}

impl Config {
    /// Reads and checks the settings.
    pub(crate) fn read(file: Option<&Path>) -> Result<Self, ConfigError> {
        let config: Self = config::load(DEFAULT, file, PREFIX)?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let subscription = &self.subscription;
        let millisecond = Duration::from_millis(1);
        config::at_least("subscription.concurrency", subscription.concurrency, 1)?;
        config::at_least("subscription.max_batch", subscription.max_batch, 1)?;
        config::at_least("subscription.queue", subscription.queue, 1)?;
        config::at_least(
            "subscription.retry_poll",
            subscription.retry_poll,
            millisecond,
        )?;
        config::at_least("subscription.backoff", subscription.backoff, millisecond)?;
        config::at_least("partner.timeout", self.partner.timeout, millisecond)?;
        // A claim must outlive a quarter of itself, for the events of one delivery, and the two calls of the last one.
        let lease = self.partner.timeout * 4;
        config::at_least("subscription.claim_lease", subscription.claim_lease, lease)?;
        // What is under way when the service stops, or when partitions move, must be able to end.
        let calls = self.partner.timeout * 2;
        config::at_least("shutdown.drain", self.shutdown.drain, calls)?;
        config::at_least("database.max_connections", self.database.max_connections, 4)?;
        if self.topics.sources.is_empty() {
            return Err(ConfigError::invalid(
                "topics.sources",
                &"must name at least one topic",
            ));
        }
        for spec in self.own_topics() {
            config::topic(&spec)?;
        }
        self.schedule().map(drop)
    }

    /// The service's own topics, by their whole names.
    pub(crate) fn own_topics(&self) -> Vec<TopicSpec> {
        let specs = [&self.topics.retry, &self.topics.dead_letter];
        specs
            .map(|spec| spec.with_prefix(&self.topics.prefix))
            .into()
    }

    pub(crate) fn retry_topic(&self) -> String {
        self.topics.retry.with_prefix(&self.topics.prefix).name
    }

    pub(crate) fn dead_letter_topic(&self) -> String {
        self.topics
            .dead_letter
            .with_prefix(&self.topics.prefix)
            .name
    }

    /// The topics to read.
    pub(crate) fn sources(&self) -> Vec<String> {
        let prefix = &self.topics.prefix;
        let sources = self
            .topics
            .sources
            .iter()
            .map(|name| format!("{prefix}{name}"));
        sources.chain([self.retry_topic()]).collect()
    }

    pub(crate) fn schedule(&self) -> Result<RetrySchedule, ConfigError> {
        let waits = self.subscription.retry.iter().map(|wait| **wait).collect();
        RetrySchedule::new(waits)
            .map_err(|error| ConfigError::invalid("subscription.retry", &error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(change: (&str, &str)) -> Result<(), String> {
        assert!(DEFAULT.contains(change.0), "{}", change.0);
        let text = DEFAULT.replacen(change.0, change.1, 1);
        let config: Config =
            config::load(&text, None, "UNSET__").map_err(|error| error.to_string())?;
        config.check().map_err(|error| error.to_string())
    }

    #[test]
    fn the_shipped_default_is_valid() {
        assert_eq!(with(("", "")), Ok(()));
    }

    #[test]
    fn a_wrong_setting_is_named() {
        for (from, to, named) in [
            (
                "concurrency = 64",
                "concurrency = 0",
                "subscription.concurrency",
            ),
            (
                "concurrency = 64",
                "concurrency = -1",
                "subscription.concurrency",
            ),
            (
                "claim_lease = \"30s\"",
                "claim_lease = \"19s\"",
                "subscription.claim_lease",
            ),
            ("\"1s\", \"5s\"", "\"1 sec later\"", "subscription.retry"),
            (
                "base_url = \"http://127.0.0.1:9090\"",
                "base_url = \"partner\"",
                "partner.base_url",
            ),
            ("drain = \"15s\"", "drain = \"9s\"", "shutdown.drain"),
            ("partitions = 3", "partitions = 0", "stock-retry-topic"),
            ("group = ", "groups = ", "subscription.groups"),
        ] {
            let error = with((from, to)).expect_err(to);
            assert!(error.contains(named), "{to}: {error}");
        }
    }
}
