//! A hash table of pages that grows without ever freeing or replacing what a reader may be looking at.
//!
//! So a reader needs no reference count, no epoch and no atomic exchange, only loads; and there is
//! nothing to reclaim, which safe code could not do as cheaply.
//!
//! Pages hang in levels of places, chosen by bits of the hash; a place is set once. Level 0 is complete.
//! A page that is too full is handed down to the next level, at first into one four times as large (the
//! few small ones of the beginning stay as waste), later by splitting: the page itself takes one of two
//! places below its own and a new page the other. A reader begins at the deepest level and goes up past
//! unset places.
//!
//! Splitting copies what moves, sets the places, and only then removes it from the old page. A reader
//! that finds nothing looks whether its page is still the key's page, and if not, goes on in the new
//! one: the removal it has seen happened after the places were set.

use crate::bucket::{Key, Look};
use crate::page::Page;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Enough for 2^18 pages and more in one shard.
const LEVELS: usize = 24;
/// Above this many percent of its slots a page is spread.
const FULL_PERCENT: usize = 90;
/// How full pages are when exactly what was reserved has been put in.
const RESERVED_PERCENT: usize = 80;
/// Bits of the hash below this are used by the shard and the tag.
const PLACE_SHIFT: u32 = 16;

/// The part that readers share.
pub(crate) struct Paged<const S: usize, const W: usize> {
    deepest: AtomicUsize,
    levels: [OnceLock<Level<S, W>>; LEVELS],
}

struct Level<const S: usize, const W: usize> {
    bits: u32,
    buckets: usize,
    places: Box<[OnceLock<Page<S, W>>]>,
}

impl<const S: usize, const W: usize> Level<S, W> {
    fn new(bits: u32, buckets: usize) -> Self {
        Level {
            bits,
            buckets,
            places: (0..1usize << bits).map(|_| OnceLock::new()).collect(),
        }
    }

    #[inline(always)]
    fn place(&self, hash: u64) -> usize {
        (hash >> PLACE_SHIFT) as usize & (self.places.len() - 1)
    }
}

/// Where an entry stands: the page's base plus the position in it.
pub(crate) type Position = u32;

/// The writer's knowledge of a [`Paged`]; every change goes through it.
pub(crate) struct Books<const S: usize, const W: usize> {
    /// A page of this many buckets is split; smaller ones are replaced by larger ones.
    buckets_to_split: usize,
    pages: Vec<PageBook<S, W>>,
    len: usize,
}

struct PageBook<const S: usize, const W: usize> {
    page: Page<S, W>,
    base: Position,
    len: usize,
    level: usize,
    place: usize,
    /// Replaced by a larger one: no reader comes here any more.
    retired: bool,
}

impl<const S: usize, const W: usize> Paged<S, W> {
    /// Room for `reserved` entries; pages are split once they have `buckets_to_split` buckets.
    pub(crate) fn new(reserved: usize, buckets_to_split: usize) -> (Self, Books<S, W>) {
        let buckets = (reserved * 100).div_ceil(RESERVED_PERCENT * S).max(2);
        let bits = buckets
            .div_ceil(buckets_to_split)
            .next_power_of_two()
            .ilog2();
        let level = Level::new(bits, buckets.div_ceil(1 << bits));
        let mut books = Books {
            buckets_to_split,
            pages: Vec::new(),
            len: 0,
        };
        for (place, slot) in level.places.iter().enumerate() {
            let _ = slot.set(books.new_page(level.buckets, 0, place));
        }
        let levels = [const { OnceLock::new() }; LEVELS];
        let _ = levels[0].set(level);
        (
            Paged {
                deepest: AtomicUsize::new(0),
                levels,
            },
            books,
        )
    }

    /// What stands under this key: loads only.
    #[inline(always)]
    pub(crate) fn find(&self, hash: u64, key: Key) -> Option<[u64; W]> {
        match self.page(hash)?.look(hash, key) {
            Look::Hit(words) => Some(words),
            Look::Miss { .. } => self.find_thoroughly(hash, key),
        }
    }

    /// Not in its home bucket: further on in its page, or in the page it was moved to, or nowhere.
    #[inline(never)]
    fn find_thoroughly(&self, hash: u64, key: Key) -> Option<[u64; W]> {
        let mut page = self.page(hash)?;
        loop {
            if let Some(words) = page.find(hash, key) {
                return Some(words);
            }
            let now = self.page(hash)?;
            if now.is(page) {
                return None;
            }
            page = now;
        }
    }

