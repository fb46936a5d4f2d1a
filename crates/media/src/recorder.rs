//! The tap of a call: decoded samples in, chunks of a recording out. Whoever owns it writes the file.
//!
//! Both channels lie on one clock, that of the recording. A packet is placed by its RTP timestamp, counted from where its
//! channel's first packet arrived, so that jitter and reordering do not matter; a channel whose clock drifts or
//! jumps is anchored anew. What did not come is silence. So the length is the time between start and stop, whatever came.
//! Nothing is given out before the minimum length is reached.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::leg::Side;
use crate::session::Layout;

/// Samples per millisecond; everything here is 8 kHz.
const PER_MS: u64 = 8;
/// Samples of one chunk: 200 ms.
const CHUNK: u64 = 200 * PER_MS;
/// How long a sample is waited for: 400 ms.
const WAIT: u64 = 400 * PER_MS;
/// How far a packet may lie before its own arrival: 200 ms.
const AHEAD_MAX: i64 = 200 * PER_MS as i64;
/// A channel that is steadily off by more than this is moved: 40 ms.
const DRIFT_MAX: i64 = 40 * PER_MS as i64;
/// Packets over which "steadily" is judged: 5 s of usual packets.
const DRIFT_WINDOW: u16 = 250;
/// Too late for this long: not a burst, the sender stood still.
const LATE_FOR: Duration = Duration::from_millis(500);
/// Longest packet that is recorded: 180 ms.
const PACKET_MAX: u64 = 180 * PER_MS;
/// A chunk, the wait, what may be ahead and a packet must fit.
const RING: u64 = 8_192;
/// Chunks kept for a writer that does not fetch them: 30 s.
const QUEUE_MAX: usize = 150;
/// The minimum length is kept in memory, so it has a bound.
const MINIMUM_MAX: Duration = Duration::from_secs(20);

const _: () = assert!(CHUNK + WAIT + AHEAD_MAX as u64 + PACKET_MAX <= RING);

/// What to do with the file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RecordOut {
    /// The minimum length is reached: make the file, 8 kHz, 16 bit.
    Begin {
        /// Name of the recording.
        stem: Arc<str>,
        /// Channels.
        layout: Layout,
    },
    /// Samples that follow, left and right in turn if stereo.
    Samples(Vec<i16>),
    /// Close the file.
    End {
        /// Samples per channel in all.
        samples: u64,
        /// False if chunks were not fetched in time and some are missing.
        complete: bool,
    },
    /// It stayed below the minimum; nothing else was or will be said of it.
    Discarded {
        /// Name of the recording.
        stem: Arc<str>,
        /// Its length.
        duration_ms: u64,
    },
}

/// Where on the recording a channel's timestamps lie.
#[derive(Copy, Clone, Debug)]
struct Anchor {
    timestamp: u32,
    place: i64,
}

#[derive(Clone, Debug)]
struct Channel {
    ring: Box<[i16]>,
    anchor: Option<Anchor>,
    /// Smallest lateness of the window, and packets in it.
    lateness_min: i64,
    window: u16,
    late_since: Option<Instant>,
}

impl Channel {
    fn new() -> Self {
        Self {
            ring: vec![0; RING as usize].into(),
            anchor: None,
            lateness_min: i64::MAX,
            window: 0,
            late_since: None,
        }
    }

    /// The place of a packet with this timestamp that arrives when the recording is `arrival` samples long.
    fn place(&mut self, now: Instant, timestamp: u32, arrival: i64) -> i64 {
        let Some(anchor) = self.anchor else {
            return self.anchor_at(timestamp, arrival);
        };
        let place = anchor.place + i64::from(timestamp.wrapping_sub(anchor.timestamp) as i32);
        let lateness = arrival - place;
        if lateness < -AHEAD_MAX || self.stands_still(now, lateness) {
            return self.anchor_at(timestamp, arrival);
        }
        self.follow_drift(timestamp, place, lateness);
        place
    }

    fn anchor_at(&mut self, timestamp: u32, place: i64) -> i64 {
        self.anchor = Some(Anchor { timestamp, place });
        self.lateness_min = i64::MAX;
        self.window = 0;
        self.late_since = None;
        place
    }

