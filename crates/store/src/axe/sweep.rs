//! Removing what has expired. Nothing depends on when: expired bindings neither route nor block.

use axbridge_numbering::Number;
use rusqlite::params;

use super::rows::{COLUMNS, FROM, delete, stored_of};
use crate::db::writer::Ctx;
use crate::error::StoreError;
use crate::sql::{ms, num};

/// Removes up to `limit` expired bindings, the oldest first; says how many.
pub(crate) fn sweep(ctx: &mut Ctx<'_>, limit: u32) -> Result<u32, StoreError> {
    let condition = "s.expires_at <= ?1 ORDER BY s.expires_at LIMIT ?2";
    remove(ctx, condition, i64::from(limit))
}

/// Removes the expired bindings on one X.
pub(crate) fn sweep_number(ctx: &mut Ctx<'_>, x: Number) -> Result<u32, StoreError> {
    remove(ctx, "s.expires_at <= ?1 AND s.x = ?2", num(x))
}

fn remove(ctx: &mut Ctx<'_>, condition: &str, key: i64) -> Result<u32, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM {FROM} WHERE {condition}");
    let mut statement = ctx.conn.prepare_cached(&sql)?;
    let expired = statement
        .query_map(params![ms(ctx.now_ms), key], stored_of)?
        .collect::<Result<Vec<_>, _>>()?;
    drop(statement);
    expired.iter().try_for_each(|stored| delete(ctx, stored))?;
    Ok(u32::try_from(expired.len()).unwrap_or(u32::MAX))
}

/// Forgets up to `limit` extensions that have rested.
pub(crate) fn drop_released(ctx: &mut Ctx<'_>, limit: u32) -> Result<u32, StoreError> {
    let sql = "DELETE FROM axe_released WHERE (x, extension) IN
               (SELECT x, extension FROM axe_released WHERE free_at <= ?1 ORDER BY free_at LIMIT ?2)";
    let removed = ctx
        .conn
        .prepare_cached(sql)?
        .execute(params![ms(ctx.now_ms), limit])?;
    Ok(removed as u32)
}
