//! What the table promises, one behaviour each.

mod common;

use axbridge_binding::{
    CallDirection, NumberStatus, PublishError, Refusal, RouteKind, SubscriptionId, Table,
};
use common::{axb, caller, normal, x};

fn table() -> Table {
    let table = Table::with_seed(100, 1);
    table.set_number(x(0), normal(7));
    table
}

#[test]
fn each_party_reaches_the_other_and_is_shown_x() {
    let table = table();
    let mut binding = axb(0, 1, 1, 2);
    binding.user_data = Some("order-1".into());
    table.publish_axb(&binding).expect("published");
    let from_a = table.route(x(0), caller(1), 0).expect("bound");
    assert_eq!(
        (from_a.callee, from_a.display, from_a.caller_is_a),
        (caller(2), x(0), true)
    );
    assert_eq!(
        (from_a.app.0, from_a.trunk.0, from_a.kind),
        (7, 1, RouteKind::Axb)
    );
    assert_eq!(from_a.subscription, Some(SubscriptionId(1)));
    assert_eq!(from_a.user_data.as_deref(), Some("order-1"));
    let from_b = table.route(x(0), caller(2), 0).expect("bound");
    assert_eq!((from_b.callee, from_b.caller_is_a), (caller(1), false));
}

#[test]
fn refusals_in_their_order() {
    let table = table();
    let app = axbridge_binding::AppId(7);
    table.publish_axb(&axb(0, 1, 1, 2)).expect("published");
    table.publish_axb(&axb(5, 2, 1, 2)).expect("published");
    assert_eq!(table.route(x(5), caller(1), 0), Err(Refusal::UnknownNumber));
    assert_eq!(
        table.route(x(0), caller(3), 0),
        Err(Refusal::NoBinding { app })
    );
    for (status, served) in [
        (NumberStatus::Suspended, false),
        (NumberStatus::Unavailable, false),
        // No new bindings; this one stays.
        (NumberStatus::Frozen, true),
    ] {
        table.set_number(
            x(0),
            axbridge_binding::NumberInfo {
                status,
                ..normal(7)
            },
        );
        let refused = table.route(x(0), caller(1), 0).err();
        let expected = (!served).then_some(Refusal::NumberUnusable { app });
        assert_eq!(refused, expected, "{status:?}");
    }
    table.set_number(x(0), normal(7));
    assert!(table.route(x(0), caller(1), 0).is_ok());
    assert!(table.remove_number(x(0)));
    assert!(!table.remove_number(x(0)));
    assert_eq!(table.route(x(0), caller(1), 0), Err(Refusal::UnknownNumber));
}

#[test]
fn direction_refuses_one_side_and_names_the_binding() {
    let table = table();
    let mut binding = axb(0, 1, 1, 2);
    binding.user_data = Some("text".into());
    for (direction, a_may, b_may) in [
        (CallDirection::Both, true, true),
        (CallDirection::CallerOnly, true, false),
        (CallDirection::CalleeOnly, false, true),
    ] {
        binding.direction = direction;
        table.publish_axb(&binding).expect("published");
        for (party, may) in [(1, a_may), (2, b_may)] {
            let answer = table.route(x(0), caller(party), 0);
            let refused = Refusal::WrongDirection {
                app: axbridge_binding::AppId(7),
                subscription: SubscriptionId(1),
                user_data: Some("text".into()),
            };
            assert_eq!(answer.err(), (!may).then_some(refused));
        }
    }
}

#[test]
fn expiry_is_exact_and_needs_no_sweep() {
    let table = table();
    let mut binding = axb(0, 1, 1, 2);
    binding.expires_at_ms = Some(1_000);
    binding.direction = CallDirection::CallerOnly;
    table.publish_axb(&binding).expect("published");
    assert!(table.route(x(0), caller(1), 999).is_ok());
    let unbound = Err(Refusal::NoBinding {
        app: axbridge_binding::AppId(7),
    });
    assert_eq!(table.route(x(0), caller(1), 1_000), unbound);
    assert_eq!(
        table.route(x(0), caller(2), 1_000),
        unbound,
        "not wrong direction any more"
    );
    assert!(table.sweep(999, usize::MAX).expired.is_empty());
    let swept = table.sweep(1_000, usize::MAX);
    assert!(swept.wrapped);
    assert_eq!(swept.expired.len(), 1);
    assert_eq!(table.stats().directions, 0);
    assert!(!table.withdraw(x(0), SubscriptionId(1)));
}

