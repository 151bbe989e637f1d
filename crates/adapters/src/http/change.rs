//! Requests that change something: who, what, under which key and condition.

use application::{
    ports::{AnswerFormat, IdempotencyKey, StoredAnswer},
    stock::{Command, CommandError, Executed, Keyed, Request as CommandRequest, VersionMatch},
};
use axum::{
    body::Bytes,
    extract::{FromRequest, Request, rejection::BytesRejection},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::Response,
};
use sha2::{Digest, Sha256};

use crate::http::{
    Problem, StockApi,
    answer::{self, HttpAnswers},
    auth::Principal,
    body::{self, Body, BodyError},
    caller::{Caller, Right},
    conditional,
    problem::kind,
};

/// The client's name of a request (draft-ietf-httpapi-idempotency-key-header).
pub(super) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Says that an answer is an earlier one.
const IDEMPOTENT_REPLAYED: &str = "idempotent-replayed";

/// A request that changes something, by somebody who has the right `R`, with the body `B`.
pub(super) struct Change<R, B> {
    pub(super) body: B,
    pub(super) if_match: Option<VersionMatch>,
    pub(super) submission: Submission<R>,
}

/// Who wants something done, and under which key.
pub(super) struct Submission<R> {
    pub(super) caller: Caller<R>,
    keyed: Option<Keyed>,
}

impl<R: Right, B: Body, S: Send + Sync> FromRequest<S> for Change<R, B> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        let caller = Caller::of(&parts)?;
        let if_match = conditional::if_match(&parts.headers)?;
        let key = idempotency_key(&parts.headers, &caller.principal)?;
        // The limits of the body are among the extensions.
        let mut request = Request::new(body);
        *request.extensions_mut() = std::mem::take(&mut parts.extensions);
        let bytes = Bytes::from_request(request, state)
            .await
            .map_err(|error| unread(&error))?;
        if !(B::MAY_BE_EMPTY && bytes.is_empty()) {
            require_json(&parts.headers)?;
        }
        let body = body::parse(&bytes).map_err(Problem::from)?;
        let keyed = key.map(|key| {
            let mut hash = Sha256::new();
            for part in [parts.method.as_str(), "\n", parts.uri.path(), "\n"] {
                hash.update(part);
            }
            for if_match in parts.headers.get_all(header::IF_MATCH) {
                hash.update(if_match);
                hash.update("\n");
            }
            hash.update(&bytes);
            Keyed {
                key,
                fingerprint: hash.finalize().into(),
            }
        });
        Ok(Self {
            body,
            if_match,
            submission: Submission { caller, keyed },
        })
    }
}

impl<R, B> Change<R, B> {
    /// Refuses a key and a condition, which this route would not keep.
    ///
    /// # Errors
    /// Names the header.
    pub(super) fn unconditional(&self) -> Result<(), Problem> {
        let why = "is not taken here: what this route does is safe to repeat";
        if self.submission.keyed.is_some() {
            return Err(Problem::bad_header("Idempotency-Key", "not-taken", why));
        }
        if self.if_match.is_some() {
            return Err(Problem::bad_header("If-Match", "not-taken", why));
        }
        Ok(())
    }
}

impl<R> Submission<R> {
    /// Lets the command be carried out.
    pub(super) async fn execute(
        self,
        api: &StockApi,
        command: Command,
    ) -> Result<Response, Problem> {
        let context = self.caller.context;
        let request = CommandRequest {
            command,
            context: context.clone(),
            keyed: self.keyed,
        };
        match api.commands.execute(request).await {
            Ok(Executed::Answer(answer)) => Ok(response(HttpAnswers.format(Ok(&answer), &context))),
            Ok(Executed::Replayed(answer)) => {
                let mut response = response(answer);
                let replayed = HeaderValue::from_static("true");
                response.headers_mut().insert(IDEMPOTENT_REPLAYED, replayed);
                Ok(response)
            }
            Err(CommandError::Rejected(rejection)) => {
                Ok(response(HttpAnswers.format(Err(&rejection), &context)))
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// The answer as it goes out.
fn response(answer: StoredAnswer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = answer::response(status, answer.body);
    for (name, value) in answer.headers {
        let name = HeaderName::try_from(name);
        if let (Ok(name), Ok(value)) = (name, HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// Why a body could not be read.
pub(super) fn unread(error: &BytesRejection) -> Problem {
    let status = error.status();
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = source {
        if error.is::<tower_http::timeout::TimeoutError>() {
            return Problem::of_status(StatusCode::REQUEST_TIMEOUT);
        }
        source = error.source();
    }
    Problem::of_status(status)
}

impl From<BodyError> for Problem {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::Malformed(error) => {
                Self::malformed(format!("The body is not usable JSON: {error}."))
            }
            BodyError::Invalid(wrong) => Self::validation(wrong),
        }
    }
}

/// The media type of a request, in lower case, without parameters.
pub(super) fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let name = value.split(';').next()?;
    Some(name.trim().to_ascii_lowercase())
}

fn require_json(headers: &HeaderMap) -> Result<(), Problem> {
    let json = ["application/json", "application/merge-patch+json"];
    if media_type(headers).is_some_and(|name| json.contains(&name.as_str())) {
        return Ok(());
    }
    let detail = "Content-Type must be application/json.";
    Err(Problem::new(&kind::UNSUPPORTED_MEDIA_TYPE, detail))
}

/// The key of a request: 1 to 255 printable ASCII characters, in double quotes as the draft has it, or without.
pub(super) fn idempotency_key(
    headers: &HeaderMap,
    principal: &Principal,
) -> Result<Option<IdempotencyKey>, Problem> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default();
    let bare = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .unwrap_or(text);
    let legal =
        (1..=255).contains(&bare.len()) && bare.bytes().all(|b| b.is_ascii_graphic() && b != b'"');
    if !legal {
        return Err(Problem::bad_header(
            "Idempotency-Key",
            "pattern",
            "must be 1 to 255 printable ASCII characters without spaces and double quotes",
        ));
    }
    Ok(Some(IdempotencyKey {
        principal: principal.actor.clone(),
        key: bare.to_owned(),
    }))
}
