//! What each kind of binding answers, case by case.

mod common;

use axbridge_binding::{
    AppId, CallBack, CallDirection, Decision, NumberStatus, Reached, Refusal, Route, RouteKind,
    SubscriptionId, Table, Temporary, TrunkId,
};
use axbridge_numbering::Number;
use common::{ax, axb, axe, axyb_x, axyb_y, caller, extension, of_mode, policy, x};

const APP: AppId = AppId(1);

/// Ten numbers of this mode, each on a trunk of its own.
fn table(mode: RouteKind) -> Table {
    let table = Table::with_seed(0, 4);
    for index in 0..10 {
        let mut info = of_mode(1, mode);
        info.trunk = TrunkId(index as u16);
        table.set_number(x(index), info);
    }
    table
}

fn route(table: &Table, x: Number, from: Number, wall_ms: u64) -> Route {
    match table.decide(x, from, wall_ms) {
        Ok(Decision::Connect(route, policy)) => {
            assert_eq!(table.policy(route.policy), Some(policy));
            route
        }
        other => panic!("{other:?}"),
    }
}

fn refusal(table: &Table, x: Number, from: Number, wall_ms: u64) -> Refusal {
    table.decide(x, from, wall_ms).expect_err("refused")
}

#[test]
fn each_mode_says_what_an_unbound_number_is() {
    let (from, x) = (caller(1), x(3));
    let app = APP;
    let answers = [
        (RouteKind::Axb, Err(Refusal::NoBinding { app })),
        (RouteKind::Ax, Err(Refusal::NoAxBinding { app })),
        (RouteKind::Axe, Ok(Decision::Menu { app, x })),
        (RouteKind::Axyb, Err(Refusal::NoAxybBinding { app })),
    ];
    for (mode, expected) in answers {
        assert_eq!(table(mode).decide(x, from, 0), expected);
    }
    let asked = Decision::AskCustomer {
        app,
        x,
        trunk: TrunkId(3),
    };
    let table = table(RouteKind::X);
    assert_eq!(table.decide(x, from, 0), Ok(asked));
    assert_eq!(
        table.decide(common::x(77), from, 0),
        Err(Refusal::UnknownNumber)
    );
    for (status, served) in [
        (NumberStatus::Suspended, false),
        (NumberStatus::Unavailable, false),
        (NumberStatus::Frozen, true),
    ] {
        let info = axbridge_binding::NumberInfo {
            status,
            ..of_mode(1, RouteKind::X)
        };
        table.set_number(x, info);
        assert_eq!(table.decide(x, from, 0).is_ok(), served, "{status:?}");
        let keyed = table.extension(x, extension(7), from, 0);
        let expected = match served {
            true => Refusal::BadExtension { app },
            false => Refusal::NumberUnusable { app },
        };
        assert_eq!(keyed, Err(expected));
    }
}

#[test]
fn a_binding_of_another_mode_is_not_served() {
    let table = table(RouteKind::Axe);
    table.publish_axb(&axb(0, 1, 1, 2)).expect("published");
    let (app, x) = (APP, x(0));
    assert_eq!(table.decide(x, caller(1), 0), Ok(Decision::Menu { app, x }));
    let refused = table.route(x, caller(1), 0);
    assert_eq!(refused, Err(Refusal::NoBinding { app }));
}

