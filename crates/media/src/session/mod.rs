//! The media session of one call: two legs, the relay between them, prompts, digits, recording, reports.
//!
//! Not here: sockets and timers. The owner hands in datagrams and commands with the time, and fetches packets to send,
//! events and recorded samples. Each leg gets one continuous RTP stream of ours, whatever feeds it: nothing of the other party's
//! header crosses (RFC 3550 translators keep the SSRC; we are an end on both sides).
//!
//! # The recording
//! The recording hears what the party heard. The left channel is our stream towards the callee: the caller's voice, or a
//! prompt while one plays to the callee in its place; the right channel is our stream towards the caller. Mono is
//! the sum. What is said while it can not be heard (hold, no bridge) is silence.

mod command;
mod due;
mod leg;
mod packet;
mod playout;
mod relay;
mod reports;
mod stream;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

pub use command::{Command, Event, Layout, PlayEnd, RecordingEvent};
pub use packet::{RelayOut, SessionConfig, TRANSMIT_LEN_MAX, Transmit, TransmitKind};

use self::leg::{Leg, Path};
use crate::dtmf::Digit;
use crate::leg::{Negotiated, Side};
use crate::prompt::Prompt;
use crate::recorder::{RecordOut, Recorder};
use crate::rng::Rng;
use crate::rtcp::{self, NtpTime};
use crate::stats::Stats;

/// Events kept for an owner that does not fetch them.
const EVENTS_MAX: usize = 256;
/// The media session of one call.
#[derive(Debug)]
pub struct Session {
    legs: [Leg; 2],
    bridged: bool,
    /// What one leg says, the other can be given.
    bridgeable: bool,
    watched: bool,
    closed: bool,
    recorder: Option<Box<Recorder>>,
    deadline: Option<Instant>,
    started: Instant,
    wall_ms: u64,
    config: SessionConfig,
    rng: Rng,
    outbox: VecDeque<Transmit>,
    events: VecDeque<Event>,
    recorded: VecDeque<RecordOut>,
}

impl Session {
    /// A session without legs. `wall_ms` is the Unix time of `now`; `seed` must be unpredictable outside of tests.
    #[must_use]
    pub fn new(config: SessionConfig, now: Instant, wall_ms: u64, seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        Self {
            legs: [Leg::new(now, &mut rng), Leg::new(now, &mut rng)],
            bridged: false,
            bridgeable: false,
            watched: false,
            closed: false,
            recorder: None,
            deadline: None,
            started: now,
            wall_ms,
            config,
            rng,
            outbox: VecDeque::new(),
            events: VecDeque::new(),
            recorded: VecDeque::new(),
        }
    }

    /// Does what the call wants. Then fetch packets, events and recorded samples.
    pub fn command(&mut self, now: Instant, command: Command) {
        if self.closed {
            return;
        }
        match command {
            Command::Connect {
                side,
                negotiated,
                learn_source,
            } => self.connect(side, now, &negotiated, learn_source),
            Command::Bridge(on) => self.bridged = on,
            Command::WatchMedia(on) => self.watch(now, on),
            Command::Play {
                side,
                prompt,
                repeat,
                token,
            } => self.play(side, now, prompt, repeat, token),
            Command::StopPlay { side } => {
                let stopped = self.leg_mut(side).playout.stop();
                self.play_ended(side, stopped, PlayEnd::Stopped);
            }
            Command::SendDigit {
                side,
                digit,
                duration_ms,
            } => self.send_digit(side, now, digit, duration_ms),
            Command::StartRecord { stem, layout } => self.start_record(now, stem, layout),
            Command::StopRecord => self.stop_record(now),
        }
        self.handle_timeout(now);
    }

    /// Takes a datagram that came to the RTCP socket of a leg. It feeds the statistics and goes no further.
    pub fn rtcp(&mut self, side: Side, now: Instant, source: SocketAddr, datagram: &[u8]) {
        let ntp = self.ntp(now);
        let leg = self.leg_mut(side);
        let Some(path) = &leg.path else { return };
        if !path.rtcp_from(source) {
            leg.dropped.wrong_source += 1;
            return;
        }
        match rtcp::parse(datagram, leg.stream.ssrc) {
            Some(incoming) => leg.reports.receive(now, ntp, &incoming),
            None => leg.dropped.invalid += 1,
        }
    }

