//! Two endpoints, a link between them and a clock that moves only when told.
#![allow(dead_code)]

use axbridge_sip::{
    Endpoint, EndpointConfig, Event, Hop, Message, Method, RequestBuilder, Transmit, Transport,
};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// xorshift: small, and the same everywhere.
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Rng {
        Rng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % n
    }

    pub fn percent(&mut self, p: u64) -> bool {
        self.below(100) < p
    }
}

/// What the link does to a message.
#[derive(Copy, Clone)]
pub struct Link {
    pub loss_percent: u64,
    pub duplicate_percent: u64,
    /// Each message takes 1..=delay_ms_max, so later ones may come first.
    pub delay_ms_max: u64,
}

pub const PERFECT: Link = Link {
    loss_percent: 0,
    duplicate_percent: 0,
    delay_ms_max: 1,
};

#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Side {
    A,
    B,
}

pub fn address(side: Side) -> SocketAddr {
    let text = match side {
        Side::A => "127.0.0.1:5070",
        Side::B => "127.0.0.1:5080",
    };
    text.parse().expect("an address")
}

/// The path from one side to the other.
pub fn hop_from(side: Side, transport: Transport) -> Hop {
    let (local, remote) = match side {
        Side::A => (address(Side::A), address(Side::B)),
        Side::B => (address(Side::B), address(Side::A)),
    };
    Hop {
        transport,
        local,
        remote,
        conn: None,
    }
}

pub type DropIf = Box<dyn FnMut(Side, &[u8]) -> bool>;

pub struct Pair {
    pub a: Endpoint,
    pub b: Endpoint,
    pub start: Instant,
    pub now: Instant,
    pub link: Link,
    pub rng: Rng,
    /// Everything sent, with the time in ms: (ms, from, first line).
    pub log: Vec<(u64, Side, String)>,
    /// A filter that loses messages on purpose; gets the sender and the bytes.
    pub drop_if: DropIf,
    flying: BTreeMap<(Instant, u64), (Side, Transmit)>,
    sent: u64,
}

impl Pair {
    pub fn new(seed: u64, link: Link) -> Pair {
        let config = EndpointConfig {
            transactions_max: 1_000,
            ..EndpointConfig::default()
        };
        let now = Instant::now();
        Pair {
            a: Endpoint::new(config.clone(), seed),
            b: Endpoint::new(config, seed ^ 0x5555),
            start: now,
            now,
            link,
            rng: Rng::new(seed),
            log: Vec::new(),
            drop_if: Box::new(|_, _| false),
            flying: BTreeMap::new(),
            sent: 0,
        }
    }

    pub fn ms(&self) -> u64 {
        self.now.duration_since(self.start).as_millis() as u64
    }

    pub fn endpoint(&mut self, side: Side) -> &mut Endpoint {
        match side {
            Side::A => &mut self.a,
            Side::B => &mut self.b,
        }
    }

    /// Takes what both sides want to send onto the link.
    pub fn collect(&mut self) {
        for side in [Side::A, Side::B] {
            while let Some(transmit) = self.endpoint(side).poll_transmit() {
                self.launch(side, transmit);
            }
        }
    }

    fn launch(&mut self, side: Side, transmit: Transmit) {
        let line = first_line(&transmit.bytes);
        self.log.push((self.ms(), side, line));
        let lost_on_purpose = (self.drop_if)(side, &transmit.bytes);
        let (reliable, link) = (transmit.hop.transport.is_reliable(), self.link);
        if lost_on_purpose || (!reliable && self.rng.percent(link.loss_percent)) {
            return;
        }
        let twice = !reliable && self.rng.percent(link.duplicate_percent);
        for _ in 0..=u8::from(twice) {
            let delay = if reliable {
                1
            } else {
                1 + self.rng.below(link.delay_ms_max)
            };
            self.sent += 1;
            let at = self.now + Duration::from_millis(delay);
            self.flying
                .insert((at, self.sent), (side, transmit.clone()));
        }
    }

