//! Audio over real sockets: relayed as our own stream, strangers unheard, ports bounded, recordings on disk.
#![allow(clippy::unwrap_used)] // also in the helpers beside the tests

mod common;

use std::io::ErrorKind;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

use axbridge_media::{Event, RecordingEvent};
use common::{Rig, ask, call, free_ports, phone, request, rtp, wait_for};

/// The next RTP packet as (SSRC, sequence, payload).
fn next_rtp(phone: &UdpSocket) -> (u32, u16, Vec<u8>) {
    let mut packet = [0; 2_048];
    let length = phone.recv(&mut packet).expect("no packet");
    assert!(length >= 12);
    let ssrc = u32::from_be_bytes(packet[8..12].try_into().unwrap());
    let sequence = u16::from_be_bytes(packet[2..4].try_into().unwrap());
    (ssrc, sequence, packet[12..length].to_vec())
}

fn hears_nothing(phone: &UdpSocket) -> bool {
    phone
        .set_read_timeout(Some(Duration::from_millis(100)))
        .unwrap();
    let result = phone.recv(&mut [0; 2_048]);
    phone
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    matches!(result, Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
}

#[test]
fn audio_goes_both_ways_as_our_own_stream() {
    let rig = Rig::start(|config| config.shards = 2);
    let (sip, a, b) = (phone(), phone(), phone());
    let [a_port, b_port] = call(&rig, &sip, "one", [&a, &b], "");
    let mut last = None;
    for number in 0..10u16 {
        a.send_to(&rtp(0xaaaa, 100 + number, number as u8), a_port)
            .unwrap();
        let (ssrc, sequence, payload) = next_rtp(&b);
        assert_ne!(ssrc, 0xaaaa);
        assert_eq!(payload, [number as u8; 160]);
        if let Some((last_ssrc, last_sequence)) = last.replace((ssrc, sequence)) {
            assert_eq!(
                (ssrc, sequence),
                (last_ssrc, u16::wrapping_add(last_sequence, 1))
            );
        }
    }
    b.send_to(&rtp(0xbbbb, 1, 7), b_port).unwrap();
    let (ssrc, _, payload) = next_rtp(&a);
    assert!(ssrc != 0xbbbb && ssrc != last.unwrap().0);
    assert_eq!(payload, [7; 160]);
}

#[test]
fn a_strangers_packets_are_not_heard() {
    let rig = Rig::start(|_| {});
    let (sip, a, b, stranger) = (phone(), phone(), phone(), phone());
    let [a_port, _] = call(&rig, &sip, "one", [&a, &b], "");
    stranger.send_to(&rtp(1, 1, 1), a_port).unwrap();
    assert!(hears_nothing(&b));
    a.send_to(&rtp(2, 1, 2), a_port).unwrap();
    assert_eq!(next_rtp(&b).2, [2; 160]);
}

#[test]
fn a_learned_source_is_kept() {
    let rig = Rig::start(|_| {});
    let (sip, a, b, behind_nat) = (phone(), phone(), phone(), phone());
    let [a_port, b_port] = call(&rig, &sip, "one", [&a, &b], "X-Do: learn\r\n");
    behind_nat.send_to(&rtp(1, 1, 1), a_port).unwrap();
    assert_eq!(next_rtp(&b).2, [1; 160]);
    a.send_to(&rtp(2, 1, 2), a_port).unwrap();
    assert!(hears_nothing(&b), "the first source is the one");
    b.send_to(&rtp(3, 1, 3), b_port).unwrap();
    assert_eq!(next_rtp(&behind_nat).2, [3; 160]);
}

#[test]
fn without_ports_a_call_is_refused_and_others_go_on() {
    let rig = Rig::start(|config| config.ports = free_ports(2));
    let (sip, a, b) = (phone(), phone(), phone());
    let [a_port, _] = call(&rig, &sip, "one", [&a, &b], "");
    let refused = ask(&sip, rig.udp(), &request("INVITE", "two", ""));
    assert!(refused.starts_with("SIP/2.0 503"), "{refused}");
    a.send_to(&rtp(1, 1, 1), a_port).unwrap();
    assert_eq!(next_rtp(&b).2, [1; 160]);
}

#[test]
fn after_the_end_nothing_is_relayed_and_the_counts_are_told() {
    let rig = Rig::start(|_| {});
    let (sip, a, b) = (phone(), phone(), phone());
    let [a_port, _] = call(&rig, &sip, "one", [&a, &b], "");
    a.send_to(&rtp(1, 1, 1), a_port).unwrap();
    next_rtp(&b);
    ask(&sip, rig.udp(), &request("BYE", "one", ""));
    let stats = wait_for("the last event", || {
        let events = rig.seen.events.lock();
        events.iter().find_map(|event| match event {
            Event::Final(stats) => Some(stats.clone()),
            _ => None,
        })
    });
    assert_eq!(stats.a.received, 1);
    let _ = a.send_to(&rtp(1, 2, 1), a_port);
    assert!(hears_nothing(&b));
}

/// Plays to both ports for so long, a packet every 20 ms.
fn play(phones: [&UdpSocket; 2], ports: [std::net::SocketAddr; 2], length: Duration) {
    let start = Instant::now();
    for sequence in 0..(length.as_millis() / 20) as u16 {
        for (phone, port) in phones.into_iter().zip(ports) {
            phone.send_to(&rtp(9, sequence, 0x2a), port).unwrap();
        }
        let due = start + Duration::from_millis(20) * u32::from(sequence + 1);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
}

#[test]
fn a_recording_is_valid_during_the_call_and_published_after_it() {
    let rig = Rig::start(|_| {});
    let (sip, a, b) = (phone(), phone(), phone());
    let ports = call(&rig, &sip, "rec", [&a, &b], "X-Do: record\r\n");
    let (short_a, short_b) = (phone(), phone());
    call(
        &rig,
        &sip,
        "short",
        [&short_a, &short_b],
        "X-Do: record\r\n",
    );
    play([&a, &b], ports, Duration::from_millis(1_000));
    ask(&sip, rig.udp(), &request("BYE", "short", ""));
    play([&a, &b], ports, Duration::from_millis(2_600));
    let partial = rig.dir.join(".partial/7/rec.wav");
    wait_for("a valid header", || {
        let wav = hound::WavReader::open(&partial).ok()?;
        (wav.duration() >= 16_000).then_some(())
    });
    let published = rig.dir.join("7/rec.wav");
    assert!(!published.exists());
    ask(&sip, rig.udp(), &request("BYE", "rec", ""));
    let told = |wanted: fn(&RecordingEvent) -> bool| {
        wait_for("word of the recording", || {
            let events = rig.seen.events.lock();
            events.iter().find_map(|event| match event {
                Event::Recording(event) if wanted(event) => Some(event.clone()),
                _ => None,
            })
        })
    };
    let kept = told(|event| matches!(event, RecordingEvent::Kept { .. }));
    told(|event| matches!(event, RecordingEvent::Discarded { .. }));
    let RecordingEvent::Kept {
        stem,
        duration_ms,
        bytes,
    } = kept
    else {
        panic!("not kept")
    };
    assert_eq!(bytes, std::fs::metadata(&published).unwrap().len());
    assert_eq!(&*stem, "7/rec.wav");
    let wav = hound::WavReader::open(&published).unwrap();
    assert_eq!(wav.spec().channels, 2);
    assert_eq!(u64::from(wav.duration()) / 8, duration_ms);
    // Played for 3.6 s; the rest is what a busy machine may do to it.
    assert!((3_500..8_000).contains(&duration_ms), "{duration_ms}");
    assert!(
        wav.into_samples::<i16>().any(|sample| sample.unwrap() != 0),
        "only silence"
    );
    assert!(!partial.exists() && !rig.dir.join("7/short.wav").exists());
}

#[test]
fn recordings_of_calls_that_never_ended_are_published_when_the_engine_stops() {
    let rig = Rig::start(|_| {});
    let (sip, a, b) = (phone(), phone(), phone());
    let ports = call(&rig, &sip, "rec", [&a, &b], "X-Do: record\r\n");
    play([&a, &b], ports, Duration::from_millis(3_100));
    rig.engine.shutdown_blocking();
    assert!(
        hound::WavReader::open(rig.dir.join("7/rec.wav"))
            .unwrap()
            .duration()
            >= 24_000
    );
}
