//! Random operations against a model of a few lines: what is answered, what calls see, and what is stored agree
//! at every moment and after every restart.

mod common;

use std::collections::BTreeMap;

use axbridge_binding::{AppId, SubscriptionId};
use axbridge_numbering::Number;
use axbridge_store::{BindError, BindRequest, ModifyRequest, Query, Unbind};
use common::{Fixture, Random, person, private, request};

const NUMBERS: u64 = 3;
const PEOPLE: u64 = 7;
const PAIRS: u32 = 3;
const STEPS: u32 = 400;

#[derive(Clone, Copy)]
struct Bound {
    x: Number,
    a: Number,
    b: Number,
    expires: Option<u64>,
}

#[derive(Default)]
struct Model {
    bindings: BTreeMap<SubscriptionId, Bound>,
}

impl Model {
    fn expire(&mut self, now: u64) {
        self.bindings
            .retain(|_, bound| bound.expires.is_none_or(|at| at > now));
    }

    fn on(&self, x: Number) -> impl Iterator<Item = (&SubscriptionId, &Bound)> {
        self.bindings.iter().filter(move |(_, bound)| bound.x == x)
    }

    fn taken(&self, x: Number, party: Number, by_other_than: Option<SubscriptionId>) -> bool {
        self.on(x)
            .any(|(id, bound)| Some(*id) != by_other_than && (bound.a == party || bound.b == party))
    }

    fn bind(&self, x: Number, a: Number, b: Number) -> Result<(), BindError> {
        if a == b {
            return Err(BindError::SameParty);
        }
        if self.on(x).count() >= PAIRS as usize {
            return Err(BindError::Full);
        }
        if self.taken(x, a, None) || self.taken(x, b, None) {
            Err(BindError::Bound)
        } else {
            Ok(())
        }
    }

    fn callee(&self, x: Number, caller: Number) -> Option<Number> {
        self.on(x).find_map(|(_, bound)| match caller {
            caller if caller == bound.a => Some(bound.b),
            caller if caller == bound.b => Some(bound.a),
            _ => None,
        })
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
    let settings = axbridge_store::AppSettings {
        axb_pairs_max: PAIRS,
        ..Default::default()
    };
    let app = f.app("k", settings).await;
    for n in 0..NUMBERS {
        f.x(app, private(n), Some("010")).await;
    }
    let mut model = Model::default();
    for step in 0..STEPS {
        let what = random.below(40);
        match what {
            0 => f = f.reopen().await,
            1 => drop(f.store.sweep().expect("sweep")),
            2..8 => f.clock.advance_ms(random.below(40) * 1_000),
            _ => {}
        }
        model.expire(f.clock.now());
        match what {
            8..24 => bind(&f, app, &mut model, &mut random).await,
            24..33 => modify(&f, app, &mut model, &mut random).await,
            33..39 => unbind(&f, app, &mut model, &mut random).await,
            39 => {
                let x = private(random.below(NUMBERS));
                let count = f.store.unbind(app, Unbind::Number(x)).await.expect("all");
                assert_eq!(count as usize, model.on(x).count(), "step {step}");
                model.bindings.retain(|_, bound| bound.x != x);
            }
            _ => {}
        }
        check(&f, app, &model, step).await;
    }
}

async fn bind(f: &Fixture, app: AppId, model: &mut Model, random: &mut Random) {
    let (a, b) = (person(random.below(PEOPLE)), person(random.below(PEOPLE)));
    let x = private(random.below(NUMBERS));
    let duration_s = [0, 30, 90][random.below(3) as usize];
    let choose = random.below(3) == 0;
    let r = request(app, a, b, (!choose).then_some(x));
    let area = choose.then(|| "010".to_owned());
    let result = f
        .store
        .bind(BindRequest {
            duration_s,
            area,
            ..r
        })
        .await;
    let expected = if !choose {
        model.bind(x, a, b)
    } else if a == b {
        Err(BindError::SameParty)
    } else {
        (0..NUMBERS)
            .find_map(|n| model.bind(private(n), a, b).ok())
            .ok_or(BindError::NoNumber)
    };
    assert_eq!(result.as_ref().map(|_| ()).map_err(Clone::clone), expected);
    if let Ok(bound) = result {
        model
            .bind(bound.axb.x, a, b)
            .expect("the X that was chosen is free");
        let expires = bound.axb.expires_at_ms;
        model.bindings.insert(
            bound.axb.subscription,
            Bound {
                x: bound.axb.x,
                a,
                b,
                expires,
            },
        );
    }
}

fn any(model: &Model, random: &mut Random) -> Option<(SubscriptionId, Bound)> {
    let count = model.bindings.len() as u64;
    let at = (count > 0).then(|| random.below(count))?;
    model
        .bindings
        .iter()
        .nth(at as usize)
        .map(|(id, bound)| (*id, *bound))
}

async fn modify(f: &Fixture, app: AppId, model: &mut Model, random: &mut Random) {
    let Some((id, old)) = any(model, random) else {
        return;
    };
    let mut party = || (random.below(2) == 0).then(|| person(random.below(PEOPLE)));
    let mut change = ModifyRequest::new(app, id);
    (change.a, change.b) = (party(), party());
    change.duration_s = (random.below(3) == 0).then(|| random.below(2) as u32 * 60);
    let mut new = Bound {
        a: change.a.unwrap_or(old.a),
        b: change.b.unwrap_or(old.b),
        ..old
    };
    if let Some(seconds) = change.duration_s {
        new.expires = (seconds > 0).then(|| f.clock.now() + u64::from(seconds) * 1_000);
    }
    let expected = if new.a == new.b {
        Err(BindError::SameParty)
    } else if model.taken(new.x, new.a, Some(id)) || model.taken(new.x, new.b, Some(id)) {
        Err(BindError::Bound)
    } else {
        Ok(())
    };
    assert_eq!(f.store.modify(change).await.map(|_| ()), expected);
    if expected.is_ok() {
        model.bindings.insert(id, new);
    }
}

async fn unbind(f: &Fixture, app: AppId, model: &mut Model, random: &mut Random) {
    let Some((id, _)) = any(model, random) else {
        return;
    };
    assert_eq!(f.store.unbind(app, Unbind::Subscription(id)).await, Ok(1));
    model.bindings.remove(&id);
}

async fn check(f: &Fixture, app: AppId, model: &Model, step: u32) {
    for (x, caller) in (0..NUMBERS * PEOPLE).map(|n| (private(n / PEOPLE), person(n % PEOPLE))) {
        assert_eq!(
            f.callee(x, caller),
            model.callee(x, caller),
            "step {step}: {x} called by {caller}"
        );
    }
    for x in (0..NUMBERS).map(private) {
        let page = f
            .store
            .query(
                app,
                Query::Number {
                    x,
                    a: None,
                    b: None,
                },
                1,
                100,
            )
            .await
            .expect("query");
        let stored = page
            .items
            .iter()
            .map(|b| (b.axb.subscription, b.axb.a, b.axb.b, b.axb.expires_at_ms));
        let expected = model
            .on(x)
            .map(|(id, bound)| (*id, bound.a, bound.b, bound.expires));
        assert!(stored.eq(expected), "step {step}: {x}");
        assert_eq!(page.total as usize, page.items.len());
    }
}
