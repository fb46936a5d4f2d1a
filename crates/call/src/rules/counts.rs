//! How often somebody has called in the running minute, hour and day. One table for all shards.
//!
//! The table has a fixed size. A number that is new takes the place, among eight, of the one with the fewest calls
//! today; applications and accounts never give way to numbers. So at the bound what is forgotten is counts that
//! matter least: somebody may call oftener than the limit says, nobody is refused who should not be, and a flood of
//! ever new numbers cannot wash away the count of one that has nearly reached its limit.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use super::{CallRate, UtcOffset};
use crate::outcome::Bar;

/// A power of two: 262,144 entries in 11 MB, taken when the first limit is set.
const SETS: usize = 1 << 15;
const WAYS: usize = 8;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(crate) enum Kind {
    Platform,
    Account,
    App,
    Number,
    Display,
    Caller,
    Callee,
    /// Not calls but how a caller's calls ended: put through, answered, short; all three by the hour.
    Quality,
}

/// Whose count. `app` 0: of all applications.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub kind: Kind,
    pub app: u32,
    pub number: u64,
}

/// The running windows, by their numbers since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Windows {
    pub minute: u32,
    pub hour: u32,
    pub day: u32,
}

impl Windows {
    pub fn at(wall_ms: u64, zone: UtcOffset) -> Windows {
        let minutes = zone.local_minutes(wall_ms);
        // Enough for the next eight thousand years.
        let number = |width: u64| u32::try_from(minutes / width).unwrap_or(u32::MAX);
        Windows {
            minute: number(1),
            hour: number(60),
            day: number(24 * 60),
        }
    }

    fn ids(self) -> [u32; 3] {
        [self.minute, self.hour, self.day]
    }
}

#[derive(Clone, Copy, Default)]
struct Window {
    id: u32,
    count: u32,
}

#[derive(Clone, Copy)]
struct Slot {
    key: Key,
    windows: [Window; 3],
}

type Set = [Option<Slot>; WAYS];

/// A limit that a call has to pass.
pub(crate) struct Limit<'a> {
    pub key: Key,
    pub rate: &'a CallRate,
    pub windows: Windows,
    /// Why it is refused.
    pub bar: Bar,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Counts {
    sets: OnceLock<Box<[Mutex<Set>]>>,
    /// Keyed at random: nobody can choose numbers that meet in one set.
    hasher: RandomState,
    forgotten: AtomicU64,
}

impl Counts {
    /// Counts a call in all of these, or in none and says which is used up.
    pub fn take(&self, limits: &[Limit<'_>]) -> Result<(), Bar> {
        for (at, limit) in limits.iter().enumerate() {
            if limit.rate.is_none() || self.add(limit) {
                continue;
            }
            for taken in limits[..at].iter().filter(|l| !l.rate.is_none()) {
                self.give_back(taken);
            }
            return Err(limit.bar);
        }
        Ok(())
    }

    /// Counts of this day that had to make room for others.
    pub fn forgotten(&self) -> u64 {
        self.forgotten.load(Ordering::Relaxed)
    }

    fn add(&self, limit: &Limit<'_>) -> bool {
        let rate = limit.rate;
        let most = [rate.per_minute, rate.per_hour, rate.per_day];
        self.with(limit.key, limit.windows.ids(), |windows| {
            let full = |(window, most): (&Window, u32)| most > 0 && window.count >= most;
            if windows.iter().zip(most).any(full) {
                return false;
            }
            for window in windows {
                window.count = window.count.saturating_add(1);
            }
            true
        })
    }

    fn give_back(&self, limit: &Limit<'_>) {
        self.with(limit.key, limit.windows.ids(), |windows| {
            for window in windows {
                window.count = window.count.saturating_sub(1);
            }
        });
    }

    /// The three counts of an hour, changed or only read.
    pub fn hourly<R>(&self, key: Key, hour: u32, see: impl FnOnce(&mut [u32; 3]) -> R) -> R {
        self.with(key, [hour; 3], |windows| {
            let mut counts = windows.map(|w| w.count);
            let result = see(&mut counts);
            for (window, count) in windows.iter_mut().zip(counts) {
                window.count = count;
            }
            result
        })
    }

    fn with<R>(&self, key: Key, ids: [u32; 3], see: impl FnOnce(&mut [Window; 3]) -> R) -> R {
        let sets = self
            .sets
            .get_or_init(|| (0..SETS).map(|_| Mutex::new([None; WAYS])).collect());
        let at = self.hasher.hash_one(key) as usize & (SETS - 1);
        // A count is changed in one step: nothing half-done is left behind by a panic.
        let mut set = sets[at].lock().unwrap_or_else(PoisonError::into_inner);
        let place = match set.iter().position(|s| s.is_some_and(|s| s.key == key)) {
            Some(place) => place,
            None => self.place_for_new(&set, ids),
        };
        let slot = set[place].filter(|slot| slot.key == key);
        let slot = set[place].insert(slot.unwrap_or(Slot {
            key,
            windows: [Window::default(); 3],
        }));
        for (window, id) in slot.windows.iter_mut().zip(ids) {
            if window.id != id {
                *window = Window { id, count: 0 };
            }
        }
        see(&mut slot.windows)
    }

    /// A free place, or that of what is missed least.
    fn place_for_new(&self, set: &Set, ids: [u32; 3]) -> usize {
        let worth = |slot: &Option<Slot>| match slot {
            None => (false, 0),
            Some(slot) => {
                let running = slot.windows[2].id >= ids[2];
                let pinned = matches!(slot.key.kind, Kind::Platform | Kind::Account | Kind::App);
                (
                    pinned,
                    if running {
                        slot.windows[2].count.saturating_add(1)
                    } else {
                        0
                    },
                )
            }
        };
        let place = (0..WAYS).min_by_key(|at| worth(&set[*at])).unwrap_or(0);
        if worth(&set[place]).1 > 0 {
            self.forgotten.fetch_add(1, Ordering::Relaxed);
        }
        place
    }
}

impl CallRate {
    /// No limit at all: nothing needs to be counted.
    pub fn is_none(&self) -> bool {
        *self == CallRate::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(kind: Kind, number: u64) -> Key {
        Key {
            kind,
            app: 1,
            number,
        }
    }

    fn limit<'a>(key: Key, rate: &'a CallRate, wall_ms: u64) -> Limit<'a> {
        Limit {
            key,
            rate,
            windows: Windows::at(wall_ms, UtcOffset::default()),
            bar: Bar::CallerRate,
        }
    }

