//! Readers beside writers: nothing torn, nothing missing, nothing stale after return.

mod common;

use axbridge_binding::{Axb, Refusal, Table};
use common::{axb, caller, normal, policy, x};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

/// A binding all of whose fields follow from the callee's generation, so that a mixture shows.
fn generation(subscription: u128, a: u64, b: u64, generation: u64) -> Axb {
    let mut binding = axb(0, subscription, a, b);
    binding.expires_at_ms = Some(1_000_000 + generation);
    binding.policy = policy((generation % 100) as u16);
    binding.user_data = Some(format!("{subscription} {generation}").into());
    binding
}

/// Runs `readers` times `read` until `write` is done.
fn beside(readers: usize, read: impl Fn() + Sync, write: impl FnOnce()) {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..readers {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    read();
                }
            });
        }
        write();
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_changing_b_never_tears_and_the_unchanged_side_never_misses() {
    let table = Table::with_seed(0, 1);
    table.set_number(x(0), normal(1));
    let last_returned = AtomicU64::new(0);
    let publish = |round: u64| {
        // A stays, B is another in every round.
        table
            .publish_axb(&generation(9, 1, 1_000 + round, round))
            .expect("published");
        last_returned.store(round, Ordering::SeqCst);
    };
    publish(1);
    let read = || {
        let before = last_returned.load(Ordering::SeqCst);
        let (route, policy) = table
            .route_with_policy(x(0), caller(1), 0)
            .expect("the unchanged side is always bound");
        let round = route.callee.as_u64() - caller(1_000).as_u64();
        assert!(round >= before, "stale after return");
        assert_eq!(u64::from(policy.max_duration_min), round % 100);
        assert_eq!(route.user_data.as_deref(), Some(&*format!("9 {round}")));
        // The partner of a round that is over is gone for good.
        if before > 1 {
            let old = table.route(x(0), caller(1_000 + before - 1), 0);
            assert!(matches!(old, Err(Refusal::NoBinding { .. })), "stale pair");
        }
    };
    beside(2, read, || (2..60_000).for_each(publish));
    assert_eq!(table.stats().directions, 2);
    assert_eq!(table.stats().user_data, 1);
}

#[test]
fn neighbours_that_come_and_go_disturb_nobody_while_the_table_grows_and_shrinks() {
    let table = Table::with_seed(0, 2);
    table.set_number(x(0), normal(1));
    for pair in 0..50u64 {
        table
            .publish_axb(&generation(pair.into(), 2 * pair, 2 * pair + 1, pair))
            .expect("published");
    }
    let turn = AtomicU64::new(0);
    let read = || {
        let party = turn.fetch_add(1, Ordering::Relaxed) % 100;
        let route = table.route(x(0), caller(party), 0).expect("always bound");
        assert_eq!(route.callee, caller(party ^ 1));
        assert_eq!(route.subscription.expect("bound").0, u128::from(party / 2));
        assert_eq!(
            route.user_data.as_deref(),
            Some(&*format!("{} {}", party / 2, party / 2))
        );
        // A guest is whole or absent.
        let guest = 1_000 + party;
        if let Ok(route) = table.route(x(0), caller(guest), 0) {
            assert_eq!(route.callee, caller(guest ^ 1));
            assert_eq!(
                route.user_data.as_deref(),
                Some(&*format!("{} 0", guest / 2))
            );
        }
    };
    let write = || {
        for _ in 0..6 {
            for pair in 500..3_500u64 {
                let guest = generation(pair.into(), 2 * pair, 2 * pair + 1, 0);
                table.publish_axb(&guest).expect("published");
            }
            for pair in 500..3_500u64 {
                assert!(table.withdraw(x(0), axbridge_binding::SubscriptionId(pair.into())));
            }
        }
    };
    beside(2, read, write);
    assert_eq!(table.stats().bindings, 50);
}

#[test]
fn writers_of_all_shards_at_once_lose_nothing() {
    let table = Table::with_seed(0, 3);
    thread::scope(|scope| {
        for writer in 0..4u64 {
            let table = &table;
            scope.spawn(move || {
                for number in 0..50 {
                    let x_index = writer * 50 + number;
                    table.set_number(x(x_index), normal(1));
                    for pair in 0..40u64 {
                        let id = u128::from(x_index * 40 + pair);
                        let binding = axb(x_index, id, 2 * pair, 2 * pair + 1);
                        table.publish_axb(&binding).expect("published");
                    }
                }
            });
        }
        let table = &table;
        scope.spawn(move || (0..200).for_each(|_| assert!(table.sweep(0, 500).expired.is_empty())));
    });
    for x_index in 0..200 {
        for party in 0..80 {
            let route = table.route(x(x_index), caller(party), 0).expect("bound");
            assert_eq!(route.callee, caller(party ^ 1));
        }
    }
    assert_eq!(table.stats().bindings, 8_000);
    assert_eq!(table.stats().policies, 1);
}
