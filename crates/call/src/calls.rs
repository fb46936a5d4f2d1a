//! The calls of a shard, by key, and the order of their deadlines.

use std::collections::BTreeSet;
use std::time::Instant;

use crate::call::Call;
use crate::plane::CallKey;

struct Slot {
    generation: u32,
    call: Option<Box<Call>>,
    scheduled: Option<Instant>,
}

/// A slab whose keys are never reused, with one deadline for each call.
#[derive(Default)]
pub(crate) struct Calls {
    slots: Vec<Slot>,
    free: Vec<u32>,
    deadlines: BTreeSet<(Instant, CallKey)>,
    live: usize,
}

impl Calls {
    pub fn len(&self) -> usize {
        self.live
    }

    /// The key of the call that is to be put in next.
    pub fn reserve(&mut self) -> CallKey {
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                let index = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
                self.slots.push(Slot {
                    generation: 0,
                    call: None,
                    scheduled: None,
                });
                index
            }
        };
        CallKey {
            index,
            generation: self.slots[index as usize].generation,
        }
    }

    /// Puts a call under the key that was reserved for it.
    pub fn insert(&mut self, call: Call) {
        let key = call.key;
        self.slots[key.index as usize].call = Some(Box::new(call));
        self.live += 1;
        self.reschedule(key);
    }

    pub fn get_mut(&mut self, key: CallKey) -> Option<&mut Call> {
        let slot = self.slots.get_mut(key.index as usize)?;
        slot.call
            .as_deref_mut()
            .filter(|_| slot.generation == key.generation)
    }

    pub fn remove(&mut self, key: CallKey) -> Option<Box<Call>> {
        self.get_mut(key)?;
        let slot = &mut self.slots[key.index as usize];
        if let Some(at) = slot.scheduled.take() {
            self.deadlines.remove(&(at, key));
        }
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(key.index);
        self.live -= 1;
        slot.call.take()
    }

    /// Notes the call's next deadline after it was touched.
    pub fn reschedule(&mut self, key: CallKey) {
        let Some(next) = self.get_mut(key).map(|c| c.next_deadline()) else {
            return;
        };
        let slot = &mut self.slots[key.index as usize];
        if slot.scheduled == next {
            return;
        }
        if let Some(at) = slot.scheduled.take() {
            self.deadlines.remove(&(at, key));
        }
        if let Some(at) = next {
            self.deadlines.insert((at, key));
            slot.scheduled = next;
        }
    }

    pub fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// A call whose deadline has passed.
    pub fn due(&self, now: Instant) -> Option<CallKey> {
        self.deadlines
            .first()
            .filter(|(at, _)| *at <= now)
            .map(|(_, key)| *key)
    }

    pub fn keys(&self) -> Vec<CallKey> {
        let live = |(index, slot): (usize, &Slot)| {
            slot.call.as_ref().map(|_| CallKey {
                index: index as u32,
                generation: slot.generation,
            })
        };
        self.slots.iter().enumerate().filter_map(live).collect()
    }
}
