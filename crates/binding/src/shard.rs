//! One shard: the numbers that hash to it and every binding on them.
//!
//! All keys of an X live in one shard, so a binding is one writer's work under one lock, and a reader
//! needs one snapshot for the number and the binding. A snapshot is two arrays; when one is too full, a
//! larger copy takes its place and the readers that are still in the old one finish there. The old one
//! is what the table said at the moment of the exchange, so their answers are right.

use crate::array::{Array, Position};
use crate::entry::{
    self, DIRECTION_WORDS, Direction, NUMBER_WORDS, direction_key, number_key, subscription_of,
};
use crate::hash::Hash;
use crate::types::{NumberInfo, SubscriptionId};
use arc_swap::{ArcSwap, Guard};
use axbridge_numbering::Number;
use hashbrown::HashTable;
use parking_lot::{Mutex, MutexGuard};
use std::sync::Arc;

pub(crate) type Directions = Array<5, DIRECTION_WORDS>;
pub(crate) type Numbers = Array<7, NUMBER_WORDS>;

/// Above this many percent of the slots an array is rebuilt with [`REBUILT_PERCENT`].
const FULL_PERCENT: usize = 76;
const REBUILT_PERCENT: usize = 56;
/// Below this many percent a grown array is rebuilt smaller.
const SPARSE_PERCENT: usize = 14;

/// What a reader works on.
pub(crate) struct Snapshot {
    pub(crate) numbers: Numbers,
    pub(crate) directions: Directions,
}

/// Own cache lines: a writer taking the lock must not slow the readers next door.
#[repr(align(128))]
struct Apart<T>(T);

pub(crate) struct Shard {
    current: Apart<ArcSwap<Snapshot>>,
    books: Apart<Mutex<Books>>,
}

/// The writer's own knowledge.
struct Books {
    numbers: usize,
    directions: usize,
    /// Room asked for at construction, in directions; the array does not shrink below it.
    reserved: usize,
    /// Subscription to where its A side stands. The subscription itself is read from there.
    index: HashTable<Position>,
}

impl Shard {
    pub(crate) fn new(directions: usize) -> Self {
        let snapshot = Snapshot {
            numbers: Numbers::with_room(4, FULL_PERCENT),
            directions: Directions::with_room(directions, FULL_PERCENT),
        };
        Shard {
            current: Apart(ArcSwap::from_pointee(snapshot)),
            books: Apart(Mutex::new(Books {
                numbers: 0,
                directions: 0,
                reserved: directions,
                index: HashTable::new(),
            })),
        }
    }

    #[inline]
    pub(crate) fn read(&self) -> Guard<Arc<Snapshot>> {
        self.current.0.load()
    }

    pub(crate) fn write<'a>(&'a self, hash: &'a Hash) -> Writer<'a> {
        let books = self.books.0.lock();
        Writer {
            shard: self,
            hash,
            snapshot: self.current.0.load(),
            books,
        }
    }
}

