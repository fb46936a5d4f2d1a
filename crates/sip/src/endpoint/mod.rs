//! The endpoint: every transaction of one shard, from datagrams to events and back.
//!
//! Not here: sockets, clocks, threads, and what a request means. The driver gives bytes ([`Endpoint::receive`]) and time
//! ([`Endpoint::handle_timeout`] at [`Endpoint::next_deadline`]), then takes out everything waiting by
//! [`Endpoint::poll_event`] and [`Endpoint::poll_transmit`]. The same seed and the same inputs give the same bytes.
//!
//! What it does by itself, so that its user need not: retransmissions and their absorption (RFC 3261 §17, RFC 6026), 100
//! after 200 ms, the ACK of a non-2xx, the answer to CANCEL, merged requests (482), malformed requests (400, 505, 513), overload
//! (503 with Retry-After), response routing (§18.2.2, RFC 3581).
//!
//! Decisions:
//! - Who is not known makes no transaction ([`Endpoint::receive_from`]): the memory is for those we serve.
//! - CANCEL is answered without a transaction of its own: the answer is a function of the INVITE's, so a repeated CANCEL finds
//!   the same answer and costs no memory.
//! - Answers without a transaction carry a To tag that only we can compute, by which their ACK is known and absorbed.
//! - `maddr` of a Via is not followed: it would let anyone point our responses at a third party.
//! - Once a request has its final answer its bytes are let go; only the response is kept, and only as long as it may be repeated.
//! - A TCP or TLS connection that is lost before a response could be sent is replaced by one to sent-by (§18.2.2), once.

mod client;
mod matching;
mod server;
mod stranger;
mod table;

use crate::build::{RequestBuilder, ResponseBuilder};
use crate::error::{ParseError, Reject};
use crate::limits::Limits;
use crate::message::{Message, Source};
use crate::method::Method;
use crate::name::Name;
use crate::timer::{Tick, Wheel};
use crate::transaction::{Rules, Timers};
use crate::transport::{Hop, Transmit};
use bytes::Bytes;
use matching::Secrets;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use stranger::Allowance;
use table::Table;

/// A server transaction: a request that we answer. An id of a transaction that is over names nothing, for ever.
#[derive(Copy, Clone, Debug, Eq, PartialEq, Hash, Ord, PartialOrd)]
pub struct ServerTx(table::Id);

/// A client transaction: a request that we sent. An id of a transaction that is over names nothing, for ever.
#[derive(Copy, Clone, Debug, Eq, PartialEq, Hash, Ord, PartialOrd)]
pub struct ClientTx(table::Id);

/// The transaction is over, or its final answer was already given.
#[derive(Copy, Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("no such open transaction")]
pub struct UnknownTx;

/// What an [`Endpoint`] is told at its making.
#[derive(Clone, Debug)]
pub struct EndpointConfig {
    /// Round trip estimate, RFC 3261 §17.1.1.1: 500 ms.
    pub t1: Duration,
    /// Longest interval between retransmissions of what is not an INVITE: 4 s.
    pub t2: Duration,
    /// Longest life of a message in the network: 5 s.
    pub t4: Duration,
    /// Most server transactions at a time, and most client ones. The last eighth of the server ones is kept for requests
    /// within dialogs, so that overload does not cut the calls there are.
    pub transactions_max: usize,
    /// Retry-After of a 503 for overload, in seconds.
    pub retry_after_s: u32,
    /// Answers per second to requests of those whom [`Endpoint::receive_from`] does not know, as an average and in one burst;
    /// beyond, silence: whoever writes another's address as its own must not be able to have it flooded by us.
    pub stranger_answers_per_s: u32,
    /// User-Agent of requests and Server of responses that do not bring their own; empty: none.
    pub user_agent: String,
    /// The sent-by (`host[:port]`) to write in Via for each of our sockets; the socket's own address where there is none.
    pub sent_by: Vec<(SocketAddr, String)>,
    /// Bounds on a received message.
    pub limits: Limits,
}

impl Default for EndpointConfig {
    fn default() -> Self {
        EndpointConfig {
            t1: Duration::from_millis(500),
            t2: Duration::from_secs(4),
            t4: Duration::from_secs(5),
            transactions_max: 100_000,
            retry_after_s: 5,
            stranger_answers_per_s: 100,
            user_agent: String::new(),
            sent_by: Vec::new(),
            limits: Limits::DEFAULT,
        }
    }
}

