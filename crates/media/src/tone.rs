//! Tones: the ring-back that is played when nothing else is heard, and sines for tests and the demo.

use std::f64::consts::TAU;

use crate::prompt::{Prompt, SAMPLE_RATE};

/// Level of a sine at A-law's full scale (G.711).
const FULL_SCALE_DBM0: f64 = 314.0 / 100.0;

/// On and off times of a tone that repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cadence {
    /// Hz.
    pub frequency_hz: u16,
    /// Milliseconds of tone.
    pub on_ms: u16,
    /// Milliseconds of silence after it.
    pub off_ms: u16,
    /// Level in dBm0, 0 or below (G.711's full scale is +3.14).
    pub level_dbm0: i8,
}

impl Default for Cadence {
    /// The ring-back of China (YD/T 1034, GB 3380): 450 Hz, 1 s on, 4 s off, -10 dBm0.
    fn default() -> Self {
        Self {
            frequency_hz: 450,
            on_ms: 1000,
            off_ms: 4000,
            level_dbm0: -10,
        }
    }
}

impl Cadence {
    /// One period as a prompt, to be played with repetition. A cadence of no length is 20 ms of silence.
    #[must_use]
    pub fn prompt(&self) -> Prompt {
        let mut samples = sine(
            f64::from(self.frequency_hz),
            u32::from(self.on_ms),
            amplitude(self.level_dbm0),
        );
        let off = usize::from(self.off_ms) * (SAMPLE_RATE as usize / 1000);
        samples.resize(samples.len() + off, 0);
        if samples.is_empty() {
            samples.resize(160, 0);
        }
        Prompt::from_linear(&samples).expect("at least 160 samples were made")
    }
}

/// The usual ring-back, one period; see [`Cadence`].
#[must_use]
pub fn ring_back() -> Prompt {
    Cadence::default().prompt()
}

/// Peak of a sine of that level; 0 dBm0 is 3.14 dB under G.711's full scale.
#[must_use]
pub fn amplitude(level_dbm0: i8) -> i16 {
    let db = f64::from(level_dbm0.min(3)) - FULL_SCALE_DBM0;
    (f64::from(i16::MAX) * 10f64.powf(db.min(0.0) / 20.0)) as i16
}

/// A sine at 8 kHz that starts at phase 0.
#[must_use]
pub fn sine(frequency_hz: f64, duration_ms: u32, amplitude: i16) -> Vec<i16> {
    let samples = duration_ms as usize * (SAMPLE_RATE as usize / 1000);
    (0..samples)
        .map(|n| {
            let phase = TAU * frequency_hz * n as f64 / f64::from(SAMPLE_RATE);
            (phase.sin() * f64::from(amplitude)).round() as i16
        })
        .collect()
}

/// How much of the signal's power is at that frequency, 0.0..=1.0 (Goertzel). 0 for silence or no samples.
///
/// Meant for checks on recordings: a pure sine gives nearly 1, another tone or noise nearly 0.
#[must_use]
pub fn share_of(samples: &[i16], frequency_hz: f64) -> f64 {
    let coefficient = 2.0 * (TAU * frequency_hz / f64::from(SAMPLE_RATE)).cos();
    let (mut one, mut two, mut energy) = (0.0f64, 0.0f64, 0.0f64);
    for sample in samples {
        let x = f64::from(*sample);
        let zero = x + coefficient * one - two;
        two = one;
        one = zero;
        energy += x * x;
    }
    if energy == 0.0 {
        return 0.0;
    }
    let power = one * one + two * two - coefficient * one * two;
    (2.0 * power / (energy * samples.len() as f64)).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::g711;

    #[test]
    fn ring_back_is_one_second_of_450_hz_and_four_of_silence() {
        let prompt = ring_back();
        assert_eq!(prompt.duration_ms(), 5000);
        let heard: Vec<i16> = prompt
            .alaw()
            .iter()
            .map(|c| g711::alaw_to_linear(*c))
            .collect();
        assert!(share_of(&heard[..8000], 450.0) > 0.99);
        assert!(share_of(&heard[..8000], 440.0) < 0.01);
        assert!(heard[8000..].iter().all(|s| *s == 8));
    }

    #[test]
    fn level_is_in_dbm0() {
        assert_eq!(amplitude(3), 32243);
        let ten_down = f64::from(amplitude(-10)) / f64::from(amplitude(0));
        assert!((20.0 * ten_down.log10() + 10.0).abs() < 0.01);
    }

    #[test]
    fn two_tones_are_told_apart_and_silence_is_no_tone() {
        let low = sine(440.0, 1000, 8000);
        assert!(share_of(&low, 440.0) > 0.99);
        assert!(share_of(&low, 880.0) < 0.01);
        assert_eq!(share_of(&[0; 100], 440.0), 0.0);
        assert_eq!(share_of(&[], 440.0), 0.0);
    }

    #[test]
    fn a_cadence_of_no_length_is_a_bit_of_silence() {
        let cadence = Cadence {
            on_ms: 0,
            off_ms: 0,
            ..Cadence::default()
        };
        assert_eq!(cadence.prompt().duration_ms(), 20);
    }
}
