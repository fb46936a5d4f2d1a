//! A hierarchical timing wheel with one slot of memory per key.
//!
//! The wheel holds no clock: it lives in whole milliseconds ([`Tick`]) since an epoch that its owner chose,
//! so a test may step a day in one call. Each key (a slab index) has at most one deadline; setting,
//! moving and cancelling it cost the same few writes whatever the number of timers.
//!
//! Level *n* has 64 slots of 64ⁿ ms. A timer sits on the level of the highest bits in which its deadline differs from
//! the wheel's present, so everything on a lower level is due before everything on a higher one and the next
//! occupied slot is found in eight bit masks. Timers of a higher level are dealt down when their slot begins.

const SLOT_BITS: u32 = 6;
const SLOTS: usize = 1 << SLOT_BITS;
const LEVELS: usize = 8;
/// The wheel's end, some 8,900 years of milliseconds: deadlines beyond it are brought back to it.
const RANGE_MS: u64 = (1 << (SLOT_BITS * LEVELS as u32)) - 1;
const NONE: u32 = u32::MAX;
/// `Node::place` of a key without a deadline.
const IDLE: u16 = u16::MAX;

/// Whole milliseconds since the owner's epoch.
#[derive(Copy, Clone, Eq, PartialEq, Ord, PartialOrd, Hash, Debug, Default)]
pub struct Tick(pub u64);

impl Tick {
    /// This moment and `ms` milliseconds more.
    #[must_use]
    pub fn after(self, ms: u32) -> Tick {
        Tick(self.0.saturating_add(u64::from(ms)))
    }
}

#[derive(Copy, Clone)]
struct Node {
    due: Tick,
    prev: u32,
    next: u32,
    /// level * 64 + slot, or `IDLE`.
    place: u16,
}

const UNUSED: Node = Node {
    due: Tick(0),
    prev: NONE,
    next: NONE,
    place: IDLE,
};

/// The wheel. Keys are small integers (slab indices); memory is 24 bytes per highest key ever used.
pub struct Wheel {
    now: Tick,
    nodes: Vec<Node>,
    heads: [u32; LEVELS * SLOTS],
    occupied: [u64; LEVELS],
    armed: usize,
}

impl Default for Wheel {
    fn default() -> Self {
        Wheel::new()
    }
}

impl Wheel {
    /// An empty wheel standing at tick 0.
    #[must_use]
    pub fn new() -> Wheel {
        Wheel {
            now: Tick(0),
            nodes: Vec::new(),
            heads: [NONE; LEVELS * SLOTS],
            occupied: [0; LEVELS],
            armed: 0,
        }
    }

    /// Number of keys that have a deadline.
    #[must_use]
    pub fn len(&self) -> usize {
        self.armed
    }

