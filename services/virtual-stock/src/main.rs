//! The stock service: REST in front, PostgreSQL behind, events to Kafka.

mod app;
mod config;

fn main() -> std::process::ExitCode {
    adapters::command_line::main::<config::Config>()
}
