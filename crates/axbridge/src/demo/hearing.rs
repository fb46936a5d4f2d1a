//! What was heard, told from the received audio: which tone in each packet, and whether the stream was one.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use axbridge_media::{g711, tone};

use super::audio::Packet;

/// A packet belongs to a tone when that much of its power is there.
const SHARE_MIN: f64 = 0.8;
/// Below this mean square nothing is heard.
const SILENCE: f64 = 1000.0;
/// Samples of one block of 20 ms.
pub const BLOCK: usize = 160;

/// The tones of the demo. Close ones (ring-back and the caller) are never expected in one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tone {
    /// The caller's voice.
    A,
    /// The callee's voice.
    B,
    /// The pre-call prompt.
    PreCall,
    /// The record notice.
    Notice,
    /// The last-minute voice.
    LastMinute,
    /// Ring-back made by the platform.
    RingBack,
}

impl Tone {
    /// Hz.
    pub fn hz(self) -> u16 {
        match self {
            Tone::A => 440,
            Tone::B => 880,
            Tone::PreCall => 1000,
            Tone::Notice => 1200,
            Tone::LastMinute => 1400,
            Tone::RingBack => 450,
        }
    }

    /// As the reader knows it.
    pub fn name(self) -> &'static str {
        match self {
            Tone::A => "A's voice",
            Tone::B => "B's voice",
            Tone::PreCall => "pre-call prompt",
            Tone::Notice => "record notice",
            Tone::LastMinute => "last-minute voice",
            Tone::RingBack => "ring-back",
        }
    }
}

/// The tone of one block, or none for silence and mixtures.
pub fn tone_of(block: &[i16], expected: &[Tone]) -> Option<Tone> {
    let power =
        block.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / block.len().max(1) as f64;
    if power < SILENCE {
        return None;
    }
    let share = |t: &Tone| tone::share_of(block, f64::from(t.hz()));
    let best = expected
        .iter()
        .copied()
        .max_by(|a, b| share(a).total_cmp(&share(b)))?;
    (share(&best) >= SHARE_MIN).then_some(best)
}

/// One stream as heard.
pub struct Hearing {
    blocks: Vec<(Instant, Option<Tone>)>,
}

impl Hearing {
    /// Listens to packets of A-law; `expected` are the tones that may be in them.
    pub fn of(packets: &[Packet], expected: &[Tone]) -> Hearing {
        let blocks = packets.iter().map(|packet| {
            let linear: Vec<i16> = packet
                .payload
                .iter()
                .map(|c| g711::alaw_to_linear(*c))
                .collect();
            (packet.at, tone_of(&linear, expected))
        });
        Hearing {
            blocks: blocks.collect(),
        }
    }

    /// How long each tone was heard, in milliseconds.
    pub fn lengths_ms(&self) -> BTreeMap<Tone, u64> {
        let mut lengths = BTreeMap::new();
        for tone in self.blocks.iter().filter_map(|(_, tone)| *tone) {
            *lengths.entry(tone).or_insert(0) += 20;
        }
        lengths
    }

    /// How long this tone was heard, in milliseconds.
    pub fn length_ms(&self, tone: Tone) -> u64 {
        self.lengths_ms().get(&tone).copied().unwrap_or(0)
    }

    /// When this tone was heard first.
    pub fn first(&self, tone: Tone) -> Option<Instant> {
        self.blocks
            .iter()
            .find(|(_, t)| *t == Some(tone))
            .map(|(at, _)| *at)
    }

    /// When this tone was over: 20 ms after its last packet came.
    pub fn end(&self, tone: Tone) -> Option<Instant> {
        let last = self.blocks.iter().rev().find(|(_, t)| *t == Some(tone))?;
        Some(last.0 + Duration::from_millis(20))
    }

    /// Stretches of one tone, in the order of hearing: `record notice 0.80 s (from 0.01 s)`, counted from `answered`.
    pub fn story(&self, answered: Instant) -> String {
        let mut stretches: Vec<(Tone, Instant, u32)> = Vec::new();
        for (at, tone) in &self.blocks {
            let Some(tone) = tone else { continue };
            match stretches.last_mut() {
                Some((last, _, ms)) if last == tone => *ms += 20,
                _ => stretches.push((*tone, *at, 20)),
            }
        }
        let offset = |at: Instant| match at.checked_duration_since(answered) {
            Some(after) => after.as_secs_f64(),
            None => -answered.duration_since(at).as_secs_f64(),
        };
        let said: Vec<_> = stretches
            .iter()
            .map(|(tone, at, ms)| {
                format!(
                    "{:+.2} s {} for {:.2} s",
                    offset(*at),
                    tone.name(),
                    f64::from(*ms) / 1000.0
                )
            })
            .collect();
        said.join(", ")
    }
}

