//! Nonces that were used, so that a captured request cannot be sent again.
//!
//! A nonce is remembered for as long as its `Created` could still be accepted. Because `Created` is read as UTC or as
//! UTC+8, a Beijing client's request would be accepted a second time eight hours later, so its nonce is kept that long.
//! What is kept is a keyed 64-bit hash, in sets by the time when they can be forgotten: forgetting is dropping a set.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};

use parking_lot::Mutex;

/// Width of one set.
const SLOT_MS: u64 = 5 * 60 * 1000;

/// A bounded memory of used nonces.
#[derive(Debug)]
pub(crate) struct NonceCache {
    hasher: RandomState,
    capacity: usize,
    memory: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    by_app: HashMap<u32, Slots>,
    len: usize,
}

/// The nonces of one application.
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
            memory: Mutex::default(),
        }
    }

    /// Remembers a nonce until `forget_ms`; `false` if it was there already.
    ///
    /// When the memory is full, the application that holds most of it makes room: its set that would be forgotten
    /// first, whose nonces have the shortest time left in which they could be replayed. So whoever sends most weakens
    /// nobody else.
    pub(crate) fn insert(&self, app: u32, nonce: &str, now_ms: u64, forget_ms: u64) -> bool {
        let hash = self.hasher.hash_one(nonce);
        let mut memory = self.memory.lock();
        let own = memory.by_app.entry(app).or_default();
        let lapsed = own.forget_until(now_ms);
        // The same nonce may come with another `Created`, hence into another set: look into all (about a hundred).
        let known = own.by_end.values().any(|set| set.contains(&hash));
        memory.len -= lapsed;
        if known {
            return false;
        }
        if memory.len >= self.capacity {
            memory.make_room(now_ms);
        }
        let own = memory.by_app.entry(app).or_default();
        own.by_end
            .entry(forget_ms / SLOT_MS + 1)
            .or_default()
            .insert(hash);
        own.len += 1;
        memory.len += 1;
        true
    }

    /// Forgets an application that was deleted.
    pub(crate) fn forget(&self, app: u32) {
        let mut memory = self.memory.lock();
        if let Some(slots) = memory.by_app.remove(&app) {
            memory.len -= slots.len;
        }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.memory.lock().len
    }
}

impl Memory {
    /// Drops what has lapsed; if nothing has, a set of the application with most.
    fn make_room(&mut self, now_ms: u64) {
        let lapsed: usize = self
            .by_app
            .values_mut()
            .map(|s| s.forget_until(now_ms))
            .sum();
        self.by_app.retain(|_, slots| slots.len > 0);
        self.len -= lapsed;
        if lapsed > 0 {
            return;
        }
        let most = self.by_app.values_mut().max_by_key(|slots| slots.len);
        if let Some(slots) = most
            && let Some((_, set)) = slots.by_end.pop_first()
        {
            slots.len -= set.len();
            self.len -= set.len();
            metrics::counter!("axbridge_api_nonces_forgotten_early_total")
                .increment(set.len() as u64);
        }
    }
}

impl Slots {
    /// How many were forgotten.
    fn forget_until(&mut self, now_ms: u64) -> usize {
        let before = self.len;
        while let Some(entry) = self.by_end.first_entry() {
            if *entry.key() * SLOT_MS > now_ms {
                break;
            }
            let set = entry.remove();
            self.len -= set.len();
        }
        before - self.len
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

    #[test]
    fn a_flood_of_one_application_forgets_no_nonce_of_another() {
        let cache = NonceCache::new(10_000);
        for n in 0..1_000 {
            assert!(cache.insert(1, &n.to_string(), 0, 900_000));
        }
        // Twenty times what fits, remembered for eight hours each, and some for less than the others'.
        for n in 0..200_000_u64 {
            let forget_ms = [30_000_000, 300_000][(n % 2) as usize];
            assert!(cache.insert(2, &n.to_string(), 0, forget_ms));
            assert!(cache.len() <= 10_000);
        }
        for n in 0..1_000 {
            assert!(
                !cache.insert(1, &n.to_string(), 0, 900_000),
                "{n} is forgotten"
            );
        }
        cache.forget(2);
        assert_eq!(cache.len(), 1_000);
    }
}
