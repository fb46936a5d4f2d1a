//! RTP, RTCP, telephone-events, and a whole media session fed with datagrams.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axbridge_media::dtmf::{DtmfReceiver, TelephoneEvent};
use axbridge_media::rtp::{HEADER_LEN, OutHeader, RtpHeader};
use axbridge_media::{
    Codec, Command, Direction, Layout, Negotiated, Session, SessionConfig, Side, rtcp,
};

/// A datagram: read its header, put ours in front of the payload, and read that.
pub fn rtp(data: &[u8]) {
    if let Ok(header) = RtpHeader::parse(data) {
        let mut packet = data.to_vec();
        let ours = OutHeader {
            marker: true,
            payload_type: 8,
            sequence: 1,
            timestamp: 2,
            ssrc: 3,
        };
        let range = ours
            .write_before(&mut packet, header.payload.clone())
            .expect("room for a header");
        let again = RtpHeader::parse(&packet[range.clone()]).expect("ours is good");
        assert_eq!(again.payload, HEADER_LEN..range.len());
        assert_eq!(packet[range][HEADER_LEN..], data[header.payload]);
    }
    session(data);
}

/// A compound packet.
pub fn rtcp(data: &[u8]) {
    let _ = rtcp::parse(data, 0x0102_0304);
}

/// Event packets: four bytes of timestamp, four of payload, each 20 ms after the other. Never more presses than packets.
pub fn telephone_event(data: &[u8]) {
    let (mut receiver, mut now) = (DtmfReceiver::default(), Instant::now());
    let (mut packets, mut presses) = (0, 0);
    for record in data.chunks_exact(8) {
        let timestamp = u32::from_be_bytes([record[0], record[1], record[2], record[3]]);
        let event = TelephoneEvent::parse(&record[4..]).expect("four bytes");
        assert_eq!(TelephoneEvent::parse(&event.to_bytes()), Some(event));
        now += Duration::from_millis(20);
        packets += 1;
        presses += usize::from(receiver.receive(now, timestamp, event, 8_000).is_some());
        assert!(presses <= packets);
    }
    presses += usize::from(
        receiver
            .handle_timeout(now + Duration::from_secs(1), 8_000)
            .is_some(),
    );
    assert!(presses <= packets && receiver.deadline().is_none());
}

/// The bytes cut into datagrams (one byte of length, which also says the leg), 20 ms apart, with a recording.
fn session(data: &[u8]) {
    let mut now = Instant::now();
    let mut session = Session::new(SessionConfig::default(), now, 1_700_000_000_000, 1);
    let phone: SocketAddr = ([127, 0, 0, 1], 4_000).into();
    for (side, codec) in [(Side::A, Codec::Pcma), (Side::B, Codec::Pcmu)] {
        let pt = codec.static_pt().unwrap_or(0);
        let negotiated = Negotiated {
            remote: phone,
            remote_rtcp: phone,
            codec,
            pt_send: pt,
            pt_recv: pt,
            dtmf_send: Some(101),
            dtmf_recv: Some(101),
            direction: Direction::SendRecv,
            ptime_ms: 20,
        };
        session.command(
            now,
            Command::Connect {
                side,
                negotiated,
                learn_source: false,
            },
        );
    }
    session.command(now, Command::Bridge(true));
    session.command(
        now,
        Command::StartRecord {
            stem: Arc::from("fuzz"),
            layout: Layout::Stereo,
        },
    );
    let mut rest = data;
    while let Some((&first, after)) = rest.split_first() {
        let (datagram, left) = after.split_at(usize::from(first & 0x7F).min(after.len()));
        rest = left;
        let side = if first & 0x80 == 0 { Side::A } else { Side::B };
        let mut datagram = datagram.to_vec();
        session.rtcp(side, now, phone, &datagram);
        if let Some(out) = session.rtp(side, now, phone, &mut datagram) {
            assert_eq!(
                datagram[out.range][0], 0x80,
                "no padding, extension or CSRC goes out"
            );
        }
        now += Duration::from_millis(20);
        session.handle_timeout(now);
        while session.poll_transmit().is_some()
            || session.poll_event().is_some()
            || session.poll_record().is_some()
        {}
    }
    session.close(now);
}
