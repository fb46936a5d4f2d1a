//! Writing: what the store has committed becomes what calls see.

use crate::detail::{AxDetail, AxeDetail, AxybXDetail, AxybYDetail, Detail};
use crate::entry::{Direction, Party};
use crate::kinds::{Ax, Axb, Axe, AxybX, AxybY};
use crate::route::RouteKind;
use crate::shard::Writer;
use crate::table::Table;
use crate::types::{AppId, CallDirection, Policy, PolicyId, PublishError, SubscriptionId};
use axbridge_numbering::Number;
use std::collections::HashSet;
use std::sync::Arc;

impl Table {
    /// Inserts the binding, or replaces the one of the same subscription.
    ///
    /// A party is at most once on an X: if A or B has another binding there (an expired one that the
    /// sweep has not met, say), that one is taken out whole.
    pub fn publish_axb(&self, axb: &Axb) -> Result<(), PublishError> {
        if axb.a == axb.b {
            return Err(PublishError::SameParty);
        }
        let mut writer = self.writer(axb.x);
        let policy = self.acquire_policy(&axb.policy)?;
        let handle = match &axb.user_data {
            None => 0,
            Some(text) => {
                let handle = self.user_data.put(axb.subscription, text.clone());
                self.or_release(handle, policy)?
            }
        };
        let side = |caller, callee, caller_is_a| Direction {
            x: axb.x,
            party: Party::Caller(caller),
            other: callee,
            expires_at_ms: axb.expires_at_ms,
            policy,
            kind: RouteKind::Axb,
            direction: axb.direction,
            caller_is_a,
            subscription: axb.subscription,
            handle,
        };
        self.put_in(
            &mut writer,
            &[side(axb.a, axb.b, true), side(axb.b, axb.a, false)],
        );
        Ok(())
    }

    /// Inserts the binding, or replaces the one of the same subscription. Another binding on its X is taken
    /// out.
    pub fn publish_ax(&self, ax: &Ax) -> Result<(), PublishError> {
        let detail = Detail::Ax(AxDetail {
            a: ax.a,
            show_caller: ax.show_caller,
            turned_off: ax.turned_off,
            temporary: ax.temporary.clone(),
            last_caller: ax.last_caller,
            user_data: ax.user_data.clone(),
        });
        let one = One {
            kind: RouteKind::Ax,
            subscription: ax.subscription,
            direction: ax.direction,
            expires_at_ms: None,
        };
        let keys = [Key::new(ax.x, Party::Anyone, ax.a, false)];
        self.publish_one(&one, &ax.policy, detail, &keys)
    }

    /// Inserts the binding, or replaces the one of the same subscription. Another binding of its A or of its
    /// extension on that X is taken out.
    pub fn publish_axe(&self, axe: &Axe) -> Result<(), PublishError> {
        let detail = Detail::Axe(AxeDetail {
            a: axe.a,
            extension: axe.extension,
            show_caller: axe.show_caller,
            reached: axe.reached,
            otherwise: axe.otherwise.clone(),
            user_data: axe.user_data.clone(),
        });
        let one = One {
            kind: RouteKind::Axe,
            subscription: axe.subscription,
            direction: CallDirection::Both,
            expires_at_ms: axe.expires_at_ms,
        };
        // A code is never below 65,536, and numbers begin at 100: it can stand where a number stands.
        let code = Number::from_u64(axe.extension.code().into());
        let code = code.map_err(|_| PublishError::SameParty)?;
        let keys = [
            Key::new(axe.x, Party::Extension(axe.extension), axe.a, false),
            Key::new(axe.x, Party::Caller(axe.a), code, true),
        ];
        self.publish_one(&one, &axe.policy, detail, &keys)
    }

    /// Inserts the first part of a relation, or replaces that of the same subscription. Another one on its X
    /// is taken out; second parts stay.
    pub fn publish_axyb_x(&self, part: &AxybX) -> Result<(), PublishError> {
        let detail = Detail::AxybX(AxybXDetail {
            a: part.a,
            user_data: part.user_data.clone(),
        });
        let one = One {
            kind: RouteKind::Axyb,
            subscription: part.subscription,
            direction: part.direction,
            expires_at_ms: part.expires_at_ms,
        };
        let keys = [Key::new(part.x, Party::Anyone, part.a, false)];
        self.publish_one(&one, &Policy::default(), detail, &keys)
    }

    /// Inserts the second part of a relation, or replaces the one of the same `id`: first the way through Y,
    /// then the way through X, so that a callee who calls back at once is known. What stands under (X, B) or
    /// (Y, A) of another part is taken out.
    pub fn publish_axyb_y(&self, part: &AxybY) -> Result<(), PublishError> {
        if part.a == part.b || part.x == part.y {
            return Err(PublishError::SameParty);
        }
        let detail = |callee, display| {
            Detail::AxybY(AxybYDetail {
                subscription: part.subscription,
                callee,
                display,
                user_data: part.user_data.clone(),
            })
        };
        let one = |subscription| One {
            kind: RouteKind::Axyb,
            subscription,
            direction: part.direction,
            expires_at_ms: part.expires_at_ms,
        };
        let through_y = [Key::new(part.y, Party::Caller(part.a), part.b, true)];
        let of_y = detail(part.b, part.x);
        self.publish_one(&one(way_back(part.id)), &part.policy, of_y, &through_y)?;
        let through_x = [Key::new(part.x, Party::Caller(part.b), part.a, false)];
        let of_x = detail(part.a, part.y);
        let published = self.publish_one(&one(part.id), &part.policy, of_x, &through_x);
        if published.is_err() {
            self.withdraw(part.y, way_back(part.id));
        }
        published
    }

