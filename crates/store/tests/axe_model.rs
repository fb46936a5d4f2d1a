//! Random operations on AXE against a model of a few lines, as of AX. One digit, so that extensions run out.

mod common;

use std::collections::BTreeMap;

use axbridge_binding::{AppId, CallBack, Extension, Policy, SubscriptionId};
use axbridge_numbering::Number;
use axbridge_store::{
    AppSettings, AreaMatch, AxeBindRequest, AxeCursor, AxeKey, AxeModifyRequest, AxeSettings,
    BindError, Mode, TimeUnit,
};
use common::{Fixture, Meets, Random, person, private};

const NUMBERS: u64 = 2;
const PEOPLE: u64 = 12;
const STEPS: u32 = 500;
const MINUTE_MS: u64 = 60_000;
const REST_MS: u64 = 10 * MINUTE_MS;

#[derive(Clone, Copy)]
struct Bound {
    x: Number,
    a: Number,
    extension: u16,
    life_min: u32,
    expires: Option<u64>,
    record_min: u32,
    reached: Option<(Number, u64)>,
    number: Option<Number>,
}

#[derive(Default)]
struct Model {
    bound: BTreeMap<SubscriptionId, Bound>,
    /// (X, extension) → when it has rested.
    resting: BTreeMap<(Number, u16), u64>,
}

impl Model {
    /// What is over at this moment is as good as gone.
    fn expire(&mut self, now: u64) {
        let over = |bound: &Bound| bound.expires.filter(|at| *at <= now);
        for bound in self.bound.values() {
            if let Some(at) = over(bound) {
                let rested = at + REST_MS;
                self.resting.insert((bound.x, bound.extension), rested);
            }
        }
        self.bound.retain(|_, bound| over(bound).is_none());
    }

    fn on(&self, x: Number) -> impl Iterator<Item = &Bound> {
        self.bound.values().filter(move |bound| bound.x == x)
    }

    fn has(&self, x: Number, extension: u16) -> bool {
        self.on(x).any(|bound| bound.extension == extension)
    }

    /// The extensions that may be given out by themselves.
    fn free(&self, x: Number, now: u64) -> Vec<u16> {
        let rested = |e: &u16| self.resting.get(&(x, *e)).is_none_or(|at| *at <= now);
        let free = (1..10).filter(|e| !self.has(x, *e));
        free.filter(rested).collect()
    }

    /// Whether this bind on this X succeeds.
    fn bind(&self, x: Number, a: Number, wanted: Option<u16>, now: u64) -> Result<(), BindError> {
        if self.on(x).any(|bound| bound.a == a) {
            return Err(BindError::Bound);
        }
        let room = match wanted {
            Some(wanted) => !self.has(x, wanted),
            None => !self.free(x, now).is_empty(),
        };
        room.then_some(()).ok_or(BindError::NoExtension)
    }

    fn meets(&self, x: Number, caller: Number, now: u64) -> Meets {
        let Some(bound) = self.on(x).find(|bound| bound.a == caller) else {
            return Meets::Menu;
        };
        let life = u64::from(bound.record_min) * MINUTE_MS;
        let record = bound.reached.filter(|(_, at)| life == 0 || now < at + life);
        let callee = record.map(|(who, _)| who).or(bound.number);
        callee.map_or(Meets::Refused("8019"), |callee| Meets::Callee(callee, x))
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
        axe: AxeSettings {
            extension_digits: 1,
            ..AxeSettings::default()
        },
        ..AppSettings::default()
    };
    let app = f.app_in(Mode::Axe, "k", settings).await;
    for n in 0..NUMBERS {
        f.x(app, private(n), Some("010")).await;
    }
    let mut model = Model::default();
    for step in 0..STEPS {
        let what = random.below(40);
        match what {
            0 => f = f.reopen().await,
            1 => drop(f.store.sweep().expect("sweep")),
            2..6 => f.clock.advance_ms(random.below(4 * MINUTE_MS)),
            _ => {}
        }
        model.expire(f.clock.now());
        match what {
            6..24 => bind(&f, app, &mut model, &mut random).await,
            24..28 => modify(&f, app, &mut model, &mut random).await,
            28..33 => reach(&f, app, &mut model, &mut random, step).await,
            33..40 => unbind(&f, app, &mut model, &mut random).await,
            _ => {}
        }
        check(&f, app, &model, step).await;
    }
}

