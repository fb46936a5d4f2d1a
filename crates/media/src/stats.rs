//! What is known about a received stream: loss, reordering, jitter (RFC 3550 §6.4.1, A.1, A.3, A.8) and an estimated MOS.
//!
//! Counts span the whole leg: a peer that restarts its stream adds to them, it does not reset them.

use std::time::Duration;

/// A forward jump of this many packets or more is a new stream, not a loss (RFC 3550 A.1, MAX_DROPOUT).
const DROPOUT_MAX: u16 = 3_000;
/// A packet this far behind the newest or further is too late to be of use, or the peer restarted.
const MISORDER_MAX: u16 = 64;

/// What one packet is to its stream.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Arrival {
    /// First packet of the leg, of a new source, or of a stream that began anew: nothing of before helps to place it.
    Restart,
    /// Newer than every packet before.
    Forward,
    /// Older than the newest, not seen before.
    Late,
    /// Seen before.
    Duplicate,
    /// Far away from the sequence; believed only when a second packet follows it (RFC 3550 A.1).
    Stray,
}

/// Receiver side of one leg.
#[derive(Clone, Debug, Default)]
pub struct Receiver {
    started: bool,
    ssrc: u32,
    newest: u16,
    /// Bit n: packet `newest - n` was seen.
    seen: u64,
    /// The sequence number that would confirm a restart.
    suspect: Option<u16>,
    /// Packets that this stream should have brought so far.
    span: u32,
    /// The same for the streams before it.
    span_before: u32,
    wraps: u16,
    received: u32,
    late: u32,
    duplicates: u32,
    restarts: u32,
    /// Sixteen times the jitter, in timestamp units.
    jitter_x16: u32,
    jitter_peak_x16: u32,
    transit: Option<u32>,
    reported_expected: u32,
    reported_received: u32,
}

impl Receiver {
    /// Places a packet in its stream and counts it.
    pub fn arrive(&mut self, ssrc: u32, sequence: u16) -> Arrival {
        if !self.started || ssrc != self.ssrc {
            self.restart(ssrc, sequence);
            return Arrival::Restart;
        }
        let ahead = sequence.wrapping_sub(self.newest);
        if ahead == 0 {
            self.duplicates += 1;
            return Arrival::Duplicate;
        }
        if ahead < DROPOUT_MAX {
            self.advance(sequence, ahead);
            return Arrival::Forward;
        }
        let behind = self.newest.wrapping_sub(sequence);
        if behind < MISORDER_MAX {
            return self.fill(behind);
        }
        self.confirm(ssrc, sequence)
    }

    fn restart(&mut self, ssrc: u32, sequence: u16) {
        if self.started {
            self.restarts += 1;
        }
        self.started = true;
        self.ssrc = ssrc;
        self.newest = sequence;
        self.seen = 1;
        self.suspect = None;
        self.span_before = self.span_before.wrapping_add(self.span);
        self.span = 1;
        self.wraps = 0;
        self.transit = None;
        self.received += 1;
    }

    fn advance(&mut self, sequence: u16, ahead: u16) {
        if sequence < self.newest {
            self.wraps = self.wraps.wrapping_add(1);
        }
        self.newest = sequence;
        self.seen = self.seen.checked_shl(u32::from(ahead)).unwrap_or(0) | 1;
        self.suspect = None;
        self.span = self.span.wrapping_add(u32::from(ahead));
        self.received += 1;
    }

    fn fill(&mut self, behind: u16) -> Arrival {
        let bit = 1u64 << behind;
        if self.seen & bit != 0 {
            self.duplicates += 1;
            return Arrival::Duplicate;
        }
        self.seen |= bit;
        self.late += 1;
        // What is older than the first packet of the stream was never expected.
        if u32::from(behind) >= self.span {
            self.span = u32::from(behind) + 1;
        }
        self.received += 1;
        Arrival::Late
    }

    fn confirm(&mut self, ssrc: u32, sequence: u16) -> Arrival {
        if self.suspect == Some(sequence) {
            self.restart(ssrc, sequence);
            return Arrival::Restart;
        }
        self.suspect = Some(sequence.wrapping_add(1));
        Arrival::Stray
    }

    /// Takes the arrival time of a packet whose timestamp follows its audio (not of telephone-events).
    /// `arrival` is in units of the stream's clock, from any fixed origin.
    pub fn time(&mut self, timestamp: u32, arrival: u32) {
        let transit = arrival.wrapping_sub(timestamp);
        if let Some(before) = self.transit.replace(transit) {
            let distance = (transit.wrapping_sub(before) as i32).unsigned_abs();
            // A sender that jumps its clock is not a network that jitters.
            if distance < 1 << 24 {
                self.jitter_x16 =
                    (self.jitter_x16 + distance).saturating_sub((self.jitter_x16 + 8) >> 4);
                self.jitter_peak_x16 = self.jitter_peak_x16.max(self.jitter_x16);
            }
        }
    }

    /// Source of the stream, once a packet came.
    pub fn source(&self) -> Option<u32> {
        self.started.then_some(self.ssrc)
    }

