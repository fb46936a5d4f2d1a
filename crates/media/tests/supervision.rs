//! Silence, reports, the end.

mod common;

use std::time::Duration;

use axbridge_media::rtcp::{self, Cname, RTCP_LEN_MAX, Report, ReportBlock};
use axbridge_media::{Codec, Command, Direction, Event, Layout, RecordOut, SessionConfig, Side};
use common::{Call, negotiated, packet, phone, voice};

fn silent(call: &Call) -> Vec<Side> {
    call.events
        .iter()
        .filter_map(|event| match event {
            Event::NoMedia { side } => Some(*side),
            _ => None,
        })
        .collect()
}

#[test]
fn silence_is_told_once_per_silence_and_only_when_watched() {
    let mut call = Call::bridged(Codec::Pcma, Codec::Pcma);
    call.pass(200_000);
    assert!(silent(&call).is_empty(), "a ringing caller may be silent");
    call.command(Command::WatchMedia(true));
    for n in 0..2_999 {
        call.say(Side::A, voice(n));
        call.pass(20);
    }
    assert!(silent(&call).is_empty());
    call.pass(20);
    assert_eq!(silent(&call), [Side::B]);
    call.pass(120_000);
    assert_eq!(silent(&call), [Side::B, Side::A], "each once");
    call.say(Side::B, voice(0));
    call.pass(60_000);
    assert_eq!(silent(&call), [Side::B, Side::A, Side::B]);
}

#[test]
fn a_held_leg_may_be_silent_and_gets_its_time_after_the_hold() {
    let mut call = Call::new(SessionConfig {
        no_media_after: Duration::from_secs(5),
        ..SessionConfig::default()
    });
    let mut held = negotiated(Side::B, Codec::Pcma);
    held.direction = Direction::SendOnly;
    call.connect(held, Side::B);
    call.command(Command::WatchMedia(true));
    call.pass(60_000);
    assert!(silent(&call).is_empty());
    call.connect(negotiated(Side::B, Codec::Pcma), Side::B);
    call.pass(4_000);
    call.connect(negotiated(Side::B, Codec::Pcma), Side::B);
    call.pass(999);
    assert!(silent(&call).is_empty());
    call.pass(1);
    assert_eq!(silent(&call), [Side::B], "a repeated answer is no packet");
}

#[test]
fn who_holds_and_plays_nothing_may_be_silent_too() {
    let mut call = Call::bridged(Codec::Pcma, Codec::Pcma);
    call.command(Command::WatchMedia(true));
    // A says `sendonly`: we only receive from it. B answers `recvonly`: we only send to it.
    for (side, direction) in [
        (Side::A, Direction::RecvOnly),
        (Side::B, Direction::SendOnly),
    ] {
        let mut held = negotiated(side, Codec::Pcma);
        held.direction = direction;
        call.connect(held, side);
    }
    call.pass(300_000);
    assert!(silent(&call).is_empty(), "{:?}", silent(&call));
    call.connect(negotiated(Side::A, Codec::Pcma), Side::A);
    call.connect(negotiated(Side::B, Codec::Pcma), Side::B);
    call.pass(59_999);
    assert!(silent(&call).is_empty(), "each has its time after the hold");
    call.pass(1);
    assert_eq!(silent(&call).len(), 2);
}

#[test]
fn reports_go_out_about_every_five_seconds_under_a_name_that_says_nothing() {
    let mut call = Call::bridged(Codec::Pcma, Codec::Pcma);
    for n in 0..3_000 {
        call.say(Side::A, voice(n));
        call.pass(20);
    }
    for side in [Side::A, Side::B] {
        let reports: Vec<_> = call.rtcp.iter().filter(|(to, _)| *to == side).collect();
        assert!((8..=24).contains(&reports.len()), "{}", reports.len());
    }
    let (_, to_a) = call
        .rtcp
        .iter()
        .find(|(to, _)| *to == Side::A)
        .expect("report");
    let (_, to_b) = call
        .rtcp
        .iter()
        .find(|(to, _)| *to == Side::B)
        .expect("report");
    assert_eq!(
        (to_a[1], to_b[1]),
        (201, 200),
        "A gets no voice: RR; B gets A's: SR"
    );
    let read = rtcp::parse(to_a, 7).expect("RTCP");
    assert_eq!(
        read.about_us
            .expect("A's source is reported on")
            .fraction_lost,
        0
    );
    let name = |report: &[u8]| report[report.len() - 18..report.len() - 2].to_vec();
    assert_ne!(name(to_a), name(to_b), "no common name on the two legs");
}