    fn stands_still(&mut self, now: Instant, lateness: i64) -> bool {
        if lateness <= WAIT as i64 {
            self.late_since = None;
            return false;
        }
        let since = *self.late_since.get_or_insert(now);
        now.saturating_duration_since(since) >= LATE_FOR
    }

    fn follow_drift(&mut self, timestamp: u32, place: i64, lateness: i64) {
        // The anchor moves along, so that the difference of timestamps stays small for ever.
        self.anchor = Some(Anchor { timestamp, place });
        self.lateness_min = self.lateness_min.min(lateness);
        self.window += 1;
        if self.window >= DRIFT_WINDOW {
            let drift = self.lateness_min;
            if drift.abs() > DRIFT_MAX {
                self.anchor = Some(Anchor {
                    timestamp,
                    place: place + drift,
                });
            }
            self.lateness_min = i64::MAX;
            self.window = 0;
        }
    }
}

/// One running recording.
#[derive(Clone, Debug)]
pub struct Recorder {
    stem: Arc<str>,
    layout: Layout,
    started: Instant,
    minimum: Duration,
    channels: [Channel; 2],
    /// Samples per channel already cut into chunks.
    cut: u64,
    begun: bool,
    overrun: bool,
    out: VecDeque<RecordOut>,
}

impl Recorder {
    /// Starts the clock of a recording.
    #[must_use]
    pub fn start(now: Instant, stem: Arc<str>, layout: Layout, minimum: Duration) -> Self {
        Self {
            stem,
            layout,
            started: now,
            minimum: minimum.min(MINIMUM_MAX),
            channels: [Channel::new(), Channel::new()],
            cut: 0,
            begun: false,
            overrun: false,
            out: VecDeque::new(),
        }
    }

    /// Takes the audio of one packet. `timestamp` is of a stream at 8 kHz, `decode` the law of the codes.
    pub fn tap(
        &mut self,
        channel: Side,
        now: Instant,
        timestamp: u32,
        codes: &[u8],
        decode: fn(u8) -> i16,
    ) {
        self.advance(now);
        let arrival = self.length(now) as i64;
        let codes = codes.get(..PACKET_MAX as usize).unwrap_or(codes);
        let cut = self.cut as i64;
        let channel = &mut self.channels[channel.index()];
        let place = channel.place(now, timestamp, arrival);
        let too_late = usize::try_from(cut - place).unwrap_or(0);
        for (offset, code) in codes.iter().enumerate().skip(too_late) {
            let at = place + offset as i64;
            if at - cut >= RING as i64 {
                break;
            }
            channel.ring[at as usize % RING as usize] = decode(*code);
        }
    }

    /// Cuts the chunks whose time has come.
    pub fn advance(&mut self, now: Instant) {
        let length = self.length(now);
        while self.cut + CHUNK + WAIT <= length {
            self.cut_chunk(CHUNK);
        }
        if !self.begun && now.saturating_duration_since(self.started) >= self.minimum {
            self.begin();
        }
    }

