//! Route resolution at 1 million bindings and, with `AXBRIDGE_BENCH_10M=1`, at 10 million.
//!
//! Each size is measured beside an unsynchronised map of the same key and value size in the same run:
//! absolute times belong to the machine, the ratio to the table. `route` looks up X *and* the binding;
//! `hashbrown` does only the second, `hashbrown, both` does both. First a table of best and median over
//! interleaved rounds is printed, then criterion measures each by itself.
//!
//! Two directions belong to each binding, thirty bindings to each X.
#![allow(missing_docs)] // criterion's macros make undocumented functions

use axbridge_binding::{
    AppId, Axb, CallDirection, NumberInfo, NumberStatus, Policy, SubscriptionId, Table, TrunkId,
};
use axbridge_numbering::Number;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use foldhash::quality::FixedState;
use std::collections::HashMap;
use std::hint::black_box;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const PAIRS_PER_X: u64 = 30;
const WALL_MS: u64 = 1_800_000_000_000;
const WRITES_PER_SECOND: u64 = 50_000;
const HOT: u64 = 16;

/// The size of one direction beside its key in the table: callee, rules and subscription.
type Value = [u64; 4];

fn number(base: u64, index: u64) -> Number {
    Number::from_u64(base + index).expect("15 digits at most")
}

fn x(binding: u64) -> Number {
    number(8_617_000_000_000, binding / PAIRS_PER_X)
}

fn party(direction: u64) -> Number {
    number(8_613_900_000_000, direction)
}

fn axb(binding: u64) -> Axb {
    Axb {
        subscription: SubscriptionId(u128::from(binding) << 64 | 7),
        app: AppId(1),
        x: x(binding),
        a: party(2 * binding),
        b: party(2 * binding + 1),
        direction: CallDirection::Both,
        expires_at_ms: Some(WALL_MS + 1_000_000),
        policy: Policy {
            max_duration_min: (binding % 100) as u16,
            ..Policy::default()
        },
        user_data: None,
    }
}

/// A cheap generator, the same for every contestant.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((u128::from(self.0) * u128::from(limit)) >> 64) as u64
    }
}

fn fill(table: &Table, bindings: u64) {
    for binding in 0..bindings {
        if binding % PAIRS_PER_X == 0 {
            let info = NumberInfo {
                app: AppId(1),
                status: NumberStatus::Normal,
                trunk: TrunkId(1),
                mode: axbridge_binding::RouteKind::Axb,
                area: None,
            };
            table.set_number(x(binding), info);
        }
        table.publish_axb(&axb(binding)).expect("room");
    }
}

struct Plain {
    numbers: HashMap<u64, (u64, u64), FixedState>,
    directions: HashMap<(u64, u64), Value, FixedState>,
}

impl Plain {
    fn new(bindings: u64) -> Plain {
        let hash = FixedState::with_seed(1);
        let mut plain = Plain {
            numbers: HashMap::with_hasher(hash.clone()),
            directions: HashMap::with_capacity_and_hasher(2 * bindings as usize, hash),
        };
        for direction in 0..2 * bindings {
            let x = x(direction / 2).as_u64();
            plain.numbers.insert(x, (1, 1));
            let value = [
                party(direction ^ 1).as_u64(),
                WALL_MS + 1_000_000,
                direction,
                7,
            ];
            plain
                .directions
                .insert((x, party(direction).as_u64()), value);
        }
        plain
    }

    fn bytes_per_direction(&self) -> usize {
        let buckets = (self.directions.capacity() * 8 / 7).next_power_of_two();
        buckets * (size_of::<((u64, u64), Value)>() + 1) / self.directions.len()
    }
}

/// Looks up, and returns a 0 that the processor has to wait for.
fn route(table: &Table, direction: u64) -> u64 {
    let route = table
        .route(x(direction / 2), party(direction), WALL_MS)
        .expect("bound");
    debug_assert_eq!(route.callee, party(direction ^ 1));
    black_box(route).callee.as_u64() >> 60
}

