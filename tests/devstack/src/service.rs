//! One of the project's own services as a child process.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, ensure};

use crate::process::Process;

/// A service's binary and settings; it can be started, killed and started again.
pub struct Service {
    /// `virtual-stock` or `acl`.
    pub name: &'static str,
    /// Distinguishes instances in names of files.
    pub instance: String,
    /// Where its output goes, below `run`.
    pub home: PathBuf,
    /// Its environment.
    pub settings: Vec<(String, String)>,
    /// Its public listener.
    pub http: SocketAddr,
    /// Its management listener.
    pub management: SocketAddr,
}

/// A binary of this workspace, of the same profile as the one that runs.
///
/// # Errors
/// If it was not built.
pub fn binary(name: &str) -> anyhow::Result<PathBuf> {
    let this = std::env::current_exe()?;
    let found = this
        .ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file());
    found.with_context(|| format!("{name} was not built beside {}", this.display()))
}

impl Service {
    fn command(&self, subcommand: &str) -> anyhow::Result<Command> {
        let mut command = Command::new(binary(self.name)?);
        command
            .arg(subcommand)
            .env("RUST_BACKTRACE", "1")
            .envs(self.settings.iter().cloned());
        Ok(command)
    }

    /// Runs a subcommand that ends by itself.
    ///
    /// # Errors
    /// What the service printed.
    pub fn run(&self, subcommand: &str) -> anyhow::Result<()> {
        let output = self.command(subcommand)?.output()?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "{} {subcommand}: {errors}",
            self.name
        );
        Ok(())
    }

    /// Makes the tables and topics.
    ///
    /// # Errors
    /// What the service printed.
    pub fn prepare(&self) -> anyhow::Result<()> {
        self.run("migrate")?;
        self.run("topics")
    }

    /// Starts it; it may not be ready yet.
    ///
    /// # Errors
    /// The system's error.
    pub fn start(&self) -> anyhow::Result<Process> {
        Process::start(&self.home, &self.log_name(), self.command("serve")?)
    }

    /// Where its output goes.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        Path::new(&self.home)
            .join("run")
            .join(format!("{}.log", self.log_name()))
    }

    fn log_name(&self) -> String {
        format!("{}{}", self.name, self.instance)
    }
}
