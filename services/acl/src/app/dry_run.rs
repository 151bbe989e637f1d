//! What partners would be told.

use std::{fmt::Write, path::Path};

use adapters::contract::{decode, sample, samples};
use anyhow::{Context, bail};
use application::ports::PartnerCall;
use domain::delivery::{Effect, ExternalStock, Gate, Step};

use crate::config::{Config, Named};

/// What each partner, or the one of `subscription`, would be told of the golden events, or of the one in a file.
pub(super) fn run(
    config: &Config,
    subscription: Option<&str>,
    event: Option<&Path>,
) -> anyhow::Result<String> {
    let records = match event {
        None => samples()?,
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("{} cannot be read", path.display()))?;
            let read = sample(&text).with_context(|| {
                format!("{} is no object of headers, key and value", path.display())
            })?;
            vec![read]
        }
    };
    let wanted = |named: &Named<'_>| subscription.is_none_or(|name| name == named.name);
    let chosen: Vec<Named<'_>> = config.subscriptions().filter(wanted).collect();
    if chosen.is_empty() {
        let known: Vec<String> = config.subscriptions().map(|named| named.name).collect();
        bail!(
            "there is no such subscription; there are {}",
            known.join(", ")
        );
    }
    let mut said = String::new();
    let mut untold = 0;
    for named in chosen {
        let (settings, setting) = (named.settings, &named.setting);
        let state = if settings.enabled { "" } else { ", disabled" };
        writeln!(
            said,
            "{} ({:?}, {}, group {}{state})",
            named.name,
            settings.ordering,
            settings.topics.join(" and "),
            config.prefixed(&settings.group)
        )?;
        let rules = settings.rules(setting, &config.profiles)?;
        let mut external = ExternalStock::default();
        for record in &records {
            let notification = decode(record).context("the event cannot be read")?;
            let operation = notification.effect.operation();
            write!(said, "  {operation} {}: ", notification.version())?;
            match external.gate(&notification, false, &rules) {
                Gate::Proceed(Step::Deliver) => {}
                gate => {
                    writeln!(said, "{gate:?}")?;
                    continue;
                }
            }
            if rules.creates && external.external_id.is_none() {
                if notification.effect != Effect::Created {
                    write!(said, "(the stock is created there first) ")?;
                }
                external.external_id = Some("EXTERNAL-ID".parse()?);
            }
            let call = PartnerCall::of(&notification, &external, rules.ordering);
            let target = format!("{setting}.target");
            match settings.target.preview(&target, &config.profiles, &call) {
                Ok(preview) => {
                    writeln!(said, "{} {} {}", preview.method, preview.path, preview.body)?;
                }
                Err(error) => {
                    untold += 1;
                    writeln!(said, "cannot be told: {error}")?;
                }
            }
        }
    }
    if untold > 0 {
        bail!("{untold} events cannot be told:\n{said}");
    }
    Ok(said.trim_end().to_owned())
}
