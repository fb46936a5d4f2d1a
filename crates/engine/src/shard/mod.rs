//! A signalling shard: one thread that owns its calls and does for them whatever touches the world.
//!
//! It works in turns. A turn takes a bounded batch of whatever has arrived, lets the calls think, writes the facts
//! that came of it, and only then lets messages leave: what a peer has been told is always on disk first.

mod overload;
mod udp;

use std::collections::{HashMap, HashSet};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use axbridge_call::{Fact, Now};
use axbridge_sip::{Hop, Transmit, Transport};
use tokio::sync::mpsc;

use crate::calls::{Calls, Journal};
use crate::clock;
use crate::inbox::{Control, Inbound, Inbox, MediaNews, ShardPorts};
use crate::live::LiveCalls;
use crate::oracle::Asking;
use crate::plane::Plane;
use crate::tcp::Connections;
use crate::text::Texting;
use overload::Overload;
use udp::UdpSockets;

pub(crate) use udp::bind_all;

/// Messages, and media events, taken in one turn.
const BATCH: usize = 128;
/// Facts kept in memory while the journal refuses them; the oldest are kept, since their calls are the ones told of.
const UNWRITTEN_MAX: usize = 100_000;
/// Between two attempts to write them.
const JOURNAL_RETRY: Duration = Duration::from_millis(500);

/// Between two publications of what the calls have counted.
const METRICS_EVERY: Duration = Duration::from_secs(1);

/// What a shard is made of.
pub(crate) struct Shard {
    pub index: usize,
    pub calls: Box<dyn Calls>,
    pub journal: Box<dyn Journal>,
    pub plane: Plane,
    pub connections: Arc<Connections>,
    pub ports: ShardPorts,
    pub inbox: Inbox,
    pub media_news: mpsc::Receiver<MediaNews>,
    pub live: Arc<LiveCalls>,
    /// How many calls the shard has, for others to read.
    pub live_now: Arc<AtomicUsize>,
    pub overload_delay: Duration,
    /// Questions of the calls to the outside.
    pub asking: Asking,
    /// Texts under way.
    pub texting: Texting,
}

/// A shard at work.
struct Running {
    shard: Shard,
    sockets: UdpSockets,
    overload: Overload,
    /// Taken while waiting, not yet handled.
    messages: Vec<Inbound>,
    news: Vec<MediaNews>,
    controls: Vec<Control>,
    unwritten: Vec<Fact>,
    journal_retry: Option<Instant>,
    failed: Vec<Hop>,
    leaving: bool,
    metrics: Metrics,
}

struct Metrics {
    messages_in: metrics::Counter,
    messages_out: metrics::Counter,
    send_failures: metrics::Counter,
    facts: metrics::Counter,
    journal_seconds: metrics::Histogram,
    journal_failures: metrics::Counter,
    live: metrics::Gauge,
    /// Responses that left, by status.
    responses: HashMap<u16, metrics::Counter>,
    published_at: Instant,
}

impl Metrics {
    fn new(index: usize) -> Self {
        Self {
            messages_in: metrics::counter!("axbridge_sip_messages_total", "way" => "in"),
            messages_out: metrics::counter!("axbridge_sip_messages_total", "way" => "out"),
            send_failures: metrics::counter!("axbridge_sip_send_failures_total"),
            facts: metrics::counter!("axbridge_facts_total"),
            journal_seconds: metrics::histogram!("axbridge_journal_append_seconds"),
            journal_failures: metrics::counter!("axbridge_journal_failures_total"),
            live: metrics::gauge!("axbridge_calls_live", "shard" => index.to_string()),
            responses: HashMap::new(),
            published_at: Instant::now(),
        }
    }

    fn count_out(&mut self, bytes: &[u8]) {
        self.messages_out.increment(1);
        let digits = bytes
            .strip_prefix(b"SIP/2.0 ")
            .and_then(|rest| rest.get(..3));
        let status = digits.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
        if let Some(status) = status {
            let counter = |status: &u16| metrics::counter!("axbridge_sip_responses_total", "status" => status.to_string());
            self.responses
                .entry(status)
                .or_insert_with_key(counter)
                .increment(1);
        }
    }
}

impl Shard {
    /// Works until told to leave. Runs inside the shard's own runtime, which must be single-threaded.
    pub(crate) async fn serve(self, sockets: Vec<std::net::UdpSocket>) {
        let sockets = match UdpSockets::new(sockets) {
            Ok(sockets) => sockets,
            Err(error) => {
                tracing::error!(%error, "signalling sockets lost");
                return;
            }
        };
        let overload = Overload::new(self.overload_delay);
        let metrics = Metrics::new(self.index);
        let mut running = Running {
            shard: self,
            sockets,
            overload,
            messages: Vec::with_capacity(BATCH),
            news: Vec::with_capacity(BATCH),
            controls: Vec::new(),
            unwritten: Vec::new(),
            journal_retry: None,
            failed: Vec::new(),
            leaving: false,
            metrics,
        };
        loop {
            let more = running.turn();
            if running.leaving {
                break;
            } else if more {
                tokio::task::yield_now().await;
            } else {
                running.wait().await;
            }
        }
    }
}

