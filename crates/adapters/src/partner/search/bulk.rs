//! The `_bulk` request: what is sent, and what its answer says of each document.

use std::time::Duration;

use domain::delivery::{Reach, Verdict};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::document::Document;
use crate::contract::printable;

/// What came of a document, and the status behind it.
pub(super) type Report = (Verdict, Option<u16>);

/// A document that waits for its turn.
pub(super) struct Item {
    pub(super) document: Document,
    pub(super) answer: oneshot::Sender<Report>,
}

#[derive(Deserialize)]
struct BulkAnswer {
    items: Vec<ItemAnswer>,
}

#[derive(Deserialize)]
struct ItemAnswer {
    create: Created,
}

#[derive(Deserialize)]
struct Created {
    #[serde(rename = "_id")]
    id: String,
    status: u16,
    error: Option<Value>,
}

/// The request's body: two lines a document, the last one ended, too.
pub(super) fn body(batch: &[Item]) -> String {
    let mut lines = String::new();
    for item in batch {
        let action = json!({"create": {"_index": item.document.index, "_id": item.document.id}});
        lines.push_str(&action.to_string());
        lines.push('\n');
        lines.push_str(&item.document.source.to_string());
        lines.push('\n');
    }
    lines
}

/// The verdict on one document.
fn verdict(created: &Created) -> Verdict {
    let error = created.error.as_ref();
    let why = error.and_then(|error| {
        let (kind, reason) = (error["type"].as_str()?, error["reason"].as_str()?);
        Some(printable(&format!("{kind}: {reason}")))
    });
    let cause = format!("status {}: {}", created.status, why.unwrap_or_default());
    let transient = |reach| Verdict::Transient {
        cause: cause.clone(),
        reach,
        retry_after: None,
        hold_off: None,
    };
    match created.status {
        // 409: it was there already.
        200..=299 | 409 => Verdict::Accepted,
        429 => Verdict::Transient {
            cause,
            reach: Reach::Event,
            retry_after: None,
            hold_off: Some(Duration::from_secs(1)),
        },
        // The index is blocked, or is missing and may not be made.
        401 | 403 | 404 => transient(Reach::Partner),
        500..=599 => transient(Reach::Unclear),
        _ => Verdict::Rejected { cause },
    }
}

/// Answers every document by itself.
pub(super) fn answer(batch: Vec<Item>, body: &[u8]) {
    let answers = serde_json::from_slice::<BulkAnswer>(body).map(|answer| answer.items);
    let answers = match answers {
        Ok(answers) if answers.len() == batch.len() => answers,
        _ => {
            let cause = "the answer has not one item for each document".to_owned();
            let broken = Verdict::Transient {
                cause,
                reach: Reach::Unclear,
                retry_after: None,
                hold_off: None,
            };
            return answer_all(batch, &(broken, Some(200)));
        }
    };
    for (item, ItemAnswer { create }) in batch.into_iter().zip(answers) {
        let verdict = if create.id == item.document.id {
            verdict(&create)
        } else {
            Verdict::Transient {
                cause: "the answer's items are in another order".to_owned(),
                reach: Reach::Unclear,
                retry_after: None,
                hold_off: None,
            }
        };
        // Who does not wait any longer asks again.
        drop(item.answer.send((verdict, Some(create.status))));
    }
}

/// Answers every document alike.
pub(super) fn answer_all(batch: Vec<Item>, report: &Report) {
    for item in batch {
        // Who does not wait any longer asks again.
        drop(item.answer.send(report.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(count: usize) -> (Vec<Item>, Vec<oneshot::Receiver<Report>>) {
        let item = |n: usize| {
            let (answer, answered) = oneshot::channel();
            let item = Item {
                document: Document {
                    index: "i".to_owned(),
                    id: n.to_string(),
                    source: json!({"n": n}),
                },
                answer,
            };
            (item, answered)
        };
        (0..count).map(item).unzip()
    }

    #[test]
    fn the_request_ends_with_a_line_end() {
        let (batch, _) = asked(1);

        let body = body(&batch);

        assert_eq!(
            body,
            "{\"create\":{\"_id\":\"0\",\"_index\":\"i\"}}\n{\"n\":0}\n"
        );
    }

    #[test]
    fn every_document_has_its_own_verdict() {
        let statuses = [201, 409, 429, 403, 400, 503];
        let (batch, answered) = asked(statuses.len());
        let items: Vec<Value> = statuses
            .iter()
            .enumerate()
            .map(|(n, status)| {
                json!({"create": {"_id": n.to_string(), "status": status, "error": {"type": "t", "reason": "r"}}})
            })
            .collect();

        answer(
            batch,
            json!({"errors": true, "items": items})
                .to_string()
                .as_bytes(),
        );

        let verdicts: Vec<&str> = answered
            .into_iter()
            .map(|mut answered| match answered.try_recv().unwrap().0 {
                Verdict::Accepted => "accepted",
                Verdict::Transient {
                    reach: Reach::Unclear,
                    ..
                } => "unclear",
                Verdict::Transient {
                    reach: Reach::Partner,
                    ..
                } => "partner",
                Verdict::Transient {
                    reach: Reach::Event,
                    ..
                } => "event",
                Verdict::Rejected { .. } => "rejected",
                Verdict::Gone { .. } => "gone",
            })
            .collect();
        assert_eq!(
            verdicts,
            [
                "accepted", "accepted", "event", "partner", "rejected", "unclear"
            ]
        );
    }

    #[test]
    fn an_answer_without_an_item_for_each_document_settles_none() {
        for body in [
            "",
            "{}",
            r#"{"items": []}"#,
            r#"{"items": [{"create": {"_id": "other", "status": 201}}]}"#,
        ] {
            let (batch, mut answered) = asked(1);
            answer(batch, body.as_bytes());
            let (verdict, _) = answered[0].try_recv().unwrap();
            assert!(
                matches!(verdict, Verdict::Transient { .. }),
                "{body}: {verdict:?}"
            );
        }
    }
}
