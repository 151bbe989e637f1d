//! The drill: one fault after the other in a running system, and whether the right person would hear of it.

mod frozen;
mod scene;
mod traffic;

use std::time::{Duration, Instant};

use anyhow::ensure;
use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use devstack::home;

use crate::observe::Notice;
use scene::{Fault, Scene};

/// Longest time until an alert is sent, and until it ends; the longest window of the rules, and a half.
const PATIENCE: Duration = Duration::from_mins(4);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(250);
/// How long it has to be quiet between two faults.
const QUIET: Duration = Duration::from_secs(3);

/// What came of a fault.
struct Outcome {
    fault: Fault,
    fired: Option<Duration>,
    resolved: Option<Duration>,
    runbook: String,
    /// What else would have woken somebody.
    others: Vec<String>,
}

impl Outcome {
    fn is_good(&self) -> bool {
        let runbook = self.runbook.ends_with(self.fault.runbook());
        self.fired.is_some() && self.resolved.is_some() && runbook && self.others.is_empty()
    }

    fn row(&self) -> [String; 6] {
        let seconds = |time: Option<Duration>| {
            time.map_or_else(
                || "never".to_owned(),
                |time| format!("{:.0}", time.as_secs_f64()),
            )
        };
        let runbook = self.runbook.rsplit('/').next().unwrap_or_default();
        [
            self.fault.name().to_owned(),
            self.fault.alert().to_owned(),
            seconds(self.fired),
            seconds(self.resolved),
            runbook.to_owned(),
            self.others.join(", "),
        ]
    }
}

/// Runs the drill with rules whose times are divided by `factor`; false if an alert was not as it has to be. `only` names a
/// fault; without it, all of them are tried.
pub(crate) async fn run(factor: u32, only: Option<&str>) -> anyhow::Result<bool> {
    let names = || Fault::ALL.map(Fault::name).join(", ");
    let chosen = |fault: &Fault| only.is_none_or(|name| name == fault.name());
    let faults: Vec<Fault> = Fault::ALL.into_iter().filter(chosen).collect();
    ensure!(!faults.is_empty(), "--fault has to be one of: {}", names());
    let mut scene = Scene::start(factor).await?;
    let mut outcomes = Vec::new();
    for fault in faults {
        calm(&scene).await?;
        let outcome = carry_out(&mut scene, fault).await?;
        println!("{}", outcome.row().join("  "));
        outcomes.push(outcome);
    }
    calm(&scene).await?;
    println!("{}", table(&outcomes, factor));
    scene.verify()?;
    Ok(outcomes.iter().all(Outcome::is_good))
}

/// Waits until no alert fires or is about to.
async fn calm(scene: &Scene) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let mut since = Instant::now();
    loop {
        let alerts = scene.observation.alerts().await?;
        if !alerts.is_empty() {
            since = Instant::now();
        }
        if since.elapsed() >= QUIET {
            return Ok(());
        }
        ensure!(
            Instant::now() < deadline,
            "it does not become quiet: {alerts:?}; logs are in {}",
            home().join("run").display()
        );
        tokio::time::sleep(LOOK).await;
    }
}

async fn carry_out(scene: &mut Scene, fault: Fault) -> anyhow::Result<Outcome> {
    let began = Instant::now();
    let wound = scene.inject(fault).await?;
    let firing = |notice: &Notice| notice.firing && notice.alert == fault.alert();
    let fired = heard(scene, began, firing).await;
    let healed = Instant::now();
    scene.heal(wound).await?;
    let resolved = match &fired {
        Some(_) => {
            let over = |notice: &Notice| !notice.firing && notice.alert == fault.alert();
            heard(scene, healed, over).await
        }
        None => None,
    };
    // What comes of it comes late, too.
    calm(scene).await?;
    let others = scene.observation.notices().into_iter();
    let others = others.filter(|notice| {
        let page = notice.firing && notice.severity == "page";
        notice.at >= began && page && notice.alert != fault.alert()
    });
    Ok(Outcome {
        fault,
        runbook: fired
            .as_ref()
            .map(|notice| notice.runbook.clone())
            .unwrap_or_default(),
        fired: fired.map(|notice| notice.at - began),
        resolved: resolved.map(|notice| notice.at - healed),
        others: others.map(|notice| notice.alert).collect(),
    })
}

/// The first notice of this kind that comes after `since`, if it comes.
async fn heard(scene: &Scene, since: Instant, wanted: impl Fn(&Notice) -> bool) -> Option<Notice> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        let mut notices = scene.observation.notices().into_iter();
        let found = notices.find(|notice| notice.at >= since && wanted(notice));
        if found.is_some() {
            return found;
        }
        tokio::time::sleep(LOOK).await;
    }
    None
}

fn table(outcomes: &[Outcome], factor: u32) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header([
        "fault",
        "alert",
        "fires after s",
        "ends after s",
        "runbook",
        "other pages",
    ]);
    table.add_rows(outcomes.iter().map(Outcome::row));
    format!("all times in the rules are divided by {factor}\n{table}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_passed_only_with_its_alert_its_runbook_and_nothing_else() {
        let outcome = |change: fn(&mut Outcome)| {
            let mut outcome = Outcome {
                fault: Fault::KafkaStopped,
                fired: Some(Duration::from_secs(9)),
                resolved: Some(Duration::from_secs(5)),
                runbook: "https://example.com/runbooks/kafka-down.md".to_owned(),
                others: Vec::new(),
            };
            change(&mut outcome);
            outcome.is_good()
        };

        assert!(outcome(|_| {}));
        assert!(!outcome(|it| it.fired = None));
        assert!(!outcome(|it| it.resolved = None));
        assert!(!outcome(
            |it| it.runbook = "https://example.com/runbooks/other.md".to_owned()
        ));
        assert!(!outcome(|it| it.others = vec!["HighErrorRate".to_owned()]));
    }
}
