//! AXYB: A behind X, the other behind Y. Each refusal, and that no two strangers of one A share a Y.

mod common;

use std::collections::HashSet;

use axbridge_binding::{AppId, CallDirection, NumberStatus, Policy, SubscriptionId};
use axbridge_numbering::Number;
use axbridge_store::{
    AXYB_DURATION_S, AppSettings, AreaMatch, AxybBindX, AxybBindY, AxybPart, AxybQuery,
    AxybRelation, BindError, Mode, NumberChange,
};
use common::{Fixture, Meets, person, private};

fn of_x(app: AppId, a: Number) -> AxybBindX {
    AxybBindX {
        app,
        a,
        area: None,
        area_match: AreaMatch::Strict,
        direction: CallDirection::Both,
        duration_s: AXYB_DURATION_S,
        yb_duration_s: 0,
        policy: Policy::default(),
        user_data: None,
    }
}

fn of_y(app: AppId, subscription: SubscriptionId, b: Number) -> AxybBindY {
    AxybBindY {
        app,
        subscription,
        b,
        area: None,
        area_match: AreaMatch::Strict,
        yb_duration_s: None,
        pre_voice_y: None,
        user_data: None,
    }
}

async fn with(settings: AppSettings, numbers: u64) -> (Fixture, AppId) {
    let f = Fixture::new().await;
    let app = f.app_in(Mode::Axyb, "k", settings).await;
    for n in 1..=numbers {
        f.x(app, private(n), Some("0755")).await;
    }
    (f, app)
}

async fn x_for(f: &Fixture, request: AxybBindX) -> AxybRelation {
    f.store.axyb_bind_x(request).await.expect("X")
}

async fn y_for(f: &Fixture, request: AxybBindY) -> Number {
    let relation = f.store.axyb_bind_y(request).await.expect("Y");
    relation.yb.expect("a part").y
}

#[tokio::test]
async fn each_sees_the_number_of_the_other() {
    let (f, app) = with(AppSettings::default(), 3).await;
    let (a, b) = (person(1), person(2));
    let relation = x_for(&f, of_x(app, a)).await;
    let (id, x) = (relation.subscription, relation.x);
    assert_eq!(f.meets(x, b), Meets::NeedsY);
    assert_eq!(f.meets(x, a), Meets::Refused("8032"));
    let y = y_for(&f, of_y(app, id, b)).await;
    assert_ne!(x, y);
    let check = |f: &Fixture| {
        assert_eq!(f.meets(x, b), Meets::Callee(a, y));
        assert_eq!(f.meets(y, a), Meets::Callee(b, x));
        assert_eq!(f.meets(y, b), Meets::Refused("8032"));
        assert_eq!(f.meets(y, person(9)), Meets::Refused("8030"));
        assert_eq!(f.meets(x, person(9)), Meets::NeedsY);
    };
    check(&f);
    let f = f.reopen().await;
    check(&f);

    let part = |part| f.store.axyb_unbind(app, id, part);
    use BindError::NotFound;
    assert_eq!(part(AxybPart::Y(x)).await, Err(NotFound), "X is not its Y");
    assert_eq!(part(AxybPart::B(person(9))).await, Err(NotFound));
    assert_eq!(part(AxybPart::B(b)).await, Ok(()));
    assert_eq!(part(AxybPart::B(b)).await, Err(NotFound), "once");
    assert_eq!(f.meets(x, b), Meets::NeedsY);
    assert_eq!(f.meets(y, a), Meets::Refused("8030"));
    assert_eq!(f.number(y).await.pairs, 0);
    let y = y_for(&f, of_y(app, id, b)).await;
    assert_eq!(f.store.axyb_unbind(app, id, AxybPart::Y(y)).await, Ok(()));
    let y = y_for(&f, of_y(app, id, b)).await;
    assert_eq!(f.store.axyb_unbind(app, id, AxybPart::Whole).await, Ok(()));
    for n in [x, y] {
        assert_eq!(f.meets(n, a), Meets::Refused("8030"));
        assert_eq!(f.meets(n, b), Meets::Refused("8030"));
        assert_eq!(f.number(n).await.pairs, 0);
    }
    assert_eq!(
        f.store.axyb_unbind(app, id, AxybPart::Whole).await,
        Err(NotFound)
    );
    let f = f.reopen().await;
    assert_eq!(f.meets(x, b), Meets::Refused("8030"));
}

