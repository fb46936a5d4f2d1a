//! One packet from one telephone to the other.

mod common;

use axbridge_media::g711::alaw_to_ulaw;
use axbridge_media::{Codec, Command, Direction, Encoding, Event, SessionConfig, Side};
use common::{Call, DTMF_A, DTMF_B, event, negotiated, packet, phone, voice};

fn g711() -> Call {
    Call::bridged(Codec::Pcma, Codec::Pcma)
}

#[test]
fn nothing_of_the_peers_header_crosses() {
    let mut call = g711();
    let hostile = rtp_rs::RtpPacketBuilder::new()
        .payload_type(8)
        .ssrc(0x1111_1111)
        .sequence(rtp_rs::Seq::from(77))
        .timestamp(0x2222_2222)
        .add_csrc(0x3333_3333)
        .extension(0x4444, b"8613900000001###")
        .padded(rtp_rs::Pad::round_to(32))
        .payload(&[0x55; 80])
        .build()
        .expect("builds");
    let heard = call.say(Side::A, hostile).expect("relayed");
    assert_eq!(heard.payload, [0x55; 80]);
    assert_ne!(heard.ssrc, 0x1111_1111);
    assert_ne!((heard.sequence, heard.timestamp), (77, 0x2222_2222));
    assert!(heard.marker, "our stream begins here");
}

#[test]
fn each_leg_has_its_own_source() {
    let mut call = g711();
    let to_b = call.say(Side::A, voice(0)).expect("relayed");
    let to_a = call.say(Side::B, voice(0)).expect("relayed");
    assert_ne!(to_a.ssrc, to_b.ssrc);
}

#[test]
fn laws_are_converted_both_ways_and_by_the_type_that_was_sent() {
    let mut call = Call::bridged(Codec::Pcma, Codec::Pcmu);
    let heard = call
        .say(Side::A, packet(8, 1, 1, 0, &[0x12, 0x34]))
        .expect("relayed");
    assert_eq!(
        (heard.pt, heard.payload),
        (0, vec![alaw_to_ulaw(0x12), alaw_to_ulaw(0x34)])
    );
    // A sends the other law: static types, so it may.
    let heard = call
        .say(Side::A, packet(0, 1, 2, 160, &[0x12, 0x34]))
        .expect("relayed");
    assert_eq!((heard.pt, heard.payload), (0, vec![0x12, 0x34]));
    let heard = call
        .say(Side::B, packet(0, 2, 1, 0, &[alaw_to_ulaw(0x12)]))
        .expect("relayed");
    assert_eq!((heard.pt, heard.payload), (8, vec![0x12]));
}

#[test]
fn unknown_codecs_pass_untouched_under_the_other_legs_type() {
    let opus = || Codec::from(Encoding::Opus);
    let mut call = Call::bridged(opus(), opus());
    let heard = call
        .say(Side::A, packet(111, 1, 1, 0, b"opaque"))
        .expect("relayed");
    assert_eq!(
        (heard.pt, heard.payload.as_slice()),
        (112, b"opaque".as_slice())
    );
    let mut unequal = Call::bridged(opus(), Codec::Pcma);
    assert_eq!(unequal.say(Side::A, packet(111, 1, 1, 0, b"opaque")), None);
    assert_eq!(unequal.say(Side::B, voice(0)), None);
}

#[test]
fn strangers_wrong_types_and_noise_are_dropped_and_counted() {
    let mut call = g711();
    assert_eq!(call.datagram(Side::A, phone(Side::B), voice(0)), None);
    assert_eq!(
        call.datagram(Side::A, ([127, 0, 0, 1], 4_001).into(), voice(0)),
        None
    );
    assert_eq!(call.say(Side::A, packet(99, 1, 1, 0, &[1; 160])), None);
    assert_eq!(call.say(Side::A, vec![0; 40]), None);
    assert_eq!(call.say(Side::A, vec![0x80, 8]), None);
    assert_eq!(call.say(Side::A, packet(8, 1, 1, 0, &[])), None);
    let stats = call.session.stats().a;
    assert_eq!(
        (stats.wrong_source, stats.invalid, stats.received),
        (2, 4, 0)
    );
}

