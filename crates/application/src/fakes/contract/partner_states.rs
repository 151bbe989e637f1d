//! The contract of [`PartnerStates`].

use std::time::Duration;

use crate::ports::{PartnerState, PartnerStates};

/// The contract of [`PartnerStates`]: two instances' views of one partner of which nothing is known.
pub async fn partner_states(one: &dyn PartnerStates, other: &dyn PartnerStates) {
    let (soon, later) = (Duration::from_millis(50), Duration::from_hours(1));
    let open = |probe_due| PartnerState::Open { probe_due };
    assert_eq!(one.state().await.unwrap(), PartnerState::Active);
    assert!(!one.take_probe(later).await.unwrap());

    // Who opens it first says when it is probed.
    one.open("no connection", soon).await.unwrap();
    other.open("no answer", later).await.unwrap();
    assert_eq!(other.state().await.unwrap(), open(false));
    assert!(!other.take_probe(later).await.unwrap());
    while one.state().await.unwrap() == open(false) {
        tokio::time::sleep(soon).await;
    }

    // One of them has the probe, and nobody has another one before it is due.
    let taken = [
        one.take_probe(later).await.unwrap(),
        other.take_probe(later).await.unwrap(),
        one.take_probe(later).await.unwrap(),
    ];
    assert_eq!(taken, [true, false, false]);
    assert_eq!(other.state().await.unwrap(), open(false));

    other.close().await.unwrap();
    assert_eq!(one.state().await.unwrap(), PartnerState::Active);

    // What the partner itself wants comes before the breaker, and stays until an operator resumes it.
    one.open("no connection", Duration::ZERO).await.unwrap();
    one.disable("gone").await.unwrap();
    other.disable("still gone").await.unwrap();
    assert_eq!(other.state().await.unwrap(), PartnerState::Halted);
    assert!(!other.take_probe(later).await.unwrap());
    other.close().await.unwrap();
    assert_eq!(one.state().await.unwrap(), PartnerState::Halted);
}
