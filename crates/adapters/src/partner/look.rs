//! Whether a partner's server is there, and until when its certificate holds. Nothing is told, and no secret is shown.

use lettre::transport::smtp::{
    client::{AsyncSmtpConnection, TlsParameters},
    extension::ClientId,
};
use reqwest::tls::TlsInfo;
use time::OffsetDateTime;
use url::Url;
use x509_parser::{certificate::X509Certificate, prelude::FromDer};

use crate::{
    config::ConfigError,
    partner::{
        ClientSettings, MailSecurity, MailSettings, TargetSettings, UrlSource, client::innermost,
    },
};

/// What a partner's server said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// Its answer, whatever it was.
    pub answer: String,
    /// When its certificate ends; none without TLS.
    pub certificate_ends: Option<OffsetDateTime>,
}

/// A partner's server was not seen.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    /// The settings are wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// It does not answer, or its certificate is not trusted.
    #[error("{0}")]
    Away(String),
    /// What it showed is no certificate.
    #[error("its certificate cannot be read")]
    Certificate,
}

impl TargetSettings {
    /// Looks at the partner's server, by the way that calls take.
    ///
    /// # Errors
    /// [`LookError`].
    pub async fn look(&self, setting: &str) -> Result<Look, LookError> {
        match self {
            Self::Http(http) => over_http(setting, &http.url, &http.client).await,
            Self::Search(search) => over_http(setting, &search.url, &search.client).await,
            Self::Mail(mail) => {
                let looked = tokio::time::timeout(mail.timeout, over_smtp(mail)).await;
                looked.unwrap_or_else(|_| Err(LookError::Away("no answer in time".to_owned())))
            }
        }
    }

    /// Whether its server shows a certificate.
    #[must_use]
    pub fn is_over_tls(&self, setting: &str) -> bool {
        let https = |url: &UrlSource| {
            let url = url.read(&format!("{setting}.url"));
            url.is_ok_and(|url| url.scheme() == "https")
        };
        match self {
            Self::Http(http) => https(&http.url),
            Self::Search(search) => https(&search.url),
            Self::Mail(mail) => mail.security != MailSecurity::None,
        }
    }
}

async fn over_http(
    setting: &str,
    url: &UrlSource,
    client: &ClientSettings,
) -> Result<Look, LookError> {
    let url_setting = format!("{setting}.url");
    let mut url: Url = url.read(&url_setting)?;
    client.network.check(&url_setting, &url)?;
    // The path may be a secret.
    url.set_path("");
    url.set_query(None);
    let client = client.builder(&format!("{setting}.client"))?.tls_info(true);
    let away = |error: &reqwest::Error| LookError::Away(innermost(error));
    let client = client.build().map_err(|error| away(&error))?;
    let answer = client.head(url).send().await;
    let answer = answer.map_err(|error| away(&error))?;
    let shown: Option<&TlsInfo> = answer.extensions().get();
    let shown = shown.and_then(TlsInfo::peer_certificate);
    Ok(Look {
        answer: format!("HTTP {}", answer.status().as_u16()),
        certificate_ends: shown.map(end).transpose()?,
    })
}

async fn over_smtp(mail: &MailSettings) -> Result<Look, LookError> {
    let away = |error: &dyn std::error::Error| LookError::Away(error.to_string());
    let address = mail.address().await.map_err(LookError::Away)?;
    let tls = || TlsParameters::new(mail.host.clone()).map_err(|error| away(&error));
    let at_once = match mail.security {
        MailSecurity::Tls => Some(tls()?),
        MailSecurity::None | MailSecurity::Starttls => None,
    };
    let hello = ClientId::default();
    let timeout = Some(mail.timeout);
    let connected = AsyncSmtpConnection::connect_tokio1(address, timeout, &hello, at_once, None);
    let mut connection = connected.await.map_err(|error| away(&error))?;
    if mail.security == MailSecurity::Starttls {
        let upgraded = connection.starttls(tls()?, &hello).await;
        upgraded.map_err(|error| away(&error))?;
    }
    let certificate_ends = match mail.security {
        MailSecurity::None => None,
        MailSecurity::Starttls | MailSecurity::Tls => {
            let shown = connection.peer_certificate();
            Some(end(&shown.map_err(|_| LookError::Certificate)?)?)
        }
    };
    // It was asked for nothing; whether it says good-bye does not matter.
    drop(connection.quit().await);
    Ok(Look {
        answer: "SMTP greeting".to_owned(),
        certificate_ends,
    })
}

/// The end of a certificate's validity.
fn end(der: &[u8]) -> Result<OffsetDateTime, LookError> {
    let (_, certificate) = X509Certificate::from_der(der).map_err(|_| LookError::Certificate)?;
    let end = certificate.validity().not_after.timestamp();
    OffsetDateTime::from_unix_timestamp(end).map_err(|_| LookError::Certificate)
}
