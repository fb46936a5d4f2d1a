//! The table against the plainest thing that could be right: two maps and a list.

mod common;

use axbridge_binding::{
    AppId, Axb, CallDirection, NumberInfo, NumberStatus, Refusal, SubscriptionId, Table, TrunkId,
};
use common::{axb, caller, policy, x};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug)]
enum Step {
    Publish {
        x: u64,
        subscription: u128,
        a: u64,
        b: u64,
        direction: u8,
        expires: Option<u64>,
        minutes: u16,
        text: bool,
    },
    Withdraw {
        x: u64,
        subscription: u128,
    },
    SetNumber {
        x: u64,
        status: u8,
    },
    RemoveNumber {
        x: u64,
    },
    Sweep,
    SweepSome {
        budget: usize,
    },
    Later {
        ms: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let publish = (
        0..4u64,
        0..25u128,
        0..20u64,
        0..20u64,
        0..3u8,
        proptest::option::of(0..400u64),
        0..3u16,
        any::<bool>(),
    )
        .prop_map(
            |(x, subscription, a, b, direction, expires, minutes, text)| Step::Publish {
                // X of a subscription never changes.
                x: (x + subscription as u64) % 4,
                subscription: subscription * 4 + u128::from(x),
                a,
                b,
                direction,
                expires,
                minutes,
                text,
            },
        );
    prop_oneof![
        12 => publish,
        3 => (0..4u64, 0..100u128).prop_map(|(x, subscription)| Step::Withdraw { x, subscription }),
        1 => (0..4u64, 9..12u8).prop_map(|(x, status)| Step::SetNumber { x, status }),
        3 => (0..4u64).prop_map(|x| Step::SetNumber { x, status: 5 }),
        1 => (0..4u64).prop_map(|x| Step::RemoveNumber { x }),
        1 => Just(Step::Sweep),
        1 => (1..50usize).prop_map(|budget| Step::SweepSome { budget }),
        2 => (0..50u64).prop_map(|ms| Step::Later { ms }),
    ]
}

#[derive(Default)]
struct Model {
    numbers: BTreeMap<u64, NumberInfo>,
    bindings: BTreeMap<SubscriptionId, Axb>,
    wall_ms: u64,
}

impl Model {
    fn publish(&mut self, new: Axb) {
        let parties = [new.a, new.b];
        self.bindings.retain(|_, old| {
            old.x != new.x || !(parties.contains(&old.a) || parties.contains(&old.b))
        });
        self.bindings.insert(new.subscription, new);
    }

    fn expired(&self) -> BTreeSet<SubscriptionId> {
        let due = |axb: &&Axb| axb.expires_at_ms.is_some_and(|at| at <= self.wall_ms);
        self.bindings
            .values()
            .filter(due)
            .map(|axb| axb.subscription)
            .collect()
    }

