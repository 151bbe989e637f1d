//! What a partner's answer means: one pure function for all partners.

use std::time::Duration;

use domain::delivery::Verdict;

/// A call had no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// It took too long.
    TimedOut,
    /// The partner could not be reached, or the connection broke: DNS, TCP, TLS.
    Connection(String),
    /// The answer broke off or could not be read.
    Body(String),
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The header `Retry-After`, in seconds.
    pub retry_after: Option<Duration>,
    /// The start of the body, for people.
    pub excerpt: String,
    /// The answer names our key as what it conflicts with: the effect is there already.
    pub conflicts_with_ours: bool,
}

/// The verdict on an answer, or on its absence.
///
/// | answer | verdict |
/// | --- | --- |
/// | 2xx; 409 that names our key | accepted |
/// | 408, 425, 429, 5xx; time-out; connection lost | transient |
/// | 401, 403: the partner as a whole | transient |
/// | 3xx, every other 4xx | rejected |
#[must_use]
pub fn classify(answer: &Result<Answer, Failure>) -> Verdict {
    let answer = match answer {
        Ok(answer) => answer,
        Err(failure) => {
            return Verdict::Transient {
                cause: match failure {
                    Failure::TimedOut => "the partner did not answer in time".to_owned(),
                    Failure::Connection(why) => format!("no connection to the partner: {why}"),
                    Failure::Body(why) => format!("the partner's answer broke off: {why}"),
                },
                retry_after: None,
            };
        }
    };
    let cause = format!("status {}: {}", answer.status, answer.excerpt);
    match answer.status {
        200..=299 => Verdict::Accepted,
        409 if answer.conflicts_with_ours => Verdict::Accepted,
        401 | 403 | 408 | 425 | 429 | 500..=599 => Verdict::Transient {
            cause,
            retry_after: answer.retry_after,
        },
        _ => Verdict::Rejected { cause },
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

    #[test]
    fn every_status_class_and_failure_has_its_verdict() {
        let word = |result| match classify(&result) {
            Verdict::Accepted => "accepted",
            Verdict::Transient { .. } => "transient",
            Verdict::Rejected { .. } => "rejected",
        };
        for (statuses, expected) in [
            (&[200, 201, 202, 204, 299][..], "accepted"),
            (
                &[401, 403, 408, 425, 429, 500, 502, 503, 504, 599],
                "transient",
            ),
            (
                &[
                    301, 302, 307, 308, 400, 404, 405, 409, 410, 413, 415, 422, 451,
                ],
                "rejected",
            ),
        ] {
            for status in statuses {
                assert_eq!(word(Ok(answer(*status))), expected, "{status}");
            }
        }
        for failure in [
            Failure::TimedOut,
            Failure::Connection("dns".to_owned()),
            Failure::Body("reset".to_owned()),
        ] {
            assert_eq!(word(Err(failure.clone())), "transient", "{failure:?}");
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
        let Verdict::Transient { retry_after, .. } = classify(&Ok(answer(429))) else {
            panic!("not transient");
        };

        assert_eq!(retry_after, Some(Duration::from_secs(7)));
    }
}