/// The one writer of a shard, as long as it lives.
pub(crate) struct Writer<'a> {
    shard: &'a Shard,
    hash: &'a Hash,
    /// Borrowed, not counted: the count's cache line is one that readers read.
    snapshot: Guard<Arc<Snapshot>>,
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
        if let Some((position, _)) = self.snapshot.numbers.locate(hash, number_key(x)) {
            return self.snapshot.numbers.replace(position, hash, &words);
        }
        if is_full(self.books.numbers + 1, self.snapshot.numbers.slots()) {
            self.rebuild_numbers();
        }
        if self.snapshot.numbers.insert(hash, &words).is_some() {
            self.books.numbers += 1;
        }
    }

    pub(crate) fn remove_number(&mut self, x: Number) -> bool {
        let hash = self.hash.of_number(x);
        let Some((position, _)) = self.snapshot.numbers.locate(hash, number_key(x)) else {
            return false;
        };
        self.snapshot.numbers.remove(position, hash);
        self.books.numbers -= 1;
        true
    }

    /// What stands under (x, caller).
    pub(crate) fn direction(&self, x: Number, caller: Number) -> Option<Direction> {
        let hash = self.hash.of_direction(x, caller);
        let (_, words) = self
            .snapshot
            .directions
            .locate(hash, direction_key(x, caller))?;
        Direction::unpack(words)
    }

    /// The A side of a subscription's binding.
    pub(crate) fn binding(&self, subscription: SubscriptionId) -> Option<Direction> {
        let directions = &self.snapshot.directions;
        let is_it = |position: &Position| {
            directions
                .entry(*position)
                .is_some_and(|words| subscription_of(&words) == subscription)
        };
        let position = self
            .books
            .index
            .find(self.hash.of_subscription(subscription), is_it)?;
        Direction::unpack(directions.entry(*position)?)
    }

    /// Makes `sides` what stands under the subscription, and nothing else. A key that stays is changed in
    /// place, so it is never missing; a key that goes is gone on return.
    pub(crate) fn publish(&mut self, old: Option<&Direction>, sides: &[Direction; 2]) {
        if is_full(self.books.directions + 2, self.snapshot.directions.slots()) {
            self.rebuild_directions();
        }
        if let Some(old) = old {
            self.forget(old);
        }
        for side in sides {
            let position = self.put(side);
            if let (true, Some(position)) = (side.caller_is_a, position) {
                self.remember(side.subscription, position);
            }
        }
        if let Some(old) = old {
            for party in [old.caller, old.callee] {
                let stays = |side: &Direction| side.x == old.x && side.caller == party;
                if !sides.iter().any(stays) {
                    self.remove_key(old.x, party, old.subscription);
                }
            }
        }
    }

    /// Takes out both sides of the binding that this direction is of.
    pub(crate) fn withdraw(&mut self, side: &Direction) {
        if let Some(binding) = self.binding(side.subscription) {
            self.forget(&binding);
        }
        self.remove_key(side.x, side.caller, side.subscription);
        self.remove_key(side.x, side.callee, side.subscription);
    }

    /// Gives memory back after many bindings are gone.
    pub(crate) fn shrink_if_sparse(&mut self) {
        let wanted = self.books.directions.max(self.books.reserved);
        let slots = self.snapshot.directions.slots();
        if slots > 1_000 && wanted * 100 < slots * SPARSE_PERCENT {
            self.rebuild_directions();
        }
    }

    pub(crate) fn bucket_count(&self) -> usize {
        self.snapshot.directions.bucket_count()
    }

    pub(crate) fn directions_in(&self, bucket: usize) -> impl Iterator<Item = Direction> + use<> {
        let words: Vec<_> = self.snapshot.directions.entries_of(bucket).collect();
        words.into_iter().filter_map(Direction::unpack)
    }

    pub(crate) fn fill(&self) -> Fill {
        let Snapshot {
            numbers,
            directions,
        } = &**self.snapshot;
        // hashbrown: a control byte and an entry for each bucket, of which 7/8 are used at most.
        let index = (self.books.index.capacity() * 8 / 7).next_power_of_two();
        Fill {
            numbers: self.books.numbers,
            bindings: self.books.index.len(),
            directions: self.books.directions,
            slots: directions.slots(),
            bytes: size_of::<Shard>()
                + size_of::<Snapshot>()
                + numbers.bytes()
                + directions.bytes()
                + index * (size_of::<Position>() + 1),
        }
    }

    fn put(&mut self, side: &Direction) -> Option<Position> {
        let hash = self.hash.of_direction(side.x, side.caller);
        let directions = &self.snapshot.directions;
        let words = side.pack();
        if let Some((position, _)) = directions.locate(hash, direction_key(side.x, side.caller)) {
            directions.replace(position, hash, &words);
            return Some(position);
        }
        let position = directions.insert(hash, &words);
        self.books.directions += usize::from(position.is_some());
        position
    }

    fn remove_key(&mut self, x: Number, caller: Number, subscription: SubscriptionId) {
        let hash = self.hash.of_direction(x, caller);
        let found = self
            .snapshot
            .directions
            .locate(hash, direction_key(x, caller));
        // The key may be another binding's by now.
        if let Some((position, words)) = found
            && subscription_of(&words) == subscription
        {
            self.snapshot.directions.remove(position, hash);
            self.books.directions -= 1;
        }
    }

    fn remember(&mut self, subscription: SubscriptionId, position: Position) {
        let directions = &self.snapshot.directions;
        let hash_of = |position: &Position| {
            directions.entry(*position).map_or(0, |words| {
                self.hash.of_subscription(subscription_of(&words))
            })
        };
        let hash = self.hash.of_subscription(subscription);
        self.books.index.insert_unique(hash, position, hash_of);
    }

    fn forget(&mut self, binding: &Direction) {
        let hash = self.hash.of_direction(binding.x, binding.caller);
        let key = direction_key(binding.x, binding.caller);
        let Some((position, _)) = self.snapshot.directions.locate(hash, key) else {
            return;
        };
        let hash = self.hash.of_subscription(binding.subscription);
        if let Ok(found) = self
            .books
            .index
            .find_entry(hash, |other| *other == position)
        {
            found.remove();
        }
    }

    fn rebuild_directions(&mut self) {
        let entries =
            (self.books.directions + 2).max(self.books.reserved.min(self.books.directions * 2));
        let directions = Directions::with_room(entries, REBUILT_PERCENT);
        let mut index = HashTable::with_capacity(self.books.index.len() + 1);
        for words in self.snapshot.directions.entries() {
            let Some(side) = Direction::unpack(words) else {
                continue;
            };
            let hash = self.hash.of_direction(side.x, side.caller);
            let position = directions.insert(hash, &words);
            if let (true, Some(position)) = (side.caller_is_a, position) {
                let hash_of = |position: &Position| {
                    let words = directions.entry(*position);
                    words.map_or(0, |words| {
                        self.hash.of_subscription(subscription_of(&words))
                    })
                };
                index.insert_unique(
                    self.hash.of_subscription(side.subscription),
                    position,
                    hash_of,
                );
            }
        }
        self.books.index = index;
        self.exchange(Snapshot {
            numbers: self.snapshot.numbers.clone(),
            directions,
        });
    }

    fn rebuild_numbers(&mut self) {
        let numbers = Numbers::with_room(self.books.numbers + 2, REBUILT_PERCENT);
        for words in self.snapshot.numbers.entries() {
            if let Some(x) = entry::x_of(&words) {
                numbers.insert(self.hash.of_number(x), &words);
            }
        }
        self.exchange(Snapshot {
            numbers,
            directions: self.snapshot.directions.clone(),
        });
    }

    fn exchange(&mut self, snapshot: Snapshot) {
        let old = self.shard.current.0.swap(Arc::new(snapshot));
        self.snapshot = self.shard.current.0.load();
        // Freeing megabytes takes milliseconds: rather ours than a reader's. Readers stay for
        // nanoseconds; one that has lost its processor for long frees the old arrays itself.
        for _ in 0..1_000 {
            if Arc::strong_count(&old) == 1 {
                break;
            }
            std::thread::yield_now();
        }
    }
}

fn is_full(entries: usize, slots: usize) -> bool {
    entries * 100 > slots * FULL_PERCENT
}
