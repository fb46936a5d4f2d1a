//! An open-addressed array of buckets. It never moves an entry and never grows: a shard that is too
//! full builds a larger array and puts it in this one's place.
//!
//! An entry stands in its home bucket or, if that is full, in the first following one with a free slot;
//! every bucket passed counts it, so that a reader knows when to stop and removal leaves no tombstones.

use crate::bucket::{Bucket, Key, Look};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// Buckets of `S` entries of `W` words.
pub(crate) struct Array<const S: usize, const W: usize> {
    buckets: Arc<[Bucket<AtomicU64, S, W>]>,
}

/// Where an entry stands: bucket times `S` plus slot.
pub(crate) type Position = u32;

impl<const S: usize, const W: usize> Clone for Array<S, W> {
    fn clone(&self) -> Self {
        Array {
            buckets: self.buckets.clone(),
        }
    }
}

impl<const S: usize, const W: usize> Array<S, W> {
    /// Room for this many entries at the given load in percent.
    pub(crate) fn with_room(entries: usize, load_percent: usize) -> Self {
        let buckets = (entries * 100).div_ceil(load_percent * S).max(2);
        Array {
            buckets: (0..buckets).map(|_| Bucket::new()).collect(),
        }
    }

    pub(crate) fn slots(&self) -> usize {
        self.buckets.len() * S
    }

    pub(crate) fn bucket_count(&self) -> usize {
        self.buckets.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        size_of_val(&*self.buckets)
    }

    /// The reader's side: what stands under this key.
    #[inline]
    pub(crate) fn find(&self, hash: u64, key: Key) -> Option<[u64; W]> {
        let tag = tag(hash);
        let home = self.home(hash);
        match self.buckets[home].look(tag, key) {
            Look::Hit(words) => Some(words),
            Look::Miss { overflowed: false } => None,
            Look::Miss { overflowed: true } => self.find_beyond(home, tag, key),
        }
    }

    fn find_beyond(&self, home: usize, tag: u8, key: Key) -> Option<[u64; W]> {
        for bucket in self.path(home).skip(1) {
            match self.buckets[bucket].look(tag, key) {
                Look::Hit(words) => return Some(words),
                Look::Miss { overflowed: false } => return None,
                Look::Miss { overflowed: true } => {}
            }
        }
        None
    }

    // From here on: the one writer.

    pub(crate) fn locate(&self, hash: u64, key: Key) -> Option<(Position, [u64; W])> {
        let tag = tag(hash);
        for index in self.path(self.home(hash)) {
            let bucket = &self.buckets[index];
            if let Some((slot, words)) = bucket.locate(tag, key) {
                return Some(((index * S + slot) as Position, words));
            }
            if !bucket.has_overflowed() {
                break;
            }
        }
        None
    }

    /// The entry at a position, if one is there.
    pub(crate) fn entry(&self, position: Position) -> Option<[u64; W]> {
        let position = position as usize;
        self.buckets.get(position / S)?.entry(position % S)
    }

    /// The entries of one bucket.
    pub(crate) fn entries_of(&self, bucket: usize) -> impl Iterator<Item = [u64; W]> + '_ {
        (0..S).filter_map(move |slot| self.buckets.get(bucket)?.entry(slot))
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = [u64; W]> + '_ {
        (0..self.buckets.len()).flat_map(|bucket| self.entries_of(bucket))
    }

    /// Puts in an entry whose key is absent. None: the array is full, which the caller's load limit
    /// excludes.
    pub(crate) fn insert(&self, hash: u64, words: &[u64; W]) -> Option<Position> {
        let home = self.home(hash);
        let (steps, index, slot) = self.path(home).enumerate().find_map(|(steps, index)| {
            self.buckets[index]
                .free_slot()
                .map(|slot| (steps, index, slot))
        })?;
        // The way there first: a reader that finds no way finds no entry either, and that is right
        // until the entry stands.
        for passed in self.path(home).take(steps) {
            self.buckets[passed].passed();
        }
        self.buckets[index].put(slot, tag(hash), words);
        Some((index * S + slot) as Position)
    }

    /// Replaces the entry at a position by one with the same key.
    pub(crate) fn replace(&self, position: Position, hash: u64, words: &[u64; W]) {
        let position = position as usize;
        self.buckets[position / S].put(position % S, tag(hash), words);
    }

    pub(crate) fn remove(&self, position: Position, hash: u64) {
        let position = position as usize;
        let target = position / S;
        self.buckets[target].clear(position % S);
        for passed in self
            .path(self.home(hash))
            .take_while(|&index| index != target)
        {
            self.buckets[passed].unpassed();
        }
    }

    #[inline(always)]
    fn home(&self, hash: u64) -> usize {
        // The high bits of the product: any number of buckets, no division.
        ((u128::from(hash) * self.buckets.len() as u128) >> 64) as usize
    }

    fn path(&self, home: usize) -> impl Iterator<Item = usize> + use<S, W> {
        let buckets = self.buckets.len();
        (home..buckets).chain(0..home)
    }
}

/// Never 0, which marks a free slot. The top bits choose the bucket, the lowest the shard.
#[inline(always)]
fn tag(hash: u64) -> u8 {
    ((hash >> 8) as u8).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn key(low: u64) -> Key {
        Key {
            low,
            low_mask: u64::MAX,
            high: 0,
            high_mask: 0,
        }
    }

    #[test]
    fn every_entry_is_found_whatever_overflows_and_wraps() {
        let array = Array::<3, 2>::with_room(12, 100);
        assert_eq!(array.slots(), 12);
        // Everything at home in the last bucket: the path wraps around.
        for value in 0..12 {
            assert!(
                array
                    .insert(u64::MAX - value, &[value, value * 10])
                    .is_some()
            );
        }
        assert_eq!(array.insert(0, &[99, 0]), None, "full");
        for value in 0..12 {
            let hash = u64::MAX - value;
            assert_eq!(array.find(hash, key(value)), Some([value, value * 10]));
            let (position, words) = array.locate(hash, key(value)).expect("there");
            assert_eq!(array.entry(position), Some(words));
        }
        assert_eq!(array.find(u64::MAX, key(77)), None);
    }

    #[test]
    fn removal_leaves_no_trace() {
        let array = Array::<3, 2>::with_room(30, 75);
        let mut model = BTreeMap::new();
        let mut state = 7u64;
        for step in 0..20_000u64 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let value = (state >> 33) % 60;
            let hash = value.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            match array.locate(hash, key(value)) {
                Some((position, _)) if state >> 63 == 0 => {
                    array.remove(position, hash);
                    model.remove(&value);
                }
                Some((position, _)) => {
                    array.replace(position, hash, &[value, step]);
                    model.insert(value, step);
                }
                None if model.len() < 30 => {
                    assert!(array.insert(hash, &[value, step]).is_some());
                    model.insert(value, step);
                }
                None => {}
            }
            let probe = step % 60;
            let hash = probe.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let expected = model.get(&probe).map(|step| [probe, *step]);
            assert_eq!(array.find(hash, key(probe)), expected);
        }
        for value in model.into_keys() {
            let hash = value.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let (position, _) = array.locate(hash, key(value)).expect("there");
            array.remove(position, hash);
        }
        assert_eq!(array.entries().count(), 0);
        assert!((0..array.bucket_count()).all(|bucket| !array.buckets[bucket].has_overflowed()));
    }
}