#[test]
fn a_change_leaves_no_stale_pair() {
    let table = table();
    let routes = |party| {
        table
            .route(x(0), caller(party), 0)
            .ok()
            .map(|route| route.callee)
    };
    for (a, b) in [(1, 2), (1, 3), (3, 1), (4, 5), (5, 6), (1, 2)] {
        table.publish_axb(&axb(0, 1, a, b)).expect("published");
        for party in 1..7 {
            let expected = match party {
                party if party == a => Some(caller(b)),
                party if party == b => Some(caller(a)),
                _ => None,
            };
            assert_eq!(routes(party), expected, "{a} {b} {party}");
        }
        assert_eq!(table.stats().directions, 2);
        assert_eq!(table.stats().policies, 1);
    }
}

#[test]
fn a_party_is_once_on_an_x_and_the_newer_binding_wins() {
    let table = table();
    table.publish_axb(&axb(0, 1, 1, 2)).expect("published");
    table.publish_axb(&axb(0, 2, 3, 4)).expect("published");
    table.publish_axb(&axb(0, 3, 2, 3)).expect("published");
    assert!(
        table.route(x(0), caller(1), 0).is_err(),
        "its partner is taken"
    );
    assert!(table.route(x(0), caller(4), 0).is_err());
    assert_eq!(
        table.route(x(0), caller(2), 0).expect("bound").callee,
        caller(3)
    );
    assert_eq!(table.stats().bindings, 1);
    assert!(!table.withdraw(x(0), SubscriptionId(1)));
    assert!(!table.withdraw(x(1), SubscriptionId(3)), "not on that X");
    assert!(table.withdraw(x(0), SubscriptionId(3)));
    assert_eq!(table.stats().directions, 0);
}

#[test]
fn one_number_twice_is_no_binding() {
    let table = table();
    assert_eq!(
        table.publish_axb(&axb(0, 1, 1, 1)),
        Err(PublishError::SameParty)
    );
    assert_eq!(table.stats().bindings, 0);
}

#[test]
fn five_thousand_pairs_on_one_x() {
    let table = table();
    for pair in 0..5_000 {
        table
            .publish_axb(&axb(0, pair, 2 * pair as u64, 2 * pair as u64 + 1))
            .expect("published");
    }
    for party in 0..10_000 {
        assert_eq!(
            table.route(x(0), caller(party), 0).expect("bound").callee,
            caller(party ^ 1)
        );
    }
    assert!(table.route(x(0), caller(10_000), 0).is_err());
    let full = table.stats();
    assert_eq!((full.bindings, full.directions), (5_000, 10_000));
    for pair in 10..5_000 {
        assert!(table.withdraw(x(0), SubscriptionId(pair)));
    }
    for pair in 10..5_000u64 {
        let again = axb(0, u128::from(pair) + 10_000, 2 * pair, 2 * pair + 1);
        table.publish_axb(&again).expect("published");
    }
    assert_eq!(
        table.stats().bytes,
        full.bytes,
        "what was freed is used again"
    );
    for party in 0..10_000 {
        assert!(table.route(x(0), caller(party), 0).is_ok());
    }
}

#[test]
fn a_direction_costs_at_most_120_bytes_however_far_the_table_has_grown() {
    let table = Table::with_seed(0, 3);
    let mut worst = 0;
    for binding in 0..200_000u64 {
        // Thirty bindings on each X, as a busy city would have.
        if binding % 30 == 0 {
            table.set_number(x(binding / 30), normal(1));
        }
        table
            .publish_axb(&axb(
                binding / 30,
                binding.into(),
                2 * binding,
                2 * binding + 1,
            ))
            .expect("published");
        if binding >= 60_000 && binding % 5_000 == 0 {
            let stats = table.stats();
            worst = worst.max(stats.bytes / stats.directions);
        }
    }
    assert!(worst <= 120, "{worst} bytes");
}
