//! G.711 by table, for one packet of 20 ms.
#![allow(missing_docs)]

use std::hint::black_box;

use axbridge_media::{g711, tone};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn laws(c: &mut Criterion) {
    let linear = tone::sine(440.0, 20, 8000);
    let alaw: Vec<u8> = linear.iter().map(|s| g711::linear_to_alaw(*s)).collect();
    let mut group = c.benchmark_group("g711_20ms");
    group.throughput(Throughput::Elements(linear.len() as u64));
    group.bench_function("alaw_to_ulaw_in_place", |b| {
        let mut payload = alaw.clone();
        b.iter(|| g711::alaw_to_ulaw_in_place(black_box(&mut payload)));
    });
    group.bench_function("alaw_to_linear", |b| {
        let mut out = [0i16; 160];
        b.iter(|| {
            for (to, from) in out.iter_mut().zip(black_box(&alaw)) {
                *to = g711::alaw_to_linear(*from);
            }
            black_box(&out);
        });
    });
    group.bench_function("linear_to_alaw", |b| {
        let mut out = [0u8; 160];
        b.iter(|| {
            for (to, from) in out.iter_mut().zip(black_box(&linear)) {
                *to = g711::linear_to_alaw(*from);
            }
            black_box(&out);
        });
    });
    group.finish();
}

criterion_group!(benches, laws);
criterion_main!(benches);
