//! Health and metrics.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use futures::future::BoxFuture;
use serde_json::{Map, json};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use utoipa::openapi::{
    RefOr,
    schema::{ObjectBuilder, Schema, Type},
};

use crate::{
    http::{
        HttpSettings, Problem,
        body::{self, body},
        bounds,
        member::{Member, Wrong},
        serve,
    },
    lifecycle::Tasks,
    telemetry::Telemetry,
};

/// Longest time for a check.
const PATIENCE: Duration = Duration::from_secs(2);

type Probe = Arc<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// Something that the service needs.
#[derive(Clone)]
pub struct Check {
    name: &'static str,
    needed_to_serve: bool,
    probe: Probe,
}

impl Check {
    /// A check; `needed_to_serve`: without it no request can be answered, so readiness depends on it.
    pub fn new(
        name: &'static str,
        needed_to_serve: bool,
        probe: impl Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync + 'static,
    ) -> Self {
        Self {
            name,
            needed_to_serve,
            probe: Arc::new(probe),
        }
    }

    /// Whether the service goes on: not once `stop` is cancelled.
    #[must_use]
    pub fn serving(stop: CancellationToken) -> Self {
        Self::new("serving", true, move || {
            let answer = if stop.is_cancelled() {
                Err("the service is shutting down".to_owned())
            } else {
                Ok(())
            };
            Box::pin(std::future::ready(answer))
        })
    }
}

/// What the service needs.
#[derive(Clone)]
pub struct Health {
    checks: Arc<[Check]>,
}

impl Health {
    /// These checks.
    #[must_use]
    pub fn new(checks: Vec<Check>) -> Self {
        Self {
            checks: checks.into(),
        }
    }

    /// Runs the checks that `which` picks.
    async fn look(
        &self,
        which: impl Fn(&Check) -> bool,
    ) -> Vec<(&'static str, Result<(), String>)> {
        let checks = self.checks.iter().filter(|check| which(check));
        let results = checks.map(|check| async {
            let result = tokio::time::timeout(PATIENCE, (check.probe)()).await;
            let result = result.unwrap_or_else(|_| Err("no answer in time".to_owned()));
            (check.name, result)
        });
        futures::future::join_all(results).await
    }

    /// Runs the checks that `which` picks, and names them and what is wrong.
    async fn answer(&self, which: impl Fn(&Check) -> bool) -> Response {
        let results = self.look(which).await;
        let up = results.iter().all(|(_, result)| result.is_ok());
        let components: Map<_, _> = results
            .into_iter()
            .map(|(name, result)| {
                let component = match result {
                    Ok(()) => json!({"status": "UP"}),
                    Err(why) => json!({"status": "DOWN", "detail": why}),
                };
                (name.to_owned(), component)
            })
            .collect();
        let body = json!({"status": word(up), "components": components});
        (status(up), Json(body)).into_response()
    }
}

fn word(up: bool) -> &'static str {
    if up { "UP" } else { "DOWN" }
}

fn status(up: bool) -> StatusCode {
    if up {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    }
}

/// How long the public answer is good for.
const FRESH: Duration = Duration::from_secs(1);

/// Health for balancers, without details, on the public listener. However often it is asked for, it is looked at once a
/// second at most.
pub fn public_health_router(health: Health) -> Router {
    let last: Arc<Mutex<Option<(Instant, bool)>>> = Arc::default();
    let answer = |State(health): State<Health>| async move {
        let mut last = last.lock().await;
        let up = match *last {
            Some((at, up)) if at.elapsed() < FRESH => up,
            _ => {
                let looked = health.look(|check| check.needed_to_serve).await;
                let up = looked.iter().all(|(_, result)| result.is_ok());
                *last = Some((Instant::now(), up));
                up
            }
        };
        (status(up), Json(json!({"status": word(up)})))
    };
    Router::new()
        .route("/actuator/health", get(answer))
        .with_state(health)
}

/// What the management listener shows of the program.
pub struct Program {
    /// The binary's name.
    pub name: &'static str,
    /// Renders the metrics, and changes what is logged.
    pub telemetry: Telemetry,
}

/// Serves the management listener in a task of `tasks`: health with details, metrics, and what is logged.
pub fn serve_management(
    tasks: &mut Tasks,
    settings: &HttpSettings,
    health: Health,
    program: Program,
) {
    let routes = management_router(health, program).layer(bounds(settings));
    let (settings, stop) = (settings.clone(), tasks.stop.clone());
    tasks.spawn(
        "management",
        async move { serve(&settings, routes, stop).await },
    );
}

fn management_router(health: Health, program: Program) -> Router {
    let all = |State(health): State<Health>| async move { health.answer(|_| true).await };
    let ready = |State(health): State<Health>| async move {
        health.answer(|check| check.needed_to_serve).await
    };
    // That it answers is the proof: a liveness that asks a database restarts services for the database's faults.
    let live = || async { Json(json!({"status": word(true)})) };
    let Program { name, telemetry } = program;
    let (metrics, log) = (telemetry.metrics.clone(), telemetry.log);
    let render = move || async move {
        let version = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
        ([(header::CONTENT_TYPE, version)], metrics.render())
    };
    let info = move || async move {
        Json(json!({"build": {"name": name, "version": env!("CARGO_PKG_VERSION")}}))
    };
    let shown = log.clone();
    let show = move || async move { Json(json!({"filter": shown.filter()})) };
    let change = move |body: Bytes| async move {
        let LogLevelBody { filter } = body::parse(&body)?;
        log.set(&filter.0).map_err(|error| {
            let wrong = Wrong::all("not-a-filter", error.to_string()).into_iter();
            Problem::validation(wrong.map(|wrong| wrong.within("filter")).collect())
        })?;
        Ok::<_, Problem>(Json(json!({"filter": log.filter()})))
    };
    Router::new()
        .route("/actuator/health", get(all))
        .route("/actuator/health/liveness", get(live))
        .route("/actuator/health/readiness", get(ready))
        .route("/actuator/health/startup", get(ready))
        .route("/actuator/info", get(info))
        .route("/actuator/loglevel", get(show).put(change))
        .route("/metrics", get(render))
        .with_state(health)
}

body! {
    /// What is logged.
    struct LogLevelBody {
        /// Levels by module, as in `info,sqlx=warn`.
        filter: required LogFilter = "filter",
    }
}

/// Levels by module.
#[derive(Debug)]
pub(super) struct LogFilter(String);

impl Member for LogFilter {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::String).into()
    }

    fn from_text(text: &str) -> Result<Self, Vec<Wrong>> {
        Ok(Self(text.to_owned()))
    }
}