/// What the user of an endpoint is told.
#[derive(Clone, Debug)]
pub enum Event {
    /// A new request of any method but ACK and CANCEL: answer it with [`Endpoint::respond`].
    Request {
        /// Its transaction.
        tx: ServerTx,
        /// The request.
        message: Message,
        /// The path it came by.
        hop: Hop,
    },
    /// The INVITE, not finally answered yet, is cancelled. The CANCEL itself has been answered; answer the INVITE 487.
    Cancel {
        /// The INVITE's transaction.
        invite: ServerTx,
        /// The CANCEL.
        message: Message,
    },
    /// An ACK of a 2xx, or one that belongs to nothing we know.
    Ack {
        /// The ACK.
        message: Message,
        /// The path it came by.
        hop: Hop,
    },
    /// A response: every provisional one, the final one once, and to an INVITE every further 2xx (repeated, or from
    /// another branch of a fork) for 64*T1.
    Response {
        /// Whose request it answers.
        tx: ClientTx,
        /// The response.
        message: Message,
        /// The path it came by.
        hop: Hop,
    },
    /// No final response came in time, or none within 64*T1 of a CANCEL: to be treated as 408.
    ClientTimeout {
        /// The transaction, now over.
        tx: ClientTx,
    },
    /// The request could not be sent: to be treated as 503.
    ClientTransportError {
        /// The transaction, now over.
        tx: ClientTx,
    },
    /// The non-2xx final answer to an INVITE was never acknowledged (timer H).
    ServerTimeout {
        /// The transaction, now over.
        tx: ServerTx,
    },
    /// A response could not be delivered. The transaction goes on (RFC 6026 §8.8).
    ServerTransportError {
        /// The transaction.
        tx: ServerTx,
    },
}

/// What happened since the endpoint was made; each only grows.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub struct Counters {
    /// Messages that could not be read and not be answered.
    pub dropped: u64,
    /// Requests that could not be read and were answered so.
    pub malformed: u64,
    /// Requests that were repetitions of one in a transaction.
    pub repeated: u64,
    /// Requests answered 482 because they came a second time by another way.
    pub merged: u64,
    /// Requests answered 503 because there were too many transactions.
    pub refused: u64,
    /// Requests of strangers, which were turned away: answered, or not even that.
    pub strangers: u64,
    /// Requests of strangers, the unreadable among them, that got no answer because there were too many.
    pub unanswered: u64,
    /// Responses that belong to no transaction.
    pub stray_responses: u64,
    /// Messages sent again by a timer.
    pub retransmitted: u64,
}

/// All transactions of one shard. See the module's page.
pub struct Endpoint {
    timers: Timers,
    config: EndpointConfig,
    secrets: Secrets,
    /// When tick 0 was: the first moment heard of.
    epoch: Option<Instant>,
    wheel: Wheel,
    table: Table,
    events: VecDeque<Event>,
    transmits: VecDeque<Transmit>,
    counters: Counters,
    /// Answers to strangers.
    allowance: Allowance,
}

fn ms(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}

impl Endpoint {
    /// An endpoint without transactions. All its branches and tags follow from `seed`, which a peer must not be able to guess.
    #[must_use]
    pub fn new(config: EndpointConfig, seed: u64) -> Endpoint {
        Endpoint {
            timers: Timers {
                t1_ms: ms(config.t1),
                t2_ms: ms(config.t2),
                t4_ms: ms(config.t4),
            },
            allowance: Allowance::new(config.stranger_answers_per_s),
            config,
            secrets: Secrets::new(seed),
            epoch: None,
            wheel: Wheel::new(),
            table: Table::default(),
            events: VecDeque::new(),
            transmits: VecDeque::new(),
            counters: Counters::default(),
        }
    }

    /// Takes one datagram, or one frame of a stream, that came by `hop`, from a source that may ask anything.
    pub fn receive(&mut self, now: Instant, hop: Hop, buf: Bytes) {
        self.receive_from(now, hop, buf, |_| true);
    }

    /// The same from a source that may be a stranger: `known` says whether it is not, given the To tag of its request,
    /// if there is one. A stranger's request makes no transaction and no event. It is answered once, 403 or in a dialog
    /// 481, and only so often ([`EndpointConfig::stranger_answers_per_s`]).
    pub fn receive_from(
        &mut self,
        now: Instant,
        hop: Hop,
        buf: Bytes,
        known: impl Fn(Option<&[u8]>) -> bool,
    ) {
        let tick = self.tick_up(now);
        let source = if hop.transport.is_reliable() {
            Source::Stream
        } else {
            Source::Datagram
        };
        match Message::parse_with(buf, &self.config.limits, source) {
            Ok(message) if message.is_request() => match message.cseq_method() {
                Method::Ack => self.on_ack(tick, hop, message),
                Method::Cancel => self.on_cancel(tick, hop, message, known),
                _ => self.on_request(tick, hop, message, known),
            },
            Ok(message) => self.on_response(tick, hop, message),
            Err(ParseError::Drop(_)) => self.counters.dropped += 1,
            Err(ParseError::Reject(reject)) => {
                let is_stranger = !known(None);
                self.answer_malformed(tick, hop, &reject, is_stranger);
            }
        }
    }

