//! A database file of the first schema, with everything in it that an installation had, opened by this program.

mod common;

use std::sync::Arc;

use axbridge_binding::{AppId, CallDirection, Policy, SubscriptionId, Table};
use axbridge_call::{Fact, FactKind};
use axbridge_store::{
    AppSettings, AreaMatch, AxBindRequest, Mode, Query, RecordFilter, Store, Unbind,
};
use common::{Clock, Dir, Fixture, Meets, START_MS, call, config, person, private, request};
use rusqlite::{Connection, params};

const V1: &str = include_str!("schema/v1.sql");
const EVER: u128 = 0x0190_0000_0000_7000_8000_0000_0000_0001;
const FOR_AN_HOUR: u128 = 0x0190_0000_0000_7000_8000_0000_0000_0002;
const OVER: u128 = 0x0190_0000_0000_7000_8000_0000_0000_0003;

fn id(of: u128) -> SubscriptionId {
    SubscriptionId(of)
}

/// The settings of an application as the first version wrote them: fewer than there are now.
const SETTINGS: &str = r#"{"recording":true,"recording_layout":"mono","recording_format":"pcm","recording_kept_days":7,
  "refusal_prompts":{"no_permission":null,"service_abnormal":null,"no_binding":null},
  "call_status_url":"https://customer.example/status","cdr_url":"https://customer.example/cdr",
  "number_status_url":null,"push_number_status":false,"notification_scheme":"aksk","ip_allow_list":[],
  "answer_timeout_s":45,"axb_pairs_max":3,"rate_per_s":500,"rate_burst":1000}"#;

fn to_i64(ms: u64) -> i64 {
    i64::try_from(ms).expect("a time")
}

/// An application with two X, three bindings, a call that was told half, and a record.
fn write(conn: &Connection) {
    conn.execute_batch(V1).expect("schema");
    conn.pragma_update(None, "user_version", 1)
        .expect("version");
    let now = to_i64(START_MS);
    let run = |sql: &str, values: &[&dyn rusqlite::ToSql]| {
        conn.execute(sql, values).expect(sql);
    };
    run("INSERT INTO counters VALUES ('app', 1)", &[]);
    run(
        "INSERT INTO apps VALUES (1, 'k', 's3cret', 'acme', '\"axb\"', '\"active\"', 1, 3, ?1, ?2, ?2)",
        &[&SETTINGS, &now],
    );
    for (n, pairs) in [(1, 3), (2, 0)] {
        let x = to_i64(private(n).as_u64());
        run(
            "INSERT INTO numbers VALUES (?1, 1, '0755', NULL, 5, NULL, 1, ?2, ?3)",
            &[&x, &pairs, &now],
        );
    }
    // Keys that were added since are absent.
    let policy = r#"{"max":30,"record":true,"warn":60,"sms":true}"#;
    run("INSERT INTO policies VALUES (1, ?1)", &[&policy]);
    let x = to_i64(private(1).as_u64());
    for (of, a, b, expires) in [
        (EVER, 1, 2, None),
        (FOR_AN_HOUR, 3, 4, Some(now + 3_600_000)),
        (OVER, 5, 6, Some(now - 1)),
    ] {
        let key = of.to_be_bytes();
        let [a, b] = [a, b].map(|n| to_i64(person(n).as_u64()));
        conn.execute(
            "INSERT INTO bindings VALUES (?1, 1, ?2, ?3, ?4, 0, 1, 0, ?5, ?6, ?6, 'order')",
            params![&key[..], x, a, b, expires, now],
        )
        .expect("binding");
        for party in [a, b] {
            let sql = "INSERT INTO binding_parties VALUES (?1, ?2, ?3)";
            conn.execute(sql, params![party, x, &key[..]])
                .expect("party");
        }
    }
    let facts = call(AppId(1), "half");
    for fact in facts.iter().take(2) {
        let text = serde_json::to_string(fact).expect("fact");
        let sql = "INSERT INTO open_facts VALUES (?1, ?2, ?3)";
        run(sql, &[&&*fact.session_id, &fact.seq, &text]);
        let sql = "INSERT INTO outbox(app, session, chain, seq, kind, state, head, attempts, next_attempt, queued_at, fact)
                   VALUES (1, ?1, 0, ?2, 0, 0, ?3, 0, ?4, ?4, ?5)";
        let head = fact.seq == 0;
        run(sql, &[&&*fact.session_id, &fact.seq, &head, &now, &text]);
    }
    let whole = call(AppId(1), "whole");
    let record = whole.last().expect("its record");
    assert!(matches!(record.kind, FactKind::Record(_)));
    let text = serde_json::to_string::<Fact>(record).expect("fact");
    let sql = "INSERT INTO call_records(session, app, x, caller, callee, call_in, call_end, state_code, subscription, fact)
               VALUES ('whole', 1, ?1, 0, 0, ?2, ?2, 0, NULL, ?3)";
    run(sql, &[&x, &now, &text]);
}