    /// Packets accepted, without duplicates.
    pub fn received(&self) -> u32 {
        self.received
    }

    /// Packets that the peer must have sent.
    pub fn expected(&self) -> u32 {
        self.span_before.wrapping_add(self.span)
    }

    /// Packets missing.
    pub fn lost(&self) -> u32 {
        self.expected().saturating_sub(self.received)
    }

    /// Packets that came after a newer one.
    pub fn late(&self) -> u32 {
        self.late
    }

    /// Packets that came again.
    pub fn duplicates(&self) -> u32 {
        self.duplicates
    }

    /// How often the peer began a new stream.
    pub fn restarts(&self) -> u32 {
        self.restarts
    }

    /// Interarrival jitter in timestamp units.
    pub fn jitter(&self) -> u32 {
        self.jitter_x16 >> 4
    }

    /// The largest jitter seen, in timestamp units.
    pub fn jitter_peak(&self) -> u32 {
        self.jitter_peak_x16 >> 4
    }

    /// Extended highest sequence number for a report block.
    pub fn extended_newest(&self) -> u32 {
        (u32::from(self.wraps) << 16) | u32::from(self.newest)
    }

    /// Fraction lost since the last call of this, in 1/256 (RFC 3550 A.3).
    pub fn take_fraction_lost(&mut self) -> u8 {
        let expected = self.expected().wrapping_sub(self.reported_expected);
        let received = self.received.wrapping_sub(self.reported_received);
        self.reported_expected = self.expected();
        self.reported_received = self.received;
        let lost = expected.saturating_sub(received);
        (u64::from(lost) * 256)
            .checked_div(u64::from(expected))
            .map_or(0, |fraction| fraction.min(255) as u8)
    }
}

/// Everything counted on one leg. "Received" is what came from the party of that leg, "sent" what went to it.
#[derive(Copy, Clone, Debug, Default, PartialEq)]
pub struct LegStats {
    /// Packets accepted from the party.
    pub received: u32,
    /// Payload bytes accepted from the party.
    pub received_bytes: u64,
    /// Packets that the party sent and that never came.
    pub lost: u32,
    /// Packets that came after a newer one.
    pub late: u32,
    /// Packets that came again.
    pub duplicates: u32,
    /// New streams begun by the party.
    pub restarts: u32,
    /// Packets from another address than the signalled one.
    pub wrong_source: u32,
    /// Datagrams that are no RTP, or of a payload type that was not agreed.
    pub invalid: u32,
    /// Packets dropped because the media direction did not allow them (hold), or nothing was there to take them.
    pub unwanted: u32,
    /// Interarrival jitter at the end, microseconds.
    pub jitter_us: u32,
    /// The largest interarrival jitter, microseconds.
    pub jitter_us_max: u32,
    /// Packets sent to the party.
    pub sent: u32,
    /// Payload bytes sent to the party.
    pub sent_bytes: u64,
    /// Packets that the party's RTCP reported as lost.
    pub lost_by_peer: u32,
    /// Round trip to the party, microseconds, if RTCP showed it.
    pub round_trip_us: Option<u32>,
    /// Estimated listening quality of what came from the party, 1.0 to 4.5, in hundredths. 0 = nothing came.
    pub mos_x100: u16,
}

impl LegStats {
    /// Share of lost packets, 0.0 to 1.0.
    pub fn loss_ratio(&self) -> f32 {
        let expected = self.received + self.lost;
        if expected == 0 {
            0.0
        } else {
            self.lost as f32 / expected as f32
        }
    }
}

/// Both legs of one call.
#[derive(Copy, Clone, Debug, Default, PartialEq)]
pub struct Stats {
    /// The caller's leg.
    pub a: LegStats,
    /// The callee's leg.
    pub b: LegStats,
}

