//! What a partner's answer means: one pure function for all partners.

use std::time::Duration;

use domain::delivery::{Reach, Verdict};

/// Longest time for which one answer keeps a partner from being called at all.
const LONGEST_HOLD_OFF: Duration = Duration::from_mins(10);

/// The same, where a partner that gets too many calls does not say for how long.
const HOLD_OFF: Duration = Duration::from_secs(1);

/// A call had no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// It took too long.
    TimedOut,
    /// The partner could not be reached: DNS, TCP, TLS.
    Connection(String),
    /// The connection broke, or the answer could not be read.
    Broken(String),
    /// There is no token for the call.
    Token(String),
    /// The call cannot be made of this event.
    Unusable(String),
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The header `Retry-After`.
    pub retry_after: Option<Duration>,
    /// The start of the body, for people.
    pub excerpt: String,
    /// The answer names our key as what it conflicts with: the effect is there already.
    pub conflicts_with_ours: bool,
}

/// The verdict on an answer, or on its absence.
///
/// | answer | verdict | reach |
/// | --- | --- | --- |
/// | 2xx; 409 that names our key | accepted | |
/// | 408, 425 | transient | the event |
/// | 429 | transient | the event; nobody calls before `Retry-After`, or for a second |
/// | 5xx; time-out; connection broken | transient | unclear |
/// | 401, 403; no connection; no token | transient | the partner |
/// | 410 | gone | |
/// | 3xx, every other 4xx; a call that cannot be made | rejected | |
#[must_use]
pub fn classify(answer: &Result<Answer, Failure>) -> Verdict {
    let transient = |cause, reach| Verdict::Transient {
        cause,
        reach,
        retry_after: None,
        hold_off: None,
    };
    let answer = match answer {
        Ok(answer) => answer,
        Err(Failure::TimedOut) => {
            return transient("no answer in time".to_owned(), Reach::Unclear);
        }
        Err(Failure::Connection(why)) => {
            return transient(format!("no connection: {why}"), Reach::Partner);
        }
        Err(Failure::Broken(why)) => {
            return transient(format!("the answer broke off: {why}"), Reach::Unclear);
        }
        Err(Failure::Token(why)) => return transient(format!("no token: {why}"), Reach::Partner),
        Err(Failure::Unusable(cause)) => {
            return Verdict::Rejected {
                cause: cause.clone(),
            };
        }
    };
    let cause = format!("status {}: {}", answer.status, answer.excerpt);
    let reach = match answer.status {
        200..=299 => return Verdict::Accepted,
        409 if answer.conflicts_with_ours => return Verdict::Accepted,
        401 | 403 => Reach::Partner,
        408 | 425 | 429 => Reach::Event,
        500..=599 => Reach::Unclear,
        410 => return Verdict::Gone { cause },
        _ => return Verdict::Rejected { cause },
    };
    let busy = answer.status == 429;
    let asked = busy.then(|| answer.retry_after.unwrap_or(HOLD_OFF));
    Verdict::Transient {
        cause,
        reach,
        retry_after: answer.retry_after,
        hold_off: asked.map(|wait| wait.min(LONGEST_HOLD_OFF)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16) -> Answer {
        Answer {
            status,
            retry_after: Some(Duration::from_secs(7)),
            excerpt: String::new(),
            conflicts_with_ours: false,
        }
    }

    fn word(result: &Result<Answer, Failure>) -> &'static str {
        match classify(result) {
            Verdict::Accepted => "accepted",
            Verdict::Transient { reach, .. } => match reach {
                Reach::Event => "event",
                Reach::Unclear => "unclear",
                Reach::Partner => "partner",
            },
            Verdict::Rejected { .. } => "rejected",
            Verdict::Gone { .. } => "gone",
        }
    }

    #[test]
    fn every_status_class_and_failure_has_its_verdict() {
        for (statuses, expected) in [
            (&[200, 201, 202, 204, 299][..], "accepted"),
            (&[408, 425, 429], "event"),
            (&[500, 501, 502, 503, 504, 599], "unclear"),
            (&[401, 403], "partner"),
            (&[410], "gone"),
            (
                &[
                    100, 301, 302, 303, 307, 308, 400, 402, 404, 405, 406, 407, 409, 411, 413, 415,
                    418, 422, 451,
                ],
                "rejected",
            ),
        ] {
            for status in statuses {
                assert_eq!(word(&Ok(answer(*status))), expected, "{status}");
            }
        }
        let why = || "why".to_owned();
        for (failure, expected) in [
            (Failure::TimedOut, "unclear"),
            (Failure::Connection(why()), "partner"),
            (Failure::Broken(why()), "unclear"),
            (Failure::Token(why()), "partner"),
            (Failure::Unusable(why()), "rejected"),
        ] {
            assert_eq!(word(&Err(failure.clone())), expected, "{failure:?}");
        }
    }

    #[test]
    fn a_conflict_with_our_own_key_is_a_repeat_that_arrived() {
        let mut conflict = answer(409);
        conflict.conflicts_with_ours = true;

        assert_eq!(classify(&Ok(conflict)), Verdict::Accepted);
    }

    #[test]
    fn the_partners_wish_to_be_left_alone_is_passed_on() {
        let wish = |status, seconds| {
            let mut answer = answer(status);
            answer.retry_after = Some(Duration::from_secs(seconds));
            match classify(&Ok(answer)) {
                Verdict::Transient {
                    retry_after,
                    hold_off,
                    ..
                } => (retry_after, hold_off),
                other => panic!("{other:?}"),
            }
        };
        let seconds = |n| Some(Duration::from_secs(n));

        assert_eq!(wish(503, 7), (seconds(7), None));
        assert_eq!(wish(429, 7), (seconds(7), seconds(7)));
        assert_eq!(wish(429, 86_400), (seconds(86_400), Some(LONGEST_HOLD_OFF)));
    }
}
