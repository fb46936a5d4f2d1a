//! What a session keeps per leg.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::playout::Playout;
use super::reports::Reports;
use super::stream::{OutStream, Splice, units};
use crate::codec::{Codec, PT_PCMA, PT_PCMU};
use crate::dtmf::DtmfReceiver;
use crate::g711;
use crate::inband::InbandDetector;
use crate::leg::Negotiated;
use crate::rng::Rng;
use crate::stats::{self, LegStats, Receiver};

/// The two codings that the platform speaks.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(super) enum Law {
    A,
    Mu,
}

impl Law {
    pub fn of(codec: &Codec) -> Option<Law> {
        match codec {
            Codec::Pcma => Some(Law::A),
            Codec::Pcmu => Some(Law::Mu),
            Codec::Other(_) => None,
        }
    }

    pub fn decode(self) -> fn(u8) -> i16 {
        match self {
            Law::A => g711::alaw_to_linear,
            Law::Mu => g711::ulaw_to_linear,
        }
    }

    pub fn silence(self) -> u8 {
        match self {
            Law::A => g711::ALAW_SILENCE,
            Law::Mu => g711::ULAW_SILENCE,
        }
    }

    pub fn convert(self, to: Law, payload: &mut [u8]) {
        match (self, to) {
            (Law::A, Law::Mu) => g711::alaw_to_ulaw_in_place(payload),
            (Law::Mu, Law::A) => g711::ulaw_to_alaw_in_place(payload),
            _ => {}
        }
    }
}

/// What a payload type of the party means.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(super) enum Content {
    Spoken(Law),
    Opaque,
    Event,
}

/// The negotiated facts, flat, as the packet path needs them.
#[derive(Clone, Debug)]
pub(super) struct Path {
    /// The signalled address, or the learned one.
    pub remote: SocketAddr,
    pub remote_rtcp: SocketAddr,
    /// Address still to be learned from the first packet.
    pub learning: bool,
    pub receives: bool,
    pub sends: bool,
    pub pt_send: u8,
    pt_recv: u8,
    pub dtmf_send: Option<u8>,
    dtmf_recv: Option<u8>,
    pub law: Option<Law>,
    pub clock: u32,
    learn_source: bool,
    signalled: SocketAddr,
    pub codec: Codec,
}

impl Path {
    pub fn new(negotiated: &Negotiated, learn_source: bool) -> Self {
        Self {
            remote: negotiated.remote,
            remote_rtcp: negotiated.remote_rtcp,
            learning: learn_source,
            receives: negotiated.direction.receives(),
            sends: negotiated.may_send(),
            pt_send: negotiated.pt_send,
            pt_recv: negotiated.pt_recv,
            dtmf_send: negotiated.dtmf_send,
            dtmf_recv: negotiated.dtmf_recv,
            law: Law::of(&negotiated.codec),
            clock: negotiated.codec.clock().max(1_000),
            learn_source,
            signalled: negotiated.remote,
            codec: negotiated.codec.clone(),
        }
    }

    /// A repeated offer/answer that changes no address must not open the lock of a learned source again.
    pub fn keep_learned(&mut self, before: &Path) {
        if self.learn_source
            && before.learn_source
            && !before.learning
            && self.signalled == before.signalled
        {
            self.learning = false;
            self.remote = before.remote;
            self.remote_rtcp = before.remote_rtcp;
        }
    }

    /// Whether the stream towards this leg goes on as before.
    pub fn same_stream(&self, before: &Path) -> bool {
        self.clock == before.clock
            && self.codec == before.codec
            && self.signalled == before.signalled
    }

    /// Meaning of a payload type that the party sent. Both laws are static types, so a party that speaks one may send the other.
    pub fn content(&self, payload_type: u8) -> Option<Content> {
        if Some(payload_type) == self.dtmf_recv {
            return Some(Content::Event);
        }
        match self.law {
            Some(law) if payload_type == self.pt_recv => Some(Content::Spoken(law)),
            Some(_) if payload_type == PT_PCMA => Some(Content::Spoken(Law::A)),
            Some(_) if payload_type == PT_PCMU => Some(Content::Spoken(Law::Mu)),
            None if payload_type == self.pt_recv => Some(Content::Opaque),
            _ => None,
        }
    }

