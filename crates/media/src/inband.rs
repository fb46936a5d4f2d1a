//! Key presses heard as tones (ITU-T Q.23, Q.24), for legs that did not agree on telephone-event.
//!
//! Goertzel over blocks of 160 samples (20 ms at 8 kHz): two tones, one of each group, that stand out of their group,
//! hold most of the energy of the block and are of similar level, in two blocks running. Speech rarely does that.

use crate::dtmf::{Digit, Pressed};

const BLOCK: usize = 160;
const FREQUENCIES_HZ: [f32; 8] = [
    697.0, 770.0, 852.0, 941.0, 1_209.0, 1_336.0, 1_477.0, 1_633.0,
];
const RATE_HZ: f32 = 8_000.0;
/// Event codes by row and column.
const CODES: [[u8; 4]; 4] = [[1, 2, 3, 12], [4, 5, 6, 13], [7, 8, 9, 14], [10, 0, 11, 15]];
/// Share of the block's energy that the two tones must hold.
const SHARE_MIN: f32 = 0.5;
/// The strongest tone of a group over the second.
const STANDOUT: f32 = 6.0;
/// Columns at most 4 dB over rows, rows at most 8 dB over columns (Q.24).
const COLUMN_OVER_ROW_MAX: f32 = 2.6;
const ROW_OVER_COLUMN_MAX: f32 = 6.4;
/// Mean square under which nothing is a key: about -33 dBm0.
const POWER_MIN: f32 = 250_000.0;
/// Blocks of a key before it counts, and without it before it is over.
const HITS_MIN: u16 = 2;
const MISSES_MAX: u8 = 2;

/// Listens to one leg.
#[derive(Clone, Debug)]
pub struct InbandDetector {
    coefficients: [f32; 8],
    states: [[f32; 2]; 8],
    energy: f32,
    filled: usize,
    key: Option<Digit>,
    hits: u16,
    misses: u8,
}

impl Default for InbandDetector {
    fn default() -> Self {
        let coefficients =
            FREQUENCIES_HZ.map(|hz| 2.0 * (std::f32::consts::TAU * hz / RATE_HZ).cos());
        Self {
            coefficients,
            states: [[0.0; 2]; 8],
            energy: 0.0,
            filled: 0,
            key: None,
            hits: 0,
            misses: 0,
        }
    }
}

impl InbandDetector {
    /// Listens to the codes of a packet. A press is given when it ends; at most one per call.
    pub fn listen(&mut self, codes: &[u8], decode: fn(u8) -> i16) -> Option<Pressed> {
        let mut pressed = None;
        for code in codes {
            self.sample(f32::from(decode(*code)));
            if self.filled == BLOCK {
                let found = self.take_block();
                pressed = self.follow(found).or(pressed);
            }
        }
        pressed
    }

    fn sample(&mut self, sample: f32) {
        self.energy += sample * sample;
        for (state, coefficient) in self.states.iter_mut().zip(self.coefficients) {
            *state = [sample + coefficient * state[0] - state[1], state[0]];
        }
        self.filled += 1;
    }

    fn take_block(&mut self) -> Option<Digit> {
        let mut powers = [0.0; 8];
        for ((power, state), coefficient) in
            powers.iter_mut().zip(self.states).zip(self.coefficients)
        {
            *power = state[0] * state[0] + state[1] * state[1] - coefficient * state[0] * state[1];
        }
        let energy = std::mem::take(&mut self.energy);
        self.states = [[0.0; 2]; 8];
        self.filled = 0;
        judge(&powers, energy)
    }

    /// Two blocks of one key begin it, two without it end it.
    fn follow(&mut self, found: Option<Digit>) -> Option<Pressed> {
        if found.is_some() && found == self.key {
            self.hits = self.hits.saturating_add(1 + u16::from(self.misses));
            self.misses = 0;
            return None;
        }
        self.misses += 1;
        if self.key.is_some() && self.hits >= HITS_MIN && self.misses < MISSES_MAX {
            return None;
        }
        let pressed = self.key.filter(|_| self.hits >= HITS_MIN).map(|digit| {
            let duration_ms = u32::from(self.hits) * BLOCK as u32 / 8;
            Pressed {
                digit,
                duration_ms: duration_ms.min(u32::from(u16::MAX)) as u16,
            }
        });
        self.key = found;
        self.hits = u16::from(found.is_some());
        self.misses = 0;
        pressed
    }
}

