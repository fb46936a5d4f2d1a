//! The customers' texts, beside the table: only bindings that have one pay for it.

use crate::chunks::Chunks;
use crate::entry::USER_DATA_BITS;
use crate::types::SubscriptionId;
use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;

/// Handles are index + 1, so that 0 in an entry means none.
const MOST: usize = (1 << USER_DATA_BITS) - 1;

struct Held {
    /// Whose text this is. A reader that comes late finds the handle reused and knows it by this.
    subscription: SubscriptionId,
    text: Arc<str>,
}

pub(crate) struct UserData {
    slots: Chunks<ArcSwapOption<Held>>,
    writer: Mutex<Writer>,
}

#[derive(Default)]
struct Writer {
    used: usize,
    /// Oldest first, to keep a handle unused as long as possible.
    free: VecDeque<u32>,
    text_bytes: usize,
}

impl UserData {
    pub(crate) fn new() -> Self {
        UserData {
            slots: Chunks::new(),
            writer: Mutex::default(),
        }
    }

    /// The text under a handle, if it is still this subscription's. Lock-free.
    #[inline]
    pub(crate) fn get(&self, handle: u32, subscription: SubscriptionId) -> Option<Arc<str>> {
        let held = self.slots.get((handle as usize).checked_sub(1)?)?.load();
        let held = held
            .as_ref()
            .filter(|held| held.subscription == subscription)?;
        Some(held.text.clone())
    }

    /// Stores a text; none when the table is full of them.
    pub(crate) fn put(&self, subscription: SubscriptionId, text: &Arc<str>) -> Option<u32> {
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
        slot.store(Some(Arc::new(Held {
            subscription,
            text: text.clone(),
        })));
        writer.text_bytes += text.len();
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
            writer.text_bytes -= held.text.len();
            writer.free.push_back(handle);
        }
    }

    /// Texts held, and bytes of all.
    pub(crate) fn size(&self) -> (usize, usize) {
        let writer = self.writer.lock();
        let held = writer.used - writer.free.len();
        // Two reference counts for each text, and the text's own two words in the slot's value.
        let each = size_of::<Held>() + 4 * size_of::<usize>();
        let free = writer.free.capacity() * size_of::<u32>();
        (
            held,
            self.slots.bytes() + held * each + writer.text_bytes + free,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reused_handle_does_not_give_away_the_new_text() {
        let data = UserData::new();
        let first = data.put(SubscriptionId(1), &"one".into()).expect("room");
        assert_eq!(data.get(first, SubscriptionId(1)).as_deref(), Some("one"));
        data.release(first);
        data.release(first);
        data.release(0);
        assert_eq!(data.get(first, SubscriptionId(1)), None);
        let second = data.put(SubscriptionId(2), &"two".into()).expect("room");
        assert_eq!(first, second, "the only free handle");
        assert_eq!(data.get(second, SubscriptionId(1)), None);
        assert_eq!(data.get(second, SubscriptionId(2)).as_deref(), Some("two"));
        assert_eq!(data.get(0, SubscriptionId(2)), None);
        assert_eq!(data.get(u32::MAX, SubscriptionId(2)), None);
        assert_eq!(data.size().0, 1);
    }
}
