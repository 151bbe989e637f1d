//! The REST API of virtual-stock, and the management endpoints of both services.

mod fields;
mod management;
mod problem;
mod request;
mod server;
mod stocks;

pub use management::{Check, Health, management_router, public_health_router};
pub use problem::{FieldError, Problem};
pub use server::{HttpSettings, ServeError, is_ready, serve};
pub use stocks::{StockApi, stock_router};
