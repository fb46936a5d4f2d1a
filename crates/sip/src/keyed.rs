//! SipHash-2-4 with 128 bits of result (Aumasson and Bernstein): a pseudo-random function under a secret key.
//!
//! Everything that a peer must not be able to guess or to collide comes from here: branches, tags, and the keys under
//! which transactions are found. Being a function of the endpoint's seed it is also what makes a run repeatable.

use std::num::NonZeroU64;

/// The secret key.
#[derive(Copy, Clone)]
pub(crate) struct Key {
    k0: u64,
    k1: u64,
}

impl Key {
    pub(crate) fn from_seed(seed: u64) -> Key {
        // SplitMix64 spreads neighbouring seeds over both halves.
        let mix = |n: u64| {
            let mut z = seed.wrapping_add(n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        };
        Key {
            k0: mix(1),
            k1: mix(2),
        }
    }

    /// A hash over several parts; `purpose` keeps different uses of the key apart. Parts are closed by a byte
    /// that no SIP token contains, so that shifting text between parts changes the result.
    pub(crate) fn parts(self, purpose: u8, parts: &[&[u8]]) -> u128 {
        let mut state = State::new(self);
        state.write(&[purpose]);
        for part in parts {
            state.write(part);
            state.write(&[0xff]);
        }
        state.finish()
    }

    /// The `n`th secret of a sequence, never zero.
    pub(crate) fn nth(self, purpose: u8, n: u64) -> NonZeroU64 {
        NonZeroU64::new(self.parts(purpose, &[&n.to_le_bytes()]) as u64).unwrap_or(NonZeroU64::MAX)
    }
}

struct State {
    v: [u64; 4],
    tail: u64,
    length: usize,
}

impl State {
    fn new(key: Key) -> State {
        let v = [
            key.k0 ^ 0x736f_6d65_7073_6575,
            key.k1 ^ 0x646f_7261_6e64_6f6d ^ 0xee,
            key.k0 ^ 0x6c79_6765_6e65_7261,
            key.k1 ^ 0x7465_6462_7974_6573,
        ];
        State {
            v,
            tail: 0,
            length: 0,
        }
    }

    fn write(&mut self, bytes: &[u8]) {
        let open = (8 - self.length % 8) % 8;
        let (first, rest) = bytes.split_at(open.min(bytes.len()));
        first.iter().for_each(|&byte| self.push(byte));
        let (words, last) = rest.as_chunks::<8>();
        for word in words {
            self.length += 8;
            self.absorb(u64::from_le_bytes(*word));
        }
        last.iter().for_each(|&byte| self.push(byte));
    }

    fn push(&mut self, byte: u8) {
        self.tail |= u64::from(byte) << (8 * (self.length % 8));
        self.length += 1;
        if self.length.is_multiple_of(8) {
            let word = std::mem::take(&mut self.tail);
            self.absorb(word);
        }
    }

    fn absorb(&mut self, word: u64) {
        self.v[3] ^= word;
        self.rounds(2);
        self.v[0] ^= word;
    }

    fn rounds(&mut self, count: usize) {
        let [mut a, mut b, mut c, mut d] = self.v;
        for _ in 0..count {
            a = a.wrapping_add(b);
            b = b.rotate_left(13) ^ a;
            a = a.rotate_left(32);
            c = c.wrapping_add(d);
            d = d.rotate_left(16) ^ c;
            a = a.wrapping_add(d);
            d = d.rotate_left(21) ^ a;
            c = c.wrapping_add(b);
            b = b.rotate_left(17) ^ c;
            c = c.rotate_left(32);
        }
        self.v = [a, b, c, d];
    }

    fn finish(mut self) -> u128 {
        let last = self.tail | (self.length as u64) << 56;
        self.absorb(last);
        self.v[2] ^= 0xee;
        self.rounds(4);
        let low = self.v.iter().fold(0, |sum, v| sum ^ v);
        self.v[1] ^= 0xdd;
        self.rounds(4);
        let high = self.v.iter().fold(0, |sum, v| sum ^ v);
        u128::from(high) << 64 | u128::from(low)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference(length: u8) -> [u8; 16] {
        let key = Key {
            k0: 0x0706_0504_0302_0100,
            k1: 0x0f0e_0d0c_0b0a_0908,
        };
        let mut state = State::new(key);
        let input: Vec<u8> = (0..length).collect();
        // In uneven pieces: the result must not depend on them.
        let (head, tail) = input.split_at(usize::from(length) / 3);
        state.write(head);
        state.write(tail);
        state.finish().to_le_bytes()
    }

    #[test]
    fn published_vectors() {
        let empty = [
            0xa3, 0x81, 0x7f, 0x04, 0xba, 0x25, 0xa8, 0xe6, 0x6d, 0xf6, 0x72, 0x14, 0xc7, 0x55,
            0x02, 0x93,
        ];
        let one = [
            0xda, 0x87, 0xc1, 0xd8, 0x6b, 0x99, 0xaf, 0x44, 0x34, 0x76, 0x59, 0x11, 0x9b, 0x22,
            0xfc, 0x45,
        ];
        assert_eq!(reference(0), empty);
        assert_eq!(reference(1), one);
    }

    #[test]
    fn pieces_do_not_matter_but_parts_do() {
        let key = Key::from_seed(7);
        assert_eq!(
            key.parts(1, &[b"abcdefghijk", b"l"]),
            key.parts(1, &[b"abcdefghijk", b"l"])
        );
        assert_ne!(key.parts(1, &[b"ab", b"c"]), key.parts(1, &[b"a", b"bc"]));
        assert_ne!(key.parts(1, &[b"ab"]), key.parts(2, &[b"ab"]));
        assert_ne!(key.parts(1, &[b"ab"]), Key::from_seed(8).parts(1, &[b"ab"]));
    }
}
