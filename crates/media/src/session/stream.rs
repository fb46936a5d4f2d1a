//! Our own stream towards a leg: one SSRC, one sequence, one timeline, whatever feeds it.

use std::time::{Duration, Instant};

use crate::rng::Rng;
use crate::rtp::{OutHeader, RtpHeader};
use crate::stats::Arrival;

/// A packet may be ahead of or behind its sender's clock by this much before we call it a jump of that clock.
const CLOCK_JUMP_S: u32 = 2;

/// A duration in units of an RTP clock, modulo 2^32.
pub(super) fn units(duration: Duration, clock: u32) -> u32 {
    (duration.as_micros() as u64)
        .wrapping_mul(u64::from(clock))
        .wrapping_div(1_000_000) as u32
}

/// Where the stream has come to.
#[derive(Clone, Debug)]
pub(super) struct OutStream {
    pub ssrc: u32,
    /// One more than the highest sequence number sent.
    pub next_sequence: u16,
    /// Highest timestamp sent, and the end of that packet's audio. Before the first packet: where to begin.
    newest: u32,
    end: u32,
    /// When the highest timestamp was sent.
    newest_at: Option<Instant>,
    pub packets: u32,
    pub octets: u64,
}

impl OutStream {
    pub fn new(rng: &mut Rng) -> Self {
        let begin = rng.next_u32();
        Self {
            ssrc: rng.next_u32(),
            next_sequence: rng.next_u16(),
            newest: begin,
            end: begin,
            newest_at: None,
            packets: 0,
            octets: 0,
        }
    }

    /// The timestamp of something that begins now: never before the end of what was sent.
    pub fn timestamp_now(&self, now: Instant, clock: u32) -> u32 {
        let by_clock = self.clock_at(now, clock);
        if (by_clock.wrapping_sub(self.end) as i32) < 0 {
            self.end
        } else {
            by_clock
        }
    }

    /// What the timeline shows at this moment, for sender reports.
    pub fn clock_at(&self, now: Instant, clock: u32) -> u32 {
        let elapsed = self
            .newest_at
            .map_or(0, |at| units(now.saturating_duration_since(at), clock));
        self.newest.wrapping_add(elapsed)
    }

    /// Counts a packet; `length` is its audio in timestamp units.
    pub fn sent(&mut self, now: Instant, header: &OutHeader, length: u32, octets: usize) {
        self.packets = self.packets.wrapping_add(1);
        self.octets += octets as u64;
        if (header.sequence.wrapping_sub(self.next_sequence) as i16) >= 0 {
            self.next_sequence = header.sequence.wrapping_add(1);
        }
        if self.newest_at.is_none() || (header.timestamp.wrapping_sub(self.newest) as i32) >= 0 {
            self.newest = header.timestamp;
            self.end = header.timestamp.wrapping_add(length);
            self.newest_at = Some(now);
        }
    }

    /// The header of a packet of our own making.
    pub fn own(&self, marker: bool, payload_type: u8, timestamp: u32) -> OutHeader {
        OutHeader {
            marker,
            payload_type,
            sequence: self.next_sequence,
            timestamp,
            ssrc: self.ssrc,
        }
    }
}

/// How the other leg's packets are fitted into our stream: two offsets, kept as long as that stream goes on by itself.
///
/// Within one splice gaps and order are passed on, so that the receiver sees the losses that there were.
#[derive(Clone, Debug, Default)]
pub(super) struct Splice {
    active: bool,
    sequence_offset: u16,
    timestamp_offset: u32,
    /// Older packets would fall onto numbers that are already used.
    first_sequence: u16,
    /// Newest timestamp of the other leg that follows the time, and when it came.
    newest: Option<(u32, Instant)>,
    /// Timestamp of the last key press.
    event: Option<u32>,
}

/// Sequence, timestamp, and whether something new begins.
pub(super) type Place = (u16, u32, bool);

impl Splice {
    /// Something else feeds our stream; what comes after is a new splice.
    pub fn cut(&mut self) {
        self.active = false;
    }

    /// The place of a packet in our stream; `None` if its place is taken. `is_event`: its timestamp is that of the key's
    /// going down, the same for all packets of a press.
    pub fn place(
        &mut self,
        stream: &OutStream,
        now: Instant,
        arrival: Arrival,
        packet: &RtpHeader,
        is_event: bool,
        clock: u32,
    ) -> Option<Place> {
        let fresh = !self.active || arrival == Arrival::Restart;
        if fresh && arrival == Arrival::Late {
            // It may be of before a jump of the sender's clock: nothing to align to.
            return None;
        }
        if fresh {
            self.active = true;
            self.sequence_offset = stream.next_sequence.wrapping_sub(packet.sequence);
        } else if (packet.sequence.wrapping_sub(self.first_sequence) as i16) < 0 {
            return None;
        }
        let newest = self.newest.filter(|_| !is_event && !fresh);
        if arrival == Arrival::Late
            && newest.is_some_and(|(newest, _)| packet.timestamp.wrapping_sub(newest) as i32 >= 0)
        {
            // An older number with newer audio: the sender went back in its numbers. It will pass them.
            return None;
        }
        let begins =
            fresh || (arrival == Arrival::Forward && self.has_jumped(now, packet, is_event, clock));
        if begins {
            self.timestamp_offset = stream
                .timestamp_now(now, clock)
                .wrapping_sub(packet.timestamp);
            self.first_sequence = packet.sequence;
        }
        if is_event {
            self.event = Some(packet.timestamp);
        }
        if begins || (!is_event && arrival == Arrival::Forward) {
            self.newest = Some((packet.timestamp, now));
        }
        let sequence = packet.sequence.wrapping_add(self.sequence_offset);
        let timestamp = packet.timestamp.wrapping_add(self.timestamp_offset);
        Some((sequence, timestamp, begins))
    }

    /// A packet that cannot be passed on leaves no hole.
    pub fn skip(&mut self, sequence: u16, arrival: Arrival) {
        if self.active && arrival == Arrival::Forward {
            self.sequence_offset = self.sequence_offset.wrapping_sub(1);
            self.first_sequence = sequence.wrapping_add(1);
        }
    }

    fn has_jumped(&self, now: Instant, packet: &RtpHeader, is_event: bool, clock: u32) -> bool {
        let Some((newest, at)) = self.newest else {
            return false;
        };
        if is_event && self.event == Some(packet.timestamp) {
            return false;
        }
        let step = packet.timestamp.wrapping_sub(newest) as i32;
        let elapsed = i64::from(units(now.saturating_duration_since(at), clock));
        (step <= 0 && !is_event)
            || (i64::from(step) - elapsed).abs() > i64::from(clock * CLOCK_JUMP_S)
    }
}
