//! The contract of [`Outbox`].

use std::time::Duration;

use crate::ports::{Outbox, OutboxError};

/// The contract of [`Outbox`]: one that nobody else relays from, with `rows` rows committed and none published.
pub async fn outbox(outbox: &dyn Outbox, rows: usize) {
    let ttl = Duration::from_mins(1);
    let old = outbox.acquire("one", ttl).await.unwrap().unwrap();
    outbox.ensure_continuity(old).await.unwrap();
    let opened = outbox.open_window(old).await.unwrap().unwrap();

    // The holder may take its lease again: the epoch rises, and the old one is refused everywhere.
    let lease = outbox.acquire("one", ttl).await.unwrap().unwrap();
    assert!(lease.epoch > old.epoch);
    let refused = |result: Result<(), OutboxError>| matches!(result, Err(OutboxError::LeaseLost));
    assert!(refused(outbox.renew(old, ttl).await));
    assert!(refused(outbox.close_window(old, &opened).await));
    assert!(refused(outbox.open_window(old).await.map(drop)));

    // A window that was opened and not closed comes again.
    let window = outbox.open_window(lease).await.unwrap().unwrap();
    assert_eq!(window, opened);

    // Page by page, every row once, in order.
    let mut seen = Vec::new();
    let mut after = window.first - 1;
    loop {
        let page = outbox.read(&window, after, 2).await.unwrap();
        let Some(row) = page.last() else { break };
        after = row.id;
        seen.extend(page.into_iter().map(|row| row.id));
    }
    assert_eq!(seen.len(), rows);
    assert!(seen.is_sorted());
    assert_eq!(seen.last(), Some(&window.last));
    let waiting = outbox.backlog().await.unwrap();
    assert_eq!(usize::try_from(waiting.events).unwrap(), rows);

    // Others may read the same rows between two snapshots, without the lease.
    let now = outbox.snapshot().await.unwrap();
    let until_now = outbox.between(window.from.clone(), now.clone());
    let until_now = until_now.await.unwrap();
    assert_eq!(
        (until_now.first, until_now.last),
        (window.first, window.last)
    );
    assert_eq!(outbox.read(&until_now, 0, 1000).await.unwrap().len(), rows);
    let nothing_new = outbox.between(now.clone(), now).await.unwrap();
    assert!(nothing_new.first > nothing_new.last);
    assert_eq!(outbox.read(&nothing_new, 0, 1000).await.unwrap().len(), 0);

    outbox.close_window(lease, &window).await.unwrap();
    assert_eq!(outbox.open_window(lease).await.unwrap(), None);
    assert_eq!(outbox.backlog().await.unwrap().events, 0);
    outbox.release(lease).await.unwrap();
}
