//! The table: every number and binding, read on the call path.
//!
//! Reading takes no lock, waits for no writer except while the very bucket that it reads is being
//! written (some nanoseconds), and allocates nothing. Writers exclude each other for each shard.
//!
//! What a reader may rely on:
//! - after a `publish_*` or `withdraw*` has returned, every later `route` and `decide` sees it;
//! - a direction is old or new, never a mixture, and a direction that stands before and after a change
//!   of its binding is never missing in between;
//! - a binding is not served from its expiry on, swept or not.

use crate::beside::Beside;
use crate::bucket::Key;
use crate::detail::Detail;
use crate::entry::{Packed, Party, direction_key, number_key, unpack_number};
use crate::hash::Hash;
use crate::policies::Policies;
use crate::route::{Refusal, Route, RouteKind};
use crate::shard::{Shard, Writer};
use crate::sweep::Cursor;
use crate::types::{AppId, NumberInfo, Policy, PolicyId, Stats};
use arc_swap::ArcSwap;
use axbridge_numbering::Number;
use parking_lot::Mutex;
use std::collections::HashSet;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

/// A power of two. More shards let more writers in at once and make the empty table larger.
const SHARDS: usize = 64;
/// A side table is read again when the binding was withdrawn between the two reads; each time a writer has
/// been at it. Nobody meets this limit; it is here so that no defect can make a call spin for ever.
pub(crate) const SIDE_TRIES: usize = 1_000;

/// Every number and binding, read on the call path; see the module's text for what is promised.
pub struct Table {
    pub(crate) hash: Hash,
    pub(crate) shards: Box<[Shard]>,
    pub(crate) policies: Policies,
    /// Of AXB.
    pub(crate) user_data: Beside<Arc<str>>,
    /// Of the other kinds.
    pub(crate) details: Beside<Arc<Detail>>,
    /// Applications in which A of an AX binding calls back who called last.
    pub(crate) calling_back: ArcSwap<HashSet<AppId>>,
    pub(crate) sweep: Mutex<Cursor>,
}

/// Why the AXB way gave no route.
pub(crate) enum Unrouted {
    Refused(Refusal),
    /// X is of another mode, and served.
    OtherMode(NumberInfo),
}

impl From<Refusal> for Unrouted {
    fn from(refusal: Refusal) -> Self {
        Unrouted::Refused(refusal)
    }
}

impl Table {
    /// A table with room for this many directions (two for each AXB or AXE binding), hashed with a random seed.
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
            user_data: Beside::new(),
            details: Beside::new(),
            calling_back: ArcSwap::default(),
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

    /// Where a call from `caller` to `x` goes at this moment, by AXB bindings alone; [`Table::decide`] knows
    /// them all.
    #[inline]
    pub fn route(&self, x: Number, caller: Number, wall_ms: u64) -> Result<Route, Refusal> {
        match self.resolve(x, caller, wall_ms, |_| Some(())) {
            Ok((route, ())) => Ok(route),
            Err(unrouted) => Err(without_binding(unrouted)),
        }
    }

    /// The same together with the policy that the binding has at that moment.
    pub fn route_with_policy(
        &self,
        x: Number,
        caller: Number,
        wall_ms: u64,
    ) -> Result<(Route, Arc<Policy>), Refusal> {
        self.resolve(x, caller, wall_ms, |id| self.policies.get(id))
            .map_err(without_binding)
    }

    /// The policy of a route; none when the last binding that used it is long gone.
    pub fn policy(&self, id: PolicyId) -> Option<Arc<Policy>> {
        self.policies.get(id)
    }

    /// How full the table is. Takes every shard's lock in turn: not for the call path.
    pub fn stats(&self) -> Stats {
        let (policies, policy_bytes) = self.policies.size();
        let (user_data, user_data_bytes) = self.user_data.size();
        let (other_kinds, detail_bytes) = self.details.size();
        let empty = Stats {
            policies,
            user_data,
            other_kinds,
            bytes: size_of::<Table>() + policy_bytes + user_data_bytes + detail_bytes,
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
    pub(crate) fn resolve<T>(
        &self,
        x: Number,
        caller: Number,
        wall_ms: u64,
        policy_of: impl Fn(PolicyId) -> Option<T>,
    ) -> Result<(Route, T), Unrouted> {
        let hash_x = self.hash.of_number(x);
        let party = Party::Caller(caller);
        let hash = self.hash.of_direction(x, party);
        let key = direction_key(x, party);
        let shard = self.shard(hash_x);
        for _ in 0..SIDE_TRIES {
            // Both before either is judged: their cache misses overlap.
            let side = shard.directions.find(hash, key).map(Packed);
            let info = shard.numbers.find(hash_x, number_key(x));
            let info = unpack_number(info.ok_or(Refusal::UnknownNumber)?);
            let app = info.app;
            if !info.status.serves_calls() {
                return Err(Refusal::NumberUnusable { app }.into());
            }
            if info.mode != RouteKind::Axb {
                return Err(Unrouted::OtherMode(info));
            }
            let side = side.filter(|side| !side.is_expired(wall_ms));
            let side = side.filter(|side| side.kind() == Some(RouteKind::Axb));
            let Some((side, callee)) = side.and_then(|side| Some((side, side.other()?))) else {
                return Err(Refusal::NoBinding { app }.into());
            };
            let mut user_data = None;
            if side.handle() != 0 {
                user_data = self.text_of(shard, hash, key, &side);
                if user_data.is_none() {
                    continue;
                }
            }
            let (subscription, caller_is_a) = (side.subscription(), side.caller_is_a());
            if !side.direction().allows(caller_is_a) {
                let refusal = Refusal::WrongDirection {
                    app,
                    subscription,
                    user_data,
                };
                return Err(refusal.into());
            }
            let policy = side.policy();
            let Some(extra) = policy_of(policy) else {
                continue;
            };
            let (trunk, display) = (info.trunk, x);
            let route = Route {
                app,
                trunk,
                kind: RouteKind::Axb,
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
        let info = self.number(x).ok_or(Refusal::UnknownNumber)?;
        Err(Refusal::NoBinding { app: info.app }.into())
    }

    /// The text that belongs to this state of the direction; none if the state has passed.
    #[inline(never)]
    fn text_of(&self, shard: &Shard, hash: u64, key: Key, side: &Packed) -> Option<Arc<str>> {
        let text = self.user_data.get(side.handle(), side.subscription())?;
        // A binding changed between the two reads may have left its handle to its successor.
        (shard.directions.find(hash, key) == Some(side.0)).then_some(text)
    }

    pub(crate) fn writer(&self, x: Number) -> Writer<'_> {
        self.shard(self.hash.of_number(x)).write(&self.hash)
    }

    #[inline(always)]
    pub(crate) fn shard(&self, hash_x: u64) -> &Shard {
        // The number of shards is a power of two.
        &self.shards[hash_x as usize & (self.shards.len() - 1)]
    }
}

/// What the AXB way says of a number of another mode.
fn without_binding(unrouted: Unrouted) -> Refusal {
    match unrouted {
        Unrouted::Refused(refusal) => refusal,
        Unrouted::OtherMode(info) => Refusal::NoBinding { app: info.app },
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table")
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