impl Running {
    /// One turn; true when there is certainly more to do.
    fn turn(&mut self) -> bool {
        let begun = clock::now();
        self.take_controls(begun);
        self.take_failures(begun);
        let oldest = self.take_queued(begun);
        let sockets_full = self.take_datagrams(begun);
        let news_full = self.take_news(begun);
        if self
            .shard
            .calls
            .next_deadline()
            .is_some_and(|deadline| deadline <= begun.mono)
        {
            self.shard
                .calls
                .handle_timeout(begun, &mut self.shard.plane);
        }
        self.write_facts(begun.mono);
        // After the facts: whoever is asked finds on the disk that there is such a call.
        while let Some(question) = self.shard.calls.poll_question() {
            let shard = &self.shard;
            shard.asking.ask(shard.index, &shard.ports, question);
        }
        while let Some(text) = self.shard.calls.poll_text() {
            let shard = &self.shard;
            shard.texting.keep(shard.index, &shard.ports, text);
        }
        while let Some(sent) = self.shard.calls.poll_text_sent() {
            self.shard.texting.sent(sent);
        }
        // Media before signalling: it has begun when an answer arrives, and ended when a BYE does.
        self.shard.plane.flush();
        self.send_all();
        let live = self.shard.calls.live_calls();
        self.shard.live_now.store(live, Ordering::Release);
        self.metrics.live.set(live as f64);
        if begun
            .mono
            .saturating_duration_since(self.metrics.published_at)
            >= METRICS_EVERY
        {
            self.metrics.published_at = begun.mono;
            self.shard.calls.publish_metrics(self.shard.index);
        }
        let now = Instant::now();
        let delay = oldest.map_or(Duration::ZERO, |at| {
            begun.mono.saturating_duration_since(at)
        });
        let backlog = sockets_full || delay > Duration::ZERO && self.messages_waiting();
        let lasted = now.saturating_duration_since(begun.mono);
        let overloaded = self.overload.assess(now, delay.max(lasted), sockets_full)
            || self.journal_retry.is_some()
            || !self.shard.journal.accepting();
        self.shard.calls.set_overloaded(overloaded);
        backlog || news_full || !self.failed.is_empty()
    }

    fn messages_waiting(&self) -> bool {
        !self.shard.inbox.messages.is_empty()
    }

    fn take_controls(&mut self, now: Now) {
        let mut controls = std::mem::take(&mut self.controls);
        controls.extend(std::iter::from_fn(|| {
            self.shard.inbox.control.try_recv().ok()
        }));
        for control in controls {
            match control {
                Control::TransportFailed(hop) => self.failed.push(hop),
                Control::Adopt {
                    stream,
                    remote,
                    local,
                    seat,
                } => {
                    self.shard.connections.adopt(stream, remote, local, seat);
                }
                Control::Stop {
                    session_id,
                    by,
                    done,
                } => {
                    let found =
                        self.shard
                            .calls
                            .stop_call(now, &session_id, by, &mut self.shard.plane);
                    let _ = done.send(found);
                }
                Control::Limit {
                    session_id,
                    change,
                    done,
                } => {
                    let plane = &mut self.shard.plane;
                    let calls = &mut self.shard.calls;
                    let _ = done.send(calls.change_limit(now, &session_id, change, plane));
                }
                Control::Trace { session_id, done } => {
                    let _ = done.send(self.shard.calls.trace(&session_id));
                }
                Control::Answer { call, answer } => {
                    self.shard
                        .calls
                        .answer(now, call, answer, &mut self.shard.plane);
                }
                Control::Text { text, done } => {
                    let text = self.shard.texting.begin(text, done);
                    self.shard.calls.send_text(now, text);
                }
                Control::TextAnswer { key, answer } => {
                    self.shard.calls.answer_text(now, key, answer);
                }
                Control::Drain => self.shard.calls.drain(),
                Control::Shutdown => self.leaving = true,
            }
        }
    }

    fn take_failures(&mut self, now: Now) {
        let failed = std::mem::take(&mut self.failed);
        self.metrics.send_failures.increment(failed.len() as u64);
        // Each path once: the calls look through all their transactions for it.
        let paths: HashSet<Hop> = failed.into_iter().collect();
        for hop in paths {
            self.shard
                .calls
                .transport_failed(now, hop, &mut self.shard.plane);
        }
    }

    /// Handles a batch of what other threads passed; returns when the oldest of it was received.
    fn take_queued(&mut self, now: Now) -> Option<Instant> {
        let mut messages = std::mem::take(&mut self.messages);
        while messages.len() < BATCH {
            let Ok(message) = self.shard.inbox.messages.try_recv() else {
                break;
            };
            messages.push(message);
        }
        let oldest = messages.first().map(|message| message.at);
        self.metrics.messages_in.increment(messages.len() as u64);
        for message in messages.drain(..) {
            self.shard
                .calls
                .receive(now, message.hop, message.bytes, &mut self.shard.plane);
        }
        self.messages = messages;
        oldest
    }

