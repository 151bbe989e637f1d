//! The description of the operators' API (`OpenAPI` 3.1), made of the handlers and the types that they use.

use axum::Router;
use utoipa::{
    IntoParams, IntoResponses, Modify, OpenApi,
    openapi::{
        self, RefOr, Required, Response,
        path::{Parameter, ParameterIn},
        schema::{ObjectBuilder, Type},
    },
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    AclApi, dead_letters, deliveries, discard, held, member::PartnerName, partners, propagation,
    replay,
};
use crate::http::{
    member::Member,
    openapi::{FieldErrorBody, ProblemBody, parameter, parameters, problem, problems, secured},
    problem::page,
};

problems! {
    /// A dead letter that is not there.
    UnknownDeadLetter { "404": "There is no such dead letter." }
    /// A partner that is not there.
    UnknownPartner { "404": "There is no such partner." }
}

parameters! {
    /// The partner's name.
    PartnerPath = "partner" in Path True PartnerName::schema();
    /// The number of the dead letter.
    LetterIdPath = "id" in Path True
        ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1));
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "acl",
        version = "1",
        description = "What partners were told, what is held or dead, and what can be done about it. Every error is a \
                       problem document (RFC 9457) whose `type` is a page about it.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    tags(
        (name = "deliveries", description = "What was told, and what waits"),
        (name = "dead letters", description = "What will not be told by itself"),
        (name = "partners", description = "Who is told"),
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
        secured(api, "acl:read, acl:operate");
    }
}

/// The routes, those for everybody, and their description.
pub(super) fn described() -> (Router<AclApi>, Router<AclApi>, openapi::OpenApi) {
    let routes = OpenApiRouter::new()
        .routes(routes!(deliveries::list_deliveries))
        .routes(routes!(dead_letters::list_letters))
        .routes(routes!(dead_letters::group_letters))
        .routes(routes!(dead_letters::get_letter))
        .routes(routes!(replay::replay_one))
        .routes(routes!(replay::replay_many))
        .routes(routes!(discard::discard))
        .routes(routes!(held::list_held))
        .routes(routes!(partners::list_partners))
        .routes(routes!(partners::get_partner))
        .routes(routes!(partners::pause))
        .routes(routes!(partners::resume))
        .routes(routes!(partners::resync))
        .routes(routes!(propagation::get_propagation));
    let public = OpenApiRouter::new().routes(routes!(page::problem_page));
    let mut description = Description::openapi();
    let (routes, part) = routes.split_for_parts();
    description.merge(part);
    let (public, part) = public.split_for_parts();
    description.merge(part);
    (routes, public, description)
}

/// The description of the operators' API, as `docs/contracts/acl-openapi.json` has it.
#[must_use]
pub fn acl_openapi_document() -> openapi::OpenApi {
    described().2
}