    /// When [`Recorder::advance`] has something to do next.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.started + Duration::from_millis((self.cut + CHUNK + WAIT).div_ceil(PER_MS))
    }

    /// Ends the recording and gives what is left of it.
    #[must_use]
    pub fn finish(mut self, now: Instant) -> VecDeque<RecordOut> {
        self.advance(now);
        if !self.begun {
            let duration_ms = self.length(now) / PER_MS;
            return VecDeque::from([RecordOut::Discarded {
                stem: self.stem,
                duration_ms,
            }]);
        }
        let length = self.length(now);
        while self.cut < length {
            self.cut_chunk(CHUNK.min(length - self.cut));
        }
        self.out.push_back(RecordOut::End {
            samples: length,
            complete: !self.overrun,
        });
        self.out
    }

    /// What to write next; nothing before the minimum length is reached.
    pub fn poll(&mut self) -> Option<RecordOut> {
        if self.begun {
            self.out.pop_front()
        } else {
            None
        }
    }

    fn begin(&mut self) {
        self.begun = true;
        self.out.push_front(RecordOut::Begin {
            stem: Arc::clone(&self.stem),
            layout: self.layout,
        });
    }

    /// Length of the recording in samples at this moment.
    fn length(&self, now: Instant) -> u64 {
        let elapsed_us = now.saturating_duration_since(self.started).as_micros() as u64;
        elapsed_us * PER_MS / 1_000
    }

    fn cut_chunk(&mut self, samples: u64) {
        let from = self.cut;
        self.cut += samples;
        let [left, right] = &mut self.channels;
        let places = (from..self.cut).map(|at| (at % RING) as usize);
        let mut chunk = Vec::with_capacity(samples as usize * usize::from(self.layout.channels()));
        for place in places {
            // Taken, not read: what is not written again before this place comes round is silence.
            let (a, b) = (
                std::mem::take(&mut left.ring[place]),
                std::mem::take(&mut right.ring[place]),
            );
            match self.layout {
                Layout::Mono => chunk.push(a.saturating_add(b)),
                Layout::Stereo => chunk.extend([a, b]),
            }
        }
        if self.out.len() >= QUEUE_MAX {
            self.overrun = true;
        } else {
            self.out.push_back(RecordOut::Samples(chunk));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::g711::{alaw_to_linear, linear_to_alaw};
    use crate::tone::{share_of, sine};

    const MS: Duration = Duration::from_millis(1);

    struct Recording {
        begun: bool,
        samples: Vec<i16>,
        end: Option<u64>,
        discarded: bool,
    }

    fn collect(out: impl IntoIterator<Item = RecordOut>) -> Recording {
        let mut recording = Recording {
            begun: false,
            samples: Vec::new(),
            end: None,
            discarded: false,
        };
        for part in out {
            match part {
                RecordOut::Begin { .. } => recording.begun = true,
                RecordOut::Samples(samples) => {
                    assert!(recording.begun, "samples before the file");
                    recording.samples.extend(samples);
                }
                RecordOut::End { samples, complete } => {
                    assert!(complete);
                    recording.end = Some(samples);
                }
                RecordOut::Discarded { .. } => recording.discarded = true,
            }
        }
        recording
    }

    /// Plays the tone packets `(channel, nominal ms, arrival ms)` into a recording of `length_ms`.
    fn record(
        layout: Layout,
        length_ms: u64,
        packets: impl IntoIterator<Item = (Side, u64, u64)>,
    ) -> Recording {
        let start = Instant::now();
        let mut recorder = Recorder::start(start, "x".into(), layout, Duration::from_secs(3));
        let tone = |hz: f64| {
            sine(hz, length_ms as u32 + 1_000, 8_000)
                .into_iter()
                .map(linear_to_alaw)
                .collect::<Vec<_>>()
        };
        let tones = [tone(440.0), tone(880.0)];
        let mut packets: Vec<_> = packets.into_iter().collect();
        packets.sort_by_key(|packet| packet.2);
        let mut out = Vec::new();
        for (side, nominal_ms, arrival_ms) in packets {
            let at = nominal_ms as usize * 8;
            let timestamp = (nominal_ms as u32 * 8).wrapping_add([7, u32::MAX - 900][side.index()]);
            let codes = &tones[side.index()][at..at + 160];
            recorder.tap(
                side,
                start + MS * arrival_ms as u32,
                timestamp,
                codes,
                alaw_to_linear,
            );
            out.extend(std::iter::from_fn(|| recorder.poll()));
        }
        out.extend(recorder.finish(start + MS * length_ms as u32));
        collect(out)
    }

    fn channel(recording: &Recording, side: Side) -> Vec<i16> {
        recording
            .samples
            .chunks_exact(2)
            .map(|pair| pair[side.index()])
            .collect()
    }

    fn steady(side: Side, from_ms: u64, to_ms: u64) -> impl Iterator<Item = (Side, u64, u64)> {
        (from_ms..to_ms).step_by(20).map(move |ms| (side, ms, ms))
    }

    #[test]
    fn each_voice_is_on_its_own_channel_and_the_length_is_the_time() {
        let recording = record(
            Layout::Stereo,
            5_013,
            steady(Side::A, 0, 5_013).chain(steady(Side::B, 0, 5_013)),
        );
        assert_eq!(recording.end, Some(5_013 * 8));
        let (left, right) = (channel(&recording, Side::A), channel(&recording, Side::B));
        assert_eq!((left.len(), right.len()), (5_013 * 8, 5_013 * 8));
        assert!(share_of(&left, 440.0) > 0.99 && share_of(&left, 880.0) < 0.01);
        assert!(share_of(&right, 880.0) > 0.99 && share_of(&right, 440.0) < 0.01);
    }

    #[test]
    fn mono_has_both_voices() {
        let recording = record(
            Layout::Mono,
            4_000,
            steady(Side::A, 0, 4_000).chain(steady(Side::B, 0, 4_000)),
        );
        assert_eq!(recording.samples.len(), 4_000 * 8);
        assert!(
            share_of(&recording.samples, 440.0) > 0.45
                && share_of(&recording.samples, 880.0) > 0.45
        );
    }

    #[test]
    fn under_three_seconds_nothing_but_discarded() {
        let short = record(Layout::Stereo, 2_999, steady(Side::A, 0, 2_999));
        assert!(short.discarded && !short.begun && short.samples.is_empty());
        let long = record(Layout::Stereo, 3_000, steady(Side::A, 0, 3_000));
        assert!(!long.discarded && long.begun);
        assert_eq!(long.end, Some(24_000));
    }

    #[test]
    fn jitter_and_reordering_leave_the_tone_whole() {
        let shaken = (0..6_000u64)
            .step_by(20)
            .map(|ms| (Side::A, ms, ms + 20 + (ms * 7919) % 180));
        let recording = record(Layout::Stereo, 6_500, shaken);
        let left = channel(&recording, Side::A);
        let voiced = &left[4_000..40_000];
        assert!(
            share_of(voiced, 440.0) > 0.99,
            "{}",
            share_of(voiced, 440.0)
        );
    }

    #[test]
    fn lost_packets_are_silence_in_their_place() {
        let holes = steady(Side::A, 0, 5_000).filter(|packet| !(2_000..3_000).contains(&packet.1));
        let recording = record(Layout::Stereo, 5_000, holes);
        let left = channel(&recording, Side::A);
        assert!(left[2_000 * 8..3_000 * 8].iter().all(|&sample| sample == 0));
        assert!(share_of(&left[..2_000 * 8], 440.0) > 0.99);
        assert!(share_of(&left[3_000 * 8..], 440.0) > 0.99);
    }

    #[test]
    fn silent_call_has_its_full_length() {
        let recording = record(Layout::Mono, 7_777, []);
        assert_eq!(recording.end, Some(7_777 * 8));
        assert!(recording.samples.iter().all(|&sample| sample == 0));
        assert_eq!(recording.samples.len(), 7_777 * 8);
    }

    #[test]
    fn drifting_clock_stays_aligned_to_the_other_channel() {
        // Half a percent too slow: 300 ms late after a minute. The voice stops at 60 s sharp.
        let slow = (0..60_000u64)
            .step_by(20)
            .map(|ms| (Side::A, ms, ms + ms / 200))
            .filter(|packet| packet.2 < 60_000);
        let recording = record(Layout::Stereo, 62_000, slow);
        let left = channel(&recording, Side::A);
        let last = left.iter().rposition(|&sample| sample != 0).expect("voice") / 8;
        assert!((59_900..=60_060).contains(&last), "{last}");
    }

    #[test]
    fn sender_that_stood_still_is_heard_again() {
        let paused = (0..8_000u64)
            .step_by(20)
            .map(|ms| (Side::A, ms, if ms < 2_000 { ms } else { ms + 900 }));
        let recording = record(Layout::Stereo, 8_500, paused);
        let left = channel(&recording, Side::A);
        assert!(share_of(&left[5_000 * 8..8_000 * 8], 440.0) > 0.99);
    }

    #[test]
    fn unfetched_chunks_are_bounded() {
        let start = Instant::now();
        let mut recorder = Recorder::start(start, "x".into(), Layout::Stereo, Duration::ZERO);
        for second in 1..600 {
            recorder.advance(start + Duration::from_secs(second));
        }
        let out = recorder.finish(start + Duration::from_secs(600));
        assert!(out.len() <= QUEUE_MAX + 2);
        assert!(matches!(
            out.back(),
            Some(RecordOut::End {
                complete: false,
                ..
            })
        ));
    }
}