#[tokio::test]
async fn a_bind_says_what_is_wrong_and_leaves_nothing() {
    let settings = AppSettings {
        numbers_per_a_max: 2,
        axyb_relations_max: 1,
        ..AppSettings::default()
    };
    let (f, app) = with(settings, 4).await;
    let other = f.app_in(Mode::Axyb, "k2", AppSettings::default()).await;
    let ax = f.app_in(Mode::Ax, "k3", AppSettings::default()).await;
    let refused_x = |r: AxybBindX| {
        let store = f.store.clone();
        async move { store.axyb_bind_x(r).await.expect_err("refused") }
    };
    let refused_y = |r: AxybBindY| {
        let store = f.store.clone();
        async move { store.axyb_bind_y(r).await.expect_err("refused") }
    };
    let a = person(1);
    assert_eq!(refused_x(of_x(AppId(77), a)).await, BindError::NoApp);
    assert_eq!(refused_x(of_x(ax, a)).await, BindError::WrongMode);
    assert_eq!(refused_x(of_x(other, a)).await, BindError::NoNumber);
    let mut recorded = of_x(app, a);
    recorded.policy.record = true;
    assert_eq!(refused_x(recorded).await, BindError::RecordingOff);
    let elsewhere = AxybBindX {
        area: Some("010".into()),
        ..of_x(app, a)
    };
    assert_eq!(refused_x(elsewhere).await, BindError::NoNumber);

    let one = x_for(&f, of_x(app, a)).await;
    let two = x_for(&f, of_x(app, a)).await;
    assert_eq!(refused_x(of_x(app, a)).await, BindError::TooManyNumbers);
    let id = one.subscription;
    let unknown = of_y(app, SubscriptionId(5), person(2));
    assert_eq!(refused_y(unknown).await, BindError::NotFound);
    assert_eq!(
        refused_y(of_y(other, id, person(2))).await,
        BindError::NotFound
    );
    assert_eq!(refused_y(of_y(app, id, a)).await, BindError::SameParty);
    assert_eq!(refused_y(of_y(app, id, one.x)).await, BindError::SameParty);
    let elsewhere = AxybBindY {
        area: Some("010".into()),
        ..of_y(app, id, person(2))
    };
    assert_eq!(refused_y(elsewhere).await, BindError::NoNumber);
    let y = y_for(&f, of_y(app, id, person(2))).await;
    assert_eq!(refused_y(of_y(app, id, person(2))).await, BindError::Bound);

    // The last number is frozen: it is nobody's Y, and the Y there is has no room.
    let last = (1..=4)
        .map(private)
        .find(|n| ![one.x, two.x, y].contains(n));
    let last = last.expect("one is left");
    let frozen = NumberChange {
        status: Some(NumberStatus::Frozen),
        ..NumberChange::default()
    };
    f.store.update_number(last, frozen).await.expect("freeze");
    assert_eq!(
        refused_y(of_y(app, id, person(3))).await,
        BindError::NoNumber
    );
    let stranger = f.store.axyb_allocate_y(app, id, person(3)).await;
    assert_eq!(stranger.expect_err("8031"), BindError::NoNumber);
    let stranger = f.store.axyb_allocate_y(other, id, person(3)).await;
    assert_eq!(stranger.expect_err("of another"), BindError::NotFound);
    let query = f
        .store
        .axyb_query(other, AxybQuery::Subscription(id), 9)
        .await;
    assert_eq!(query.expect_err("of another"), BindError::NotFound);
    let query = f.store.axyb_query(other, AxybQuery::Number(one.x), 9).await;
    assert_eq!(query.expect_err("of another"), BindError::NotFound);
    let gone = f.store.axyb_unbind(other, id, AxybPart::Whole).await;
    assert_eq!(gone.expect_err("of another"), BindError::NotFound);
    let all = f.store.axyb_query(app, AxybQuery::Number(one.x), 9).await;
    assert_eq!(all.expect("query").len(), 1);
}