fn judge(powers: &[f32; 8], energy: f32) -> Option<Digit> {
    if energy < POWER_MIN * BLOCK as f32 {
        return None;
    }
    let (rows, columns) = powers.split_at(4);
    let (row, row_power) = standing_out(rows)?;
    let (column, column_power) = standing_out(columns)?;
    if column_power > row_power * COLUMN_OVER_ROW_MAX
        || row_power > column_power * ROW_OVER_COLUMN_MAX
    {
        return None;
    }
    // A sine of energy E in a block of n samples has a Goertzel power of E * n / 2.
    let share = (row_power + column_power) / (energy * BLOCK as f32 / 2.0);
    if share < SHARE_MIN {
        return None;
    }
    Digit::from_code(*CODES.get(row)?.get(column)?)
}

fn standing_out(group: &[f32]) -> Option<(usize, f32)> {
    let (place, power) = group
        .iter()
        .copied()
        .enumerate()
        .max_by(|a, b| a.1.total_cmp(&b.1))?;
    let second = group
        .iter()
        .enumerate()
        .filter(|(at, _)| *at != place)
        .map(|(_, power)| *power)
        .fold(0.0, f32::max);
    (power > second * STANDOUT).then_some((place, power))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::g711::{linear_to_ulaw, ulaw_to_linear};
    use crate::tone::sine;

    fn hear(samples: &[i16]) -> String {
        let mut detector = InbandDetector::default();
        let codes: Vec<u8> = samples
            .iter()
            .map(|&sample| linear_to_ulaw(sample))
            .collect();
        codes
            .chunks(160)
            .filter_map(|packet| detector.listen(packet, ulaw_to_linear))
            .map(|pressed| pressed.digit.as_char())
            .collect()
    }

    fn key(row_hz: f64, column_hz: f64, ms: u32) -> Vec<i16> {
        let mix = sine(row_hz, ms, 6_000)
            .into_iter()
            .zip(sine(column_hz, ms, 7_000))
            .map(|(row, column)| row + column);
        mix.chain(vec![0; 800]).collect()
    }

    #[test]
    fn every_key_is_heard_once() {
        let mut samples = vec![0i16; 333];
        for row in &FREQUENCIES_HZ[..4] {
            for column in &FREQUENCIES_HZ[4..] {
                samples.extend(key(f64::from(*row), f64::from(*column), 90));
            }
        }
        assert_eq!(hear(&samples), "123A456B789C*0#D");
    }

    #[test]
    fn frequencies_a_little_off_are_heard() {
        assert_eq!(hear(&key(770.0 * 1.012, 1_336.0 * 0.988, 100)), "5");
    }

    #[test]
    fn a_long_press_is_one_key_with_its_length() {
        let mut detector = InbandDetector::default();
        let codes: Vec<u8> = key(941.0, 1_477.0, 2_000)
            .into_iter()
            .map(linear_to_ulaw)
            .collect();
        let pressed: Vec<_> = codes
            .chunks(160)
            .filter_map(|packet| detector.listen(packet, ulaw_to_linear))
            .collect();
        assert_eq!(pressed.len(), 1);
        assert!(
            (1_940..=2_010).contains(&pressed[0].duration_ms),
            "{pressed:?}"
        );
    }

    #[test]
    fn single_tones_noise_and_silence_are_no_keys() {
        assert_eq!(hear(&sine(697.0, 500, 12_000)), "");
        assert_eq!(hear(&sine(450.0, 500, 12_000)), "");
        assert_eq!(hear(&[0; 8_000]), "");
        let mut state = 1u32;
        let noise: Vec<i16> = (0..80_000)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 18) as i16 - 8_192
            })
            .collect();
        assert_eq!(hear(&noise), "");
        assert_eq!(hear(&key(697.0, 1_209.0, 20)), "", "too short");
    }
}
