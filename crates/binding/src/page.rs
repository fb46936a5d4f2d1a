//! A page: an open-addressed array of buckets. It never moves an entry and never grows; what is too full
//! is spread over more pages, see `paged`.
//!
//! An entry stands in its home bucket or, if that is full, in the first following one with a free slot;
//! every bucket passed counts it, so that a reader knows when to stop and removal leaves no tombstones.

use crate::bucket::{Bucket, Key, Look};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// Buckets of `S` entries of `W` words.
pub(crate) struct Page<const S: usize, const W: usize> {
    buckets: Arc<[Bucket<AtomicU64, S, W>]>,
    /// Which page of its table this is, for the writer's books.
    number: u32,
}

impl<const S: usize, const W: usize> Clone for Page<S, W> {
    fn clone(&self) -> Self {
        Page {
            buckets: self.buckets.clone(),
            number: self.number,
        }
    }
}

impl<const S: usize, const W: usize> Page<S, W> {
    pub(crate) fn new(number: u32, buckets: usize) -> Self {
        Page {
            buckets: (0..buckets.max(1)).map(|_| Bucket::new()).collect(),
            number,
        }
    }

    pub(crate) fn number(&self) -> usize {
        self.number as usize
    }

    pub(crate) fn is(&self, other: &Page<S, W>) -> bool {
        self.number == other.number
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

    /// The reader's side: what the key's home bucket says.
    #[inline(always)]
    pub(crate) fn look(&self, hash: u64, key: Key) -> Look<W> {
        self.buckets[self.home(hash)].look(tag(hash), key)
    }

    /// The reader's side: what stands under this key, wherever it stands.
    pub(crate) fn find(&self, hash: u64, key: Key) -> Option<[u64; W]> {
        for bucket in self.path(self.home(hash)) {
            match self.buckets[bucket].look(tag(hash), key) {
                Look::Hit(words) => return Some(words),
                Look::Miss { overflowed: false } => return None,
                Look::Miss { overflowed: true } => {}
            }
        }
        None
    }

    // From here on: the one writer.

    pub(crate) fn locate(&self, hash: u64, key: Key) -> Option<(usize, [u64; W])> {
        let tag = tag(hash);
        for index in self.path(self.home(hash)) {
            let bucket = &self.buckets[index];
            if let Some((slot, words)) = bucket.locate(tag, key) {
                return Some((index * S + slot, words));
            }
            if !bucket.has_overflowed() {
                break;
            }
        }
        None
    }

    /// The entry at a position, if one is there.
    pub(crate) fn entry(&self, position: usize) -> Option<[u64; W]> {
        self.buckets.get(position / S)?.entry(position % S)
    }

    /// The entries of one bucket.
    pub(crate) fn entries_of(&self, bucket: usize) -> impl Iterator<Item = [u64; W]> + '_ {
        (0..S).filter_map(move |slot| self.buckets.get(bucket)?.entry(slot))
    }

    /// Every entry with its position.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (usize, [u64; W])> + '_ {
        (0..self.slots()).filter_map(|position| Some((position, self.entry(position)?)))
    }

    /// Puts in an entry whose key is absent. None: the page is full, which the caller's load limit
    /// excludes.
    pub(crate) fn insert(&self, hash: u64, words: &[u64; W]) -> Option<usize> {
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
        Some(index * S + slot)
    }

    /// Replaces the entry at a position by one with the same key.
    pub(crate) fn replace(&self, position: usize, hash: u64, words: &[u64; W]) {
        self.buckets[position / S].put(position % S, tag(hash), words);
    }

    pub(crate) fn remove(&self, position: usize, hash: u64) {
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

/// Never 0, which marks a free slot. The lowest bits of the hash choose the shard, those above the tag's
/// the page, the top ones the bucket.
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
        let page = Page::<3, 2>::new(0, 4);
        assert_eq!(page.slots(), 12);
        // Everything at home in the last bucket: the path wraps around.
        for value in 0..12 {
            assert!(
                page.insert(u64::MAX - value, &[value, value * 10])
                    .is_some()
            );
        }
        assert_eq!(page.insert(0, &[99, 0]), None, "full");
        for value in 0..12 {
            let hash = u64::MAX - value;
            assert_eq!(page.find(hash, key(value)), Some([value, value * 10]));
            let (position, words) = page.locate(hash, key(value)).expect("there");
            assert_eq!(page.entry(position), Some(words));
        }
        assert_eq!(page.find(u64::MAX, key(77)), None);
    }

    #[test]
    fn removal_leaves_no_trace() {
        let page = Page::<3, 2>::new(0, 13);
        let mut model = BTreeMap::new();
        let mut state = 7u64;
        for step in 0..20_000u64 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let value = (state >> 33) % 60;
            let hash = value.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            match page.locate(hash, key(value)) {
                Some((position, _)) if state >> 63 == 0 => {
                    page.remove(position, hash);
                    model.remove(&value);
                }
                Some((position, _)) => {
                    page.replace(position, hash, &[value, step]);
                    model.insert(value, step);
                }
                None if model.len() < 30 => {
                    assert!(page.insert(hash, &[value, step]).is_some());
                    model.insert(value, step);
                }
                None => {}
            }
            let probe = step % 60;
            let hash = probe.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let expected = model.get(&probe).map(|step| [probe, *step]);
            assert_eq!(page.find(hash, key(probe)), expected);
        }
        for value in model.into_keys() {
            let hash = value.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let (position, _) = page.locate(hash, key(value)).expect("there");
            page.remove(position, hash);
        }
        assert_eq!(page.entries().count(), 0);
        assert!((0..page.bucket_count()).all(|bucket| !page.buckets[bucket].has_overflowed()));
    }
}