    /// The next thing to tell the user.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The next message to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// When [`Endpoint::handle_timeout`] is to be called next. Now and then that is a few milliseconds before anything is
    /// due (see [`Wheel::next`]); calling it then always moves this moment on.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        let Tick(ms) = self.wheel.next()?;
        self.epoch?.checked_add(Duration::from_millis(ms))
    }

    /// Does everything that is due at `now`. Late calls cause no burst: each timer fires once.
    pub fn handle_timeout(&mut self, now: Instant) {
        let tick = self.tick_down(now);
        while let Some(index) = self.wheel.expire(tick) {
            if self.table.is_client(index) {
                self.client_timer(tick, index);
            } else {
                self.server_timer(tick, index);
            }
        }
    }

    /// The driver could not send to `hop`, or its connection is lost. Every transaction that uses it is affected; this looks
    /// at all of them, so it is for a path that failed, not for each message on it.
    pub fn transport_failed(&mut self, now: Instant, hop: Hop) {
        let tick = self.tick_up(now);
        for index in self.table.using(hop) {
            if self.table.is_client(index) {
                self.client_transport_error(tick, index);
            } else {
                self.server_transport_error(index, hop);
            }
        }
    }

    /// Number of transactions alive, for drain and invariants.
    #[must_use]
    pub fn live(&self) -> usize {
        self.table.len()
    }

    /// What happened so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Sends an ACK for a 2xx: adds Via and gives the bytes, which [`Endpoint::send`] repeats when the 2xx is (RFC 3261
    /// §13.2.2.4).
    pub fn send_ack(&mut self, hop: Hop, request: RequestBuilder) -> Bytes {
        let token = self.secrets.token();
        let bytes = self.with_via(hop, token, request).encode();
        self.send(hop, bytes.clone());
        bytes
    }

    /// Sends bytes as they are, once.
    pub fn send(&mut self, hop: Hop, bytes: Bytes) {
        self.transmits.push_back(Transmit { hop, bytes });
    }

    fn with_via(&self, hop: Hop, token: u64, mut request: RequestBuilder) -> RequestBuilder {
        if !self.config.user_agent.is_empty() && request.get(Name::UserAgent).is_none() {
            request = request.header(Name::UserAgent, &self.config.user_agent);
        }
        let advertised = self
            .config
            .sent_by
            .iter()
            .find(|(local, _)| *local == hop.local)
            .map(|(_, text)| text);
        let own = || hop.local.to_string();
        let sent_by = advertised.cloned().unwrap_or_else(own);
        request.via(matching::via(hop.transport, &sent_by, token))
    }

    fn signed(&self, response: ResponseBuilder) -> ResponseBuilder {
        if self.config.user_agent.is_empty() || response.get(Name::Server).is_some() {
            return response;
        }
        response.header(Name::Server, &self.config.user_agent)
    }

    fn answer_malformed(&mut self, tick: Tick, hop: Hop, reject: &Reject, is_stranger: bool) {
        if is_stranger && !self.allowance.take(tick) {
            self.counters.unanswered += 1;
            return;
        }
        self.counters.malformed += 1;
        let Some((to, tag)) = matching::malformed(&self.secrets, hop, reject) else {
            return;
        };
        let response = ResponseBuilder::new(reject.status)
            .reason(reject.fault.as_str())
            .to_tag(&tag);
        let bytes = self.signed(response).encode_reject(reject, hop.remote);
        self.send(to, bytes);
    }

    fn rules(&self, hop: Hop) -> Rules {
        Rules {
            timers: self.timers,
            reliable: hop.transport.is_reliable(),
        }
    }

    /// The tick that has begun: for what is due.
    fn tick_down(&mut self, now: Instant) -> Tick {
        Tick(self.since_epoch(now).as_millis() as u64)
    }

    /// The tick that has not passed: for what is to be set, so that no timer is early.
    fn tick_up(&mut self, now: Instant) -> Tick {
        let tick = self.tick_down(now);
        self.wheel.turn(tick);
        Tick(self.since_epoch(now).as_nanos().div_ceil(1_000_000) as u64)
    }

    fn since_epoch(&mut self, now: Instant) -> Duration {
        now.saturating_duration_since(*self.epoch.get_or_insert(now))
    }
}
