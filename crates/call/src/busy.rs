//! Who is in a call through a private number that only one caller at a time may use (AX, AXE). Shared by all shards.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axbridge_binding::AppId;
use axbridge_numbering::Number;

/// Applications do not see each other's calls: a party is busy for one application.
type Key = (AppId, Number);
type Counts = HashMap<Key, u32, foldhash::fast::FixedState>;

/// A power of two; a call takes the lock of one part twice in its life.
const PARTS: usize = 16;

/// The parties in a call.
#[derive(Default)]
pub(crate) struct Busy {
    parts: [Mutex<Counts>; PARTS],
}

/// One call of a party; over when dropped.
pub(crate) struct Occupied {
    busy: Arc<Busy>,
    key: Key,
}

impl Busy {
    /// The party is called: none if it is in another call.
    pub fn call(self: &Arc<Self>, app: AppId, party: Number) -> Option<Occupied> {
        let key = (app, party);
        match self.part(key).entry(key) {
            Entry::Occupied(_) => return None,
            Entry::Vacant(free) => free.insert(1),
        };
        Some(Occupied {
            busy: self.clone(),
            key,
        })
    }

    /// The party calls: whatever else it does, it may.
    pub fn calls(self: &Arc<Self>, app: AppId, party: Number) -> Occupied {
        let key = (app, party);
        *self.part(key).entry(key).or_insert(0) += 1;
        Occupied {
            busy: self.clone(),
            key,
        }
    }

    /// How many parties are in a call.
    pub fn len(&self) -> usize {
        let part = |part: &Mutex<Counts>| part.lock().unwrap_or_else(PoisonError::into_inner).len();
        self.parts.iter().map(part).sum()
    }

    fn part(&self, key: Key) -> MutexGuard<'_, Counts> {
        let index = key.1.as_u64() as usize & (PARTS - 1);
        // A count is changed in one step: nothing half-done is left behind by a panic.
        self.parts[index]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Occupied {
    fn drop(&mut self) {
        if let Entry::Occupied(mut count) = self.busy.part(self.key).entry(self.key) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_call_to_a_party_at_a_time() {
        let busy = Arc::new(Busy::default());
        let party = Number::from_u64(8_613_900_000_001).unwrap();
        let other = Number::from_u64(8_613_900_000_017).unwrap();
        let first = busy.call(AppId(1), party).unwrap();
        assert!(busy.call(AppId(1), party).is_none());
        assert!(busy.call(AppId(2), party).is_some(), "another application");
        assert!(busy.call(AppId(1), other).is_some());
        // A party that is called may itself call; it is free when both are over.
        let own = busy.calls(AppId(1), party);
        drop(first);
        assert!(busy.call(AppId(1), party).is_none());
        drop(own);
        assert_eq!(busy.len(), 0);
        assert!(busy.call(AppId(1), party).is_some());
    }
}
