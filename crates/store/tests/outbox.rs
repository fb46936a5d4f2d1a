//! What is due, when, and in which order.

mod common;

use axbridge_binding::AppId;
use axbridge_call::FactKind;
use axbridge_store::{AppSettings, OutboxItem, OutboxKind, RETRY_AFTER_MIN, RecordFilter};
use common::{DAY_MS, Fixture, START_MS, call, fact, person, private, told};

const MINUTE_MS: u64 = 60_000;

async fn tell(f: &Fixture, app: AppId, sessions: impl IntoIterator<Item = String>) {
    let mut writer = f.store.journal_writer(0).expect("writer");
    for session in sessions {
        writer.append(&call(app, &session)).expect("append");
    }
    f.store.journal_settled().await;
}

async fn due(f: &Fixture) -> Vec<OutboxItem> {
    f.store
        .outbox_due(1_000)
        .await
        .expect("due")
        .into_iter()
        .flat_map(|due| due.items)
        .collect()
}

fn names(items: &[OutboxItem]) -> Vec<String> {
    items
        .iter()
        .map(|item| format!("{} {}", item.fact.session_id, item.fact.kind.name()))
        .collect()
}

#[tokio::test]
async fn a_call_is_told_in_order_and_nothing_is_handed_out_twice() {
    let f = Fixture::new().await;
    let app = f.app("k", told()).await;
    tell(&f, app, ["s".into(), "t".into()]).await;
    for name in [
        "callin",
        "callout",
        "alerting",
        "answer",
        "disconnect",
        "fee",
    ] {
        let items = due(&f).await;
        assert_eq!(names(&items), [format!("s {name}"), format!("t {name}")]);
        assert!(due(&f).await.is_empty(), "they are on their way");
        f.store.outbox_released(&[items[0].id]).await;
        assert_eq!(names(&due(&f).await), [format!("s {name}")], "given back");
        f.store
            .outbox_delivered(items.iter().map(|i| i.id).collect())
            .await
            .expect("delivered");
    }
    assert!(due(&f).await.is_empty());
    assert_eq!(
        f.store.outbox_stats().await.expect("stats"),
        Default::default()
    );
}

#[tokio::test]
async fn what_fails_is_tried_by_the_schedule_and_then_given_up() {
    let f = Fixture::new().await;
    let app = f.app("k", told()).await;
    tell(&f, app, ["s".into()]).await;
    let first = due(&f).await.remove(0);
    f.store.outbox_failed(vec![first.id]).await.expect("failed");
    for (n, minutes) in RETRY_AFTER_MIN.into_iter().enumerate() {
        f.clock.advance_ms(minutes * MINUTE_MS - 1);
        let early = due(&f).await;
        assert!(
            early.iter().all(|item| item.id != first.id),
            "before {minutes} minutes"
        );
        f.clock.advance_ms(1);
        let items = due(&f).await;
        let again = items.iter().find(|item| item.id == first.id).expect("due");
        assert_eq!(again.attempts as usize, n + 1);
        f.store.outbox_failed(vec![first.id]).await.expect("failed");
    }
    let given_up = f.store.undelivered(Some(app), 1, 10).await.expect("list");
    assert_eq!((given_up.total, given_up.items[0].id), (1, first.id));
    assert_eq!(
        names(&due(&f).await),
        ["s callout"],
        "the next of the call goes on"
    );

    assert_eq!(f.store.replay(vec![first.id, 999]).await, Ok(1));
    let items = due(&f).await;
    assert_eq!(
        items.first().map(|i| (i.id, i.attempts)),
        Some((first.id, 0)),
        "with all attempts again"
    );
}

#[tokio::test]
async fn a_record_with_its_own_receiver_does_not_wait_for_a_dead_one() {
    let f = Fixture::new().await;
    let app = f.app("k", told()).await;
    tell(&f, app, ["s".into()]).await;
    let first = due(&f).await;
    assert_eq!(
        names(&first),
        ["s callin"],
        "the record comes after the events"
    );
    f.store
        .outbox_failed(vec![first[0].id])
        .await
        .expect("failed");
    assert_eq!(
        names(&due(&f).await),
        ["s fee"],
        "but not after those that fail"
    );
}

#[tokio::test]
async fn at_one_receiver_the_record_keeps_its_place() {
    let f = Fixture::new().await;
    let url = Some("https://customer.example/all".to_owned());
    let settings = AppSettings {
        call_status_url: url.clone(),
        cdr_url: url,
        ..AppSettings::default()
    };
    let app = f.app("k", settings).await;
    tell(&f, app, ["s".into()]).await;
    let first = due(&f).await;
    f.store
        .outbox_failed(vec![first[0].id])
        .await
        .expect("failed");
    assert!(due(&f).await.is_empty(), "strictly in order");
    f.store
        .outbox_undelivered(vec![first[0].id])
        .await
        .expect("given up");
    assert_eq!(names(&due(&f).await), ["s callout"]);
}

