//! What we say ourselves to a leg: prompts and digits, one packet every 20 ms.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::leg::{Law, Path};
use super::stream::OutStream;
use crate::dtmf::{DtmfSender, EVENT_LEN};
use crate::prompt::Prompt;
use crate::rtp::OutHeader;

/// Audio of one packet of ours.
pub(super) const TICK: Duration = Duration::from_millis(20);
/// Samples of G.711 in it.
pub(super) const FRAME: usize = 160;
/// If we wake up later than this, what was missed is not sent in a burst: the stream goes on from now.
const CATCH_UP_MAX: Duration = Duration::from_millis(100);

#[derive(Clone, Debug)]
pub(super) struct Playing {
    prompt: Arc<Prompt>,
    at: usize,
    repeat: bool,
    pub token: u32,
}

/// When the next packet is due, and its timestamp.
#[derive(Copy, Clone, Debug)]
struct Clock {
    next_at: Instant,
    timestamp: u32,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Playout {
    playing: Option<Playing>,
    digits: DtmfSender,
    clock: Option<Clock>,
    digit_timestamp: u32,
    marker: bool,
}

/// What a tick brings.
#[derive(Debug)]
pub(super) enum Tick {
    /// Nothing is due.
    NotYet,
    /// A packet: its header, its length in timestamp units, its payload.
    Audio(OutHeader, [u8; FRAME], Law),
    Event(OutHeader, [u8; EVENT_LEN]),
    /// Nothing to be sent in this tick.
    Silent,
    /// The prompt is over.
    Done(u32),
}

impl Playout {
    /// Whether our own voice has the stream.
    pub fn is_active(&self) -> bool {
        self.clock.is_some()
    }

    pub fn deadline(&self) -> Option<Instant> {
        self.clock.map(|clock| clock.next_at)
    }

    /// Begins a prompt; the token of one that it replaces is given.
    pub fn play(
        &mut self,
        now: Instant,
        prompt: Arc<Prompt>,
        repeat: bool,
        token: u32,
        stream: &OutStream,
        clock: u32,
    ) -> Option<u32> {
        let replaced = self.stop();
        self.playing = Some(Playing {
            prompt,
            at: 0,
            repeat,
            token,
        });
        self.marker = true;
        self.start_clock(now, stream, clock);
        replaced
    }

    /// Ends the prompt at once; its token is given. The clock runs on for digits, or stops at its next tick.
    pub fn stop(&mut self) -> Option<u32> {
        let stopped = self.playing.take().map(|playing| playing.token);
        if self.digits.is_idle() {
            self.clock = None;
        }
        stopped
    }

    pub fn send_digit(
        &mut self,
        now: Instant,
        digit: crate::dtmf::Digit,
        duration_ms: u16,
        stream: &OutStream,
        clock: u32,
    ) {
        if self.digits.push(digit, duration_ms) {
            self.start_clock(now, stream, clock);
        }
    }

    /// Forgets everything; the token of a prompt that was playing is given.
    pub fn clear(&mut self) -> Option<u32> {
        self.digits.clear();
        self.stop()
    }

    fn start_clock(&mut self, now: Instant, stream: &OutStream, clock: u32) {
        if self.clock.is_none() {
            self.clock = Some(Clock {
                next_at: now,
                timestamp: stream.timestamp_now(now, clock),
            });
            self.marker = true;
        }
    }

    /// One tick, if it is due. Call until [`Tick::NotYet`].
    pub fn tick(&mut self, now: Instant, path: &Path, stream: &OutStream) -> Tick {
        let Some(mut clock) = self.clock.filter(|clock| clock.next_at <= now) else {
            return Tick::NotYet;
        };
        let units = path.clock / 50;
        if now - clock.next_at > CATCH_UP_MAX {
            let missed = ((now - clock.next_at).as_micros() / TICK.as_micros()) as u32;
            clock.next_at += TICK * missed;
            clock.timestamp = clock.timestamp.wrapping_add(units.wrapping_mul(missed));
            self.marker = true;
        }
        let timestamp = clock.timestamp;
        clock.next_at += TICK;
        clock.timestamp = timestamp.wrapping_add(units);
        self.clock = Some(clock);
        if self.digits.is_idle() {
            self.audio(timestamp, path, stream)
        } else {
            self.digit(timestamp, path, stream)
        }
    }

    fn digit(&mut self, timestamp: u32, path: &Path, stream: &OutStream) -> Tick {
        let Some(payload_type) = path.dtmf_send else {
            self.digits.clear();
            return Tick::Silent;
        };
        self.marker = true;
        let Some(packet) = self.digits.tick(path.clock / 50, path.clock) else {
            return Tick::Silent;
        };
        if packet.first {
            self.digit_timestamp = timestamp;
        }
        let header = stream.own(packet.first, payload_type, self.digit_timestamp);
        Tick::Event(header, packet.event.to_bytes())
    }

    fn audio(&mut self, timestamp: u32, path: &Path, stream: &OutStream) -> Tick {
        let Some(playing) = &mut self.playing else {
            self.clock = None;
            return Tick::Silent;
        };
        let Some((law, codes)) = path.law.map(|law| (law, spoken(&playing.prompt, law))) else {
            return self.done();
        };
        if playing.at >= codes.len() {
            if !playing.repeat {
                return self.done();
            }
            playing.at = 0;
        }
        let mut frame = [law.silence(); FRAME];
        playing.at = fill(&mut frame, codes, playing.at, playing.repeat);
        let header = stream.own(std::mem::take(&mut self.marker), path.pt_send, timestamp);
        Tick::Audio(header, frame, law)
    }

    fn done(&mut self) -> Tick {
        match self.stop() {
            Some(token) => Tick::Done(token),
            None => Tick::Silent,
        }
    }
}

fn spoken(prompt: &Prompt, law: Law) -> &[u8] {
    match law {
        Law::A => prompt.alaw(),
        Law::Mu => prompt.ulaw(),
    }
}

/// Copies the next codes into the frame and gives the new place. A prompt that repeats goes on within the frame.
fn fill(frame: &mut [u8], codes: &[u8], mut at: usize, repeat: bool) -> usize {
    let mut filled = 0;
    while filled < frame.len() {
        if at >= codes.len() {
            if !repeat || codes.is_empty() {
                break;
            }
            at = 0;
        }
        let rest = codes.get(at..).unwrap_or_default();
        let count = rest.len().min(frame.len() - filled);
        frame[filled..filled + count].copy_from_slice(&rest[..count]);
        filled += count;
        at += count;
    }
    at
}