#[test]
fn ax_connects_everybody_to_a() {
    let table = table(RouteKind::Ax);
    let mut binding = ax(0, 1, 1);
    binding.policy = policy(7);
    binding.user_data = Some("order".into());
    table.publish_ax(&binding).expect("published");
    for stranger in [2, 3] {
        let to_a = route(&table, x(0), caller(stranger), 0);
        assert_eq!((to_a.callee, to_a.display), (caller(1), x(0)));
        assert_eq!((to_a.kind, to_a.direction), (RouteKind::Ax, 0));
        assert_eq!(to_a.subscription, Some(SubscriptionId(1)));
        assert_eq!(to_a.user_data.as_deref(), Some("order"));
        assert!(!to_a.show_caller && !to_a.caller_is_a);
    }
    binding.show_caller = true;
    table.publish_ax(&binding).expect("changed");
    assert!(route(&table, x(0), caller(2), 0).show_caller);
    binding.turned_off = true;
    table.publish_ax(&binding).expect("changed");
    let off = refusal(&table, x(0), caller(2), 0);
    assert!(matches!(off, Refusal::TurnedOff { .. }));
    assert_eq!(off.binding().expect("named").0, SubscriptionId(1));
    assert_eq!((table.stats().bindings, table.stats().other_kinds), (1, 1));
    assert!(table.withdraw(x(0), SubscriptionId(1)));
    assert_eq!(
        refusal(&table, x(0), caller(2), 0),
        Refusal::NoAxBinding { app: APP }
    );
    assert_eq!(
        (table.stats().directions, table.stats().other_kinds),
        (0, 0)
    );
}

#[test]
fn a_of_ax_reaches_the_temporary_callee_until_its_end() {
    let table = table(RouteKind::Ax);
    let mut binding = ax(0, 1, 1);
    binding.show_caller = true;
    binding.user_data = Some("binding".into());
    table.publish_ax(&binding).expect("published");
    let none = refusal(&table, x(0), caller(1), 0);
    assert!(matches!(none, Refusal::NoTemporaryCallee { .. }));
    let mut temporary = Temporary {
        callee: caller(9),
        until_ms: 500,
        user_data: None,
    };
    binding.temporary = Some(temporary.clone());
    table.publish_ax(&binding).expect("named");
    let from_a = route(&table, x(0), caller(1), 499);
    assert_eq!((from_a.callee, from_a.direction), (caller(9), 1));
    assert!(from_a.caller_is_a && !from_a.show_caller);
    assert_eq!(from_a.user_data.as_deref(), Some("binding"));
    let late = refusal(&table, x(0), caller(1), 500);
    assert!(matches!(late, Refusal::NoTemporaryCallee { .. }));
    temporary.user_data = Some("call".into());
    binding.temporary = Some(temporary);
    table.publish_ax(&binding).expect("named");
    let from_a = route(&table, x(0), caller(1), 499);
    assert_eq!(from_a.user_data.as_deref(), Some("call"));
}

#[test]
fn a_of_ax_calls_back_only_where_the_application_does() {
    let table = table(RouteKind::Ax);
    let mut binding = ax(0, 1, 1);
    table.publish_ax(&binding).expect("published");
    table.set_call_back(APP, true);
    let nobody = refusal(&table, x(0), caller(1), 0);
    assert!(matches!(nobody, Refusal::NoCallBack { .. }));
    binding.last_caller = Some(caller(5));
    table.publish_ax(&binding).expect("learned");
    assert_eq!(route(&table, x(0), caller(1), 0).callee, caller(5));
    table.set_call_back(APP, false);
    let nobody = refusal(&table, x(0), caller(1), 0);
    assert!(matches!(nobody, Refusal::NoTemporaryCallee { .. }));
}

#[test]
fn ax_directions_hold() {
    let table = table(RouteKind::Ax);
    let mut binding = ax(0, 1, 1);
    binding.temporary = Some(Temporary {
        callee: caller(9),
        until_ms: 500,
        user_data: None,
    });
    for (direction, a_may, others_may) in [
        (CallDirection::CallerOnly, true, false),
        (CallDirection::CalleeOnly, false, true),
    ] {
        binding.direction = direction;
        table.publish_ax(&binding).expect("published");
        assert_eq!(table.decide(x(0), caller(1), 0).is_ok(), a_may);
        assert_eq!(table.decide(x(0), caller(2), 0).is_ok(), others_may);
        let refused = if a_may { caller(2) } else { caller(1) };
        let wrong = refusal(&table, x(0), refused, 0);
        assert!(matches!(wrong, Refusal::WrongDirection { .. }));
    }
}