/// The file of the first schema in a folder of its own, opened.
async fn opened() -> Fixture {
    let (dir, clock) = (Dir::new(), Clock::new());
    std::fs::create_dir_all(&dir.0).expect("folder");
    let conn = Connection::open(dir.0.join("axbridge.db")).expect("file");
    write(&conn);
    drop(conn);
    let store = Store::open(config(&dir, &clock)).expect("open");
    let report = store.recover(|_| None).expect("recover");
    assert_eq!(report.calls_ended, 1, "the call that was told half");
    let table = Arc::new(Table::with_capacity(100));
    let loaded = store.load_table(Arc::clone(&table)).await.expect("load");
    assert_eq!((loaded.numbers, loaded.bindings), (2, 2));
    Fixture {
        store,
        table,
        clock,
        dir,
    }
}

#[tokio::test]
async fn what_was_bound_still_is_and_ends_when_it_should() {
    let f = opened().await;
    let (app, x) = (AppId(1), private(1));
    assert_eq!(f.meets(x, person(1)), Meets::Callee(person(2), x));
    assert_eq!(f.meets(x, person(4)), Meets::Callee(person(3), x));
    assert_ne!(f.meets(x, person(5)), Meets::Callee(person(6), x), "over");
    let one = f
        .store
        .query(app, Query::Subscription(id(EVER)), 1, 10)
        .await;
    let one = one.expect("query").items.remove(0);
    assert_eq!(one.axb.user_data.as_deref(), Some("order"));
    assert_eq!(one.axb.direction, CallDirection::Both);
    assert_eq!(
        (one.axb.policy.max_duration_min, one.axb.policy.record),
        (30, true)
    );

    let settings = f
        .store
        .app(app)
        .await
        .expect("read")
        .expect("there")
        .settings;
    assert_eq!((settings.answer_timeout_s, settings.axb_pairs_max), (45, 3));
    assert_eq!(
        settings.axe,
        AppSettings::default().axe,
        "new ones as if new"
    );
    f.store
        .bind(request(app, person(7), person(8), Some(x)))
        .await
        .expect("the place of what is over");
    let f = f.reopen().await;
    f.clock.advance_ms(3_600_000);
    assert_ne!(
        f.meets(x, person(4)),
        Meets::Callee(person(3), x),
        "its hour"
    );
    assert_eq!(f.meets(x, person(7)), Meets::Callee(person(8), x));
    let gone = f.store.unbind(app, Unbind::Subscription(id(EVER))).await;
    assert_eq!(gone, Ok(1));
}

#[tokio::test]
async fn what_was_to_be_told_still_is() {
    let f = opened().await;
    let mut told = Vec::new();
    loop {
        let due = f.store.outbox_due(10).await.expect("due");
        let items: Vec<_> = due.into_iter().flat_map(|due| due.items).collect();
        if items.is_empty() {
            break;
        }
        told.extend(items.iter().map(|item| item.fact.kind.name()));
        let ids = items.iter().map(|item| item.id).collect();
        f.store.outbox_delivered(ids).await.expect("delivered");
    }
    assert_eq!(told, ["callin", "callout", "disconnect", "fee"]);
    let records = f.store.call_records(RecordFilter::default(), 1, 10).await;
    assert_eq!(records.expect("records").total, 2);
}

#[tokio::test]
async fn numbers_serve_the_new_kinds_as_well() {
    let f = opened().await;
    let app = f.app_in(Mode::Ax, "ax", AppSettings::default()).await;
    f.x(app, private(30), Some("0755")).await;
    let bound = f
        .store
        .ax_bind(AxBindRequest {
            app,
            a: person(1),
            x: None,
            area: Some("0755".into()),
            area_match: AreaMatch::Strict,
            direction: None,
            show_caller: false,
            turned_off: false,
            policy: Policy::default(),
            user_data: None,
        })
        .await
        .expect("AX");
    assert_eq!(
        bound.ax.x,
        private(30),
        "not a number of another application"
    );
    // And one that was there before the new kinds were.
    let before = f.number(private(2)).await;
    assert_eq!((before.pairs, before.app), (0, AppId(1)));
}
