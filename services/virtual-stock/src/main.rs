//! The virtual-stock service: REST in front, PostgreSQL behind, events to Kafka.

mod app;
mod config;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

/// The stock service.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// A file with settings that override the defaults.
    #[arg(long, global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve until SIGTERM.
    Serve,
    /// Bring the database's tables up to date.
    Migrate,
    /// Make the topics that do not exist, and check them.
    Topics {
        /// Only check.
        #[arg(long)]
        check: bool,
    },
    /// Read the settings and say whether they can be used.
    CheckConfig,
    /// Ask the running service whether it is ready.
    Healthcheck,
}

fn main() -> ExitCode {
    app::exit_code(Arguments::parse())
}