/// What is wrong with a stream that should be one, in one sentence; otherwise how much came.
pub fn one_stream(packets: &[Packet]) -> Result<String, String> {
    let Some(first) = packets.first() else {
        return Err("nothing came".to_owned());
    };
    let (mut gaps, mut backward, mut ssrcs, mut formats, mut jumps) =
        (0u32, 0u32, 0u32, 0u32, 0u32);
    for pair in packets.windows(2) {
        let (before, now) = (&pair[0], &pair[1]);
        gaps += u32::from(now.sequence != before.sequence.wrapping_add(1));
        let step = now.timestamp.wrapping_sub(before.timestamp);
        backward += u32::from(step == 0 || step > u32::MAX / 2);
        jumps += u32::from(step != before.payload.len() as u32);
        ssrcs += u32::from(now.ssrc != before.ssrc);
        formats += u32::from(now.payload_type != before.payload_type);
    }
    let said = format!(
        "{} packets, SSRC {:08x}, {} sequence gaps, {} timestamps backward, {} other SSRCs, {} other formats, {} steps \
         of time other than the packet's length",
        packets.len(),
        first.ssrc,
        gaps,
        backward,
        ssrcs,
        formats,
        jumps
    );
    match gaps + backward + ssrcs + formats {
        0 => Ok(said),
        _ => Err(said),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    const ALL: [Tone; 5] = [
        Tone::A,
        Tone::B,
        Tone::PreCall,
        Tone::Notice,
        Tone::LastMinute,
    ];

    fn packets(tones: &[(f64, u32)]) -> Vec<Packet> {
        let samples: Vec<i16> = tones
            .iter()
            .flat_map(|(hz, ms)| tone::sine(*hz, *ms, 8000))
            .collect();
        let began = Instant::now();
        let chunks = samples.chunks(BLOCK).enumerate();
        chunks
            .map(|(n, chunk)| Packet {
                at: began + Duration::from_millis(20) * n as u32,
                datagram: Bytes::new(),
                ssrc: 1,
                sequence: (n as u16).wrapping_add(65_530),
                timestamp: n as u32 * BLOCK as u32,
                payload_type: 8,
                payload: chunk
                    .iter()
                    .map(|s| g711::linear_to_alaw(*s))
                    .collect::<Vec<u8>>()
                    .into(),
            })
            .collect()
    }

    #[test]
    fn tones_are_told_apart_and_timed() {
        let came = packets(&[(1000.0, 600), (1200.0, 400), (880.0, 200), (0.0, 100)]);
        let hearing = Hearing::of(&came, &ALL);
        assert_eq!(hearing.length_ms(Tone::PreCall), 600);
        assert_eq!(hearing.length_ms(Tone::Notice), 400);
        assert_eq!(hearing.length_ms(Tone::B), 200);
        assert_eq!(hearing.length_ms(Tone::A), 0);
        let notice = hearing.end(Tone::Notice).unwrap() - hearing.first(Tone::Notice).unwrap();
        assert_eq!(notice, Duration::from_millis(400));
        let answered = came[30].at;
        assert_eq!(
            hearing.story(answered),
            "-0.60 s pre-call prompt for 0.60 s, +0.00 s record notice for 0.40 s, +0.40 s B's voice for 0.20 s"
        );
    }

    #[test]
    fn a_broken_stream_is_noticed() {
        let whole = packets(&[(440.0, 400)]);
        assert!(one_stream(&whole).is_ok());
        assert!(one_stream(&[]).is_err());
        for harm in 0..4 {
            let mut packets = whole.clone();
            match harm {
                0 => drop(packets.remove(5)),
                1 => packets[7].ssrc = 2,
                2 => packets[7].payload_type = 0,
                _ => packets[7].timestamp = packets[6].timestamp,
            }
            assert!(one_stream(&packets).is_err(), "{harm}");
        }
    }
}
