//! The API's own description (`OpenAPI` 3.1), made of the handlers and the types that they use.

use std::sync::Arc;

use axum::Router;
use utoipa::{
    IntoParams, IntoResponses, Modify, OpenApi, ToSchema,
    openapi::{
        self, ContentBuilder, Ref, RefOr, Required, Response, ResponseBuilder,
        path::{Parameter, ParameterBuilder, ParameterIn},
        schema::{ObjectBuilder, Schema, Type},
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};
use utoipa_axum::{router::OpenApiRouter, routes};
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::http::{
    StockApi,
    member::Member,
    problem::{PROBLEM_JSON, page},
    reservations, routing, stocks, stream,
};

/// Where the description is.
pub(super) const OPENAPI_JSON: &str = "/api/openapi.json";

/// Problem details (RFC 9457). What lets a client act without asking again stands beside these members: `available`,
/// `requested`, `soonestExpiry`, `currentVersion`, `current`, `lines`, `state`.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "only its schema is used")]
pub(super) struct ProblemBody {
    /// Names the kind of error, and is a page about it.
    r#type: String,
    /// The kind, for people.
    title: String,
    /// The HTTP status.
    status: u16,
    /// What happened, for people.
    detail: String,
    /// The kind, for machines.
    code: String,
    /// Names this request in logs.
    request_id: String,
    /// Names the trace that the request is part of.
    trace_id: String,
    /// What is wrong with members, parameters and headers.
    #[schema(nullable = false)]
    errors: Option<Vec<FieldErrorBody>>,
}

/// What is wrong with one value.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(super) struct FieldErrorBody {
    /// Where: a JSON pointer into the body, `?name` of the query, or the name of a header.
    pointer: String,
    /// What, for machines.
    code: String,
    /// What, for people.
    message: String,
}

pub(super) fn problem(description: &str) -> RefOr<Response> {
    let schema = Ref::from_schema_name("ProblemBody");
    ResponseBuilder::new()
        .description(description)
        .content(
            PROBLEM_JSON,
            ContentBuilder::new().schema(Some(schema)).build(),
        )
        .into()
}

macro_rules! problems {
    ($($(#[doc = $doc:literal])+ $name:ident { $($status:literal: $what:literal),+ $(,)? })+) => {
        $($(#[doc = $doc])+
        pub(super) struct $name;

        impl IntoResponses for $name {
            fn responses() -> std::collections::BTreeMap<String, RefOr<Response>> {
                let all = [$(($status, $what)),+].into_iter();
                all.map(|(status, what)| (status.to_owned(), problem(what))).collect()
            }
        })+
    };
}
pub(super) use problems;

problems! {
    /// What any route of the API may answer.
    CommonProblems {
        "400": "The request, its query or a header cannot be read.",
        "401": "The request has no usable credentials.",
        "403": "The credentials do not allow this.",
        "429": "The client sends more requests than it may.",
        "431": "The headers are too large.",
        "503": "Not available now, or too much to do; Retry-After says when to come again.",
    }
    /// What a public page may answer.
    AnyProblem {
        "400": "The request cannot be read.",
        "431": "The headers are too large.",
    }
    /// What a change may be answered.
    ChangeProblems {
        "408": "The body did not arrive in time.",
        "409": "A rule refuses the change; nothing was changed.",
        "413": "The body is too large.",
        "415": "The body is not JSON.",
        "422": "Values cannot be used, or the Idempotency-Key was used for another request; nothing was changed.",
    }
    /// What a change with a condition may be answered.
    ConditionProblems { "412": "The stock is not as expected; nothing was changed." }
    /// What a change without a condition may be answered.
    UnconditionalProblems { "428": "This service takes changes only with a condition." }
    /// A stock that is not there.
    UnknownStock { "404": "There is no such stock." }
    /// A reservation that is not there.
    UnknownReservation { "404": "There is no such reservation." }
    /// A body of another kind.
    UnsupportedMediaType { "415": "The Content-Type is not taken." }
    /// A body that is too large.
    TooLarge { "408": "The body did not arrive in time.", "413": "The body is too large." }
    /// A body with unusable values.
    Validation { "422": "Values cannot be used." }
    /// A position in the stream that is too old.
    GoneProblem { "410": "Events as old as this are not kept any more." }
}

pub(super) fn parameter(
    name: &str,
    place: ParameterIn,
    required: Required,
    description: &str,
    schema: impl Into<RefOr<Schema>>,
) -> Vec<Parameter> {
    let parameter = ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(required)
        .description(Some(description))
        .schema(Some(schema));
    vec![parameter.build()]
}

fn text(pattern: &str) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some(pattern))
}

macro_rules! parameters {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal in $place:ident $required:ident $schema:expr;)+) => {
        $($(#[doc = $doc])+
        pub(super) struct $name;

        impl IntoParams for $name {
            fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
                let description = concat!($($doc),+).trim();
                parameter($text, ParameterIn::$place, Required::$required, description, $schema)
            }
        })+
    };
}
pub(super) use parameters;

