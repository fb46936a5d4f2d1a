//! A call with two telephones and a virtual clock.
#![allow(dead_code, reason = "each test file uses its part")]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axbridge_media::dtmf::TelephoneEvent;
use axbridge_media::{
    Codec, Command, Direction, Event, Negotiated, RecordOut, Session, SessionConfig, Side,
    TransmitKind,
};
use rtp_rs::{RtpPacketBuilder, RtpReader, Seq};

pub const DTMF_A: u8 = 101;
pub const DTMF_B: u8 = 96;

/// Address of a party's telephone.
pub fn phone(side: Side) -> SocketAddr {
    match side {
        Side::A => ([127, 0, 0, 1], 4_000).into(),
        Side::B => ([127, 0, 0, 2], 5_000).into(),
    }
}

pub fn negotiated(side: Side, codec: Codec) -> Negotiated {
    let pt = codec.static_pt().unwrap_or(111 + side.index() as u8);
    let dtmf = Some(if side == Side::A { DTMF_A } else { DTMF_B });
    let remote = phone(side);
    Negotiated {
        remote,
        remote_rtcp: SocketAddr::new(remote.ip(), remote.port() + 1),
        codec,
        pt_send: pt,
        pt_recv: pt,
        dtmf_send: dtmf,
        dtmf_recv: dtmf,
        direction: Direction::SendRecv,
        ptime_ms: 20,
    }
}

/// A packet that a party got, by its fields.
#[derive(Clone, PartialEq, Eq)]
pub struct Heard {
    pub to: Side,
    pub at_ms: u64,
    pub marker: bool,
    pub pt: u8,
    pub sequence: u16,
    pub timestamp: u32,
    pub ssrc: u32,
    pub payload: Vec<u8>,
}

impl std::fmt::Debug for Heard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Heard {
            to,
            at_ms,
            marker,
            pt,
            sequence,
            timestamp,
            ..
        } = self;
        write!(
            f,
            "{to:?} {at_ms} ms marker {marker} pt {pt} seq {sequence} ts {timestamp} len {}",
            self.payload.len()
        )
    }
}

pub struct Call {
    pub session: Session,
    pub start: Instant,
    pub now: Instant,
    pub heard: Vec<Heard>,
    pub rtcp: Vec<(Side, Vec<u8>)>,
    pub events: Vec<Event>,
    pub record: Vec<RecordOut>,
}

impl Call {
    pub fn new(config: SessionConfig) -> Self {
        let now = Instant::now();
        let session = Session::new(config, now, 1_700_000_000_000, 42);
        Self {
            session,
            start: now,
            now,
            heard: vec![],
            rtcp: vec![],
            events: vec![],
            record: vec![],
        }
    }

    /// Two legs, bridged.
    pub fn bridged(a: Codec, b: Codec) -> Self {
        let mut call = Self::new(SessionConfig::default());
        call.connect(negotiated(Side::A, a), Side::A);
        call.connect(negotiated(Side::B, b), Side::B);
        call.command(Command::Bridge(true));
        call
    }

    pub fn connect(&mut self, negotiated: Negotiated, side: Side) {
        self.command(Command::Connect {
            side,
            negotiated,
            learn_source: false,
        });
    }

    pub fn command(&mut self, command: Command) {
        self.session.command(self.now, command);
        self.fetch();
    }

    pub fn at_ms(&self) -> u64 {
        (self.now - self.start).as_millis() as u64
    }

    /// Lets time pass, waking the session when it wants to be woken.
    pub fn pass(&mut self, ms: u64) {
        let until = self.now + Duration::from_millis(ms);
        while let Some(at) = self.session.next_deadline().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.session.handle_timeout(self.now);
            self.fetch();
        }
        self.now = until;
    }

    pub fn fetch(&mut self) {
        while let Some(transmit) = self.session.poll_transmit() {
            match transmit.kind {
                TransmitKind::Rtp => self.hear(transmit.to, transmit.bytes()),
                TransmitKind::Rtcp => self.rtcp.push((transmit.to, transmit.bytes().to_vec())),
            }
        }
        self.events
            .extend(std::iter::from_fn(|| self.session.poll_event()));
        self.record
            .extend(std::iter::from_fn(|| self.session.poll_record()));
    }

    fn hear(&mut self, to: Side, packet: &[u8]) {
        let read = RtpReader::new(packet).expect("we send valid RTP");
        assert_eq!(
            (read.csrc_count(), read.extension(), read.padding()),
            (0, None, None)
        );
        let heard = Heard {
            to,
            at_ms: self.at_ms(),
            marker: read.mark(),
            pt: read.payload_type(),
            sequence: read.sequence_number().into(),
            timestamp: read.timestamp(),
            ssrc: read.ssrc(),
            payload: read.payload().to_vec(),
        };
        self.heard.push(heard);
    }

    /// Hands in a datagram; gives what went on.
    pub fn datagram(
        &mut self,
        side: Side,
        source: SocketAddr,
        mut datagram: Vec<u8>,
    ) -> Option<Heard> {
        let out = self.session.rtp(side, self.now, source, &mut datagram);
        let out = out.map(|out| {
            assert_eq!(out.to, side.other());
            self.hear(out.to, &datagram[out.range]);
            self.heard.last().cloned().expect("just heard")
        });
        self.fetch();
        out
    }

    pub fn say(&mut self, side: Side, packet: Vec<u8>) -> Option<Heard> {
        self.datagram(side, phone(side), packet)
    }

    pub fn heard_by(&self, side: Side) -> impl Iterator<Item = &Heard> {
        self.heard.iter().filter(move |heard| heard.to == side)
    }
}

/// A telephone's packet.
pub fn packet(pt: u8, ssrc: u32, sequence: u16, timestamp: u32, payload: &[u8]) -> Vec<u8> {
    RtpPacketBuilder::new()
        .payload_type(pt)
        .ssrc(ssrc)
        .sequence(Seq::from(sequence))
        .timestamp(timestamp)
        .payload(payload)
        .build()
        .expect("builds")
}

/// The `n`th 20 ms packet of a telephone that speaks A-law.
pub fn voice(n: u32) -> Vec<u8> {
    packet(
        8,
        7,
        1_000u16.wrapping_add(n as u16),
        50_000u32.wrapping_add(n * 160),
        &[n as u8; 160],
    )
}

pub fn event(code: u8, end: bool, duration: u16) -> [u8; 4] {
    TelephoneEvent {
        code,
        end,
        volume: 10,
        duration,
    }
    .to_bytes()
}

/// Every number of our stream used once, in unbroken order of sending, and time never running back.
pub fn assert_unbroken<'a>(heard: impl Iterator<Item = &'a Heard>) {
    let heard: Vec<_> = heard.collect();
    for pair in heard.windows(2) {
        let (before, after) = (pair[0], pair[1]);
        assert_eq!(before.ssrc, after.ssrc);
        assert_eq!(
            after.sequence,
            before.sequence.wrapping_add(1),
            "{before:?} {after:?}"
        );
        let step = after.timestamp.wrapping_sub(before.timestamp) as i32;
        assert!(step >= 0, "{before:?} {after:?}");
        // An event bears the time at which the key went down, so after it the timestamps catch up.
        if before.payload.len() > 4 {
            let slack_ms = 60;
            let passed = (after.at_ms - before.at_ms + slack_ms) * 8;
            assert!(
                step as u64 <= passed,
                "timestamps run ahead: {before:?} {after:?}"
            );
        }
    }
}
