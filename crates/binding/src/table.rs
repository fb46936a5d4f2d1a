//! The table: every number and binding, read on the call path.
//!
//! Reading takes no lock, waits for no writer except while the very bucket that it reads is being
//! written (some nanoseconds), and allocates nothing. Writers exclude each other for each shard.
//!
//! What a reader may rely on:
//! - after `publish_axb` or `withdraw_axb` has returned, every later `route` sees it;
//! - a direction is old or new, never a mixture, and a direction that stands before and after a change
//!   of its binding is never missing in between;
//! - a binding is not served from its expiry on, swept or not.

use crate::bucket::Key;
use crate::entry::{Direction, Packed, direction_key, number_key, unpack_number};
use crate::hash::Hash;
use crate::kinds::Axb;
use crate::policies::Policies;
use crate::route::{Refusal, Route, RouteKind};
use crate::shard::{DIRECTIONS_PER_BUCKET, Shard, Writer};
use crate::types::{
    Expired, NumberInfo, Policy, PolicyId, PublishError, Stats, SubscriptionId, Swept,
};
use crate::user_data::UserData;
use axbridge_numbering::Number;
use parking_lot::Mutex;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

/// A power of two. More shards let more writers in at once and make the empty table larger.
const SHARDS: usize = 64;
/// The sweep lets other writers of the shard in after this many buckets.
const BUCKETS_AT_ONCE: usize = 64;
/// A side table is read again when the binding was withdrawn between the two reads; each time a writer has
/// been at it. Nobody meets this limit; it is here so that no defect can make a call spin for ever.
const SIDE_TRIES: usize = 1_000;

/// Every number and binding, read on the call path; see the module's text for what is promised.
pub struct Table {
    hash: Hash,
    shards: Box<[Shard]>,
    policies: Policies,
    user_data: UserData,
    sweep: Mutex<Cursor>,
}

#[derive(Copy, Clone, Default)]
struct Cursor {
    shard: usize,
    page: usize,
    bucket: usize,
}

impl Table {
    /// A table with room for this many directions (two for each AXB binding), hashed with a random seed.
    pub fn with_capacity(directions: usize) -> Table {
        Table::with_seed(directions, RandomState::new().hash_one(directions))
    }

    /// The same with a given hash seed, for runs that must repeat. The seed has no influence on what is
    /// answered, only on the order in which the sweep finds things.
    pub fn with_seed(directions: usize, seed: u64) -> Table {
        let for_each = directions.div_ceil(SHARDS);
        Table {
            hash: Hash::new(seed),
            shards: (0..SHARDS)
                .map(|shard| Shard::new(for_each, shard as f64 / SHARDS as f64))
                .collect(),
            policies: Policies::new(),
            user_data: UserData::new(),
            sweep: Mutex::default(),
        }
    }

    /// Adds or replaces a private number.
    pub fn set_number(&self, x: Number, info: NumberInfo) {
        self.writer(x).set_number(x, &info);
    }

    /// Takes a private number out; its bindings stay, unreachable. Says whether it was there.
    pub fn remove_number(&self, x: Number) -> bool {
        self.writer(x).remove_number(x)
    }

    /// What X is.
    pub fn number(&self, x: Number) -> Option<NumberInfo> {
        let hash = self.hash.of_number(x);
        self.shard(hash)
            .numbers
            .find(hash, number_key(x))
            .map(unpack_number)
    }

    /// Inserts the binding, or replaces the one of the same subscription.
    ///
    /// A party is at most once on an X: if A or B has another binding there (an expired one that the
    /// sweep has not met, say), that one is taken out whole.
    pub fn publish_axb(&self, axb: &Axb) -> Result<(), PublishError> {
        if axb.a == axb.b {
            return Err(PublishError::SameParty);
        }
        let mut writer = self.writer(axb.x);
        let (policy, user_data) = self.acquire_side_data(axb)?;
        let old = writer.binding(axb.subscription);
        for party in [axb.a, axb.b] {
            if let Some(other) = writer.direction(axb.x, party)
                && other.subscription != axb.subscription
            {
                self.withdraw(&mut writer, &other);
            }
        }
        let side = |caller, callee, caller_is_a| Direction {
            x: axb.x,
            caller,
            callee,
            expires_at_ms: axb.expires_at_ms,
            policy,
            kind: RouteKind::Axb,
            direction: axb.direction,
            caller_is_a,
            subscription: axb.subscription,
            user_data,
        };
        writer.publish(
            old.as_ref(),
            &[side(axb.a, axb.b, true), side(axb.b, axb.a, false)],
        );
        if let Some(old) = old {
            self.release_side_data(&old);
        }
        Ok(())
    }

    /// Takes a binding out; both directions are gone on return. Says whether it was there.
    pub fn withdraw_axb(&self, x: Number, subscription: SubscriptionId) -> bool {
        let mut writer = self.writer(x);
        let Some(binding) = writer
            .binding(subscription)
            .filter(|binding| binding.x == x)
        else {
            return false;
        };
        self.withdraw(&mut writer, &binding);
        true
    }

    /// Where a call from `caller` to `x` goes at this moment.
    #[inline]
    pub fn route(&self, x: Number, caller: Number, wall_ms: u64) -> Result<Route, Refusal> {
        self.resolve(x, caller, wall_ms, |_| Some(()))
            .map(|(route, ())| route)
    }