#[test]
fn axe_finds_a_by_extension_and_calls_back_the_last_caller() {
    let table = table(RouteKind::Axe);
    let mut binding = axe(0, 1, 1, 7);
    table.publish_axe(&binding).expect("published");
    table.publish_axe(&axe(0, 2, 2, 8)).expect("published");
    let keyed = |value, at| table.extension(x(0), extension(value), caller(5), at);
    let (to_a, _) = keyed(7, 0).expect("bound");
    assert_eq!((to_a.callee, to_a.direction), (caller(1), 0));
    assert_eq!(to_a.extension, Some(extension(7)));
    assert_eq!(keyed(8, 0).expect("bound").0.callee, caller(2));
    assert_eq!(keyed(9, 0), Err(Refusal::BadExtension { app: APP }));
    let (app, dialled) = (APP, x(0));
    let menu = Decision::Menu { app, x: dialled };
    assert_eq!(table.decide(x(0), caller(5), 0), Ok(menu.clone()));
    // A calls: nobody yet.
    let nobody = refusal(&table, x(0), caller(1), 0);
    assert!(matches!(nobody, Refusal::NoCallBack { .. }));
    let (other, _) = table
        .call_back_to(x(0), caller(1), caller(77), 0)
        .expect("bound");
    assert_eq!((other.callee, other.direction), (caller(77), 1));
    binding.otherwise = CallBack::Tone("sorry.wav".into());
    binding.reached = Some(Reached {
        caller: caller(5),
        until_ms: Some(100),
    });
    binding.expires_at_ms = Some(200);
    table.publish_axe(&binding).expect("changed");
    let back = route(&table, x(0), caller(1), 99);
    assert_eq!((back.callee, back.caller_is_a), (caller(5), true));
    assert_eq!(back.extension, Some(extension(7)));
    let tone = table.decide(x(0), caller(1), 100).expect("decided");
    assert!(matches!(tone, Decision::PlayAndEnd { tone, .. } if &*tone == "sorry.wav"));
    binding.otherwise = CallBack::Number(caller(88));
    table.publish_axe(&binding).expect("changed");
    assert_eq!(route(&table, x(0), caller(1), 199).callee, caller(88));
    // Over: neither way.
    assert_eq!(table.decide(x(0), caller(1), 200), Ok(menu));
    assert_eq!(keyed(7, 200), Err(Refusal::BadExtension { app: APP }));
    let late = table.call_back_to(x(0), caller(1), caller(77), 200);
    assert_eq!(late, Err(Refusal::BadExtension { app: APP }));
    assert_eq!(table.sweep(200, 100_000).expired.len(), 1);
    assert_eq!(table.stats().directions, 2, "the other one's");
}

#[test]
fn an_extension_or_an_a_that_moves_leaves_nothing_behind() {
    let table = table(RouteKind::Axe);
    table.publish_axe(&axe(0, 1, 1, 7)).expect("published");
    // As after an unbind that nobody told: extension 7 goes to another A, A 1 to another extension.
    table.publish_axe(&axe(0, 2, 2, 7)).expect("published");
    table.publish_axe(&axe(0, 3, 1, 9)).expect("published");
    let keyed = |value| table.extension(x(0), extension(value), caller(5), 0);
    assert_eq!(keyed(7).expect("bound").0.callee, caller(2));
    assert_eq!(keyed(9).expect("bound").0.callee, caller(1));
    let stats = table.stats();
    assert_eq!((stats.bindings, stats.directions), (2, 4));
}