parameters! {
    /// The stock.
    StockIdPath = "stockId" in Path True domain::stock::StockId::schema();
    /// The reservation.
    ReservationIdPath = "reservationId" in Path True domain::stock::ReservationId::schema();
    /// The client's name of the request, unique per client: a repeat is not carried out again, but answered as before. Kept for 24 hours.
    IdempotencyKeyHeader = "Idempotency-Key" in Header False
        text("^(\"[!#-~]{1,255}\"|[!#-~]{1,255})$");
    /// Only if the stock is at one of these versions: entity tags, separated by commas, or an asterisk.
    IfMatchHeader = "If-Match" in Header False
        text("^\"[0-9]{1,15}\"$");
    /// Only if the stock is at none of these versions: entity tags, separated by commas, or an asterisk.
    IfNoneMatchHeader = "If-None-Match" in Header False
        text("^\"[0-9]{1,15}\"$");
    /// The id of the last event that was seen.
    LastEventIdHeader = "Last-Event-ID" in Header False
        text("^[A-Za-z0-9_-]{1,512}$");
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "virtual-stock",
        version = "1",
        description = "Stocks and their reservations. Decimals are strings in answers; in requests they may be numbers \
                       too. Every error is a problem document (RFC 9457) whose `type` is a page about it.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    tags(
        (name = "stocks", description = "What there is"),
        (name = "reservations", description = "What is held"),
        (name = "events", description = "What happens"),
        (name = "operation", description = "How the service is set up"),
        (name = "errors", description = "What errors mean"),
    ),
    components(schemas(ProblemBody, FieldErrorBody)),
    security(("bearer" = []), ("apiKey" = [])),
    modifiers(&Security),
)]
struct Description;

struct Security;

impl Modify for Security {
    fn modify(&self, api: &mut openapi::OpenApi) {
        secured(api, "stock:read, stock:write, stock:reserve, stock:admin");
    }
}

/// Adds how requests are authenticated.
pub(super) fn secured(api: &mut openapi::OpenApi, scopes: &str) {
    let components = api.components.get_or_insert_with(Default::default);
    let description = format!("A token of the configured issuer with the scopes {scopes}.");
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some(description))
        .build();
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    let key = ApiKey::Header(ApiKeyValue::with_description(
        "X-Api-Key",
        "A configured key.",
    ));
    components.add_security_scheme("apiKey", SecurityScheme::ApiKey(key));
}

/// The routes by how they are looked after, and their description.
pub(super) struct Described {
    /// Answered within the time of a request.
    pub(super) timed: Router<Arc<StockApi>>,
    /// With larger bodies.
    pub(super) large: Router<Arc<StockApi>>,
    /// As long as the client likes.
    pub(super) endless: Router<Arc<StockApi>>,
    /// For everybody.
    pub(super) public: Router<Arc<StockApi>>,
    /// What they are.
    pub(super) description: openapi::OpenApi,
}

/// All routes.
pub(super) fn described() -> Described {
    let timed = OpenApiRouter::new()
        .routes(routes!(stocks::create::create, stocks::list::list))
        .routes(routes!(stocks::get::get, stocks::patch::patch))
        .routes(routes!(stocks::quantity::set_quantity))
        .routes(routes!(stocks::price::set_price))
        .routes(routes!(stocks::adjust::adjust))
        .routes(routes!(stocks::discontinue::discontinue))
        .routes(routes!(stocks::reserve::reserve))
        .routes(routes!(stocks::movements::movements))
        .routes(routes!(stocks::reservations::reservations))
        .routes(routes!(stocks::low_stock::low_stock))
        .routes(routes!(stocks::stats::stats))
        .routes(routes!(
            reservations::create::create,
            reservations::list::list
        ))
        .routes(routes!(reservations::get::get))
        .routes(routes!(reservations::confirm::confirm))
        .routes(routes!(reservations::release::release))
        .routes(routes!(reservations::extend::extend))
        .routes(routes!(routing::explain_routing));
    let large = OpenApiRouter::new().routes(routes!(stocks::batch::batch));
    let endless = OpenApiRouter::new()
        .routes(routes!(stocks::import::import))
        .routes(routes!(stream::stream_events));
    let public = OpenApiRouter::new().routes(routes!(page::problem_page));
    let mut description = Description::openapi();
    let mut split = |router: OpenApiRouter<Arc<StockApi>>| {
        let (router, part) = router.split_for_parts();
        description.merge(part);
        router
    };
    Described {
        timed: split(timed),
        large: split(large),
        endless: split(endless),
        public: split(public),
        description,
    }
}

/// The description of the REST API, as `docs/contracts/openapi.json` has it.
#[must_use]
pub fn openapi_document() -> openapi::OpenApi {
    described().description
}

/// A page to look around in the API; it loads nothing from another host.
pub(super) fn swagger_ui(description: openapi::OpenApi) -> Router {
    let config = Config::default().validator_url("none").use_base_layout();
    SwaggerUi::new("/docs")
        .config(config)
        .url(OPENAPI_JSON, description)
        .into()
}
