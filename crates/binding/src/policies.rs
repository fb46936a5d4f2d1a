//! Policies, interned: millions of bindings share a few hundred of them.
//!
//! A policy is held as long as a binding uses it. The last user gone, it stays for a while among the
//! idle ones, because another binding will want the same soon and because a call may just be asking for
//! it; the idle ones are bounded. A handle names its place and which tenant of that place it means.

use crate::chunks::Chunks;
use crate::entry::{POLICY_GENERATION_BITS, POLICY_INDEX_BITS};
use crate::types::{Policy, PolicyId};
use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

const MOST: usize = 1 << POLICY_INDEX_BITS;
const GENERATIONS: u32 = 1 << POLICY_GENERATION_BITS;
const MOST_IDLE: usize = 1_024;

struct Held {
    id: PolicyId,
    policy: Arc<Policy>,
}

pub(crate) struct Policies {
    slots: Chunks<ArcSwapOption<Held>>,
    writer: Mutex<Writer>,
}

#[derive(Default)]
struct Writer {
    by_policy: HashMap<Arc<Policy>, u32>,
    places: Vec<Place>,
    free: VecDeque<u32>,
    /// Places that had no user when they were queued, oldest first; each at most once.
    idle: VecDeque<u32>,
}

#[derive(Default)]
struct Place {
    users: u64,
    generation: u32,
    queued: bool,
}

impl Policies {
    pub(crate) fn new() -> Self {
        Policies {
            slots: Chunks::new(),
            writer: Mutex::default(),
        }
    }

    /// The policy, if its handle still means it. Lock-free.
    #[inline]
    pub(crate) fn get(&self, id: PolicyId) -> Option<Arc<Policy>> {
        let held = self.slots.get(index_of(id))?.load();
        let held = held.as_ref().filter(|held| held.id == id)?;
        Some(held.policy.clone())
    }

    /// One more user of this policy; none when there is no room for another distinct one.
    pub(crate) fn acquire(&self, policy: &Policy) -> Option<PolicyId> {
        let mut writer = self.writer.lock();
        if let Some(&index) = writer.by_policy.get(policy) {
            let place = &mut writer.places[index as usize];
            place.users += 1;
            return Some(id_of(index, place.generation));
        }
        let index = match writer.free.pop_front() {
            Some(index) => index,
            None if writer.places.len() < MOST => {
                writer.places.push(Place::default());
                writer.places.len() as u32 - 1
            }
            None => {
                // Full: the oldest idle one makes room, if there is one.
                self.evict_oldest_idle(&mut writer);
                writer.free.pop_front()?
            }
        };
        let slot = self.slots.get_or_make(index as usize)?;
        let place = &mut writer.places[index as usize];
        place.users = 1;
        let id = id_of(index, place.generation);
        let policy = Arc::new(policy.clone());
        slot.store(Some(Arc::new(Held {
            id,
            policy: policy.clone(),
        })));
        writer.by_policy.insert(policy, index);
        Some(id)
    }

    /// One user less.
    pub(crate) fn release(&self, id: PolicyId) {
        let mut writer = self.writer.lock();
        let index = index_of(id) as u32;
        let Some(place) = writer.places.get_mut(index as usize) else {
            return;
        };
        place.users = place.users.saturating_sub(1);
        if place.users == 0 && !place.queued {
            place.queued = true;
            writer.idle.push_back(index);
        }
        if writer.idle.len() > MOST_IDLE {
            self.evict_oldest_idle(&mut writer);
        }
    }

    fn evict_oldest_idle(&self, writer: &mut Writer) {
        while let Some(index) = writer.idle.pop_front() {
            let place = &mut writer.places[index as usize];
            place.queued = false;
            if place.users > 0 {
                continue;
            }
            place.generation = (place.generation + 1) % GENERATIONS;
            writer.free.push_back(index);
            let held = self
                .slots
                .get(index as usize)
                .and_then(|slot| slot.swap(None));
            if let Some(held) = held {
                writer.by_policy.remove(&held.policy);
            }
            return;
        }
    }

    /// Policies held (idle ones included), and bytes of all, prompt names left out.
    pub(crate) fn size(&self) -> (usize, usize) {
        let writer = self.writer.lock();
        let each = size_of::<Policy>() + size_of::<Held>() + 4 * size_of::<usize>();
        let maps = writer.by_policy.capacity() * (size_of::<(usize, u32)>() + 1)
            + writer.places.capacity() * size_of::<Place>()
            + (writer.free.capacity() + writer.idle.capacity()) * size_of::<u32>();
        (
            writer.by_policy.len(),
            self.slots.bytes() + writer.by_policy.len() * each + maps,
        )
    }
}

fn index_of(id: PolicyId) -> usize {
    (id.0 & ((1 << POLICY_INDEX_BITS) - 1)) as usize
}

fn id_of(index: u32, generation: u32) -> PolicyId {
    PolicyId(generation << POLICY_INDEX_BITS | index)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(minutes: u16) -> Policy {
        Policy {
            max_duration_min: minutes,
            ..Policy::default()
        }
    }

    #[test]
    fn equal_policies_are_one() {
        let policies = Policies::new();
        let first = policies.acquire(&policy(1)).expect("room");
        let again = policies.acquire(&policy(1)).expect("room");
        let other = policies.acquire(&policy(2)).expect("room");
        assert_eq!(first, again);
        assert_ne!(first, other);
        assert_eq!(policies.size().0, 2);
        policies.release(first);
        assert_eq!(
            policies.get(first).expect("one user left").max_duration_min,
            1
        );
    }

    #[test]
    fn idle_policies_are_bounded_and_a_stale_handle_finds_nothing() {
        let policies = Policies::new();
        let old = policies.acquire(&policy(0)).expect("room");
        policies.release(old);
        assert!(policies.get(old).is_some(), "idle, not gone");
        let kept = policies.acquire(&policy(50_000)).expect("room");
        for minutes in 1..=10_000 {
            let id = policies.acquire(&policy(minutes)).expect("room");
            policies.release(id);
        }
        assert!(policies.size().0 <= MOST_IDLE + 1);
        assert!(
            policies.writer.lock().places.len() <= MOST_IDLE + 3,
            "places are reused"
        );
        assert_eq!(policies.get(old), None);
        assert_eq!(policies.get(kept).expect("in use").max_duration_min, 50_000);
        // Back again under a new handle.
        let back = policies.acquire(&policy(0)).expect("room");
        assert_ne!(back, old);
        assert_eq!(policies.get(back).expect("held").max_duration_min, 0);
    }

    #[test]
    fn an_idle_policy_taken_up_again_is_not_evicted() {
        let policies = Policies::new();
        let id = policies.acquire(&policy(7)).expect("room");
        policies.release(id);
        assert_eq!(policies.acquire(&policy(7)), Some(id));
        for minutes in 100..5_000 {
            let passing = policies.acquire(&policy(minutes)).expect("room");
            policies.release(passing);
        }
        assert_eq!(policies.get(id).expect("in use").max_duration_min, 7);
    }
}