#[test]
fn learning_locks_onto_the_first_valid_packet() {
    let mut call = g711();
    let learn = |call: &mut Call| {
        let negotiated = negotiated(Side::A, Codec::Pcma);
        call.command(Command::Connect {
            side: Side::A,
            negotiated,
            learn_source: true,
        });
    };
    learn(&mut call);
    assert!(call.session.learning(Side::A));
    let natted = ([127, 0, 0, 9], 9_000).into();
    assert_eq!(call.datagram(Side::A, natted, vec![0; 40]), None);
    assert!(call.session.learning(Side::A), "noise is not learned from");
    assert!(call.datagram(Side::A, natted, voice(0)).is_some());
    assert_eq!(
        call.datagram(Side::A, phone(Side::A), voice(1)),
        None,
        "locked"
    );
    assert_eq!(call.session.remote(Side::A), Some(natted));
    assert_eq!(
        call.session.remote_rtcp(Side::A),
        Some(([127, 0, 0, 9], 9_001).into())
    );
    learn(&mut call);
    assert_eq!(
        call.session.remote(Side::A),
        Some(natted),
        "a repeated answer keeps the lock"
    );
    let mut moved = negotiated(Side::A, Codec::Pcma);
    moved.remote.set_port(4_444);
    call.command(Command::Connect {
        side: Side::A,
        negotiated: moved,
        learn_source: true,
    });
    assert!(call.session.learning(Side::A), "a new address opens it");
}

#[test]
fn hold_is_respected_in_both_directions() {
    let mut call = g711();
    for (direction, from_b, to_b) in [
        (Direction::SendOnly, false, true),
        (Direction::RecvOnly, true, false),
        (Direction::Inactive, false, false),
        (Direction::SendRecv, true, true),
    ] {
        let mut held = negotiated(Side::B, Codec::Pcma);
        held.direction = direction;
        call.connect(held, Side::B);
        call.pass(20);
        let n = (call.at_ms() / 20) as u32;
        assert_eq!(call.say(Side::A, voice(n)).is_some(), to_b, "{direction:?}");
        assert_eq!(
            call.say(Side::B, voice(n)).is_some(),
            from_b,
            "{direction:?}"
        );
    }
    common::assert_unbroken(call.heard_by(Side::B));
    common::assert_unbroken(call.heard_by(Side::A));
}

#[test]
fn old_style_hold_gets_no_packet() {
    let mut call = g711();
    let mut held = negotiated(Side::B, Codec::Pcma);
    held.remote = ([0, 0, 0, 0], 5_000).into();
    call.connect(held, Side::B);
    assert_eq!(call.say(Side::A, voice(0)), None);
    call.pass(30_000);
    assert!(call.rtcp.iter().all(|(to, _)| *to == Side::A));
}

#[test]
fn nothing_crosses_before_the_bridge() {
    let mut call = Call::new(SessionConfig::default());
    assert_eq!(call.say(Side::A, voice(0)), None);
    call.connect(negotiated(Side::A, Codec::Pcma), Side::A);
    call.connect(negotiated(Side::B, Codec::Pcma), Side::B);
    assert_eq!(call.say(Side::A, voice(1)), None);
    call.command(Command::Bridge(true));
    assert!(call.say(Side::A, voice(2)).is_some());
    call.command(Command::Bridge(false));
    assert_eq!(call.say(Side::A, voice(3)), None);
}

#[test]
fn losses_and_order_are_passed_on_and_copies_are_not() {
    let mut call = g711();
    let first = call.say(Side::A, voice(0)).expect("relayed");
    let mut sequences = Vec::new();
    for n in [1, 4, 3, 4, 3, 5] {
        sequences.push(
            call.say(Side::A, voice(n))
                .map(|heard| heard.sequence.wrapping_sub(first.sequence)),
        );
    }
    assert_eq!(sequences, [Some(1), Some(4), Some(3), None, None, Some(5)]);
    assert!(call.heard[1..].iter().all(|heard| !heard.marker));
    let stats = call.session.stats().a;
    assert_eq!((stats.lost, stats.late, stats.duplicates), (1, 1, 2));
}

#[test]
fn a_restarted_peer_does_not_restart_our_stream() {
    let mut call = g711();
    for n in 0..5 {
        call.pass(20);
        call.say(Side::A, voice(n));
    }
    for n in 0..5u16 {
        call.pass(20);
        let other = packet(8, 0x9999, 40_000 + n, 3 + u32::from(n) * 160, &[1; 160]);
        let heard = call.say(Side::A, other).expect("relayed");
        assert_eq!(heard.marker, n == 0);
    }
    assert_eq!(call.heard.len(), 10);
    common::assert_unbroken(call.heard_by(Side::B));
    // Same source, sequence begins anew: believed with the second packet.
    let relayed: Vec<bool> = (0..4u16)
        .map(|n| {
            call.pass(20);
            call.say(
                Side::A,
                packet(8, 0x9999, 5 + n, 900_000 + u32::from(n) * 160, &[1; 160]),
            )
            .is_some()
        })
        .collect();
    assert_eq!(relayed, [false, true, true, true]);
    common::assert_unbroken(call.heard_by(Side::B));
}

