//! What a caller hears at the menu when the application has no file for it: tones that need no language.

use std::sync::{Arc, OnceLock};

use axbridge_media::{Prompt, tone};

/// Loud enough to be heard beside traffic, far from clipping.
const LEVEL_DBM0: i8 = -12;
/// 8,000 samples in a second.
const SAMPLES_PER_MS: usize = 8;

/// Two short high tones: key the extension.
pub(crate) fn ask() -> Arc<Prompt> {
    static TONE: OnceLock<Arc<Prompt>> = OnceLock::new();
    TONE.get_or_init(|| built(&[(850.0, 180), (0.0, 120), (850.0, 180)]))
        .clone()
}

/// A falling pair of tones: that was wrong.
pub(crate) fn wrong() -> Arc<Prompt> {
    static TONE: OnceLock<Arc<Prompt>> = OnceLock::new();
    TONE.get_or_init(|| built(&[(620.0, 250), (0.0, 60), (480.0, 400)]))
        .clone()
}

/// Frequency (0 is silence) and length of each part.
fn built(parts: &[(f64, u32)]) -> Arc<Prompt> {
    let part = |(hz, ms): &(f64, u32)| match *hz {
        hz if hz > 0.0 => tone::sine(hz, *ms, tone::amplitude(LEVEL_DBM0)),
        _ => vec![0; *ms as usize * SAMPLES_PER_MS],
    };
    let samples: Vec<i16> = parts.iter().flat_map(part).collect();
    // Some hundred milliseconds: far below the longest prompt there may be.
    Arc::new(Prompt::from_linear(&samples).unwrap_or_else(|_| tone::ring_back()))
}

#[cfg(test)]
mod tests {
    use axbridge_media::{g711, tone};

    #[test]
    fn the_tones_differ_and_are_short() {
        let linear = |p: &axbridge_media::Prompt| {
            let alaw = p.alaw().iter();
            alaw.map(|c| g711::alaw_to_linear(*c)).collect::<Vec<i16>>()
        };
        let (ask, wrong) = (super::ask(), super::wrong());
        assert!(tone::share_of(&linear(&ask)[..1_400], 850.0) > 0.9);
        assert!(tone::share_of(&linear(&wrong)[..1_900], 620.0) > 0.9);
        assert!(ask.duration_ms() < 1_000 && wrong.duration_ms() < 1_000);
    }
}