    /// The same together with the policy that the binding has at that moment.
    pub fn route_with_policy(
        &self,
        x: Number,
        caller: Number,
        wall_ms: u64,
    ) -> Result<(Route, Arc<Policy>), Refusal> {
        self.resolve(x, caller, wall_ms, |id| self.policies.get(id))
    }

    /// The policy of a route; none when the last binding that used it is long gone.
    pub fn policy(&self, id: PolicyId) -> Option<Arc<Policy>> {
        self.policies.get(id)
    }

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

    /// How full the table is. Takes every shard's lock in turn: not for the call path.
    pub fn stats(&self) -> Stats {
        let (policies, policy_bytes) = self.policies.size();
        let (user_data, user_data_bytes) = self.user_data.size();
        let empty = Stats {
            policies,
            user_data,
            bytes: size_of::<Table>() + policy_bytes + user_data_bytes,
            ..Stats::default()
        };
        self.shards.iter().fold(empty, |sum, shard| {
            let fill = shard.write(&self.hash).fill();
            Stats {
                numbers: sum.numbers + fill.numbers,
                bindings: sum.bindings + fill.bindings,
                directions: sum.directions + fill.directions,
                direction_slots: sum.direction_slots + fill.slots,
                bytes: sum.bytes + fill.bytes,
                ..sum
            }
        })
    }

    #[inline(always)]
    fn resolve<T>(
        &self,
        x: Number,
        caller: Number,
        wall_ms: u64,
        policy_of: impl Fn(PolicyId) -> Option<T>,
    ) -> Result<(Route, T), Refusal> {
        let hash_x = self.hash.of_number(x);
        let hash = self.hash.of_direction(x, caller);
        let key = direction_key(x, caller);
        let shard = self.shard(hash_x);
        for _ in 0..SIDE_TRIES {
            // Both before either is judged: their cache misses overlap.
            let side = shard.directions.find(hash, key).map(Packed);
            let info = shard.numbers.find(hash_x, number_key(x));
            let info = unpack_number(info.ok_or(Refusal::UnknownNumber)?);
            let app = info.app;
            if !info.status.serves_calls() {
                return Err(Refusal::NumberUnusable { app });
            }
            let side = side.filter(|side| !side.is_expired(wall_ms));
            let Some((side, kind, callee)) =
                side.and_then(|side| Some((side, side.kind()?, side.callee()?)))
            else {
                return Err(Refusal::NoBinding { app });
            };
            let mut user_data = None;
            if side.user_data() != 0 {
                user_data = self.text_of(shard, hash, key, &side);
                if user_data.is_none() {
                    continue;
                }
            }
            let (subscription, caller_is_a) = (side.subscription(), side.caller_is_a());
            if !side.direction().allows(caller_is_a) {
                return Err(Refusal::WrongDirection {
                    app,
                    subscription,
                    user_data,
                });
            }
            let policy = side.policy();
            let Some(extra) = policy_of(policy) else {
                continue;
            };
            let (trunk, display) = (info.trunk, x);
            let route = Route {
                app,
                trunk,
                kind,
                callee,
                display,
                show_caller: false,
                caller_is_a,
                direction: u8::from(caller_is_a),
                subscription: Some(subscription),
                extension: None,
                policy,
                user_data,
            };
            return Ok((route, extra));
        }
        // Only a defect leads here; to refuse is safe.
        Err(self
            .number(x)
            .map_or(Refusal::UnknownNumber, |info| Refusal::NoBinding {
                app: info.app,
            }))
    }

    /// The text that belongs to this state of the direction; none if the state has passed.
    #[inline(never)]
    fn text_of(&self, shard: &Shard, hash: u64, key: Key, side: &Packed) -> Option<Arc<str>> {
        let text = self.user_data.get(side.user_data(), side.subscription())?;
        // A binding changed between the two reads may have left its handle to its successor.
        (shard.directions.find(hash, key) == Some(side.0)).then_some(text)
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
            if writer.direction(side.x, side.caller).as_ref() == Some(side) {
                self.withdraw(writer, side);
                expired.push(Expired {
                    subscription: side.subscription,
                    x: side.x,
                });
            }
        }
    }

    fn withdraw(&self, writer: &mut Writer<'_>, side: &Direction) {
        writer.withdraw(side);
        self.release_side_data(side);
    }

    /// One policy and one text for both directions of a binding.
    fn acquire_side_data(&self, axb: &Axb) -> Result<(PolicyId, u32), PublishError> {
        let policy = self
            .policies
            .acquire(&axb.policy)
            .ok_or(PublishError::TooManyPolicies)?;
        let Some(text) = &axb.user_data else {
            return Ok((policy, 0));
        };
        match self.user_data.put(axb.subscription, text) {
            Some(handle) => Ok((policy, handle)),
            None => {
                self.policies.release(policy);
                Err(PublishError::TooManyUserData)
            }
        }
    }

    /// After the directions are changed or gone, never before: a reader that still holds an old one must
    /// find its text or see that it is no longer its own.
    fn release_side_data(&self, side: &Direction) {
        self.policies.release(side.policy);
        self.user_data.release(side.user_data);
    }

    fn writer(&self, x: Number) -> Writer<'_> {
        self.shard(self.hash.of_number(x)).write(&self.hash)
    }

    #[inline(always)]
    fn shard(&self, hash_x: u64) -> &Shard {
        // The number of shards is a power of two.
        &self.shards[hash_x as usize & (self.shards.len() - 1)]
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table")
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
