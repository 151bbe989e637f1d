//! E-mails over SMTP.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use application::ports::{CallReport, PartnerCall, PartnerGateway};
use async_trait::async_trait;
use domain::delivery::{Reach, Verdict};
use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{Mailbox, header::ContentType},
    transport::smtp::{
        authentication::Credentials,
        client::{Tls, TlsParameters},
    },
};
use secrecy::ExposeSecret;
use serde::Deserialize;

use crate::{
    config::ConfigError,
    contract::printable,
    partner::{
        Failure, NetworkPolicy, Secret, classify,
        client::check_timeout,
        profile::{Show, Template},
    },
};

/// How the connection is secured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MailSecurity {
    /// Not at all.
    None,
    /// `STARTTLS`, and no mail without it.
    Starttls,
    /// TLS from the start.
    Tls,
}

/// A mail server, and what is written to whom.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailSettings {
    /// The server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is secured.
    pub security: MailSecurity,
    /// What it may be.
    #[serde(default)]
    pub network: NetworkPolicy,
    /// Whether it asks who we are.
    pub authenticate: bool,
    /// Who we are to it.
    pub username: Option<String>,
    /// The password.
    pub password: Option<Secret>,
    /// Longest time for a mail.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// Who writes.
    pub from: String,
    /// Who reads.
    pub to: Vec<String>,
    /// The subject, with names between braces.
    pub subject: String,
    /// The text, with names between braces.
    pub text: String,
}

/// [`PartnerGateway`] that writes e-mails.
pub struct MailPartner {
    tls: Tls,
    credentials: Option<Credentials>,
    timeout: Duration,
    host: String,
    port: u16,
    network: NetworkPolicy,
    from: Mailbox,
    to: Vec<Mailbox>,
    subject: Template,
    text: Template,
}

impl MailSettings {
    /// Checks what can be checked without reading secrets.
    ///
    /// # Errors
    /// [`ConfigError`] naming what is wrong below `setting`.
    pub(super) fn check(&self, setting: &str) -> Result<(), ConfigError> {
        check_timeout(&format!("{setting}.timeout"), self.timeout)?;
        self.mailboxes(setting)?;
        self.templates(setting)?;
        if self.security == MailSecurity::None && !self.network.allow_http {
            let why = "must be starttls or tls (network.allow_http = true allows none)";
            return Err(ConfigError::invalid(&format!("{setting}.security"), &why));
        }
        if self.authenticate && (self.username.is_none() || self.password.is_none()) {
            let why = "is true, so username and password must be set";
            let setting = format!("{setting}.authenticate");
            return Err(ConfigError::invalid(&setting, &why));
        }
        Ok(())
    }

    /// Where the server is.
    ///
    /// # Errors
    /// Why that cannot be said.
    pub(super) async fn address(&self) -> Result<SocketAddr, String> {
        address(&self.host, self.port, self.network).await
    }

    fn mailboxes(&self, setting: &str) -> Result<(Mailbox, Vec<Mailbox>), ConfigError> {
        let mailbox = |name: &str, text: &String| {
            text.parse().map_err(|error| {
                let why = format!("is no address: {error}");
                ConfigError::invalid(&format!("{setting}.{name}"), &why)
            })
        };
        if self.to.is_empty() {
            return Err(ConfigError::invalid(
                &format!("{setting}.to"),
                &"must name somebody",
            ));
        }
        let to = self.to.iter().map(|text| mailbox("to", text));
        Ok((mailbox("from", &self.from)?, to.collect::<Result<_, _>>()?))
    }

    /// Subject and text.
    pub(super) fn templates(&self, setting: &str) -> Result<(Template, Template), ConfigError> {
        let template = |name: &str, text: &str| Template::plain(&format!("{setting}.{name}"), text);
        Ok((
            template("subject", &self.subject)?,
            template("text", &self.text)?,
        ))
    }
}

/// An address of a server that may be connected to.
async fn address(host: &str, port: u16, network: NetworkPolicy) -> Result<SocketAddr, String> {
    let found = tokio::net::lookup_host((host, port)).await;
    let mut found = found.map_err(|error| error.to_string())?;
    let found = found.find(|address| network.allows(address.ip()));
    found.ok_or_else(|| "the server has no public address".to_owned())
}

