//! AX: A behind X for everybody. Each refusal, and what has to be there after a restart.

mod common;

use std::sync::atomic::Ordering;

use axbridge_binding::{AppId, CallDirection, NumberStatus, Policy, SubscriptionId};
use axbridge_numbering::Number;
use axbridge_store::{
    AX_CALLEE_DURATION_S_MAX, AppSettings, AreaMatch, AxBindRequest, AxCalleeRequest, AxKey,
    AxModifyRequest, AxQuery, BindError, Mode, NumberChange, PolicyChange, StoreError,
};
use common::{Fixture, Meets, person, private};

fn request(app: AppId, a: Number, x: Option<Number>) -> AxBindRequest {
    AxBindRequest {
        app,
        a,
        x,
        area: None,
        area_match: AreaMatch::Strict,
        direction: None,
        show_caller: false,
        turned_off: false,
        policy: Policy::default(),
        user_data: None,
    }
}

fn callee(app: AppId, key: AxKey, callee: Number, duration_s: u32) -> AxCalleeRequest {
    AxCalleeRequest {
        app,
        key,
        callee,
        duration_s,
        user_data: None,
    }
}

/// An application with this many X in 0755.
async fn with(settings: AppSettings, numbers: u64) -> (Fixture, AppId) {
    let f = Fixture::new().await;
    let app = f.app_in(Mode::Ax, "k", settings).await;
    for n in 1..=numbers {
        f.x(app, private(n), Some("0755")).await;
    }
    (f, app)
}

#[tokio::test]
async fn everybody_reaches_a_and_a_reaches_who_is_named() {
    let (f, app) = with(AppSettings::default(), 1).await;
    let (a, x) = (person(1), private(1));
    assert_eq!(f.meets(x, person(2)), Meets::Refused("8018"));
    let bound = f.store.ax_bind(request(app, a, Some(x))).await;
    let key = AxKey::Subscription(bound.expect("bind").ax.subscription);
    assert_eq!(f.meets(x, person(2)), Meets::Callee(a, x));
    assert_eq!(f.meets(x, a), Meets::Refused("8013"));

    let named = callee(app, key, person(2), 60);
    f.store.ax_set_callee(named).await.expect("name");
    let renamed = callee(app, AxKey::Number(x), person(3), 60);
    f.store.ax_set_callee(renamed).await.expect("name another");
    assert_eq!(f.meets(x, a), Meets::Callee(person(3), x));
    f.clock.advance_ms(59_999);
    assert_eq!(f.meets(x, a), Meets::Callee(person(3), x));
    f.clock.advance_ms(1);
    assert_eq!(f.meets(x, a), Meets::Refused("8013"), "60 s are over");

    f.store.ax_unbind(app, key).await.expect("unbind");
    assert_eq!(f.meets(x, person(2)), Meets::Refused("8018"));
    assert_eq!(f.number(x).await.pairs, 0);
    f.store
        .ax_bind(request(app, person(7), Some(x)))
        .await
        .expect("X is free again");
}

#[tokio::test]
async fn a_bind_says_what_is_wrong_and_leaves_nothing() {
    let (f, app) = with(AppSettings::default(), 7).await;
    let other = f.app_in(Mode::Ax, "k2", AppSettings::default()).await;
    let axb = f.app("k3", AppSettings::default()).await;
    f.x(other, private(20), None).await;
    let bind = |r: AxBindRequest| {
        let store = f.store.clone();
        async move { store.ax_bind(r).await.map(|bound| bound.ax.x) }
    };
    let to = |n| request(app, person(1), Some(private(n)));

    assert_eq!(bind(to(1)).await, Ok(private(1)));
    let second = request(app, person(2), Some(private(1)));
    assert_eq!(bind(second).await, Err(BindError::Bound));
    assert_eq!(bind(to(1)).await, Err(BindError::Bound), "the same again");
    assert_eq!(bind(to(20)).await, Err(BindError::NumberNotOfApp));
    assert_eq!(bind(to(99)).await, Err(BindError::NumberNotOfApp));
    let own = request(app, private(2), Some(private(2)));
    assert_eq!(bind(own).await, Err(BindError::SameParty));
    let mut recorded = to(2);
    recorded.policy.record = true;
    assert_eq!(bind(recorded).await, Err(BindError::RecordingOff));
    let nobody = request(AppId(77), person(1), None);
    assert_eq!(bind(nobody).await, Err(BindError::NoApp));
    let wrong = request(axb, person(1), None);
    assert_eq!(bind(wrong).await, Err(BindError::WrongMode));
    for status in [
        NumberStatus::Suspended,
        NumberStatus::Unavailable,
        NumberStatus::Frozen,
    ] {
        let change = NumberChange {
            status: Some(status),
            ..NumberChange::default()
        };
        let set = f.store.update_number(private(2), change).await;
        set.expect("status");
        assert_eq!(bind(to(2)).await, Err(BindError::NumberUnusable(status)));
    }
    let elsewhere = AxBindRequest {
        area: Some("010".into()),
        ..request(app, person(1), None)
    };
    assert_eq!(bind(elsewhere.clone()).await, Err(BindError::NoNumber));

    // Five X for one A, of which one is bound: 2 is not in normal state and never chosen.
    let loose = AxBindRequest {
        area_match: AreaMatch::Loose,
        ..elsewhere
    };
    for _ in 0..4 {
        let x = bind(loose.clone()).await.expect("a free X");
        assert!(x != private(1) && x != private(2), "{x:?}");
    }
    assert_eq!(bind(loose).await, Err(BindError::TooManyNumbers));
    let rest = request(app, person(3), None);
    bind(rest).await.expect("the last free X");
    let none = request(app, person(3), None);
    assert_eq!(bind(none).await, Err(BindError::NoNumber));
    let all = f.store.ax_query(app, AxQuery::Party(person(1))).await;
    assert_eq!(all.expect("query").len(), 5);
}

