//! One bucket: a few entries behind a version counter (a sequence lock).
//!
//! Every word is an atomic, so a reader that races a writer reads stale or mixed *words*, never
//! undefined behaviour, and the version tells it to read again. Readers store nothing: any number of
//! them share the bucket's cache lines without a transfer. Writers exclude each other elsewhere (the
//! shard's mutex); a bucket is never written by two at once.
//!
//! Ordering, after H.-J. Boehm, "Can seqlocks get along with programming language memory models?":
//! the writer makes the version odd, fences, stores, and makes it even with release; the reader loads the
//! version with acquire, loads, fences, and compares. `bucket_loom` explores the interleavings.

use std::sync::atomic::{AtomicU64, Ordering};

/// The operations a bucket needs of its words; a trait so that the model checker can stand in.
pub(crate) trait Word: Sized {
    fn new(value: u64) -> Self;
    fn load(&self, ordering: Ordering) -> u64;
    fn store(&self, value: u64, ordering: Ordering);
    fn fence(ordering: Ordering);
    /// Called while the bucket is being written, with the number of tries so far.
    fn wait(tries: u32);
}

impl Word for AtomicU64 {
    fn new(value: u64) -> Self {
        AtomicU64::new(value)
    }

    #[inline(always)]
    fn load(&self, ordering: Ordering) -> u64 {
        AtomicU64::load(self, ordering)
    }

    #[inline(always)]
    fn store(&self, value: u64, ordering: Ordering) {
        AtomicU64::store(self, value, ordering);
    }

    #[inline(always)]
    fn fence(ordering: Ordering) {
        std::sync::atomic::fence(ordering);
    }

    #[cold]
    fn wait(tries: u32) {
        // A write takes nanoseconds; if it lasts, its thread has lost the processor: give it ours.
        if tries < 64 {
            std::hint::spin_loop();
        } else {
            std::thread::yield_now();
        }
    }
}

/// A key as it stands in the first two words of an entry; the masks leave out what is not key.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Key {
    pub(crate) low: u64,
    pub(crate) low_mask: u64,
    pub(crate) high: u64,
    pub(crate) high_mask: u64,
}

impl Key {
    #[inline(always)]
    fn is_of(&self, low: u64, high: u64) -> bool {
        ((low ^ self.low) & self.low_mask) | ((high ^ self.high) & self.high_mask) == 0
    }
}

/// What a bucket says about a key.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Look<const W: usize> {
    Hit([u64; W]),
    /// Not here. `overflowed`: entries that belong here went on to the next bucket.
    Miss {
        overflowed: bool,
    },
}

const OVERFLOW_SHIFT: u32 = 56;
const OVERFLOW_MAX: u64 = 255;
const LOW_BITS: u64 = 0x0101_0101_0101_0101;
const HIGH_BITS: u64 = 0x8080_8080_8080_8080;

/// `S` entries of `W` words. `meta` holds a tag byte for each entry (0 = free) and in its top byte how
/// many entries passed this full bucket on their way from home (255 = that many or more, for good).
#[repr(align(128))]
pub(crate) struct Bucket<C, const S: usize, const W: usize> {
    version: C,
    meta: C,
    entries: [[C; W]; S],
}

impl<C: Word, const S: usize, const W: usize> Bucket<C, S, W> {
    const TAGS: u64 = {
        assert!(
            S <= 7 && W >= 2,
            "tags and overflow share one word; keys have two"
        );
        (1 << (8 * S)) - 1
    };

    pub(crate) fn new() -> Self {
        Bucket {
            version: C::new(0),
            meta: C::new(0),
            entries: std::array::from_fn(|_| std::array::from_fn(|_| C::new(0))),
        }
    }

    /// The reader's side: a consistent answer, waiting only while this bucket is written.
    #[inline(always)]
    pub(crate) fn look(&self, tag: u8, key: Key) -> Look<W> {
        let mut tries = 0;
        loop {
            let version = self.version.load(Ordering::Acquire);
            if version & 1 == 0 {
                let meta = self.meta.load(Ordering::Relaxed);
                let found = self.scan(meta, tag, key);
                C::fence(Ordering::Acquire);
                if self.version.load(Ordering::Relaxed) == version {
                    return match found {
                        Some((_, words)) => Look::Hit(words),
                        None => Look::Miss {
                            overflowed: overflow(meta) != 0,
                        },
                    };
                }
            }
            tries += 1;
            C::wait(tries);
        }
    }

    #[inline(always)]
    fn scan(&self, meta: u64, tag: u8, key: Key) -> Option<(usize, [u64; W])> {
        // The bytes of `meta` that equal the tag, exactly: a free slot still has the words of its last
        // entry, and the usual shorter formula can take tag 0 for 1 beside a match.
        let differing = meta ^ (LOW_BITS * u64::from(tag));
        let zero_low_bits = (differing & !HIGH_BITS) + !HIGH_BITS;
        let mut hits = !(zero_low_bits | differing) & HIGH_BITS & Self::TAGS;
        while hits != 0 {
            let slot = hits.trailing_zeros() as usize / 8;
            let words = self.peek(slot);
            if key.is_of(words[0], words[1]) {
                return Some((slot, words));
            }
            hits &= hits - 1;
        }
        None
    }

    #[inline(always)]
    fn peek(&self, slot: usize) -> [u64; W] {
        let entry = &self.entries[slot];
        std::array::from_fn(|word| entry[word].load(Ordering::Relaxed))
    }

    // From here on: the one writer.