#[test]
fn axyb_shows_each_side_the_number_of_the_other() {
    let table = table(RouteKind::Axyb);
    let mut first = axyb_x(0, 1, 1);
    first.user_data = Some("ride".into());
    table.publish_axyb_x(&first).expect("published");
    let new = table.decide(x(0), caller(2), 0).expect("decided");
    assert!(
        matches!(new, Decision::AllocateY { subscription, .. } if subscription == SubscriptionId(1))
    );
    table
        .publish_axyb_y(&axyb_y(&first, 50, 4, 2))
        .expect("published");
    let to_a = route(&table, x(0), caller(2), 0);
    assert_eq!((to_a.callee, to_a.display), (caller(1), x(4)));
    assert_eq!((to_a.trunk, to_a.direction), (TrunkId(4), 0));
    let to_b = route(&table, x(4), caller(1), 0);
    assert_eq!((to_b.callee, to_b.display), (caller(2), x(0)));
    assert_eq!((to_b.trunk, to_b.direction), (TrunkId(0), 1));
    for route in [to_a, to_b] {
        assert_eq!(route.subscription, Some(SubscriptionId(1)));
        assert_eq!(route.user_data.as_deref(), Some("ride"));
    }
    // One's own numbers.
    let own = refusal(&table, x(0), caller(1), 0);
    assert_eq!(own.binding().expect("named").0, SubscriptionId(1));
    assert!(matches!(own, Refusal::SelfCall { .. }));
    let own = refusal(&table, x(4), caller(2), 0);
    assert!(matches!(
        own,
        Refusal::SelfCall {
            subscription: None,
            ..
        }
    ));
    // A stranger dials Y.
    let none = refusal(&table, x(4), caller(3), 0);
    assert_eq!(none, Refusal::NoAxybBinding { app: APP });
    // The number displayed is not to be had.
    let mut info = of_mode(1, RouteKind::Axyb);
    info.status = NumberStatus::Suspended;
    table.set_number(x(4), info);
    let unusable = refusal(&table, x(0), caller(2), 0);
    assert_eq!(unusable, Refusal::NumberUnusable { app: APP });
}

#[test]
fn one_y_serves_many_and_is_owned_until_the_last_goes() {
    let table = table(RouteKind::Axyb);
    let relations = [axyb_x(0, 1, 1), axyb_x(1, 2, 2)];
    for (at, first) in relations.iter().enumerate() {
        table.publish_axyb_x(first).expect("published");
        let mut part = axyb_y(first, 50 + at as u128, 4, 9);
        part.expires_at_ms = Some(100 + at as u64);
        table.publish_axyb_y(&part).expect("published");
        // Again: nothing is counted twice.
        table.publish_axyb_y(&part).expect("published");
    }
    assert_eq!(route(&table, x(4), caller(1), 0).display, x(0));
    assert_eq!(route(&table, x(4), caller(2), 0).display, x(1));
    assert!(table.withdraw_axyb_y(x(0), x(4), SubscriptionId(50)));
    assert!(!table.withdraw_axyb_y(x(0), x(4), SubscriptionId(50)));
    let own = refusal(&table, x(4), caller(9), 0);
    assert!(matches!(own, Refusal::SelfCall { .. }));
    let again = table.decide(x(0), caller(9), 0).expect("decided");
    assert!(matches!(again, Decision::AllocateY { .. }));
    // The other one ends by itself.
    let over = table.decide(x(1), caller(9), 101).expect("decided");
    assert!(matches!(over, Decision::AllocateY { .. }));
    assert_eq!(
        refusal(&table, x(4), caller(2), 101),
        Refusal::NoAxybBinding { app: APP }
    );
    let swept = table.sweep(101, 100_000).expired;
    assert_eq!(swept.len(), 1, "both ways are one part");
    assert_eq!(
        refusal(&table, x(4), caller(9), 101),
        Refusal::NoAxybBinding { app: APP }
    );
    let stats = table.stats();
    assert_eq!((stats.bindings, stats.directions), (2, 2));
}

#[test]
fn axyb_directions_hold() {
    let table = table(RouteKind::Axyb);
    for (direction, a_may, others_may) in [
        (CallDirection::CallerOnly, true, false),
        (CallDirection::CalleeOnly, false, true),
    ] {
        let mut first = axyb_x(0, 1, 1);
        first.direction = direction;
        table.publish_axyb_x(&first).expect("published");
        table
            .publish_axyb_y(&axyb_y(&first, 50, 4, 2))
            .expect("published");
        assert_eq!(table.decide(x(4), caller(1), 0).is_ok(), a_may);
        assert_eq!(table.decide(x(0), caller(2), 0).is_ok(), others_may);
        assert_eq!(table.decide(x(0), caller(3), 0).is_ok(), others_may);
    }
}
