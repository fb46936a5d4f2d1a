//! Bind, unbind, modify, query: what the customer is promised, in SQL and in the table that calls read.

mod common;

use std::collections::HashSet;

use axbridge_binding::{CallDirection, NumberStatus, Policy};
use axbridge_store::{
    AppSettings, AreaMatch, BindError, BindRequest, ModifyRequest, NumberArea, NumberChange, Query,
    StoreError, Unbind,
};
use common::{Fixture, person, private, request};

#[tokio::test]
async fn a_binding_routes_both_ways_as_soon_as_it_is_answered() {
    let f = Fixture::new().await;
    let app = f.app("k", AppSettings::default()).await;
    f.x(app, private(1), Some("0755")).await;
    let bound = f
        .store
        .bind(request(app, person(1), person(2), Some(private(1))))
        .await
        .expect("bind");
    assert_eq!(f.callee(private(1), person(1)), Some(person(2)));
    assert_eq!(f.callee(private(1), person(2)), Some(person(1)));
    assert_eq!(bound.axb.x, private(1));
    assert_eq!(f.callee(private(1), person(3)), None);
}

#[tokio::test]
async fn a_party_stands_once_on_an_x() {
    let f = Fixture::new().await;
    let app = f.app("k", AppSettings::default()).await;
    f.x(app, private(1), None).await;
    f.x(app, private(2), None).await;
    let bind = |a, b, x| {
        f.store
            .bind(request(app, person(a), person(b), Some(private(x))))
    };
    bind(1, 2, 1).await.expect("first");
    bind(3, 4, 1).await.expect("other parties on the same X");
    for (a, b) in [(1, 5), (5, 1), (2, 5), (5, 2), (1, 2), (2, 1), (4, 1)] {
        assert_eq!(
            bind(a, b, 1).await.expect_err("bound"),
            BindError::Bound,
            "{a} {b}"
        );
    }
    bind(1, 2, 2).await.expect("the same parties on another X");
    assert_eq!(
        f.callee(private(1), person(1)),
        Some(person(2)),
        "the first is untouched"
    );
    assert_eq!(
        f.callee(private(1), person(5)),
        None,
        "a refused bind leaves nothing"
    );
}

#[tokio::test]
async fn refusals_say_what_is_wrong() {
    let f = Fixture::new().await;
    let app = f.app("k", AppSettings::default()).await;
    let other = f.app("k2", AppSettings::default()).await;
    f.x(other, private(2), None).await;
    f.x(app, private(1), None).await;
    let bind = |r: BindRequest| f.store.bind(r);
    let to = |x| request(app, person(1), person(2), Some(x));
    assert_eq!(
        bind(to(private(2))).await.expect_err("foreign"),
        BindError::NumberNotOfApp
    );
    assert_eq!(
        bind(to(private(3))).await.expect_err("unknown"),
        BindError::NumberNotOfApp
    );
    assert_eq!(
        bind(to(person(1))).await.expect_err("A is X"),
        BindError::SameParty
    );
    let same = request(app, person(1), person(1), Some(private(1)));
    assert_eq!(bind(same).await.expect_err("A is B"), BindError::SameParty);
    let mut recorded = to(private(1));
    recorded.policy.record = true;
    assert_eq!(
        bind(recorded).await.expect_err("recording"),
        BindError::RecordingOff
    );
    for status in [
        NumberStatus::Suspended,
        NumberStatus::Unavailable,
        NumberStatus::Frozen,
    ] {
        let change = NumberChange {
            status: Some(status),
            ..NumberChange::default()
        };
        f.store
            .update_number(private(1), change)
            .await
            .expect("status");
        assert_eq!(
            bind(to(private(1))).await.expect_err("status"),
            BindError::NumberUnusable(status)
        );
        let any = request(app, person(1), person(2), None);
        assert_eq!(bind(any).await.expect_err("status"), BindError::NoNumber);
    }
}

