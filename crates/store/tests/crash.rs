//! `kill -9` while binds and facts are written: nothing that was acknowledged is lost, nothing comes twice.
//!
//! The test starts itself again as a child that writes and says what was acknowledged, and kills it.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;

use axbridge_binding::{SubscriptionId, Table};
use axbridge_store::{RecordFilter, Store, StoreConfig};
use common::{Dir, call, person, private, request, told};

const FOLDER: &str = "AXBRIDGE_STORE_CRASH_FOLDER";

/// What the child does; without the folder in its environment this is an empty test.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let Ok(folder) = std::env::var(FOLDER) else {
        return;
    };
    let store = Store::open(StoreConfig {
        segment_bytes: 8 << 10,
        ..StoreConfig::new(folder)
    })
    .expect("open");
    store.recover(|_| None).expect("recover");
    let run = store.now_ms();
    let app = match store.apps().await.expect("apps").first() {
        Some(app) => app.id,
        None => set_up(&store).await,
    };
    let mut writer = store.journal_writer(0).expect("writer");
    // Never `println!`: the harness may hold it back.
    let say = |line: String| {
        std::io::stdout()
            .write_all(format!("{line}\n").as_bytes())
            .expect("say")
    };
    std::thread::spawn(move || {
        for n in 0.. {
            let session = format!("{run}-{n}");
            let mut facts = call(app, &session);
            facts.truncate(1 + n % 6);
            writer.append(&facts).expect("append");
            say(format!("call {session}"));
            std::thread::sleep(std::time::Duration::from_micros(300));
        }
    });
    for task in 0..8_u64 {
        let store = store.clone();
        tokio::spawn(async move {
            for n in 0.. {
                let (a, b) = (
                    person((run + 7 * n) % 40_000),
                    person(40_000 + (run + 11 * n + task) % 40_000),
                );
                if let Ok(bound) = store.bind(request(app, a, b, Some(private(task)))).await {
                    say(format!("bind {}", bound.axb.subscription));
                }
            }
        });
    }
    std::future::pending::<()>().await;
}

async fn set_up(store: &Store) -> axbridge_binding::AppId {
    let new = axbridge_store::NewApp {
        key: "k".into(),
        secret: axbridge_store::Secret::new("not a secret"),
        sp_id: "acme".into(),
        mode: axbridge_store::Mode::Axb,
        settings: told(),
    };
    let app = store.create_app(new).await.expect("app").id;
    let x = |n| axbridge_store::NewNumber {
        x: private(n),
        area: None,
        province: None,
        trunk: axbridge_binding::TrunkId(1),
    };
    store
        .add_numbers(app, (0..8).map(x).collect())
        .await
        .expect("numbers");
    app
}

#[tokio::test]
async fn what_was_acknowledged_survives_kill_9() {
    let dir = Dir::new();
    std::fs::create_dir_all(&dir.0).expect("folder");
    let (mut binds, mut calls) = (BTreeSet::new(), BTreeSet::new());
    for lines in [400, 150, 700] {
        let mut child = Command::new(std::env::current_exe().expect("myself"))
            .args(["--exact", "child", "--nocapture"])
            .env(FOLDER, &dir.0)
            .stdout(Stdio::piped())
            .spawn()
            .expect("child");
        let mut out = BufReader::new(child.stdout.take().expect("stdout"));
        let mut line = String::new();
        for _ in 0..lines {
            line.clear();
            assert!(
                out.read_line(&mut line).expect("line") > 0,
                "the child ended by itself"
            );
            note(&line, &mut binds, &mut calls);
        }
        child.kill().expect("kill -9");
        child.wait().expect("gone");
        // What it said before it died counts, too; a last line may be half.
        loop {
            line.clear();
            if out.read_line(&mut line).expect("line") == 0 || !line.ends_with('\n') {
                break;
            }
            note(&line, &mut binds, &mut calls);
        }
    }
    println!(
        "{} binds and {} calls were acknowledged in 3 runs",
        binds.len(),
        calls.len()
    );
    assert!(binds.len() > 100 && calls.len() > 100);

    let store = Store::open(StoreConfig::new(&dir.0)).expect("open");
    let report = store.recover(|_| None).expect("recover");
    assert_eq!(report.damage.gaps, 0, "{report:?}");
    let table = Arc::new(Table::with_capacity(10_000));
    store.load_table(Arc::clone(&table)).await.expect("load");
    let app = store.apps().await.expect("apps")[0].id;
    for id in &binds {
        let id = SubscriptionId::parse(id).expect("id");
        let found = store
            .query(app, axbridge_store::Query::Subscription(id), 1, 50)
            .await
            .expect("acknowledged bind");
        let axb = &found.items[0].axb;
        assert_eq!(
            table
                .route(axb.x, axb.a, store.now_ms())
                .expect("route")
                .callee,
            axb.b
        );
    }
    let page = store
        .call_records(RecordFilter::default(), 1, 1_000_000)
        .await
        .expect("records");
    let recorded: BTreeSet<String> = page
        .items
        .iter()
        .map(|r| r.fact.session_id.to_string())
        .collect();
    assert_eq!(recorded.len(), page.items.len(), "two records of one call");
    let lost: Vec<_> = calls.difference(&recorded).collect();
    assert!(lost.is_empty(), "calls without a record: {lost:?}");
    let mut told: BTreeMap<String, u32> = BTreeMap::new();
    loop {
        let due = store.outbox_due(10_000).await.expect("due");
        if due.is_empty() {
            break;
        }
        let items: Vec<_> = due.into_iter().flat_map(|due| due.items).collect();
        for item in &items {
            let next = told.entry(item.fact.session_id.to_string()).or_default();
            assert_eq!(
                item.fact.seq, *next,
                "{} is out of order",
                item.fact.session_id
            );
            *next += 1;
        }
        store
            .outbox_delivered(items.iter().map(|item| item.id).collect())
            .await
            .expect("delivered");
    }
    assert_eq!(told.len(), recorded.len(), "every call is told to its end");
    store.close();
}

fn note(line: &str, binds: &mut BTreeSet<String>, calls: &mut BTreeSet<String>) {
    // The harness may have begun the line.
    if let Some((_, id)) = line.rsplit_once("bind ") {
        binds.insert(id.trim().to_owned());
    } else if let Some((_, session)) = line.rsplit_once("call ") {
        calls.insert(session.trim().to_owned());
    }
}
