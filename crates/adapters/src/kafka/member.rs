//! A member of a consumer group: the client, and the bookkeeping that follows its assignment.
//!
//! librdkafka forgets all brokers when an answer names none, as one does while a cluster is coming back, and asks nobody
//! any more (confluentinc/librdkafka#5301). Such a client is never of use again: it says so, and another one takes its place.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use application::{Causes, metric};
use rdkafka::{
    ClientContext, Statistics, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance},
    error::{KafkaError, RDKafkaErrorCode},
};

use crate::kafka::{
    KafkaSettings,
    offsets::{Offsets, Partition},
};

/// So many statistics in a row without a broker: the client has lost them, and is not between two of them.
const CUT_OFF: u32 = 2;

/// Microseconds in which a client that is alive tries to reach a broker again: more than the 30 s that it waits for a connection.
const FORGOTTEN: i64 = 60_000_000;

/// What every client of the group is made from.
pub(super) struct Membership {
    pub(super) kafka: KafkaSettings,
    pub(super) group: String,
    pub(super) topics: Vec<String>,
    pub(super) offsets: Arc<Offsets>,
    /// Set when the assignment has changed, and everything was resumed.
    pub(super) rebalanced: Arc<AtomicBool>,
    /// Longest wait for what is out of partitions that are taken away.
    pub(super) patience: Duration,
}

impl Membership {
    /// Joins the group.
    pub(super) fn join(&self) -> Result<BaseConsumer<Group>, KafkaError> {
        let own = [
            ("auto.commit.interval.ms", "1000"),
            ("auto.offset.reset", "earliest"),
            ("session.timeout.ms", "10000"),
            ("fetch.wait.max.ms", "50"),
            // A pause throws away what was fetched ahead: not much more than the queue behind takes.
            ("queued.max.messages.kbytes", "4096"),
            ("max.partition.fetch.bytes", "262144"),
        ];
        let fixed = [
            ("group.id", self.group.as_str()),
            ("enable.auto.offset.store", "false"),
            ("enable.auto.commit", "true"),
            // Everything is revoked before anything is assigned, which the bookkeeping of offsets and pauses relies on.
            ("partition.assignment.strategy", "range"),
            // The lag, and whether there are brokers.
            ("statistics.interval.ms", "5000"),
        ];
        let config = self.kafka.client(&own, &fixed);
        let consumer: BaseConsumer<Group> = config.create_with_context(Group {
            name: self.group.clone(),
            offsets: Arc::clone(&self.offsets),
            rebalanced: Arc::clone(&self.rebalanced),
            patience: self.patience,
            without_broker: AtomicU32::new(0),
            retired: AtomicBool::new(false),
        })?;
        let topics: Vec<&str> = self.topics.iter().map(String::as_str).collect();
        consumer.subscribe(&topics)?;
        Ok(consumer)
    }
}

/// Keeps the offsets in step with the assignment.
pub(super) struct Group {
    name: String,
    offsets: Arc<Offsets>,
    /// Set when the assignment has changed, and everything was resumed.
    rebalanced: Arc<AtomicBool>,
    /// Longest wait for what is out of partitions that are taken away.
    patience: Duration,
    /// Statistics in a row that show no broker.
    without_broker: AtomicU32,
    /// Another client has taken its place: nothing is its to keep any more.
    retired: AtomicBool,
}

fn partitions(list: &TopicPartitionList) -> Vec<Partition> {
    let elements = list.elements();
    let names = elements
        .iter()
        .map(|e| (e.topic().to_owned(), e.partition()));
    names.collect()
}

pub(super) fn commit<C: ConsumerContext>(consumer: &BaseConsumer<C>) {
    match consumer.commit_consumer_state(CommitMode::Sync) {
        Ok(()) | Err(KafkaError::ConsumerCommit(RDKafkaErrorCode::NoOffset)) => {}
        Err(error) => tracing::warn!(
            code = "OFFSETS_NOT_COMMITTED",
            error = %Causes(&error),
            "offsets were not committed: some events will come again"
        ),
    }
}

impl Group {
    /// Whether the client has no brokers, and will not find any.
    pub(super) fn is_cut_off(&self) -> bool {
        self.without_broker.load(Ordering::Acquire) >= CUT_OFF
    }

    /// From now on its partitions are another client's.
    pub(super) fn retire(&self) {
        self.retired.store(true, Ordering::Release);
        self.give_up(&self.offsets.assigned());
    }

