//! Random operations on AX against a model of a few lines: what is answered and what calls meet agree at every
//! moment and after every restart.

mod common;

use std::collections::BTreeMap;

use axbridge_binding::{AppId, CallDirection, Policy, SubscriptionId};
use axbridge_numbering::Number;
use axbridge_store::{
    AppSettings, AreaMatch, AxBindRequest, AxCalleeRequest, AxKey, AxModifyRequest, AxQuery,
    BindError, Mode,
};
use common::{Fixture, Meets, Random, person, private};

const NUMBERS: u64 = 4;
const PEOPLE: u64 = 4;
const PER_A: u32 = 2;
const STEPS: u32 = 500;

#[derive(Clone, Copy)]
struct Bound {
    id: SubscriptionId,
    a: Number,
    direction: CallDirection,
    off: bool,
    named: Option<(Number, u64)>,
    last: Option<Number>,
}

/// By X.
type Model = BTreeMap<Number, Bound>;

fn meets(model: &Model, x: Number, caller: Number, now: u64, calls_back: bool) -> Meets {
    let Some(bound) = model.get(&x) else {
        return Meets::Refused("8018");
    };
    let from_a = caller == bound.a;
    let named = bound.named.filter(|(_, until)| now < *until);
    match (bound.direction.allows(from_a), from_a, named) {
        (false, ..) => Meets::Refused("8016"),
        (_, false, _) if bound.off => Meets::Refused("8104"),
        (_, false, _) => Meets::Callee(bound.a, x),
        (_, true, Some((callee, _))) => Meets::Callee(callee, x),
        (_, true, None) if !calls_back => Meets::Refused("8013"),
        (_, true, None) => bound
            .last
            .map_or(Meets::Refused("8019"), |last| Meets::Callee(last, x)),
    }
}

#[tokio::test]
async fn seed_1() {
    run(1).await;
}

#[tokio::test]
async fn seed_2() {
    run(2).await;
}

#[tokio::test]
async fn seed_3() {
    run(3).await;
}

async fn run(seed: u64) {
    println!("seed {seed}");
    let mut random = Random(seed);
    let mut f = Fixture::new().await;
    let calls_back = seed % 2 == 1;
    let settings = AppSettings {
        numbers_per_a_max: PER_A,
        ax_call_back: calls_back,
        ..AppSettings::default()
    };
    let app = f.app_in(Mode::Ax, "k", settings).await;
    for n in 0..NUMBERS {
        f.x(app, private(n), Some("010")).await;
    }
    let mut model = Model::new();
    for step in 0..STEPS {
        match random.below(30) {
            0 => f = f.reopen().await,
            1 => drop(f.store.sweep().expect("sweep")),
            2..6 => f.clock.advance_ms(random.below(40_000)),
            6..13 => bind(&f, app, &mut model, &mut random).await,
            13..17 => modify(&f, app, &mut model, &mut random).await,
            17..21 => name(&f, app, &mut model, &mut random).await,
            21..26 => reach(&f, app, &mut model, &mut random, step).await,
            _ => unbind(&f, app, &mut model, &mut random).await,
        }
        let now = f.clock.now();
        for (x, caller) in (0..NUMBERS * PEOPLE).map(|n| (private(n / PEOPLE), person(n % PEOPLE)))
        {
            let expected = meets(&model, x, caller, now, calls_back);
            assert_eq!(
                f.meets(x, caller),
                expected,
                "step {step}: {x:?} {caller:?}"
            );
        }
        check_queries(&f, app, &model, step).await;
    }
}

/// One of the bindings, with its X, and one of its two keys.
fn any(model: &Model, random: &mut Random) -> Option<(Number, AxKey)> {
    let xs: Vec<_> = model.keys().copied().collect();
    let x = random.of(&xs)?;
    let key = match random.one_in(2) {
        true => AxKey::Number(x),
        false => AxKey::Subscription(model[&x].id),
    };
    Some((x, key))
}

