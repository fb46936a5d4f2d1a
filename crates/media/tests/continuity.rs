//! Whatever the telephones and the network do, our stream is one stream; whatever the bytes are, nothing panics.

mod common;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use axbridge_media::{Codec, Command, Digit, Layout, Prompt, SessionConfig, Side, tone};
use common::{Call, Heard, event, negotiated, packet, phone};
use proptest::prelude::*;

/// What may happen next.
#[derive(Clone, Debug)]
enum Step {
    /// Time passes, the telephone sends its next packet after losing some.
    Voice {
        lose: u8,
    },
    /// The last packets come again or late.
    Old {
        back: u8,
    },
    Press,
    NewSource,
    JumpSequence(u16),
    JumpClock(u32),
    Pause(u16),
    Prompt(u8),
    StopPrompt,
    Digit,
    Bridge(bool),
    Reconnect(bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => (0u8..3).prop_map(|lose| Step::Voice { lose }),
        4 => (0u8..5).prop_map(|back| Step::Old { back }),
        1 => Just(Step::Press),
        1 => Just(Step::NewSource),
        1 => any::<u16>().prop_map(Step::JumpSequence),
        1 => any::<u32>().prop_map(Step::JumpClock),
        1 => (0u16..4_000).prop_map(Step::Pause),
        1 => (1u8..20).prop_map(Step::Prompt),
        1 => Just(Step::StopPrompt),
        1 => Just(Step::Digit),
        1 => any::<bool>().prop_map(Step::Bridge),
        1 => any::<bool>().prop_map(Step::Reconnect),
    ]
}

struct Phone {
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    sent: Vec<Vec<u8>>,
}

impl Phone {
    fn voice(&mut self) -> Vec<u8> {
        let packet = packet(8, self.ssrc, self.sequence, self.timestamp, &[0x55; 160]);
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(160);
        self.sent.push(packet.clone());
        packet
    }
}

fn run(steps: Vec<Step>) -> Call {
    let mut call = Call::bridged(Codec::Pcma, Codec::Pcmu);
    let prompt = Arc::new(Prompt::from_linear(&tone::sine(500.0, 90, 3_000)).expect("prompt"));
    let mut phone = Phone {
        ssrc: 1,
        sequence: 65_530,
        timestamp: u32::MAX - 700,
        sent: vec![],
    };
    for step in steps {
        match step {
            Step::Voice { lose } => {
                for _ in 0..lose {
                    phone.voice();
                    call.pass(20);
                }
                let packet = phone.voice();
                call.say(Side::A, packet);
                call.pass(20);
            }
            Step::Old { back } => {
                if let Some(packet) = phone.sent.iter().rev().nth(usize::from(back)).cloned() {
                    call.say(Side::A, packet);
                }
            }
            Step::Press => {
                let at = phone.timestamp;
                for n in 1..=4u16 {
                    call.say(
                        Side::A,
                        packet(
                            common::DTMF_A,
                            phone.ssrc,
                            phone.sequence,
                            at,
                            &event(3, n > 2, n.min(3) * 160),
                        ),
                    );
                    phone.sequence = phone.sequence.wrapping_add(1);
                    phone.timestamp = phone.timestamp.wrapping_add(160);
                    call.pass(20);
                }
            }
            Step::NewSource => phone.ssrc += 1,
            Step::JumpSequence(to) => phone.sequence = to,
            Step::JumpClock(to) => phone.timestamp = to,
            Step::Pause(ms) => call.pass(u64::from(ms)),
            Step::Prompt(token) => {
                let prompt = Arc::clone(&prompt);
                call.command(Command::Play {
                    side: Side::B,
                    prompt,
                    repeat: token > 15,
                    token: u32::from(token),
                });
            }
            Step::StopPrompt => call.command(Command::StopPlay { side: Side::B }),
            Step::Digit => {
                let digit = Digit::from_char('9').expect("key");
                call.command(Command::SendDigit {
                    side: Side::B,
                    digit,
                    duration_ms: 80,
                });
            }
            Step::Bridge(on) => call.command(Command::Bridge(on)),
            Step::Reconnect(same) => {
                let mut leg = negotiated(Side::B, if same { Codec::Pcmu } else { Codec::Pcma });
                leg.remote.set_port(if same { 5_000 } else { 6_000 });
                call.connect(leg, Side::B);
            }
        }
    }
    call
}

