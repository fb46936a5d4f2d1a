//! Random operations on AXYB against a model of a few lines, as of AX. Few numbers, so that they run out.

mod common;

use std::collections::{BTreeMap, BTreeSet};

use axbridge_binding::{AppId, CallDirection, Policy, SubscriptionId};
use axbridge_numbering::Number;
use axbridge_store::{
    AppSettings, AreaMatch, AxybBindX, AxybBindY, AxybPart, AxybQuery, BindError, Mode,
};
use common::{Fixture, Meets, Random, person, private};

const NUMBERS: u64 = 6;
const PEOPLE: u64 = 6;
const PER_A: u32 = 2;
/// Parts of one Y.
const PER_Y: usize = 2;
const STEPS: u32 = 500;

#[derive(Clone)]
struct Relation {
    x: Number,
    a: Number,
    direction: CallDirection,
    yb_duration_s: u32,
    expires: Option<u64>,
    /// B → Y and its end.
    parts: BTreeMap<Number, (Number, Option<u64>)>,
}

#[derive(Default)]
struct Model {
    relations: BTreeMap<SubscriptionId, Relation>,
    /// Y and B of parts that are over and may not be swept yet: until then B who dials Y is told that it is his own
    /// number (8032) rather than nobody's (8030). Nothing else of them is left.
    lingering: BTreeSet<(Number, Number)>,
}

fn live(until: Option<u64>, now: u64) -> bool {
    until.is_none_or(|until| now < until)
}

impl Model {
    fn expire(&mut self, now: u64) {
        for relation in self.relations.values_mut() {
            let over = relation
                .parts
                .iter()
                .filter(|(_, (_, until))| !live(*until, now));
            self.lingering.extend(over.map(|(b, (y, _))| (*y, *b)));
            relation.parts.retain(|_, (_, until)| live(*until, now));
        }
        self.relations
            .retain(|_, relation| live(relation.expires, now));
    }

    /// Every part: A, X, B, Y, direction.
    fn parts(&self) -> impl Iterator<Item = (&Relation, Number, Number)> {
        let of = |relation: &'_ Relation| {
            let parts: Vec<_> = relation.parts.iter().map(|(b, (y, _))| (*b, *y)).collect();
            parts
        };
        self.relations.values().flat_map(move |relation| {
            let parts = of(relation).into_iter();
            parts.map(move |(b, y)| (relation, b, y))
        })
    }

    fn is_free(&self, n: Number) -> bool {
        self.relations.values().all(|relation| relation.x != n)
            && self.parts().all(|(.., y)| y != n)
    }

    /// Whether this number may be the Y of a stranger of this A.
    fn may_serve(&self, n: Number, a: Number) -> bool {
        let serves: Vec<_> = self.parts().filter(|(.., y)| *y == n).collect();
        let shared = !serves.is_empty()
            && serves.len() < PER_Y
            && serves.iter().all(|(relation, ..)| relation.a != a);
        shared || self.is_free(n)
    }

    fn meets(&self, n: Number, caller: Number) -> Meets {
        let allowed =
            |relation: &Relation, from_a, callee, shown| match relation.direction.allows(from_a) {
                true => Meets::Callee(callee, shown),
                false => Meets::Refused("8016"),
            };
        for (relation, b, y) in self.parts() {
            if relation.x == n && b == caller {
                return allowed(relation, false, relation.a, y);
            }
            if y == n && relation.a == caller {
                return allowed(relation, true, b, relation.x);
            }
        }
        if let Some(relation) = self.relations.values().find(|relation| relation.x == n) {
            return match relation.direction.allows(false) {
                _ if caller == relation.a => Meets::Refused("8032"),
                true => Meets::NeedsY,
                false => Meets::Refused("8016"),
            };
        }
        match self.parts().any(|(_, b, y)| y == n && b == caller) {
            true => Meets::Refused("8032"),
            false => Meets::Refused("8030"),
        }
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
    let settings = AppSettings {
        numbers_per_a_max: PER_A,
        axyb_relations_max: PER_Y as u32,
        ..AppSettings::default()
    };
    let app = f.app_in(Mode::Axyb, "k", settings).await;
    for n in 0..NUMBERS {
        f.x(app, private(n), Some("010")).await;
    }
    let mut model = Model::default();
    for step in 0..STEPS {
        let what = random.below(40);
        match what {
            0 => {
                f = f.reopen().await;
                model.lingering.clear();
            }
            1 => {
                f.store.sweep().expect("sweep");
                model.lingering.clear();
            }
            2..7 => f.clock.advance_ms(random.below(40_000)),
            _ => {}
        }
        model.expire(f.clock.now());
        match what {
            7..15 => bind_x(&f, app, &mut model, &mut random).await,
            15..33 => bind_y(&f, app, &mut model, &mut random).await,
            33..37 => unbind_part(&f, app, &mut model, &mut random).await,
            37..40 => unbind(&f, app, &mut model, &mut random).await,
            _ => {}
        }
        check(&f, app, &model, step).await;
    }
}