    /// When [`Session::handle_timeout`] wants to be called; may have changed after any other call.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Does what is due. Too early or too late is harmless.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.closed {
            return;
        }
        for side in [Side::A, Side::B] {
            self.playout(side, now);
            self.lost_digit_ends(side, now);
            self.report_if_due(side, now);
            self.note_silence(side, now);
        }
        if let Some(recorder) = &mut self.recorder {
            recorder.advance(now);
        }
        self.renew_deadline();
    }

    /// A packet to send. Fetch until `None` after commands, timeouts and the end.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.outbox.pop_front()
    }

    /// An event for the call. Fetch until `None` after every other call.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// A part of the recording. Fetch until `None`, at least every few seconds.
    pub fn poll_record(&mut self) -> Option<RecordOut> {
        self.recorded
            .pop_front()
            .or_else(|| self.recorder.as_mut()?.poll())
    }

    /// Where RTP for a leg goes: the signalled address or the learned one.
    #[must_use]
    pub fn remote(&self, side: Side) -> Option<SocketAddr> {
        self.leg(side).path.as_ref().map(|path| path.remote)
    }

    /// Where RTCP for a leg goes.
    #[must_use]
    pub fn remote_rtcp(&self, side: Side) -> Option<SocketAddr> {
        self.leg(side).path.as_ref().map(|path| path.remote_rtcp)
    }

    /// Whether the source of a leg's media is still to be learned: its socket must not be connected yet.
    #[must_use]
    pub fn learning(&self, side: Side) -> bool {
        self.leg(side)
            .path
            .as_ref()
            .is_some_and(|path| path.learning)
    }

    /// The counts so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let [a, b] = &self.legs;
        Stats {
            a: a.stats(),
            b: b.stats(),
        }
    }

    /// Ends the session: the recording ends, both legs get an RTCP BYE, the last event is [`Event::Final`]. Fetch
    /// packets, events and recorded samples once more; afterwards nothing comes out.
    pub fn close(&mut self, now: Instant) {
        if self.closed {
            return;
        }
        self.stop_record(now);
        self.outbox.clear();
        for side in [Side::A, Side::B] {
            let _ = self.leg_mut(side).playout.clear();
            let leg = self.leg(side);
            if leg.stream.packets > 0 || leg.reports.spoken {
                self.report(side, now, true);
            }
        }
        self.closed = true;
        self.deadline = None;
        let stats = Box::new(self.stats());
        self.events.push_back(Event::Final(stats));
    }

    fn leg(&self, side: Side) -> &Leg {
        let [a, b] = &self.legs;
        match side {
            Side::A => a,
            Side::B => b,
        }
    }

    fn leg_mut(&mut self, side: Side) -> &mut Leg {
        let [a, b] = &mut self.legs;
        match side {
            Side::A => a,
            Side::B => b,
        }
    }

    fn connect(&mut self, side: Side, now: Instant, negotiated: &Negotiated, learn_source: bool) {
        let inband = self.config.inband_digits;
        let leg = self.leg_mut(side);
        let was_expected = leg.is_expected_to_send();
        let mut path = Path::new(negotiated, learn_source);
        match &leg.path {
            Some(before) => {
                path.keep_learned(before);
                if !path.same_stream(before) {
                    leg.splice.cut();
                }
            }
            None => leg.splice.cut(),
        }
        if !(inband && path.law.is_some() && !path.has_events()) {
            leg.inband = None;
        } else if leg.inband.is_none() {
            leg.inband = Some(Box::default());
        }
        let receives = path.receives;
        leg.path = Some(path);
        if leg.is_expected_to_send() && !was_expected {
            leg.heard_at = now;
            leg.silence_told = false;
        }
        if !receives {
            self.leg_mut(side.other()).splice.cut();
        }
        self.match_codecs();
        if self.leg(side).reports.due_at.is_none() {
            let Self { legs, rng, .. } = self;
            legs[side.index()].reports.schedule(now, rng);
        }
    }

    fn match_codecs(&mut self) {
        let [a, b] = &self.legs;
        let bridgeable = match (&a.path, &b.path) {
            (Some(a), Some(b)) => a.codec.bridges_to(&b.codec),
            _ => false,
        };
        if bridgeable != self.bridgeable {
            self.bridgeable = bridgeable;
            for leg in &mut self.legs {
                leg.splice.cut();
            }
        }
    }

    fn watch(&mut self, now: Instant, on: bool) {
        if on && !self.watched {
            for leg in &mut self.legs {
                leg.heard_at = leg.heard_at.max(now);
                leg.silence_told = false;
            }
        }
        self.watched = on;
    }

    fn play(&mut self, side: Side, now: Instant, prompt: Arc<Prompt>, repeat: bool, token: u32) {
        let leg = self.leg_mut(side);
        if leg.path.as_ref().is_none_or(|path| path.law.is_none()) {
            let stopped = leg.playout.stop();
            self.play_ended(side, stopped, PlayEnd::Stopped);
            self.play_ended(side, Some(token), PlayEnd::Skipped);
            return;
        }
        let clock = leg.clock();
        leg.splice.cut();
        let replaced = leg
            .playout
            .play(now, prompt, repeat, token, &leg.stream, clock);
        self.play_ended(side, replaced, PlayEnd::Stopped);
    }

    fn play_ended(&mut self, side: Side, token: Option<u32>, end: PlayEnd) {
        if let Some(token) = token {
            self.tell(Event::PlayDone { side, token, end });
        }
    }

    fn send_digit(&mut self, side: Side, now: Instant, digit: Digit, duration_ms: u16) {
        let leg = self.leg_mut(side);
        if leg
            .path
            .as_ref()
            .is_some_and(|path| path.dtmf_send.is_some())
        {
            let clock = leg.clock();
            leg.splice.cut();
            leg.playout
                .send_digit(now, digit, duration_ms, &leg.stream, clock);
        }
    }

    fn start_record(&mut self, now: Instant, stem: Arc<str>, layout: Layout) {
        if self.recorder.is_none() {
            self.recorder = Some(Box::new(Recorder::start(
                now,
                stem,
                layout,
                self.config.record_minimum,
            )));
        }
    }

    fn stop_record(&mut self, now: Instant) {
        if let Some(recorder) = self.recorder.take() {
            self.recorded.extend(recorder.finish(now));
        }
    }

    fn tell(&mut self, event: Event) {
        // Only digits can come in any number; the end is always told.
        if self.events.len() < EVENTS_MAX {
            self.events.push_back(event);
        }
    }

    fn ntp(&self, now: Instant) -> NtpTime {
        let elapsed_us = now.saturating_duration_since(self.started).as_micros() as u64;
        NtpTime::from_unix_us(
            self.wall_ms
                .saturating_mul(1_000)
                .saturating_add(elapsed_us),
        )
    }
}
