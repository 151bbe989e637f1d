//! `POST /imports`

mod lines;

use std::sync::Arc;

use application::{
    ports::{AnswerFormat, Clock, Fingerprint},
    stock::{Command, CommandError, Executed, Keyed, Request as CommandRequest},
};
use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use futures::{Stream, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::io::StreamReader;
use utoipa::openapi::{
    RefOr,
    schema::{ObjectBuilder, Schema, SchemaType},
};

use super::operation::Operation;
use crate::{
    clock::SystemClock,
    http::{
        Problem, StockApi,
        answer::{HttpAnswers, refused},
        body::BodyError,
        caller::{Caller, MayWrite},
        change::{idempotency_key, media_type},
        openapi::{CommonProblems, IdempotencyKeyHeader, UnsupportedMediaType},
        problem::kind,
    },
};
use lines::{Line, Lines};

/// Lines that are carried out in one transaction, at most.
const LINES: usize = 500;
/// Bytes of lines that are carried out in one transaction, but for the last one.
const BYTES: usize = 1_048_576;

/// What became of a line.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct LineView {
    /// Its number, from 1; of CSV without the header.
    line: u64,
    /// The HTTP status that it would have had alone.
    status: u16,
    /// Of its answer, what names the result or the error.
    #[serde(flatten)]
    result: serde_json::Map<String, Value>,
}

/// Lines, as they are: no schema can say more of them than the media type does.
struct Uploaded;

impl utoipa::PartialSchema for Uploaded {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::AnyValue)
            .into()
    }
}

impl utoipa::ToSchema for Uploaded {}

/// Members of answers that a line's result has.
const KEPT: [&str; 9] = [
    "stockId",
    "reservationId",
    "version",
    "code",
    "detail",
    "errors",
    "available",
    "requested",
    "state",
];

impl LineView {
    fn new(line: u64, status: u16, body: &Value) -> Self {
        let kept = KEPT.iter().filter_map(|name| {
            let value = body.get(name)?;
            Some(((*name).to_owned(), value.clone()))
        });
        Self {
            line,
            status,
            result: kept.collect(),
        }
    }
}

/// What is left of an item of a batch's answer.
#[derive(Deserialize)]
struct Results {
    results: Vec<ItemResult>,
}

#[derive(Deserialize)]
struct ItemResult {
    status: u16,
    body: Value,
}

/// An import that is under way.
struct Import {
    api: Arc<StockApi>,
    caller: Caller<MayWrite>,
    key: Option<application::ports::IdempotencyKey>,
    lines: Lines,
    chunks: u64,
    _place: OwnedSemaphorePermit,
    accepted: u64,
    refused: u64,
    ended: bool,
}

