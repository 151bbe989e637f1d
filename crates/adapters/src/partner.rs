//! Partners' APIs: how an event is told, in whose words, and what the answer means.
//!
//! [`HttpPartner`] speaks any JSON API that a translation [`profile`] describes; [`MailPartner`] writes e-mails;
//! [`SearchPartner`] indexes documents in bulk.

mod address;
mod auth;
mod classification;
mod client;
mod http;
mod look;
mod mail;
pub mod profile;
mod search;
mod secret;
mod signature;
mod target;

pub use address::NetworkPolicy;
pub use auth::AuthSettings;
pub use classification::{Answer, Failure, classify};
pub use client::{ClientSettings, TlsSettings};
pub use http::{HttpPartner, HttpSettings, Preview};
pub use look::{Look, LookError};
pub use mail::{MailPartner, MailSecurity, MailSettings};
pub use search::{LIFECYCLE_POLICIES, SearchPartner, SearchSettings, index_template};
pub use secret::{Secret, UrlSource};
pub use signature::SignatureSettings;
pub use target::{TargetError, TargetSettings};
