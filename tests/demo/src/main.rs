//! The demo: starts everything, replays real market data through both services, and shows whether the partner's picture
//! equals the stock service's.
#![expect(clippy::print_stdout, reason = "this is a command line's answer")]

mod catalogue;
mod drill;
mod observe;
mod progress;
mod replay;
mod report;
mod stack;

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use devstack::{Process, Recorded, home};
use tokio::signal::unix::{SignalKind, signal};

use observe::{Observation, Watching};
use report::Report;
use stack::Stack;

/// Starts PostgreSQL, Kafka, both services and a partner; replays market data; shows the result.
#[derive(Parser)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
struct Arguments {
    /// End after the replay: exit code 0 only if nothing was lost and all pictures are equal.
    #[arg(long)]
    check: bool,
    /// Start everything and replay nothing.
    #[arg(long, conflicts_with = "check")]
    no_replay: bool,
    /// Watch it with Prometheus and Alertmanager, and print alerts.
    #[arg(long, conflicts_with = "check")]
    observe: bool,
    /// Break one thing after the other, and see that the right alert is sent and ends; all times in the rules are divided by
    /// this factor, 10 to 60.
    #[arg(long, conflicts_with_all = ["check", "no_replay", "observe"], value_name = "FACTOR", value_parser = clap::value_parser!(u32).range(10..=60))]
    drill: Option<u32>,
    /// Only this fault of the drill.
    #[arg(long, requires = "drill")]
    fault: Option<String>,
    /// Stop what another run has started, and left running or not.
    #[arg(long, exclusive = true)]
    stop: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    if arguments.stop {
        let stopped = Process::stop_recorded(&home())?;
        if stopped.is_empty() {
            println!("nothing is running");
        } else {
            println!("stopped {}", stopped.join(", "));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let _recorded = Recorded::this(&home())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    if let Some(factor) = arguments.drill {
        let passed = tokio::select! {
            passed = drill::run(factor, arguments.fault.as_deref()) => passed?,
            _ = interrupt.recv() => false,
            _ = terminate.recv() => false,
        };
        return Ok(ExitCode::from(u8::from(!passed)));
    }
    let work = async {
        let stack = Stack::start(&[]).await?;
        let observation = if arguments.observe {
            let watching = Watching {
                every: 5,
                factor: 1,
                aloud: true,
            };
            Some(Observation::start(stack.managements(), &watching).await?)
        } else {
            None
        };
        if arguments.no_replay {
            return Ok((stack, observation, true));
        }
        let replayed = replay::run(&stack).await.context("the replay failed")?;
        let report = Report::make(&stack, &replayed).await?;
        let file = home().join("demo.json");
        report.write(&file)?;
        println!("{report}");
        println!("the same as JSON: {}", display(&file));
        anyhow::Ok((stack, observation, report.is_good()))
    };
    let (stack, observation, good) = tokio::select! {
        done = work => done?,
        _ = interrupt.recv() => return Ok(ExitCode::FAILURE),
        _ = terminate.recv() => return Ok(ExitCode::FAILURE),
    };
    if !arguments.check {
        println!("{}", stack.urls());
        if let Some(observation) = &observation {
            println!("{}", observation.urls());
        }
        println!("Ctrl-C stops everything.");
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    }
    println!("stopping");
    drop(observation);
    drop(stack);
    Ok(if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// A path as a person would write it.
fn display(path: &std::path::Path) -> String {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(here)
        .unwrap_or(&path)
        .display()
        .to_string()
}