    /// Where the key is and what stands there.
    pub(crate) fn locate(&self, tag: u8, key: Key) -> Option<(usize, [u64; W])> {
        self.scan(self.meta.load(Ordering::Relaxed), tag, key)
    }

    /// The entry in a slot, if one is there.
    pub(crate) fn entry(&self, slot: usize) -> Option<[u64; W]> {
        let tag = self.meta.load(Ordering::Relaxed) >> (8 * slot) & 0xff;
        (tag != 0).then(|| self.peek(slot))
    }

    pub(crate) fn has_overflowed(&self) -> bool {
        overflow(self.meta.load(Ordering::Relaxed)) != 0
    }

    pub(crate) fn free_slot(&self) -> Option<usize> {
        let meta = self.meta.load(Ordering::Relaxed);
        (0..S).find(|slot| meta >> (8 * slot) & 0xff == 0)
    }

    /// Puts an entry into a slot, free or not.
    pub(crate) fn put(&self, slot: usize, tag: u8, words: &[u64; W]) {
        let shift = 8 * slot;
        let meta = self.meta.load(Ordering::Relaxed) & !(0xff << shift) | u64::from(tag) << shift;
        self.write(meta, || {
            for (cell, word) in self.entries[slot].iter().zip(words) {
                cell.store(*word, Ordering::Relaxed);
            }
        });
    }

    pub(crate) fn clear(&self, slot: usize) {
        let meta = self.meta.load(Ordering::Relaxed) & !(0xff << (8 * slot));
        self.write(meta, || ());
    }

    /// One more entry has passed this bucket.
    pub(crate) fn passed(&self) {
        let meta = self.meta.load(Ordering::Relaxed);
        if overflow(meta) != OVERFLOW_MAX {
            self.write(meta + (1 << OVERFLOW_SHIFT), || ());
        }
    }

    /// An entry that had passed is gone.
    pub(crate) fn unpassed(&self) {
        let meta = self.meta.load(Ordering::Relaxed);
        // A counter that was once full has lost count and stays so: readers look further, no more.
        if !matches!(overflow(meta), 0 | OVERFLOW_MAX) {
            self.write(meta - (1 << OVERFLOW_SHIFT), || ());
        }
    }

    fn write(&self, meta: u64, entries: impl FnOnce()) {
        let version = self.version.load(Ordering::Relaxed);
        self.version
            .store(version.wrapping_add(1), Ordering::Relaxed);
        C::fence(Ordering::Release);
        self.meta.store(meta, Ordering::Relaxed);
        entries();
        self.version
            .store(version.wrapping_add(2), Ordering::Release);
    }
}

fn overflow(meta: u64) -> u64 {
    meta >> OVERFLOW_SHIFT
}

#[cfg(test)]
mod tests {
    use super::*;

    type Small = Bucket<AtomicU64, 3, 3>;

    fn key(low: u64) -> Key {
        Key {
            low,
            low_mask: u64::MAX,
            high: 0,
            high_mask: 0,
        }
    }

    #[test]
    fn sizes_are_whole_cache_lines() {
        assert_eq!(size_of::<Bucket<AtomicU64, 5, 6>>(), 256);
        assert_eq!(size_of::<Bucket<AtomicU64, 7, 2>>(), 128);
        assert_eq!(align_of::<Bucket<AtomicU64, 5, 6>>(), 128);
    }

    #[test]
    fn put_look_clear() {
        let bucket = Small::new();
        assert_eq!(bucket.look(9, key(1)), Look::Miss { overflowed: false });
        bucket.put(1, 9, &[1, 2, 3]);
        bucket.put(0, 9, &[7, 8, 9]);
        assert_eq!(bucket.look(9, key(1)), Look::Hit([1, 2, 3]));
        assert_eq!(bucket.look(9, key(7)), Look::Hit([7, 8, 9]));
        assert_eq!(
            bucket.look(8, key(1)),
            Look::Miss { overflowed: false },
            "other tag"
        );
        assert_eq!(bucket.free_slot(), Some(2));
        bucket.put(2, 1, &[4, 4, 4]);
        assert_eq!(bucket.free_slot(), None);
        bucket.clear(1);
        assert_eq!(bucket.look(9, key(1)), Look::Miss { overflowed: false });
        assert_eq!(bucket.entry(1), None);
        assert_eq!(bucket.entry(0), Some([7, 8, 9]));
        // The words of a free slot are stale, and a zero tag must not find them.
        assert_eq!(bucket.look(1, key(1)), Look::Miss { overflowed: false });
    }

    #[test]
    fn a_freed_slot_beside_a_match_is_not_found() {
        for tag in 1..=255 {
            let bucket = Small::new();
            bucket.put(0, tag, &[7, 8, 9]);
            bucket.put(1, tag, &[1, 2, 3]);
            bucket.clear(1);
            assert_eq!(
                bucket.look(tag, key(1)),
                Look::Miss { overflowed: false },
                "{tag}"
            );
            assert_eq!(bucket.locate(tag, key(1)), None, "{tag}");
        }
    }

    #[test]
    fn a_full_overflow_counter_never_falls_back_to_zero() {
        let bucket = Small::new();
        for _ in 0..300 {
            bucket.passed();
        }
        for _ in 0..300 {
            bucket.unpassed();
        }
        assert!(bucket.has_overflowed());
        let counted = Small::new();
        counted.passed();
        counted.passed();
        counted.unpassed();
        assert_eq!(counted.look(1, key(1)), Look::Miss { overflowed: true });
        counted.unpassed();
        counted.unpassed();
        assert_eq!(counted.look(1, key(1)), Look::Miss { overflowed: false });
    }
}