    /// The page that this hash belongs to. Level 0 is complete, so there is one.
    #[inline(always)]
    fn page(&self, hash: u64) -> Option<&Page<S, W>> {
        let mut depth = self.deepest.load(Ordering::Acquire);
        loop {
            let level = self.levels.get(depth)?.get()?;
            if let Some(page) = level.places[level.place(hash)].get() {
                return Some(page);
            }
            depth = depth.checked_sub(1)?;
        }
    }

    fn bytes(&self) -> usize {
        let levels = self.levels.iter().filter_map(OnceLock::get);
        size_of::<Self>()
            + levels
                .map(|level| size_of_val(&*level.places))
                .sum::<usize>()
    }
}

impl<const S: usize, const W: usize> Books<S, W> {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Slots that can be used, and bytes of everything.
    pub(crate) fn size(&self, table: &Paged<S, W>) -> (usize, usize) {
        let slots = self
            .pages
            .iter()
            .filter(|book| !book.retired)
            .map(|book| book.page.slots());
        let bytes = self.pages.iter().map(|book| book.page.bytes());
        let books = self.pages.capacity() * size_of::<PageBook<S, W>>();
        (slots.sum(), bytes.sum::<usize>() + books + table.bytes())
    }

    pub(crate) fn locate(
        &self,
        table: &Paged<S, W>,
        hash: u64,
        key: Key,
    ) -> Option<(Position, [u64; W])> {
        let page = table.page(hash)?;
        let (position, words) = page.locate(hash, key)?;
        Some((self.pages[page.number()].base + position as Position, words))
    }

    /// The entry at a position, if one is there.
    pub(crate) fn entry(&self, position: Position) -> Option<[u64; W]> {
        let (book, position) = self.at(position)?;
        book.page.entry(position)
    }

    /// The entries of one bucket of one page; none if there is no such bucket, or no such page.
    pub(crate) fn bucket(&self, page: usize, bucket: usize) -> Option<Option<Vec<[u64; W]>>> {
        let book = self.pages.get(page)?;
        let there = !book.retired && bucket < book.page.bucket_count();
        Some(there.then(|| book.page.entries_of(bucket).collect()))
    }

    /// Puts in an entry whose key is absent. Entries that move to make room are told to `moved` with
    /// their old and new position. None only when all memory is long used up.
    pub(crate) fn insert(
        &mut self,
        table: &Paged<S, W>,
        hash: u64,
        words: &[u64; W],
        hash_of: impl Fn(&[u64; W]) -> u64,
        mut moved: impl FnMut(&[u64; W], Position, Position),
    ) -> Option<Position> {
        let mut page = table.page(hash)?;
        while self.is_full(page.number()) && self.spread(table, page.number(), &hash_of, &mut moved)
        {
            page = table.page(hash)?;
        }
        let position = page.insert(hash, words)?;
        let book = &mut self.pages[page.number()];
        book.len += 1;
        self.len += 1;
        Some(book.base + position as Position)
    }

    /// Replaces the entry at a position by one with the same key.
    pub(crate) fn replace(&self, position: Position, hash: u64, words: &[u64; W]) {
        if let Some((book, position)) = self.at(position) {
            book.page.replace(position, hash, words);
        }
    }

    pub(crate) fn remove(&mut self, position: Position, hash: u64) {
        let Some((book, position)) = self.at(position) else {
            return;
        };
        book.page.remove(position, hash);
        let number = book.page.number();
        self.pages[number].len -= 1;
        self.len -= 1;
    }

    fn at(&self, position: Position) -> Option<(&PageBook<S, W>, usize)> {
        let after = self.pages.partition_point(|book| book.base <= position);
        let book = self.pages.get(after.checked_sub(1)?)?;
        Some((book, (position - book.base) as usize))
    }

    fn is_full(&self, page: usize) -> bool {
        let book = &self.pages[page];
        (book.len + 1) * 100 > book.page.slots() * FULL_PERCENT
    }

    fn new_page(&mut self, buckets: usize, level: usize, place: usize) -> Page<S, W> {
        let base = self
            .pages
            .last()
            .map_or(0, |book| book.base + book.page.slots() as Position);
        let page = Page::new(self.pages.len() as u32, buckets);
        let book = PageBook {
            page: page.clone(),
            base,
            len: 0,
            level,
            place,
            retired: false,
        };
        self.pages.push(book);
        page
    }