fn plain_one(plain: &Plain, direction: u64) -> u64 {
    let key = (x(direction / 2).as_u64(), party(direction).as_u64());
    black_box(*plain.directions.get(&key).expect("bound"))[0] >> 60
}

fn plain_both(plain: &Plain, direction: u64) -> u64 {
    let x = x(direction / 2).as_u64();
    black_box(*plain.numbers.get(&x).expect("known"));
    black_box(
        *plain
            .directions
            .get(&(x, party(direction).as_u64()))
            .expect("bound"),
    )[0] >> 60
}

/// Runs `body` beside one writer: half changes in place, a quarter withdrawals, a quarter insertions, all
/// over bindings that the readers do not ask for but whose buckets they share. Returns the changes made
/// per second.
fn beside_writer(table: &Table, bindings: u64, body: impl FnOnce()) -> u64 {
    let done = AtomicBool::new(false);
    let changes = AtomicU64::new(0);
    let start = Instant::now();
    thread::scope(|scope| {
        scope.spawn(|| write_until(table, bindings, &done, &changes));
        body();
        done.store(true, Ordering::Relaxed);
    });
    (changes.load(Ordering::Relaxed) as f64 / start.elapsed().as_secs_f64()) as u64
}

fn write_until(table: &Table, bindings: u64, done: &AtomicBool, changes: &AtomicU64) {
    let mut random = Random(99);
    let start = Instant::now();
    let mut made = 0;
    while !done.load(Ordering::Relaxed) {
        let due = start.elapsed().as_millis() as u64 * WRITES_PER_SECOND / 1_000;
        while made < due && !done.load(Ordering::Relaxed) {
            // Guests beyond the filled part, on the same numbers, come and go.
            let mut guest = axb(random.below(bindings));
            guest.subscription.0 |= 1 << 127;
            guest.a = party(4 * bindings + guest.a.as_u64() % (2 * bindings));
            guest.b = party(8 * bindings + guest.b.as_u64() % (2 * bindings));
            table.publish_axb(&guest).expect("room");
            table.withdraw(guest.x, guest.subscription);
            for _ in 0..2 {
                let mut changed = axb(random.below(bindings));
                changed.expires_at_ms = Some(WALL_MS + 2_000_000 + made);
                table.publish_axb(&changed).expect("room");
            }
            made += 4;
        }
        changes.store(made, Ordering::Relaxed);
        thread::sleep(Duration::from_millis(1));
    }
}

/// Time this thread has had a processor: a busy machine does not count (Linux; elsewhere, elapsed time).
fn on_processor() -> Duration {
    static START: OnceLock<Instant> = OnceLock::new();
    let elapsed = START.get_or_init(Instant::now).elapsed();
    std::fs::read_to_string("/proc/thread-self/schedstat")
        .ok()
        .and_then(|text| text.split(' ').next()?.parse().ok())
        .map_or(elapsed, Duration::from_nanos)
}

/// Best and median nanoseconds of each contestant over rounds in turn.
fn in_turn(rounds: usize, lookups: u64, contestants: &mut [(&str, &mut dyn FnMut(u64))]) {
    let mut times = vec![Vec::new(); contestants.len()];
    for _ in 0..rounds {
        for (times, (_, run)) in times.iter_mut().zip(contestants.iter_mut()) {
            let start = on_processor();
            run(lookups);
            times.push((on_processor() - start).as_secs_f64() * 1e9 / lookups as f64);
        }
    }
    for (times, (name, _)) in times.iter_mut().zip(contestants.iter()) {
        times.sort_by(f64::total_cmp);
        println!(
            "  {name:<28} best {:6.1} ns  median {:6.1} ns",
            times[0],
            times[times.len() / 2]
        );
    }
}

