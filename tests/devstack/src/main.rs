//! `devstack COMMAND…` runs a command with `DATABASE_URL` and `KAFKA_BROKERS` of servers that live as long as it does.

use std::process::ExitCode;

use devstack::{Servers, home};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<ExitCode> {
    let mut command = std::env::args_os().skip(1);
    let Some(program) = command.next() else {
        anyhow::bail!("usage: devstack COMMAND…");
    };
    let servers = Servers::start(&home()).await?;
    let status = tokio::process::Command::new(&program)
        .args(command)
        .env("DATABASE_URL", &servers.database_url)
        .env("KAFKA_BROKERS", &servers.kafka_brokers)
        .status()
        .await?;
    drop(servers);
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(ExitCode::from(code.unwrap_or(1)))
}