#[test]
fn incoming_reports_give_round_trip_and_loss_and_go_no_further() {
    let mut call = Call::bridged(Codec::Pcma, Codec::Pcma);
    for n in 0..300 {
        call.say(Side::A, voice(n));
        call.pass(20);
        if call.rtcp.iter().any(|(to, _)| *to == Side::B) {
            break;
        }
    }
    let (_, report) = call
        .rtcp
        .iter()
        .find(|(to, _)| *to == Side::B)
        .expect("SR")
        .clone();
    let (ssrc, middle) = rtcp::parse(&report, 0)
        .expect("RTCP")
        .sender_report
        .expect("SR");
    call.pass(250);
    let block = ReportBlock {
        ssrc,
        cumulative_lost: 3,
        last_sr: middle,
        delay_since_last_sr: 65_536 / 10,
        ..ReportBlock::default()
    };
    let mut buf = [0; RTCP_LEN_MAX];
    let len = Report {
        ssrc: 99,
        sender: None,
        block: Some(block),
        cname: &Cname::from_random(1),
        bye: false,
    }
    .write(&mut buf);
    let from = ([127, 0, 0, 2], 5_001).into();
    call.session.rtcp(Side::B, call.now, from, &buf[..len]);
    call.session
        .rtcp(Side::B, call.now, phone(Side::A), &buf[..len]);
    let stats = call.session.stats().b;
    let round_trip_us = stats.round_trip_us.expect("known");
    // From the report to now, less the tenth of a second that the peer held it; the report may be up to a tick old.
    assert!(
        (150_000..=171_000).contains(&round_trip_us),
        "{round_trip_us}"
    );
    assert_eq!((stats.lost_by_peer, stats.wrong_source), (3, 1));
}

#[test]
fn after_the_end_there_is_a_goodbye_and_nothing_else() {
    let mut call = Call::bridged(Codec::Pcma, Codec::Pcma);
    call.command(Command::StartRecord {
        stem: "r".into(),
        layout: Layout::Mono,
    });
    for n in 0..200 {
        call.say(Side::A, voice(n));
        call.pass(20);
    }
    call.command(Command::Play {
        side: Side::A,
        prompt: axbridge_media::tone::ring_back().into(),
        repeat: true,
        token: 1,
    });
    let (heard, reports) = (call.heard.len(), call.rtcp.len());
    call.session.close(call.now);
    call.fetch();
    let goodbyes = &call.rtcp[reports..];
    assert_eq!(goodbyes.len(), 2);
    assert!(
        goodbyes
            .iter()
            .all(|(_, report)| rtcp::parse(report, 0).expect("RTCP").bye)
    );
    assert!(matches!(
        call.record.last(),
        Some(RecordOut::End {
            samples: 32_000,
            complete: true
        })
    ));
    let Some(Event::Final(stats)) = call.events.last() else {
        panic!("no Final: {:?}", call.events)
    };
    assert_eq!(
        (stats.a.received, stats.b.sent, stats.b.received),
        (200, 200, 0)
    );
    assert!(stats.a.mos_x100 > 420 && stats.b.mos_x100 == 0);
    let events = call.events.len();
    call.session.close(call.now);
    assert_eq!(call.session.next_deadline(), None);
    assert_eq!(call.say(Side::A, voice(200)), None);
    call.command(Command::SendDigit {
        side: Side::A,
        digit: axbridge_media::Digit::from_char('1').expect("key"),
        duration_ms: 100,
    });
    call.session
        .handle_timeout(call.now + Duration::from_secs(60));
    call.fetch();
    assert_eq!(
        (call.heard.len(), call.rtcp.len(), call.events.len()),
        (heard, reports + 2, events)
    );
}

#[test]
fn a_leg_that_never_heard_of_us_gets_no_goodbye() {
    let mut call = Call::new(SessionConfig::default());
    call.connect(negotiated(Side::A, Codec::Pcma), Side::A);
    call.session.close(call.now);
    call.fetch();
    assert!(call.rtcp.is_empty());
}

#[test]
fn jitter_and_loss_are_in_the_final_figures() {
    let mut call = Call::bridged(Codec::Pcma, Codec::Pcma);
    for n in 0..500u32 {
        if n % 10 != 0 {
            call.say(Side::A, packet(8, 1, n as u16, n * 160, &[1; 160]));
        }
        call.pass(if n % 2 == 0 { 10 } else { 30 });
    }
    let stats = call.session.stats().a;
    assert_eq!((stats.received, stats.lost), (450, 49));
    assert!(
        (8_000..=11_000).contains(&stats.jitter_us),
        "{}",
        stats.jitter_us
    );
    assert!(stats.mos_x100 < 370);
}
