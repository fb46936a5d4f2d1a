//! Limits that the operator sets: binds of a number in a day, calls of all applications, numbers that are blocked.

mod common;

use axbridge_binding::{AppId, CallBack, CallDirection, Policy};
use axbridge_call::{Blocked, CallRate, Party, PlatformRules};
use axbridge_numbering::Number;
use axbridge_store::{
    AXYB_DURATION_S, AppSettings, AreaMatch, AxBindRequest, AxKey, AxeBindRequest, AxeKey,
    AxybBindX, AxybPart, BLOCKED_MAX, BindError, BindRequest, BlockedFilter, Mode, StoreError,
    Unbind,
};
use common::{DAY_MS, Fixture, person, private};

fn twice_a_day() -> AppSettings {
    AppSettings {
        binds_per_number_per_day: 2,
        ..AppSettings::default()
    }
}

/// Binds A on X, or on any X, and lets it go again: only the number of binds counts.
async fn bind_and_unbind(
    f: &Fixture,
    (mode, app): (Mode, AppId),
    a: Number,
    x: Option<Number>,
) -> Result<Number, BindError> {
    let (area, area_match) = (None, AreaMatch::Loose);
    let (policy, user_data) = (Policy::default(), None);
    match mode {
        Mode::Ax => {
            let request = AxBindRequest {
                app,
                a,
                x,
                area,
                area_match,
                direction: None,
                show_caller: false,
                turned_off: false,
                policy,
                user_data,
            };
            let bound = f.store.ax_bind(request).await?.ax;
            f.store
                .ax_unbind(app, AxKey::Subscription(bound.subscription))
                .await?;
            Ok(bound.x)
        }
        Mode::Axe => {
            let request = AxeBindRequest {
                app,
                a,
                x,
                area,
                area_match,
                extension: None,
                show_caller: false,
                call_back: CallBack::OfApplication,
                unit: None,
                bind_expires: None,
                call_back_expires: None,
                policy,
                user_data,
            };
            let bound = f.store.axe_bind(request).await?.axe;
            f.store
                .axe_unbind(app, AxeKey::Subscription(bound.subscription))
                .await?;
            Ok(bound.x)
        }
        Mode::Axyb => {
            let request = AxybBindX {
                app,
                a,
                area,
                area_match,
                direction: CallDirection::Both,
                duration_s: AXYB_DURATION_S,
                yb_duration_s: 0,
                policy,
                user_data,
            };
            let bound = f.store.axyb_bind_x(request).await?;
            f.store
                .axyb_unbind(app, bound.subscription, AxybPart::Whole)
                .await?;
            Ok(bound.x)
        }
        _ => {
            let b = person(90_000);
            let request = BindRequest {
                area_match,
                ..common::request(app, a, b, x)
            };
            let bound = f.store.bind(request).await?.axb;
            f.store
                .unbind(app, Unbind::Subscription(bound.subscription))
                .await?;
            Ok(bound.x)
        }
    }
}

#[tokio::test]
async fn a_number_is_bound_only_so_often_in_a_day() {
    for mode in [Mode::Axb, Mode::Ax, Mode::Axe] {
        let f = Fixture::new().await;
        let app = f.app_in(mode, "k", twice_a_day()).await;
        f.x(app, private(1), None).await;
        f.x(app, private(2), None).await;
        let one = Some(private(1));
        for n in 1..=2 {
            let bound = bind_and_unbind(&f, (mode, app), person(n), one).await;
            assert_eq!(bound, Ok(private(1)), "{mode:?}");
        }
        let third = bind_and_unbind(&f, (mode, app), person(3), one).await;
        assert_eq!(third, Err(BindError::DailyBinds), "{mode:?}");
        // Who names no number gets the other one, until that is used up, too.
        for n in 4..=5 {
            let bound = bind_and_unbind(&f, (mode, app), person(n), None).await;
            assert_eq!(bound, Ok(private(2)), "{mode:?}");
        }
        let none = bind_and_unbind(&f, (mode, app), person(6), None).await;
        assert_eq!(none, Err(BindError::NoNumber), "{mode:?}");
        let f = f.reopen().await;
        let still = bind_and_unbind(&f, (mode, app), person(6), one).await;
        assert_eq!(
            still,
            Err(BindError::DailyBinds),
            "{mode:?}: after a restart"
        );
        f.clock.advance_ms(DAY_MS);
        let next_day = bind_and_unbind(&f, (mode, app), person(6), one).await;
        assert_eq!(next_day, Ok(private(1)), "{mode:?}");
    }
}

#[tokio::test]
async fn an_axyb_number_that_is_used_up_is_passed_over() {
    let f = Fixture::new().await;
    let of = (Mode::Axyb, f.app_in(Mode::Axyb, "k", twice_a_day()).await);
    f.x(of.1, private(1), None).await;
    f.x(of.1, private(2), None).await;
    let mut bound = Vec::new();
    for n in 1..=4 {
        bound.push(
            bind_and_unbind(&f, of, person(n), None)
                .await
                .expect("bind"),
        );
    }
    bound.sort();
    assert_eq!(bound, [private(1), private(1), private(2), private(2)]);
    let none = bind_and_unbind(&f, of, person(5), None).await;
    assert_eq!(none, Err(BindError::NoNumber));
    f.clock.advance_ms(DAY_MS);
    bind_and_unbind(&f, of, person(5), None)
        .await
        .expect("the next day");
}

