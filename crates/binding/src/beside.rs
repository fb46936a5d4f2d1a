//! What stands beside the table: the customers' texts of AXB, and everything of the other kinds that does not
//! fit an entry. Only bindings that have some pay for it.

use crate::chunks::Chunks;
use crate::entry::HANDLE_BITS;
use crate::types::SubscriptionId;
use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;

/// Handles are index + 1, so that 0 in an entry means none.
const MOST: usize = (1 << HANDLE_BITS) - 1;

/// What can be kept: cheap to hand out.
pub(crate) trait Kept: Clone {
    /// Memory behind it, in bytes.
    fn bytes(&self) -> usize;
}

impl Kept for Arc<str> {
    fn bytes(&self) -> usize {
        self.len()
    }
}

struct Held<T> {
    /// Whose this is. A reader that comes late finds the handle reused and knows it by this.
    subscription: SubscriptionId,
    value: T,
}

pub(crate) struct Beside<T> {
    slots: Chunks<ArcSwapOption<Held<T>>>,
    writer: Mutex<Writer>,
}

#[derive(Default)]
struct Writer {
    used: usize,
    /// Oldest first, to keep a handle unused as long as possible.
    free: VecDeque<u32>,
    kept_bytes: usize,
}

impl<T: Kept> Beside<T> {
    pub(crate) fn new() -> Self {
        Beside {
            slots: Chunks::new(),
            writer: Mutex::default(),
        }
    }

    /// What is under a handle, if it is still this subscription's. Lock-free.
    #[inline]
    pub(crate) fn get(&self, handle: u32, subscription: SubscriptionId) -> Option<T> {
        let held = self.slots.get((handle as usize).checked_sub(1)?)?.load();
        let held = held
            .as_ref()
            .filter(|held| held.subscription == subscription)?;
        Some(held.value.clone())
    }

    /// Stores something; none when there is no room.
    pub(crate) fn put(&self, subscription: SubscriptionId, value: T) -> Option<u32> {
        let mut writer = self.writer.lock();
        let handle = match writer.free.pop_front() {
            Some(handle) => handle,
            None if writer.used < MOST => {
                writer.used += 1;
                writer.used as u32
            }
            None => return None,
        };
        let slot = self.slots.get_or_make(handle as usize - 1)?;
        writer.kept_bytes += value.bytes();
        slot.store(Some(Arc::new(Held {
            subscription,
            value,
        })));
        Some(handle)
    }

    /// Gives a handle back (0 does nothing). The entries that named it are gone by now.
    pub(crate) fn release(&self, handle: u32) {
        let Some(slot) = (handle as usize)
            .checked_sub(1)
            .and_then(|index| self.slots.get(index))
        else {
            return;
        };
        let mut writer = self.writer.lock();
        if let Some(held) = slot.swap(None) {
            writer.kept_bytes -= held.value.bytes();
            writer.free.push_back(handle);
        }
    }

    /// How many are held, and bytes of all.
    pub(crate) fn size(&self) -> (usize, usize) {
        let writer = self.writer.lock();
        let held = writer.used - writer.free.len();
        // Two reference counts each for the slot's value and for what it names.
        let each = size_of::<Held<T>>() + 4 * size_of::<usize>();
        let free = writer.free.capacity() * size_of::<u32>();
        (
            held,
            self.slots.bytes() + held * each + writer.kept_bytes + free,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reused_handle_does_not_give_away_the_new_text() {
        let data = Beside::<Arc<str>>::new();
        let first = data.put(SubscriptionId(1), "one".into()).expect("room");
        assert_eq!(data.get(first, SubscriptionId(1)).as_deref(), Some("one"));
        data.release(first);
        data.release(first);
        data.release(0);
        assert_eq!(data.get(first, SubscriptionId(1)), None);
        let second = data.put(SubscriptionId(2), "two".into()).expect("room");
        assert_eq!(first, second, "the only free handle");
        assert_eq!(data.get(second, SubscriptionId(1)), None);
        assert_eq!(data.get(second, SubscriptionId(2)).as_deref(), Some("two"));
        assert_eq!(data.get(0, SubscriptionId(2)), None);
        assert_eq!(data.get(u32::MAX, SubscriptionId(2)), None);
        assert_eq!(data.size().0, 1);
    }
}