#[tokio::test]
async fn records_are_merged_up_to_fifty_and_applications_do_not_crowd_each_other_out() {
    let f = Fixture::new().await;
    let cdr_only = AppSettings {
        call_status_url: None,
        ..told()
    };
    let many = f.app("many", cdr_only.clone()).await;
    let few = f.app("few", cdr_only).await;
    tell(&f, many, (0..120).map(|n| format!("m{n}"))).await;
    // The first writer is gone: the shard is free again.
    tell(&f, few, ["f".into()]).await;
    let batches = f.store.outbox_due(110).await.expect("due");
    let sizes: Vec<_> = batches
        .iter()
        .map(|b| (b.app, b.kind, b.items.len()))
        .collect();
    use OutboxKind::Record;
    assert_eq!(
        sizes,
        [
            (many, Record, 50),
            (many, Record, 50),
            (many, Record, 10),
            (few, Record, 1)
        ]
    );
    assert_eq!(due(&f).await.len(), 10, "the rest");
}

#[tokio::test]
async fn after_a_restart_what_was_on_its_way_is_due_again() {
    let f = Fixture::new().await;
    let app = f.app("k", told()).await;
    tell(&f, app, ["s".into()]).await;
    let before = names(&due(&f).await);
    let f = f.reopen().await;
    assert_eq!(names(&due(&f).await), before);
}

#[tokio::test]
async fn what_is_too_old_goes() {
    let f = Fixture::new().await;
    let app = f.app("k", told()).await;
    tell(&f, app, ["s".into()]).await;
    let first = due(&f).await.remove(0);
    f.store
        .outbox_undelivered(vec![first.id])
        .await
        .expect("given up");
    f.clock.advance_ms(31 * DAY_MS);
    f.store.sweep().expect("sweep");
    assert_eq!(
        f.store.undelivered(None, 1, 10).await.expect("list").total,
        1
    );
    f.clock.advance_ms(1);
    f.store.sweep().expect("sweep");
    assert_eq!(
        f.store.undelivered(None, 1, 10).await.expect("list").total,
        0
    );
    assert_eq!(f.store.outbox_stats().await.expect("stats").pending, 0);
    assert!(
        f.store
            .call_record("s".into())
            .await
            .expect("read")
            .is_none()
    );
}

#[tokio::test]
async fn call_records_are_found_by_what_is_known_of_them() {
    let f = Fixture::new().await;
    let app = f.app("k", told()).await;
    tell(&f, app, (0..30).map(|n| format!("s{n}"))).await;
    let count = |filter: RecordFilter| {
        let found = f.store.call_records(filter, 2, 20);
        async {
            found
                .await
                .map(|page| (page.total, page.items.len()))
                .expect("read")
        }
    };
    let all = RecordFilter::default;
    assert_eq!(count(all()).await, (30, 10));
    assert_eq!(
        count(RecordFilter {
            x: Some(private(1)),
            ..all()
        })
        .await,
        (30, 10)
    );
    assert_eq!(
        count(RecordFilter {
            x: Some(private(2)),
            ..all()
        })
        .await,
        (0, 0)
    );
    assert_eq!(
        count(RecordFilter {
            party: Some(common::person(2)),
            ..all()
        })
        .await,
        (30, 10)
    );
    assert_eq!(
        count(RecordFilter {
            party: Some(common::person(3)),
            ..all()
        })
        .await,
        (0, 0)
    );
    assert_eq!(
        count(RecordFilter {
            from_ms: Some(START_MS),
            until_ms: Some(START_MS + 1),
            ..all()
        })
        .await,
        (30, 10)
    );
    assert_eq!(
        count(RecordFilter {
            until_ms: Some(START_MS),
            ..all()
        })
        .await,
        (0, 0)
    );
    assert_eq!(
        count(RecordFilter {
            app: Some(AppId(77)),
            ..all()
        })
        .await,
        (0, 0)
    );
    assert_eq!(
        count(RecordFilter {
            state_code: Some(1),
            ..all()
        })
        .await,
        (0, 0)
    );
}

#[tokio::test]
async fn what_was_keyed_is_told_and_what_the_customer_was_asked_is_not() {
    let f = Fixture::new().await;
    let app = f.app("k", told()).await;
    let (caller, called) = (person(3).to_global(), private(1).to_global());
    let call_in = |asked| FactKind::CallIn {
        caller: caller.clone(),
        called: called.clone(),
        asked,
    };
    let digits = "1234".to_owned();
    let told = [
        fact(app, "axe", 0, call_in(false)),
        fact(app, "axe", 1, FactKind::CollectInfo { digits }),
        fact(
            app,
            "axe",
            2,
            FactKind::Reached {
                caller: caller.clone(),
            },
        ),
        fact(app, "x", 0, call_in(true)),
    ];
    let mut writer = f.store.journal_writer(0).expect("writer");
    writer.append(&told).expect("append");
    f.store.journal_settled().await;
    for wanted in ["axe callin", "axe collectInfo"] {
        let items = due(&f).await;
        assert_eq!(names(&items), [wanted]);
        let ids = items.iter().map(|i| i.id).collect();
        f.store.outbox_delivered(ids).await.expect("delivered");
    }
    assert!(due(&f).await.is_empty());
}
