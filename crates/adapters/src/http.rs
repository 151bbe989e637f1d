//! The REST APIs of both services, and their management endpoints.

mod acl;
mod answer;
mod api;
mod auth;
mod body;
mod caller;
mod change;
mod conditional;
mod fields;
mod guard;
mod management;
mod member;
mod openapi;
mod paging;
mod problem;
mod query;
mod request;
mod reservations;
mod router;
mod routing;
mod schema;
mod server;
mod stocks;
mod stream;
mod views;

pub use acl::{AclApi, AclGuards, PartnerFacts, acl_openapi_document, acl_router};
pub use answer::HttpAnswers;
pub use api::{StockApi, StockDefaults};
pub use auth::{
    ApiKeySettings, AuthError, AuthMode, AuthSettings, Authenticator, JwtSettings, Scope,
};
pub use guard::{RateLimit, RateLimitSettings};
pub use management::{Check, Health, Program, public_health_router, serve_management};
pub use openapi::openapi_document;
pub use problem::{FieldError, Problem};
use router::bounds;
pub use router::{Guards, LimitSettings, stock_router};
pub use server::{HttpSettings, ServeError, is_ready, serve};
