//! One shard: the numbers that hash to it and every binding on them.
//!
//! All keys of an X live in one shard, so a binding is one writer's work under one lock. The second part of
//! AXYB has two numbers; it is published as two bindings, each in the shard of its own.

use crate::entry::{
    self, DIRECTION_WORDS, Direction, NUMBER_WORDS, Packed, Party, direction_key, number_key,
};
use crate::hash::Hash;
use crate::paged::{self, Paged, Position};
use crate::types::{NumberInfo, SubscriptionId};
use axbridge_numbering::Number;
use hashbrown::HashTable;
use parking_lot::{Mutex, MutexGuard};

pub(crate) const DIRECTIONS_PER_BUCKET: usize = 5;
const NUMBERS_PER_BUCKET: usize = 7;
type Directions = Paged<DIRECTIONS_PER_BUCKET, DIRECTION_WORDS>;
type Numbers = Paged<NUMBERS_PER_BUCKET, NUMBER_WORDS>;

/// Pages are split once they have this many buckets: 64 KiB if nothing was reserved. A large table gets
/// larger ones, up to 512 KiB, so that finding the page stays in the first cache levels; splitting one
/// takes some milliseconds then.
const DIRECTION_BUCKETS: std::ops::RangeInclusive<usize> = 256..=2_048;
const NUMBER_BUCKETS: usize = 64;

/// Own cache lines: a writer taking the lock must not slow the readers next door.
#[repr(align(128))]
struct Apart<T>(T);

pub(crate) struct Shard {
    pub(crate) numbers: Numbers,
    pub(crate) directions: Directions,
    books: Apart<Mutex<Books>>,
}

/// The writer's own knowledge.
struct Books {
    numbers: paged::Books<NUMBERS_PER_BUCKET, NUMBER_WORDS>,
    directions: paged::Books<DIRECTIONS_PER_BUCKET, DIRECTION_WORDS>,
    index: Index,
}

/// Subscription to where its first side stands. The subscription itself is read from there.
struct Index(HashTable<Position>);

impl Shard {
    /// The shard at `share` (0 to 1) of all shards. Page sizes differ by up to two from shard to shard,
    /// so that they do not all split, and stand half empty, at the same time.
    pub(crate) fn new(directions: usize, share: f64) -> Self {
        let sized = |buckets: usize| (buckets as f64 * share.exp2()) as usize;
        let (numbers, number_books) = Numbers::new(0, sized(NUMBER_BUCKETS));
        let eighth = directions / DIRECTIONS_PER_BUCKET / 8;
        let split_at = eighth.clamp(*DIRECTION_BUCKETS.start(), *DIRECTION_BUCKETS.end());
        let (directions, direction_books) = Directions::new(directions, sized(split_at));
        Shard {
            numbers,
            directions,
            books: Apart(Mutex::new(Books {
                numbers: number_books,
                directions: direction_books,
                index: Index(HashTable::new()),
            })),
        }
    }

    pub(crate) fn write<'a>(&'a self, hash: &'a Hash) -> Writer<'a> {
        Writer {
            shard: self,
            hash,
            books: self.books.0.lock(),
        }
    }
}

/// The one writer of a shard, as long as it lives.
pub(crate) struct Writer<'a> {
    shard: &'a Shard,
    hash: &'a Hash,
    books: MutexGuard<'a, Books>,
}

/// How full a shard is.
pub(crate) struct Fill {
    pub(crate) numbers: usize,
    pub(crate) bindings: usize,
    pub(crate) directions: usize,
    pub(crate) slots: usize,
    pub(crate) bytes: usize,
}

