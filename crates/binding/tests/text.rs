//! Who may text whom through X.

mod common;

use axbridge_binding::{
    AppId, CallDirection, NumberStatus, Policy, Route, RouteKind, Table, TextDecision, TextRefusal,
};
use axbridge_numbering::Number;
use common::{ax, axb, axe, axyb_x, axyb_y, caller, of_mode, x};
use std::sync::Arc;

const APP: AppId = AppId(1);

fn table(mode: RouteKind) -> Table {
    let table = Table::with_seed(0, 4);
    for index in 0..4 {
        table.set_number(x(index), of_mode(1, mode));
    }
    table
}

fn forwarded(table: &Table, from: Number) -> (Route, Arc<Policy>) {
    match table.decide_text(x(0), from, 0) {
        Ok(TextDecision::Forward(route, policy)) => (route, policy),
        other => panic!("{other:?}"),
    }
}

#[test]
fn axb_carries_texts_both_ways_whatever_the_direction_of_calls() {
    let table = table(RouteKind::Axb);
    let mut binding = axb(0, 1, 1, 2);
    binding.direction = CallDirection::CallerOnly;
    binding.user_data = Some("order".into());
    binding.policy.private_sms = false;
    binding.expires_at_ms = Some(1_000);
    table.publish_axb(&binding).expect("published");
    let (to_b, policy) = forwarded(&table, caller(1));
    assert_eq!((to_b.callee, to_b.direction), (caller(2), 1));
    assert_eq!(
        (to_b.display, to_b.user_data.as_deref()),
        (x(0), Some("order"))
    );
    assert!(!policy.private_sms);
    let (to_a, _) = forwarded(&table, caller(2));
    assert_eq!((to_a.callee, to_a.direction), (caller(1), 0));
    let no_binding = Err(TextRefusal::NoBinding { app: APP });
    assert_eq!(table.decide_text(x(0), caller(3), 0), no_binding);
    assert_eq!(table.decide_text(x(0), caller(1), 1_000), no_binding);
}

#[test]
fn ax_carries_texts_to_a_and_asks_for_whom_those_of_a_are() {
    let table = table(RouteKind::Ax);
    let no_binding = Err(TextRefusal::NoBinding { app: APP });
    assert_eq!(table.decide_text(x(0), caller(1), 0), no_binding);
    let mut binding = ax(0, 1, 1);
    table.publish_ax(&binding).expect("published");
    let (to_a, _) = forwarded(&table, caller(9));
    assert_eq!((to_a.callee, to_a.direction), (caller(1), 0));
    let from_a = table.decide_text(x(0), caller(1), 0);
    assert!(matches!(from_a, Ok(TextDecision::FromA(route, _)) if route.direction == 1));
    binding.turned_off = true;
    table.publish_ax(&binding).expect("changed");
    assert_eq!(
        table.decide_text(x(0), caller(9), 0),
        Err(TextRefusal::NumberUnusable { app: APP })
    );
    let from_a = table.decide_text(x(0), caller(1), 0);
    assert!(
        matches!(from_a, Ok(TextDecision::FromA(..))),
        "A may still text"
    );
}

#[test]
fn the_other_modes_and_states() {
    let asked = table(RouteKind::X).decide_text(x(0), caller(1), 0);
    assert!(matches!(asked, Ok(TextDecision::AskCustomer { info }) if info.app == APP));
    let no_texts = Err(TextRefusal::NoTexts { app: APP });
    let axe_table = table(RouteKind::Axe);
    axe_table.publish_axe(&axe(0, 1, 1, 7)).expect("published");
    assert_eq!(axe_table.decide_text(x(0), caller(1), 0), no_texts);
    let axyb = table(RouteKind::Axyb);
    let part = axyb_x(0, 1, 1);
    axyb.publish_axyb_x(&part).expect("published");
    axyb.publish_axyb_y(&axyb_y(&part, 5, 1, 2))
        .expect("published");
    assert_eq!(axyb.decide_text(x(0), caller(2), 0), no_texts);
    let unknown = axyb.decide_text(x(70), caller(1), 0);
    assert_eq!(unknown, Err(TextRefusal::UnknownNumber));
    assert_eq!(TextRefusal::UnknownNumber.app(), None);
    for status in [NumberStatus::Suspended, NumberStatus::Unavailable] {
        let mut info = of_mode(1, RouteKind::X);
        info.status = status;
        axyb.set_number(x(2), info);
        let refused = axyb.decide_text(x(2), caller(1), 0);
        assert_eq!(refused, Err(TextRefusal::NumberUnusable { app: APP }));
    }
}
