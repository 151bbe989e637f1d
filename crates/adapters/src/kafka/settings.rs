//! How to reach the brokers.

use std::collections::BTreeMap;

use rdkafka::ClientConfig;
use serde::Deserialize;

/// The cluster, for every client.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KafkaSettings {
    /// Brokers to start from, `host:port`, separated by commas.
    pub brokers: String,
    /// The name that brokers see.
    pub client_id: String,
    /// Further settings of librdkafka, such as `security.protocol`; they win over the service's own, but for those that
    /// the order and safety of events depend on.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
}

impl KafkaSettings {
    /// A client's configuration: `own` are settings of its role that options may change, `fixed` those they may not.
    pub(super) fn client(&self, own: &[(&str, &str)], fixed: &[(&str, &str)]) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.brokers)
            .set("client.id", &self.client_id)
            .set("reconnect.backoff.max.ms", "2000");
        for (name, value) in own {
            config.set(*name, *value);
        }
        for (name, value) in &self.options {
            config.set(name, value);
        }
        for (name, value) in fixed {
            config.set(*name, *value);
        }
        // Topics are made by the `topics` subcommand, with the partitions and copies that they need.
        config.set("allow.auto.create.topics", "false");
        config
    }
}
