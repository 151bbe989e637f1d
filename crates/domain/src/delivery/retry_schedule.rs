//! When a failed delivery is tried again.

use std::time::Duration;

/// The longest waits between attempts, in order; after the last one the event is dead.
///
/// Full jitter: the wait is uniform between zero and the schedule's (AWS Architecture Blog, "Exponential Backoff And
/// Jitter"). A partner's `Retry-After` is a floor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetrySchedule(Vec<Duration>);

/// A schedule needs at least one wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must name at least one wait")]
pub struct EmptySchedule;

impl RetrySchedule {
    /// A schedule of these waits.
    ///
    /// # Errors
    /// [`EmptySchedule`] if there is none.
    pub fn new(waits: Vec<Duration>) -> Result<Self, EmptySchedule> {
        if waits.is_empty() {
            Err(EmptySchedule)
        } else {
            Ok(Self(waits))
        }
    }

    /// The wait after the attempt number `attempt` (from 1) failed; none if there is no further attempt. `jitter` is
    /// uniform in 0 to 1.
    #[must_use]
    pub fn wait(&self, attempt: u32, jitter: f64, floor: Option<Duration>) -> Option<Duration> {
        let index = usize::try_from(attempt.checked_sub(1)?).ok()?;
        let longest = self.0.get(index)?;
        let jittered = longest.mul_f64(jitter.clamp(0.0, 1.0));
        Some(jittered.max(floor.unwrap_or(Duration::ZERO)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_jittered_floored_and_come_to_an_end() {
        let seconds = Duration::from_secs;
        let schedule = RetrySchedule::new(vec![seconds(1), seconds(5)]).unwrap();

        assert_eq!(schedule.wait(1, 1.0, None), Some(seconds(1)));
        assert_eq!(
            schedule.wait(2, 0.5, None),
            Some(Duration::from_millis(2500))
        );
        assert_eq!(schedule.wait(2, 0.5, Some(seconds(60))), Some(seconds(60)));
        assert_eq!(schedule.wait(3, 0.5, None), None);
        assert_eq!(RetrySchedule::new(vec![]), Err(EmptySchedule));
    }
}