#[tokio::test]
async fn what_is_not_ones_own_can_neither_be_seen_nor_changed() {
    let (f, app) = with(AppSettings::default(), 2).await;
    let other = f.app_in(Mode::Ax, "k2", AppSettings::default()).await;
    let x = private(1);
    let bound = f.store.ax_bind(request(app, person(1), Some(x))).await;
    let id = AxKey::Subscription(bound.expect("bind").ax.subscription);
    let unbound = AxKey::Number(private(2));
    use BindError::{NotFound, NumberNotOfApp};
    let cases = [
        (other, id, NotFound),
        (other, AxKey::Number(x), NumberNotOfApp),
        (app, AxKey::Number(private(9)), NumberNotOfApp),
        (app, unbound, NotFound),
        (app, AxKey::Subscription(SubscriptionId(5)), NotFound),
    ];
    for (app, key, expected) in cases {
        let found = f.store.ax_query(app, AxQuery::Key(key)).await;
        assert_eq!(found.expect_err("query"), expected);
        let changed = f.store.ax_modify(AxModifyRequest::new(app, key)).await;
        assert_eq!(changed.expect_err("modify"), expected);
        let named = f.store.ax_set_callee(callee(app, key, person(5), 60)).await;
        assert_eq!(named.expect_err("callee"), expected);
        let gone = f.store.ax_unbind(app, key).await;
        assert_eq!(gone.expect_err("unbind"), expected);
    }
    let party = f.store.ax_query(other, AxQuery::Party(person(1))).await;
    assert_eq!(party.expect_err("of another"), NotFound);
    assert_eq!(f.meets(x, person(2)), Meets::Callee(person(1), x));
}

#[tokio::test]
async fn who_is_named_must_be_another_and_not_for_longer_than_three_days() {
    let (f, app) = with(AppSettings::default(), 1).await;
    let (a, x) = (person(1), private(1));
    let key = AxKey::Number(x);
    f.store.ax_bind(request(app, a, Some(x))).await.expect("ok");
    for (who, duration_s) in [(a, 60), (x, 60)] {
        let named = f
            .store
            .ax_set_callee(callee(app, key, who, duration_s))
            .await;
        assert_eq!(named.expect_err("itself"), BindError::SameParty);
    }
    for duration_s in [0, AX_CALLEE_DURATION_S_MAX + 1] {
        let named = callee(app, key, person(2), duration_s);
        let error = f.store.ax_set_callee(named).await.expect_err("duration");
        assert!(matches!(error, BindError::Store(StoreError::Invalid(_))));
    }
    assert_eq!(f.meets(x, a), Meets::Refused("8013"), "nothing was kept");
    let longest = callee(app, key, person(2), AX_CALLEE_DURATION_S_MAX);
    f.store.ax_set_callee(longest).await.expect("three days");
}