#[tokio::test]
async fn either_part_ends_at_its_own_time_also_after_a_restart() {
    let (f, app) = with(AppSettings::default(), 4).await;
    let (a, b) = (person(1), person(2));
    let relation = AxybBindX {
        duration_s: 100,
        yb_duration_s: 40,
        ..of_x(app, a)
    };
    let relation = x_for(&f, relation).await;
    let (id, x) = (relation.subscription, relation.x);
    let y = y_for(&f, of_y(app, id, b)).await;
    let longer = AxybBindY {
        yb_duration_s: Some(1_000),
        ..of_y(app, id, person(3))
    };
    let other = f.store.axyb_bind_y(longer).await.expect("Y");
    let yb = other.yb.expect("a part");
    assert_eq!(yb.expires_at_ms, relation.expires_at_ms, "never after X");
    f.clock.advance_ms(39_999);
    let f = f.reopen().await;
    assert_eq!(f.meets(x, b), Meets::Callee(a, y));
    f.clock.advance_ms(1);
    assert_eq!(f.meets(x, b), Meets::NeedsY);
    assert_eq!(f.meets(y, a), Meets::Refused("8030"));
    let f = f.reopen().await;
    assert_eq!(f.meets(y, a), Meets::Refused("8030"));
    assert_eq!(f.meets(y, b), Meets::Refused("8030"), "not his own");
    assert_eq!(f.meets(yb.y, a), Meets::Callee(person(3), x));
    let gone = f.store.axyb_unbind(app, id, AxybPart::B(b)).await;
    assert_eq!(gone, Err(BindError::NotFound), "it is over");
    y_for(&f, of_y(app, id, b)).await;
    f.clock.advance_ms(59_999);
    assert_eq!(f.meets(yb.y, a), Meets::Callee(person(3), x));
    f.clock.advance_ms(1);
    for n in [x, y, yb.y] {
        assert_eq!(f.meets(n, a), Meets::Refused("8030"), "{n:?}");
    }
    let all = f
        .store
        .axyb_query(app, AxybQuery::Subscription(id), 9)
        .await;
    assert_eq!(all.expect_err("over"), BindError::NotFound);
    assert_eq!(f.store.sweep().expect("sweep"), 1, "with its parts");
    for n in 1..=4 {
        assert_eq!(f.number(private(n)).await.pairs, 0);
    }
    assert_eq!(f.table.stats().bindings, 0);
}

#[tokio::test]
async fn directions_hold_on_both_numbers() {
    let (f, app) = with(AppSettings::default(), 6).await;
    let (a, b) = (person(1), person(2));
    for (direction, to_a, to_b) in [
        (CallDirection::CallerOnly, false, true),
        (CallDirection::CalleeOnly, true, false),
    ] {
        let relation = AxybBindX {
            direction,
            ..of_x(app, a)
        };
        let relation = x_for(&f, relation).await;
        let (x, id) = (relation.x, relation.subscription);
        let stranger = match to_a {
            true => Meets::NeedsY,
            false => Meets::Refused("8016"),
        };
        assert_eq!(f.meets(x, b), stranger);
        let y = y_for(&f, of_y(app, id, b)).await;
        let expect = |may, callee, shown| match may {
            true => Meets::Callee(callee, shown),
            false => Meets::Refused("8016"),
        };
        assert_eq!(f.meets(x, b), expect(to_a, a, y));
        assert_eq!(f.meets(y, a), expect(to_b, b, x));
        let f = &f;
        f.store
            .axyb_unbind(app, id, AxybPart::Whole)
            .await
            .expect("gone");
    }
}