async fn bind(f: &Fixture, app: AppId, model: &mut Model, random: &mut Random) {
    let now = f.clock.now();
    let (a, x) = (person(random.below(PEOPLE)), private(random.below(NUMBERS)));
    let x = random.one_in(2).then_some(x);
    let wanted = random.one_in(4).then(|| random.below(10) as u16);
    let life_min = [0, 3, 8][random.below(3) as usize];
    let record_min = [0, 2][random.below(2) as usize];
    let number = random.one_in(3).then(|| person(random.below(PEOPLE)));
    let request = AxeBindRequest {
        app,
        a,
        x,
        area: None,
        area_match: AreaMatch::Strict,
        extension: wanted.and_then(|value| Extension::new(value, 1)),
        show_caller: false,
        call_back: number.map_or(CallBack::OfApplication, CallBack::Number),
        unit: Some(TimeUnit::Minutes),
        bind_expires: Some(life_min),
        call_back_expires: Some(record_min),
        policy: Policy::default(),
        user_data: None,
    };
    let result = f.store.axe_bind(request).await;
    let expected = match x {
        Some(x) => model.bind(x, a, wanted, now),
        None => (0..NUMBERS)
            .find_map(|n| model.bind(private(n), a, wanted, now).ok())
            .ok_or(BindError::NoNumber),
    };
    assert_eq!(result.as_ref().map(drop).map_err(Clone::clone), expected);
    let Ok(made) = result else { return };
    let made = made.axe;
    assert_eq!(
        model.bind(made.x, a, wanted, now),
        Ok(()),
        "it was not free"
    );
    let extension = made.extension.value();
    match wanted {
        Some(wanted) => assert_eq!(extension, wanted),
        None => assert!(model.free(made.x, now).contains(&extension), "it rests"),
    }
    let bound = Bound {
        x: made.x,
        a,
        extension,
        life_min,
        expires: (life_min > 0).then(|| now + u64::from(life_min) * MINUTE_MS),
        record_min,
        reached: None,
        number,
    };
    assert_eq!(made.expires_at_ms, bound.expires);
    model.bound.insert(made.subscription, bound);
}

/// One of the bindings, and one of its two keys.
fn any(model: &Model, random: &mut Random) -> Option<(SubscriptionId, AxeKey)> {
    let ids: Vec<_> = model.bound.keys().copied().collect();
    let id = random.of(&ids)?;
    let bound = model.bound[&id];
    let extension = Extension::new(bound.extension, 1).expect("an extension");
    let key = match random.one_in(2) {
        true => AxeKey::Extension(bound.x, extension),
        false => AxeKey::Subscription(id),
    };
    Some((id, key))
}

async fn modify(f: &Fixture, app: AppId, model: &mut Model, random: &mut Random) {
    let Some((id, key)) = any(model, random) else {
        return;
    };
    let mut change = AxeModifyRequest::new(app, key);
    change.bind_expires = random.of(&[None, Some(0), Some(1), Some(9)]).flatten();
    change.call_back_expires = random.of(&[None, Some(0), Some(2)]).flatten();
    let number = Some(person(random.below(PEOPLE)));
    change.call_back_num = random.of(&[None, Some(None), Some(number)]).flatten();
    let mut new = model.bound[&id];
    if let Some(life_min) = change.bind_expires {
        new.life_min = life_min;
        let ends = f.clock.now() + u64::from(life_min) * MINUTE_MS;
        new.expires = (life_min > 0).then_some(ends);
    }
    new.record_min = change.call_back_expires.unwrap_or(new.record_min);
    new.number = change.call_back_num.unwrap_or(new.number);
    let result = f.store.axe_modify(change).await.map(drop);
    if new.life_min > 0 && new.record_min > new.life_min {
        assert_eq!(result, Err(BindError::CallBackOutlives));
    } else {
        assert_eq!(result, Ok(()));
        model.bound.insert(id, new);
    }
}

async fn reach(f: &Fixture, app: AppId, model: &mut Model, random: &mut Random, step: u32) {
    let Some((id, _)) = any(model, random) else {
        return;
    };
    let caller = person(random.below(PEOPLE));
    f.reached(app, &format!("s{step}"), id, caller).await;
    let bound = model.bound.get_mut(&id).expect("it is there");
    bound.reached = Some((caller, f.clock.now()));
}

async fn unbind(f: &Fixture, app: AppId, model: &mut Model, random: &mut Random) {
    let Some((id, key)) = any(model, random) else {
        return;
    };
    assert_eq!(f.store.axe_unbind(app, key).await, Ok(()));
    let gone = model.bound.remove(&id).expect("it was there");
    let rested = f.clock.now() + REST_MS;
    model.resting.insert((gone.x, gone.extension), rested);
}

async fn check(f: &Fixture, app: AppId, model: &Model, step: u32) {
    let now = f.clock.now();
    for x in (0..NUMBERS).map(private) {
        for caller in (0..PEOPLE).map(person) {
            let expected = model.meets(x, caller, now);
            assert_eq!(
                f.meets(x, caller),
                expected,
                "step {step}: {x:?} {caller:?}"
            );
        }
        for value in 0..10 {
            let extension = Extension::new(value, 1).expect("an extension");
            let route = f.table.extension(x, extension, person(90), now);
            let callee = route.ok().map(|(route, _)| route.callee);
            let expected = model.on(x).find(|bound| bound.extension == value);
            assert_eq!(
                callee,
                expected.map(|bound| bound.a),
                "step {step}: {value}"
            );
        }
        let page = f.store.axe_page(app, x, AxeCursor::default(), 100).await;
        let mut stored: Vec<_> = (page.expect("page").items.iter())
            .map(|item| {
                (
                    item.axe.a,
                    item.axe.extension.value(),
                    item.axe.expires_at_ms,
                )
            })
            .collect();
        let all = model.on(x).map(|b| (b.a, b.extension, b.expires));
        let mut expected: Vec<_> = all.collect();
        stored.sort();
        expected.sort();
        assert_eq!(stored, expected, "step {step}: {x:?}");
        let count = f.store.axe_count(app, x).await.expect("count");
        assert_eq!(count.bound as usize, expected.len(), "step {step}");
    }
}
