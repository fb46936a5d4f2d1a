//! Identifiers that a call gives away: session ids, record ids, tags, Call-IDs. One seeded generator makes
//! them all, so that a run can be repeated; none carries a number.

use std::fmt;
use std::sync::Arc;

use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};
use uuid::Builder;

use crate::plane::Now;
use crate::utc;

/// Our tag in a dialog: 64 unguessable bits, also the key by which in-dialog requests find their call.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Tag(u64);

impl Tag {
    /// Reads a tag of ours back; anything else is none.
    pub fn parse(text: &[u8]) -> Option<Tag> {
        if text.len() != 16 || !text.iter().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f')) {
            return None;
        }
        u64::from_str_radix(std::str::from_utf8(text).ok()?, 16)
            .ok()
            .map(Tag)
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Makes identifiers.
pub(crate) struct Ids {
    random: StdRng,
    node: String,
    host: String,
    shard: usize,
    shards: usize,
    counter: u32,
}

impl Ids {
    pub fn new(seed: u64, node: &str, host: &str, shard: usize, shards: usize) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        // A counter that starts anywhere keeps session ids apart when a node restarts within one second.
        let counter = random.next_u32();
        Ids {
            random,
            node: node.to_owned(),
            host: host.to_owned(),
            shard,
            shards,
            counter,
        }
    }

    /// `<node>_<counter>_<yyyymmddhhmmss>@<host>`.
    pub fn session(&mut self, now: Now) -> Arc<str> {
        self.counter = self.counter.wrapping_add(1);
        let time = utc::compact(now.wall_ms);
        format!(
            "{}{}_{}_{time}@{}",
            self.node, self.shard, self.counter, self.host
        )
        .into()
    }

    /// A UUID v7 for a call record.
    pub fn icid(&mut self, now: Now) -> String {
        let mut random = [0; 10];
        self.random.fill_bytes(&mut random);
        Builder::from_unix_timestamp_millis(now.wall_ms, &random)
            .into_uuid()
            .to_string()
    }

    pub fn tag(&mut self) -> Tag {
        Tag(self.random.next_u64())
    }

    pub fn number(&mut self) -> u64 {
        self.random.next_u64()
    }

    /// A Call-ID for a leg that we open; it belongs to this shard, so its answers come back here.
    pub fn call_id(&mut self) -> String {
        loop {
            let id = format!(
                "{:016x}{:016x}@{}",
                self.random.next_u64(),
                self.random.next_u64(),
                self.host
            );
            if axbridge_sip::shard_of(id.as_bytes(), self.shards) == self.shard {
                return id;
            }
        }
    }

    /// Name of a recording: the time and ten random digits.
    pub fn recording(&mut self, now: Now) -> String {
        let time = utc::compact(now.wall_ms);
        format!("{time}{:010}.wav", self.random.next_u64() % 10_000_000_000)
    }
}
