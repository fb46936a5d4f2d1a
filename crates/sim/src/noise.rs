//! Datagrams that no telephone has sent like this: bytes changed, left out, put in, cut off.

use bytes::Bytes;
use rand::Rng;
use rand::rngs::SmallRng;

/// A spoilt copy.
pub(crate) fn spoilt(random: &mut SmallRng, bytes: &Bytes) -> Bytes {
    let mut copy = bytes.to_vec();
    for _ in 0..random.random_range(1..5) {
        if copy.is_empty() {
            break;
        }
        let place = random.random_range(0..copy.len());
        match random.random_range(0..8) {
            0 => copy.truncate(place),
            1 => {
                copy.remove(place);
            }
            2 => copy.insert(place, random.random()),
            3 => copy[place] = random.random(),
            4 => copy[place] = random.random_range(b' '..b'~'),
            5 => copy[place] = b"0123456789"[random.random_range(0..10)],
            6 => swap_lines(random, &mut copy),
            _ => double_line(random, &mut copy),
        }
    }
    Bytes::from(copy)
}

fn lines(copy: &[u8]) -> Vec<Vec<u8>> {
    copy.split_inclusive(|b| *b == b'\n')
        .map(<[u8]>::to_vec)
        .collect()
}

fn swap_lines(random: &mut SmallRng, copy: &mut Vec<u8>) {
    let mut all = lines(copy);
    let (one, other) = (
        random.random_range(0..all.len()),
        random.random_range(0..all.len()),
    );
    all.swap(one, other);
    *copy = all.concat();
}

fn double_line(random: &mut SmallRng, copy: &mut Vec<u8>) {
    let mut all = lines(copy);
    let line = all[random.random_range(0..all.len())].clone();
    all.insert(random.random_range(0..=all.len()), line);
    *copy = all.concat();
}