/// Carries out an operation per line, as the lines arrive: JSON objects as in a batch, or CSV with a header of members'
/// names. A line without `op` creates a stock. The answer comes while the request is still being sent: a result per line
/// and a summary at the end. With an Idempotency-Key, an upload that broke off can be sent again as a whole: lines that
/// were carried out are not carried out again.
#[utoipa::path(
    post,
    path = "/api/v1/virtual-stock/imports",
    operation_id = "import",
    tag = "stocks",
    params(IdempotencyKeyHeader),
    request_body(content((inline(Uploaded) = "application/x-ndjson"), (inline(Uploaded) = "text/csv"))),
    responses(
        CommonProblems,
        UnsupportedMediaType,
        (status = 200, description = "A JSON object per line, and a last one with a summary.", body = String, content_type = "application/x-ndjson"),
    ),
)]
pub(in crate::http) async fn import(
    State(api): State<Arc<StockApi>>,
    caller: Caller<MayWrite>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Problem> {
    let key = idempotency_key(&headers, &caller.principal)?;
    let body = request.into_body().into_data_stream();
    let reader = Box::pin(StreamReader::new(body.map_err(std::io::Error::other)));
    let lines = match media_type(&headers).as_deref() {
        Some("application/x-ndjson") => Lines::ndjson(reader),
        Some("text/csv") => Lines::csv(reader),
        _ => {
            let detail = "Content-Type must be application/x-ndjson or text/csv.";
            return Err(Problem::new(&kind::UNSUPPORTED_MEDIA_TYPE, detail));
        }
    };
    let place = Arc::clone(&api.imports).try_acquire_owned().map_err(|_| {
        Problem::new(&kind::OVERLOADED, "Too many imports are under way.").retry_after(5)
    })?;
    let import = Import {
        api,
        caller,
        key,
        lines,
        chunks: 0,
        _place: place,
        accepted: 0,
        refused: 0,
        ended: false,
    };
    let ndjson = HeaderValue::from_static("application/x-ndjson");
    Ok((
        [(header::CONTENT_TYPE, ndjson)],
        Body::from_stream(import.results()),
    )
        .into_response())
}

/// Why nothing more is carried out.
fn broken_off(detail: &str) -> Value {
    json!({"code": "broken-off", "detail": detail})
}

impl Import {
    /// The answer, chunk by chunk; what follows is not read before a chunk is sent.
    fn results(self) -> impl Stream<Item = Result<String, std::io::Error>> {
        stream::unfold(self, |mut import| async move {
            if import.ended {
                return None;
            }
            let chunk = import.chunk().await;
            Some((Ok(chunk), import))
        })
    }

    /// Why nothing more may be carried out.
    fn must_stop(&self) -> Option<&'static str> {
        let until = self.caller.principal.until;
        if self.api.stop.is_cancelled() {
            Some("The service is shutting down.")
        } else if until.is_some_and(|until| until <= SystemClock.now()) {
            Some("The token has expired.")
        } else {
            None
        }
    }

    async fn chunk(&mut self) -> String {
        let mut lines = Vec::with_capacity(LINES);
        let mut broken = None;
        let mut bytes = 0;
        let stop = self.api.stop.clone();
        while lines.len() < LINES && bytes < BYTES {
            if let Some(why) = self.must_stop() {
                broken = Some(broken_off(why));
                break;
            }
            match stop.run_until_cancelled(self.lines.next()).await {
                Some(Some(Ok(line))) => {
                    bytes += line.json.as_ref().map_or(0, Vec::len);
                    lines.push(line);
                }
                Some(Some(Err(error))) => {
                    broken = Some(broken_off(&format!("The upload broke off: {error}.")));
                    break;
                }
                Some(None) => {
                    self.ended = true;
                    break;
                }
                // Asked why above.
                None => {}
            }
        }
        let mut text = String::new();
        // What has come of a chunk that is not whole is not carried out: the next attempt begins with it.
        if broken.is_none() && !lines.is_empty() {
            let (results, failed) = self.carry_out(lines).await;
            self.chunks += 1;
            for result in results {
                if result.status < 300 {
                    self.accepted += 1;
                } else {
                    self.refused += 1;
                }
                text.push_str(&json!(result).to_string());
                text.push('\n');
            }
            broken = failed;
        }
        self.ended |= broken.is_some();
        if self.ended {
            let mut summary = json!({"summary": {
                "accepted": self.accepted,
                "refused": self.refused,
                "complete": broken.is_none(),
            }});
            if let Some(why) = broken {
                summary["summary"]["code"] = why["code"].clone();
                summary["summary"]["detail"] = why["detail"].clone();
            }
            text.push_str(&summary.to_string());
            text.push('\n');
        }
        text
    }

    /// Carries out a chunk; the second answer says why nothing more should be.
    async fn carry_out(&mut self, lines: Vec<Line>) -> (Vec<LineView>, Option<Value>) {
        let context = self.caller.context.clone();
        let mut results: Vec<Option<LineView>> = Vec::with_capacity(lines.len());
        let mut commands = Vec::with_capacity(lines.len());
        let numbers: Vec<u64> = lines.iter().map(|line| line.number).collect();
        let mut hash = Sha256::new();
        for line in lines {
            hash.update(line.json.as_deref().unwrap_or_default());
            match self.command(&line) {
                Ok(command) => {
                    hash.update("\n+");
                    commands.push(command);
                    results.push(None);
                }
                Err(problem) => {
                    hash.update("\n-");
                    let answer = refused(&problem, &context);
                    let body = serde_json::from_slice(&answer.body).unwrap_or_default();
                    results.push(Some(LineView::new(line.number, answer.status, &body)));
                }
            }
        }
        let mut failed = None;
        let mut decided = Vec::new().into_iter();
        if !commands.is_empty() {
            let keyed = self.keyed(hash.finalize().into());
            match self.execute(commands, keyed).await {
                Ok(results) => decided = results.into_iter(),
                Err(problem) => {
                    let answer = refused(&problem, &context);
                    failed = Some(serde_json::from_slice(&answer.body).unwrap_or_default());
                }
            }
        }
        let results = results.into_iter().zip(numbers);
        let results = results.filter_map(|(known, number)| {
            known.or_else(|| {
                let ItemResult { status, body } = decided.next()?;
                Some(LineView::new(number, status, &body))
            })
        });
        (results.collect(), failed)
    }

    fn command(&self, line: &Line) -> Result<Command, Problem> {
        let json = line.json.as_ref().map_err(|why| {
            let detail = format!("The line cannot be read: {why}.");
            Problem::malformed(detail)
        })?;
        let operation = Operation::parse(json, Some("create")).map_err(|error| match error {
            BodyError::Malformed(error) => {
                Problem::malformed(format!("The line is not usable JSON: {error}."))
            }
            error @ BodyError::Invalid(_) => error.into(),
        })?;
        if let Some(scope) = operation.scope() {
            self.caller.require(scope)?;
        }
        operation.command(&self.api.defaults)
    }

    /// The name of a chunk: the client's key and the chunk's number. No client's own key has a space. What the chunk is: its
    /// lines, and which of them are carried out, for that hangs on the client's rights and the service's settings, too.
    fn keyed(&self, fingerprint: Fingerprint) -> Option<Keyed> {
        let mut key = self.key.clone()?;
        key.key = format!("{} {}", key.key, self.chunks);
        Some(Keyed { key, fingerprint })
    }

    async fn execute(
        &mut self,
        commands: Vec<Command>,
        keyed: Option<Keyed>,
    ) -> Result<Vec<ItemResult>, Problem> {
        let context = self.caller.context.clone();
        let request = CommandRequest {
            command: Command::Batch(commands),
            context: context.clone(),
            keyed,
        };
        let answer = match self.api.commands.execute(request).await {
            Ok(Executed::Answer(answer)) => HttpAnswers.format(Ok(&answer), &context),
            Ok(Executed::Replayed(answer)) => answer,
            Err(CommandError::Rejected(rejection)) => return Err((&rejection).into()),
            Err(error) => return Err(error.into()),
        };
        let results: Results = serde_json::from_slice(&answer.body)
            .map_err(|_| Problem::new(&kind::INTERNAL, kind::INTERNAL.meaning))?;
        Ok(results.results)
    }
}
