//! Virtual time: a queue of what is to happen, in order of time and then of arrival.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use axbridge_call::Now;

/// Unix milliseconds at which every simulation begins: 2026-01-01.
pub const WALL_START_MS: u64 = 1_767_225_600_000;

/// The clock of one world. It moves only when told to.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    epoch: Instant,
    now: Instant,
}

impl Clock {
    /// Time zero. The instant itself means nothing; only differences are used.
    #[must_use]
    pub fn new(epoch: Instant) -> Self {
        Clock { epoch, now: epoch }
    }

    /// The moment.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.now
    }

    /// The moment on both clocks.
    #[must_use]
    pub fn both(&self) -> Now {
        Now {
            mono: self.now,
            wall_ms: self.wall_ms(),
        }
    }

    /// The wall clock.
    #[must_use]
    pub fn wall_ms(&self) -> u64 {
        WALL_START_MS + self.elapsed().as_millis() as u64
    }

    /// Since the beginning.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.now - self.epoch
    }

    /// Since the beginning, at another moment.
    #[must_use]
    pub fn since_start(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.epoch)
    }

    /// Moves on; never back.
    pub fn advance(&mut self, to: Instant) {
        self.now = self.now.max(to);
    }
}

struct Entry<T> {
    at: Instant,
    order: u64,
    what: T,
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.order) == (other.at, other.order)
    }
}

impl<T> Eq for Entry<T> {}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

/// What is to happen.
pub struct Queue<T> {
    heap: BinaryHeap<Reverse<Entry<T>>>,
    order: u64,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Queue {
            heap: BinaryHeap::new(),
            order: 0,
        }
    }
}

impl<T> Queue<T> {
    /// Lets something happen at a moment.
    pub fn push(&mut self, at: Instant, what: T) {
        self.order += 1;
        self.heap.push(Reverse(Entry {
            at,
            order: self.order,
            what,
        }));
    }

    /// When the next thing happens.
    #[must_use]
    pub fn next_at(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse(e)| e.at)
    }

    /// The next thing that is due.
    pub fn pop_due(&mut self, now: Instant) -> Option<T> {
        if self.next_at()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse(e)| e.what)
    }

    /// Things that wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// True when nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_happen_in_order_of_time_then_of_arrival() {
        let start = Instant::now();
        let mut q = Queue::default();
        q.push(start + Duration::from_millis(2), 'c');
        q.push(start + Duration::from_millis(1), 'a');
        q.push(start + Duration::from_millis(1), 'b');
        assert_eq!(q.pop_due(start), None);
        let late = start + Duration::from_secs(1);
        let order: Vec<char> = std::iter::from_fn(|| q.pop_due(late)).collect();
        assert_eq!(order, ['a', 'b', 'c']);
    }
}