impl MailPartner {
    /// The mail server of these settings.
    ///
    /// # Errors
    /// [`ConfigError`] naming what is wrong below `setting`.
    pub fn new(setting: &str, settings: &MailSettings) -> Result<Self, ConfigError> {
        settings.check(setting)?;
        let tls = || {
            TlsParameters::new(settings.host.clone()).map_err(|error| {
                ConfigError::invalid(
                    &format!("{setting}.host"),
                    &format!("cannot be used: {error}"),
                )
            })
        };
        let tls = match settings.security {
            MailSecurity::None => Tls::None,
            MailSecurity::Starttls => Tls::Required(tls()?),
            MailSecurity::Tls => Tls::Wrapper(tls()?),
        };
        let credentials = match (&settings.username, &settings.password) {
            (Some(username), Some(password)) if settings.authenticate => {
                let password = password.read(&format!("{setting}.password"))?;
                let password = password.expose_secret().to_owned();
                Some(Credentials::new(username.clone(), password))
            }
            _ => None,
        };
        let (from, to) = settings.mailboxes(setting)?;
        let (subject, text) = settings.templates(setting)?;
        Ok(Self {
            tls,
            credentials,
            timeout: settings.timeout,
            host: settings.host.clone(),
            port: settings.port,
            network: settings.network,
            from,
            to,
            subject,
            text,
        })
    }

    fn message(&self, call: &PartnerCall) -> Result<Message, lettre::error::Error> {
        // The same for every repetition, so that a mailbox can tell.
        let id = format!("<{}@virtual-stock>", call.idempotency_key);
        let mut message = Message::builder()
            .from(self.from.clone())
            .message_id(Some(id))
            .header(ContentType::TEXT_PLAIN)
            .subject(self.subject.text(call, Show::Everything));
        for to in &self.to {
            message = message.to(to.clone());
        }
        message.body(self.text.text(call, Show::Everything))
    }

    async fn send(&self, call: &PartnerCall) -> (Verdict, Option<u16>) {
        let transient = |cause, reach| Verdict::Transient {
            cause,
            reach,
            retry_after: None,
            hold_off: None,
        };
        let away = |why: &str| {
            (
                transient(format!("no connection: {why}"), Reach::Partner),
                None,
            )
        };
        let address = match address(&self.host, self.port, self.network).await {
            Ok(address) => address,
            Err(why) => return away(&why),
        };
        let message = match self.message(call) {
            Ok(message) => message,
            Err(error) => {
                let cause = format!("no mail can be made of the event: {error}");
                return (Verdict::Rejected { cause }, None);
            }
        };
        // What is connected to is what was looked at; the certificate is still that of the name.
        let mut transport =
            AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(address.ip().to_string())
                .port(self.port)
                .tls(self.tls.clone())
                .timeout(Some(self.timeout));
        if let Some(credentials) = &self.credentials {
            transport = transport.credentials(credentials.clone());
        }
        match transport.build().send(message).await {
            Ok(response) => (Verdict::Accepted, Some(response.code().into())),
            Err(error) => {
                let code: Option<u16> = error.status().map(Into::into);
                let cause = printable(&error.to_string());
                let verdict = match code {
                    // Too large: this mail will never be taken.
                    Some(552) => Verdict::Rejected { cause },
                    // What the server refuses for good is about us, or about who reads, and not about this event.
                    Some(500..=599) => transient(cause, Reach::Partner),
                    Some(_) => transient(cause, Reach::Unclear),
                    None if error.is_timeout() => transient(cause, Reach::Unclear),
                    None => transient(format!("no connection: {cause}"), Reach::Partner),
                };
                (verdict, code)
            }
        }
    }
}

#[async_trait]
impl PartnerGateway for MailPartner {
    async fn call(&self, call: &PartnerCall) -> CallReport {
        let started = Instant::now();
        let sent = tokio::time::timeout(self.timeout, self.send(call)).await;
        let (verdict, response_code) =
            sent.unwrap_or_else(|_| (classify(&Err(Failure::TimedOut)), None));
        CallReport {
            verdict,
            response_code,
            external_id: None,
            duration: started.elapsed(),
        }
    }
}
