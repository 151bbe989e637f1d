//! The system that is broken, and how.

use std::time::Duration;

use anyhow::ensure;
use devstack::{Process, Service, produce_all};
use nix::sys::signal::Signal;
use reqwest::Method;
use serde_json::json;
use sqlx::{Connection, PgConnection, Transaction, postgres::Postgres};

use crate::{
    drill::{
        frozen::Frozen,
        traffic::{STOCKS, Traffic, stock},
    },
    observe::{Observation, Watching},
    stack::{Stack, ready},
};

/// The partner is asked again after so long, as often as a drill may last; a breaker looks as often whether it is back.
const SETTINGS: [(&str, &str); 5] = [
    (
        "ACL__SUBSCRIPTIONS__TRADING_PARTNER__TARGET__CLIENT__TIMEOUT",
        "10s",
    ),
    ("ACL__DELIVERY__CLAIM_LEASE", "60s"),
    ("ACL__DELIVERY__PROBE_EVERY", "2s"),
    // Bytes of the outbox: far more than a drill makes, and less than the filler.
    ("VIRTUAL_STOCK__OUTBOX__MAX_BYTES", "100000000"),
    ("VIRTUAL_STOCK__RELAY__LEASE", "3s"),
];
/// Rows of the filler, of 1 kB each.
const FILLER: i32 = 100_000;
/// An answer that is late and not lost.
const SLOW: Duration = Duration::from_millis(5500);

/// What can be broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    PartnerDown,
    PartnerSlow,
    PartnerRefuses,
    Poison,
    KafkaStopped,
    PostgresStopped,
    AclKilled,
    RelayFrozen,
    HotStock,
    BadRequests,
    LongTransaction,
    OutboxDisk,
    ConsumerStuck,
}

impl Fault {
    pub(super) const ALL: [Self; 13] = [
        Self::PartnerDown,
        Self::PartnerSlow,
        Self::PartnerRefuses,
        Self::Poison,
        Self::KafkaStopped,
        Self::PostgresStopped,
        Self::AclKilled,
        Self::RelayFrozen,
        Self::HotStock,
        Self::BadRequests,
        Self::LongTransaction,
        Self::OutboxDisk,
        Self::ConsumerStuck,
    ];

    /// What it is, the alert that has to be sent, and the page that has to be named.
    fn expected(self) -> [&'static str; 3] {
        match self {
            Self::PartnerDown => ["partner down", "BreakerOpen", "breaker-open.md"],
            Self::PartnerSlow => ["partner slow", "PartnerSlow", "partner-slow.md"],
            Self::PartnerRefuses => ["partner answers 401", "BreakerOpen", "breaker-open.md"],
            Self::Poison => ["poison events", "DeadLettersGrow", "dead-letters-grow.md"],
            Self::KafkaStopped => ["Kafka stopped", "KafkaDown", "kafka-down.md"],
            Self::PostgresStopped => ["PostgreSQL stopped", "DatabaseDown", "database-down.md"],
            Self::AclKilled => ["one acl of two killed", "TargetAbsent", "target-absent.md"],
            Self::RelayFrozen => ["relay frozen", "OutboxLags", "outbox-lags.md"],
            Self::HotStock => [
                "one hot stock in retry",
                "UndeliveredForLong",
                "undelivered-for-long.md",
            ],
            Self::BadRequests => [
                "flood of bad requests",
                "RequestsRefused",
                "requests-refused.md",
            ],
            Self::LongTransaction => [
                "long open transaction",
                "LongTransaction",
                "long-transaction.md",
            ],
            Self::OutboxDisk => [
                "outbox fills its disk",
                "OutboxFillsDisk",
                "outbox-fills-disk.md",
            ],
            Self::ConsumerStuck => ["consumer stuck", "ConsumerStuck", "consumer-stuck.md"],
        }
    }

    pub(super) fn name(self) -> &'static str {
        self.expected()[0]
    }

    pub(super) fn alert(self) -> &'static str {
        self.expected()[1]
    }

    pub(super) fn runbook(self) -> &'static str {
        self.expected()[2]
    }
}

/// What has to be undone.
pub(super) enum Wound {
    /// The partner's simulator was told to misbehave.
    Partner,
    /// It ends by itself.
    Nothing,
    Kafka,
    Postgres,
    Acl,
    /// Rolled back.
    Transaction(Transaction<'static, Postgres>),
    /// Ends when it is dropped.
    Flood {
        _traffic: Traffic,
    },
    Filler,
    /// Goes on when it is dropped.
    Thread {
        _frozen: Frozen,
    },
}

/// The running system, watched.
pub(super) struct Scene {
    _traffic: Traffic,
    pub(super) observation: Observation,
    /// The second one; none while it is dead.
    acl: Option<Process>,
    another: Service,
    stack: Stack,
}

impl Scene {
    pub(super) async fn start(factor: u32) -> anyhow::Result<Self> {
        let retries = format!("[{}]", ["\"1s\""; 300].join(","));
        let mut settings = SETTINGS.to_vec();
        settings.push(("ACL__DELIVERY__RETRY", &retries));
        let stack = Stack::start(&settings).await?;
        stack.servers.kafka()?;
        let another = stack.acl.another()?;
        let acl = ready(&another, &stack.client).await?;
        for number in 0..STOCKS {
            let id = stock(number);
            let body = json!({"stockId": id, "productId": id, "quantity": 100_000, "price": 500});
            let made = stack
                .client
                .request(Method::POST, stack.api("/stocks"))
                .json(&body);
            let made = made.send().await?.status();
            ensure!(made.is_success(), "{id} was answered {made}");
        }
        let mut targets = stack.managements();
        targets.push(("acl".to_owned(), another.management));
        let watching = Watching {
            every: 1,
            factor,
            aloud: false,
        };
        let observation = Observation::start(targets, &watching).await?;
        Ok(Self {
            _traffic: Traffic::usual(&stack.client, &stack.api("")),
            observation,
            acl: Some(acl),
            another,
            stack,
        })
    }

