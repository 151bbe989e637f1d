//! Both services on a real PostgreSQL, a real Kafka and the partner simulator.
#![expect(clippy::unwrap_used, reason = "a panic is a failed test")]
#![expect(
    clippy::too_many_lines,
    reason = "a scenario is read from top to bottom"
)]

mod authentication;
mod batches;
mod breaker;
mod compared;
mod contracts;
mod crash;
mod credentials;
mod dashboards;
mod dead_letters;
mod deliveries;
mod doctor;
mod flow;
mod frozen;
mod fuzz;
mod http;
mod idempotency;
mod imports;
mod issuer;
mod known;
mod latency;
mod lifecycle;
mod logs;
mod management;
mod metrics;
mod operations;
mod operators;
mod orders;
mod partitions;
mod readme;
mod relay;
mod reservations;
mod restore;
mod rolling;
mod rules;
mod search;
mod security;
mod server;
mod statuses;
mod stocks;
mod storm;
mod stream;
mod targets;
mod traces;
mod verify;