/// No number twice; audio timestamps follow the sequence and never run more than a little ahead of the clock.
fn assert_one_stream(heard: &[Heard]) {
    let mut used = HashSet::new();
    let Some(first) = heard.first() else { return };
    let mut newest: Option<(u16, u32)> = None;
    for packet in heard {
        assert_eq!(packet.ssrc, first.ssrc);
        assert!(
            used.insert(packet.sequence),
            "sequence {} twice",
            packet.sequence
        );
        if packet.payload.len() != 160 {
            continue;
        }
        if let Some((sequence, timestamp)) = newest {
            let ahead = packet.sequence.wrapping_sub(sequence) as i16;
            let step = packet.timestamp.wrapping_sub(timestamp) as i32;
            assert!(
                ahead.signum() as i32 == step.signum(),
                "sequence {ahead}, timestamp {step}: {packet:?}"
            );
            if ahead < 0 {
                continue;
            }
        }
        newest = Some((packet.sequence, packet.timestamp));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, max_shrink_iters: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn our_stream_is_one_stream(steps in proptest::collection::vec(step(), 1..120)) {
        let call = run(steps);
        let heard: Vec<Heard> = call.heard_by(Side::B).cloned().collect();
        assert_one_stream(&heard);
    }

    #[test]
    fn any_datagram_is_taken_without_panic(
        datagrams in proptest::collection::vec((any::<bool>(), proptest::collection::vec(any::<u8>(), 0..64), 0u8..6, 0u64..700), 1..80),
        learn in any::<bool>(),
    ) {
        let mut call = Call::bridged(Codec::Pcma, Codec::Pcmu);
        call.command(Command::Connect { side: Side::A, negotiated: negotiated(Side::A, Codec::Pcma), learn_source: learn });
        call.command(Command::WatchMedia(true));
        call.command(Command::StartRecord { stem: "r".into(), layout: Layout::Stereo });
        for (a, mut bytes, shape, ms) in datagrams {
            let side = if a { Side::A } else { Side::B };
            if shape > 0 && bytes.len() >= 2 {
                bytes[0] = 0x80 | (bytes[0] & [0x3F, 0x30, 0x00, 0x0F, 0x20][usize::from(shape) - 1]);
                bytes[1] = [8, 0, common::DTMF_A, common::DTMF_B, 0x88][usize::from(bytes[1]) % 5];
            }
            call.session.rtcp(side, call.now, phone(side), &bytes);
            call.say(side, bytes);
            call.pass(ms);
        }
        call.session.close(call.now);
        call.fetch();
    }
}

#[test]
fn state_of_a_call_is_small() {
    let size = std::mem::size_of::<axbridge_media::Session>();
    assert!(size <= 2_048, "{size}");
}

#[test]
fn a_day_long_call_keeps_its_timeline() {
    let mut call = Call::new(SessionConfig::default());
    for side in [Side::A, Side::B] {
        call.connect(negotiated(side, Codec::Pcma), side);
    }
    call.command(Command::Bridge(true));
    let mut phone = Phone {
        ssrc: 1,
        sequence: 0,
        timestamp: 0,
        sent: vec![],
    };
    for _ in 0..200 {
        // Seven minutes without voice, the peer's clock going on.
        let idle = 432_000u32;
        call.pass(u64::from(idle));
        phone.timestamp = phone.timestamp.wrapping_add(idle * 8);
        for _ in 0..3 {
            let packet = phone.voice();
            call.say(Side::A, packet);
            call.pass(20);
        }
    }
    let heard: Vec<_> = call.heard_by(Side::B).collect();
    let steps: HashSet<u32> = heard
        .windows(2)
        .map(|pair| pair[1].timestamp.wrapping_sub(pair[0].timestamp))
        .collect();
    assert_eq!(steps, HashSet::from([160, 160 + 432_000 * 8]));
    assert_eq!(Duration::from_millis(call.at_ms()).as_secs() / 3_600, 24);
}
