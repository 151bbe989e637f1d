//! One subscription's settings.

use std::{collections::BTreeMap, num::NonZeroU32, time::Duration};

use adapters::{
    config::{self, ConfigError},
    partner::{TargetSettings, profile::ProfileSettings},
};
use domain::delivery::{Effect, Filter, Ordering, RetrySchedule, Rules};
use serde::Deserialize;

/// Statuses that a stock can have.
const STATUSES: [&str; 4] = ["AVAILABLE", "LOW_STOCK", "OUT_OF_STOCK", "DISCONTINUED"];

/// How events are delivered.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeliverySettings {
    pub(crate) concurrency: usize,
    rate: u32,
    pub(crate) max_batch: usize,
    pub(crate) queue: usize,
    #[serde(with = "humantime_serde")]
    pub(crate) claim_lease: Duration,
    retry: Vec<humantime_serde::Serde<Duration>>,
    #[serde(with = "humantime_serde")]
    pub(crate) retry_poll: Duration,
    #[serde(with = "humantime_serde")]
    pub(crate) backoff: Duration,
    pub(crate) breaker_failures: NonZeroU32,
    #[serde(with = "humantime_serde")]
    pub(crate) probe_every: Duration,
    #[serde(with = "humantime_serde")]
    pub(crate) state_poll: Duration,
}