    fn give_up(&self, partitions: &[Partition]) {
        self.offsets.revoke(partitions);
        for (topic, partition) in partitions {
            self.lag(topic, *partition, 0.0);
        }
    }

    fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Acquire)
    }

    fn lag(&self, topic: &str, partition: i32, records: f64) {
        metrics::gauge!(
            metric::acl::KAFKA_LAG.name,
            "topic" => topic.to_owned(),
            "partition" => partition.to_string(),
            "consumer_group" => self.name.clone(),
        )
        .set(records);
    }
}

impl ClientContext for Group {
    fn stats(&self, statistics: Statistics) {
        if self.is_retired() {
            return;
        }
        if has_broker(&statistics) {
            self.without_broker.store(0, Ordering::Release);
        } else {
            self.without_broker.fetch_add(1, Ordering::AcqRel);
        }
        for (topic, partition) in self.offsets.assigned() {
            let of_topic = statistics.topics.get(&topic);
            let seen = of_topic.and_then(|of_topic| of_topic.partitions.get(&partition));
            let lag = seen.and_then(|seen| {
                // Before this member has finished a record, what was committed before counts; before that, everything.
                let all = seen.hi_offset.saturating_sub(seen.lo_offset);
                let lags = [seen.consumer_lag_stored, seen.consumer_lag, all];
                lags.into_iter().find(|lag| *lag >= 0)
            });
            if let Some(lag) = lag {
                #[expect(clippy::cast_precision_loss, reason = "a lag is far below 2^52")]
                self.lag(&topic, partition, lag as f64);
            }
        }
    }
}

impl ConsumerContext for Group {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if self.is_retired() {
            return;
        }
        match rebalance {
            Rebalance::Assign(list) => {
                let partitions = partitions(list);
                tracing::info!(code = "PARTITIONS_ASSIGNED", partitions = ?partitions, "assigned");
                metrics::counter!(metric::acl::REBALANCES.name, "consumer_group" => self.name.clone())
                    .increment(1);
                self.offsets.assign(partitions);
            }
            Rebalance::Revoke(list) => {
                let partitions = partitions(list);
                tracing::info!(code = "PARTITIONS_REVOKED", partitions = ?partitions, "revoked");
                self.offsets.drain(&partitions, self.patience);
                commit(consumer);
                self.give_up(&partitions);
            }
            Rebalance::Error(error) => {
                tracing::error!(code = "REBALANCE_FAILED", error = %Causes(error), "rebalance failed");
            }
        }
    }

    fn post_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if self.is_retired() {
            return;
        }
        // librdkafka keeps a pause over a revocation: what comes back must not stay paused.
        if let Rebalance::Assign(list) = rebalance
            && let Err(error) = consumer.resume(list)
        {
            tracing::warn!(code = "FLOW_CONTROL_FAILED", error = %Causes(&error), "flow control failed");
        }
        self.rebalanced.store(true, Ordering::Release);
    }
}

/// Whether there is one that a client can ask, or tries to reach. The group's coordinator is only a name for one of them; and one that was
/// forgotten may stay in the list, where nothing happens to it.
fn has_broker(statistics: &Statistics) -> bool {
    let mut brokers = statistics.brokers.values();
    brokers.any(|broker| {
        let real = matches!(broker.source.as_str(), "learned" | "configured");
        real && (broker.state == "UP" || broker.stateage < FORGOTTEN)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use rdkafka::statistics::Broker;

    use super::*;

    #[test]
    fn a_broker_is_one_that_answers_or_is_tried() {
        let with = |source: &str, state: &str, stateage: i64| {
            let broker = Broker {
                source: source.to_owned(),
                state: state.to_owned(),
                stateage,
                ..Broker::default()
            };
            has_broker(&Statistics {
                brokers: HashMap::from([("one".to_owned(), broker)]),
                ..Statistics::default()
            })
        };

        assert!(with("configured", "INIT", 0), "it has only begun");
        assert!(with("learned", "UP", FORGOTTEN * 60));
        assert!(with("learned", "CONNECT", FORGOTTEN - 1), "it is away");
        assert!(!with("learned", "DOWN", FORGOTTEN), "nobody tries");
        assert!(!with("logical", "INIT", 0));
        assert!(!has_broker(&Statistics::default()));
    }
}