    /// Looks at everything that both services have stored.
    pub(super) fn verify(&self) -> anyhow::Result<()> {
        self.stack.virtual_stock.run("verify")?;
        self.stack.acl.run("verify")
    }

    pub(super) async fn inject(&mut self, fault: Fault) -> anyhow::Result<Wound> {
        let partner = |fault| {
            self.stack.partner.inject(fault);
            Ok(Wound::Partner)
        };
        match fault {
            Fault::PartnerDown => partner(partner_sim::Fault {
                reset: true,
                ..Default::default()
            }),
            Fault::PartnerSlow => partner(partner_sim::Fault {
                latency_ms: u64::try_from(SLOW.as_millis())?,
                ..Default::default()
            }),
            Fault::PartnerRefuses => partner(partner_sim::Fault {
                status: Some(401),
                ..Default::default()
            }),
            Fault::HotStock => partner(partner_sim::Fault {
                stock_id: Some(stock(1)),
                status: Some(500),
                ..Default::default()
            }),
            Fault::Poison => {
                let record = (stock(0), Vec::new(), b"{\"poison\": ".to_vec());
                let topic = format!("{}high-priority-updates", self.stack.prefix);
                produce_all(&self.stack.brokers, &topic, &vec![record; 5])?;
                Ok(Wound::Nothing)
            }
            Fault::KafkaStopped => {
                self.stack.servers.kafka()?.signal(Signal::SIGSTOP);
                Ok(Wound::Kafka)
            }
            Fault::PostgresStopped => {
                self.stack.servers.postgres(false).await?;
                Ok(Wound::Postgres)
            }
            Fault::AclKilled => {
                if let Some(acl) = self.acl.take() {
                    acl.kill_9()?;
                }
                Ok(Wound::Acl)
            }
            Fault::RelayFrozen => self.hold("SELECT FROM relay_checkpoint FOR UPDATE").await,
            Fault::LongTransaction => self.hold("SELECT FROM stocks LIMIT 1").await,
            Fault::BadRequests => Ok(Wound::Flood {
                _traffic: Traffic::flood(&self.stack.client, &self.stack.api("")),
            }),
            Fault::OutboxDisk => {
                self.fill().await?;
                Ok(Wound::Filler)
            }
            Fault::ConsumerStuck => {
                let acl = self.acl.as_ref().map_or(0, Process::id);
                Ok(Wound::Thread {
                    _frozen: Frozen::thread(acl, "consumer")?,
                })
            }
        }
    }

    pub(super) async fn heal(&mut self, wound: Wound) -> anyhow::Result<()> {
        match wound {
            Wound::Partner => self.stack.partner.heal(),
            Wound::Kafka => self.stack.servers.kafka()?.signal(Signal::SIGCONT),
            Wound::Postgres => self.stack.servers.postgres(true).await?,
            Wound::Acl => self.acl = Some(ready(&self.another, &self.stack.client).await?),
            Wound::Transaction(transaction) => transaction.rollback().await?,
            Wound::Filler => {
                sqlx::query("DROP TABLE outbox_filler")
                    .execute(&self.stack.stocks_db)
                    .await?;
            }
            Wound::Nothing | Wound::Flood { .. } | Wound::Thread { .. } => {}
        }
        Ok(())
    }

    /// A transaction that does this and is left open.
    async fn hold(&self, sql: &'static str) -> anyhow::Result<Wound> {
        let mut transaction = self.stack.stocks_db.begin().await?;
        sqlx::query(sql).execute(&mut *transaction).await?;
        Ok(Wound::Transaction(transaction))
    }

    /// A partition of a day long ago that takes room, and holds nothing that can be seen.
    async fn fill(&self) -> anyhow::Result<()> {
        let mut connection = self.stack.stocks_db.acquire().await?;
        let connection: &mut PgConnection = &mut connection;
        for sql in [
            "CREATE TABLE outbox_filler (LIKE outbox INCLUDING ALL)",
            "ALTER TABLE outbox_filler SET (autovacuum_enabled = off, toast.autovacuum_enabled = off)",
        ] {
            sqlx::query(sql).execute(&mut *connection).await?;
        }
        let mut transaction = connection.begin().await?;
        sqlx::query(
            "INSERT INTO outbox_filler SELECT (o).* FROM (SELECT o FROM outbox o LIMIT 1) one, generate_series(1, $1)",
        )
        .bind(FILLER)
        .execute(&mut *transaction)
        .await?;
        sqlx::query("DELETE FROM outbox_filler")
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        sqlx::query(
            "ALTER TABLE outbox ATTACH PARTITION outbox_filler FOR VALUES FROM ('2000-01-01') TO ('2000-01-02')",
        )
        .execute(&mut *connection)
        .await?;
        Ok(())
    }
}
