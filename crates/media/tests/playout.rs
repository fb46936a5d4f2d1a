//! What the platform says itself: prompts and digits.

mod common;

use std::sync::Arc;
use std::time::Duration;

use axbridge_media::{
    Codec, Command, Digit, Direction, Encoding, Event, Layout, PlayEnd, Prompt, RecordOut,
    SessionConfig, Side, tone,
};
use common::{Call, DTMF_A, assert_unbroken, negotiated, voice};

fn prompt(ms: u32) -> Arc<Prompt> {
    Arc::new(Prompt::from_linear(&tone::sine(1_000.0, ms, 8_000)).expect("prompt"))
}

fn play(side: Side, prompt: &Arc<Prompt>, repeat: bool, token: u32) -> Command {
    Command::Play {
        side,
        prompt: Arc::clone(prompt),
        repeat,
        token,
    }
}

fn done(call: &Call) -> Vec<(u64, u32, PlayEnd)> {
    let ended = |event: &Event| match event {
        Event::PlayDone { token, end, .. } => Some((0, *token, *end)),
        _ => None,
    };
    call.events.iter().filter_map(ended).collect()
}

#[test]
fn a_prompt_goes_out_every_20_ms_in_the_legs_law_and_tells_its_end() {
    for (codec, pt) in [(Codec::Pcma, 8), (Codec::Pcmu, 0)] {
        let mut call = Call::new(SessionConfig::default());
        call.connect(negotiated(Side::A, codec.clone()), Side::A);
        let prompt = prompt(110);
        call.command(play(Side::A, &prompt, false, 5));
        call.pass(119);
        assert!(
            done(&call).is_empty(),
            "not before its last packet is heard"
        );
        call.pass(2);
        assert_eq!(done(&call), [(0, 5, PlayEnd::Finished)]);
        let times: Vec<u64> = call.heard.iter().map(|heard| heard.at_ms).collect();
        assert_eq!(times, [0, 20, 40, 60, 80, 100]);
        assert!(
            call.heard
                .iter()
                .all(|heard| heard.pt == pt && heard.payload.len() == 160)
        );
        assert_eq!(call.heard.iter().filter(|heard| heard.marker).count(), 1);
        let codes: Vec<u8> = call
            .heard
            .iter()
            .flat_map(|heard| heard.payload.clone())
            .collect();
        let expected = prompt.payload(&codec).expect("spoken");
        assert_eq!(&codes[..expected.len()], expected);
        assert!(
            call.heard
                .windows(2)
                .all(|pair| pair[1].timestamp == pair[0].timestamp.wrapping_add(160))
        );
        assert_unbroken(call.heard.iter());
    }
}

#[test]
fn a_prompt_takes_the_peers_place_and_gives_it_back() {
    let mut call = Call::bridged(Codec::Pcma, Codec::Pcma);
    let prompt = prompt(200);
    for n in 0..50 {
        if n == 10 {
            call.command(play(Side::B, &prompt, false, 1));
        }
        call.say(Side::A, voice(n));
        call.say(Side::B, voice(n));
        call.pass(20);
    }
    assert_eq!(call.heard_by(Side::B).count(), 50);
    assert_eq!(
        call.heard_by(Side::A).count(),
        50,
        "the other side hears on"
    );
    assert_unbroken(call.heard_by(Side::B));
    assert_unbroken(call.heard_by(Side::A));
    let markers: Vec<usize> = call
        .heard_by(Side::B)
        .enumerate()
        .filter(|(_, heard)| heard.marker)
        .map(|(n, _)| n)
        .collect();
    assert_eq!(markers, [0, 10, 20]);
    let relayed =
        |n: usize| call.heard_by(Side::B).nth(n).expect("heard").payload == [n as u8; 160];
    assert!(relayed(9) && !relayed(10) && !relayed(19) && relayed(20));
}

#[test]
fn a_late_wake_up_is_not_made_good_in_a_burst() {
    let mut call = Call::new(SessionConfig::default());
    call.connect(negotiated(Side::A, Codec::Pcma), Side::A);
    call.command(play(Side::A, &prompt(1_000), false, 1));
    call.now += Duration::from_millis(79);
    call.session.handle_timeout(call.now);
    call.fetch();
    assert_eq!(call.heard.len(), 4, "a little late is made good");
    call.now += Duration::from_millis(421);
    call.session.handle_timeout(call.now);
    call.fetch();
    assert_eq!(call.heard.len(), 5);
    assert!(call.heard[4].marker);
    let step = call.heard[4]
        .timestamp
        .wrapping_sub(call.heard[3].timestamp);
    assert_eq!(step, (500 - 60) * 8, "the timeline is that of the clock");
    call.pass(2_000);
    assert_eq!(call.heard.len(), 50, "all of the prompt is heard");
}

#[test]
fn a_repeated_prompt_goes_round_without_a_seam_until_stopped() {
    let mut call = Call::new(SessionConfig::default());
    call.connect(negotiated(Side::A, Codec::Pcma), Side::A);
    let prompt = prompt(30);
    call.command(play(Side::A, &prompt, true, 9));
    call.pass(299);
    let codes: Vec<u8> = call
        .heard
        .iter()
        .flat_map(|heard| heard.payload.clone())
        .collect();
    assert_eq!(codes.len(), 300 * 8);
    assert!(
        codes
            .chunks(240)
            .all(|round| round == &prompt.alaw()[..round.len()])
    );
    call.command(Command::StopPlay { side: Side::A });
    assert_eq!(done(&call), [(0, 9, PlayEnd::Stopped)]);
    let heard = call.heard.len();
    call.pass(1_000);
    assert_eq!(call.heard.len(), heard);
}

