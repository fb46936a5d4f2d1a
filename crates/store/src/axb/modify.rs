//! Modify.

use axbridge_numbering::Number;
use rusqlite::params;

use super::rows::{find, is_live, seat, unseat};
use super::types::{Binding, ModifyRequest};
use crate::Store;
use crate::bound::expiry;
use crate::db::writer::{Bound, Ctx, Effect};
use crate::error::{BindError, StoreError};
use crate::policy::intern;
use crate::settings;
use crate::sql::{ms, num, sub};

impl Store {
    /// Changes a binding. Calls that run keep what they began with.
    pub async fn modify(&self, request: ModifyRequest) -> Result<Binding, BindError> {
        self.write(move |ctx| modify(ctx, request)).await
    }
}

fn modify(ctx: &mut Ctx<'_>, request: ModifyRequest) -> Result<Binding, BindError> {
    let old = find(ctx.conn, request.subscription)?;
    let old = old
        .filter(|b| b.axb.app == request.app && is_live(b, ctx.now_ms))
        .ok_or(BindError::NotFound)?;
    let mut new = old.clone();
    new.axb.a = request.a.unwrap_or(old.axb.a);
    new.axb.b = request.b.unwrap_or(old.axb.b);
    new.axb.direction = request.direction.unwrap_or(old.axb.direction);
    if let Some(duration_s) = request.duration_s {
        new.duration_s = duration_s;
        new.axb.expires_at_ms = expiry(ctx.now_ms, duration_s);
    }
    request.policy.apply(&mut new.axb.policy);
    if let Some(user_data) = request.user_data {
        new.axb.user_data = user_data;
    }
    new.changed_ms = ctx.now_ms;
    if new.axb.policy.record && !old.axb.policy.record {
        let limits = settings::app_limits(ctx, request.app)?.ok_or(BindError::NoApp)?;
        if !limits.recording {
            return Err(BindError::RecordingOff);
        }
    }
    move_parties(ctx, &old, &new)?;
    update(ctx, &new)?;
    ctx.effect(Effect::Publish(Bound::Axb(new.axb.clone()).into()));
    Ok(new)
}

fn move_parties(ctx: &mut Ctx<'_>, old: &Binding, new: &Binding) -> Result<(), BindError> {
    let (x, id) = (new.axb.x, new.axb.subscription);
    if new.axb.a == new.axb.b || new.axb.a == x || new.axb.b == x {
        return Err(BindError::SameParty);
    }
    let before = [old.axb.a, old.axb.b];
    let after = [new.axb.a, new.axb.b];
    let gone = |party: &&Number| !after.contains(party);
    let came = |party: &&Number| !before.contains(party);
    for party in before.iter().filter(gone) {
        unseat(ctx, *party, x)?;
    }
    for party in after.iter().filter(came) {
        seat(ctx, *party, x, id)?;
    }
    Ok(())
}

fn update(ctx: &mut Ctx<'_>, new: &Binding) -> Result<(), StoreError> {
    let axb = &new.axb;
    let policy = intern(ctx.conn, &axb.policy)?;
    let sql = "UPDATE bindings SET a = ?2, b = ?3, direction = ?4, policy = ?5, duration_s = ?6, expires_at = ?7,
               changed_at = ?8, user_data = ?9 WHERE subscription = ?1";
    ctx.conn.prepare_cached(sql)?.execute(params![
        sub(axb.subscription),
        num(axb.a),
        num(axb.b),
        axb.direction as u8,
        policy,
        new.duration_s,
        axb.expires_at_ms.map(ms),
        ms(new.changed_ms),
        axb.user_data.as_deref(),
    ])?;
    Ok(())
}