#[tokio::test]
async fn an_x_holds_five_thousand_pairs_and_not_one_more() {
    let f = Fixture::new().await;
    let app = f.app("k", AppSettings::default()).await;
    f.x(app, private(1), None).await;
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..5_000 {
        let store = f.store.clone();
        tasks.spawn(async move {
            store
                .bind(request(
                    app,
                    person(2 * n),
                    person(2 * n + 1),
                    Some(private(1)),
                ))
                .await
        });
    }
    let bound: Vec<_> = tasks
        .join_all()
        .await
        .into_iter()
        .collect::<Result<_, _>>()
        .expect("5,000 pairs");
    let one_more = || request(app, person(50_000), person(50_001), Some(private(1)));
    assert_eq!(
        f.store.bind(one_more()).await.expect_err("full"),
        BindError::Full
    );
    let any = BindRequest {
        x: None,
        area_match: AreaMatch::Loose,
        ..one_more()
    };
    assert_eq!(
        f.store.bind(any).await.expect_err("full"),
        BindError::NoNumber
    );
    f.store
        .unbind(app, Unbind::Subscription(bound[17].axb.subscription))
        .await
        .expect("unbind");
    f.store.bind(one_more()).await.expect("room for one");
    let page = f
        .store
        .query(
            app,
            Query::Number {
                x: private(1),
                a: None,
                b: None,
            },
            51,
            100,
        )
        .await
        .expect("query");
    assert_eq!((page.total, page.items.len()), (5_000, 0));
    let count = f
        .store
        .unbind(app, Unbind::Number(private(1)))
        .await
        .expect("all");
    assert_eq!(count, 5_000);
    assert_eq!(
        f.store
            .number(private(1))
            .await
            .expect("read")
            .expect("there")
            .pairs,
        0
    );
    assert_eq!(f.table.stats().bindings, 0);
}

#[tokio::test]
async fn an_expired_binding_neither_shows_nor_blocks() {
    let f = Fixture::new().await;
    let app = f
        .app(
            "k",
            AppSettings {
                axb_pairs_max: 1,
                ..AppSettings::default()
            },
        )
        .await;
    f.x(app, private(1), None).await;
    let short = BindRequest {
        duration_s: 60,
        ..request(app, person(1), person(2), Some(private(1)))
    };
    let old = f.store.bind(short).await.expect("bind");
    f.clock.advance_ms(59_999);
    let again = || request(app, person(1), person(3), Some(private(1)));
    assert_eq!(
        f.store.bind(again()).await.expect_err("still bound"),
        BindError::Full
    );
    f.clock.advance_ms(1);
    assert_eq!(f.callee(private(1), person(1)), None);
    let gone = f
        .store
        .query(app, Query::Subscription(old.axb.subscription), 1, 50)
        .await;
    assert_eq!(gone.expect_err("over"), BindError::NotFound);
    let gone = f
        .store
        .modify(ModifyRequest::new(app, old.axb.subscription))
        .await;
    assert_eq!(gone.expect_err("over"), BindError::NotFound);
    f.store
        .bind(again())
        .await
        .expect("its room is free, and its party");
    assert_eq!(f.callee(private(1), person(1)), Some(person(3)));
    assert_eq!(f.callee(private(1), person(2)), None);
    assert_eq!(f.store.sweep().expect("sweep"), 0, "the bind took it away");
}

#[tokio::test]
async fn the_sweeper_takes_what_is_over_and_nothing_else() {
    let f = Fixture::new().await;
    let app = f.app("k", AppSettings::default()).await;
    f.x(app, private(1), None).await;
    for n in 0..450 {
        let duration_s = if n % 3 == 0 { 0 } else { 100 };
        let r = request(app, person(2 * n), person(2 * n + 1), Some(private(1)));
        f.store
            .bind(BindRequest { duration_s, ..r })
            .await
            .expect("bind");
    }
    assert_eq!(f.store.sweep().expect("sweep"), 0);
    f.clock.advance_ms(100_000);
    assert_eq!(f.store.sweep().expect("sweep"), 300);
    assert_eq!(f.table.stats().bindings, 150);
    assert_eq!(
        f.store
            .number(private(1))
            .await
            .expect("read")
            .expect("there")
            .pairs,
        150
    );
    assert_eq!(f.callee(private(1), person(0)), Some(person(1)));
}

