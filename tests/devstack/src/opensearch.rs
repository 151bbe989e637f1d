//! A real OpenSearch.

use std::{
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use nix::unistd::Uid;
use tokio::net::TcpStream;

use crate::{
    free_port, home,
    process::Process,
    unprivileged::{ELSEWHERE, NOBODY, as_unprivileged, fresh},
};

/// Longest wait for the server, on a loaded machine.
const PATIENCE: Duration = Duration::from_mins(3);

/// A server of its own, stopped when dropped.
pub struct OpenSearch {
    /// Its URL.
    pub url: String,
    process: Process,
    settings: Vec<String>,
    port: u16,
    folder: std::path::PathBuf,
}

impl OpenSearch {
    /// Starts a server with fresh data; `settings` are further ones, as `name=value`.
    ///
    /// # Errors
    /// Says what is missing.
    pub async fn start(settings: &[&str]) -> anyhow::Result<Self> {
        let installed = home().join("opensearch/installed");
        ensure!(
            installed.join("bin/opensearch").is_file(),
            "it is not in {}: run `make servers`",
            installed.display()
        );
        let root = Uid::effective().is_root();
        let parent = if root {
            Path::new(ELSEWHERE).to_owned()
        } else {
            home().join("data")
        };
        fs::create_dir_all(&parent)?;
        let folder = fresh(&parent, &format!("opensearch-{}", std::process::id()))?;
        let copied = Command::new("cp")
            .arg("-a")
            .arg(installed.join("."))
            .arg(&folder)
            .status()?;
        ensure!(copied.success(), "{} cannot be copied", installed.display());
        if root {
            let nobody = format!("{NOBODY}:{NOBODY}");
            let owned = Command::new("chown")
                .args(["-R", &nobody])
                .arg(&folder)
                .status()?;
            ensure!(owned.success(), "{} cannot be given away", folder.display());
        }
        let port = free_port(0)?;
        let settings: Vec<String> = settings
            .iter()
            .map(|setting| (*setting).to_owned())
            .collect();
        let process = run(&folder, port, &settings)?;
        let server = Self {
            url: format!("http://127.0.0.1:{port}"),
            process,
            settings,
            port,
            folder,
        };
        server.ready().await?;
        Ok(server)
    }

    /// Ends it at once; its data stay.
    ///
    /// # Errors
    /// The system's error.
    pub fn stop(self) -> anyhow::Result<StoppedSearch> {
        let stopped = StoppedSearch {
            settings: self.settings,
            port: self.port,
            folder: self.folder,
        };
        self.process.kill_9()?;
        Ok(stopped)
    }

    async fn ready(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", self.port)).await.is_err() {
            let log = self.process.log().display().to_string();
            ensure!(Instant::now() < deadline, "no answer: see {log}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Ok(())
    }
}

/// A server that was stopped.
pub struct StoppedSearch {
    settings: Vec<String>,
    port: u16,
    folder: std::path::PathBuf,
}

impl StoppedSearch {
    /// Starts it again, at the same address and with its data.
    ///
    /// # Errors
    /// The system's error.
    pub async fn start(self) -> anyhow::Result<OpenSearch> {
        let process = run(&self.folder, self.port, &self.settings)?;
        let server = OpenSearch {
            url: format!("http://127.0.0.1:{}", self.port),
            process,
            settings: self.settings,
            port: self.port,
            folder: self.folder,
        };
        server.ready().await?;
        Ok(server)
    }
}

fn run(folder: &Path, port: u16, settings: &[String]) -> anyhow::Result<Process> {
    let java = Command::new("java")
        .args(["-XshowSettings:properties", "-version"])
        .output()
        .context("Java cannot be asked where it is")?;
    let properties = String::from_utf8_lossy(&java.stderr).into_owned();
    let java_home = properties
        .lines()
        .find_map(|line| line.trim().strip_prefix("java.home = "))
        .context("Java does not say where it is")?;
    let mut command = as_unprivileged(&folder.join("bin/opensearch"));
    command
        .current_dir(folder)
        .env("OPENSEARCH_JAVA_HOME", java_home)
        .env("OPENSEARCH_JAVA_OPTS", "-Xms256m -Xmx256m");
    let own = [
        "discovery.type=single-node".to_owned(),
        "network.host=127.0.0.1".to_owned(),
        format!("http.port={port}"),
        format!("transport.port={}", free_port(0)?),
    ];
    for setting in own.iter().chain(settings) {
        command.args(["-E", setting]);
    }
    Process::start(&home(), "opensearch", command)
}