    /// Handles a batch of datagrams; true when the sockets may hold more.
    fn take_datagrams(&mut self, now: Now) -> bool {
        let Self {
            shard,
            sockets,
            metrics,
            ..
        } = self;
        sockets.receive(BATCH, |hop, bytes| {
            let owner = shard.ports.owner(&bytes, shard.index);
            if owner == shard.index {
                metrics.messages_in.increment(1);
                shard.calls.receive(now, hop, bytes, &mut shard.plane);
            } else {
                shard.ports.pass(
                    owner,
                    Inbound {
                        hop,
                        bytes,
                        at: now.mono,
                    },
                );
            }
        })
    }

    /// Handles a batch of media events; true when more may wait.
    fn take_news(&mut self, now: Now) -> bool {
        let mut news = std::mem::take(&mut self.news);
        while news.len() < BATCH {
            let Ok(one) = self.shard.media_news.try_recv() else {
                break;
            };
            news.push(one);
        }
        let full = news.len() >= BATCH;
        for (call, event) in news.drain(..) {
            self.shard
                .calls
                .media_event(now, call, event, &mut self.shard.plane);
        }
        self.news = news;
        full
    }

    /// Writes what the turn has to tell. A journal that refuses does not stop the calls in progress: their facts wait
    /// in memory, and new calls are refused until they are written.
    fn write_facts(&mut self, now: Instant) {
        let waiting = self.unwritten.len();
        self.unwritten
            .extend(std::iter::from_fn(|| self.shard.calls.poll_fact()));
        for fact in self.unwritten.iter().skip(waiting) {
            self.shard.live.note(self.shard.index, fact);
            count(fact);
        }
        if self.unwritten.is_empty() {
            self.journal_retry = None;
            return;
        }
        if waiting > 0 && self.journal_retry.is_some_and(|retry| retry > now) {
            return;
        }
        let begun = Instant::now();
        match self.shard.journal.append(&self.unwritten) {
            Ok(()) => {
                self.metrics
                    .journal_seconds
                    .record(begun.elapsed().as_secs_f64());
                self.metrics.facts.increment(self.unwritten.len() as u64);
                self.unwritten.clear();
                self.journal_retry = None;
            }
            Err(error) => {
                self.metrics.journal_failures.increment(1);
                tracing::error!(%error, facts = self.unwritten.len(), "journal refuses; new calls are refused");
                self.unwritten.truncate(UNWRITTEN_MAX);
                self.journal_retry = Some(now + JOURNAL_RETRY);
            }
        }
    }

    fn send_all(&mut self) {
        while let Some(transmit) = self.shard.calls.poll_transmit() {
            self.metrics.count_out(&transmit.bytes);
            let hop = transmit.hop;
            let sent = match hop.transport {
                Transport::Udp => self.sockets.send(&transmit),
                Transport::Tcp => self
                    .shard
                    .connections
                    .send(self.shard.index, transmit)
                    .is_ok(),
                Transport::Tls => unsupported(&transmit),
            };
            if !sent {
                self.failed.push(hop);
            }
        }
    }

    /// Sleeps until something arrives or a deadline comes.
    async fn wait(&mut self) {
        let deadline = self
            .shard
            .calls
            .next_deadline()
            .into_iter()
            .chain(self.journal_retry)
            .min();
        let far = Instant::now() + Duration::from_secs(3_600);
        let mut sleep = pin!(tokio::time::sleep_until(deadline.unwrap_or(far).into()));
        poll_fn(|cx| {
            let inbox = &mut self.shard.inbox;
            let mut ready = sleep.as_mut().poll(cx).is_ready();
            ready |= self.sockets.poll_ready(cx);
            ready |= inbox
                .messages
                .poll_recv_many(cx, &mut self.messages, BATCH)
                .is_ready();
            ready |= inbox
                .control
                .poll_recv_many(cx, &mut self.controls, BATCH)
                .is_ready();
            ready |= matches!(
                self.shard
                    .media_news
                    .poll_recv_many(cx, &mut self.news, BATCH),
                Poll::Ready(1..)
            );
            if ready {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }
}

fn unsupported(transmit: &Transmit) -> bool {
    tracing::warn!(remote = %transmit.hop.remote, "no TLS here");
    false
}

fn count(fact: &Fact) {
    use axbridge_call::FactKind;
    match &fact.kind {
        FactKind::CallIn { .. } => metrics::counter!("axbridge_calls_total").increment(1),
        FactKind::Answer { .. } => metrics::counter!("axbridge_calls_answered_total").increment(1),
        FactKind::Disconnect { state_code, .. } => {
            metrics::counter!("axbridge_calls_ended_total", "state" => state_code.to_string())
                .increment(1);
        }
        _ => {}
    }
}
