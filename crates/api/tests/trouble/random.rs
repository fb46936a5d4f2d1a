//! 10,000 calls while the receiver is killed, started again, slow and failing, at random from a seed.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axbridge_binding::AppId;
use axbridge_store::{JournalWriter, Store};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use crate::receiver::{Mood, ORDER, Receiver};
use crate::told::whole_call;
use crate::{Bed, until};

const SEED: u64 = 20_261_125;
const CALLS: usize = 10_000;
/// Retries after 20, 80, 180, 2,120, 4,060 and 6,000 ms.
const MINUTE_MS: u64 = 20;
const PER_APP: u32 = 16;
const POST_TIMEOUT: Duration = Duration::from_millis(250);
/// What the whole program may take more than before the first call, 60,000 facts or not: SQLite's caches (64 MiB for
/// the writer) and what this test itself notes are most of it.
const GROWTH_MAX_KIB: u64 = 160 << 10;
/// How long the other application may wait for one of its events. What it waits for is the store, not the receiver
/// in trouble: that one alone holds posts for longer at times.
const OTHER_WAITS_MAX: Duration = Duration::from_secs(5);

fn rss_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let words = line.unwrap().split_whitespace();
    words.rev().nth(1).unwrap().parse().unwrap()
}

/// Tells of all calls, a thousand in a second, in two journals as two shards do; of each sixteenth for another
/// application. Gives when it told of each of those.
fn tell(store: &Store, troubled: AppId, other: AppId) -> Vec<(String, Instant)> {
    let open = |shard| store.journal_writer(shard).unwrap();
    let mut journals: [JournalWriter; 2] = [open(0), open(1)];
    let mut told = Vec::new();
    let began = Instant::now();
    for n in 0..CALLS {
        let due = Duration::from_millis(n as u64);
        std::thread::sleep(due.saturating_sub(began.elapsed()));
        let facts = whole_call(troubled, "troubled", &format!("t{n:05}"), 1);
        // Calls overlap: half of this one is told with the other half of the one before.
        journals[n % 2].append(&facts[..3]).unwrap();
        if n % 16 == 0 {
            let session = format!("o{n:05}");
            let facts = whole_call(other, "other", &session, 1);
            journals[(n + 1) % 2].append(&facts).unwrap();
            told.push((session, Instant::now()));
        }
        journals[n % 2].append(&facts[3..]).unwrap();
    }
    told
}

/// Treats the deliverer badly until told to stop; gives what it did.
async fn trouble(receiver: &mut Receiver, stop: &AtomicBool) -> [u32; 4] {
    let mut random = StdRng::seed_from_u64(SEED);
    let mut done = [0; 4];
    while !stop.load(Ordering::SeqCst) {
        let what = random.random_range(0..4);
        match what {
            0 => receiver.kill().await,
            1 => receiver.mood(Mood::Failing),
            // Some in time, some too late for the deliverer, who has it come again.
            2 => {
                let slow = random.random_range(20..800);
                receiver.mood(Mood::Slow(Duration::from_millis(slow)));
            }
            _ => receiver.mood(Mood::Mute),
        }
        done[what] += 1;
        let bad = Duration::from_millis(random.random_range(50..500));
        tokio::time::sleep(bad).await;
        receiver.mood(Mood::Well);
        if what == 0 {
            receiver.restart().await;
        }
        let well = Duration::from_millis(random.random_range(100..900));
        tokio::time::sleep(well).await;
    }
    done
}

