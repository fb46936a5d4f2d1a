//! After a crash every call has its end and exactly one record.

mod common;

use std::time::Duration;

use axbridge_call::{Fact, FactKind};
use axbridge_store::{BindRequest, RecoveredRecording, Store};
use common::{Fixture, START_MS, call, config, fact, person, private, request, told};

fn record(fact: &Fact) -> &axbridge_call::CallRecord {
    match &fact.kind {
        FactKind::Record(record) => record,
        other => panic!("{other:?} is no record"),
    }
}

/// Appends facts, crashes, and gives back the store after recovery.
async fn crash(
    f: Fixture,
    facts: &[Fact],
    recording: Option<RecoveredRecording>,
) -> (Store, Fixture, usize) {
    let mut writer = f.store.journal_writer(0).expect("writer");
    writer.append(facts).expect("append");
    f.store.close();
    drop(writer);
    let Fixture {
        store,
        table,
        clock,
        dir,
    } = f;
    drop(store);
    let store = Store::open(config(&dir, &clock)).expect("open");
    let report = store.recover(|_| recording.clone()).expect("recover");
    let ended = report.calls_ended as usize;
    (
        store.clone(),
        Fixture {
            store,
            table,
            clock,
            dir,
        },
        ended,
    )
}

#[tokio::test]
async fn a_call_that_was_cut_off_gets_its_end_and_its_record_once() {
    let f = Fixture::new().await;
    let app = f.app("k", told()).await;
    f.x(app, private(1), None).await;
    let bound = f
        .store
        .bind(request(app, person(1), person(2), Some(private(1))))
        .await
        .expect("bind");
    let mut facts = call(app, "s");
    facts.truncate(4);
    facts
        .iter_mut()
        .skip(1)
        .for_each(|fact| fact.subscription_id = Some(bound.axb.subscription.to_string().into()));
    let found = RecoveredRecording {
        object: "r.wav".into(),
        start_ms: START_MS + 3_100,
        length_ms: 7_000,
        bytes: 224_044,
        valid: true,
    };
    let (store, f, ended) = crash(f, &facts, Some(found)).await;
    assert_eq!(ended, 1);
    let stored = store
        .call_record("s".into())
        .await
        .expect("read")
        .expect("record");
    let r = record(&stored.fact);
    assert_eq!(
        (r.state_code, r.ul_fail_reason, r.sip_status_code),
        (8011, 8011, 0)
    );
    assert_eq!(
        r.call_end_ms,
        START_MS + 10_100,
        "the recording proves that it lasted so long"
    );
    assert_eq!(
        (r.call_in_ms, r.fwd_answer_ms),
        (START_MS, Some(START_MS + 3_000))
    );
    assert_eq!(
        (r.record_flag, r.record_object.as_deref()),
        (1, Some("r.wav"))
    );
    let recording = store.recording("r.wav".into()).await.expect("read");
    let recording = recording.expect("it can be asked for");
    assert_eq!(
        (recording.app, recording.duration_ms, recording.bytes),
        (app, 7_000, 224_044)
    );
    assert_eq!(r.direction, 1, "A of the binding called");
    assert_eq!(r.caller_num, person(1).to_global());
    assert_eq!(r.fwd_dst_num, person(2).to_global());

    let mut told = Vec::new();
    while let Some(due) = store.outbox_due(1).await.expect("due").into_iter().next() {
        told.push((due.items[0].fact.seq, due.items[0].fact.kind.name()));
        store
            .outbox_delivered(vec![due.items[0].id])
            .await
            .expect("delivered");
    }
    let names = [
        "callin",
        "callout",
        "alerting",
        "answer",
        "disconnect",
        "fee",
    ];
    assert!(
        told.into_iter().eq((0..).zip(names)),
        "every event in order"
    );

    let f = f.reopen().await;
    let page = f
        .store
        .call_records(Default::default(), 1, 10)
        .await
        .expect("records");
    assert_eq!(page.total, 1, "once");
    assert_eq!(f.store.outbox_stats().await.expect("stats").pending, 0);
}

#[tokio::test]
async fn a_call_that_was_cut_off_lasted_until_the_process_was_last_alive() {
    let f = Fixture::new().await;
    let app = f.app("k", told()).await;
    let mut facts = call(app, "talking");
    facts.truncate(4);
    let mut over = call(app, "over");
    over.truncate(5);
    facts.append(&mut over);
    f.clock.advance_ms(60_000);
    let alive = f.dir.0.join("alive");
    let noted = (START_MS + 60_000).to_le_bytes();
    while std::fs::read(&alive).is_ok_and(|bytes| bytes != noted) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let (store, f, ended) = crash(f, &facts, None).await;
    f.clock.advance_ms(3_600_000);
    assert_eq!(ended, 2);
    let mut ends = Vec::new();
    for session in ["talking", "over"] {
        let stored = store.call_record(session.into()).await.expect("read");
        ends.push(record(&stored.expect("record").fact).call_end_ms - START_MS);
    }
    assert_eq!(ends, [60_000, 4_000], "one that told its end keeps it");
}

