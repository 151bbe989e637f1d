//! PostgreSQL from its jar.

use std::{
    fs,
    os::unix::fs::chown,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use nix::unistd::Uid;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::{
    free_port,
    process::Process,
    unprivileged::{ELSEWHERE, NOBODY, as_unprivileged, fresh},
};

/// Longest wait for the server.
const PATIENCE: Duration = Duration::from_mins(1);

/// Starts a server with fresh data; returns the superuser's URL.
pub(crate) async fn start(home: &Path) -> anyhow::Result<(String, Process)> {
    let installed = home.join("servers/postgres");
    ensure!(
        installed.join("bin/postgres").is_file(),
        "its binaries are not in {}: run `make servers`",
        installed.display()
    );
    let (binaries, data) = folders(home, &installed)?;
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

    let port = free_port(5432)?;
    let mut command = as_unprivileged(&binaries.join("bin/postgres"));
    command.arg("-D").arg(&data).args([
        "-c",
        &format!("port={port}"),
        "-c",
        "listen_addresses=127.0.0.1",
        "-c",
        "unix_socket_directories=",
        "-c",
        "max_connections=200",
        "-c",
        "shared_buffers=256MB",
        "-c",
        "max_wal_size=4GB",
    ]);
    let mut process = Process::start(home, "postgres", command)?;
    let url = format!("postgres://postgres@127.0.0.1:{port}/postgres");
    let deadline = Instant::now() + PATIENCE;
    loop {
        match PgConnection::connect(&url).await {
            Ok(connection) => {
                connection.close().await?;
                return Ok((url, process));
            }
            Err(error) => {
                let log = process.log().display().to_string();
                ensure!(process.is_running(), "it ended: see {log}");
                ensure!(Instant::now() < deadline, "no answer: {error}; see {log}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// Where to run from, and a fresh folder for the data. Root hands the data to "nobody", who may not be able to reach the
/// project's folder: then both are below `/var/tmp`.
fn folders(home: &Path, installed: &Path) -> anyhow::Result<(PathBuf, PathBuf)> {
    let name = format!("postgres-{}", std::process::id());
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
