//! The brokers: there, with the topics as configured, and with the rights that the service needs.

use application::Causes;

use crate::{
    doctor::{Finding, State},
    kafka::{
        KafkaProbe, KafkaSettings, Reads, RightError, TopicSpec, check_topics, may_read, may_write,
    },
};

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
    for reads in reads {
        let subject = format!("right to read as {}", reads.group);
        let topics = reads.topics.join(", ");
        findings.push(finding(subject, may_read(settings, reads).await, &topics));
    }
    findings
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
