//! What one call asks of SDP: read the offer, write the answer, write the other leg's offer, read its answer.
#![allow(missing_docs, clippy::unwrap_used)]

use std::hint::black_box;

use axbridge_media::sdp::{
    AnswerSpec, LocalMedia, NarrowPolicy, OfferSpec, SessionDescription, answer, offer, read_answer,
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const OFFER: &[u8] = b"v=0\r\no=- 3814 3814 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
m=audio 40000 RTP/AVP 8 0 18 96 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:18 G729/8000\r\n\
a=fmtp:18 annexb=no\r\na=rtpmap:96 AMR/8000\r\na=fmtp:96 octet-align=1;mode-set=7\r\na=rtpmap:101 telephone-event/8000\r\n\
a=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n";

fn local() -> LocalMedia {
    LocalMedia::new(42, "192.0.2.50:30000".parse().unwrap())
}

fn sdp(c: &mut Criterion) {
    let mut group = c.benchmark_group("sdp");
    group.throughput(Throughput::Bytes(OFFER.len() as u64));
    group.bench_function("parse_offer", |b| {
        b.iter(|| SessionDescription::parse(black_box(OFFER)).unwrap());
    });
    let parsed = SessionDescription::parse(OFFER).unwrap();
    let spec = AnswerSpec::default();
    group.bench_function("write_answer", |b| {
        b.iter_batched(
            local,
            |mut own| answer(&mut own, black_box(&parsed), &spec).unwrap(),
            criterion::BatchSize::SmallInput,
        );
    });
    group.bench_function("whole_call", |b| {
        b.iter(|| {
            let (mut a_leg, mut b_leg) = (local(), local());
            let from_a = SessionDescription::parse(black_box(OFFER)).unwrap();
            let to_b = OfferSpec::from_stream(from_a.audio().unwrap(), NarrowPolicy::SpokenOnly);
            let (text, offered) = offer(&mut b_leg, &to_b).unwrap();
            let from_b = SessionDescription::parse(&text).unwrap();
            let settled = read_answer(&offered, &from_b).unwrap();
            answer(&mut a_leg, &from_a, &AnswerSpec::like(&settled)).unwrap()
        });
    });
    group.finish();
}

criterion_group!(benches, sdp);
criterion_main!(benches);