    /// Takes a binding out; every key of it is gone on return. Says whether it was there. Of AXYB this is
    /// the first part of a relation.
    pub fn withdraw(&self, x: Number, subscription: SubscriptionId) -> bool {
        let mut writer = self.writer(x);
        let Some(binding) = writer
            .binding(subscription)
            .filter(|binding| binding.x == x)
        else {
            return false;
        };
        self.take_out(&mut writer, &binding);
        true
    }

    /// Takes the second part of a relation out, by its own id. Says whether it was there.
    pub fn withdraw_axyb_y(&self, x: Number, y: Number, id: SubscriptionId) -> bool {
        let forth = self.withdraw(x, id);
        let back = self.withdraw(y, way_back(id));
        forth || back
    }

    /// Says whether A of this application's AX bindings calls back who called last.
    pub fn set_call_back(&self, app: AppId, on: bool) {
        self.calling_back.rcu(|apps| {
            let mut apps: HashSet<AppId> = (**apps).clone();
            match on {
                true => apps.insert(app),
                false => apps.remove(&app),
            };
            apps
        });
    }

    fn publish_one(
        &self,
        one: &One,
        policy: &Policy,
        detail: Detail,
        keys: &[Key],
    ) -> Result<(), PublishError> {
        let Some(first) = keys.first() else {
            return Ok(());
        };
        let mut writer = self.writer(first.x);
        let policy = self.acquire_policy(policy)?;
        let handle = self.details.put(one.subscription, Arc::new(detail));
        let handle = self.or_release(handle, policy)?;
        let side = |key: &Key| Direction {
            x: key.x,
            party: key.party,
            other: key.other,
            expires_at_ms: one.expires_at_ms,
            policy,
            kind: one.kind,
            direction: one.direction,
            caller_is_a: key.caller_is_a,
            subscription: one.subscription,
            handle,
        };
        let sides: Vec<Direction> = keys.iter().map(side).collect();
        self.put_in(&mut writer, &sides);
        Ok(())
    }

    /// Makes these sides what stands of their subscription; what stood in their way goes.
    fn put_in(&self, writer: &mut Writer<'_>, sides: &[Direction]) {
        let Some(first) = sides.first() else { return };
        let mut old = writer.binding(first.subscription);
        // A binding of the same identity elsewhere is another binding: only a defect makes one.
        if let Some(elsewhere) = old.take_if(|old| old.x != first.x || old.kind != first.kind) {
            self.take_out(writer, &elsewhere);
        }
        for side in sides {
            if let Some(other) = writer.direction(side.x, side.party)
                && other.subscription != side.subscription
            {
                self.take_out(writer, &other);
            }
        }
        writer.publish(old.as_ref(), sides);
        if let Some(owner) = first.owner() {
            writer.own(first.x, owner, true);
        }
        if let Some(old) = old {
            self.let_go(writer, &old);
        }
    }

    /// Takes out the binding that this is a side of.
    pub(crate) fn take_out(&self, writer: &mut Writer<'_>, side: &Direction) {
        writer.withdraw(side);
        self.let_go(writer, side);
    }

    /// After the directions are changed or gone, never before: a reader that still holds an old one must
    /// find what is beside it or see that it is no longer its own.
    fn let_go(&self, writer: &mut Writer<'_>, side: &Direction) {
        if let Some(owner) = side.owner() {
            writer.own(side.x, owner, false);
        }
        self.policies.release(side.policy);
        match side.kind {
            RouteKind::Axb => self.user_data.release(side.handle),
            _ => self.details.release(side.handle),
        }
    }

    fn acquire_policy(&self, policy: &Policy) -> Result<PolicyId, PublishError> {
        let id = self.policies.acquire(policy);
        id.ok_or(PublishError::TooManyPolicies)
    }

    fn or_release(&self, handle: Option<u32>, policy: PolicyId) -> Result<u32, PublishError> {
        if handle.is_none() {
            self.policies.release(policy);
        }
        handle.ok_or(PublishError::TooManyUserData)
    }
}

/// What the sides of a binding have in common.
struct One {
    kind: RouteKind,
    subscription: SubscriptionId,
    direction: CallDirection,
    expires_at_ms: Option<u64>,
}

/// What they have not.
struct Key {
    x: Number,
    party: Party,
    other: Number,
    caller_is_a: bool,
}

impl Key {
    fn new(x: Number, party: Party, other: Number, caller_is_a: bool) -> Key {
        Key {
            x,
            party,
            other,
            caller_is_a,
        }
    }
}

/// Under which identity the way through Y stands: X and Y may share a shard.
fn way_back(id: SubscriptionId) -> SubscriptionId {
    SubscriptionId(!id.0)
}