impl Writer<'_> {
    pub(crate) fn set_number(&mut self, x: Number, info: &NumberInfo) {
        let hash = self.hash.of_number(x);
        let words = entry::pack_number(x, info);
        let numbers = &mut self.books.numbers;
        if let Some((position, _)) = numbers.locate(&self.shard.numbers, hash, number_key(x)) {
            return numbers.replace(position, hash, &words);
        }
        let hash_of =
            |words: &[u64; NUMBER_WORDS]| entry::x_of(words).map_or(0, |x| self.hash.of_number(x));
        numbers.insert(&self.shard.numbers, hash, &words, hash_of, |_, _, _| ());
    }

    pub(crate) fn remove_number(&mut self, x: Number) -> bool {
        let hash = self.hash.of_number(x);
        let numbers = &mut self.books.numbers;
        let Some((position, _)) = numbers.locate(&self.shard.numbers, hash, number_key(x)) else {
            return false;
        };
        numbers.remove(position, hash);
        true
    }

    /// What stands under (x, party).
    pub(crate) fn direction(&self, x: Number, party: Party) -> Option<Direction> {
        let (_, words) = self.locate(x, party)?;
        Direction::unpack(words)
    }

    /// The first side of a subscription's binding (of AXB that of A).
    pub(crate) fn binding(&self, subscription: SubscriptionId) -> Option<Direction> {
        let Books {
            directions, index, ..
        } = &*self.books;
        let is_it = |position: &Position| {
            directions
                .entry(*position)
                .is_some_and(|words| Packed(words).subscription() == subscription)
        };
        let position = index
            .0
            .find(self.hash.of_subscription(subscription), is_it)?;
        Direction::unpack(directions.entry(*position)?)
    }

    /// Makes `sides` what stands under the subscription, and nothing else. A key that stays is changed in
    /// place, so it is never missing; a key that goes is gone on return.
    pub(crate) fn publish(&mut self, old: Option<&Direction>, sides: &[Direction]) {
        if let Some(old) = old {
            self.forget(old);
        }
        for (at, side) in sides.iter().enumerate() {
            let position = self.put(side);
            if let (0, Some(position)) = (at, position) {
                self.remember(side.subscription, position);
            }
        }
        if let Some(old) = old {
            for party in old.parties().into_iter().flatten() {
                let stays = |side: &Direction| side.x == old.x && side.party == party;
                if !sides.iter().any(stays) {
                    self.remove_key(old.x, party, old.subscription);
                }
            }
        }
    }

    /// Takes out every side of the binding that this direction is of.
    pub(crate) fn withdraw(&mut self, side: &Direction) {
        if let Some(binding) = self.binding(side.subscription) {
            self.forget(&binding);
        }
        for party in side.parties().into_iter().flatten() {
            self.remove_key(side.x, party, side.subscription);
        }
    }

    /// One part more, or less, that makes Y the own number of B.
    pub(crate) fn own(&mut self, y: Number, b: Number, more: bool) {
        let there = self.locate(y, Party::Owner(b));
        let count = there.map_or(0, |(_, words)| entry::unpack_owned(words));
        let hash = self.hash.of_direction(y, Party::Owner(b));
        match (
            there,
            if more {
                count + 1
            } else {
                count.saturating_sub(1)
            },
        ) {
            (Some((position, _)), 0) => self.books.directions.remove(position, hash),
            (Some((position, _)), count) => {
                let words = entry::pack_owned(y, b, count);
                self.books.directions.replace(position, hash, &words);
            }
            (None, 0) => {}
            (None, count) => {
                self.insert(hash, &entry::pack_owned(y, b, count));
            }
        }
    }

    /// The directions in one bucket of one page; none inside if there is no such bucket, none at all if
    /// there is no such page.
    pub(crate) fn bucket(&self, page: usize, bucket: usize) -> Option<Option<Vec<Direction>>> {
        let entries = self.books.directions.bucket(page, bucket)?;
        Some(entries.map(|words| words.into_iter().filter_map(Direction::unpack).collect()))
    }

    pub(crate) fn fill(&self) -> Fill {
        let Books {
            numbers,
            directions,
            index,
        } = &*self.books;
        let (slots, direction_bytes) = directions.size(&self.shard.directions);
        let (_, number_bytes) = numbers.size(&self.shard.numbers);
        // hashbrown: a control byte and an entry for each bucket, of which 7/8 are used at most.
        let index_buckets = (index.0.capacity() * 8 / 7).next_power_of_two();
        Fill {
            numbers: numbers.len(),
            bindings: index.0.len(),
            directions: directions.len(),
            slots,
            bytes: size_of::<Apart<Mutex<Books>>>()
                + number_bytes
                + direction_bytes
                + index_buckets * (size_of::<Position>() + 1),
        }
    }

    fn locate(&self, x: Number, party: Party) -> Option<(Position, [u64; DIRECTION_WORDS])> {
        let hash = self.hash.of_direction(x, party);
        self.books
            .directions
            .locate(&self.shard.directions, hash, direction_key(x, party))
    }

    fn put(&mut self, side: &Direction) -> Option<Position> {
        let hash = self.hash.of_direction(side.x, side.party);
        let words = side.pack();
        if let Some((position, _)) = self.locate(side.x, side.party) {
            self.books.directions.replace(position, hash, &words);
            return Some(position);
        }
        self.insert(hash, &words)
    }

    /// Puts in an entry whose key is absent.
    fn insert(&mut self, hash: u64, words: &[u64; DIRECTION_WORDS]) -> Option<Position> {
        let seeded = self.hash;
        let hash_of = |words: &[u64; DIRECTION_WORDS]| seeded.of_bits(Packed(*words).key_bits());
        let Books {
            directions, index, ..
        } = &mut *self.books;
        let moved = |words: &[u64; DIRECTION_WORDS], old, new| {
            index.moved(
                seeded.of_subscription(Packed(*words).subscription()),
                old,
                new,
            );
        };
        directions.insert(&self.shard.directions, hash, words, hash_of, moved)
    }

    fn remove_key(&mut self, x: Number, party: Party, subscription: SubscriptionId) {
        // The key may be another binding's by now.
        if let Some((position, words)) = self.locate(x, party)
            && Packed(words).subscription() == subscription
        {
            self.books
                .directions
                .remove(position, self.hash.of_direction(x, party));
        }
    }

    fn remember(&mut self, subscription: SubscriptionId, position: Position) {
        let Books {
            directions, index, ..
        } = &mut *self.books;
        let hash_of = |position: &Position| {
            let words = directions.entry(*position);
            words.map_or(0, |words| {
                self.hash.of_subscription(Packed(words).subscription())
            })
        };
        index
            .0
            .insert_unique(self.hash.of_subscription(subscription), position, hash_of);
    }

    fn forget(&mut self, binding: &Direction) {
        if let Some((position, _)) = self.locate(binding.x, binding.party) {
            self.books
                .index
                .forget(self.hash.of_subscription(binding.subscription), position);
        }
    }
}

impl Index {
    fn forget(&mut self, hash: u64, position: Position) {
        if let Ok(found) = self.0.find_entry(hash, |other| *other == position) {
            found.remove();
        }
    }

    /// Follows a first side; another is not in the index and nothing happens.
    fn moved(&mut self, hash: u64, old: Position, new: Position) {
        if let Some(position) = self.0.find_mut(hash, |other| *other == old) {
            *position = new;
        }
    }
}
