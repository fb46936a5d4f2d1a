//! How often those are answered whom we do not know: a token bucket.

use crate::timer::Tick;

/// Answers that may be given, in thousandths, so that one millisecond adds as many as there may be answers per second.
pub(super) struct Allowance {
    per_s: u64,
    left: u64,
    at: Tick,
}

const ONE: u64 = 1_000;

impl Allowance {
    /// A full one: as many answers as may be given in a second.
    pub fn new(per_s: u32) -> Self {
        let per_s = u64::from(per_s);
        Allowance {
            per_s,
            left: per_s * ONE,
            at: Tick(0),
        }
    }

    /// Takes one answer out. False when there is none.
    pub fn take(&mut self, now: Tick) -> bool {
        let passed_ms = now.0.saturating_sub(self.at.0);
        let grown = self
            .left
            .saturating_add(passed_ms.saturating_mul(self.per_s));
        self.left = grown.min(self.per_s * ONE);
        self.at = Tick(now.0.max(self.at.0));
        let some = self.left >= ONE;
        if some {
            self.left -= ONE;
        }
        some
    }
}

#[cfg(test)]
mod tests {
    use super::{Allowance, Tick};

    fn taken(allowance: &mut Allowance, at_ms: u64, tries: usize) -> usize {
        (0..tries).filter(|_| allowance.take(Tick(at_ms))).count()
    }

    #[test]
    fn a_burst_and_then_an_average() {
        let mut allowance = Allowance::new(100);
        assert_eq!(taken(&mut allowance, 5, 1_000), 100);
        assert_eq!(taken(&mut allowance, 14, 1_000), 0, "not even one in 9 ms");
        assert_eq!(taken(&mut allowance, 15, 1_000), 1);
        assert_eq!(
            taken(&mut allowance, 10, 1_000),
            0,
            "a clock that goes back"
        );
        assert_eq!(taken(&mut allowance, 515, 1_000), 50);
        // Silence saves up no more than a second.
        assert_eq!(taken(&mut allowance, u64::MAX, 1_000), 100);
    }

    #[test]
    fn none_at_all() {
        assert_eq!(taken(&mut Allowance::new(0), 10_000, 10), 0);
    }
}
