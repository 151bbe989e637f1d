//! One line of the table: rounds of ours and of the baseline, their medians, and whether it is enough.

use std::fmt;

/// What a figure has to reach.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal {
    /// Ours is at least so many times the baseline.
    TimesAtLeast(f64),
    /// Ours is at most so many times the baseline.
    TimesAtMost(f64),
    /// Ours is at most this.
    AtMost(f64),
    /// It is only shown.
    Shown,
}

/// What was measured.
#[derive(Debug, Clone)]
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) unit: &'static str,
    /// One value a round.
    pub(crate) ours: Vec<f64>,
    /// What it is compared with, and one value a round.
    pub(crate) baseline: Option<(&'static str, Vec<f64>)>,
    pub(crate) goal: Goal,
}

/// The middle one; of an even number the mean of the two in the middle.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.as_slice() {
        [] => f64::NAN,
        sorted if sorted.len() % 2 == 1 => sorted[middle],
        sorted => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

impl Figure {
    /// One without a baseline.
    pub(crate) fn at_most(name: String, unit: &'static str, ours: Vec<f64>, most: f64) -> Self {
        Self {
            name,
            unit,
            ours,
            baseline: None,
            goal: Goal::AtMost(most),
        }
    }

    /// One that is only shown.
    pub(crate) fn shown(name: String, unit: &'static str, ours: Vec<f64>) -> Self {
        Self {
            name,
            unit,
            ours,
            baseline: None,
            goal: Goal::Shown,
        }
    }

    /// Ours against the baseline.
    pub(crate) fn ratio(&self) -> Option<f64> {
        let (_, baseline) = self.baseline.as_ref()?;
        Some(median(&self.ours) / median(baseline))
    }

    /// Whether it is enough; none if it need not be.
    pub(crate) fn reached(&self) -> Option<bool> {
        match self.goal {
            Goal::TimesAtLeast(times) => Some(self.ratio().is_some_and(|ratio| ratio >= times)),
            Goal::TimesAtMost(times) => Some(self.ratio().is_some_and(|ratio| ratio <= times)),
            Goal::AtMost(most) => Some(median(&self.ours) <= most),
            Goal::Shown => None,
        }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimesAtLeast(times) => write!(f, "at least {times} ×"),
            Self::TimesAtMost(times) => write!(f, "at most {times} ×"),
            Self::AtMost(most) => write!(f, "at most {most}"),
            Self::Shown => write!(f, "–"),
        }
    }
}

/// Bytes as mebibytes.
#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
pub(crate) fn mib(bytes: u64) -> f64 {
    bytes as f64 / (1024.0 * 1024.0)
}

/// A number as people read it: three digits that matter.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 => {
            let whole = format!("{value:.0}");
            let mut grouped = String::new();
            for (place, digit) in whole.chars().enumerate() {
                if place > 0 && (whole.len() - place).is_multiple_of(3) && digit != '-' {
                    grouped.push(',');
                }
                grouped.push(digit);
            }
            grouped
        }
        v if v >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(ours: &[f64], baseline: &[f64], goal: Goal) -> Figure {
        Figure {
            name: String::new(),
            unit: "",
            ours: ours.to_vec(),
            baseline: Some(("", baseline.to_vec())),
            goal,
        }
    }

    #[test]
    fn the_median_decides() {
        let good = figure(
            &[1.0, 300.0, 200.0],
            &[100.0, 90.0, 110.0],
            Goal::TimesAtLeast(2.0),
        );
        assert_eq!(good.ratio(), Some(2.0));
        assert_eq!(good.reached(), Some(true));
        let bad = figure(&[199.0], &[100.0], Goal::TimesAtLeast(2.0));
        assert_eq!(bad.reached(), Some(false));
        let slow = figure(&[3.0, 1.0], &[1.0], Goal::TimesAtMost(1.9));
        assert_eq!(slow.reached(), Some(false));
    }

    #[test]
    fn a_figure_without_rounds_reaches_nothing() {
        let reached = |baseline: &[f64], goal| figure(&[], baseline, goal).reached();
        assert_eq!(reached(&[1.0], Goal::TimesAtLeast(0.0)), Some(false));
        assert_eq!(reached(&[], Goal::AtMost(9.0)), Some(false));
        assert_eq!(reached(&[], Goal::Shown), None);
    }

    #[test]
    fn numbers_have_the_digits_that_matter() {
        assert_eq!(
            [0.123, 1.5, 12.34, 999.6, 1_234_567.0].map(number),
            ["0.12", "1.50", "12.3", "1,000", "1,234,567"]
        );
    }
}