#[tokio::test]
async fn x_is_chosen_by_area() {
    let f = Fixture::new().await;
    let app = f.app("k", AppSettings::default()).await;
    f.x(app, private(1), Some("0755")).await;
    f.x(app, private(2), Some("020")).await;
    f.x(app, private(3), Some("010")).await;
    let areas = [
        ("86139000", "010", "Beijing"),
        ("8613900000", "020", "Guangdong"),
        ("8614", "0755", "Guangdong"),
    ];
    let areas = areas.map(|(prefix, area, province)| NumberArea {
        prefix: prefix.into(),
        area: area.into(),
        province: Some(province.into()),
    });
    let bind = |n: u64, area: Option<&str>, area_match| {
        let r = request(app, person(n), person(n + 1), None);
        f.store.bind(BindRequest {
            area: area.map(Into::into),
            area_match,
            ..r
        })
    };
    let x = |result: Result<axbridge_store::Binding, BindError>| result.map(|b| b.axb.x);
    use AreaMatch::{Loose, Strict};
    assert_eq!(x(bind(1, Some("0755"), Strict).await), Ok(private(1)));
    assert_eq!(
        x(bind(3, Some("0755"), Loose).await),
        Ok(private(1)),
        "the city first"
    );
    assert_eq!(
        x(bind(5, Some("021"), Strict).await),
        Err(BindError::NoNumber)
    );
    assert!(
        x(bind(5, Some("021"), Loose).await).is_ok(),
        "another when the city has none"
    );
    assert_eq!(
        x(bind(7, None, Strict).await),
        Err(BindError::NoNumber),
        "nobody knows where A is at home"
    );
    assert!(x(bind(7, None, Loose).await).is_ok());

    f.store
        .put_number_areas(areas.to_vec())
        .await
        .expect("areas");
    assert_eq!(
        x(bind(9, None, Strict).await),
        Ok(private(2)),
        "the longest prefix decides"
    );
    assert_eq!(
        x(bind(20_000, None, Strict).await),
        Ok(private(3)),
        "the shorter prefix for others"
    );
    let frozen = NumberChange {
        status: Some(NumberStatus::Frozen),
        ..NumberChange::default()
    };
    f.store
        .update_number(private(2), frozen)
        .await
        .expect("freeze");
    assert_eq!(x(bind(11, None, Strict).await), Err(BindError::NoNumber));
    assert_eq!(
        x(bind(11, None, Loose).await),
        Ok(private(1)),
        "the same province before any other"
    );
}

#[tokio::test]
async fn chosen_numbers_are_spread_and_free_of_both_parties() {
    let f = Fixture::new().await;
    let app = f.app("k", AppSettings::default()).await;
    for n in 0..10 {
        f.x(app, private(n), Some("010")).await;
    }
    let same = || BindRequest {
        area: Some("010".into()),
        ..request(app, person(1), person(2), None)
    };
    let mut used = HashSet::new();
    for _ in 0..10 {
        used.insert(f.store.bind(same()).await.expect("a free X").axb.x);
    }
    assert_eq!(
        used.len(),
        10,
        "each bind of the same pair got an X of its own"
    );
    assert_eq!(
        f.store.bind(same()).await.expect_err("none left"),
        BindError::NoNumber
    );
    let party = BindRequest {
        area: Some("010".into()),
        ..request(app, person(3), person(1), None)
    };
    assert_eq!(
        f.store.bind(party).await.expect_err("A is everywhere"),
        BindError::NoNumber
    );
    for n in 10..210 {
        let r = request(app, person(2 * n), person(2 * n + 1), None);
        f.store
            .bind(BindRequest {
                area: Some("010".into()),
                ..r
            })
            .await
            .expect("bind");
    }
    for n in 0..10 {
        let pairs = f
            .store
            .number(private(n))
            .await
            .expect("read")
            .expect("there")
            .pairs;
        assert!((11..=31).contains(&pairs), "X {n} has {pairs} of 210 pairs");
    }
}

