//! Apache Kafka from its jars: one broker that is its own controller.

use std::{
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::ensure;

use crate::{free_port, process::Process};

/// Longest wait for the broker.
const PATIENCE: Duration = Duration::from_secs(90);
/// What the broker logs when it takes requests.
const READY: &str = "Kafka Server started";

/// Starts a broker with fresh data, on this port if it is free, with further settings; returns its address.
///
/// # Errors
/// Says what is missing.
pub async fn fresh_kafka(
    home: &Path,
    name: &str,
    port: u16,
    more: &str,
) -> anyhow::Result<(String, Process)> {
    let jars = home.join("servers/jars");
    ensure!(
        jars.is_dir(),
        "its jars are not in {}: run `make servers`",
        jars.display()
    );
    let data = home.join(format!("data/{name}-{}", std::process::id()));
    if data.exists() {
        fs::remove_dir_all(&data)?;
    }
    fs::create_dir_all(&data)?;
    let (port, controller) = (free_port(port)?, free_port(0)?);
    let settings = data.join("server.properties");
    fs::write(&settings, properties(port, controller, &data) + more)?;

    let format = java(&jars, "256m")
        .args([
            "kafka.tools.StorageTool",
            "format",
            "--cluster-id",
            "dmlydHVhbC1zdG9jay1kZXY",
            "--config",
        ])
        .arg(&settings)
        .output()?;
    let errors = String::from_utf8_lossy(&format.stderr);
    ensure!(
        format.status.success(),
        "its storage cannot be formatted: {errors}"
    );

    let log = home.join(format!("run/{name}.log"));
    if log.exists() {
        fs::remove_file(&log)?;
    }
    let mut command = java(&jars, "768m");
    // It lives for minutes, on cores that it shares: the second compiler would take more of them than it gives back.
    command.arg("-XX:TieredStopAtLevel=1");
    command.arg("kafka.Kafka").arg(&settings);
    let mut process = Process::start(home, name, command)?;
    let deadline = Instant::now() + PATIENCE;
    while !fs::read_to_string(&log)?.contains(READY) {
        ensure!(process.is_running(), "it ended: see {}", log.display());
        ensure!(
            Instant::now() < deadline,
            "no answer: see {}",
            log.display()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok((format!("127.0.0.1:{port}"), process))
}

/// One of Kafka's own tools, by the name of its class.
#[must_use]
pub fn kafka_tool(home: &Path, class: &str) -> Command {
    let mut command = java(&home.join("servers/jars"), "512m");
    command.arg(class);
    command
}

fn java(jars: &Path, heap: &str) -> Command {
    let mut command = Command::new("java");
    command
        .arg(format!("-Xmx{heap}"))
        .args([
            "-XX:+UseSerialGC",
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=info",
        ])
        .arg("-cp")
        .arg(jars.join("*"));
    command
}

fn properties(port: u16, controller: u16, data: &Path) -> String {
    format!(
        "process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={}
auto.create.topics.enable=false
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=true
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
",
        data.join("log").display()
    )
}
