//! Bindings as rows, and the small writes that every operation is made of.

use std::sync::Arc;

use axbridge_binding::{AppId, Axb, CallDirection, Policy, SubscriptionId};
use axbridge_numbering::Number;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};

use super::types::Binding;
use crate::db::writer::{Ctx, Effect};
use crate::error::{BindError, StoreError};
use crate::sql::{ms, num, number, sub, subscription, to_json, to_ms};

/// The document under which equal policies meet. Keys are short because a million of them are compared.
#[derive(Serialize, Deserialize)]
struct PolicyDocument {
    max: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last: Option<Arc<str>>,
    #[serde(default)]
    record: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hint: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pre_a: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pre_b: Option<Arc<str>>,
    warn: u16,
    sms: bool,
}

fn policy_text(policy: &Policy) -> Result<String, StoreError> {
    to_json(&PolicyDocument {
        max: policy.max_duration_min,
        last: policy.last_min_voice.clone(),
        record: policy.record,
        hint: policy.record_hint_tone.clone(),
        pre_a: policy.pre_voice_caller.clone(),
        pre_b: policy.pre_voice_callee.clone(),
        warn: policy.warn_before_s,
        sms: policy.private_sms,
    })
}

pub(super) fn policy_at(row: &Row<'_>, at: usize) -> rusqlite::Result<Policy> {
    let text = row.get_ref(at)?.as_str()?;
    let document: PolicyDocument = serde_json::from_str(text)
        .map_err(|e| rusqlite::Error::FromSqlConversionFailure(at, Type::Text, Box::new(e)))?;
    Ok(Policy {
        max_duration_min: document.max,
        last_min_voice: document.last,
        record: document.record,
        record_hint_tone: document.hint,
        pre_voice_caller: document.pre_a,
        pre_voice_callee: document.pre_b,
        warn_before_s: document.warn,
        private_sms: document.sms,
    })
}

/// The row of this policy, made when it is new.
pub(super) fn intern(conn: &Connection, policy: &Policy) -> Result<i64, StoreError> {
    let text = policy_text(policy)?;
    let mut find = conn.prepare_cached("SELECT id FROM policies WHERE document = ?1")?;
    if let Some(id) = find.query_row([&text], |row| row.get(0)).optional()? {
        return Ok(id);
    }
    conn.prepare_cached("INSERT INTO policies(document) VALUES (?1)")?
        .execute([&text])?;
    Ok(conn.last_insert_rowid())
}

fn direction_at(row: &Row<'_>, at: usize) -> rusqlite::Result<CallDirection> {
    let value: u8 = row.get(at)?;
    CallDirection::try_from(value)
        .map_err(|e| rusqlite::Error::FromSqlConversionFailure(at, Type::Integer, Box::new(e)))
}

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
            direction: direction_at(row, 5)?,
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

/// The end of a life of `duration_s` that begins now.
pub(super) fn expiry(now_ms: u64, duration_s: u32) -> Option<u64> {
    (duration_s > 0).then(|| now_ms + u64::from(duration_s) * 1_000)
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

/// Adds to the number of pairs on an X.
pub(super) fn count_pairs(ctx: &mut Ctx<'_>, x: Number, by: i64) -> Result<(), StoreError> {
    let sql = "UPDATE numbers SET pairs = max(0, pairs + ?2) WHERE x = ?1";
    ctx.conn.prepare_cached(sql)?.execute([num(x), by])?;
    Ok(())
}

/// Removes a binding with everything that hangs on it.
pub(super) fn delete(ctx: &mut Ctx<'_>, axb: &Axb) -> Result<(), StoreError> {
    unseat(ctx, axb.a, axb.x)?;
    unseat(ctx, axb.b, axb.x)?;
    ctx.conn
        .prepare_cached("DELETE FROM bindings WHERE subscription = ?1")?
        .execute([sub(axb.subscription)])?;
    count_pairs(ctx, axb.x, -1)?;
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