#[tokio::test]
async fn modify_changes_what_is_given_and_nothing_else() {
    let f = Fixture::new().await;
    let app = f.app("k", AppSettings::default()).await;
    f.x(app, private(1), None).await;
    let policy = Policy {
        max_duration_min: 30,
        last_min_voice: Some("last.wav".into()),
        ..Policy::default()
    };
    let r = BindRequest {
        policy: policy.clone(),
        duration_s: 100,
        user_data: Some("order-1".into()),
        ..request(app, person(1), person(2), Some(private(1)))
    };
    let bound = f.store.bind(r).await.expect("bind");
    let change = || ModifyRequest::new(app, bound.axb.subscription);
    f.clock.advance_ms(50_000);

    let same = f.store.modify(change()).await.expect("nothing");
    assert_eq!(
        (&same.axb, same.changed_ms),
        (&bound.axb, bound.changed_ms + 50_000)
    );
    let moved = f
        .store
        .modify(ModifyRequest {
            b: Some(person(3)),
            ..change()
        })
        .await
        .expect("new B");
    assert_eq!(
        (moved.axb.a, moved.axb.b, moved.axb.policy.clone()),
        (person(1), person(3), policy)
    );
    assert_eq!(f.callee(private(1), person(1)), Some(person(3)));
    assert_eq!(f.callee(private(1), person(2)), None);

    let swap = ModifyRequest {
        a: Some(person(3)),
        b: Some(person(1)),
        ..change()
    };
    let swapped = f.store.modify(swap).await.expect("swap");
    assert_eq!((swapped.axb.a, swapped.axb.b), (person(3), person(1)));

    let restarted = f
        .store
        .modify(ModifyRequest {
            duration_s: Some(100),
            ..change()
        })
        .await
        .expect("timer");
    assert_eq!(
        restarted.axb.expires_at_ms,
        Some(f.clock.now() + 100_000),
        "counted from the change"
    );
    f.clock.advance_ms(99_999);
    assert_eq!(f.callee(private(1), person(1)), Some(person(3)));
    let forever = f
        .store
        .modify(ModifyRequest {
            duration_s: Some(0),
            ..change()
        })
        .await
        .expect("0");
    assert_eq!(forever.axb.expires_at_ms, None);

    let mut rules = change();
    rules.direction = Some(CallDirection::CallerOnly);
    rules.policy.last_min_voice = Some(None);
    rules.user_data = Some(Some("order-2".into()));
    let ruled = f.store.modify(rules).await.expect("rules");
    assert_eq!(
        ruled.axb.policy,
        Policy {
            max_duration_min: 30,
            ..Policy::default()
        }
    );
    let shown = f
        .store
        .query(app, Query::Subscription(bound.axb.subscription), 1, 50)
        .await
        .expect("query");
    assert_eq!(
        shown.items[0].axb, ruled.axb,
        "what is stored is what was answered"
    );
    let f = f.reopen().await;
    let route = f
        .table
        .route(private(1), person(3), f.clock.now())
        .expect("A may call");
    assert_eq!(route.user_data.as_deref(), Some("order-2"));
    f.table
        .route(private(1), person(1), f.clock.now())
        .expect_err("B may not");
}

#[tokio::test]
async fn a_modify_that_collides_changes_nothing() {
    let f = Fixture::new().await;
    let app = f.app("k", AppSettings::default()).await;
    let other = f.app("k2", AppSettings::default()).await;
    f.x(app, private(1), None).await;
    let one = f
        .store
        .bind(request(app, person(1), person(2), Some(private(1))))
        .await
        .expect("one");
    f.store
        .bind(request(app, person(3), person(4), Some(private(1))))
        .await
        .expect("two");
    let id = one.axb.subscription;
    // The first party would fit, the second does not: neither may move.
    let change = ModifyRequest {
        a: Some(person(9)),
        b: Some(person(3)),
        ..ModifyRequest::new(app, id)
    };
    assert_eq!(
        f.store.modify(change).await.expect_err("3 is bound"),
        BindError::Bound
    );
    let same = ModifyRequest {
        a: Some(person(2)),
        ..ModifyRequest::new(app, id)
    };
    assert_eq!(
        f.store.modify(same).await.expect_err("A would be B"),
        BindError::SameParty
    );
    let mut record = ModifyRequest::new(app, id);
    record.policy.record = Some(true);
    assert_eq!(
        f.store.modify(record).await.expect_err("off"),
        BindError::RecordingOff
    );
    assert_eq!(
        f.store
            .modify(ModifyRequest::new(other, id))
            .await
            .expect_err("foreign"),
        BindError::NotFound
    );
    assert_eq!(f.callee(private(1), person(1)), Some(person(2)));
    assert_eq!(f.callee(private(1), person(9)), None);
    f.store
        .bind(request(app, person(9), person(8), Some(private(1))))
        .await
        .expect("9 is free");
}

