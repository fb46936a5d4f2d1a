//! All bindings, for filling the table.

use std::collections::HashMap;

use axbridge_binding::Policy;
use rusqlite::params;

use super::rows::binding_with;
use crate::db::writer::{Bound, Ctx};
use crate::error::StoreError;
use crate::policy::policy_at;
use crate::sql::ms;

/// Every AXB binding that is not over. Millions: a policy is read once, not with each.
pub(crate) fn for_each(ctx: &Ctx<'_>, visit: &mut impl FnMut(Bound)) -> Result<(), StoreError> {
    let policies = policies(ctx)?;
    let sql = "SELECT s.subscription, s.app, s.x, s.a, s.b, s.direction, s.duration_s, s.expires_at, s.bound_at,
               s.changed_at, s.user_data, s.policy FROM bindings s WHERE s.expires_at IS NULL OR s.expires_at > ?1";
    let mut statement = ctx.conn.prepare(sql)?;
    let mut rows = statement.query(params![ms(ctx.now_ms)])?;
    while let Some(row) = rows.next()? {
        let policy = policies
            .get(&row.get::<_, i64>(11)?)
            .ok_or(StoreError::Corrupt("policy of a binding"))?;
        visit(Bound::Axb(binding_with(row, policy.clone())?.axb));
    }
    Ok(())
}

fn policies(ctx: &Ctx<'_>) -> Result<HashMap<i64, Policy>, StoreError> {
    let mut statement = ctx.conn.prepare("SELECT id, document FROM policies")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, policy_at(row, 1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