    /// Whether no key has a deadline.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.armed == 0
    }

    /// Gives `key` the deadline `due` in place of any other it had. A deadline in the past fires at the next [`Wheel::expire`].
    pub fn set(&mut self, key: u32, due: Tick) {
        self.cancel(key);
        let index = key as usize;
        if index >= self.nodes.len() {
            self.nodes.resize(index + 1, UNUSED);
        }
        self.armed += 1;
        self.link(key, due);
    }

    /// Takes the deadline of `key` away, if it had one.
    pub fn cancel(&mut self, key: u32) {
        if self
            .nodes
            .get(key as usize)
            .is_some_and(|node| node.place != IDLE)
        {
            self.unlink(key);
            self.armed -= 1;
        }
    }

    /// The deadline of `key`.
    #[must_use]
    pub fn deadline(&self, key: u32) -> Option<Tick> {
        self.nodes
            .get(key as usize)
            .filter(|node| node.place != IDLE)
            .map(|node| node.due)
    }

    /// When [`Wheel::expire`] has to be called next: never later than the earliest deadline, and never a
    /// moment already passed to it, unless a deadline was set in the past.
    ///
    /// It may be earlier than the earliest deadline (the moment a coarse slot must be dealt down), at most once per
    /// level; stepping to it always brings the wheel forward.
    #[must_use]
    pub fn next(&self) -> Option<Tick> {
        let (level, slot) = self.first_slot()?;
        Some(self.slot_begin(level, slot))
    }

    /// Moves the wheel to `now` and hands out one key that is due, if any; call until `None`.
    /// The key has no deadline afterwards. A `now` in the past changes nothing.
    pub fn expire(&mut self, now: Tick) -> Option<u32> {
        let slot = self.turn_to(now)?;
        let key = self.heads[slot];
        self.unlink(key);
        self.armed -= 1;
        Some(key)
    }

    /// Moves the wheel to `now`, or to the first deadline on the way. To be called before a deadline is set, so that
    /// [`Wheel::next`] is not reckoned from a moment long past.
    pub fn turn(&mut self, now: Tick) {
        self.turn_to(now);
    }

    /// Gives the slot of level 0 that is due at `now`, at which the wheel then stands.
    fn turn_to(&mut self, now: Tick) -> Option<usize> {
        let now = Tick(now.0.min(RANGE_MS)).max(self.now);
        while let Some((level, slot)) = self.first_slot() {
            let begin = self.slot_begin(level, slot);
            if begin > now {
                break;
            }
            self.now = begin.max(self.now);
            if level == 0 {
                return Some(slot);
            }
            self.deal_down(level, slot);
        }
        // No occupied slot has begun, so none lies behind and the bits above each still are the present's.
        self.now = now;
        None
    }

    fn deal_down(&mut self, level: usize, slot: usize) {
        let mut key = std::mem::replace(&mut self.heads[level * SLOTS + slot], NONE);
        self.occupied[level] &= !(1 << slot);
        while key != NONE {
            let Node { due, next, .. } = self.nodes[key as usize];
            self.link(key, due);
            key = next;
        }
    }

    /// Lowest occupied level and its first slot: all other timers are due later.
    fn first_slot(&self) -> Option<(usize, usize)> {
        (0..LEVELS)
            .find(|&level| self.occupied[level] != 0)
            .map(|level| (level, self.occupied[level].trailing_zeros() as usize))
    }

    /// First moment of a slot. The bits above the level are the present's.
    fn slot_begin(&self, level: usize, slot: usize) -> Tick {
        let shift = SLOT_BITS * level as u32;
        let above = self.now.0 >> (shift + SLOT_BITS) << (shift + SLOT_BITS);
        Tick(above | (slot as u64) << shift)
    }

    fn link(&mut self, key: u32, due: Tick) {
        let at = due.0.min(RANGE_MS).max(self.now.0);
        let differing = at ^ self.now.0;
        let level = (63 - (differing | 1).leading_zeros()) / SLOT_BITS;
        let slot = (at >> (SLOT_BITS * level)) as usize % SLOTS;
        let place = level as usize * SLOTS + slot;
        let head = std::mem::replace(&mut self.heads[place], key);
        if head != NONE {
            self.nodes[head as usize].prev = key;
        }
        self.nodes[key as usize] = Node {
            due,
            prev: NONE,
            next: head,
            place: place as u16,
        };
        self.occupied[level as usize] |= 1 << slot;
    }

    fn unlink(&mut self, key: u32) {
        let Node {
            prev, next, place, ..
        } = self.nodes[key as usize];
        let place = usize::from(place);
        match prev {
            NONE => self.heads[place] = next,
            prev => self.nodes[prev as usize].next = next,
        }
        if next != NONE {
            self.nodes[next as usize].prev = prev;
        }
        if self.heads[place] == NONE {
            self.occupied[place / SLOTS] &= !(1 << (place % SLOTS));
        }
        self.nodes[key as usize] = UNUSED;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn drain(wheel: &mut Wheel, now: u64) -> Vec<u32> {
        let mut keys: Vec<u32> = std::iter::from_fn(|| wheel.expire(Tick(now))).collect();
        keys.sort_unstable();
        keys
    }

    #[test]
    fn fires_at_its_tick_and_not_before() {
        for due in [1, 63, 64, 65, 500, 4095, 4096, 32_000, 262_144, 1 << 40] {
            let mut wheel = Wheel::new();
            wheel.set(3, Tick(due));
            assert_eq!(drain(&mut wheel, due - 1), [], "before {due}");
            assert_eq!(drain(&mut wheel, due), [3], "at {due}");
            assert!(wheel.is_empty());
        }
    }

    #[test]
    fn a_deadline_in_the_past_fires_at_once() {
        let mut wheel = Wheel::new();
        assert_eq!(drain(&mut wheel, 10_000), []);
        wheel.set(0, Tick(5));
        assert_eq!(wheel.next(), Some(Tick(10_000)));
        assert_eq!(drain(&mut wheel, 10_000), [0]);
    }

    #[test]
    fn cancelled_and_moved_deadlines_do_not_fire() {
        let mut wheel = Wheel::new();
        wheel.set(1, Tick(100));
        wheel.set(2, Tick(100));
        wheel.set(4, Tick(100));
        wheel.cancel(2);
        wheel.cancel(9);
        wheel.set(4, Tick(200));
        assert_eq!(wheel.deadline(4), Some(Tick(200)));
        assert_eq!(wheel.len(), 2);
        assert_eq!(drain(&mut wheel, 150), [1]);
        assert_eq!(drain(&mut wheel, 250), [4]);
        assert_eq!(wheel.next(), None);
    }

    #[test]
    fn stepping_to_next_always_makes_progress_and_never_passes_a_deadline() {
        let mut wheel = Wheel::new();
        for key in 0..2_000u32 {
            wheel.set(key, Tick(u64::from(key) * 7919 % 100_003));
        }
        let (mut now, mut fired, mut steps) = (0, 0, 0);
        while let Some(next) = wheel.next() {
            assert!(next.0 > now || steps == 0, "no progress at {now}");
            now = next.0;
            for key in drain(&mut wheel, now) {
                assert_eq!(u64::from(key) * 7919 % 100_003, now, "late or early");
                fired += 1;
            }
            steps += 1;
        }
        assert_eq!(fired, 2_000);
    }

    #[test]
    fn turning_fires_nothing_and_stops_at_a_deadline() {
        let mut wheel = Wheel::new();
        wheel.set(1, Tick(32_000));
        wheel.turn(Tick(21_000));
        wheel.set(2, Tick(21_500));
        assert!(
            wheel.next() > Some(Tick(21_000)),
            "not reckoned from the beginning"
        );
        wheel.turn(Tick(90_000));
        assert_eq!(wheel.next(), Some(Tick(21_500)));
        assert_eq!(drain(&mut wheel, 31_999), [2]);
        assert_eq!(drain(&mut wheel, 32_000), [1]);
    }

    #[test]
    fn agrees_with_an_ordered_map_over_random_use() {
        let mut wheel = Wheel::new();
        let mut model: BTreeMap<u32, u64> = BTreeMap::new();
        let (mut now, mut state) = (0u64, 0x1234_5678_9abc_def1u64);
        for _ in 0..200_000 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let key = (state >> 8) as u32 % 200;
            match state % 8 {
                0..=4 => {
                    let due =
                        now + (state >> 20) % [50, 500, 5_000, 300_000][(state >> 50) as usize % 4];
                    wheel.set(key, Tick(due));
                    model.insert(key, due);
                }
                5 => {
                    wheel.cancel(key);
                    model.remove(&key);
                }
                _ => {
                    now += (state >> 30) % 700;
                    let due: Vec<u32> = model
                        .iter()
                        .filter(|&(_, due)| *due <= now)
                        .map(|(key, _)| *key)
                        .collect();
                    model.retain(|_, due| *due > now);
                    assert_eq!(drain(&mut wheel, now), due);
                }
            }
            assert_eq!(wheel.len(), model.len());
            let earliest = model.values().min().copied();
            assert!(
                wheel.next().map(|tick| tick.0) <= earliest.map(|due| due.max(now)),
                "next is late"
            );
            assert_eq!(wheel.next().is_none(), earliest.is_none());
        }
    }
}
