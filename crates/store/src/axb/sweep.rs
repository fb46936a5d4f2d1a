//! Removing what has expired. Nothing depends on when: expired bindings neither route nor block.

use axbridge_numbering::Number;
use rusqlite::params;

use super::rows::{COLUMNS, FROM, binding_of, delete};
use super::types::Binding;
use crate::db::writer::Ctx;
use crate::error::StoreError;
use crate::sql::{ms, num};

/// Removes up to `limit` expired bindings, the oldest first; says how many.
pub(crate) fn sweep(ctx: &mut Ctx<'_>, limit: u32) -> Result<u32, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM {FROM} WHERE s.expires_at <= ?1 ORDER BY s.expires_at LIMIT ?2"
    );
    let mut statement = ctx.conn.prepare_cached(&sql)?;
    let expired = statement
        .query_map(params![ms(ctx.now_ms), limit], binding_of)?
        .collect::<Result<Vec<_>, _>>()?;
    drop(statement);
    remove(ctx, &expired)
}

/// Removes the expired bindings on one X.
pub(crate) fn sweep_number(ctx: &mut Ctx<'_>, x: Number) -> Result<u32, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM {FROM} WHERE s.x = ?1 AND s.expires_at <= ?2");
    let mut statement = ctx.conn.prepare_cached(&sql)?;
    let expired = statement
        .query_map(params![num(x), ms(ctx.now_ms)], binding_of)?
        .collect::<Result<Vec<_>, _>>()?;
    drop(statement);
    remove(ctx, &expired)
}

fn remove(ctx: &mut Ctx<'_>, expired: &[Binding]) -> Result<u32, StoreError> {
    expired
        .iter()
        .try_for_each(|binding| delete(ctx, &binding.axb))?;
    Ok(u32::try_from(expired.len()).unwrap_or(u32::MAX))
}