#[tokio::test]
async fn a_change_changes_what_is_given_and_survives_a_restart() {
    let settings = AppSettings {
        recording: true,
        ..AppSettings::default()
    };
    let (f, app) = with(settings.clone(), 1).await;
    let (a, x) = (person(1), private(1));
    let key = AxKey::Number(x);
    let made = AxBindRequest {
        user_data: Some("order-1".into()),
        policy: Policy {
            record: true,
            max_duration_min: 7,
            ..Policy::default()
        },
        ..request(app, a, Some(x))
    };
    let made = f.store.ax_bind(made).await.expect("bind");
    assert_eq!(made.direction, None, "not given, not shown");
    f.clock.advance_ms(10);
    let mut change = AxModifyRequest::new(app, key);
    change.direction = Some(CallDirection::CallerOnly);
    change.show_caller = Some(true);
    let changed = f.store.ax_modify(change).await.expect("modify");
    assert_eq!(changed.ax.policy, made.ax.policy);
    assert_eq!(changed.ax.user_data.as_deref(), Some("order-1"));
    assert_eq!(changed.changed_ms, made.bound_ms + 10);
    assert_eq!(f.meets(x, person(2)), Meets::Refused("8016"));

    let f = f.reopen().await;
    assert_eq!(f.meets(x, person(2)), Meets::Refused("8016"));
    let read = f.store.ax_query(app, AxQuery::Key(key)).await.expect("one");
    assert_eq!(read[0].ax, changed.ax);
    assert_eq!(read[0].direction, Some(CallDirection::CallerOnly));

    let mut off = AxModifyRequest::new(app, key);
    (off.direction, off.turned_off) = (Some(CallDirection::Both), Some(true));
    off.user_data = Some(None);
    f.store.ax_modify(off).await.expect("turn off");
    assert_eq!(f.meets(x, person(2)), Meets::Refused("8104"));
    let f = f.reopen().await;
    assert_eq!(f.meets(x, person(2)), Meets::Refused("8104"));
    assert_eq!(f.meets(x, a), Meets::Refused("8013"), "A is not concerned");
    let read = f.store.ax_query(app, AxQuery::Party(a)).await.expect("one");
    assert_eq!(read[0].ax.user_data, None);

    // Recording that was allowed at the bind goes on; it cannot be asked for anew.
    let mut record = f.store.app(app).await.expect("read").expect("there");
    record.settings.recording = false;
    f.store.update_app(record).await.expect("update");
    let change = |record| {
        let mut change = AxModifyRequest::new(app, key);
        change.policy = PolicyChange {
            record: Some(record),
            ..PolicyChange::default()
        };
        f.store.ax_modify(change)
    };
    change(true).await.expect("as before");
    change(false).await.expect("off");
    assert_eq!(
        change(true).await.expect_err("on again"),
        BindError::RecordingOff
    );
}

#[tokio::test]
async fn who_called_last_is_known_after_a_restart_and_a_late_fact_does_not_undo_it() {
    let settings = AppSettings {
        ax_call_back: true,
        ..AppSettings::default()
    };
    let (f, app) = with(settings, 1).await;
    let (a, x) = (person(1), private(1));
    let bound = f.store.ax_bind(request(app, a, Some(x))).await.expect("ok");
    let id = bound.ax.subscription;
    assert_eq!(f.meets(x, a), Meets::Refused("8019"));
    f.reached(app, "s1", id, person(2)).await;
    assert_eq!(f.meets(x, a), Meets::Callee(person(2), x));
    f.clock.advance_ms(1_000);
    f.reached(app, "s2", id, person(3)).await;

    let f = f.reopen().await;
    assert_eq!(f.meets(x, a), Meets::Callee(person(3), x));
    // A fact of before, told late by another shard.
    let now = f.clock.now();
    f.clock.0.store(now - 500, Ordering::Relaxed);
    f.reached(app, "s3", id, person(4)).await;
    assert_eq!(f.meets(x, a), Meets::Callee(person(3), x));
    let f = f.reopen().await;
    assert_eq!(f.meets(x, a), Meets::Callee(person(3), x));

    let named = callee(app, AxKey::Number(x), person(5), 60);
    f.store.ax_set_callee(named).await.expect("name");
    let f = f.reopen().await;
    assert_eq!(
        f.meets(x, a),
        Meets::Callee(person(5), x),
        "who is named goes before"
    );
    f.clock.advance_ms(60_000);
    assert_eq!(f.meets(x, a), Meets::Callee(person(3), x));

    let mut record = f.store.app(app).await.expect("read").expect("there");
    record.settings.ax_call_back = false;
    f.store.update_app(record).await.expect("update");
    assert_eq!(f.meets(x, a), Meets::Refused("8013"), "switched off");
    let f = f.reopen().await;
    assert_eq!(f.meets(x, a), Meets::Refused("8013"));
}

#[tokio::test]
async fn many_tasks_bind_and_no_x_is_given_twice() {
    let (f, app) = with(AppSettings::default(), 40).await;
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..60 {
        let store = f.store.clone();
        tasks.spawn(async move { store.ax_bind(request(app, person(n), None)).await });
    }
    let all = tasks.join_all().await;
    let mut xs: Vec<_> = all.iter().flatten().map(|bound| bound.ax.x).collect();
    xs.sort();
    xs.dedup();
    assert_eq!(xs.len(), 40, "every X once");
    let refused = all.into_iter().filter_map(Result::err);
    assert!(refused.eq(std::iter::repeat_n(BindError::NoNumber, 20)));
    assert_eq!(f.table.stats().bindings, 40);
}
