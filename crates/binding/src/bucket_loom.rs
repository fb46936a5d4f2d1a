//! The bucket under the model checker: every interleaving, and every value a weak memory may return, of
//! one writer and one reader.

use crate::bucket::{Bucket, Key, Look, Word};
use loom::sync::Arc;
use loom::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

impl Word for AtomicU64 {
    fn new(value: u64) -> Self {
        AtomicU64::new(value)
    }

    fn load(&self, ordering: Ordering) -> u64 {
        AtomicU64::load(self, ordering)
    }

    fn store(&self, value: u64, ordering: Ordering) {
        AtomicU64::store(self, value, ordering);
    }

    fn fence(ordering: Ordering) {
        loom::sync::atomic::fence(ordering);
    }

    fn wait(_tries: u32) {
        loom::thread::yield_now();
    }
}

type Small = Bucket<AtomicU64, 1, 3>;

fn key(low: u64) -> Key {
    Key {
        low,
        low_mask: u64::MAX,
        high: 0,
        high_mask: 0,
    }
}

fn explore(body: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(4);
    model.check(body);
}

#[test]
fn an_overwrite_is_seen_before_or_after_never_between() {
    explore(|| {
        let bucket = Arc::new(Small::new());
        bucket.put(0, 1, &[5, 100, 100]);
        let writer = loom::thread::spawn({
            let bucket = bucket.clone();
            move || bucket.put(0, 1, &[5, 200, 200])
        });
        // In-place change of one key: the key is never missing.
        match bucket.look(1, key(5)) {
            Look::Hit([5, 100, 100] | [5, 200, 200]) => {}
            other => panic!("{other:?}"),
        }
        writer.join().expect("writer");
        assert_eq!(bucket.look(1, key(5)), Look::Hit([5, 200, 200]));
    });
}

#[test]
fn a_slot_reused_for_another_key_never_mixes_the_two() {
    explore(|| {
        let bucket = Arc::new(Small::new());
        bucket.put(0, 1, &[5, 50, 50]);
        let writer = loom::thread::spawn({
            let bucket = bucket.clone();
            move || {
                bucket.clear(0);
                bucket.put(0, 1, &[6, 60, 60]);
            }
        });
        match bucket.look(1, key(5)) {
            Look::Hit([5, 50, 50]) | Look::Miss { .. } => {}
            other => panic!("{other:?}"),
        }
        writer.join().expect("writer");
        assert_eq!(bucket.look(1, key(6)), Look::Hit([6, 60, 60]));
    });
}
