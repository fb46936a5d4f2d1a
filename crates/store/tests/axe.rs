//! AXE: A behind X and an extension. Each refusal, the callback record, the rest of an extension.

mod common;

use std::collections::HashSet;

use axbridge_binding::{AppId, CallBack, Extension, NumberStatus, Policy, SubscriptionId};
use axbridge_numbering::Number;
use axbridge_store::{
    AppSettings, AreaMatch, AxeBindRequest, AxeBinding, AxeCursor, AxeKey, AxeModifyRequest,
    AxeSettings, BindError, Mode, NumberChange, TimeUnit,
};
use common::{Fixture, Meets, person, private};

const MINUTE_MS: u64 = 60_000;

fn request(app: AppId, a: Number, x: Option<Number>) -> AxeBindRequest {
    AxeBindRequest {
        app,
        a,
        x,
        area: None,
        area_match: AreaMatch::Strict,
        extension: None,
        show_caller: false,
        call_back: CallBack::OfApplication,
        unit: Some(TimeUnit::Minutes),
        bind_expires: None,
        call_back_expires: None,
        policy: Policy::default(),
        user_data: None,
    }
}

fn extension(text: &str) -> Extension {
    Extension::parse(text).expect("an extension")
}

fn digits(extension_digits: u8) -> AppSettings {
    AppSettings {
        axe: AxeSettings {
            extension_digits,
            ..AxeSettings::default()
        },
        ..AppSettings::default()
    }
}

async fn with(settings: AppSettings, numbers: u64) -> (Fixture, AppId) {
    let f = Fixture::new().await;
    let app = f.app_in(Mode::Axe, "k", settings).await;
    for n in 1..=numbers {
        f.x(app, private(n), Some("0755")).await;
    }
    (f, app)
}

/// Whom the caller reaches who keys this extension.
fn keyed(f: &Fixture, x: Number, key: Extension, caller: Number) -> Option<Number> {
    let route = f.table.extension(x, key, caller, f.clock.now());
    route.ok().map(|(route, _)| route.callee)
}

async fn bind(f: &Fixture, request: AxeBindRequest) -> AxeBinding {
    f.store.axe_bind(request).await.expect("bind")
}

#[tokio::test]
async fn the_extension_leads_to_a_and_to_nobody_else() {
    let (f, app) = with(digits(4), 1).await;
    let x = private(1);
    let one = bind(&f, request(app, person(1), Some(x))).await.axe;
    let wanted = AxeBindRequest {
        extension: Some(extension("0007")),
        ..request(app, person(2), Some(x))
    };
    let two = bind(&f, wanted).await.axe;
    assert_eq!(two.extension.to_string(), "0007");
    assert_eq!(f.meets(x, person(9)), Meets::Menu);
    assert_eq!(keyed(&f, x, one.extension, person(9)), Some(person(1)));
    assert_eq!(keyed(&f, x, two.extension, person(9)), Some(person(2)));
    assert_eq!(keyed(&f, x, extension("7"), person(9)), None, "four digits");
    assert_eq!(keyed(&f, x, two.extension, person(1)), Some(person(2)));

    let f = f.reopen().await;
    assert_eq!(keyed(&f, x, two.extension, person(9)), Some(person(2)));
    let key = AxeKey::Extension(x, two.extension);
    f.store.axe_unbind(app, key).await.expect("unbind");
    assert_eq!(keyed(&f, x, two.extension, person(9)), None);
    assert_eq!(f.number(x).await.pairs, 1);
    let f = f.reopen().await;
    assert_eq!(keyed(&f, x, two.extension, person(9)), None);
    assert_eq!(keyed(&f, x, one.extension, person(9)), Some(person(1)));
}

