//! The one place that reads the clocks.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use axbridge_call::Now;

/// The time of this moment on both clocks.
pub fn now() -> Now {
    Now {
        mono: Instant::now(),
        wall_ms: wall_ms(),
    }
}

/// Unix milliseconds; 0 on a machine whose clock stands before 1970.
pub fn wall_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
