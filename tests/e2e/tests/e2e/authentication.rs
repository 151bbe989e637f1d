//! Who we are to a partner: a password, mutual TLS, tokens of client credentials.

use std::time::Duration;

use devstack::{eventually, home};
use e2e::World;
use partner_sim::{Demands, Tls};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use reqwest::Method;
use serde_json::json;
use time::OffsetDateTime;

use crate::targets::demanding;

const PATIENCE: Duration = Duration::from_mins(1);

/// An authority, and a certificate and key of its making.
fn identity(authority: &CertifiedIssuer<'_, KeyPair>, name: &str) -> String {
    identity_until(authority, name, None)
}

/// The same, with an end.
pub(crate) fn identity_until(
    authority: &CertifiedIssuer<'_, KeyPair>,
    name: &str,
    end: Option<OffsetDateTime>,
) -> String {
    let key = KeyPair::generate().unwrap();
    let mut parameters = CertificateParams::new([name.to_owned()]).unwrap();
    if let Some(end) = end {
        parameters.not_after = end;
    }
    let certificate = parameters.signed_by(&key, authority).unwrap();
    format!("{}{}", certificate.pem(), key.serialize_pem())
}

pub(crate) fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut parameters = CertificateParams::default();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn mutual_tls_and_tokens_of_client_credentials() {
    let (servers, clients) = (authority(), authority());
    let partner = demanding(Demands {
        tokens_last: Some(7),
        tls: Some(Tls {
            identity: identity(&servers, "localhost"),
            callers: Some(clients.pem()),
        }),
        ..Demands::default()
    })
    .await;
    let mut world = World::new("mtls", &[]).await.unwrap();
    let folder = home().join("run");
    std::fs::create_dir_all(&folder).unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let trusted = write("mtls-authorities.pem", &servers.pem());
    let ours = write("mtls-identity.pem", &identity(&clients, "acl"));
    let secret = write("mtls-client-secret", "cl1ent-s3cret\n");
    let base = format!("https://localhost:{}", partner.address.port());
    let target = "ACL__SUBSCRIPTIONS__TRADING_PARTNER__TARGET";
    for (name, value) in [
        ("URL", base.clone()),
        ("CLIENT__NETWORK", "{allow_private=true}".to_owned()),
        ("CLIENT__TLS__AUTHORITIES", trusted),
        ("CLIENT__TLS__IDENTITY", ours),
        ("AUTH__KIND", "oauth2".to_owned()),
        ("AUTH__TOKEN_URL", format!("{base}/oauth/token")),
        ("AUTH__CLIENT_ID", "acl".to_owned()),
        ("AUTH__CLIENT_SECRET__FILE", secret),
    ] {
        world.acl.set(&format!("{target}__{name}"), &value);
    }
    let _stock = world.start(&world.virtual_stock).await.unwrap();
    let _acl = world.start(&world.acl).await.unwrap();
    // One call after the other, so that every eighth finds its token refused: it is made again with another one.
    world.stock("STK-1", 1000).await.unwrap();
    for _ in 0..30 {
        let reserve = json!({"quantityToReserve": 1, "reason": "order"});
        world
            .call(Method::POST, "/stocks/STK-1/reserve", &reserve)
            .await
            .unwrap();
    }
    world.settled().await.unwrap();

    let ledger = partner.ledger();
    assert_eq!(ledger.violations, Vec::<String>::new());
    assert_eq!(ledger.stocks["STK-1"].reserved_by_effects, 30);
    let retried = world
        .count("SELECT count(*) FROM consumption_log WHERE status = 'RETRY_SCHEDULED'")
        .await;
    assert_eq!(retried.unwrap(), 0, "a refused token costs no attempt");
    assert_eq!(partner.tokens_issued(), 5, "31 calls at 7 calls a token");
    let log = std::fs::read_to_string(world.acl.log()).unwrap();
    assert!(
        !log.contains("cl1ent-s3cret") && !log.contains("token-1"),
        "a secret is in the log"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_that_asks_for_a_password_gets_it() {
    // The example of RFC 7617, section 2.
    let basic = "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==";
    let partner = demanding(Demands {
        header: Some(("authorization".to_owned(), basic.to_owned())),
        ..Demands::default()
    })
    .await;
    let mut world = World::new("basic", &[]).await.unwrap();
    let target = "ACL__SUBSCRIPTIONS__TRADING_PARTNER__TARGET";
    for (name, value) in [
        ("URL", format!("http://{}", partner.address)),
        ("AUTH__KIND", "basic".to_owned()),
        ("AUTH__USERNAME", "Aladdin".to_owned()),
        ("AUTH__PASSWORD__ENV", "PARTNER_PASSWORD".to_owned()),
    ] {
        world.acl.set(&format!("{target}__{name}"), &value);
    }
    world.acl.set("PARTNER_PASSWORD", "open sesame");
    let _stock = world.start(&world.virtual_stock).await.unwrap();
    let _acl = world.start(&world.acl).await.unwrap();
    world.stock("STK-1", 10).await.unwrap();
    world.settled().await.unwrap();

    assert_eq!(partner.ledger().stocks.len(), 1);
    let log = std::fs::read_to_string(world.acl.log()).unwrap();
    assert!(!log.contains("open sesame") && !log.contains("QWxhZGRpbjpvcGVuIHNlc2FtZQ"));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_calls_at_once_fetch_one_token() {
    let partner = demanding(Demands {
        tokens_last: Some(100_000),
        ..Demands::default()
    })
    .await;
    let mut world = World::new("token", &[]).await.unwrap();
    let base = format!("http://{}", partner.address);
    let target = "ACL__SUBSCRIPTIONS__TRADING_PARTNER__TARGET";
    for (name, value) in [
        ("URL", base.clone()),
        ("AUTH__KIND", "oauth2".to_owned()),
        ("AUTH__TOKEN_URL", format!("{base}/oauth/token")),
        ("AUTH__CLIENT_ID", "acl".to_owned()),
        ("AUTH__CLIENT_SECRET__ENV", "CLIENT_SECRET".to_owned()),
    ] {
        world.acl.set(&format!("{target}__{name}"), &value);
    }
    world.acl.set("CLIENT_SECRET", "cl1ent-s3cret");
    let _stock = world.start(&world.virtual_stock).await.unwrap();
    for n in 0..60 {
        world.stock(&format!("STK-{n}"), 10).await.unwrap();
    }
    eventually(PATIENCE, "the events are on Kafka", async || {
        (world.records("virtual-stock-updates").ok()?.len() == 60).then_some(())
    })
    .await;
    let _acl = world.start(&world.acl).await.unwrap();
    world.settled().await.unwrap();

    assert_eq!(partner.tokens_issued(), 1);
    assert_eq!(partner.ledger().stocks.len(), 60);
}
