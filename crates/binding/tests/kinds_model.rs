//! Every kind of binding against the plainest thing that could be right: lists that are searched.

mod common;

use axbridge_binding::{
    AppId, Ax, Axe, AxybX, AxybY, CallBack, CallDirection, Decision, Reached, Refusal, RouteKind,
    SubscriptionId, Table, Temporary,
};
use axbridge_numbering::Number;
use common::{ax, axe, axyb_x, axyb_y, caller, extension, of_mode, policy, x};
use proptest::prelude::*;

/// Numbers of each mode: AX 0..3, AXE 10..12, AXYB 20..26.
const AX: u64 = 0;
const AXE: u64 = 10;
const AXYB_X: u64 = 20;
const AXYB_Y: u64 = 23;
const PEOPLE: u64 = 8;

#[derive(Clone, Debug)]
enum Step {
    Ax {
        x: u64,
        a: u64,
        way: u8,
        off: bool,
        named: Option<(u64, u64)>,
        last: Option<u64>,
    },
    Axe {
        x: u64,
        id: u128,
        a: u64,
        e: u16,
        life: Option<u64>,
        reached: Option<(u64, Option<u64>)>,
        to: u8,
    },
    AxybX {
        x: u64,
        a: u64,
        way: u8,
        life: Option<u64>,
    },
    AxybY {
        x: u64,
        y: u64,
        b: u64,
        life: Option<u64>,
    },
    Unbind {
        kind: u8,
        at: usize,
    },
    CallBack {
        on: bool,
    },
    Sweep {
        budget: usize,
    },
    Later {
        ms: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let life = || proptest::option::of(1..300u64);
    prop_oneof![
        4 => (0..3u64, 0..PEOPLE, 0..3u8, any::<bool>(), proptest::option::of((0..PEOPLE, 1..200u64)), proptest::option::of(0..PEOPLE))
            .prop_map(|(x, a, way, off, named, last)| Step::Ax { x, a, way, off, named, last }),
        6 => (0..2u64, 0..4u128, 0..PEOPLE, 0..6u16, life(), proptest::option::of((0..PEOPLE, life())), 0..3u8)
            .prop_map(|(x, id, a, e, life, reached, to)| Step::Axe { x, id, a, e, life, reached, to }),
        3 => (0..3u64, 0..PEOPLE, 0..3u8, life()).prop_map(|(x, a, way, life)| Step::AxybX { x, a, way, life }),
        6 => (0..3u64, 0..3u64, 0..PEOPLE, life()).prop_map(|(x, y, b, life)| Step::AxybY { x, y, b, life }),
        3 => (0..4u8, any::<usize>()).prop_map(|(kind, at)| Step::Unbind { kind, at }),
        1 => any::<bool>().prop_map(|on| Step::CallBack { on }),
        2 => (1..20_000usize).prop_map(|budget| Step::Sweep { budget }),
        3 => (0..60u64).prop_map(|ms| Step::Later { ms }),
    ]
}

#[derive(Default)]
struct Model {
    ax: Vec<Ax>,
    axe: Vec<Axe>,
    axyb_x: Vec<AxybX>,
    axyb_y: Vec<AxybY>,
    ids: u128,
    calls_back: bool,
    wall_ms: u64,
}

fn way(way: u8) -> CallDirection {
    CallDirection::try_from(way).expect("known")
}

impl Model {
    fn live(&self, until: Option<u64>) -> bool {
        until.is_none_or(|until| self.wall_ms < until)
    }

    /// In words that compare.
    fn decide(&self, x: Number, who: Number) -> String {
        if let Some(ax) = self.ax.iter().find(|ax| ax.x == x) {
            let named = ax
                .temporary
                .as_ref()
                .filter(|t| self.live(Some(t.until_ms)));
            return match who == ax.a {
                is_a if !ax.direction.allows(is_a) => "wrong way".into(),
                false if ax.turned_off => "off".into(),
                false => format!("{} as {} 0", ax.a.reveal(), x.reveal()),
                true => match (named, self.calls_back, ax.last_caller) {
                    (Some(named), ..) => format!("{} as {} 1", named.callee.reveal(), x.reveal()),
                    (None, true, Some(last)) => format!("{} as {} 1", last.reveal(), x.reveal()),
                    (None, true, None) => "no call back".into(),
                    (None, false, _) => "no temporary".into(),
                },
            };
        }
        if x >= common::x(AXE) && x < common::x(AXYB_X) {
            return self.decide_axe(x, who);
        }
        if x >= common::x(AXYB_X) {
            return self.decide_axyb(x, who);
        }
        "no ax".into()
    }

    fn decide_axe(&self, x: Number, who: Number) -> String {
        let mut there = self.axe.iter().filter(|axe| axe.x == x && axe.a == who);
        let Some(axe) = there.find(|axe| self.live(axe.expires_at_ms)) else {
            return "menu".into();
        };
        let record = axe.reached.filter(|reached| self.live(reached.until_ms));
        let callee = match (record, &axe.otherwise) {
            (Some(record), _) => record.caller,
            (None, CallBack::Number(number)) => *number,
            (None, CallBack::Tone(tone)) => return format!("tone {tone}"),
            (None, CallBack::OfApplication) => return "no call back".into(),
        };
        format!("{} as {} 1", callee.reveal(), x.reveal())
    }

