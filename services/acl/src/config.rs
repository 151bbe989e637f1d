//! The service's settings, checked before anything connects.

mod subscription;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, path::Path, time::Duration};

use adapters::{
    config::{self, ConfigError, Inherited},
    http::{AuthSettings, HttpSettings, RateLimitSettings},
    kafka::{KafkaSettings, TopicSpec},
    partner::profile::ProfileSettings,
    postgres::DatabaseSettings,
    telemetry::{LogSettings, TraceSettings},
    verify::VerifySettings,
};
use serde::Deserialize;

pub(crate) use subscription::{DeliverySettings, OrderingSetting, SubscriptionSettings};

const DEFAULT: &str = include_str!("../config.default.toml");
const PREFIX: &str = "ACL__";
/// Every subscription delivers as the common settings say, but for what it says itself.
const INHERITED: Inherited = Inherited {
    from: "delivery",
    entries: "subscriptions",
};

/// All settings; `config.default.toml` describes them.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) http: HttpSettings,
    pub(crate) limits: Limits,
    pub(crate) rate_limit: RateLimitSettings,
    pub(crate) auth: AuthSettings,
    pub(crate) management: HttpSettings,
    pub(crate) database: DatabaseSettings,
    pub(crate) kafka: KafkaSettings,
    topics: Topics,
    delivery: DeliverySettings,
    pub(crate) profiles: BTreeMap<String, ProfileSettings>,
    subscriptions: BTreeMap<String, SubscriptionSettings>,
    pub(crate) verify: VerifySettings,
    pub(crate) shutdown: Shutdown,
    pub(crate) traces: TraceSettings,
    pub(crate) log: LogSettings,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Limits {
    pub(crate) in_flight: usize,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Topics {
    prefix: String,
    retry: TopicSpec,
    dead_letter: TopicSpec,
    clock: TopicSpec,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Shutdown {
    #[serde(with = "humantime_serde")]
    pub(crate) drain: Duration,
}

/// A subscription, by the names that it has everywhere.
pub(crate) struct Named<'a> {
    /// In tables, metrics, logs and the REST API.
    pub(crate) name: String,
    /// Where its settings are.
    pub(crate) setting: String,
    pub(crate) settings: &'a SubscriptionSettings,
}

impl Config {
    /// Reads and checks the settings.
    pub(crate) fn read(file: Option<&Path>) -> Result<Self, ConfigError> {
        let config: Self = config::load(DEFAULT, file, PREFIX, Some(INHERITED))?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), ConfigError> {
        self.auth.check(self.http.listen)?;
        self.traces.check()?;
        config::at_least("limits.in_flight", self.limits.in_flight, 1)?;
        config::at_least("database.max_connections", self.database.max_connections, 4)?;
        for spec in self.own_topics() {
            config::topic(&spec)?;
        }
        self.delivery.check("delivery")?;
        let mut groups = BTreeMap::new();
        for named in self.subscriptions() {
            named.settings.check(&named.setting, &self.profiles)?;
            // What is under way when the service stops, or when partitions move, must be able to end.
            let calls = named.settings.target.timeout() * 2;
            if named.settings.enabled {
                config::at_least("shutdown.drain", self.shutdown.drain, calls)?;
            }
            let group = &named.settings.group;
            if let Some(other) = groups.insert(group, named.name) {
                let why =
                    format!("is the group of {other}, too: each would miss what the other reads");
                return Err(ConfigError::invalid(
                    &format!("{}.group", named.setting),
                    &why,
                ));
            }
        }
        if self.enabled().next().is_none() {
            return Err(ConfigError::invalid("subscriptions", &"are all disabled"));
        }
        Ok(())
    }

    /// All subscriptions.
    pub(crate) fn subscriptions(&self) -> impl Iterator<Item = Named<'_>> {
        self.subscriptions.iter().map(|(key, settings)| Named {
            name: key.replace('_', "-"),
            setting: format!("subscriptions.{key}"),
            settings,
        })
    }

    /// Those that are to work.
    pub(crate) fn enabled(&self) -> impl Iterator<Item = Named<'_>> {
        self.subscriptions().filter(|named| named.settings.enabled)
    }

    /// A topic or a group, by its whole name.
    pub(crate) fn prefixed(&self, name: &str) -> String {
        format!("{}{name}", self.topics.prefix)
    }

    /// What a subscription reads, by whole names: what is due again has waited longest.
    pub(crate) fn topics_of(&self, settings: &SubscriptionSettings) -> Vec<String> {
        let topics = settings.topics.iter().map(|topic| self.prefixed(topic));
        [self.retry_topic()].into_iter().chain(topics).collect()
    }

    /// The service's own topics, by their whole names.
    pub(crate) fn own_topics(&self) -> Vec<TopicSpec> {
        let topics = &self.topics;
        let clock = topics.clock.with_brokers_time();
        let specs = [&topics.retry, &topics.dead_letter, &clock];
        specs.map(|spec| spec.with_prefix(&topics.prefix)).into()
    }

    pub(crate) fn retry_topic(&self) -> String {
        self.prefixed(&self.topics.retry.name)
    }

    pub(crate) fn dead_letter_topic(&self) -> String {
        self.prefixed(&self.topics.dead_letter.name)
    }
}
