//! Removing what has expired. Nothing depends on when: what has expired neither routes nor blocks.

use axbridge_numbering::Number;
use rusqlite::params;

use super::rows::{delete, delete_part, find_all, parts};
use crate::db::writer::Ctx;
use crate::error::StoreError;
use crate::sql::{ms, num};

/// Removes up to `limit` relations that are over, with their parts; says how many.
pub(crate) fn sweep(ctx: &mut Ctx<'_>, limit: u32) -> Result<u32, StoreError> {
    let condition = "s.expires_at <= ?1 ORDER BY s.expires_at LIMIT ?2";
    let expired = find_all(ctx.conn, condition, params![ms(ctx.now_ms), limit])?;
    expired
        .iter()
        .try_for_each(|relation| delete(ctx, relation))?;
    Ok(u32::try_from(expired.len()).unwrap_or(u32::MAX))
}

/// Removes up to `limit` parts that are over; says how many.
pub(crate) fn sweep_parts(ctx: &mut Ctx<'_>, limit: u32) -> Result<u32, StoreError> {
    let condition =
        "p.id IN (SELECT id FROM axyb_parts WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)";
    let expired = parts(ctx.conn, condition, params![ms(ctx.now_ms), limit])?;
    expired.iter().try_for_each(|part| delete_part(ctx, part))?;
    Ok(u32::try_from(expired.len()).unwrap_or(u32::MAX))
}

/// Removes what is over on a number, as X or as Y.
pub(crate) fn sweep_number(ctx: &mut Ctx<'_>, x: Number) -> Result<u32, StoreError> {
    let key = params![ms(ctx.now_ms), num(x)];
    let relations = find_all(ctx.conn, "s.expires_at <= ?1 AND s.x = ?2", key)?;
    relations
        .iter()
        .try_for_each(|relation| delete(ctx, relation))?;
    let as_y = parts(ctx.conn, "p.expires_at <= ?1 AND p.y = ?2", key)?;
    as_y.iter().try_for_each(|part| delete_part(ctx, part))?;
    Ok(u32::try_from(relations.len() + as_y.len()).unwrap_or(u32::MAX))
}
