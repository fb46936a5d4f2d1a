//! The journal: what is appended arrives in the tables once, whatever breaks in between.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use axbridge_binding::AppId;
use axbridge_store::{
    AppSettings, BindError, RecordFilter, RecoveryReport, Store, StoreConfig, StoreError,
};
use common::{Clock, Dir, Fixture, call, config, fact, told};

fn segments(dir: &Dir, shard: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir.0.join("journal").join(shard)) else {
        return Vec::new();
    };
    let mut paths: Vec<_> = entries.map(|e| e.expect("entry").path()).collect();
    paths.sort();
    paths
}

/// Opens the folder as after a crash and takes the journal; nothing writes.
fn restart(dir: &Dir, clock: &Clock) -> (Store, RecoveryReport) {
    let store = Store::open(config(dir, clock)).expect("open");
    let report = store.recover(|_| None).expect("recover");
    (store, report)
}

/// Leaves facts in the journal of a store that is not there to take them.
async fn leave(dir: &Dir, clock: &Clock, settings: AppSettings, sessions: u32) -> AppId {
    let f = Fixture::with(|c| *c = config(dir, clock)).await;
    let app = f.app("k", settings).await;
    let mut writer = f.store.journal_writer(0).expect("writer");
    f.store.close();
    for n in 0..sessions {
        writer
            .append(&call(app, &format!("session-{n:05}")))
            .expect("append");
    }
    app
}

#[tokio::test]
async fn facts_arrive_and_their_segments_go() {
    let f = Fixture::with(|c| c.segment_bytes = 4 << 10).await;
    let app = f.app("k", told()).await;
    let mut writers: Vec<_> = (0..3)
        .map(|shard| f.store.journal_writer(shard).expect("writer"))
        .collect();
    for n in 0..60 {
        writers[n % 3]
            .append(&call(app, &format!("s{n}")))
            .expect("append");
    }
    f.store.journal_settled().await;
    let page = f
        .store
        .call_records(RecordFilter::default(), 1, 100)
        .await
        .expect("records");
    assert_eq!((page.total, page.items.len()), (60, 60));
    assert_eq!(f.store.outbox_stats().await.expect("stats").pending, 60 * 6);
    assert!(
        segments(&f.dir, "shard-000").len() <= 2,
        "read segments are removed"
    );
    f.store
        .journal_writer(0)
        .map(|_| ())
        .expect_err("one writer for each shard");
}

#[tokio::test]
async fn what_the_last_run_left_is_taken_however_many_shards_there_are_now() {
    let (dir, clock) = (Dir::new(), Clock::new());
    let app = leave(&dir, &clock, told(), 5).await;
    fs::rename(
        dir.0.join("journal/shard-000"),
        dir.0.join("journal/shard-017"),
    )
    .expect("a shard of earlier days");
    let (store, report) = restart(&dir, &clock);
    assert_eq!((report.facts, report.calls_ended), (30, 0));
    assert!(segments(&dir, "shard-017").is_empty());
    let mut writer = store.journal_writer(17).expect("writer");
    writer.append(&call(app, "later")).expect("append");
    store.journal_settled().await;
    store
        .call_record("later".into())
        .await
        .expect("read")
        .expect("a segment number is not used twice");
    store.close();
}

#[tokio::test]
async fn a_torn_end_is_left_out_and_what_came_before_is_not() {
    let (dir, clock) = (Dir::new(), Clock::new());
    leave(&dir, &clock, told(), 3).await;
    let path = segments(&dir, "shard-000").pop().expect("segment");
    let whole = fs::read(&path).expect("read");
    // Every possible tear of the last fact.
    let last = whole.len() - 700;
    for cut in (last..whole.len()).step_by(37) {
        let copy = Dir::new();
        copy_folder(&dir, &copy);
        fs::write(
            copy.0
                .join("journal/shard-000")
                .join(path.file_name().expect("name")),
            &whole[..cut],
        )
        .expect("cut");
        let (store, report) = restart(&copy, &clock);
        assert!(
            report.damage.gaps == 0 && report.damage.torn_tails <= 1,
            "cut at {cut}: {report:?}"
        );
        assert_eq!(
            report.calls_ended, 1,
            "the call whose record was torn off is ended: {cut}"
        );
        let page = store
            .call_records(RecordFilter::default(), 1, 10)
            .await
            .expect("records");
        assert_eq!(page.total, 3, "cut at {cut}");
        store.close();
    }
}

