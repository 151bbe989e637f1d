//! The brokers: there, with the topics as configured, and with the rights that the service needs.

use application::Causes;

use crate::{
    clock::SystemClock,
    doctor::{Finding, State},
    kafka::{
        BrokerClock, ClockError, KafkaProbe, KafkaSettings, Reads, RightError, TopicSpec,
        broker_clocks, check_topics, may_read, may_write,
    },
};

/// Seconds by which a broker's clock may differ: by it records are deleted.
const SKEW: f64 = 1.0;

/// Looks at the brokers: topics of the service's own, which it writes, and what it reads.
pub(crate) async fn examine_kafka(
    settings: &KafkaSettings,
    own: &[TopicSpec],
    reads: &[Reads],
) -> Vec<Finding> {
    let asked = match KafkaProbe::new(settings) {
        Ok(probe) => probe.ask().await,
        Err(error) => Err(error),
    };
    let mut findings = vec![finding("brokers", asked, &settings.brokers)];
    if findings[0].state == State::Failed {
        return findings;
    }
    let count = format!("{} topics are as configured", own.len());
    findings.push(finding("topics", check_topics(settings, own).await, &count));
    let topics: Vec<String> = own.iter().map(|spec| spec.name.clone()).collect();
    match may_write(settings, &topics).await {
        Ok(answers) => {
            let told = topics.iter().zip(answers);
            findings.extend(told.map(|(topic, answer)| {
                let subject = format!("right to write {topic}");
                match answer {
                    Err(untried @ RightError::Untried) => {
                        Finding::new(subject, State::Warning, untried.to_string())
                    }
                    answer => finding(subject, answer, "allowed"),
                }
            }));
        }
        Err(error) => findings.push(finding("rights to write", Err::<(), _>(error), "")),
    }
    for spec in own.iter().filter(|spec| spec.stamped_by_broker) {
        findings.extend(clocks(settings, &spec.name).await);
    }
    for reads in reads {
        let subject = format!("right to read as {}", reads.group);
        let topics = reads.topics.join(", ");
        findings.push(finding(subject, may_read(settings, reads).await, &topics));
    }
    findings
}

/// They matter less than what the service does with the brokers: what cannot be read is only a warning.
async fn clocks(settings: &KafkaSettings, topic: &str) -> Vec<Finding> {
    match broker_clocks(settings, topic, &SystemClock).await {
        Ok(clocks) => {
            let clocks = clocks.into_iter();
            clocks
                .map(|(broker, clock)| judged(broker, clock))
                .collect()
        }
        Err(error) => vec![unread("brokers' clocks", &error)],
    }
}

fn judged(broker: i32, clock: Result<BrokerClock, ClockError>) -> Finding {
    let subject = format!("clock of broker {broker}");
    let BrokerClock { ahead, unsure } = match clock {
        Ok(clock) => clock,
        Err(error) => return unread(&subject, &error),
    };
    let state = if ahead.abs() > SKEW + unsure {
        State::Warning
    } else {
        State::Ok
    };
    let (ahead, unsure) = (ahead * 1000.0, unsure * 1000.0);
    let detail = format!("{ahead:.1} ms ahead of this machine's, give or take {unsure:.1} ms");
    Finding::new(subject, state, detail)
}

fn unread(subject: &str, error: &ClockError) -> Finding {
    Finding::new(subject, State::Warning, Causes(error).to_string())
}

fn finding<E: std::error::Error + 'static>(
    subject: impl Into<String>,
    looked: Result<(), E>,
    detail: &str,
) -> Finding {
    match looked {
        Ok(()) => Finding::new(subject, State::Ok, detail),
        Err(error) => Finding::new(subject, State::Failed, Causes(&error).to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_wrong_where_it_differs_by_more_than_a_second_for_sure() {
        let state = |ahead, unsure| judged(1, Ok(BrokerClock { ahead, unsure })).state;

        assert_eq!(state(0.9, 0.0), State::Ok);
        assert_eq!(state(1.1, 0.0), State::Warning);
        assert_eq!(state(-1.1, 0.0), State::Warning);
        assert_eq!(state(1.1, 0.2), State::Ok, "it may be less");
        assert_eq!(state(1.3, 0.2), State::Warning);
        let unread = judged(2, Err(ClockError::NotStamped("t".to_owned())));
        assert_eq!(
            (unread.subject.as_str(), unread.state),
            ("clock of broker 2", State::Warning)
        );
    }
}
