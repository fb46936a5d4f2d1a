//! The seeded hash of the table. Which numbers are looked up is chosen by callers; without the seed they
//! cannot choose which of them collide.

use crate::entry::Party;
use crate::types::SubscriptionId;
use axbridge_numbering::Number;
use foldhash::SharedSeed;
use foldhash::quality::FoldHasher;
use std::hash::Hasher;

pub(crate) struct Hash {
    seed: u64,
    shared: SharedSeed,
}

impl Hash {
    pub(crate) fn new(seed: u64) -> Self {
        Hash {
            seed,
            shared: SharedSeed::from_u64(seed),
        }
    }

    #[inline(always)]
    pub(crate) fn of_number(&self, x: Number) -> u64 {
        let mut hasher = self.hasher();
        hasher.write_u64(x.as_u64());
        hasher.finish()
    }

    #[inline(always)]
    pub(crate) fn of_direction(&self, x: Number, party: Party) -> u64 {
        self.of_bits((x.as_u64(), party.bits()))
    }

    /// The same of the bits of a packed entry.
    #[inline(always)]
    pub(crate) fn of_bits(&self, (x, party): (u64, u64)) -> u64 {
        let mut hasher = self.hasher();
        hasher.write_u64(x);
        hasher.write_u64(party);
        hasher.finish()
    }

    pub(crate) fn of_subscription(&self, subscription: SubscriptionId) -> u64 {
        let mut hasher = self.hasher();
        hasher.write_u128(subscription.0);
        hasher.finish()
    }

    #[inline(always)]
    fn hasher(&self) -> FoldHasher<'_> {
        FoldHasher::with_seed(self.seed, &self.shared)
    }
}