fn compare(table: &Table, plain: &Plain, bindings: u64) {
    let directions = 2 * bindings;
    let random = || Random(5);
    let mut written = 0;
    println!(" one at a time, as a call does it (each key depends on the last answer)");
    let (mut keys_1, mut keys_2) = (random(), random());
    in_turn(
        9,
        500_000,
        &mut [
            ("route", &mut |n| {
                (0..n).fold(0, |last, _| route(table, keys_1.below(directions) + last));
            }),
            ("hashbrown", &mut |n| {
                (0..n).fold(0, |last, _| {
                    plain_one(plain, keys_2.below(directions) + last)
                });
            }),
        ],
    );
    println!(" many at once (the processor overlaps independent lookups)");
    let (mut keys_1, mut keys_2, mut keys_3, mut keys_4) = (random(), random(), random(), random());
    in_turn(
        9,
        500_000,
        &mut [
            ("route", &mut |n| {
                run(n, || route(table, keys_1.below(directions)))
            }),
            ("hashbrown", &mut |n| {
                run(n, || plain_one(plain, keys_2.below(directions)))
            }),
            ("hashbrown, both", &mut |n| {
                run(n, || plain_both(plain, keys_3.below(directions)))
            }),
            ("route beside a writer", &mut |n| {
                written = beside_writer(table, bindings, || {
                    run(n, || route(table, keys_4.below(directions)));
                });
            }),
        ],
    );
    println!("  the writer made {written} changes/s");
    println!(" {HOT} hot keys");
    let (mut turn_1, mut turn_2) = (0, 0);
    let hot = |turn: &mut u64| {
        *turn = (*turn + 1) % HOT;
        *turn * (directions / HOT)
    };
    in_turn(
        9,
        10_000_000,
        &mut [
            ("route", &mut |n| run(n, || route(table, hot(&mut turn_1)))),
            ("hashbrown", &mut |n| {
                run(n, || plain_one(plain, hot(&mut turn_2)))
            }),
        ],
    );
}

fn run(lookups: u64, mut lookup: impl FnMut() -> u64) {
    for _ in 0..lookups {
        lookup();
    }
}

fn bench_size(c: &mut Criterion, name: &str, bindings: u64) {
    let start = Instant::now();
    let table = Table::with_capacity(2 * bindings as usize);
    fill(&table, bindings);
    let filled = start.elapsed();
    let stats = table.stats();
    let plain = Plain::new(bindings);
    println!(
        "{name}: {} bytes/direction (hashbrown {}), filled in {filled:.1?}, {:.0} ns/binding",
        stats.bytes / stats.directions,
        plain.bytes_per_direction(),
        filled.as_secs_f64() * 1e9 / bindings as f64
    );
    compare(&table, &plain, bindings);

    let directions = 2 * bindings;
    let mut group = c.benchmark_group(format!("binding_lookup/{name}"));
    group.throughput(Throughput::Elements(1));
    group
        .sample_size(30)
        .measurement_time(Duration::from_secs(2));
    let mut random = Random(11);
    group.bench_function("route", |b| {
        b.iter(|| route(&table, random.below(directions)))
    });
    group.bench_function("hashbrown", |b| {
        b.iter(|| plain_one(&plain, random.below(directions)))
    });
    beside_writer(&table, bindings, || {
        group.bench_function("route_beside_writer", |b| {
            b.iter(|| route(&table, random.below(directions)));
        });
    });
    let mut turn = 0;
    group.bench_function("route_hot_16", |b| {
        b.iter(|| {
            turn = (turn + 1) % HOT;
            route(&table, turn * (directions / HOT))
        });
    });
    group.finish();
}

fn binding_lookup(c: &mut Criterion) {
    bench_size(c, "1M", 1_000_000);
    if std::env::var_os("AXBRIDGE_BENCH_10M").is_some() {
        bench_size(c, "10M", 10_000_000);
    }
    let grown = Table::with_capacity(0);
    fill(&grown, 1_000_000);
    let stats = grown.stats();
    println!(
        "1M grown from empty: {} bytes/direction",
        stats.bytes / stats.directions
    );
}

criterion_group!(benches, binding_lookup);
criterion_main!(benches);