#[tokio::test]
async fn the_day_of_binds_ends_at_midnight_of_the_applications_zone() {
    let f = Fixture::new().await;
    // 2030-03-17 17:46:40 UTC: in China it is the 18th, 01:46:40.
    let to_midnight_utc_ms = 22_400_000;
    for (key, zone, after_ms) in [
        ("utc", "+00:00", to_midnight_utc_ms),
        ("china", "+08:00", to_midnight_utc_ms + DAY_MS * 2 / 3),
    ] {
        let mut settings = AppSettings {
            binds_per_number_per_day: 1,
            ..AppSettings::default()
        };
        settings.calls.utc_offset = zone.parse().expect("zone");
        let of = (Mode::Axb, f.app_in(Mode::Axb, key, settings).await);
        let x = private(after_ms % 1_000 + u64::from(of.1.0));
        f.x(of.1, x, None).await;
        let began = f.clock.now();
        bind_and_unbind(&f, of, person(1), Some(x))
            .await
            .expect("first");
        f.clock.advance_ms(after_ms - 1);
        let same_day = bind_and_unbind(&f, of, person(2), Some(x)).await;
        assert_eq!(same_day, Err(BindError::DailyBinds), "{zone}");
        f.clock.advance_ms(1);
        bind_and_unbind(&f, of, person(2), Some(x))
            .await
            .expect("next day");
        f.clock.0.store(began, std::sync::atomic::Ordering::Relaxed);
    }
}

#[tokio::test]
async fn without_a_limit_nothing_is_counted_and_a_limit_counts_from_when_it_is_set() {
    let f = Fixture::new().await;
    let app = f.app("k", AppSettings::default()).await;
    f.x(app, private(1), None).await;
    let of = (Mode::Axb, app);
    for n in 1..=5 {
        bind_and_unbind(&f, of, person(n), Some(private(1)))
            .await
            .expect("bind");
    }
    let mut record = f.store.app(app).await.expect("read").expect("there");
    record.settings.binds_per_number_per_day = 1;
    f.store.update_app(record).await.expect("update");
    bind_and_unbind(&f, of, person(6), Some(private(1)))
        .await
        .expect("the first that counts");
    let second = bind_and_unbind(&f, of, person(7), Some(private(1))).await;
    assert_eq!(second, Err(BindError::DailyBinds));
}

fn entry(app: Option<AppId>, party: Party, pattern: &str) -> Blocked {
    Blocked {
        app,
        party,
        pattern: pattern.parse().expect("pattern"),
    }
}

#[tokio::test]
async fn blocked_numbers_and_call_limits_are_part_of_the_configuration_after_a_restart() {
    let f = Fixture::new().await;
    let app = f.app("k", AppSettings::default()).await;
    let entries = [
        entry(Some(app), Party::Caller, "+8613900000001"),
        entry(None, Party::Callee, "+86139*"),
    ];
    let seen = *f.store.changes().borrow();
    assert_eq!(f.store.block_numbers(entries.to_vec()).await, Ok(2));
    assert_eq!(
        f.store.block_numbers(entries.to_vec()).await,
        Ok(0),
        "they are there"
    );
    let rules = PlatformRules {
        rate_per_account: CallRate {
            per_hour: 7,
            ..CallRate::default()
        },
        ..PlatformRules::default()
    };
    f.store.set_platform_rules(rules).await.expect("set");
    assert!(*f.store.changes().borrow() >= seen + 2, "calls are told");
    let f = f.reopen().await;
    let configuration = f.store.configuration().await.expect("configuration");
    assert_eq!(configuration.rules, rules);
    let mut blocked = configuration.blocked;
    blocked.sort();
    let mut expected = entries.to_vec();
    expected.sort();
    assert_eq!(blocked, expected);
    let of_callers = BlockedFilter {
        party: Some(Party::Caller),
        ..BlockedFilter::default()
    };
    let page = f
        .store
        .blocked_numbers(of_callers, 1, 10)
        .await
        .expect("list");
    assert_eq!((page.total, page.items[0].blocked), (1, entries[0]));
    f.store.unblock_number(entries[1]).await.expect("lift");
    let twice = f.store.unblock_number(entries[1]).await;
    assert_eq!(twice, Err(StoreError::NotFound("the blocked number")));
    // An application takes its own with it.
    f.store.delete_app(app).await.expect("delete");
    let none = f
        .store
        .blocked_numbers(BlockedFilter::default(), 1, 10)
        .await;
    assert_eq!(none.expect("list").total, 0);
}

#[tokio::test]
async fn blocked_numbers_are_bounded_and_all_or_none() {
    let f = Fixture::new().await;
    let nobody = entry(Some(AppId(77)), Party::Caller, "+86139*");
    let unknown = f
        .store
        .block_numbers(vec![entry(None, Party::Caller, "+8*"), nobody])
        .await;
    assert_eq!(unknown, Err(StoreError::NotFound("the application")));
    let many = |from: u64| {
        let one = |n: u64| {
            entry(
                None,
                Party::Caller,
                &(Number::from_u64(8_613_900_000_000 + n))
                    .expect("number")
                    .to_global(),
            )
        };
        (from..from + u64::from(BLOCKED_MAX) / 2)
            .map(one)
            .collect::<Vec<_>>()
    };
    f.store.block_numbers(many(0)).await.expect("half");
    f.store.block_numbers(many(100_000)).await.expect("all");
    let full = f
        .store
        .block_numbers(vec![entry(None, Party::Caller, "+8*")])
        .await;
    assert!(matches!(full, Err(StoreError::Invalid(_))), "{full:?}");
    let all = f
        .store
        .blocked_numbers(BlockedFilter::default(), 1, 1)
        .await
        .expect("list");
    assert_eq!(all.total, u64::from(BLOCKED_MAX));
}
