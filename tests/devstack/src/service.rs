//! One of the project's own services as a child process.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, ensure};

use crate::{free_port, home, process::Process};

/// A service's binary and settings; it can be started, killed and started again.
#[derive(Clone)]
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

/// What both services are connected to.
pub struct Wiring<'a> {
    /// URL of virtual-stock's database.
    pub stocks_url: &'a str,
    /// URL of acl's database.
    pub acl_url: &'a str,
    /// The brokers.
    pub brokers: &'a str,
    /// In front of the name of every topic and group.
    pub prefix: &'a str,
    /// The partner's address.
    pub partner: SocketAddr,
    /// Listeners of virtual-stock, public and management, then of acl; those that are taken are replaced.
    pub ports: [u16; 4],
    /// Distinguishes instances in names of files.
    pub instance: &'a str,
}

impl Wiring<'_> {
    /// virtual-stock and acl, so connected.
    ///
    /// # Errors
    /// The system's error if no port is free.
    pub fn services(&self) -> anyhow::Result<(Service, Service)> {
        let [http, management, acl_http, acl_management] = self.ports;
        let mut stock = self.service("virtual-stock", http, management)?;
        stock.set("VIRTUAL_STOCK__DATABASE__URL", self.stocks_url);
        let mut acl = self.service("acl", acl_http, acl_management)?;
        acl.set("ACL__DATABASE__URL", self.acl_url);
        acl.set(
            "ACL__SUBSCRIPTIONS__TRADING_PARTNER__TARGET__URL",
            &format!("http://{}", self.partner),
        );
        Ok((stock, acl))
    }

    fn service(&self, name: &'static str, http: u16, management: u16) -> anyhow::Result<Service> {
        let local = |port| free_port(port).map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let mut service = Service {
            name,
            instance: self.instance.to_owned(),
            home: home(),
            settings: Vec::new(),
            http: local(http)?,
            management: local(management)?,
        };
        let prefix = name.to_uppercase().replace('-', "_");
        let (http, management) = (service.http.to_string(), service.management.to_string());
        service.set(&format!("{prefix}__KAFKA__BROKERS"), self.brokers);
        service.set(&format!("{prefix}__TOPICS__PREFIX"), self.prefix);
        service.set(&format!("{prefix}__HTTP__LISTEN"), &http);
        service.set(&format!("{prefix}__MANAGEMENT__LISTEN"), &management);
        Ok(service)
    }
}

impl Service {
    /// Another instance of the same service, on ports of its own.
    ///
    /// # Errors
    /// The system's error if no port is free.
    pub fn another(&self) -> anyhow::Result<Self> {
        let mut another = self.clone();
        another.instance.push_str("-2");
        another.http.set_port(free_port(0)?);
        another.management.set_port(free_port(0)?);
        let prefix = self.name.to_uppercase().replace('-', "_");
        let (http, management) = (another.http.to_string(), another.management.to_string());
        another.set(&format!("{prefix}__HTTP__LISTEN"), &http);
        another.set(&format!("{prefix}__MANAGEMENT__LISTEN"), &management);
        Ok(another)
    }

    /// Sets a variable of its environment, instead of what it was before.
    pub fn set(&mut self, variable: &str, value: &str) {
        self.settings.retain(|(name, _)| name != variable);
        self.settings.push((variable.to_owned(), value.to_owned()));
    }

    /// What a variable of its environment is set to.
    #[must_use]
    pub fn setting(&self, variable: &str) -> Option<&str> {
        let set = self.settings.iter().find(|(name, _)| name == variable);
        set.map(|(_, value)| value.as_str())
    }

    fn command(&self, arguments: &[&str]) -> anyhow::Result<Command> {
        let mut command = Command::new(binary(self.name)?);
        command
            .args(arguments)
            .env("RUST_BACKTRACE", "1")
            .envs(self.settings.iter().cloned());
        Ok(command)
    }

    /// Runs a subcommand that ends by itself.
    ///
    /// # Errors
    /// What the service printed.
    pub fn run(&self, subcommand: &str) -> anyhow::Result<()> {
        self.ask(&[subcommand]).map(drop)
    }

    /// Runs a subcommand that ends by itself; returns what it printed.
    ///
    /// # Errors
    /// What it printed as its error.
    pub fn ask(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let output = self.command(arguments)?.output()?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "{} {}: {errors}{}",
            self.name,
            arguments.join(" "),
            String::from_utf8_lossy(&output.stdout)
        );
        Ok(String::from_utf8(output.stdout)?)
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
        Process::start(&self.home, &self.log_name(), self.command(&["serve"])?)
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