#[test]
fn a_second_prompt_ends_the_first() {
    let mut call = Call::new(SessionConfig::default());
    call.connect(negotiated(Side::A, Codec::Pcma), Side::A);
    call.command(play(Side::A, &prompt(500), false, 1));
    call.pass(100);
    call.command(play(Side::A, &prompt(100), false, 2));
    call.pass(500);
    assert_eq!(
        done(&call),
        [(0, 1, PlayEnd::Stopped), (0, 2, PlayEnd::Finished)]
    );
    assert_unbroken(call.heard.iter());
}

#[test]
fn what_can_not_be_spoken_is_skipped_at_once() {
    let mut call = Call::new(SessionConfig::default());
    call.command(play(Side::A, &prompt(100), false, 1));
    call.connect(negotiated(Side::A, Codec::from(Encoding::Opus)), Side::A);
    call.command(play(Side::A, &prompt(100), false, 2));
    assert_eq!(
        done(&call),
        [(0, 1, PlayEnd::Skipped), (0, 2, PlayEnd::Skipped)]
    );
    call.pass(200);
    assert!(call.heard.is_empty());
}

#[test]
fn a_held_leg_hears_nothing_but_the_prompt_takes_its_time() {
    let mut call = Call::new(SessionConfig::default());
    let mut held = negotiated(Side::A, Codec::Pcma);
    held.direction = Direction::RecvOnly;
    call.connect(held, Side::A);
    call.command(play(Side::A, &prompt(100), false, 1));
    call.pass(99);
    assert!(done(&call).is_empty());
    call.pass(1);
    assert_eq!(done(&call), [(0, 1, PlayEnd::Finished)]);
    assert!(call.heard.is_empty());
}

#[test]
fn digits_are_sent_as_events_and_the_voice_goes_on_after_them() {
    let mut call = Call::bridged(Codec::Pcma, Codec::Pcma);
    for n in 0..30 {
        if n == 5 {
            for key in ['1', '2'] {
                let digit = Digit::from_char(key).expect("key");
                call.command(Command::SendDigit {
                    side: Side::A,
                    digit,
                    duration_ms: 60,
                });
            }
        }
        call.say(Side::B, voice(n));
        call.pass(20);
    }
    let events: Vec<_> = call
        .heard_by(Side::A)
        .filter(|heard| heard.pt == DTMF_A)
        .collect();
    let codes: Vec<u8> = events.iter().map(|heard| heard.payload[0]).collect();
    assert_eq!(codes, [1, 1, 1, 1, 1, 2, 2, 2, 2, 2]);
    assert!(
        events[..5]
            .iter()
            .all(|heard| heard.timestamp == events[0].timestamp)
    );
    assert!(events[0].marker && !events[1].marker && events[5].marker);
    assert!(call.heard_by(Side::A).last().expect("voice").pt == 8);
    assert_unbroken(call.heard_by(Side::A));
}

#[test]
fn a_leg_without_telephone_event_gets_no_digit() {
    let mut call = Call::new(SessionConfig::default());
    let mut leg = negotiated(Side::A, Codec::Pcma);
    leg.dtmf_send = None;
    call.connect(leg, Side::A);
    let digit = Digit::from_char('1').expect("key");
    call.command(Command::SendDigit {
        side: Side::A,
        digit,
        duration_ms: 60,
    });
    call.pass(500);
    assert!(call.heard.is_empty());
}

/// Both tones of the issue, through the session, with a prompt in between towards the callee.
#[test]
fn the_recording_hears_what_the_parties_heard() {
    let mut call = Call::bridged(Codec::Pcma, Codec::Pcmu);
    let tones = [440.0, 880.0].map(|hz| tone::sine(hz, 5_000, 8_000));
    call.command(Command::StartRecord {
        stem: "r".into(),
        layout: Layout::Stereo,
    });
    for n in 0..250u32 {
        if n == 100 {
            call.command(play(Side::B, &prompt(1_000), false, 1));
        }
        let part = n as usize * 160..n as usize * 160 + 160;
        let a: Vec<u8> = tones[0][part.clone()]
            .iter()
            .map(|&s| axbridge_media::g711::linear_to_alaw(s))
            .collect();
        let b: Vec<u8> = tones[1][part]
            .iter()
            .map(|&s| axbridge_media::g711::linear_to_ulaw(s))
            .collect();
        call.say(Side::A, common::packet(8, 1, n as u16, n * 160, &a));
        call.say(Side::B, common::packet(0, 2, n as u16, n * 160, &b));
        call.pass(20);
    }
    call.command(Command::StopRecord);
    let samples: Vec<i16> = call
        .record
        .iter()
        .filter_map(|part| match part {
            RecordOut::Samples(samples) => Some(samples.clone()),
            _ => None,
        })
        .flatten()
        .collect();
    assert!(matches!(
        call.record.last(),
        Some(RecordOut::End {
            samples: 40_000,
            complete: true
        })
    ));
    assert_eq!(samples.len(), 80_000);
    let channel = |side: usize| {
        samples
            .chunks_exact(2)
            .map(|pair| pair[side])
            .collect::<Vec<_>>()
    };
    let (left, right) = (channel(0), channel(1));
    assert!(tone::share_of(&right, 880.0) > 0.99 && tone::share_of(&right, 440.0) < 0.01);
    assert!(tone::share_of(&left[..15_000], 440.0) > 0.99);
    assert!(
        tone::share_of(&left[17_000..23_000], 1_000.0) > 0.99,
        "the callee heard the prompt"
    );
    assert!(tone::share_of(&left[25_000..39_000], 440.0) > 0.99);
    assert!(tone::share_of(&left, 880.0) < 0.01);
}