async fn bind_x(f: &Fixture, app: AppId, model: &mut Model, random: &mut Random) {
    let a = person(random.below(PEOPLE));
    let direction = random.of(&[
        CallDirection::Both,
        CallDirection::Both,
        CallDirection::CallerOnly,
        CallDirection::CalleeOnly,
    ]);
    let request = AxybBindX {
        app,
        a,
        area: None,
        area_match: AreaMatch::Strict,
        direction: direction.expect("one of four"),
        duration_s: [0, 60, 200][random.below(3) as usize],
        yb_duration_s: [0, 30][random.below(2) as usize],
        policy: Policy::default(),
        user_data: None,
    };
    let asked = request.clone();
    let held = model
        .relations
        .values()
        .filter(|relation| relation.a == a)
        .count() as u32;
    let expected = match (0..NUMBERS).any(|n| model.is_free(private(n))) {
        _ if held >= PER_A => Err(BindError::TooManyNumbers),
        false => Err(BindError::NoNumber),
        true => Ok(()),
    };
    let result = f.store.axyb_bind_x(request).await;
    assert_eq!(result.as_ref().map(drop).map_err(Clone::clone), expected);
    let Ok(made) = result else { return };
    assert!(model.is_free(made.x), "a taken X was given");
    let ends = f.clock.now() + u64::from(asked.duration_s) * 1_000;
    let relation = Relation {
        x: made.x,
        a,
        direction: asked.direction,
        yb_duration_s: asked.yb_duration_s,
        expires: (asked.duration_s > 0).then_some(ends),
        parts: BTreeMap::new(),
    };
    assert_eq!(made.expires_at_ms, relation.expires);
    model.relations.insert(made.subscription, relation);
}

fn any(model: &Model, random: &mut Random) -> Option<SubscriptionId> {
    let ids: Vec<_> = model.relations.keys().copied().collect();
    random.of(&ids)
}

/// By the customer, or for a stranger who calls.
async fn bind_y(f: &Fixture, app: AppId, model: &mut Model, random: &mut Random) {
    let Some(id) = any(model, random) else { return };
    let relation = model.relations[&id].clone();
    let b = person(random.below(PEOPLE));
    let there = relation.parts.get(&b).copied();
    let room = (0..NUMBERS).any(|n| model.may_serve(private(n), relation.a));
    let called = random.one_in(2);
    let result = if called {
        f.store.axyb_allocate_y(app, id, b).await
    } else {
        let request = AxybBindY {
            app,
            subscription: id,
            b,
            area: None,
            area_match: AreaMatch::Strict,
            yb_duration_s: None,
            pre_voice_y: None,
            user_data: None,
        };
        f.store.axyb_bind_y(request).await
    };
    let expected = match there {
        Some(_) if called => Ok(()),
        Some(_) => Err(BindError::Bound),
        None if b == relation.a => Err(BindError::SameParty),
        None if !room => Err(BindError::NoNumber),
        None => Ok(()),
    };
    assert_eq!(result.as_ref().map(drop).map_err(Clone::clone), expected);
    let Ok(made) = result else { return };
    let part = made.yb.expect("a part");
    if let Some(there) = there {
        assert_eq!((part.y, part.expires_at_ms), there, "he keeps his Y");
        return;
    }
    assert!(model.may_serve(part.y, relation.a), "a taken Y was given");
    let ends = f.clock.now() + u64::from(relation.yb_duration_s) * 1_000;
    let own = (relation.yb_duration_s > 0).then_some(ends);
    let until = own.into_iter().chain(relation.expires).min();
    assert_eq!(part.expires_at_ms, until);
    let relation = model.relations.get_mut(&id).expect("it is there");
    relation.parts.insert(b, (part.y, until));
}

async fn unbind_part(f: &Fixture, app: AppId, model: &mut Model, random: &mut Random) {
    let Some(id) = any(model, random) else { return };
    let relation = model.relations.get_mut(&id).expect("it is there");
    let b = person(random.below(PEOPLE));
    let gone = relation.parts.remove(&b);
    let part = match gone {
        Some((y, _)) if random.one_in(2) => AxybPart::Y(y),
        _ => AxybPart::B(b),
    };
    let expected = gone.map(drop).ok_or(BindError::NotFound);
    assert_eq!(f.store.axyb_unbind(app, id, part).await, expected);
}

async fn unbind(f: &Fixture, app: AppId, model: &mut Model, random: &mut Random) {
    let Some(id) = any(model, random) else { return };
    let whole = AxybPart::Whole;
    assert_eq!(f.store.axyb_unbind(app, id, whole).await, Ok(()));
    model.relations.remove(&id);
}

async fn check(f: &Fixture, app: AppId, model: &Model, step: u32) {
    for n in (0..NUMBERS).map(private) {
        for caller in (0..PEOPLE).map(person) {
            let (met, expected) = (f.meets(n, caller), model.meets(n, caller));
            let lingers = model.lingering.contains(&(n, caller))
                && (met, expected) == (Meets::Refused("8032"), Meets::Refused("8030"));
            assert!(
                met == expected || lingers,
                "step {step}: {n:?} called by {caller:?}: {met:?}, not {expected:?}"
            );
        }
        let found = f.store.axyb_query(app, AxybQuery::Number(n), 100).await;
        let relation = model.relations.iter().find(|(_, relation)| relation.x == n);
        let Some((id, relation)) = relation else {
            assert_eq!(found, Err(BindError::NotFound), "step {step}");
            continue;
        };
        let found = found.expect("query");
        assert!(
            found
                .iter()
                .all(|r| r.subscription == *id && r.a == relation.a)
        );
        let parts = found.iter().filter_map(|relation| relation.yb);
        let stored: BTreeMap<_, _> = parts.map(|yb| (yb.b, (yb.y, yb.expires_at_ms))).collect();
        assert_eq!(stored, relation.parts, "step {step}");
    }
}