    fn extension(&self, x: Number, e: u16) -> String {
        let mut there = self
            .axe
            .iter()
            .filter(|axe| axe.x == x && axe.extension == extension(e));
        match there.find(|axe| self.live(axe.expires_at_ms)) {
            Some(axe) => format!("{} as {} 0", axe.a.reveal(), x.reveal()),
            None => "bad extension".into(),
        }
    }

    fn decide_axyb(&self, x: Number, who: Number) -> String {
        for part in self
            .axyb_y
            .iter()
            .filter(|part| self.live(part.expires_at_ms))
        {
            let (callee, display, is_a) =
                match (part.x == x && part.b == who, part.y == x && part.a == who) {
                    (true, _) => (part.a, part.y, false),
                    (_, true) => (part.b, part.x, true),
                    _ => continue,
                };
            return match part.direction.allows(is_a) {
                true => format!(
                    "{} as {} {}",
                    callee.reveal(),
                    display.reveal(),
                    u8::from(is_a)
                ),
                false => "wrong way".into(),
            };
        }
        let first = self
            .axyb_x
            .iter()
            .find(|part| part.x == x && self.live(part.expires_at_ms));
        match first {
            Some(part) if part.a == who => "self".into(),
            Some(part) if part.direction.allows(false) => "allocate".into(),
            Some(_) => "wrong way".into(),
            None if self.axyb_y.iter().any(|part| part.y == x && part.b == who) => "self".into(),
            None => "no axyb".into(),
        }
    }
}

fn words(answer: Result<Decision, Refusal>) -> String {
    match answer {
        Ok(Decision::Connect(route, _)) => format!(
            "{} as {} {}",
            route.callee.reveal(),
            route.display.reveal(),
            route.direction
        ),
        Ok(Decision::Menu { .. }) => "menu".into(),
        Ok(Decision::AllocateY { .. }) => "allocate".into(),
        Ok(Decision::PlayAndEnd { tone, .. }) => format!("tone {tone}"),
        Err(Refusal::WrongDirection { .. }) => "wrong way".into(),
        Err(Refusal::TurnedOff { .. }) => "off".into(),
        Err(Refusal::NoCallBack { .. }) => "no call back".into(),
        Err(Refusal::NoTemporaryCallee { .. }) => "no temporary".into(),
        Err(Refusal::NoAxBinding { .. }) => "no ax".into(),
        Err(Refusal::BadExtension { .. }) => "bad extension".into(),
        Err(Refusal::SelfCall { .. }) => "self".into(),
        Err(Refusal::NoAxybBinding { .. }) => "no axyb".into(),
        other => panic!("{other:?}"),
    }
}

fn apply(table: &Table, model: &mut Model, step: Step) {
    let now = model.wall_ms;
    match step {
        Step::Ax {
            x,
            a,
            way: direction,
            off,
            named,
            last,
        } => {
            let mut new = ax(AX + x, 1_000 + u128::from(x), a);
            new.direction = way(direction);
            new.turned_off = off;
            new.temporary = named.map(|(callee, ms)| Temporary {
                callee: caller(callee),
                until_ms: now + ms,
                user_data: None,
            });
            new.last_caller = last.map(caller);
            table.publish_ax(&new).expect("published");
            model.ax.retain(|old| old.x != new.x);
            model.ax.push(new);
        }
        Step::Axe {
            x,
            id,
            a,
            e,
            life,
            reached,
            to,
        } => {
            let mut new = axe(AXE + x, 2_000 + id * 2 + u128::from(x), a, e);
            new.expires_at_ms = life.map(|ms| now + ms);
            new.reached = reached.map(|(who, ms)| Reached {
                caller: caller(who),
                until_ms: ms.map(|ms| now + ms),
            });
            new.otherwise = match to {
                0 => CallBack::OfApplication,
                1 => CallBack::Tone("t.wav".into()),
                _ => CallBack::Number(caller(99)),
            };
            new.policy = policy(e);
            table.publish_axe(&new).expect("published");
            model.axe.retain(|old| {
                let same_key = old.a == new.a || old.extension == new.extension;
                old.x != new.x || !(same_key || old.subscription == new.subscription)
            });
            model.axe.push(new);
        }
        Step::AxybX {
            x,
            a,
            way: direction,
            life,
        } => {
            model.ids += 1;
            let mut new = axyb_x(AXYB_X + x, 10_000 + model.ids, a);
            new.direction = way(direction);
            new.expires_at_ms = life.map(|ms| now + ms);
            // As the store does it: what the new one replaces goes with all its parts.
            let gone = |old: &AxybX| old.x == new.x;
            for old in model.axyb_x.iter().filter(|old| gone(old)) {
                table.withdraw(old.x, old.subscription);
                for part in model
                    .axyb_y
                    .iter()
                    .filter(|part| part.subscription == old.subscription)
                {
                    table.withdraw_axyb_y(part.x, part.y, part.id);
                }
                model
                    .axyb_y
                    .retain(|part| part.subscription != old.subscription);
            }
            model.axyb_x.retain(|old| !gone(old));
            table.publish_axyb_x(&new).expect("published");
            model.axyb_x.push(new);
        }
        Step::AxybY { x, y, b, life } => {
            let Some(first) = model
                .axyb_x
                .iter()
                .find(|first| first.x == common::x(AXYB_X + x))
            else {
                return;
            };
            model.ids += 1;
            let mut new = axyb_y(first, 10_000 + model.ids, AXYB_Y + y, b);
            new.expires_at_ms = life
                .map(|ms| now + ms)
                .into_iter()
                .chain(first.expires_at_ms)
                .min();
            let taken = model
                .axyb_y
                .iter()
                .any(|old| old.x == new.x && old.b == new.b || old.y == new.y && old.a == new.a);
            if taken || new.a == new.b {
                return;
            }
            table.publish_axyb_y(&new).expect("published");
            model.axyb_y.push(new);
        }
        Step::Unbind { kind: 0, at } if !model.ax.is_empty() => {
            let old = model.ax.remove(at % model.ax.len());
            assert!(table.withdraw(old.x, old.subscription));
        }
        Step::Unbind { kind: 1, at } if !model.axe.is_empty() => {
            let old = model.axe.remove(at % model.axe.len());
            table.withdraw(old.x, old.subscription);
        }
        Step::Unbind { kind: 2, at } if !model.axyb_y.is_empty() => {
            let old = model.axyb_y.remove(at % model.axyb_y.len());
            table.withdraw_axyb_y(old.x, old.y, old.id);
        }
        Step::Unbind { .. } => {}
        Step::CallBack { on } => {
            table.set_call_back(AppId(1), on);
            model.calls_back = on;
        }
        Step::Sweep { budget } => {
            for expired in table.sweep(now, budget).expired {
                let over = |id: SubscriptionId, until: Option<u64>| {
                    id == expired.subscription && until.is_some_and(|until| until <= now)
                };
                let known = model
                    .axe
                    .iter()
                    .any(|b| over(b.subscription, b.expires_at_ms))
                    || model
                        .axyb_x
                        .iter()
                        .any(|b| over(b.subscription, b.expires_at_ms))
                    || model.axyb_y.iter().any(|b| over(b.id, b.expires_at_ms));
                assert!(known, "only what is over is swept");
            }
        }
        Step::Later { ms } => model.wall_ms += ms,
    }
}

fn compare(table: &Table, model: &Model) {
    let now = model.wall_ms;
    let numbers = (AX..AX + 3).chain(AXE..AXE + 2).chain(AXYB_X..AXYB_X + 6);
    for (number, who) in numbers.flat_map(|n| (0..PEOPLE).map(move |who| (x(n), caller(who)))) {
        let (expected, answer) = (
            model.decide(number, who),
            words(table.decide(number, who, now)),
        );
        // Whose own number a Y was that is over is known until the sweep comes by.
        let either = expected == "self" && answer == "no axyb";
        assert!(
            either || answer == expected,
            "{answer:?} is not {expected:?}"
        );
    }
    for (number, e) in (AXE..AXE + 2).flat_map(|n| (0..6).map(move |e| (x(n), e))) {
        let keyed = table.extension(number, extension(e), caller(77), now);
        let answer = words(keyed.map(|(route, policy)| Decision::Connect(route, policy)));
        assert_eq!(answer, model.extension(number, e));
    }
}

fn numbers(table: &Table) {
    for (from, to, mode) in [
        (AX, AX + 3, RouteKind::Ax),
        (AXE, AXE + 2, RouteKind::Axe),
        (AXYB_X, AXYB_X + 6, RouteKind::Axyb),
    ] {
        for number in from..to {
            table.set_number(x(number), of_mode(1, mode));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn table_and_model_agree(steps in proptest::collection::vec(step(), 1..100), seed: u64) {
        let table = Table::with_seed(0, seed);
        numbers(&table);
        let mut model = Model::default();
        for step in steps {
            apply(&table, &mut model, step);
            compare(&table, &model);
        }
        // Everything goes: nothing may be left.
        for part in &model.axyb_y {
            table.withdraw_axyb_y(part.x, part.y, part.id);
        }
        let rest = model.ax.iter().map(|b| (b.x, b.subscription));
        let rest = rest.chain(model.axe.iter().map(|b| (b.x, b.subscription)));
        for (x, id) in rest.chain(model.axyb_x.iter().map(|b| (b.x, b.subscription))) {
            table.withdraw(x, id);
        }
        let stats = table.stats();
        prop_assert_eq!((stats.bindings, stats.directions, stats.other_kinds), (0, 0, 0));
    }
}