/// Everything that was given up, replayed as the operator does; gives what that was.
async fn replay(store: &Store) -> HashSet<(String, usize)> {
    let mut replayed = HashSet::new();
    loop {
        let page = store.undelivered(None, 1, 500).await.unwrap();
        if page.items.is_empty() {
            return replayed;
        }
        let of = |kind: &str| ORDER.iter().position(|name| *name == kind).unwrap();
        for item in &page.items {
            let (session, kind) = (&item.fact.session_id, item.fact.kind.name());
            replayed.insert((session.to_string(), of(kind)));
        }
        let ids = page.items.iter().map(|item| item.id).collect();
        store.replay(ids).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_calls_arrive_whatever_becomes_of_the_receiver() {
    println!("seed {SEED}");
    let mut troubled = Receiver::start().await;
    let well = Receiver::start().await;
    let bed = Bed::new("random", |config| config.retry_minute_ms = MINUTE_MS);
    let ours = bed.app("troubled", troubled.url(), troubled.url()).await;
    let other = bed.app("other", well.url(), well.url()).await;
    let _task = bed
        .deliver(|config| {
            config.per_app = PER_APP;
            config.timeout = POST_TIMEOUT;
        })
        .await;

    let before_kib = rss_kib();
    let stop = Arc::new(AtomicBool::new(false));
    let (rss_max, pending_max) = (AtomicU64::new(0), AtomicU64::new(0));
    let store = bed.store.clone();
    let telling = tokio::task::spawn_blocking(move || tell(&store, ours, other));
    let watch = async {
        while !telling.is_finished() {
            rss_max.fetch_max(rss_kib(), Ordering::SeqCst);
            pending_max.fetch_max(bed.waiting().await.0, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        // Trouble goes on until most has been told.
        let most = CALLS * ORDER.len() * 9 / 10;
        let began = Instant::now();
        while bed.waiting().await.0 > (CALLS * ORDER.len() - most) as u64
            && began.elapsed() < Duration::from_secs(30)
        {
            rss_max.fetch_max(rss_kib(), Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        stop.store(true, Ordering::SeqCst);
    };
    let (done, ()) = tokio::join!(trouble(&mut troubled, &stop), watch);
    let told_others = telling.await.unwrap();

    bed.store.journal_settled().await;
    let limit = Duration::from_secs(120);
    until(limit, "everything delivered or given up", || async {
        rss_max.fetch_max(rss_kib(), Ordering::SeqCst);
        bed.waiting().await.0 == 0
    })
    .await;
    let given_up = replay(&bed.store).await;
    until(limit, "what was given up is delivered", || async {
        bed.waiting().await == (0, 0)
    })
    .await;

    let (count, calls, repeated, early, records_max, posts) = troubled.told(|told| {
        (
            told.count(),
            told.calls.len(),
            told.repeated,
            told.early.clone(),
            told.records_max,
            told.posts,
        )
    });
    let waits = others_waited(&well, &told_others);
    let grown_kib = rss_max.into_inner().saturating_sub(before_kib);
    let pending_max = pending_max.into_inner();
    println!(
        "{CALLS} calls; killed, failing, slow, mute: {done:?} times; {posts} posts, {repeated} told again, {} given up \
         and replayed, {records_max} records in one post at most, {} posts at once at most, {pending_max} waited at \
         most; the other application waited {} ms at most; memory grew by {} MiB",
        given_up.len(),
        troubled.open_max(),
        waits.as_millis(),
        grown_kib >> 10
    );
    assert_eq!(
        (calls, count),
        (CALLS, CALLS * ORDER.len()),
        "something is lost"
    );
    let unexplained: Vec<_> = early
        .iter()
        .filter(|(session, which)| {
            (0..*which).all(|before| !given_up.contains(&(session.clone(), before)))
        })
        .collect();
    assert!(unexplained.is_empty(), "out of order: {unexplained:?}");
    assert!(
        done.iter().all(|times| *times > 0),
        "each trouble at least once"
    );
    assert!(repeated > 0 && pending_max > 1_000, "there was trouble");
    assert!((2..=50).contains(&records_max), "{records_max} records");
    // Events and records have their own bound. A post that the deliverer has given up may still be with us.
    let at_once = 2 * 2 * PER_APP as usize;
    assert!(troubled.open_max() <= at_once, "{}", troubled.open_max());
    assert!(grown_kib < GROWTH_MAX_KIB, "{grown_kib} KiB");
    assert!(waits < OTHER_WAITS_MAX, "{waits:?}");
}

/// The longest that anything of the other application took to its receiver; it has everything once and in order.
fn others_waited(well: &Receiver, told: &[(String, Instant)]) -> Duration {
    well.told(|heard| {
        assert_eq!((heard.repeated, heard.early.len()), (0, 0));
        let of = |(session, at): &(String, Instant)| {
            let call = heard.calls.get(session).unwrap();
            let last = call.iter().map(|event| event.unwrap()).max().unwrap();
            last.saturating_duration_since(*at)
        };
        told.iter().map(of).max().unwrap()
    })
}