    /// Locks onto the source of the first valid packet.
    pub fn learn(&mut self, source: SocketAddr) {
        self.learning = false;
        if source != self.remote {
            self.remote = source;
            self.remote_rtcp = SocketAddr::new(source.ip(), source.port().saturating_add(1));
        }
    }

    pub fn rtcp_allowed(&self) -> bool {
        !self.remote.ip().is_unspecified()
            && !self.remote_rtcp.ip().is_unspecified()
            && self.remote_rtcp.port() != 0
    }

    pub fn rtcp_from(&self, source: SocketAddr) -> bool {
        let same_host: IpAddr = self.remote.ip();
        source == self.remote_rtcp
            || (self.learn_source && !self.learning && source.ip() == same_host)
    }

    pub fn has_events(&self) -> bool {
        self.dtmf_recv.is_some()
    }
}

/// What does not fit and is dropped, counted.
#[derive(Clone, Debug, Default)]
pub(super) struct Dropped {
    pub wrong_source: u32,
    pub invalid: u32,
    pub unwanted: u32,
}

#[derive(Clone, Debug)]
pub(super) struct Leg {
    pub path: Option<Path>,
    pub receiver: Receiver,
    pub received_bytes: u64,
    pub dropped: Dropped,
    /// Last packet, or the moment from which packets were to be expected.
    pub heard_at: Instant,
    pub silence_told: bool,
    pub stream: OutStream,
    /// How the other leg's voice comes into `stream`.
    pub splice: Splice,
    pub playout: Playout,
    pub dtmf: DtmfReceiver,
    pub inband: Option<Box<InbandDetector>>,
    pub reports: Reports,
}

impl Leg {
    pub fn new(now: Instant, rng: &mut Rng) -> Self {
        Self {
            path: None,
            receiver: Receiver::default(),
            received_bytes: 0,
            dropped: Dropped::default(),
            heard_at: now,
            silence_told: false,
            stream: OutStream::new(rng),
            splice: Splice::default(),
            playout: Playout::default(),
            dtmf: DtmfReceiver::default(),
            inband: None,
            reports: Reports::new(rng),
        }
    }

    pub fn clock(&self) -> u32 {
        self.path.as_ref().map_or(8_000, |path| path.clock)
    }

    /// Whether silence of this leg would be a fault: it is while both directions are agreed. Who holds says that it may
    /// send (`sendonly`), but plays music only if it has some.
    pub fn is_expected_to_send(&self) -> bool {
        self.path
            .as_ref()
            .is_some_and(|path| path.receives && path.sends)
    }

    /// The moment at which the leg counts as silent.
    pub fn silence_deadline(&self, after: Duration) -> Option<Instant> {
        (self.is_expected_to_send() && !self.silence_told).then(|| self.heard_at + after)
    }

    /// Takes a packet's time into the jitter; `started` is the origin of arrival times.
    pub fn time(&mut self, started: Instant, now: Instant, timestamp: u32) {
        let arrival = units(now.saturating_duration_since(started), self.clock());
        self.receiver.time(timestamp, arrival);
    }

    pub fn stats(&self) -> LegStats {
        let clock = u64::from(self.clock());
        let micros = |jitter: u32| (u64::from(jitter) * 1_000_000 / clock) as u32;
        let mut leg = LegStats {
            received: self.receiver.received(),
            received_bytes: self.received_bytes,
            lost: self.receiver.lost(),
            late: self.receiver.late(),
            duplicates: self.receiver.duplicates(),
            restarts: self.receiver.restarts(),
            wrong_source: self.dropped.wrong_source,
            invalid: self.dropped.invalid,
            unwanted: self.dropped.unwanted,
            jitter_us: micros(self.receiver.jitter()),
            jitter_us_max: micros(self.receiver.jitter_peak()),
            sent: self.stream.packets,
            sent_bytes: self.stream.octets,
            lost_by_peer: self.reports.lost_by_peer,
            round_trip_us: self.reports.round_trip_us,
            mos_x100: 0,
        };
        if leg.received > 0 {
            let jitter = Duration::from_micros(u64::from(leg.jitter_us));
            let round_trip = Duration::from_micros(u64::from(leg.round_trip_us.unwrap_or(0)));
            leg.mos_x100 =
                (stats::estimate_mos(leg.loss_ratio(), jitter, round_trip) * 100.0).round() as u16;
        }
        leg
    }
}
