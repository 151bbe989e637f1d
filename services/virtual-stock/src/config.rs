//! The service's settings, checked before anything connects.

use std::{path::Path, time::Duration};

use adapters::{
    config::{self, ConfigError},
    contract::TopicNames,
    http::{AuthSettings, HttpSettings, LimitSettings, RateLimitSettings, StockDefaults},
    kafka::{KafkaSettings, TopicSpec},
    postgres::DatabaseSettings,
    telemetry::{LogSettings, TraceSettings},
    verify::VerifySettings,
};
use domain::stock::{Condition, Currency, Operation, Price, RoutingTable, Rule, Status, Stream};
use serde::Deserialize;

const DEFAULT: &str = include_str!("../config.default.toml");
const PREFIX: &str = "VIRTUAL_STOCK__";
/// The longest time of a hold that can be configured: a year.
const LONGEST_TTL: Duration = Duration::from_hours(365 * 24);

/// All settings; `config.default.toml` describes them.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) http: HttpSettings,
    pub(crate) limits: LimitSettings,
    pub(crate) rate_limit: RateLimitSettings,
    pub(crate) auth: AuthSettings,
    pub(crate) management: HttpSettings,
    pub(crate) database: DatabaseSettings,
    reads: Reads,
    pub(crate) kafka: KafkaSettings,
    topics: Topics,
    routing: Vec<RoutingRule>,
    pub(crate) executor: Executor,
    pub(crate) relay: Relay,
    pub(crate) outbox: Outbox,
    stock: Stock,
    reservations: Reservations,
    pub(crate) idempotency: Idempotency,
    pub(crate) verify: VerifySettings,
    pub(crate) shutdown: Shutdown,
    pub(crate) traces: TraceSettings,
    pub(crate) log: LogSettings,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reads {
    connections: u32,
    #[serde(with = "humantime_serde")]
    acquire_timeout: Duration,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Topics {
    prefix: String,
    high_priority: TopicSpec,
    normal: TopicSpec,
    critical: TopicSpec,
    audit: TopicSpec,
    clock: TopicSpec,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StreamName {
    HighPriority,
    Normal,
    Critical,
    Audit,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct RoutingRule {
    name: String,
    #[serde(default)]
    operations: Vec<String>,
    price_above: Option<String>,
    #[serde(default)]
    enters: Vec<String>,
    to: StreamName,
    #[serde(default)]
    copy: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Executor {
    pub(crate) lanes: usize,
    pub(crate) max_batch: usize,
    pub(crate) queue: usize,
    #[serde(with = "humantime_serde")]
    pub(crate) deadline: Duration,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Relay {
    #[serde(with = "humantime_serde")]
    pub(crate) lease: Duration,
    #[serde(with = "humantime_serde")]
    pub(crate) poll: Duration,
    #[serde(with = "humantime_serde")]
    pub(crate) pause: Duration,
    #[serde(with = "humantime_serde")]
    pub(crate) backoff: Duration,
    pub(crate) page: u32,
    #[serde(with = "humantime_serde")]
    pub(crate) recovery: Duration,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Outbox {
    pub(crate) keep_days: u16,
    pub(crate) max_bytes: u64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stock {
    currency: String,
    require_precondition: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reservations {
    #[serde(with = "humantime_serde")]
    ttl: Duration,
    #[serde(with = "humantime_serde")]
    max_ttl: Duration,
    #[serde(with = "humantime_serde")]
    sweep: Duration,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Idempotency {
    #[serde(with = "humantime_serde")]
    pub(crate) keep: Duration,
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
        let config: Self = config::load(DEFAULT, file, PREFIX, None)?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), ConfigError> {
        config::at_least("executor.lanes", self.executor.lanes, 1)?;
        config::at_least("executor.max_batch", self.executor.max_batch, 1)?;
        config::at_least("executor.queue", self.executor.queue, 1)?;
        config::at_least(
            "executor.deadline",
            self.executor.deadline,
            self.database.lock_timeout,
        )?;
        config::at_least("relay.page", self.relay.page, 1)?;
        config::at_least("relay.lease", self.relay.lease, Duration::from_secs(1))?;
        config::at_least("relay.poll", self.relay.poll, Duration::from_millis(1))?;
        config::at_least("outbox.keep_days", self.outbox.keep_days, 1)?;
        config::at_least("outbox.max_bytes", self.outbox.max_bytes, 1)?;
        let second = Duration::from_secs(1);
        config::at_least("reservations.ttl", self.reservations.ttl, second)?;
        config::at_least(
            "reservations.max_ttl",
            self.reservations.max_ttl,
            self.reservations.ttl,
        )?;
        config::at_most(
            "reservations.max_ttl",
            self.reservations.max_ttl,
            LONGEST_TTL,
        )?;
        config::at_least(
            "reservations.sweep",
            self.reservations.sweep,
            Duration::from_millis(10),
        )?;
        config::at_least("reads.connections", self.reads.connections, 1)?;
        config::at_least("idempotency.keep", self.idempotency.keep, second)?;
        config::at_least("limits.in_flight", self.limits.in_flight, 1)?;
        config::at_least("limits.streams", self.limits.streams, 1)?;
        config::at_least("limits.imports", self.limits.imports, 1)?;
        config::at_least("auth.jwt.refresh", self.auth.jwt.refresh, second)?;
        config::at_least("http.request_timeout", self.http.request_timeout, second)?;
        config::at_least("http.max_body", self.http.max_body, 1024)?;
        config::at_least("limits.batch_body", self.limits.batch_body, 1024)?;
        config::at_least("http.header_timeout", self.http.header_timeout, second)?;
        for (setting, timeout) in [
            ("http.body_timeout", self.http.body_timeout),
            ("http.write_timeout", self.http.write_timeout),
            (
                "management.request_timeout",
                self.management.request_timeout,
            ),
            ("management.header_timeout", self.management.header_timeout),
            ("management.body_timeout", self.management.body_timeout),
            ("management.write_timeout", self.management.write_timeout),
        ] {
            config::at_least(setting, timeout, second)?;
        }
        self.auth.check(self.http.listen)?;
        self.traces.check()?;
        let connections = u32::try_from(self.executor.lanes)
            .unwrap_or(u32::MAX)
            .saturating_add(3);
        config::at_least(
            "database.max_connections",
            self.database.max_connections,
            connections,
        )?;
        for spec in self.own_topics() {
            config::topic(&spec)?;
        }
        self.routing()?;
        self.currency()?;
        Ok(())
    }

    /// The topics, by their whole names.
    pub(crate) fn own_topics(&self) -> Vec<TopicSpec> {
        let topics = &self.topics;
        let clock = topics.clock.with_brokers_time();
        let specs = [
            &topics.high_priority,
            &topics.normal,
            &topics.critical,
            &topics.audit,
            &clock,
        ];
        specs.map(|spec| spec.with_prefix(&topics.prefix)).into()
    }

    pub(crate) fn topic_names(&self) -> TopicNames {
        let topics = &self.topics;
        let name = |spec: &TopicSpec| spec.with_prefix(&topics.prefix).name;
        TopicNames {
            high_priority: name(&topics.high_priority),
            normal: name(&topics.normal),
            critical: name(&topics.critical),
            audit: name(&topics.audit),
        }
    }

    pub(crate) fn routing(&self) -> Result<RoutingTable, ConfigError> {
        let rules = self.routing.iter().map(RoutingRule::read);
        let rules = rules.collect::<Result<_, _>>()?;
        RoutingTable::new(rules).map_err(|error| ConfigError::invalid("routing", &error))
    }

    /// The database, for reads alone.
    pub(crate) fn read_database(&self) -> DatabaseSettings {
        DatabaseSettings {
            max_connections: self.reads.connections,
            acquire_timeout: self.reads.acquire_timeout,
            statement_timeout: Some(self.http.request_timeout),
            ..self.database.clone()
        }
    }

    /// Between two looks for holds whose time is over.
    pub(crate) fn sweep(&self) -> Duration {
        self.reservations.sweep
    }

    /// What requests may leave out, and how far they may go.
    pub(crate) fn stock_defaults(&self) -> Result<StockDefaults, ConfigError> {
        let day = Duration::from_hours(24);
        Ok(StockDefaults {
            currency: self.currency()?,
            reservation_ttl: self.reservations.ttl,
            reservation_max_ttl: self.reservations.max_ttl,
            stream_memory: day.saturating_mul(u32::from(self.outbox.keep_days)),
            require_precondition: self.stock.require_precondition,
        })
    }

    pub(crate) fn currency(&self) -> Result<Currency, ConfigError> {
        let currency = self.stock.currency.parse();
        currency.map_err(|error| ConfigError::invalid("stock.currency", &error))
    }
}

impl RoutingRule {
    fn read(&self) -> Result<Rule, ConfigError> {
        let setting = |member: &str| format!("routing rule \"{}\": {member}", self.name);
        let operations = config::named(
            &setting("operations"),
            &self.operations,
            &Operation::ALL.map(|operation| (operation.as_str(), operation)),
        )?;
        let enters = config::named(
            &setting("enters"),
            &self.enters,
            &Status::ALL.map(|status| (status.as_str(), status)),
        )?;
        let price = self.price_above.as_deref().map(str::parse::<Price>);
        let price = price
            .transpose()
            .map_err(|error| ConfigError::invalid(&setting("price_above"), &error))?;
        Ok(Rule {
            name: self.name.clone(),
            when: Condition {
                operations,
                price_above: price.map(Price::amount),
                enters,
            },
            stream: match self.to {
                StreamName::HighPriority => Stream::HighPriority,
                StreamName::Normal => Stream::Normal,
                StreamName::Critical => Stream::Critical,
                StreamName::Audit => Stream::Audit,
            },
            copy: self.copy,
        })
    }
}

#[cfg(test)]
mod tests;
