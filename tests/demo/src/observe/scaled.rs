//! Rules whose times are shorter, and that are otherwise the ones that are shipped.

use anyhow::Context;
use regex::{Captures, Regex};

/// A window needs a few scrapes, which are a second apart.
const WINDOW: u64 = 5000;
/// And something that lasts, two of them.
const WAIT: u64 = 2000;
/// What is measured every second, scraped every second and looked at every second may seem three seconds old.
const AGE: u64 = 5;

/// Divides by `factor`: windows and offsets of queries, `for`, `keep_firing_for`, and ages, which the rules write as minutes
/// (`5 * 60`).
pub(super) fn scaled(rules: &str, factor: u32) -> anyhow::Result<String> {
    if factor == 1 {
        return Ok(rules.to_owned());
    }
    let times =
        Regex::new(r"(?<before>\bfor: |\bkeep_firing_for: |\[|offset )(?<n>\d+)(?<unit>[smhd])\b")
            .context("the times' pattern")?;
    let ages = Regex::new(r"\b(?<n>\d+) \* 60\b").context("the ages' pattern")?;
    let short = times.replace_all(rules, |time: &Captures<'_>| {
        let seconds = match &time["unit"] {
            "m" => 60,
            "h" => 3600,
            "d" => 86400,
            _ => 1,
        };
        let least = if time["before"].ends_with("for: ") {
            WAIT
        } else {
            WINDOW
        };
        let whole: u64 = time["n"].parse().unwrap_or(u64::MAX);
        let part = whole.saturating_mul(seconds * 1000) / u64::from(factor);
        format!("{}{}ms", &time["before"], part.max(least))
    });
    let short = ages.replace_all(&short, |age: &Captures<'_>| {
        let whole: u64 = age["n"].parse().unwrap_or(u64::MAX);
        let part = whole.saturating_mul(60) / u64::from(factor);
        part.max(AGE).to_string()
    });
    Ok(short.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_become_shorter_and_nothing_else_changes() {
        let rules = "expr: 'a > 5 * 60 and d > 1 * 60 and rate(b_5m[10m] offset 10m) > 0.05 and c > 24 * 3600'\nfor: 5m\nkeep_firing_for: 2m\n";

        assert_eq!(scaled(rules, 1).unwrap(), rules);
        assert_eq!(
            scaled(rules, 30).unwrap(),
            "expr: 'a > 10 and d > 5 and rate(b_5m[20000ms] offset 20000ms) > 0.05 and c > 24 * 3600'\nfor: 10000ms\nkeep_firing_for: 4000ms\n"
        );
    }
}
