//! What a packet costs us on top of the kernel: relay, law conversion, recording, a prompt's packet.

use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axbridge_media::{
    Codec, Command, Direction, Layout, Negotiated, Session, SessionConfig, Side, tone,
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const TICK: Duration = Duration::from_millis(20);

fn phone(side: Side) -> SocketAddr {
    ([127, 0, 0, 1], 4_000 + 10 * side.index() as u16).into()
}

fn leg(side: Side, codec: Codec) -> Command {
    let pt = codec.static_pt().unwrap_or(96);
    let remote = phone(side);
    let negotiated = Negotiated {
        remote,
        remote_rtcp: SocketAddr::new(remote.ip(), remote.port() + 1),
        codec,
        pt_send: pt,
        pt_recv: pt,
        dtmf_send: Some(101),
        dtmf_recv: Some(101),
        direction: Direction::SendRecv,
        ptime_ms: 20,
    };
    Command::Connect {
        side,
        negotiated,
        learn_source: false,
    }
}

fn session(now: Instant, a: Codec, b: Codec) -> Session {
    let mut session = Session::new(SessionConfig::default(), now, 1_700_000_000_000, 1);
    session.command(now, leg(Side::A, a));
    session.command(now, leg(Side::B, b));
    session.command(now, Command::Bridge(true));
    session
}

/// The telephone of the caller: the next packet of 172 bytes, written into the same buffer.
struct Phone {
    packet: [u8; 172],
    sequence: u16,
    timestamp: u32,
}

impl Phone {
    fn new() -> Self {
        let mut packet = [0x55; 172];
        packet[..2].copy_from_slice(&[0x80, 8]);
        packet[8..12].copy_from_slice(&[1, 2, 3, 4]);
        Self {
            packet,
            sequence: 0,
            timestamp: 0,
        }
    }

    fn next(&mut self) -> &mut [u8] {
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(160);
        self.packet[..2].copy_from_slice(&[0x80, 8]);
        self.packet[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        self.packet[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        self.packet[8..12].copy_from_slice(&[1, 2, 3, 4]);
        &mut self.packet
    }
}

fn relay(c: &mut Criterion) {
    let mut group = c.benchmark_group("media_relay");
    group.throughput(Throughput::Elements(1));
    for (name, b, record) in [
        ("same law", Codec::Pcma, false),
        ("law conversion", Codec::Pcmu, false),
        ("same law, recorded", Codec::Pcma, true),
    ] {
        let mut now = Instant::now();
        let mut session = session(now, Codec::Pcma, b);
        if record {
            session.command(
                now,
                Command::StartRecord {
                    stem: Arc::from("bench"),
                    layout: Layout::Stereo,
                },
            );
        }
        let mut caller = Phone::new();
        group.bench_function(name, |bench| {
            bench.iter(|| {
                now += TICK;
                let relayed = session.rtp(Side::A, now, phone(Side::A), caller.next());
                while let Some(part) = session.poll_record() {
                    black_box(part);
                }
                black_box(relayed.is_some())
            });
        });
    }
    group.finish();
}

fn prompt(c: &mut Criterion) {
    let mut group = c.benchmark_group("media_prompt");
    group.throughput(Throughput::Elements(1));
    let mut now = Instant::now();
    let mut session = session(now, Codec::Pcma, Codec::Pcma);
    let prompt = Arc::new(tone::ring_back());
    session.command(
        now,
        Command::Play {
            side: Side::A,
            prompt,
            repeat: true,
            token: 1,
        },
    );
    group.bench_function("one packet", |bench| {
        bench.iter(|| {
            now += TICK;
            session.handle_timeout(now);
            while let Some(transmit) = session.poll_transmit() {
                black_box(transmit.bytes().len());
            }
        });
    });
    group.finish();
}

criterion_group!(benches, relay, prompt);
criterion_main!(benches);
