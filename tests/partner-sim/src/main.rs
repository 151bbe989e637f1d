//! The partner simulator as a program: point a target of acl at it, script its faults, look at what it received.

use std::{net::SocketAddr, path::PathBuf};

use clap::Parser;
use partner_sim::{Demands, Fault, Simulator};
use tokio::signal::unix::{SignalKind, signal};

/// A partner that takes any call, keeps a ledger and fails as scripted. Look at /simulator.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:9090")]
    listen: SocketAddr,
    /// A file with faults: a JSON array, each as POST /simulator/faults takes it.
    #[arg(long)]
    faults: Option<PathBuf>,
    /// A secret (whsec_…) that calls have to be signed with; twice: one of two.
    #[arg(long = "secret")]
    secrets: Vec<String>,
    /// A header that calls have to carry: NAME=VALUE.
    #[arg(long)]
    header: Option<String>,
    /// Calls have to carry a token of POST /oauth/token, which is good for so many calls.
    #[arg(long)]
    tokens_last: Option<u32>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let header = arguments.header.map(|header| {
        let pair = header.split_once('=');
        let pair = pair.map(|(name, value)| (name.to_owned(), value.to_owned()));
        pair.ok_or_else(|| anyhow::anyhow!("--header is NAME=VALUE, not {header}"))
    });
    let demands = Demands {
        secrets: arguments.secrets,
        header: header.transpose()?,
        tokens_last: arguments.tokens_last,
        tls: None,
    };
    let faults: Vec<Fault> = match arguments.faults {
        Some(path) => serde_json::from_slice(&std::fs::read(path)?)?,
        None => Vec::new(),
    };
    let mut terminate = signal(SignalKind::terminate())?;
    let simulator = Simulator::demanding(arguments.listen, demands).await?;
    for fault in faults {
        simulator.inject(fault);
    }
    println!(
        "listening on http://{}; look at /simulator",
        simulator.address
    );
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminate.recv() => {}
    }
    Ok(())
}