async fn bind(f: &Fixture, app: AppId, model: &mut Model, random: &mut Random) {
    let (a, x) = (person(random.below(PEOPLE)), private(random.below(NUMBERS)));
    let x = random.one_in(2).then_some(x);
    let direction = random.of(&[
        None,
        Some(CallDirection::CallerOnly),
        Some(CallDirection::CalleeOnly),
    ]);
    let request = AxBindRequest {
        app,
        a,
        x,
        area: None,
        area_match: AreaMatch::Strict,
        direction: direction.flatten(),
        show_caller: false,
        turned_off: random.one_in(4),
        policy: Policy::default(),
        user_data: None,
    };
    let off = request.turned_off;
    let held = model.values().filter(|bound| bound.a == a).count() as u32;
    let expected = match x {
        Some(x) if model.contains_key(&x) => Err(BindError::Bound),
        _ if held >= PER_A => Err(BindError::TooManyNumbers),
        None if model.len() as u64 == NUMBERS => Err(BindError::NoNumber),
        _ => Ok(()),
    };
    let result = f.store.ax_bind(request).await;
    assert_eq!(result.as_ref().map(drop).map_err(Clone::clone), expected);
    if let Ok(made) = result {
        assert!(x.is_none_or(|x| x == made.ax.x));
        let bound = Bound {
            id: made.ax.subscription,
            a,
            direction: direction.flatten().unwrap_or_default(),
            off,
            named: None,
            last: None,
        };
        let before = model.insert(made.ax.x, bound);
        assert!(before.is_none(), "a taken X was given");
    }
}

async fn modify(f: &Fixture, app: AppId, model: &mut Model, random: &mut Random) {
    let Some((x, key)) = any(model, random) else {
        return;
    };
    let mut change = AxModifyRequest::new(app, key);
    change.turned_off = random.of(&[None, Some(true), Some(false)]).flatten();
    change.direction = random
        .of(&[
            None,
            Some(CallDirection::Both),
            Some(CallDirection::CallerOnly),
        ])
        .flatten();
    let bound = model.get_mut(&x).expect("it is there");
    bound.off = change.turned_off.unwrap_or(bound.off);
    bound.direction = change.direction.unwrap_or(bound.direction);
    f.store.ax_modify(change).await.expect("modify");
}

async fn name(f: &Fixture, app: AppId, model: &mut Model, random: &mut Random) {
    let Some((x, key)) = any(model, random) else {
        return;
    };
    let callee = person(random.below(PEOPLE));
    let duration_s = 1 + random.below(60) as u32;
    let request = AxCalleeRequest {
        app,
        key,
        callee,
        duration_s,
        user_data: None,
    };
    let result = f.store.ax_set_callee(request).await.map(drop);
    let bound = model.get_mut(&x).expect("it is there");
    if callee == bound.a {
        assert_eq!(result, Err(BindError::SameParty));
    } else {
        assert_eq!(result, Ok(()));
        bound.named = Some((callee, f.clock.now() + u64::from(duration_s) * 1_000));
    }
}

/// A stranger is put through to A.
async fn reach(f: &Fixture, app: AppId, model: &mut Model, random: &mut Random, step: u32) {
    let Some((x, _)) = any(model, random) else {
        return;
    };
    let bound = model.get_mut(&x).expect("it is there");
    let caller = person(random.below(PEOPLE));
    if caller != bound.a {
        f.reached(app, &format!("s{step}"), bound.id, caller).await;
        bound.last = Some(caller);
    }
}

async fn unbind(f: &Fixture, app: AppId, model: &mut Model, random: &mut Random) {
    let Some((x, key)) = any(model, random) else {
        return;
    };
    assert_eq!(f.store.ax_unbind(app, key).await, Ok(()));
    assert_eq!(f.store.ax_unbind(app, key).await, Err(BindError::NotFound));
    model.remove(&x);
}

async fn check_queries(f: &Fixture, app: AppId, model: &Model, step: u32) {
    for a in (0..PEOPLE).map(person) {
        let found = f.store.ax_query(app, AxQuery::Party(a)).await;
        let mut xs: Vec<_> = match found {
            Ok(found) => found.iter().map(|bound| bound.ax.x).collect(),
            Err(error) => {
                assert_eq!(error, BindError::NotFound);
                Vec::new()
            }
        };
        xs.sort();
        let expected = model.iter().filter(|(_, bound)| bound.a == a);
        assert!(xs.iter().eq(expected.map(|(x, _)| x)), "step {step}: {a:?}");
    }
    for x in (0..NUMBERS).map(private) {
        let pairs = f.number(x).await.pairs;
        assert_eq!(pairs, u32::from(model.contains_key(&x)), "step {step}");
    }
}