    const NOON_MS: u64 = 1_893_556_800_000;

    #[test]
    fn each_window_is_counted_for_itself_and_begins_anew() {
        let counts = Counts::default();
        let rate = CallRate {
            per_minute: 2,
            per_hour: 3,
            per_day: 4,
        };
        let caller = key(Kind::Caller, 8_613_900_000_001);
        let call = |after_s: u64| {
            counts
                .take(&[limit(caller, &rate, NOON_MS + after_s * 1_000)])
                .is_ok()
        };
        assert!(call(0) && call(59));
        assert!(!call(59), "two a minute");
        assert!(call(60));
        assert!(!call(180), "three an hour");
        assert!(call(3_600));
        assert!(!call(2 * 3_600), "four a day");
        // The day ends at midnight in China, eight hours after noon UTC... of the same day in UTC.
        assert!(call(24 * 3_600));
    }

    #[test]
    fn days_end_at_midnight_of_the_zone() {
        let day = |hour: u64, zone: &str| {
            // 2030-01-02 00:00 UTC and so many hours.
            let wall_ms = 1_893_542_400_000 + hour * 3_600_000;
            Windows::at(wall_ms, zone.parse().unwrap()).day
        };
        assert_eq!(day(0, "+08:00"), day(15, "+08:00"));
        assert_eq!(day(15, "+08:00") + 1, day(16, "+08:00"));
        assert_eq!(day(23, "+00:00") + 1, day(24, "+00:00"));
    }

    #[test]
    fn a_call_that_one_limit_refuses_uses_up_no_other() {
        let counts = Counts::default();
        let (wide, narrow) = (
            CallRate {
                per_day: 2,
                ..CallRate::default()
            },
            CallRate {
                per_day: 1,
                ..CallRate::default()
            },
        );
        let none = CallRate::default();
        let (app, one, two) = (
            key(Kind::App, 0),
            key(Kind::Caller, 1001),
            key(Kind::Caller, 1002),
        );
        let call = |caller| {
            counts.take(&[
                limit(app, &wide, NOON_MS),
                limit(one, &none, NOON_MS),
                limit(caller, &narrow, NOON_MS),
            ])
        };
        assert_eq!(call(one), Ok(()));
        for _ in 0..10 {
            assert_eq!(call(one), Err(Bar::CallerRate));
        }
        assert_eq!(call(two), Ok(()), "the application has one left");
        assert!(call(key(Kind::Caller, 1003)).is_err());
    }

    #[test]
    fn a_limit_holds_exactly_over_threads() {
        let counts = Counts::default();
        let rate = CallRate {
            per_minute: 1_000,
            ..CallRate::default()
        };
        let taken = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1_000 {
                        let ok = counts
                            .take(&[limit(key(Kind::App, 0), &rate, NOON_MS)])
                            .is_ok();
                        taken.fetch_add(u64::from(ok), Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!(taken.load(Ordering::Relaxed), 1_000);
    }

    #[test]
    fn a_flood_of_numbers_forgets_neither_the_diligent_nor_the_applications() {
        let counts = Counts::default();
        let rate = CallRate {
            per_day: 5,
            ..CallRate::default()
        };
        let diligent = key(Kind::Caller, 8_613_900_000_001);
        let app = key(Kind::App, 0);
        for key in [diligent, app] {
            for _ in 0..5 {
                assert!(counts.take(&[limit(key, &rate, NOON_MS)]).is_ok());
            }
        }
        // Four times what fits.
        for n in 0..4 * (SETS * WAYS) as u64 {
            let flood = key(Kind::Caller, 8_613_910_000_000 + n);
            assert!(
                counts.take(&[limit(flood, &rate, NOON_MS)]).is_ok(),
                "nobody is refused for want of room"
            );
        }
        assert!(counts.forgotten() > 0);
        for key in [diligent, app] {
            assert!(counts.take(&[limit(key, &rate, NOON_MS)]).is_err());
        }
        let places: usize = counts.sets.get().unwrap().len() * WAYS;
        assert_eq!(places, SETS * WAYS, "the table does not grow");
        assert!(size_of::<Mutex<Set>>() * SETS <= 12 << 20);
    }
}