#[tokio::test]
async fn a_call_that_told_its_end_keeps_it() {
    let f = Fixture::new().await;
    let app = f.app("k", told()).await;
    let facts = call(app, "s");
    let (store, _f, ended) = crash(f, &facts[..5], None).await;
    assert_eq!(ended, 1);
    let stored = store
        .call_record("s".into())
        .await
        .expect("read")
        .expect("record");
    let r = record(&stored.fact);
    assert_eq!(
        (r.state_code, r.released_by, r.call_end_ms),
        (0, Some(1), START_MS + 4_000)
    );
    assert_eq!((stored.fact.seq, r.record_flag), (5, 0));
    assert_eq!(r.direction, 2, "no binding is known");
}

#[tokio::test]
async fn a_recording_that_was_begun_and_is_gone_is_said_to_be_lost() {
    let f = Fixture::new().await;
    let app = f.app("k", told()).await;
    let mut facts = call(app, "s");
    facts[4].kind = FactKind::RecordingStarted {
        object: "r.wav".into(),
    };
    let (store, _f, _) = crash(f, &facts[..5], None).await;
    let stored = store
        .call_record("s".into())
        .await
        .expect("read")
        .expect("record");
    assert_eq!(
        record(&stored.fact).record_failure.as_deref(),
        Some("the recording was lost")
    );
    let pending = store.outbox_stats().await.expect("stats").pending;
    assert_eq!(
        pending, 6,
        "four events, the end and the record: a begun recording is not told"
    );
}

#[tokio::test]
async fn a_call_that_never_was_answered_has_no_answer() {
    let f = Fixture::new().await;
    let app = f.app("k", told()).await;
    let facts = call(app, "s");
    let cut = RecoveredRecording {
        object: "r.wav".into(),
        start_ms: 0,
        length_ms: 0,
        bytes: 0,
        valid: false,
    };
    let (store, _f, _) = crash(f, &facts[..1], Some(cut)).await;
    let stored = store
        .call_record("s".into())
        .await
        .expect("read")
        .expect("record");
    let r = record(&stored.fact);
    assert_eq!(
        (r.fwd_start_ms, r.fwd_answer_ms, r.call_end_ms),
        (None, None, START_MS)
    );
    assert_eq!((r.record_flag, r.record_object.as_deref()), (0, None));
    assert_eq!(r.bind_num, private(1).to_global());
}

#[tokio::test]
async fn many_cut_off_calls_are_ended_in_pieces() {
    let f = Fixture::new().await;
    let app = f.app("k", told()).await;
    f.x(app, private(1), None).await;
    f.store
        .bind(BindRequest {
            duration_s: 1,
            ..request(app, person(1), person(2), None)
        })
        .await
        .expect_err("no area");
    let facts: Vec<_> = (0..450)
        .flat_map(|n| call(app, &format!("s{n}")).into_iter().take(3))
        .collect();
    let (store, _f, ended) = crash(f, &facts, None).await;
    assert_eq!(ended, 450);
    let page = store
        .call_records(Default::default(), 1, 10)
        .await
        .expect("records");
    assert_eq!(page.total, 450);
}

#[tokio::test]
async fn the_record_of_a_call_that_was_cut_off_has_the_fields_of_its_mode() {
    let f = Fixture::new().await;
    let app = f.app("k", told()).await;
    f.x(app, private(1), Some("0755")).await;
    let (caller, called) = (person(3).to_global(), private(1).to_global());
    let call_in = |asked| FactKind::CallIn {
        caller: caller.clone(),
        called: called.clone(),
        asked,
    };
    let keyed = |digits: &str| FactKind::CollectInfo {
        digits: digits.into(),
    };
    let call_out = || FactKind::CallOut {
        caller: called.clone(),
        called: person(1).to_global(),
    };
    let facts = [
        fact(app, "axe", 0, call_in(false)),
        fact(app, "axe", 1, keyed("9999")),
        fact(app, "axe", 2, keyed("1234")),
        fact(app, "axe", 3, call_out()),
        fact(app, "menu", 0, call_in(false)),
        fact(app, "menu", 1, keyed("9999")),
        fact(app, "x", 0, call_in(true)),
    ];
    let (store, _f, ended) = crash(f, &facts, None).await;
    assert_eq!(ended, 3);
    for (session, extension, asked) in [
        ("axe", Some("1234"), false),
        ("menu", None, false),
        ("x", None, true),
    ] {
        let stored = store.call_record(session.into()).await.expect("read");
        let stored = stored.expect("record");
        let r = record(&stored.fact);
        assert_eq!((r.extend_num.as_deref(), r.asked), (extension, asked));
        assert_eq!(r.area_code.as_deref(), Some("0755"));
    }
}
