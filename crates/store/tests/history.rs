//! What was told about ended calls: read again, told again, and gone in time.

mod common;

use axbridge_binding::AppId;
use axbridge_call::{Fact, FactKind, Note, Step, Trace};
use axbridge_store::{
    AppSettings, HistoryFilter, OutboxItem, REPLAYED_MAX, ReplayWhich, Replayed, Store,
};
use common::{DAY_MS, Fixture, START_MS, call, config, told};

fn trace() -> Trace {
    Trace {
        began_ms: START_MS,
        caller: Some("+86139****001".into()),
        steps: [Step {
            after_ms: 7,
            note: Note::Said("because".into()),
        }]
        .into(),
        ..Trace::default()
    }
}

/// The facts of a call that tells its trace before its record; it came in `after_ms` after the start.
fn traced(app: AppId, session: &str, after_ms: u64) -> Vec<Fact> {
    let mut facts = call(app, session);
    let mut record = facts.pop().expect("a record");
    if let FactKind::Record(record) = &mut record.kind {
        record.call_in_ms += after_ms;
    }
    facts.push(Fact {
        kind: FactKind::Trace(Box::new(trace())),
        ..record.clone()
    });
    record.seq += 1;
    facts.push(record);
    facts
}

async fn tell(f: &Fixture, facts: &[Fact]) {
    let mut writer = f.store.journal_writer(0).expect("writer");
    writer.append(facts).expect("append");
    f.store.journal_settled().await;
}

async fn due(f: &Fixture) -> Vec<OutboxItem> {
    let due = f.store.outbox_due(1_000).await.expect("due");
    due.into_iter().flat_map(|due| due.items).collect()
}

/// Delivers everything; says what it was, in the order in which it was handed out.
async fn deliver(f: &Fixture) -> Vec<String> {
    let mut all = Vec::new();
    // Each call has six notifications: more rounds would be a loop.
    for _ in 0..20 {
        let items = due(f).await;
        if items.is_empty() {
            return all;
        }
        let name = |i: &OutboxItem| format!("{} {}", i.fact.session_id, i.fact.kind.name());
        all.extend(items.iter().map(name));
        let ids = items.iter().map(|i| i.id).collect();
        f.store.outbox_delivered(ids).await.expect("delivered");
    }
    panic!("no end of it: {all:?}")
}

fn since(from_ms: u64) -> HistoryFilter {
    HistoryFilter {
        from_ms,
        until_ms: u64::MAX,
        session: None,
    }
}

fn span() -> ReplayWhich {
    ReplayWhich::Span {
        from_ms: 0,
        until_ms: u64::MAX,
        after: None,
    }
}

const NAMES: [&str; 6] = [
    "callin",
    "callout",
    "alerting",
    "answer",
    "disconnect",
    "fee",
];

fn whole_call(session: &str) -> Vec<String> {
    NAMES.iter().map(|n| format!("{session} {n}")).collect()
}

#[tokio::test]
async fn a_trace_is_kept_with_its_call_and_is_not_told() {
    let f = Fixture::new().await;
    let app = f.app("k", told()).await;
    tell(&f, &traced(app, "s", 0)).await;
    assert_eq!(deliver(&f).await, whole_call("s"), "and no trace");
    let check = async |store: &Store| {
        let kept = store.call_trace("s".into()).await.expect("read");
        let kept = kept.expect("a trace");
        assert_eq!(kept.app, app);
        assert_eq!(kept.kind, FactKind::Trace(Box::new(trace())));
        let other = store.call_trace("t".into()).await.expect("read");
        assert!(other.is_none());
    };
    check(&f.store).await;
    f.store.close();
    let Fixture {
        store, clock, dir, ..
    } = f;
    drop(store);
    let store = Store::open(config(&dir, &clock)).expect("open");
    store.recover(|_| None).expect("recover");
    check(&store).await;
}

#[tokio::test]
async fn events_are_read_again_by_call() {
    let f = Fixture::new().await;
    let app = f.app("k", AppSettings::default()).await;
    let other = f.app("l", told()).await;
    for (n, app) in [app, app, other].into_iter().enumerate() {
        tell(&f, &traced(app, &format!("s{n}"), n as u64 * 1_000)).await;
    }
    let list = async |filter: HistoryFilter, page, size| {
        let found = f.store.call_facts(app, filter, page, size).await;
        let found = found.expect("list");
        let sessions: Vec<_> = found
            .items
            .iter()
            .map(|c| c.session_id.to_string())
            .collect();
        for call in &found.items {
            let names: Vec<_> = call.facts.iter().map(|f| f.kind.name()).collect();
            assert_eq!(names, NAMES[..5], "neither trace nor record");
        }
        (sessions.join(" "), found.total)
    };
    assert_eq!(list(since(0), 1, 10).await, ("s1 s0".into(), 2));
    assert_eq!(list(since(0), 2, 1).await, ("s0".into(), 2));
    assert_eq!(list(since(START_MS + 1), 1, 10).await, ("s1".into(), 1));
    let until = HistoryFilter {
        until_ms: START_MS + 1_000,
        ..since(0)
    };
    assert_eq!(list(until, 1, 10).await, ("s0".into(), 1));
    let only = |session: &str| HistoryFilter {
        session: Some(session.into()),
        ..since(0)
    };
    assert_eq!(list(only("s0"), 1, 10).await, ("s0".into(), 1));
    assert_eq!(
        list(only("s2"), 1, 10).await,
        (String::new(), 0),
        "another's"
    );
}