    /// Makes room by handing a page down one level. False: there is no deeper level.
    fn spread(
        &mut self,
        table: &Paged<S, W>,
        number: usize,
        hash_of: &impl Fn(&[u64; W]) -> u64,
        moved: &mut impl FnMut(&[u64; W], Position, Position),
    ) -> bool {
        let PageBook { level, place, .. } = self.pages[number];
        let (Some(here), Some(below)) = (table.levels[level].get(), table.levels.get(level + 1))
        else {
            return false;
        };
        let splits = here.buckets >= self.buckets_to_split;
        let below = below.get_or_init(|| match splits {
            true => Level::new(here.bits + 1, here.buckets),
            false => Level::new(here.bits, (here.buckets * 4).min(self.buckets_to_split)),
        });
        let new_place = if splits {
            place | 1 << here.bits
        } else {
            place
        };
        let new = self.new_page(below.buckets, level + 1, new_place);
        let old = self.pages[number].page.clone();
        let moving: Vec<(usize, u64)> = old
            .entries()
            .map(|(position, words)| (position, hash_of(&words)))
            .filter(|(_, hash)| below.place(*hash) == new_place)
            .collect();
        let (old_base, new_base) = (self.pages[number].base, self.pages[new.number()].base);
        for (position, hash) in &moving {
            let words = old.entry(*position);
            if let Some(words) = words
                && let Some(now) = new.insert(*hash, &words)
            {
                moved(
                    &words,
                    old_base + *position as Position,
                    new_base + now as Position,
                );
            }
        }
        self.pages[new.number()].len = moving.len();
        let _ = below.places[new_place].set(new);
        if splits {
            let _ = below.places[place].set(old.clone());
        }
        table.deepest.fetch_max(level + 1, Ordering::Release);
        let book = &mut self.pages[number];
        book.len -= moving.len();
        book.level = level + 1;
        book.retired = !splits;
        // What is retired is left as it is: who still reads there reads the moment of the exchange.
        if splits {
            for (position, hash) in moving {
                old.remove(position, hash);
            }
        }
        true
    }
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

    fn hash(value: u64) -> u64 {
        let mixed = (value + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9)
    }

    #[test]
    fn it_grows_from_nothing_and_positions_are_told() {
        let (table, mut books) = Paged::<5, 2>::new(0, 16);
        let mut positions = BTreeMap::new();
        for value in 0..20_000 {
            let mut moves = Vec::new();
            let position = books
                .insert(
                    &table,
                    hash(value),
                    &[value, value * 3],
                    |words| hash(words[0]),
                    |words, old, new| {
                        moves.push((words[0], old, new));
                    },
                )
                .expect("room");
            for (moved, old, new) in moves {
                assert_eq!(positions.insert(moved, new), Some(old));
            }
            positions.insert(value, position);
        }
        assert_eq!(books.len(), 20_000);
        assert_eq!(table.find(hash(20_000), key(20_000)), None);
        for (value, position) in &positions {
            let words = [*value, *value * 3];
            assert_eq!(table.find(hash(*value), key(*value)), Some(words));
            assert_eq!(books.entry(*position), Some(words));
        }
        let listed: usize = (0..books.pages.len())
            .flat_map(|page| (0..16).map(move |bucket| (page, bucket)))
            .filter_map(|(page, bucket)| books.bucket(page, bucket)?)
            .map(|entries| entries.len())
            .sum();
        assert_eq!(listed, 20_000, "every entry is in one page that counts");
        let (slots, _) = books.size(&table);
        assert!(slots < 20_000 * 100 / 40, "{slots} slots");
        for (value, position) in positions {
            books.remove(position, hash(value));
        }
        assert_eq!(books.len(), 0);
        assert_eq!(
            books
                .pages
                .iter()
                .map(|book| book.len)
                .filter(|len| *len > 0)
                .sum::<usize>(),
            0
        );
    }

    #[test]
    fn what_was_reserved_fits_without_growing() {
        let (table, mut books) = Paged::<5, 2>::new(100_000, 64);
        let before = books.pages.len();
        for value in 0..100_000 {
            let words = [value, 0];
            books
                .insert(
                    &table,
                    hash(value),
                    &words,
                    |words| hash(words[0]),
                    |_, _, _| (),
                )
                .expect("room");
        }
        assert!(
            books.pages.len() < before + before / 10,
            "{before} {}",
            books.pages.len()
        );
    }
}
