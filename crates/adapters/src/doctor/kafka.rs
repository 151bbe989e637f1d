//! The brokers: there, with the topics as configured, and with the rights that the service needs.

use application::{Causes, ports::Clock};

use crate::{
    clock::SystemClock,
    doctor::{Finding, State},
    kafka::{
        BrokerClock, KafkaProbe, KafkaSettings, Reads, RightError, TopicSpec, broker_clocks,
        check_topics, may_read, may_write,
    },
};

/// Seconds by which a broker's clock may differ: more makes it look as if events were old or late.
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
    let count = format!(
        "{} topics have their partitions, copies and retention",
        own.len()
    );
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
        findings.extend(clocks(settings, &spec.name, &SystemClock).await);
    }
    for reads in reads {
        let subject = format!("right to read as {}", reads.group);
        let topics = reads.topics.join(", ");
        findings.push(finding(subject, may_read(settings, reads).await, &topics));
    }
    findings
}

async fn clocks(settings: &KafkaSettings, topic: &str, clock: &dyn Clock) -> Vec<Finding> {
    match broker_clocks(settings, topic, clock).await {
        Ok(clocks) => clocks.into_iter().map(judged).collect(),
        Err(error) => vec![finding("brokers' clocks", Err::<(), _>(error), "")],
    }
}

fn judged(clock: BrokerClock) -> Finding {
    let BrokerClock {
        broker,
        ahead,
        unsure,
    } = clock;
    let state = if ahead.abs() > SKEW + unsure {
        State::Warning
    } else {
        State::Ok
    };
    let milliseconds = 1000.0;
    let detail = format!(
        "{:.1} ms ahead of this machine's, give or take {:.1} ms",
        ahead * milliseconds,
        unsure * milliseconds
    );
    Finding::new(format!("clock of broker {broker}"), state, detail)
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
        let state = |ahead, unsure| {
            let clock = BrokerClock {
                broker: 1,
                ahead,
                unsure,
            };
            judged(clock).state
        };

        assert_eq!(state(0.9, 0.0), State::Ok);
        assert_eq!(state(1.1, 0.0), State::Warning);
        assert_eq!(state(-1.1, 0.0), State::Warning);
        assert_eq!(state(1.1, 0.2), State::Ok, "it may be less");
        assert_eq!(state(1.3, 0.2), State::Warning);
    }
}
