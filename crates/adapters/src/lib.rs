//! The technologies behind the ports: HTTP, PostgreSQL, Kafka, partners' APIs, telemetry, configuration.

pub mod clock;
pub mod command_line;
pub mod config;
pub mod contract;
pub mod doctor;
mod hex;
pub mod http;
pub mod kafka;
pub mod lifecycle;
pub mod operator_client;
pub mod partner;
pub mod postgres;
pub mod telemetry;
pub mod verify;
