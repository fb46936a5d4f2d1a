//! Nonces that were used, so that a captured request cannot be sent again.
//!
//! A nonce is remembered for as long as its `Created` could still be accepted. Because `Created` is read as UTC or as
//! UTC+8, a Beijing client's request would be accepted a second time eight hours later, so its nonce is kept that long.
//! What is kept is a keyed 64-bit hash, in sets by the time when they can be forgotten: forgetting is dropping a set.

use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasher, RandomState};

use parking_lot::Mutex;

/// Width of one set.
const SLOT_MS: u64 = 5 * 60 * 1000;

/// A bounded memory of used nonces.
#[derive(Debug)]
pub(crate) struct NonceCache {
    hasher: RandomState,
    capacity: usize,
    slots: Mutex<Slots>,
}

#[derive(Debug, Default)]
struct Slots {
    by_end: BTreeMap<u64, HashSet<u64>>,
    len: usize,
}

impl NonceCache {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            hasher: RandomState::new(),
            capacity,
            slots: Mutex::default(),
        }
    }

    /// Remembers a nonce until `forget_ms`; `false` if it was there already.
    ///
    /// When the memory is full the set that would be forgotten first makes room: its nonces have the shortest time
    /// left in which they could be replayed.
    pub(crate) fn insert(&self, app: u32, nonce: &str, now_ms: u64, forget_ms: u64) -> bool {
        let hash = self.hasher.hash_one((app, nonce));
        let mut slots = self.slots.lock();
        slots.forget_until(now_ms);
        // The same nonce may come with another `Created`, hence into another set: look into all (about a hundred).
        if slots.by_end.values().any(|set| set.contains(&hash)) {
            return false;
        }
        if slots.len >= self.capacity
            && let Some((_, set)) = slots.by_end.pop_first()
        {
            slots.len -= set.len();
            metrics::counter!("axbridge_api_nonces_forgotten_early_total")
                .increment(set.len() as u64);
        }
        slots
            .by_end
            .entry(forget_ms / SLOT_MS + 1)
            .or_default()
            .insert(hash);
        slots.len += 1;
        true
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.slots.lock().len
    }
}

impl Slots {
    fn forget_until(&mut self, now_ms: u64) {
        while let Some(entry) = self.by_end.first_entry() {
            if *entry.key() * SLOT_MS > now_ms {
                break;
            }
            let set = entry.remove();
            self.len -= set.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_refused_until_it_is_forgotten_and_only_for_its_application() {
        let cache = NonceCache::new(100);
        assert!(cache.insert(1, "n", 0, 900_000));
        assert!(!cache.insert(1, "n", 899_999, 1_800_000));
        assert!(cache.insert(2, "n", 0, 900_000));
        assert!(cache.insert(1, "n", 900_000 + SLOT_MS, 1_800_000));
    }

    #[test]
    fn memory_is_bounded_and_the_nearest_to_expiry_go_first() {
        let cache = NonceCache::new(10);
        for i in 0..1000_u64 {
            assert!(cache.insert(1, &i.to_string(), 0, i * SLOT_MS));
            assert!(cache.len() <= 10);
        }
        assert!(!cache.insert(1, "999", 0, 1));
    }
}
