//! A receiver that is down for a day.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axbridge_store::RETRY_AFTER_MIN;
use tokio::net::TcpListener;

use crate::receiver::{ORDER, Receiver};
use crate::told::whole_call;
use crate::{Bed, until};

const START_MS: u64 = 1_900_000_000_000;
const CALLS: u64 = 8;
const DAY_MIN: u64 = 24 * 60;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_is_down_for_a_day_loses_nothing() {
    let clock = Arc::new(AtomicU64::new(START_MS));
    let now = Arc::clone(&clock);
    let bed = Bed::new("day", |config| {
        config.clock = Arc::new(move || now.load(Ordering::SeqCst));
    });
    let mut receiver = Receiver::start().await;
    receiver.kill().await;
    let app = bed.app("k", receiver.url(), receiver.url()).await;
    let mut journal = bed.store.journal_writer(0).unwrap();
    for n in 0..CALLS {
        let facts = whole_call(app, "k", &format!("s{n}"), START_MS);
        journal.append(&facts).unwrap();
    }
    bed.store.journal_settled().await;
    let all = CALLS * ORDER.len() as u64;
    assert_eq!(bed.waiting().await, (all, 0));

    let task = bed.deliver(|_| {}).await;
    // The day goes by from one attempt to the next.
    let mut minutes = 0;
    for after in RETRY_AFTER_MIN.iter().cycle() {
        settle(&bed).await;
        let (pending, undelivered) = bed.waiting().await;
        assert_eq!(pending + undelivered, all, "after {minutes} minutes");
        if minutes >= DAY_MIN {
            break;
        }
        clock.fetch_add(after * 60_000, Ordering::SeqCst);
        minutes += after;
    }
    let (pending, undelivered) = bed.waiting().await;
    println!("after {minutes} minutes: {pending} wait, {undelivered} were given up");
    assert!(
        pending > 0 && undelivered >= CALLS,
        "a day is longer than the schedule"
    );

    // The program stops and starts within it, too.
    task.abort();
    let _ = task.await;
    receiver.restart().await;
    let _task = bed.deliver(|_| {}).await;
    clock.fetch_add(300 * 60_000, Ordering::SeqCst);
    until(Duration::from_secs(20), "the rest is delivered", || async {
        bed.waiting().await.0 == 0
    })
    .await;
    let page = bed.store.undelivered(None, 1, 1_000).await.unwrap();
    let given_up: HashSet<_> = (page.items.iter())
        .map(|item| (item.fact.session_id.to_string(), item.fact.seq as usize))
        .collect();
    let ids = page.items.iter().map(|item| item.id).collect();
    assert_eq!(bed.store.replay(ids).await.unwrap(), given_up.len() as u64);
    until(Duration::from_secs(20), "and what was given up", || async {
        bed.waiting().await == (0, 0)
    })
    .await;
    receiver.told(|told| {
        assert_eq!(told.count() as u64, all, "something is lost");
        assert_eq!(told.repeated, 0, "told twice");
        let early = told.early.iter().filter(|(session, which)| {
            (0..*which).all(|before| !given_up.contains(&(session.clone(), before)))
        });
        assert_eq!(early.count(), 0, "out of order");
    });
}

/// Waits until every attempt that is due has been made, which takes a moment where connections are refused: nothing
/// is due any more, several times over.
async fn settle(bed: &Bed) {
    let mut quiet = 0;
    for _ in 0..1_000 {
        let due = bed.store.outbox_due(1_000).await.unwrap();
        let items = due.iter().flat_map(|due| &due.items);
        let ids: Vec<i64> = items.map(|item| item.id).collect();
        // To be seen they have to be taken: they are given back at once.
        bed.store.outbox_released(&ids).await;
        quiet = if ids.is_empty() { quiet + 1 } else { 0 };
        if quiet == 5 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    panic!("attempts are due without end");
}

/// A port that refuses connections is not the only way of being down.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_hangs_up_is_down_as_well() {
    let hangs_up = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = hangs_up.local_addr().unwrap();
    let attempts = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&attempts);
    let server = tokio::spawn(async move {
        while let Ok((stream, _)) = hangs_up.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            drop(stream);
        }
    });
    let bed = Bed::new("hangs-up", |config| config.retry_minute_ms = 1);
    let url = format!("http://{address}/");
    let app = bed.app("k", url.clone(), url).await;
    let mut journal = bed.store.journal_writer(0).unwrap();
    journal
        .append(&whole_call(app, "k", "s", START_MS))
        .unwrap();
    let _task = bed.deliver(|_| {}).await;
    let all = ORDER.len() as u64;
    until(Duration::from_secs(30), "all given up", || async {
        bed.waiting().await == (0, all)
    })
    .await;
    let each = 1 + RETRY_AFTER_MIN.len() as u64;
    assert_eq!(attempts.load(Ordering::SeqCst), all * each);
    server.abort();
}
