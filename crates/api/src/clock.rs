//! Time as an argument: the API asks a [`Clock`], so a test can move it by hours without waiting.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Where the API gets its time from.
pub trait Clock: Send + Sync + 'static {
    /// Wall clock, Unix milliseconds.
    fn wall_ms(&self) -> u64;
    /// Monotonic clock, for rates and bans: a correction of the wall clock must not lift or lengthen them.
    fn mono(&self) -> Instant;
}

/// The machine's clocks.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn wall_ms(&self) -> u64 {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
    }

    fn mono(&self) -> Instant {
        Instant::now()
    }
}

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub struct ManualClock {
    start: Instant,
    start_wall_ms: u64,
    elapsed_ms: AtomicU64,
}

impl ManualClock {
    /// A clock that shows `wall_ms` now.
    #[must_use]
    pub fn new(wall_ms: u64) -> Self {
        Self {
            start: Instant::now(),
            start_wall_ms: wall_ms,
            elapsed_ms: AtomicU64::new(0),
        }
    }

    /// Moves both clocks forward.
    pub fn advance(&self, by: Duration) {
        let ms = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.elapsed_ms.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn wall_ms(&self) -> u64 {
        self.start_wall_ms + self.elapsed_ms.load(Ordering::SeqCst)
    }

    fn mono(&self) -> Instant {
        self.start + Duration::from_millis(self.elapsed_ms.load(Ordering::SeqCst))
    }
}