#[test]
fn a_clock_jump_of_the_peer_is_smoothed_and_a_pause_is_kept() {
    let mut call = g711();
    call.say(Side::A, packet(8, 1, 1, 1_000, &[1; 160]));
    call.pass(20);
    call.say(Side::A, packet(8, 1, 2, 1_000_000, &[1; 160]));
    call.pass(20);
    call.say(Side::A, packet(8, 1, 3, 5, &[1; 160]));
    call.pass(10_000);
    call.say(Side::A, packet(8, 1, 4, 5 + 80_000, &[1; 160]));
    let steps: Vec<u32> = call
        .heard
        .windows(2)
        .map(|pair| pair[1].timestamp.wrapping_sub(pair[0].timestamp))
        .collect();
    assert_eq!(steps, [160, 160, 80_000]);
    common::assert_unbroken(call.heard_by(Side::B));
}

#[test]
fn other_packet_times_pass_as_they_are() {
    let mut call = g711();
    for n in 0..4u32 {
        call.pass(60);
        let heard = call
            .say(Side::A, packet(8, 1, n as u16, n * 480, &[9; 480]))
            .expect("relayed");
        assert_eq!(heard.payload.len(), 480);
    }
    let steps: Vec<u32> = call
        .heard
        .windows(2)
        .map(|pair| pair[1].timestamp.wrapping_sub(pair[0].timestamp))
        .collect();
    assert_eq!(steps, [480; 3]);
}

#[test]
fn telephone_events_cross_under_the_other_legs_type_and_are_told() {
    let mut call = g711();
    let voice_at = |call: &mut Call, n: u32| call.say(Side::A, voice(n)).expect("relayed");
    let before = voice_at(&mut call, 0);
    let mut out = Vec::new();
    for (n, (end, duration)) in [
        (false, 160),
        (false, 320),
        (true, 480),
        (true, 480),
        (true, 480),
    ]
    .into_iter()
    .enumerate()
    {
        call.pass(20);
        let press = packet(
            DTMF_A,
            7,
            1_001 + n as u16,
            50_160,
            &event(5, end, duration),
        );
        out.push(call.say(Side::A, press).expect("relayed"));
    }
    assert!(
        out.iter().all(
            |heard| heard.pt == DTMF_B && heard.timestamp == before.timestamp.wrapping_add(160)
        )
    );
    assert_eq!(out[2].payload, event(5, true, 480));
    call.pass(20);
    let after = voice_at(&mut call, 6);
    assert_eq!(after.timestamp, before.timestamp.wrapping_add(6 * 160));
    common::assert_unbroken(call.heard_by(Side::B));
    let digits: Vec<_> = call.events.iter().collect();
    assert!(
        matches!(digits[..], [Event::Digit { side: Side::A, digit, duration_ms: 60 }] if digit.as_char() == '5')
    );
}

#[test]
fn events_that_the_other_leg_does_not_know_leave_no_hole() {
    let mut call = Call::new(SessionConfig::default());
    call.connect(negotiated(Side::A, Codec::Pcma), Side::A);
    let mut plain = negotiated(Side::B, Codec::Pcma);
    (plain.dtmf_send, plain.dtmf_recv) = (None, None);
    call.connect(plain, Side::B);
    call.command(Command::Bridge(true));
    call.say(Side::A, voice(0));
    for n in 1..4u16 {
        call.pass(20);
        assert_eq!(
            call.say(
                Side::A,
                packet(DTMF_A, 7, 1_000 + n, 50_160, &event(1, n == 3, n * 160))
            ),
            None
        );
    }
    call.pass(20);
    call.say(Side::A, voice(4));
    assert_eq!(call.say(Side::A, voice(2)), None, "its number is taken");
    common::assert_unbroken(call.heard_by(Side::B));
    assert_eq!(call.events.len(), 1);
}

#[test]
fn tones_in_the_voice_are_digits_only_without_telephone_event() {
    let tone: Vec<u8> = axbridge_media::tone::sine(770.0, 100, 6_000)
        .into_iter()
        .zip(axbridge_media::tone::sine(1_336.0, 100, 6_000))
        .map(|(low, high)| axbridge_media::g711::linear_to_alaw(low + high))
        .chain([0xD5; 800])
        .collect();
    for (agreed, expected) in [(true, 0), (false, 1)] {
        let mut call = Call::new(SessionConfig::default());
        let mut leg = negotiated(Side::A, Codec::Pcma);
        if !agreed {
            leg.dtmf_recv = None;
        }
        call.connect(leg, Side::A);
        for (n, codes) in tone.chunks(160).enumerate() {
            call.say(Side::A, packet(8, 1, n as u16, n as u32 * 160, codes));
        }
        assert_eq!(call.events.len(), expected);
    }
}

#[test]
fn an_end_that_never_comes_is_made_good_by_the_clock() {
    let mut call = g711();
    call.say(Side::A, packet(DTMF_A, 7, 1, 0, &event(11, false, 320)));
    call.pass(199);
    assert!(call.events.is_empty());
    call.pass(1);
    assert!(
        matches!(call.events[..], [Event::Digit { side: Side::A, digit, duration_ms: 40 }] if digit.as_char() == '#')
    );
}