/// Who is told of what.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SubscriptionSettings {
    pub(crate) enabled: bool,
    pub(crate) group: String,
    pub(crate) topics: Vec<String>,
    pub(crate) ordering: OrderingSetting,
    #[serde(default)]
    filter: FilterSettings,
    pub(crate) delivery: DeliverySettings,
    pub(crate) target: TargetSettings,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OrderingSetting {
    LatestState,
    EveryEvent,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct FilterSettings {
    operations: Vec<String>,
    statuses: Vec<String>,
    entered: Vec<String>,
    symbols: Vec<String>,
    currencies: Vec<String>,
    min_unit_price: Option<String>,
}

impl DeliverySettings {
    pub(super) fn check(&self, setting: &str) -> Result<(), ConfigError> {
        let named = |name: &str| format!("{setting}.{name}");
        for (name, value) in [
            ("concurrency", self.concurrency),
            ("max_batch", self.max_batch),
            ("queue", self.queue),
        ] {
            config::at_least(&named(name), value, 1)?;
        }
        for (name, value) in [
            ("retry_poll", self.retry_poll),
            ("backoff", self.backoff),
            ("probe_every", self.probe_every),
            ("state_poll", self.state_poll),
        ] {
            config::at_least(&named(name), value, Duration::from_millis(1))?;
        }
        self.schedule(setting).map(drop)
    }

    pub(crate) fn schedule(&self, setting: &str) -> Result<RetrySchedule, ConfigError> {
        let waits = self.retry.iter().map(|wait| **wait).collect();
        RetrySchedule::new(waits)
            .map_err(|error| ConfigError::invalid(&format!("{setting}.retry"), &error))
    }

    pub(crate) fn rate(&self) -> Option<NonZeroU32> {
        NonZeroU32::new(self.rate)
    }
}

impl SubscriptionSettings {
    pub(super) fn check(
        &self,
        setting: &str,
        profiles: &BTreeMap<String, ProfileSettings>,
    ) -> Result<(), ConfigError> {
        let named = |name: &str| format!("{setting}.{name}");
        let key = setting.rsplit('.').next().unwrap_or_default();
        let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        if !key.bytes().all(legal) || key.len() > 64 {
            let why = "must be named with at most 64 lower-case letters, digits and underscores";
            return Err(ConfigError::invalid(setting, &why));
        }
        if self.group.is_empty() {
            return Err(ConfigError::invalid(&named("group"), &"must not be empty"));
        }
        match (self.ordering, self.topics.as_slice()) {
            (_, []) => {
                return Err(ConfigError::invalid(
                    &named("topics"),
                    &"must name at least one topic",
                ));
            }
            (OrderingSetting::EveryEvent, [_, _, ..]) => {
                let why = "must name one topic, because ordering is every_event: \
                           events of several topics have no order among each other";
                return Err(ConfigError::invalid(&named("topics"), &why));
            }
            _ => {}
        }
        let legal = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        let illegal = |topic: &&String| topic.is_empty() || !topic.bytes().all(legal);
        if let Some(topic) = self.topics.iter().find(illegal) {
            let why = format!("names \"{topic}\", which no topic can be called");
            return Err(ConfigError::invalid(&named("topics"), &why));
        }
        let filter = self.filter(&named("filter"))?;
        self.delivery.check(&named("delivery"))?;
        let mut operations: Vec<&str> = Effect::OPERATIONS
            .into_iter()
            .filter(|operation| {
                let wanted = &filter.operations;
                wanted.is_empty() || wanted.iter().any(|one| one == operation)
            })
            .collect();
        if self.ordering == OrderingSetting::LatestState {
            operations.push(Effect::RESYNCHRONIZED);
        }
        let target = named("target");
        self.target.check(&target, profiles, &operations)?;
        if self.ordering == OrderingSetting::EveryEvent && self.target.creates(&target, profiles)? {
            let why = "must be latest_state, because the profile creates stocks";
            return Err(ConfigError::invalid(&named("ordering"), &why));
        }
        // A claim must outlive a quarter of itself, for the events of one delivery, four sixteenths, for the turns of the
        // last two calls, and these two calls.
        let lease = self.target.timeout() * 4;
        if !self.enabled {
            return Ok(());
        }
        config::at_least(
            &named("delivery.claim_lease"),
            self.delivery.claim_lease,
            lease,
        )
    }

    fn filter(&self, setting: &str) -> Result<Filter, ConfigError> {
        let settings = &self.filter;
        let known = |name: &str, values: &[String], all: &[&str]| match values
            .iter()
            .find(|value| !all.contains(&value.as_str()))
        {
            None => Ok(()),
            Some(value) => {
                let why = format!("knows no {value}, only {}", all.join(", "));
                Err(ConfigError::invalid(&format!("{setting}.{name}"), &why))
            }
        };
        known("operations", &settings.operations, &Effect::OPERATIONS)?;
        known("statuses", &settings.statuses, &STATUSES)?;
        known("entered", &settings.entered, &STATUSES)?;
        let price = settings.min_unit_price.as_ref().map(|text| text.parse());
        let min_unit_price = price.transpose().map_err(|_| {
            ConfigError::invalid(
                &format!("{setting}.min_unit_price"),
                &"must be a decimal number",
            )
        })?;
        Ok(Filter {
            operations: settings.operations.clone(),
            statuses: settings.statuses.clone(),
            entered: settings.entered.clone(),
            symbols: settings.symbols.clone(),
            currencies: settings.currencies.clone(),
            min_unit_price,
        })
    }

    /// Whether it is told of every change, as far as the settings show: it filters nothing, and reads more than the critical
    /// events.
    pub(crate) fn wants_all(&self) -> bool {
        let filter = &self.filter;
        let lists = [
            &filter.operations,
            &filter.statuses,
            &filter.entered,
            &filter.symbols,
            &filter.currencies,
        ];
        let audit = self.topics.iter().any(|topic| topic == "stock-audit-logs");
        lists.into_iter().all(Vec::is_empty)
            && filter.min_unit_price.is_none()
            && (audit || self.topics.len() > 1)
    }

    /// What it wants.
    pub(crate) fn rules(
        &self,
        setting: &str,
        profiles: &BTreeMap<String, ProfileSettings>,
    ) -> Result<Rules, ConfigError> {
        Ok(Rules {
            filter: self.filter(&format!("{setting}.filter"))?,
            ordering: match self.ordering {
                OrderingSetting::LatestState => Ordering::LatestState,
                OrderingSetting::EveryEvent => Ordering::EveryEvent,
            },
            creates: self
                .target
                .creates(&format!("{setting}.target"), profiles)?,
        })
    }
}
