//! The first table: right, behind one lock. It keeps its face when the lock-free one replaces it.

use crate::types::{
    Axb, Expired, NumberInfo, NumberStatus, Policy, PolicyId, PublishError, Refusal, Route,
    RouteKind, Stats, SubscriptionId, Swept,
};
use axbridge_numbering::Number;
use parking_lot::RwLock;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Every number and binding, read on the call path.
#[derive(Debug, Default)]
pub struct Table {
    inner: RwLock<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    numbers: HashMap<Number, NumberInfo>,
    bindings: BTreeMap<SubscriptionId, Axb>,
    keys: HashMap<(Number, Number), SubscriptionId>,
    policies: Vec<Arc<Policy>>,
}

impl Inner {
    fn remove(&mut self, subscription: SubscriptionId) -> Option<Axb> {
        let old = self.bindings.remove(&subscription)?;
        self.keys.remove(&(old.x, old.a));
        self.keys.remove(&(old.x, old.b));
        Some(old)
    }
}

impl Table {
    /// A table with room for this many directions (two for each AXB binding), hashed with a random seed.
    pub fn with_capacity(directions: usize) -> Table {
        Table::with_seed(directions, 0)
    }

    /// The same with a given hash seed, for runs that must repeat.
    pub fn with_seed(_directions: usize, _seed: u64) -> Table {
        Table::default()
    }

    /// Adds or replaces a private number.
    pub fn set_number(&self, x: Number, info: NumberInfo) {
        self.inner.write().numbers.insert(x, info);
    }

    /// Takes a private number out; its bindings stay and are unreachable. Says whether it was there.
    pub fn remove_number(&self, x: Number) -> bool {
        self.inner.write().numbers.remove(&x).is_some()
    }

    /// What X is.
    pub fn number(&self, x: Number) -> Option<NumberInfo> {
        self.inner.read().numbers.get(&x).copied()
    }

    /// Inserts the binding, or replaces the one of the same subscription.
    pub fn publish_axb(&self, axb: &Axb) -> Result<(), PublishError> {
        if axb.a == axb.b {
            return Err(PublishError::SameParty);
        }
        let mut inner = self.inner.write();
        inner.remove(axb.subscription);
        for party in [axb.a, axb.b] {
            if let Some(other) = inner.keys.get(&(axb.x, party)).copied() {
                inner.remove(other);
            }
            inner.keys.insert((axb.x, party), axb.subscription);
        }
        inner.bindings.insert(axb.subscription, axb.clone());
        if !inner.policies.iter().any(|policy| **policy == axb.policy) {
            inner.policies.push(Arc::new(axb.policy.clone()));
        }
        Ok(())
    }

    /// Takes a binding out; both directions are gone on return. Says whether it was there.
    pub fn withdraw_axb(&self, x: Number, subscription: SubscriptionId) -> bool {
        let mut inner = self.inner.write();
        inner
            .bindings
            .get(&subscription)
            .is_some_and(|axb| axb.x == x)
            && inner.remove(subscription).is_some()
    }

    /// Where a call from `caller` to `x` goes at this moment.
    pub fn route(&self, x: Number, caller: Number, wall_ms: u64) -> Result<Route, Refusal> {
        self.route_with_policy(x, caller, wall_ms)
            .map(|(route, _)| route)
    }

    /// The same with the binding's policy, which is certainly the one of this route.
    pub fn route_with_policy(
        &self,
        x: Number,
        caller: Number,
        wall_ms: u64,
    ) -> Result<(Route, Arc<Policy>), Refusal> {
        let inner = self.inner.read();
        let Some(info) = inner.numbers.get(&x) else {
            return Err(Refusal::UnknownNumber);
        };
        let app = info.app;
        if info.status != NumberStatus::Normal {
            return Err(Refusal::NumberUnusable { app });
        }
        let axb = inner
            .keys
            .get(&(x, caller))
            .and_then(|id| inner.bindings.get(id));
        let Some(axb) = axb.filter(|axb| axb.expires_at_ms.is_none_or(|at| wall_ms < at)) else {
            return Err(Refusal::NoBinding { app });
        };
        let caller_is_a = caller == axb.a;
        let (subscription, user_data) = (axb.subscription, axb.user_data.clone());
        if !axb.direction.allows(caller_is_a) {
            return Err(Refusal::WrongDirection {
                app,
                subscription,
                user_data,
            });
        }
        let index = inner
            .policies
            .iter()
            .position(|policy| **policy == axb.policy)
            .unwrap_or(0);
        let route = Route {
            app,
            trunk: info.trunk,
            kind: RouteKind::Axb,
            callee: if caller_is_a { axb.b } else { axb.a },
            display: x,
            caller_is_a,
            subscription,
            policy: PolicyId(index as u32),
            user_data,
        };
        Ok((route, inner.policies[index].clone()))
    }

    /// The policy of a route; none when the last binding that used it is gone meanwhile.
    pub fn policy(&self, id: PolicyId) -> Option<Arc<Policy>> {
        self.inner.read().policies.get(id.0 as usize).cloned()
    }

    /// Takes expired bindings out, looking at no more than about `budget` directions.
    pub fn sweep(&self, wall_ms: u64, budget: usize) -> Swept {
        let mut inner = self.inner.write();
        let due: Vec<Expired> = inner
            .bindings
            .values()
            .filter(|axb| axb.expires_at_ms.is_some_and(|at| at <= wall_ms))
            .map(|axb| Expired {
                subscription: axb.subscription,
                x: axb.x,
            })
            .take(budget.max(1))
            .collect();
        for expired in &due {
            inner.remove(expired.subscription);
        }
        Swept {
            wrapped: due.len() < budget,
            expired: due,
        }
    }

    /// How full the table is.
    pub fn stats(&self) -> Stats {
        let inner = self.inner.read();
        Stats {
            numbers: inner.numbers.len(),
            bindings: inner.bindings.len(),
            directions: inner.keys.len(),
            policies: inner.policies.len(),
            ..Stats::default()
        }
    }
}