    /// What a caller meets, in words that compare.
    fn answer(&self, x_number: u64, party: u64) -> String {
        let Some(info) = self.numbers.get(&x_number) else {
            return "unknown".into();
        };
        if !info.status.serves_calls() {
            return format!("unusable {:?}", info.app);
        }
        let party = caller(party);
        let binding = self.bindings.values().find(|axb| {
            axb.x == x(x_number)
                && (axb.a == party || axb.b == party)
                && axb.expires_at_ms.is_none_or(|at| self.wall_ms < at)
        });
        let Some(axb) = binding else {
            return format!("unbound {:?}", info.app);
        };
        let is_a = axb.a == party;
        let callee = if is_a { axb.b } else { axb.a };
        match axb.direction.allows(is_a) {
            true => format!(
                "{:?} {:?} {} {is_a} {} {:?} {:?}",
                info.app,
                info.trunk,
                callee.reveal(),
                axb.subscription,
                axb.policy,
                axb.user_data
            ),
            false => format!(
                "wrong way {:?} {} {:?}",
                info.app, axb.subscription, axb.user_data
            ),
        }
    }
}

fn table_answer(table: &Table, x_number: u64, party: u64, wall_ms: u64) -> String {
    let plain = table.route(x(x_number), caller(party), wall_ms);
    let answer = table.route_with_policy(x(x_number), caller(party), wall_ms);
    assert_eq!(plain.as_ref().err(), answer.as_ref().err());
    assert_eq!(
        plain.as_ref().ok(),
        answer.as_ref().ok().map(|(route, _)| route)
    );
    match answer {
        Ok((route, policy)) => {
            assert_eq!(route.display, x(x_number));
            assert_eq!(table.policy(route.policy).as_deref(), Some(&*policy));
            format!(
                "{:?} {:?} {} {} {} {policy:?} {:?}",
                route.app,
                route.trunk,
                route.callee.reveal(),
                route.caller_is_a,
                route.subscription.expect("bound"),
                route.user_data
            )
        }
        Err(Refusal::UnknownNumber) => "unknown".into(),
        Err(Refusal::NumberUnusable { app }) => format!("unusable {app:?}"),
        Err(Refusal::NoBinding { app }) => format!("unbound {app:?}"),
        Err(Refusal::WrongDirection {
            app,
            subscription,
            user_data,
        }) => {
            format!("wrong way {app:?} {subscription} {user_data:?}")
        }
        Err(other) => panic!("{other:?}"),
    }
}

fn apply(table: &Table, model: &mut Model, step: Step) {
    match step {
        Step::Publish {
            x,
            subscription,
            a,
            b,
            direction,
            expires,
            minutes,
            text,
        } => {
            let mut new = axb(x, subscription, a, b);
            new.direction = CallDirection::try_from(direction).expect("known");
            new.expires_at_ms = expires.map(|ms| model.wall_ms + ms);
            new.policy = policy(minutes);
            new.user_data = text.then(|| format!("text {subscription} {minutes}").into());
            assert_eq!(table.publish_axb(&new).is_ok(), a != b);
            if a != b {
                model.bindings.remove(&new.subscription);
                model.publish(new);
            }
        }
        Step::Withdraw {
            x: x_number,
            subscription,
        } => {
            let subscription = SubscriptionId(subscription);
            let there = model
                .bindings
                .get(&subscription)
                .is_some_and(|axb| axb.x == x(x_number));
            assert_eq!(table.withdraw(x(x_number), subscription), there);
            if there {
                model.bindings.remove(&subscription);
            }
        }
        Step::SetNumber {
            x: x_number,
            status,
        } => {
            let status = NumberStatus::try_from(status).expect("known");
            let info = NumberInfo {
                app: AppId(x_number as u32),
                status,
                trunk: TrunkId(3),
                mode: axbridge_binding::RouteKind::Axb,
                area: None,
            };
            table.set_number(x(x_number), info);
            model.numbers.insert(x_number, info);
        }
        Step::RemoveNumber { x: x_number } => {
            assert_eq!(
                table.remove_number(x(x_number)),
                model.numbers.remove(&x_number).is_some()
            );
        }
        Step::Sweep => sweep_all(table, model),
        Step::SweepSome { budget } => {
            let due = model.expired();
            for expired in table.sweep(model.wall_ms, budget).expired {
                assert!(due.contains(&expired.subscription));
                assert!(
                    model.bindings.remove(&expired.subscription).is_some(),
                    "reported once"
                );
            }
        }
        Step::Later { ms } => model.wall_ms += ms,
    }
}

fn sweep_all(table: &Table, model: &mut Model) {
    let due = model.expired();
    let mut swept = BTreeSet::new();
    // To the end of the round that may be under way, and once through.
    for _ in 0..2 {
        loop {
            let step = table.sweep(model.wall_ms, 1_000);
            for expired in step.expired {
                assert!(swept.insert(expired.subscription), "reported once");
            }
            if step.wrapped {
                break;
            }
        }
    }
    assert_eq!(swept, due);
    model
        .bindings
        .retain(|subscription, _| !due.contains(subscription));
}

fn compare(table: &Table, model: &Model) {
    for x_number in 0..4 {
        assert_eq!(
            table.number(x(x_number)),
            model.numbers.get(&x_number).copied()
        );
        for party in 0..20 {
            let expected = model.answer(x_number, party);
            assert_eq!(
                table_answer(table, x_number, party, model.wall_ms),
                expected
            );
        }
    }
    let stats = table.stats();
    assert_eq!(stats.bindings, model.bindings.len(), "{stats:?}");
    assert_eq!(stats.directions, 2 * model.bindings.len());
    assert_eq!(stats.numbers, model.numbers.len());
    let texts = model
        .bindings
        .values()
        .filter(|axb| axb.user_data.is_some())
        .count();
    assert_eq!(stats.user_data, texts);
    assert!(stats.directions <= stats.direction_slots);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn table_and_model_agree(steps in proptest::collection::vec(step(), 1..120), seed: u64) {
        let table = Table::with_seed(0, seed);
        let mut model = Model::default();
        for step in steps {
            apply(&table, &mut model, step);
            compare(&table, &model);
        }
    }
}
