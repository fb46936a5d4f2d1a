//! When a shard is too far behind to take new calls.

use std::time::{Duration, Instant};

/// Switches on when messages wait longer than the limit, off when they wait less than half of it.
pub(super) struct Overload {
    limit: Duration,
    /// Since when the sockets have not been seen empty.
    backlog_since: Option<Instant>,
    on: bool,
}

impl Overload {
    pub(super) fn new(limit: Duration) -> Self {
        Self {
            limit,
            backlog_since: None,
            on: false,
        }
    }

    /// `delay`: how long the oldest message of the turn waited; `sockets_full`: the turn ended before the sockets did.
    pub(super) fn assess(&mut self, now: Instant, delay: Duration, sockets_full: bool) -> bool {
        let since = if sockets_full {
            self.backlog_since.or(Some(now))
        } else {
            None
        };
        self.backlog_since = since;
        let behind = since.map_or(delay, |since| {
            delay.max(now.saturating_duration_since(since))
        });
        let was_on = self.on;
        self.on = if self.on {
            behind > self.limit / 2
        } else {
            behind > self.limit
        };
        if self.on != was_on {
            tracing::warn!(behind_ms = behind.as_millis(), overloaded = self.on, "load");
        }
        self.on
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_millis(400);

    #[test]
    fn a_long_wait_switches_on_and_half_of_it_does_not_switch_off() {
        let (mut overload, now) = (Overload::new(LIMIT), Instant::now());
        assert!(!overload.assess(now, LIMIT, false));
        assert!(overload.assess(now, LIMIT + Duration::from_millis(1), false));
        assert!(overload.assess(now, LIMIT / 2 + Duration::from_millis(1), false));
        assert!(!overload.assess(now, LIMIT / 2, false));
    }

    #[test]
    fn sockets_that_are_never_empty_count_as_waiting() {
        let (mut overload, start) = (Overload::new(LIMIT), Instant::now());
        assert!(!overload.assess(start, Duration::ZERO, true));
        assert!(!overload.assess(start + LIMIT, Duration::ZERO, true));
        assert!(overload.assess(start + LIMIT * 2, Duration::ZERO, true));
        assert!(!overload.assess(start + LIMIT * 3, Duration::ZERO, false));
        assert!(
            !overload.assess(start + LIMIT * 4, Duration::ZERO, true),
            "a new backlog starts from zero"
        );
    }
}