#[tokio::test]
async fn a_bind_says_what_is_wrong_and_leaves_nothing() {
    let (f, app) = with(digits(2), 2).await;
    let other = f.app_in(Mode::Axe, "k2", digits(2)).await;
    let ax = f.app_in(Mode::Ax, "k3", AppSettings::default()).await;
    f.x(other, private(20), None).await;
    let x = private(1);
    let refused = |r: AxeBindRequest| {
        let store = f.store.clone();
        async move { store.axe_bind(r).await.map(drop).expect_err("refused") }
    };
    let to = |a, x| request(app, person(a), Some(private(x)));
    let wanting = |r: AxeBindRequest, e: &str| AxeBindRequest {
        extension: Some(extension(e)),
        ..r
    };

    bind(&f, wanting(to(1, 1), "07")).await;
    assert_eq!(refused(to(1, 1)).await, BindError::Bound);
    assert_eq!(
        refused(wanting(to(2, 1), "07")).await,
        BindError::NoExtension
    );
    bind(&f, wanting(to(2, 2), "07")).await;
    let anywhere = wanting(request(app, person(3), None), "07");
    assert_eq!(
        refused(anywhere).await,
        BindError::NoNumber,
        "07 is taken everywhere"
    );
    assert_eq!(
        refused(wanting(to(3, 1), "007")).await,
        BindError::ExtensionLength(2)
    );
    assert_eq!(refused(to(3, 20)).await, BindError::NumberNotOfApp);
    assert_eq!(refused(to(3, 99)).await, BindError::NumberNotOfApp);
    let own = request(app, x, Some(x));
    assert_eq!(refused(own).await, BindError::SameParty);
    let to_x = AxeBindRequest {
        call_back: CallBack::Number(x),
        ..to(3, 1)
    };
    assert_eq!(refused(to_x).await, BindError::SameParty);
    let mut recorded = to(3, 1);
    recorded.policy.record = true;
    assert_eq!(refused(recorded).await, BindError::RecordingOff);
    let outlives = AxeBindRequest {
        bind_expires: Some(5),
        call_back_expires: Some(6),
        ..to(3, 1)
    };
    assert_eq!(refused(outlives).await, BindError::CallBackOutlives);
    assert_eq!(
        refused(request(AppId(77), person(1), None)).await,
        BindError::NoApp
    );
    assert_eq!(
        refused(request(ax, person(1), None)).await,
        BindError::WrongMode
    );
    let elsewhere = AxeBindRequest {
        area: Some("010".into()),
        ..request(app, person(3), None)
    };
    assert_eq!(refused(elsewhere).await, BindError::NoNumber);
    let frozen = NumberChange {
        status: Some(NumberStatus::Frozen),
        ..NumberChange::default()
    };
    f.store.update_number(x, frozen).await.expect("freeze");
    assert_eq!(
        refused(to(3, 1)).await,
        BindError::NumberUnusable(NumberStatus::Frozen)
    );
    let counts = f.store.axe_counts(app, 0, 10).await.expect("counts");
    assert!(counts.iter().map(|count| count.bound).eq([1, 1]));
}

#[tokio::test]
async fn what_is_not_ones_own_can_neither_be_seen_nor_changed() {
    let (f, app) = with(digits(2), 1).await;
    let other = f.app_in(Mode::Axe, "k2", digits(2)).await;
    let x = private(1);
    let axe = bind(&f, request(app, person(1), Some(x))).await.axe;
    let id = AxeKey::Subscription(axe.subscription);
    let at = AxeKey::Extension(x, axe.extension);
    let free = (axe.extension.value() + 1) % 100;
    let free = Extension::new(free, 2).expect("another");
    use BindError::{NotFound, NumberNotOfApp};
    for (app, key, expected) in [
        (other, id, NotFound),
        (other, at, NumberNotOfApp),
        (
            app,
            AxeKey::Extension(private(9), axe.extension),
            NumberNotOfApp,
        ),
        (app, AxeKey::Extension(x, free), NotFound),
        (app, AxeKey::Subscription(SubscriptionId(5)), NotFound),
    ] {
        let found = f.store.axe_query(app, key).await;
        assert_eq!(found.expect_err("query"), expected);
        let changed = f.store.axe_modify(AxeModifyRequest::new(app, key)).await;
        assert_eq!(changed.expect_err("modify"), expected);
        let gone = f.store.axe_unbind(app, key).await;
        assert_eq!(gone.expect_err("unbind"), expected);
    }
    let page = f.store.axe_page(other, x, AxeCursor::default(), 10).await;
    assert_eq!(page.map(drop).expect_err("page"), NotFound);
    let count = f.store.axe_count(other, x).await;
    assert_eq!(count.expect_err("count"), NotFound);
    assert_eq!(keyed(&f, x, axe.extension, person(9)), Some(person(1)));
}

