//! One token bucket for each application (`resultcode` 1010010 when empty).

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Requests a second and how many may come at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Rate {
    /// Tokens a second.
    pub per_second: u32,
    /// Bucket size.
    pub burst: u32,
}

impl Default for Rate {
    fn default() -> Self {
        Self {
            per_second: 500,
            burst: 1000,
        }
    }
}

/// The buckets. As many as applications: only authenticated requests reach them.
#[derive(Debug, Default)]
pub(crate) struct Buckets(Mutex<HashMap<u32, Bucket>>);

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Buckets {
    /// Takes a token, or says after what time there will be one.
    pub(crate) fn take(&self, app: u32, rate: Rate, now: Instant) -> Result<(), Duration> {
        let mut buckets = self.0.lock();
        let burst = f64::from(rate.burst.max(1));
        let per_second = f64::from(rate.per_second.max(1));
        let bucket = buckets.entry(app).or_insert(Bucket {
            tokens: burst,
            at: now,
        });
        let passed = now.saturating_duration_since(bucket.at).as_secs_f64();
        bucket.tokens = (bucket.tokens + passed * per_second).min(burst);
        bucket.at = bucket.at.max(now);
        if bucket.tokens >= 1.0 {
            bucket.tokens -= 1.0;
            return Ok(());
        }
        Err(Duration::from_secs_f64((1.0 - bucket.tokens) / per_second))
    }

    /// Forgets an application that was deleted.
    pub(crate) fn forget(&self, app: u32) {
        self.0.lock().remove(&app);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn burst_then_rate_each_application_for_itself() {
        let buckets = Buckets::default();
        let rate = Rate {
            per_second: 10,
            burst: 3,
        };
        let t0 = Instant::now();
        for _ in 0..3 {
            assert!(buckets.take(1, rate, t0).is_ok());
        }
        let wait = buckets.take(1, rate, t0).unwrap_err();
        assert!(wait <= Duration::from_millis(100) && wait > Duration::from_millis(90));
        assert!(buckets.take(2, rate, t0).is_ok());
        assert!(
            buckets
                .take(1, rate, t0 + Duration::from_millis(101))
                .is_ok()
        );
        assert!(
            buckets
                .take(1, rate, t0 + Duration::from_millis(102))
                .is_err()
        );
    }
}