#[tokio::test]
async fn damage_in_the_middle_is_told_and_stepped_over() {
    let (dir, clock) = (Dir::new(), Clock::new());
    leave(&dir, &clock, told(), 50).await;
    let path = segments(&dir, "shard-000").pop().expect("segment");
    let mut bytes = fs::read(&path).expect("read");
    let length = bytes.len();
    bytes[length / 3] ^= 0xff;
    bytes[length / 2..length / 2 + 3].fill(0xff);
    fs::write(&path, &bytes).expect("write");
    let (store, report) = restart(&dir, &clock);
    assert_eq!(
        (report.damage.gaps, report.damage.torn_tails),
        (2, 0),
        "{report:?}"
    );
    assert!((50 * 6 - 4..50 * 6).contains(&report.facts), "{report:?}");
    let page = store
        .call_records(RecordFilter::default(), 1, 100)
        .await
        .expect("records");
    assert_eq!(page.total, 50, "a call that lost its record got one");
    store.close();
}

#[tokio::test]
async fn a_full_journal_refuses_new_calls_first_and_facts_later() {
    let f = Fixture::with(|c| c.journal_bytes_max = 100_000).await;
    let app = f.app("k", told()).await;
    let mut writer = f.store.journal_writer(0).expect("writer");
    f.store.close();
    let mut stopped_accepting = None;
    let mut appended = 0;
    let error = loop {
        assert!(appended < 1_000);
        if stopped_accepting.is_none() && !writer.accepting() {
            stopped_accepting = Some(appended);
        }
        match writer.append(&call(app, &format!("s{appended}"))) {
            Ok(()) => appended += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    let stopped = stopped_accepting.expect("refused new calls before");
    assert!(
        stopped < appended && appended <= stopped * 5 / 4 + 1,
        "{stopped} then {appended}"
    );
    drop(writer);
    let Fixture {
        store, clock, dir, ..
    } = f;
    drop(store);
    let (store, report) = restart(&dir, &clock);
    assert_eq!(report.facts, 6 * appended as u64, "the oldest are kept");
    store.close();
}

#[tokio::test]
async fn facts_arrive_once_over_many_broken_runs() {
    let (dir, clock) = (Dir::new(), Clock::new());
    let mut seed = 0x5eed_u64;
    println!("seed {seed:#x}");
    let mut random = move |below: u64| {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    let mut app = None;
    let mut expected: BTreeMap<String, u32> = BTreeMap::new();
    for run in 0..25 {
        let mut settings = config(&dir, &clock);
        settings.segment_bytes = 4 << 10;
        let store = Store::open(settings).expect("open");
        let report = store.recover(|_| None).expect("recover");
        assert_eq!(report.damage, Default::default());
        let app = match app {
            Some(app) => app,
            None => {
                let new = axbridge_store::NewApp {
                    key: "k".into(),
                    secret: axbridge_store::Secret::new("not a secret"),
                    sp_id: "acme".into(),
                    mode: axbridge_store::Mode::Axb,
                    settings: told(),
                };
                *app.insert(store.create_app(new).await.expect("app").id)
            }
        };
        let shards = 1 + random(3) as usize;
        let mut writers: Vec<_> = (0..shards)
            .map(|n| store.journal_writer(n).expect("writer"))
            .collect();
        for n in 0..30 {
            let session = format!("run{run}-call{n}");
            let mut facts = call(app, &session);
            // Some calls are cut off by the end of the run.
            if random(4) == 0 {
                facts.truncate(1 + random(5) as usize);
            }
            let shard = random(shards as u64) as usize;
            facts
                .chunks(1 + random(6) as usize)
                .for_each(|some| writers[shard].append(some).expect("append"));
            expected.insert(session, 6.max(facts.len() as u32));
        }
        // Sometimes nothing was taken yet, sometimes a part, sometimes all.
        match random(3) {
            0 => {}
            1 => tokio::task::yield_now().await,
            _ => store.journal_settled().await,
        }
        store.close();
    }
    let (store, _) = restart(&dir, &clock);
    let page = store
        .call_records(RecordFilter::default(), 1, 10_000)
        .await
        .expect("records");
    assert_eq!(
        page.total as usize,
        expected.len(),
        "one record for each call"
    );
    let mut told: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    loop {
        let due = store.outbox_due(1_000).await.expect("due");
        if due.is_empty() {
            break;
        }
        let items: Vec<_> = due.into_iter().flat_map(|due| due.items).collect();
        for item in &items {
            told.entry(item.fact.session_id.to_string())
                .or_default()
                .push(item.fact.seq);
        }
        store
            .outbox_delivered(items.iter().map(|item| item.id).collect())
            .await
            .expect("delivered");
    }
    for session in expected.keys() {
        let seqs = &told[session];
        assert!(
            seqs.iter().copied().eq(0..seqs.len() as u32),
            "{session}: {seqs:?}"
        );
    }
    assert_eq!(told.len(), expected.len());
    store.close();
}

#[tokio::test]
async fn a_fact_that_comes_again_is_left_out() {
    let f = Fixture::new().await;
    let app = f.app("k", told()).await;
    let mut writer = f.store.journal_writer(0).expect("writer");
    let facts = call(app, "s");
    writer.append(&facts[..3]).expect("append");
    writer.append(&facts[..3]).expect("again");
    writer.append(&facts[2..]).expect("rest");
    writer.append(&facts).expect("after the record");
    f.store.journal_settled().await;
    assert_eq!(f.store.outbox_stats().await.expect("stats").pending, 6);
    f.store.close();
}

#[tokio::test]
async fn without_a_receiver_only_the_record_is_kept() {
    let f = Fixture::new().await;
    let app = f.app("k", AppSettings::default()).await;
    let mut writer = f.store.journal_writer(0).expect("writer");
    writer.append(&call(app, "s")).expect("append");
    writer.append(&call(AppId(0), "nobody's")).expect("append");
    f.store.journal_settled().await;
    assert_eq!(f.store.outbox_stats().await.expect("stats").pending, 0);
    assert!(
        f.store
            .call_record("s".into())
            .await
            .expect("read")
            .is_some()
    );
    assert!(
        f.store
            .call_record("nobody's".into())
            .await
            .expect("read")
            .is_some()
    );
}

#[tokio::test]
async fn the_journal_is_not_written_before_recovery() {
    let dir = Dir::new();
    let store = Store::open(StoreConfig::new(&dir.0)).expect("open");
    store
        .journal_writer(0)
        .map(|_| ())
        .expect_err("facts of old and new calls would mix");
    store.recover(|_| None).expect("recover");
    store
        .recover(|_| None)
        .expect_err("it would end calls in progress");
    let mut writer = store.journal_writer(0).expect("writer");
    writer
        .append(&[fact(
            AppId(0),
            "s",
            0,
            common::call(AppId(0), "s")[0].kind.clone(),
        )])
        .expect("append");
    store.close();
}

#[tokio::test]
async fn while_the_database_is_down_facts_wait_and_writes_are_refused() {
    let f = Fixture::new().await;
    let app = f.app("k", told()).await;
    f.x(app, common::private(1), None).await;
    let bind = || {
        f.store.bind(common::request(
            app,
            common::person(1),
            common::person(2),
            Some(common::private(1)),
        ))
    };
    let mut writer = f.store.journal_writer(0).expect("writer");

    let other = rusqlite::Connection::open(f.dir.0.join("axbridge.db")).expect("open");
    other
        .execute_batch("BEGIN IMMEDIATE")
        .expect("the database is taken");
    for n in 0..10 {
        writer
            .append(&call(app, &format!("s{n}")))
            .expect("calls do not notice");
    }
    let refused = bind().await.expect_err("down");
    assert!(
        matches!(refused, BindError::Store(StoreError::Unavailable(_))),
        "{refused:?}"
    );
    assert_eq!(
        f.callee(common::private(1), common::person(1)),
        None,
        "what was refused is not served"
    );
    assert!(f.store.journal_backlog() > 0);

    other.execute_batch("ROLLBACK").expect("up again");
    f.store.journal_settled().await;
    assert_eq!(f.store.outbox_stats().await.expect("stats").pending, 60);
    bind().await.expect("up again");
    f.store.close();
}

fn copy_folder(from: &Dir, to: &Dir) {
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        fs::create_dir_all(to.0.join(&folder)).expect("folder");
        for entry in fs::read_dir(from.0.join(&folder)).expect("list") {
            let entry = entry.expect("entry");
            let path = folder.join(entry.file_name());
            if entry.file_type().expect("type").is_dir() {
                folders.push(path);
            } else {
                fs::copy(entry.path(), to.0.join(path)).expect("copy");
            }
        }
    }
}