#[tokio::test]
async fn the_callback_record_ends_at_its_own_time_also_after_a_restart() {
    let (f, app) = with(digits(4), 1).await;
    let (a, x) = (person(1), private(1));
    let made = AxeBindRequest {
        bind_expires: Some(60),
        call_back_expires: Some(10),
        call_back: CallBack::Tone("nobody.wav".into()),
        ..request(app, a, Some(x))
    };
    let axe = bind(&f, made).await.axe;
    assert_eq!(f.meets(x, a), Meets::Tone);
    f.clock.advance_ms(7);
    f.reached(app, "s1", axe.subscription, person(2)).await;
    assert_eq!(f.meets(x, a), Meets::Callee(person(2), x));

    let f = f.reopen().await;
    assert_eq!(f.meets(x, a), Meets::Callee(person(2), x));
    f.clock.advance_ms(10 * MINUTE_MS - 1);
    assert_eq!(f.meets(x, a), Meets::Callee(person(2), x), "to the last ms");
    f.clock.advance_ms(1);
    assert_eq!(f.meets(x, a), Meets::Tone);
    let f = f.reopen().await;
    assert_eq!(f.meets(x, a), Meets::Tone, "a restart revives nothing");

    f.reached(app, "s2", axe.subscription, person(3)).await;
    f.clock.advance_ms(9 * MINUTE_MS);
    f.reached(app, "s3", axe.subscription, person(4)).await;
    f.clock.advance_ms(9 * MINUTE_MS);
    let f = f.reopen().await;
    assert_eq!(f.meets(x, a), Meets::Callee(person(4), x), "begun anew");

    // A new life of records counts for the present one, from when it was made.
    let mut change = AxeModifyRequest::new(app, AxeKey::Subscription(axe.subscription));
    change.call_back_expires = Some(9);
    f.store.axe_modify(change).await.expect("shorter");
    assert_eq!(f.meets(x, a), Meets::Tone);
    let mut change = AxeModifyRequest::new(app, AxeKey::Subscription(axe.subscription));
    change.call_back_expires = Some(0);
    f.store.axe_modify(change).await.expect("with the binding");
    let f = f.reopen().await;
    assert_eq!(f.meets(x, a), Meets::Callee(person(4), x));

    let over = axe.expires_at_ms.expect("it ends");
    f.clock.advance_ms(over - 1 - f.clock.now());
    let f = f.reopen().await;
    assert_eq!(f.meets(x, a), Meets::Callee(person(4), x), "to the last ms");
    f.clock.advance_ms(1);
    assert_eq!(f.meets(x, a), Meets::Menu, "A is a caller like any other");
    let f = f.reopen().await;
    assert_eq!(f.meets(x, a), Meets::Menu);
}

#[tokio::test]
async fn a_binding_ends_at_its_own_time_and_blocks_nothing_from_then_on() {
    let (f, app) = with(digits(1), 1).await;
    let (a, x) = (person(1), private(1));
    let short = AxeBindRequest {
        bind_expires: Some(2),
        extension: Some(extension("5")),
        ..request(app, a, Some(x))
    };
    let old = bind(&f, short.clone()).await.axe;
    f.clock.advance_ms(2 * MINUTE_MS - 1);
    assert_eq!(keyed(&f, x, extension("5"), person(9)), Some(a));
    assert_eq!(f.store.axe_count(app, x).await.expect("count").bound, 1);
    f.clock.advance_ms(1);
    assert_eq!(keyed(&f, x, extension("5"), person(9)), None);
    assert_eq!(f.store.axe_count(app, x).await.expect("count").bound, 0);
    let page = f.store.axe_page(app, x, AxeCursor::default(), 10).await;
    assert!(page.expect("page").items.is_empty());
    let key = AxeKey::Subscription(old.subscription);
    let gone = f.store.axe_query(app, key).await.expect_err("over");
    assert_eq!(gone, BindError::NotFound);
    let gone = f.store.axe_modify(AxeModifyRequest::new(app, key)).await;
    assert_eq!(gone.expect_err("over"), BindError::NotFound);
    bind(&f, short).await;
    assert_eq!(keyed(&f, x, extension("5"), person(9)), Some(a));
    assert_eq!(f.number(x).await.pairs, 1);
    assert_eq!(f.store.sweep().expect("sweep"), 0, "the bind took it away");
}