#[tokio::test]
async fn calls_are_told_again_in_order() {
    let f = Fixture::new().await;
    let app = f.app("k", told()).await;
    let other = f.app("l", told()).await;
    tell(&f, &traced(app, "s", 0)).await;
    tell(&f, &traced(app, "t", 1_000)).await;
    tell(&f, &traced(other, "u", 0)).await;
    let again = async |which, events, records| {
        let done = f.store.replay_calls(app, which, events, records).await;
        done.expect("replay")
    };
    let these = |list: &[&str]| ReplayWhich::Sessions(list.iter().map(|s| (*s).into()).collect());
    let waiting = again(span(), true, true).await;
    let expected = Replayed {
        waiting: 2,
        ..Replayed::default()
    };
    assert_eq!(waiting, expected, "they are still being told");
    deliver(&f).await;
    assert_eq!(
        again(these(&["s", "u", "none"]), true, true).await,
        Replayed {
            calls: 1,
            notifications: 6,
            ..Replayed::default()
        }
    );
    assert_eq!(deliver(&f).await, whole_call("s"));
    again(these(&["t"]), false, true).await;
    assert_eq!(deliver(&f).await, ["t fee"]);
    again(these(&["t"]), true, false).await;
    assert_eq!(deliver(&f).await, whole_call("t")[..5]);
    let all = again(span(), true, true).await;
    assert_eq!((all.calls, all.notifications, all.next), (2, 12, None));
    assert_eq!(deliver(&f).await.len(), 12);
}

#[tokio::test]
async fn what_was_given_up_is_told_again_too_and_in_its_place() {
    let f = Fixture::new().await;
    let mut settings = told();
    settings.cdr_url.clone_from(&settings.call_status_url);
    let app = f.app("k", settings).await;
    tell(&f, &traced(app, "s", 0)).await;
    let first = due(&f).await.remove(0);
    f.store
        .outbox_undelivered(vec![first.id])
        .await
        .expect("given up");
    assert_eq!(deliver(&f).await, whole_call("s")[1..]);
    let done = f.store.replay_calls(app, span(), true, true).await;
    assert_eq!(done.expect("replay").notifications, 6);
    assert_eq!(deliver(&f).await, whole_call("s"));
    assert_eq!(
        f.store.outbox_stats().await.expect("stats"),
        Default::default()
    );
}

#[tokio::test]
async fn a_long_span_is_told_again_in_pieces() {
    let f = Fixture::new().await;
    let app = f.app("k", AppSettings::default()).await;
    let count = REPLAYED_MAX + 3;
    let facts: Vec<_> = (0..count)
        // Several came in within the same millisecond.
        .flat_map(|n| traced(app, &format!("s{n}"), n as u64 / 7))
        .collect();
    tell(&f, &facts).await;
    let mut settings = f.store.app(app).await.expect("read").expect("it");
    settings.settings.cdr_url = Some("https://customer.example/cdr".into());
    f.store.update_app(settings).await.expect("update");
    let first = f.store.replay_calls(app, span(), true, true).await;
    let first = first.expect("first");
    assert_eq!(
        (first.calls, first.notifications),
        (REPLAYED_MAX as u64, REPLAYED_MAX as u64),
        "records only: there is no receiver of events"
    );
    assert!(first.next.is_some());
    let rest = ReplayWhich::Span {
        from_ms: 0,
        until_ms: u64::MAX,
        after: first.next,
    };
    let second = f.store.replay_calls(app, rest, true, true).await;
    let second = second.expect("second");
    assert_eq!((second.calls, second.waiting, second.next), (3, 0, None));
}

#[tokio::test]
async fn a_refused_invite_of_nobodys_number_is_kept_for_the_operator() {
    let f = Fixture::new().await;
    let facts: Vec<Fact> = ["r1", "r2"]
        .into_iter()
        .enumerate()
        .map(|(n, session)| Fact {
            app: AppId(0),
            app_key: "".into(),
            session_id: session.into(),
            seq: 0,
            at_ms: START_MS + n as u64,
            subscription_id: None,
            user_data: None,
            kind: FactKind::Trace(Box::new(trace())),
        })
        .collect();
    tell(&f, &facts).await;
    tell(&f, &facts).await;
    let list = f.store.refused_calls(1, 10).await.expect("list");
    let sessions: Vec<_> = list.items.iter().map(|f| &*f.session_id).collect();
    assert_eq!((sessions, list.total), (vec!["r2", "r1"], 2));
    let one = f.store.call_trace("r1".into()).await.expect("read");
    assert_eq!(one.expect("kept").app, AppId(0));
    f.store.close();
    let Fixture {
        store, clock, dir, ..
    } = f;
    drop(store);
    let store = Store::open(config(&dir, &clock)).expect("open");
    let report = store.recover(|_| None).expect("recover");
    assert_eq!(report.calls_ended, 0, "there was no call");
}

#[tokio::test]
async fn after_31_days_nothing_is_left() {
    let f = Fixture::new().await;
    let app = f.app("k", told()).await;
    let refused = Fact {
        app: AppId(0),
        session_id: "r".into(),
        kind: FactKind::Trace(Box::new(trace())),
        ..call(app, "r").remove(0)
    };
    tell(&f, &traced(app, "s", 0)).await;
    tell(&f, &[refused]).await;
    let left = async || {
        f.store.sweep().expect("sweep");
        let events = f.store.call_facts(app, since(0), 1, 10).await;
        let trace = f.store.call_trace("s".into()).await.expect("trace");
        let refused = f.store.refused_calls(1, 10).await.expect("refused");
        let events = events.expect("events").total;
        (events, trace.is_some(), refused.total)
    };
    f.clock.advance_ms(31 * DAY_MS - 1);
    assert_eq!(left().await, (1, true, 1));
    f.clock.advance_ms(DAY_MS);
    assert_eq!(left().await, (0, false, 0));
    let done = f.store.replay_calls(app, span(), true, true).await;
    assert_eq!(done.expect("replay"), Replayed::default());
}