#[tokio::test]
async fn unbind_is_for_the_owner() {
    let f = Fixture::new().await;
    let app = f.app("k", AppSettings::default()).await;
    let other = f.app("k2", AppSettings::default()).await;
    f.x(app, private(1), None).await;
    let bound = f
        .store
        .bind(request(app, person(1), person(2), Some(private(1))))
        .await
        .expect("bind");
    let one = Unbind::Subscription(bound.axb.subscription);
    assert_eq!(
        f.store.unbind(other, one).await.expect_err("foreign"),
        BindError::NotFound
    );
    let all = Unbind::Number(private(1));
    assert_eq!(
        f.store.unbind(other, all).await.expect_err("foreign"),
        BindError::NumberNotOfApp
    );
    assert_eq!(
        f.store.remove_number(private(1)).await.expect_err("bound"),
        StoreError::InUse("the number")
    );
    assert_eq!(f.store.unbind(app, one).await, Ok(1));
    assert_eq!(f.callee(private(1), person(1)), None);
    assert_eq!(
        f.store.unbind(app, one).await.expect_err("again"),
        BindError::NotFound
    );
    assert_eq!(
        f.store.unbind(app, all).await,
        Ok(0),
        "a number without bindings"
    );
    f.store.remove_number(private(1)).await.expect("free");
    assert_eq!(f.table.number(private(1)), None);
}

#[tokio::test]
async fn query_pages_in_the_order_of_binding() {
    let f = Fixture::new().await;
    let app = f.app("k", AppSettings::default()).await;
    let other = f.app("k2", AppSettings::default()).await;
    f.x(app, private(1), None).await;
    let mut ids = Vec::new();
    for n in 0..25 {
        let r = request(app, person(2 * n), person(2 * n + 1), Some(private(1)));
        ids.push(f.store.bind(r).await.expect("bind").axb.subscription);
    }
    let on = |a, b| Query::Number {
        x: private(1),
        a,
        b,
    };
    let mut seen = Vec::new();
    for page in 1..=3 {
        let page = f
            .store
            .query(app, on(None, None), page, 10)
            .await
            .expect("page");
        assert_eq!(page.total, 25);
        seen.extend(page.items.into_iter().map(|b| b.axb.subscription));
    }
    assert_eq!(seen, ids);
    let count = |a, b| {
        let query = f.store.query(app, on(a, b), 1, 10);
        async { query.await.expect("query").total }
    };
    assert_eq!(count(Some(person(4)), None).await, 1);
    assert_eq!(count(None, Some(person(5))).await, 1);
    assert_eq!(count(Some(person(4)), Some(person(5))).await, 1);
    assert_eq!(count(Some(person(4)), Some(person(7))).await, 0);
    assert_eq!(count(Some(person(5)), None).await, 0, "5 is B");
    let foreign = f.store.query(other, on(None, None), 1, 10).await;
    assert_eq!(foreign.expect_err("foreign"), BindError::NotFound);
}

#[tokio::test]
async fn one_refused_operation_does_not_harm_those_in_its_batch() {
    let f = Fixture::new().await;
    let app = f.app("k", AppSettings::default()).await;
    f.x(app, private(1), None).await;
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..600 {
        let store = f.store.clone();
        // Every third wants a party that only one can have.
        let a = if n % 3 == 0 { 1 } else { 100 + 2 * n };
        tasks.spawn(async move {
            store
                .bind(request(
                    app,
                    person(a),
                    person(101 + 2 * n),
                    Some(private(1)),
                ))
                .await
        });
    }
    let results = tasks.join_all().await;
    let bound = results.iter().filter(|r| r.is_ok()).count();
    assert_eq!(bound, 401);
    assert!(
        results
            .iter()
            .flat_map(|r| r.as_ref().err())
            .all(|e| *e == BindError::Bound)
    );
    let f = f.reopen().await;
    assert_eq!(f.table.stats().bindings, 401);
}
