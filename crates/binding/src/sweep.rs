//! Taking out what has expired, a little at a time. Nothing depends on when: a lookup looks at the expiry.

use crate::entry::Direction;
use crate::shard::{DIRECTIONS_PER_BUCKET, Writer};
use crate::table::Table;
use crate::types::{Expired, Swept};

/// The sweep lets other writers of the shard in after this many buckets.
const BUCKETS_AT_ONCE: usize = 64;

/// Where the sweep goes on.
#[derive(Copy, Clone, Default)]
pub(crate) struct Cursor {
    shard: usize,
    page: usize,
    bucket: usize,
}

impl Table {
    /// Takes expired bindings out, looking at no more than about `budget` directions, and goes on next
    /// time where it stopped. A binding is reported once.
    pub fn sweep(&self, wall_ms: u64, budget: usize) -> Swept {
        let mut cursor = self.sweep.lock();
        let mut swept = Swept::default();
        let mut buckets = budget.div_ceil(DIRECTIONS_PER_BUCKET).max(1);
        while buckets > 0 && !swept.wrapped {
            let writer = self.shards[cursor.shard].write(&self.hash);
            let step = buckets.min(BUCKETS_AT_ONCE);
            buckets -= step;
            swept.wrapped = self.sweep_some(writer, &mut cursor, step, wall_ms, &mut swept.expired);
        }
        swept
    }

    /// Sweeps up to `buckets` of the cursor's shard. Says whether that was the end of the table.
    fn sweep_some(
        &self,
        mut writer: Writer<'_>,
        cursor: &mut Cursor,
        buckets: usize,
        wall_ms: u64,
        expired: &mut Vec<Expired>,
    ) -> bool {
        for _ in 0..buckets {
            match writer.bucket(cursor.page, cursor.bucket) {
                Some(Some(sides)) => {
                    cursor.bucket += 1;
                    self.withdraw_expired(&mut writer, sides, wall_ms, expired);
                }
                Some(None) => {
                    *cursor = Cursor {
                        page: cursor.page + 1,
                        bucket: 0,
                        ..*cursor
                    }
                }
                None => {
                    let shard = (cursor.shard + 1) % self.shards.len();
                    *cursor = Cursor {
                        shard,
                        ..Cursor::default()
                    };
                    return shard == 0;
                }
            }
        }
        false
    }

    fn withdraw_expired(
        &self,
        writer: &mut Writer<'_>,
        sides: Vec<Direction>,
        wall_ms: u64,
        expired: &mut Vec<Expired>,
    ) {
        for side in sides.iter().filter(|side| side.is_expired(wall_ms)) {
            // The other side of a binding taken out just now may stand in the same bucket.
            if writer.direction(side.x, side.party).as_ref() == Some(side) {
                self.take_out(writer, side);
                // The way through Y is part of what is reported of X.
                if side.owner().is_none() {
                    expired.push(Expired {
                        subscription: side.subscription,
                        x: side.x,
                    });
                }
            }
        }
    }
}
