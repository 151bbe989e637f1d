//! The anti-corruption layer: events from Kafka, calls to the partner, state in PostgreSQL.

mod app;
mod config;

fn main() -> std::process::ExitCode {
    adapters::command_line::main::<config::Config>()
}
