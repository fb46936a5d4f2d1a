//! Bindings as rows, and the small writes that every operation is made of.

use std::sync::Arc;

use axbridge_binding::{AppId, Axb, Policy, SubscriptionId};
use axbridge_numbering::Number;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::types::Binding;
use crate::bound::count;
use crate::db::writer::{Ctx, Effect};
use crate::error::{BindError, StoreError};
use crate::policy::{intern, policy_at};
use crate::sql::{direction, ms, num, number, sub, subscription, to_ms};

/// Columns for [`binding_of`]; `s` is bindings, `p` policies.
pub(super) const COLUMNS: &str = "s.subscription, s.app, s.x, s.a, s.b, s.direction, s.duration_s, s.expires_at, \
     s.bound_at, s.changed_at, s.user_data, p.document";
pub(super) const FROM: &str = "bindings s JOIN policies p ON p.id = s.policy";

/// A row, with its policy got from `policy` (the last column, unless the caller has it already).
pub(super) fn binding_with(row: &Row<'_>, policy: Policy) -> rusqlite::Result<Binding> {
    Ok(Binding {
        axb: Axb {
            subscription: subscription(row, 0)?,
            app: AppId(row.get(1)?),
            x: number(row, 2)?,
            a: number(row, 3)?,
            b: number(row, 4)?,
            direction: direction(row, 5)?,
            expires_at_ms: row.get::<_, Option<i64>>(7)?.map(to_ms),
            policy,
            user_data: row.get_ref(10)?.as_str_or_null()?.map(Arc::from),
        },
        duration_s: row.get(6)?,
        bound_ms: to_ms(row.get(8)?),
        changed_ms: to_ms(row.get(9)?),
    })
}

pub(super) fn binding_of(row: &Row<'_>) -> rusqlite::Result<Binding> {
    let policy = policy_at(row, 11)?;
    binding_with(row, policy)
}

/// The binding, of whatever application, expired or not.
pub(super) fn find(conn: &Connection, id: SubscriptionId) -> rusqlite::Result<Option<Binding>> {
    let sql = format!("SELECT {COLUMNS} FROM {FROM} WHERE s.subscription = ?1");
    conn.prepare_cached(&sql)?
        .query_row([sub(id)], binding_of)
        .optional()
}

pub(super) fn is_live(binding: &Binding, now_ms: u64) -> bool {
    binding.axb.expires_at_ms.is_none_or(|at| at > now_ms)
}

/// Puts a party on an X, or says that it stands there. A binding that has expired makes room.
pub(super) fn seat(
    ctx: &mut Ctx<'_>,
    party: Number,
    x: Number,
    id: SubscriptionId,
) -> Result<(), BindError> {
    let sql = "SELECT subscription FROM binding_parties WHERE party = ?1 AND x = ?2";
    let mut statement = ctx.conn.prepare_cached(sql)?;
    let occupant = statement
        .query_row([num(party), num(x)], |row| subscription(row, 0))
        .optional()?;
    drop(statement);
    if let Some(occupant) = occupant {
        let binding = find(ctx.conn, occupant)?.ok_or(StoreError::Corrupt("binding"))?;
        if is_live(&binding, ctx.now_ms) {
            return Err(BindError::Bound);
        }
        delete(ctx, &binding.axb)?;
    }
    let sql = "INSERT INTO binding_parties(party, x, subscription) VALUES (?1, ?2, ?3)";
    ctx.conn
        .prepare_cached(sql)?
        .execute(params![num(party), num(x), sub(id)])?;
    Ok(())
}

/// Takes a party off an X.
pub(super) fn unseat(ctx: &mut Ctx<'_>, party: Number, x: Number) -> Result<(), StoreError> {
    let sql = "DELETE FROM binding_parties WHERE party = ?1 AND x = ?2";
    ctx.conn
        .prepare_cached(sql)?
        .execute([num(party), num(x)])?;
    Ok(())
}

/// Removes a binding with everything that hangs on it.
pub(super) fn delete(ctx: &mut Ctx<'_>, axb: &Axb) -> Result<(), StoreError> {
    unseat(ctx, axb.a, axb.x)?;
    unseat(ctx, axb.b, axb.x)?;
    ctx.conn
        .prepare_cached("DELETE FROM bindings WHERE subscription = ?1")?
        .execute([sub(axb.subscription)])?;
    count(ctx, axb.x, -1)?;
    ctx.effect(Effect::Withdraw {
        x: axb.x,
        subscription: axb.subscription,
    });
    Ok(())
}

/// Writes the row of a new binding.
pub(super) fn insert(ctx: &mut Ctx<'_>, binding: &Binding) -> Result<(), StoreError> {
    let axb = &binding.axb;
    let policy = intern(ctx.conn, &axb.policy)?;
    let sql = "INSERT INTO bindings(subscription, app, x, a, b, direction, policy, duration_s, expires_at, bound_at,
               changed_at, user_data) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
    ctx.conn.prepare_cached(sql)?.execute(params![
        sub(axb.subscription),
        axb.app.0,
        num(axb.x),
        num(axb.a),
        num(axb.b),
        axb.direction as u8,
        policy,
        binding.duration_s,
        axb.expires_at_ms.map(ms),
        ms(binding.bound_ms),
        ms(binding.changed_ms),
        axb.user_data.as_deref(),
    ])?;
    Ok(())
}
