//! What operators ask of a running acl from the command line.

use adapters::operator_client::{OperatorClient, Question};
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Map, Value, json};
use url::Url;

use crate::config::Config;

/// The acl to ask.
#[derive(Debug, Args)]
pub(crate) struct At {
    /// Where it is; otherwise http.listen of the settings. Who asks is said by the variables `ACL_TOKEN` or `ACL_API_KEY`.
    #[arg(long, global = true)]
    url: Option<Url>,
    #[command(subcommand)]
    ask: Ask,
}

#[derive(Debug, Subcommand)]
enum Ask {
    /// All partners as they stand, or one.
    Partners {
        /// Only this one.
        partner: Option<String>,
    },
    /// Leave a partner alone, in all instances.
    Pause {
        /// The partner.
        partner: String,
        /// Why.
        #[arg(long)]
        reason: String,
    },
    /// Take a partner up again.
    Resume {
        /// The partner.
        partner: String,
        /// Why.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Tell a partner the present state of every stock.
    Resync {
        /// The partner.
        partner: String,
        /// So many stocks per second.
        #[arg(long)]
        rate: Option<u32>,
        /// Why.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Stocks whose events wait.
    Held {
        /// Only those of this partner.
        #[arg(long)]
        partner: Option<String>,
        #[command(flatten)]
        page: Page,
    },
    /// The consumption log, the newest first.
    Deliveries {
        #[command(flatten)]
        which: Which,
        /// Only those of this event.
        #[arg(long)]
        event: Option<String>,
        /// Only those of which this came, for example DEAD.
        #[arg(long)]
        status: Option<String>,
        #[command(flatten)]
        page: Page,
    },
    /// How far a stock has got to each partner.
    Propagation {
        /// The stock.
        stock: String,
    },
    /// Dead letters.
    #[command(subcommand)]
    DeadLetters(Letters),
}

#[derive(Debug, Subcommand)]
enum Letters {
    /// List them, the oldest first.
    List {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        like: Like,
        /// Only those in this state, for example OPEN.
        #[arg(long)]
        state: Option<String>,
        #[command(flatten)]
        page: Page,
    },
    /// Open ones by cause.
    Groups,
    /// One with its bytes, every attempt and every step.
    Show {
        /// Its number.
        id: i64,
    },
    /// Let some pass the gate again.
    Replay {
        /// Their numbers.
        #[arg(required = true)]
        ids: Vec<i64>,
        #[command(flatten)]
        how: How,
    },
    /// Let all open ones pass the gate again that are so.
    ReplayAll {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        like: Like,
        #[command(flatten)]
        how: How,
    },
    /// Let one pass the gate again with another value or other headers.
    EditAndReplay {
        /// Its number.
        id: i64,
        /// A file with the record's value (JSON).
        #[arg(long)]
        payload: Option<std::path::PathBuf>,
        /// A header: NAME=VALUE.
        #[arg(long = "header")]
        headers: Vec<String>,
        /// Why.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Leave one for good.
    Discard {
        /// Its number.
        id: i64,
        /// Why.
        #[arg(long)]
        reason: String,
    },
}

#[derive(Debug, Args)]
struct Which {
    /// Only those of this partner.
    #[arg(long)]
    partner: Option<String>,
    /// Only those of this stock.
    #[arg(long)]
    stock: Option<String>,
    /// Only those of the request with this name.
    #[arg(long)]
    correlation: Option<String>,
    /// Only those of then or later (RFC 3339).
    #[arg(long)]
    from: Option<String>,
    /// Only those of before (RFC 3339).
    #[arg(long)]
    until: Option<String>,
}

#[derive(Debug, Args)]
struct Like {
    /// Only those of this cause, as the groups name it.
    #[arg(long)]
    cause: Option<String>,
    /// Only those of this operation.
    #[arg(long)]
    operation: Option<String>,
}

#[derive(Debug, Args)]
struct How {
    /// Only say how many it would be.
    #[arg(long)]
    dry_run: bool,
    /// So many per second.
    #[arg(long)]
    rate: Option<u32>,
    /// Why.
    #[arg(long)]
    reason: Option<String>,
}

#[derive(Debug, Args)]
struct Page {
    /// The most items.
    #[arg(long)]
    limit: Option<u16>,
    /// The nextCursor of the page before.
    #[arg(long)]
    cursor: Option<String>,
}

type Named = Vec<(&'static str, Option<Value>)>;

impl Which {
    fn members(self) -> Named {
        vec![
            ("partner", self.partner.map(Into::into)),
            ("stockId", self.stock.map(Into::into)),
            ("correlationId", self.correlation.map(Into::into)),
            ("from", self.from.map(Into::into)),
            ("until", self.until.map(Into::into)),
        ]
    }
}

impl Like {
    fn members(self) -> Named {
        vec![
            ("cause", self.cause.map(Into::into)),
            ("operation", self.operation.map(Into::into)),
        ]
    }
}

impl How {
    fn members(self) -> Named {
        vec![
            ("dryRun", self.dry_run.then_some(Value::Bool(true))),
            ("rate", self.rate.map(Into::into)),
            ("reason", self.reason.map(Into::into)),
        ]
    }
}

impl Page {
    fn members(self) -> Named {
        vec![
            ("limit", self.limit.map(Into::into)),
            ("cursor", self.cursor.map(Into::into)),
        ]
    }
}

fn get(path: &[&str], members: Named) -> Question {
    let query = members.into_iter().filter_map(|(name, value)| {
        let text = match value? {
            Value::String(text) => text,
            other => other.to_string(),
        };
        Some((name, text))
    });
    Question {
        method: Method::GET,
        path: path.iter().map(|segment| (*segment).to_owned()).collect(),
        query: query.collect(),
        body: None,
    }
}

fn post(path: &[&str], members: Named) -> Question {
    let body = members
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Question {
        method: Method::POST,
        body: Some(Value::Object(body.collect())),
        ..get(path, Vec::new())
    }
}

impl Ask {
    fn question(self) -> anyhow::Result<Question> {
        Ok(match self {
            Self::Partners { partner: None } => get(&["partners"], Vec::new()),
            Self::Partners {
                partner: Some(partner),
            } => get(&["partners", &partner], Vec::new()),
            Self::Pause { partner, reason } => post(
                &["partners", &partner, "pause"],
                vec![("reason", Some(reason.into()))],
            ),
            Self::Resume { partner, reason } => post(
                &["partners", &partner, "resume"],
                vec![("reason", reason.map(Into::into))],
            ),
            Self::Resync {
                partner,
                rate,
                reason,
            } => post(
                &["partners", &partner, "resync"],
                vec![
                    ("rate", rate.map(Into::into)),
                    ("reason", reason.map(Into::into)),
                ],
            ),
            Self::Held { partner, page } => {
                let partner = vec![("partner", partner.map(Into::into))];
                get(&["held"], [partner, page.members()].concat())
            }
            Self::Deliveries {
                which,
                event,
                status,
                page,
            } => {
                let more = vec![
                    ("eventId", event.map(Into::into)),
                    ("status", status.map(Into::into)),
                ];
                get(
                    &["deliveries"],
                    [which.members(), more, page.members()].concat(),
                )
            }
            Self::Propagation { stock } => get(&["stocks", &stock, "propagation"], Vec::new()),
            Self::DeadLetters(letters) => letters.question()?,
        })
    }
}

impl Letters {
    fn question(self) -> anyhow::Result<Question> {
        Ok(match self {
            Self::List {
                which,
                like,
                state,
                page,
            } => {
                let state = vec![("state", state.map(Into::into))];
                let members = [which.members(), like.members(), state, page.members()];
                get(&["dead-letters"], members.concat())
            }
            Self::Groups => get(&["dead-letters", "groups"], Vec::new()),
            Self::Show { id } => get(&["dead-letters", &id.to_string()], Vec::new()),
            Self::Replay { ids, how } => {
                let ids = vec![("ids", Some(json!(ids)))];
                post(&["dead-letters", "replay"], [ids, how.members()].concat())
            }
            Self::ReplayAll { which, like, how } => post(
                &["dead-letters", "replay"],
                [which.members(), like.members(), how.members()].concat(),
            ),
            Self::EditAndReplay {
                id,
                payload,
                headers,
                reason,
            } => {
                let payload = payload.map(std::fs::read).transpose()?;
                let payload: Option<Value> = payload
                    .map(|bytes| serde_json::from_slice(&bytes))
                    .transpose()?;
                let mut edited = Map::new();
                for header in headers {
                    let (name, value) = header
                        .split_once('=')
                        .ok_or_else(|| anyhow::anyhow!("a header is NAME=VALUE, not {header}"))?;
                    edited.insert(name.to_owned(), value.into());
                }
                let members = vec![
                    ("payload", payload),
                    (
                        "headers",
                        (!edited.is_empty()).then_some(Value::Object(edited)),
                    ),
                    ("reason", reason.map(Into::into)),
                ];
                post(&["dead-letters", &id.to_string(), "replay"], members)
            }
            Self::Discard { id, reason } => post(
                &["dead-letters", &id.to_string(), "discard"],
                vec![("reason", Some(reason.into()))],
            ),
        })
    }
}

/// The answer to what was asked.
pub(super) async fn ask(config: &Config, at: At) -> anyhow::Result<String> {
    let url = match at.url {
        Some(url) => url,
        None => format!("http://{}", config.http.listen).parse()?,
    };
    Ok(OperatorClient::new(url)?.ask(at.ask.question()?).await?)
}