    /// When something happens next.
    pub fn next(&self) -> Option<Instant> {
        let arrival = self.flying.keys().next().map(|(at, _)| *at);
        [arrival, self.a.next_deadline(), self.b.next_deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Moves to `at`, delivers and fires what is due, and collects what that sent.
    pub fn advance(&mut self, at: Instant) {
        assert!(at >= self.now, "time goes forward");
        self.now = at;
        while let Some(((due, _), _)) = self.flying.first_key_value()
            && *due <= at
        {
            let Some((_, (from, transmit))) = self.flying.pop_first() else {
                break;
            };
            let back = Hop {
                local: transmit.hop.remote,
                remote: transmit.hop.local,
                ..transmit.hop
            };
            let to = if from == Side::A { Side::B } else { Side::A };
            assert_eq!(
                back.local,
                address(to),
                "sent to nobody: {}",
                first_line(&transmit.bytes)
            );
            let now = self.now;
            self.endpoint(to).receive(now, back, transmit.bytes);
        }
        for side in [Side::A, Side::B] {
            let now = self.now;
            self.endpoint(side).handle_timeout(now);
            let next = self.endpoint(side).next_deadline();
            assert!(
                next.is_none_or(|next| next > now),
                "a deadline stays in the past"
            );
        }
        self.collect();
    }

    /// Runs until `ms` have passed, by every moment at which something happens.
    pub fn run(&mut self, ms: u64) {
        let end = self.now + Duration::from_millis(ms);
        self.collect();
        while let Some(at) = self.next().filter(|at| *at <= end) {
            self.advance(at);
        }
        self.now = end;
    }

    pub fn events(&mut self, side: Side) -> Vec<Event> {
        let endpoint = self.endpoint(side);
        std::iter::from_fn(|| endpoint.poll_event()).collect()
    }

    /// The first lines sent by one side, with their times.
    pub fn sent_by(&self, side: Side) -> Vec<(u64, &str)> {
        let of = self.log.iter().filter(|(_, from, _)| *from == side);
        of.map(|(at, _, line)| (*at, line.as_str())).collect()
    }
}

pub fn first_line(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.lines().next().unwrap_or_default().to_owned()
}

pub fn request(method: Method, call: &str) -> RequestBuilder {
    RequestBuilder::new(method, "sip:+8617000000001@127.0.0.1:5080")
        .from(format!(
            "<sip:+8613900000001@127.0.0.1:5070>;tag=from-{call}"
        ))
        .to("<sip:+8617000000001@127.0.0.1:5080>")
        .call_id(call)
        .cseq(1)
        .header(axbridge_sip::Name::Contact, "<sip:a@127.0.0.1:5070>")
}

/// A short word for each event, so that a test can compare a list of them.
pub fn words(events: &[Event]) -> Vec<String> {
    events
        .iter()
        .map(|event| match event {
            Event::Request { message, .. } => name(message),
            Event::Cancel { .. } => "cancel".to_owned(),
            Event::Ack { .. } => "ack".to_owned(),
            Event::Response { message, .. } => message.status().unwrap_or(0).to_string(),
            Event::ClientTimeout { .. } => "client timeout".to_owned(),
            Event::ClientTransportError { .. } => "client transport error".to_owned(),
            Event::ServerTimeout { .. } => "server timeout".to_owned(),
            Event::ServerTransportError { .. } => "server transport error".to_owned(),
        })
        .collect()
}

fn name(message: &Message) -> String {
    message.cseq_method().as_str().to_owned()
}

/// One endpoint alone, spoken to in raw text.
pub struct Solo {
    pub endpoint: Endpoint,
    pub start: Instant,
    pub now: Instant,
    pub hop: Hop,
}

impl Solo {
    pub fn new(config: EndpointConfig) -> Solo {
        let now = Instant::now();
        Solo {
            endpoint: Endpoint::new(config, 1),
            start: now,
            now,
            hop: hop_from(Side::B, Transport::Udp),
        }
    }

    pub fn feed(&mut self, text: &str) {
        let hop = self.hop;
        self.feed_by(hop, text);
    }

    pub fn feed_by(&mut self, hop: Hop, text: &str) {
        let bytes = Bytes::from(text.replace('\n', "\r\n"));
        self.endpoint.receive(self.now, hop, bytes);
    }

    pub fn pass(&mut self, ms: u64) {
        let end = self.now + Duration::from_millis(ms);
        while let Some(at) = self.endpoint.next_deadline().filter(|at| *at <= end) {
            self.now = at.max(self.now);
            self.endpoint.handle_timeout(self.now);
        }
        self.now = end;
    }

    pub fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.endpoint.poll_event()).collect()
    }

    pub fn sent(&mut self) -> Vec<Transmit> {
        std::iter::from_fn(|| self.endpoint.poll_transmit()).collect()
    }

    pub fn sent_lines(&mut self) -> Vec<String> {
        self.sent().iter().map(|t| first_line(&t.bytes)).collect()
    }
}

/// A request as text; `via` is the part after the transport, `to` what follows the To address.
pub fn raw(method: &str, via: &str, call: &str, cseq: u32, to: &str) -> String {
    format!(
        "{method} sip:+8617000000001@127.0.0.1:5080 SIP/2.0\n\
         Via: SIP/2.0/UDP {via}\n\
         Max-Forwards: 70\n\
         From: <sip:+8613900000001@127.0.0.1>;tag=f1\n\
         To: <sip:+8617000000001@127.0.0.1>{to}\n\
         Call-ID: {call}\n\
         CSeq: {cseq} {method}\n\
         Contact: <sip:a@127.0.0.1:5070>\n\
         Content-Length: 0\n\n"
    )
}
