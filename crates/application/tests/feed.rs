//! The live feed, on an outbox in memory and a clock that goes on only when it is told to.
#![expect(clippy::unwrap_used, reason = "a panic is a failed test")]

use std::{sync::Arc, time::Duration};

use application::{
    fakes::FakeOutbox,
    feed::{Feed, Followed, Follower},
    ports::OutboxRow,
};
use tokio_util::sync::CancellationToken;

const POLL: Duration = Duration::from_millis(100);

fn push(outbox: &FakeOutbox, ids: std::ops::RangeInclusive<i64>) {
    for id in ids {
        outbox.push(OutboxRow {
            id,
            stock_id: "STK-1".to_owned(),
            topics: Vec::new(),
            headers: Vec::new(),
            payload: Vec::new(),
        });
    }
}

/// Reads until the row `last`; returns all rows and the last position.
async fn until(follower: &mut Follower, last: i64) -> (Vec<i64>, Option<String>) {
    let (mut rows, mut position) = (Vec::new(), None);
    while rows.last() != Some(&last) || position.is_none() {
        let Followed::Window(window) = follower.next().await.unwrap() else {
            panic!("the feed has ended");
        };
        rows.extend(window.rows.iter().map(|row| row.id));
        position.clone_from(&window.to);
    }
    (rows, position)
}

/// Lets the feed's poll come round ten times, on the paused clock.
async fn several_polls() {
    for _ in 0..10 {
        tokio::time::advance(POLL).await;
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn followers_miss_nothing_whenever_they_come_and_go() {
    let outbox = Arc::new(FakeOutbox::default());
    push(&outbox, 1..=3);
    let feed = Feed::new(Arc::clone(&outbox) as _);
    let stop = CancellationToken::new();
    let running = feed.clone().run(POLL, stop.clone());
    let running = tokio::runtime::Handle::current().spawn(running);

    // From now on: nothing of what was before.
    let (mut live, begin) = feed.follow(None).await.unwrap();
    assert_eq!(begin, "3");
    push(&outbox, 4..=5);
    let (rows, position) = until(&mut live, 5).await;
    assert_eq!(rows, [4, 5]);
    drop(live);

    // Nobody looks; far more happens than one page holds.
    several_polls().await;
    push(&outbox, 6..=1700);
    several_polls().await;
    let (mut again, _) = feed.follow(position).await.unwrap();
    push(&outbox, 1701..=1710);
    let (rows, _) = until(&mut again, 1710).await;
    assert_eq!(rows, (6..=1710).collect::<Vec<_>>());

    // Much at once, for one who follows.
    push(&outbox, 1711..=3000);
    let (rows, _) = until(&mut again, 3000).await;
    assert_eq!(rows, (1711..=3000).collect::<Vec<_>>());

    // Too much at once for anybody: they begin again from where they are.
    push(&outbox, 3001..=40_000);
    assert!(matches!(again.next().await.unwrap(), Followed::Ended));

    stop.cancel();
    running.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_follower_that_is_too_slow_is_told_to_begin_again() {
    let outbox = Arc::new(FakeOutbox::default());
    let feed = Feed::new(Arc::clone(&outbox) as _);
    let stop = CancellationToken::new();
    let running = feed.clone().run(POLL, stop.clone());
    let running = tokio::runtime::Handle::current().spawn(running);
    let (mut slow, _) = feed.follow(None).await.unwrap();

    for id in 1..=100 {
        push(&outbox, id..=id);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }

    assert!(matches!(slow.next().await.unwrap(), Followed::Ended));
    stop.cancel();
    running.await.unwrap();
}