#[tokio::test]
async fn an_extension_rests_ten_minutes_before_somebody_else_gets_it() {
    let (f, app) = with(digits(1), 1).await;
    let x = private(1);
    let mut all = Vec::new();
    for n in 1..=9 {
        all.push(bind(&f, request(app, person(n), Some(x))).await.axe);
    }
    let given: HashSet<_> = all.iter().map(|axe| axe.extension.value()).collect();
    assert_eq!(given, (1..=9).collect(), "0 only to who asks for it");
    let more = || f.store.axe_bind(request(app, person(50), Some(x)));
    assert_eq!(more().await.expect_err("none"), BindError::NoExtension);

    let key = AxeKey::Subscription(all[3].subscription);
    f.store.axe_unbind(app, key).await.expect("unbind");
    assert_eq!(more().await.expect_err("rests"), BindError::NoExtension);
    f.clock.advance_ms(10 * MINUTE_MS - 1);
    f.store.sweep().expect("sweep");
    let f = f.reopen().await;
    let more = |a| f.store.axe_bind(request(app, person(a), Some(x)));
    assert_eq!(more(50).await.expect_err("rests"), BindError::NoExtension);
    f.clock.advance_ms(1);
    let again = more(50).await.expect("rested").axe;
    assert_eq!(again.extension, all[3].extension);

    // Who asks for one by name knows whose it was.
    let key = AxeKey::Subscription(again.subscription);
    f.store.axe_unbind(app, key).await.expect("unbind");
    let wanted = AxeBindRequest {
        extension: Some(again.extension),
        ..request(app, person(51), Some(x))
    };
    assert_eq!(bind(&f, wanted).await.axe.extension, again.extension);
}

#[tokio::test]
async fn the_rest_of_an_extension_begins_with_the_end_of_its_binding_not_with_the_sweeper() {
    let (f, app) = with(digits(1), 1).await;
    let x = private(1);
    for n in 1..=9 {
        let short = AxeBindRequest {
            bind_expires: Some(1),
            ..request(app, person(n), Some(x))
        };
        bind(&f, short).await;
    }
    let more = || f.store.axe_bind(request(app, person(50), Some(x)));
    f.clock.advance_ms(11 * MINUTE_MS - 1);
    assert_eq!(more().await.expect_err("rests"), BindError::NoExtension);
    f.clock.advance_ms(1);
    more().await.expect("all have rested, swept or not");
}

#[tokio::test]
async fn a_number_whose_extensions_rest_is_passed_over_when_any_will_do() {
    let (f, app) = with(digits(1), 2).await;
    let mut one = Vec::new();
    for n in 1..=9 {
        one.push(
            bind(&f, request(app, person(n), Some(private(1))))
                .await
                .axe,
        );
    }
    for axe in one {
        let key = AxeKey::Subscription(axe.subscription);
        f.store.axe_unbind(app, key).await.expect("unbind");
    }
    for n in 11..=19 {
        let chosen = bind(&f, request(app, person(n), None)).await.axe;
        assert_eq!(chosen.x, private(2));
    }
    let none = f.store.axe_bind(request(app, person(20), None)).await;
    assert_eq!(none.map(drop).expect_err("none"), BindError::NoNumber);
}

#[tokio::test]
async fn a_change_of_lives_counts_from_now_and_a_query_shows_what_the_bind_said() {
    let (f, app) = with(digits(4), 1).await;
    let x = private(1);
    let made = AxeBindRequest {
        bind_expires: Some(30),
        call_back_expires: Some(5),
        ..request(app, person(1), Some(x))
    };
    let made = bind(&f, made).await;
    let key = AxeKey::Subscription(made.axe.subscription);
    f.clock.advance_ms(10 * MINUTE_MS);
    let mut change = AxeModifyRequest::new(app, key);
    change.bind_expires = Some(4);
    let error = f.store.axe_modify(change.clone()).await;
    assert_eq!(
        error.map(drop).expect_err("shorter than its records"),
        BindError::CallBackOutlives
    );
    change.call_back_expires = Some(4);
    let changed = f.store.axe_modify(change).await.expect("both");
    let ends = f.clock.now() + 4 * MINUTE_MS;
    assert_eq!(changed.axe.expires_at_ms, Some(ends));
    let f = f.reopen().await;
    let read = f.store.axe_query(app, key).await.expect("query");
    assert_eq!(read.axe, changed.axe);
    assert_eq!(
        (read.bind_expires, read.call_back_expires),
        (Some(30), Some(4))
    );
    assert_eq!(read.unit, Some(TimeUnit::Minutes));

    let mut change = AxeModifyRequest::new(app, key);
    (change.unit, change.bind_expires) = (Some(TimeUnit::Hours), Some(0));
    let changed = f.store.axe_modify(change).await.expect("for ever");
    assert_eq!(changed.axe.expires_at_ms, None);
    f.clock.advance_ms(1_000 * common::DAY_MS);
    let f = f.reopen().await;
    f.store.axe_query(app, key).await.expect("still there");
}

