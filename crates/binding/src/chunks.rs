//! A store of slots that grows by chunks and never moves one: a reader reaches a slot by its index
//! without a lock while a writer adds chunks.

use std::sync::OnceLock;

const FIRST: usize = 1 << 10;
/// Chunk `k` has `FIRST << k` slots: 17 chunks hold 134 million.
const CHUNKS: usize = 17;

pub(crate) struct Chunks<T> {
    chunks: [OnceLock<Box<[T]>>; CHUNKS],
}

impl<T: Default> Chunks<T> {
    pub(crate) fn new() -> Self {
        Chunks {
            chunks: [const { OnceLock::new() }; CHUNKS],
        }
    }

    /// The slot, if its chunk is there.
    #[inline]
    pub(crate) fn get(&self, index: usize) -> Option<&T> {
        let (chunk, offset) = place(index);
        self.chunks.get(chunk)?.get()?.get(offset)
    }

    /// The slot, its chunk made if need be; none beyond the last chunk.
    pub(crate) fn get_or_make(&self, index: usize) -> Option<&T> {
        let (chunk, offset) = place(index);
        let slots = self
            .chunks
            .get(chunk)?
            .get_or_init(|| (0..FIRST << chunk).map(|_| T::default()).collect());
        slots.get(offset)
    }

    pub(crate) fn bytes(&self) -> usize {
        self.chunks
            .iter()
            .filter_map(OnceLock::get)
            .map(|chunk| size_of_val(&**chunk))
            .sum()
    }
}

fn place(index: usize) -> (usize, usize) {
    let chunk = (index / FIRST + 1).ilog2() as usize;
    (chunk, index - FIRST * ((1 << chunk) - 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn places_are_dense_and_distinct() {
        let mut expected = (0, 0);
        for index in 0..100_000 {
            assert_eq!(place(index), expected);
            expected.1 += 1;
            if expected.1 == FIRST << expected.0 {
                expected = (expected.0 + 1, 0);
            }
        }
    }

    #[test]
    fn slots_appear_when_asked_for_and_stay() {
        let chunks = Chunks::<AtomicUsize>::new();
        assert!(chunks.get(5_000).is_none());
        for index in 0..5_000 {
            chunks
                .get_or_make(index)
                .expect("room")
                .store(index, Ordering::Relaxed);
        }
        assert!((0..5_000).all(|i| chunks.get(i).expect("made").load(Ordering::Relaxed) == i));
        assert!(chunks.get_or_make(usize::MAX / 2).is_none());
        assert_eq!(
            chunks.bytes(),
            size_of::<usize>() * (FIRST + 2 * FIRST + 4 * FIRST)
        );
    }
}