#[tokio::test]
async fn a_stranger_keeps_his_y_and_it_is_of_the_city_of_x() {
    let (f, app) = with(AppSettings::default(), 2).await;
    f.x(app, private(3), Some("010")).await;
    f.x(app, private(4), Some("010")).await;
    let a = person(1);
    let relation = AxybBindX {
        area: Some("010".into()),
        ..of_x(app, a)
    };
    let relation = x_for(&f, relation).await;
    let id = relation.subscription;
    let allocate = |b| {
        let store = f.store.clone();
        async move {
            let relation = store.axyb_allocate_y(app, id, person(b)).await;
            relation.map(|relation| relation.yb.expect("a part").y)
        }
    };
    let first = allocate(2).await.expect("Y");
    assert!(first == private(3) || first == private(4));
    assert_ne!(first, relation.x);
    assert_eq!(allocate(2).await, Ok(first), "again the same");
    let second = allocate(3).await.expect("Y");
    assert!(second == private(1) || second == private(2), "then any");
    let f2 = f.store.clone();
    let y = f2.axyb_bind_y(of_y(app, id, person(2))).await;
    assert_eq!(y.expect_err("he has one"), BindError::Bound);
    assert_eq!(f.meets(relation.x, person(2)), Meets::Callee(a, first));
    let f = f.reopen().await;
    let again = f
        .store
        .axyb_allocate_y(app, id, person(2))
        .await
        .expect("Y");
    assert_eq!(again.yb.expect("a part").y, first);
}

#[tokio::test]
async fn many_tasks_ask_and_no_two_strangers_of_one_a_get_one_y() {
    let (f, app) = with(AppSettings::default(), 40).await;
    let mut relations = Vec::new();
    for n in 0..3 {
        relations.push(x_for(&f, of_x(app, person(n))).await);
    }
    let mut tasks = tokio::task::JoinSet::new();
    for (at, relation) in relations.iter().enumerate() {
        for stranger in 100..150 {
            // Each three times at once, as a caller who dials again.
            for _ in 0..3 {
                let (store, id) = (f.store.clone(), relation.subscription);
                tasks.spawn(async move {
                    let given = store.axyb_allocate_y(app, id, person(stranger)).await;
                    (at, stranger, given.map(|given| given.yb.expect("a part").y))
                });
            }
        }
    }
    let mut given = HashSet::new();
    let mut refused = HashSet::new();
    for (at, stranger, result) in tasks.join_all().await {
        match result {
            Ok(y) => {
                given.insert((at, stranger, y));
            }
            Err(error) => {
                assert_eq!(error, BindError::NoNumber);
                refused.insert((at, stranger));
            }
        }
    }
    for (at, relation) in relations.iter().enumerate() {
        let of = given.iter().filter(|(of, ..)| *of == at);
        let mine: Vec<_> = of.map(|(_, stranger, y)| (*stranger, *y)).collect();
        let strangers: HashSet<_> = mine.iter().map(|(stranger, _)| stranger).collect();
        let ys: HashSet<_> = mine.iter().map(|(_, y)| *y).collect();
        // 40 numbers, three of them X.
        assert_eq!((mine.len(), strangers.len(), ys.len()), (37, 37, 37));
        assert!(relations.iter().all(|other| !ys.contains(&other.x)));
        let left = refused.iter().filter(|(of, _)| *of == at).count();
        assert_eq!(left, 13, "the others were refused each time");
        for (stranger, y) in mine {
            assert_eq!(
                f.meets(y, person(at as u64)),
                Meets::Callee(person(stranger), relation.x)
            );
        }
    }
}
