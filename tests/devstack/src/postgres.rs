//! PostgreSQL from its jar.

use std::{
    fs,
    os::unix::fs::chown,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use nix::{sys::signal::Signal, unistd::Uid};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::{
    free_port,
    process::Process,
    unprivileged::{ELSEWHERE, NOBODY, as_unprivileged, fresh},
};

/// Longest wait for the server.
const PATIENCE: Duration = Duration::from_mins(1);

/// A server of ours; it ends when this is dropped.
pub struct Postgres {
    home: PathBuf,
    name: String,
    binaries: PathBuf,
    data: PathBuf,
    port: u16,
    /// None while it is stopped.
    process: Option<Process>,
}

impl Postgres {
    /// Makes a server with fresh data and starts it; its files bear this name.
    ///
    /// # Errors
    /// Says what is missing.
    pub async fn fresh(home: &Path, name: &str, port: u16) -> anyhow::Result<Self> {
        let installed = home.join("servers/postgres");
        ensure!(
            installed.join("bin/postgres").is_file(),
            "its binaries are not in {}: run `make servers`",
            installed.display()
        );
        let (binaries, data) = folders(home, &installed, name)?;
        let initdb = as_unprivileged(&binaries.join("bin/initdb"))
            .args([
                "--username=postgres",
                "--auth=trust",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
                "-D",
            ])
            .arg(&data)
            .output()?;
        let errors = String::from_utf8_lossy(&initdb.stderr);
        ensure!(initdb.status.success(), "initdb failed: {errors}");
        let mut postgres = Self {
            home: home.to_owned(),
            name: name.to_owned(),
            binaries,
            data,
            port: free_port(port)?,
            process: None,
        };
        postgres.start().await?;
        Ok(postgres)
    }

    /// The superuser's URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Makes an empty database of this name, instead of one that is there; returns its URL.
    ///
    /// # Errors
    /// The server's error.
    pub async fn database(&self, name: &str) -> anyhow::Result<String> {
        create_database(&self.url(), name).await
    }

    /// Starts it on the data that it has.
    ///
    /// # Errors
    /// If it does not answer in time.
    pub async fn start(&mut self) -> anyhow::Result<()> {
        let port = format!("port={}", self.port);
        let settings = [
            port.as_str(),
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "max_connections=200",
            "shared_buffers=256MB",
            "max_wal_size=4GB",
        ];
        let mut command = as_unprivileged(&self.binaries.join("bin/postgres"));
        command.arg("-D").arg(&self.data);
        for setting in settings {
            command.args(["-c", setting]);
        }
        let url = self.url();
        let started = Process::start(&self.home, &self.name, command)?;
        let process = self.process.insert(started);
        let deadline = Instant::now() + PATIENCE;
        loop {
            match PgConnection::connect(&url).await {
                Ok(connection) => return Ok(connection.close().await?),
                Err(error) => {
                    let log = process.log().display().to_string();
                    ensure!(process.is_running(), "it ended: see {log}");
                    ensure!(Instant::now() < deadline, "no answer: {error}; see {log}");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    /// Stops it; its sessions end.
    ///
    /// # Errors
    /// If it does not end in time.
    pub fn stop(&mut self) -> anyhow::Result<()> {
        match self.process.take() {
            Some(process) => {
                // "Fast": it waits for nobody.
                process.signal(Signal::SIGINT);
                process.terminate().map(drop)
            }
            None => Ok(()),
        }
    }
}

/// Where to run from, and a fresh folder for the data. Root hands the data to "nobody", who may not be able to reach the
/// project's folder: then both are below `/var/tmp`.
fn folders(home: &Path, installed: &Path, name: &str) -> anyhow::Result<(PathBuf, PathBuf)> {
    let name = format!("{name}-{}", std::process::id());
    if !Uid::effective().is_root() {
        return fresh(&home.join("data"), &name).map(|data| (installed.to_owned(), data));
    }
    let installed = installed.canonicalize()?;
    let reachable = as_unprivileged(&installed.join("bin/postgres"))
        .arg("--version")
        .output();
    if reachable.is_ok_and(|output| output.status.success()) {
        let data = fresh(
            &home
                .join("data")
                .canonicalize()
                .unwrap_or(home.join("data")),
            &name,
        )?;
        chown(&data, Some(NOBODY), Some(NOBODY))?;
        return Ok((installed, data));
    }
    let elsewhere = Path::new(ELSEWHERE);
    fs::create_dir_all(elsewhere)?;
    let binaries = fresh(elsewhere, &format!("{name}-binaries"))?;
    let copied = Command::new("cp")
        .arg("-a")
        .arg(installed.join("."))
        .arg(&binaries)
        .status()?;
    ensure!(copied.success(), "{} cannot be copied", installed.display());
    let data = fresh(elsewhere, &name)?;
    chown(&data, Some(NOBODY), Some(NOBODY))?;
    Ok((binaries, data))
}

pub(crate) async fn create_database(superuser: &str, name: &str) -> anyhow::Result<String> {
    let mut connection = PgConnection::connect(superuser)
        .await
        .context("PostgreSQL cannot be reached")?;
    for sql in [
        format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
        format!("CREATE DATABASE {name}"),
    ] {
        sqlx::query(AssertSqlSafe(sql))
            .execute(&mut connection)
            .await?;
    }
    connection.close().await?;
    let (server, parameters) = superuser.split_once('?').unwrap_or((superuser, ""));
    let (server, _) = server
        .rsplit_once('/')
        .context("the URL names no database")?;
    let question = if parameters.is_empty() { "" } else { "?" };
    Ok(format!("{server}/{name}{question}{parameters}"))
}