/// Mean opinion score by a simplified E-model (ITU-T G.107) for G.711 with packet loss concealment, random loss.
///
/// Only what a relay can see goes in: loss, jitter (taken as the depth of the far jitter buffer, twice over) and half the round trip.
pub fn estimate_mos(loss_ratio: f32, jitter: Duration, round_trip: Duration) -> f32 {
    /// Robustness of G.711 with concealment (G.113 appendix I).
    const ROBUSTNESS: f32 = 25.1;
    const PACKETISATION_MS: f32 = 20.0;
    let loss_percent = loss_ratio.clamp(0.0, 1.0) * 100.0;
    let delay_ms =
        round_trip.as_secs_f32() * 500.0 + jitter.as_secs_f32() * 2_000.0 + PACKETISATION_MS;
    let beyond_ms = (delay_ms - 177.3).max(0.0);
    let delay_impairment = 0.024 * delay_ms + 0.11 * beyond_ms;
    let loss_impairment = 95.0 * loss_percent / (loss_percent + ROBUSTNESS);
    let rating = (93.2 - delay_impairment - loss_impairment).clamp(0.0, 100.0);
    let score = 1.0 + 0.035 * rating + rating * (rating - 60.0) * (100.0 - rating) * 7e-6;
    score.clamp(1.0, 4.5)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fed(sequence: &[u16]) -> (Receiver, Vec<Arrival>) {
        let mut receiver = Receiver::default();
        let arrivals = sequence
            .iter()
            .map(|&seq| receiver.arrive(1, seq))
            .collect();
        (receiver, arrivals)
    }

    #[test]
    fn loss_survives_the_wrap_of_the_sequence() {
        let (receiver, arrivals) = fed(&[65_534, 65_535, 1, 2]);
        assert_eq!(
            arrivals,
            [
                Arrival::Restart,
                Arrival::Forward,
                Arrival::Forward,
                Arrival::Forward
            ]
        );
        assert_eq!((receiver.received(), receiver.lost()), (4, 1));
        assert_eq!(receiver.extended_newest(), 0x1_0002);
    }

    #[test]
    fn late_packets_fill_the_gap_once() {
        let (receiver, arrivals) = fed(&[10, 13, 11, 11, 12, 13]);
        assert_eq!(
            arrivals[2..],
            [
                Arrival::Late,
                Arrival::Duplicate,
                Arrival::Late,
                Arrival::Duplicate
            ]
        );
        assert_eq!(
            (receiver.lost(), receiver.late(), receiver.duplicates()),
            (0, 2, 2)
        );
    }

    #[test]
    fn one_stray_packet_does_not_restart_the_stream_two_do() {
        let (receiver, arrivals) = fed(&[100, 30_000, 101, 30_001, 30_002]);
        assert_eq!(
            arrivals[1..],
            [
                Arrival::Stray,
                Arrival::Forward,
                Arrival::Stray,
                Arrival::Restart
            ]
        );
        assert_eq!(
            (receiver.received(), receiver.lost(), receiver.restarts()),
            (3, 0, 1)
        );
    }

    #[test]
    fn new_source_is_a_restart_and_keeps_the_counts() {
        let mut receiver = Receiver::default();
        for seq in [1, 2, 4] {
            receiver.arrive(1, seq);
        }
        assert_eq!(receiver.arrive(2, 9_000), Arrival::Restart);
        assert_eq!(
            (receiver.received(), receiver.lost(), receiver.source()),
            (4, 1, Some(2))
        );
    }

    #[test]
    fn fraction_lost_is_of_the_interval() {
        let (mut receiver, _) = fed(&[1, 2, 3, 5]);
        assert_eq!(receiver.take_fraction_lost(), 51); // 1 of 5
        for seq in 6..10 {
            receiver.arrive(1, seq);
        }
        assert_eq!(receiver.take_fraction_lost(), 0);
        assert_eq!(receiver.take_fraction_lost(), 0);
    }

    #[test]
    fn jitter_is_zero_for_a_steady_stream_and_grows_to_the_deviation() {
        let mut receiver = Receiver::default();
        for n in 0..200u32 {
            receiver.time(n * 160, n * 160 + 7_000);
        }
        assert_eq!(receiver.jitter(), 0);
        for n in 200..600u32 {
            receiver.time(n * 160, n * 160 + 7_000 + if n % 2 == 0 { 80 } else { 0 });
        }
        assert!(
            (74..=80).contains(&receiver.jitter()),
            "{}",
            receiver.jitter()
        );
    }

    #[test]
    fn a_clock_jump_of_the_sender_is_no_jitter() {
        let mut receiver = Receiver::default();
        receiver.time(0, 0);
        receiver.time(0x7000_0000, 160);
        assert_eq!(receiver.jitter(), 0);
    }

    #[test]
    fn mos_of_a_clean_call_is_high_and_falls_with_loss_and_delay() {
        let clean = estimate_mos(0.0, Duration::from_millis(1), Duration::from_millis(40));
        assert!((4.3..=4.45).contains(&clean), "{clean}");
        let lossy = estimate_mos(0.05, Duration::from_millis(10), Duration::from_millis(40));
        assert!(lossy < clean - 0.3 && lossy > 3.0, "{lossy}");
        let slow = estimate_mos(0.0, Duration::from_millis(1), Duration::from_millis(900));
        assert!(slow < 3.5, "{slow}");
        assert!(
            (estimate_mos(1.0, Duration::from_secs(9), Duration::from_secs(9)) - 1.0).abs() < 0.01
        );
    }

    proptest! {
        #[test]
        fn received_never_exceeds_expected(seqs in proptest::collection::vec((0u32..3, any::<u16>()), 1..300)) {
            let mut receiver = Receiver::default();
            for (ssrc, seq) in seqs {
                receiver.arrive(ssrc, seq);
                prop_assert!(receiver.received() <= receiver.expected());
            }
        }

        #[test]
        fn any_order_of_a_short_stream_counts_exactly(order in Just((0u16..40).collect::<Vec<_>>()).prop_shuffle(), start in any::<u16>()) {
            let mut receiver = Receiver::default();
            for offset in order {
                prop_assert!(receiver.arrive(7, start.wrapping_add(offset)) != Arrival::Duplicate);
            }
            prop_assert_eq!((receiver.received(), receiver.lost()), (40, 0));
        }
    }
}