#[tokio::test]
async fn tone_and_number_take_each_others_place() {
    let (f, app) = with(digits(4), 1).await;
    let (a, x) = (person(1), private(1));
    let axe = bind(&f, request(app, a, Some(x))).await.axe;
    let key = AxeKey::Subscription(axe.subscription);
    assert_eq!(f.meets(x, a), Meets::Refused("8019"));
    let tone = |tone: Option<&str>| {
        let mut change = AxeModifyRequest::new(app, key);
        change.call_back_tone = Some(tone.map(Into::into));
        change
    };
    let number = |number: Option<Number>| {
        let mut change = AxeModifyRequest::new(app, key);
        change.call_back_num = Some(number);
        change
    };
    let both = AxeModifyRequest {
        call_back_tone: Some(Some("t.wav".into())),
        ..number(Some(person(8)))
    };
    let callee = Meets::Callee(person(7), x);
    for (change, expected) in [
        (tone(Some("t.wav")), Meets::Tone),
        (number(None), Meets::Tone),
        (number(Some(person(7))), callee),
        (tone(None), callee),
        (tone(Some("t.wav")), Meets::Tone),
        (both, Meets::Callee(person(8), x)),
        (number(None), Meets::Refused("8019")),
    ] {
        f.store.axe_modify(change.clone()).await.expect("modify");
        assert_eq!(f.meets(x, a), expected, "{change:?}");
    }
    let to_x = f.store.axe_modify(number(Some(x))).await;
    assert_eq!(to_x.map(drop).expect_err("X itself"), BindError::SameParty);
    assert_eq!(f.meets(x, a), Meets::Refused("8019"));
}

#[tokio::test]
async fn pages_hold_every_binding_once_whatever_is_bound_meanwhile() {
    let (f, app) = with(digits(4), 1).await;
    let x = private(1);
    let mut bound = HashSet::new();
    for n in 0..25 {
        bound.insert(
            bind(&f, request(app, person(n), Some(x)))
                .await
                .axe
                .subscription,
        );
        // Several within one millisecond: the extension breaks the tie.
        f.clock.advance_ms(n % 3);
    }
    let (mut after, mut seen, mut pages) = (AxeCursor::default(), Vec::new(), 0);
    loop {
        let page = f.store.axe_page(app, x, after, 7).await.expect("page");
        seen.extend(page.items.iter().map(|item| item.axe.subscription));
        pages += 1;
        bind(&f, request(app, person(100 + pages), Some(x))).await;
        match page.next {
            Some(next) => after = next,
            None => break,
        }
        assert!(pages < 20, "no end");
    }
    let unique: HashSet<_> = seen.iter().copied().collect();
    assert_eq!(unique.len(), seen.len(), "none twice");
    assert!(unique.is_superset(&bound), "none left out");
}

#[tokio::test]
async fn many_tasks_bind_and_no_extension_is_given_twice() {
    let (f, app) = with(digits(2), 1).await;
    let x = private(1);
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..120 {
        let store = f.store.clone();
        tasks.spawn(async move { store.axe_bind(request(app, person(n), Some(x))).await });
    }
    let all = tasks.join_all().await;
    let given = all.iter().flatten().map(|bound| bound.axe.extension);
    let given: HashSet<_> = given.collect();
    assert_eq!(given.len(), 99, "00 is not given out");
    let refused = all.into_iter().filter_map(Result::err);
    assert!(refused.eq(std::iter::repeat_n(BindError::NoExtension, 21)));
}
