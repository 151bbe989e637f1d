//! `devstack COMMAND…` runs a command with `DATABASE_URL` and `KAFKA_BROKERS` of servers that live as long as it does;
//! `devstack --stop` ends what an earlier run has left behind.

use std::process::ExitCode;

use devstack::{Process, Servers, home};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<ExitCode> {
    let mut command = std::env::args_os().skip(1);
    let Some(program) = command.next() else {
        anyhow::bail!("usage: devstack COMMAND… | devstack --stop");
    };
    if program == "--stop" {
        return stop_all();
    }
    let servers = Servers::start(&home()).await?;
    let status = tokio::process::Command::new(&program)
        .args(command)
        .env("DATABASE_URL", &servers.database_url)
        .env("KAFKA_BROKERS", &servers.kafka_brokers)
        .status()
        .await?;
    drop(servers);
    Ok(ExitCode::from(
        status
            .code()
            .and_then(|code| u8::try_from(code).ok())
            .unwrap_or(1),
    ))
}

#[expect(clippy::print_stdout, reason = "this is the command line's answer")]
fn stop_all() -> anyhow::Result<ExitCode> {
    let stopped = Process::stop_recorded(&home())?;
    if stopped.is_empty() {
        println!("nothing is running");
    }
    for name in stopped {
        println!("stopped {name}");
    }
    Ok(ExitCode::SUCCESS)
}
