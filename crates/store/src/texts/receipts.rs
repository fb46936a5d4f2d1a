//! Parts that carriers have taken, and what they report of them.

use axbridge_sms::SendResult;
use axbridge_sms::receipt::{PartState, Receipt};
use rusqlite::{OptionalExtension, params};

use super::over;
use super::types::SentPart;
use crate::db::writer::Ctx;
use crate::error::StoreError;
use crate::sql::ms;

fn to_row(state: PartState) -> u8 {
    match state {
        PartState::Pending => 0,
        PartState::Delivered => 1,
        PartState::Failed => 2,
    }
}

pub(super) fn sent(
    ctx: &mut Ctx<'_>,
    id: &str,
    link: &str,
    parts: &[SentPart],
) -> Result<(), StoreError> {
    for part in parts {
        let mut state = to_row(part.state);
        if let Some(remote) = &part.remote {
            // A receipt may be faster than the commit of what it is about.
            let sql = "DELETE FROM text_receipts WHERE link = ?1 AND remote = ?2 RETURNING state";
            let early: Option<u8> = ctx
                .conn
                .prepare_cached(sql)?
                .query_row(params![link, remote], |row| row.get(0))
                .optional()?;
            state = early.unwrap_or(state);
        }
        let sql = "INSERT OR REPLACE INTO text_sent(text, part, link, remote, state) VALUES (?1, ?2, ?3, ?4, ?5)";
        ctx.conn.prepare_cached(sql)?.execute(params![
            id,
            part.number,
            link,
            part.remote,
            state
        ])?;
    }
    Ok(())
}

pub(super) fn came(ctx: &mut Ctx<'_>, link: &str, receipt: &Receipt) -> Result<(), StoreError> {
    if receipt.state == PartState::Pending {
        return Ok(());
    }
    let state = to_row(receipt.state);
    let sql = "UPDATE text_sent SET state = ?3 WHERE link = ?1 AND remote = ?2 RETURNING text";
    let text: Option<String> = ctx
        .conn
        .prepare_cached(sql)?
        .query_row(params![link, receipt.id, state], |row| row.get(0))
        .optional()?;
    match text {
        Some(text) => settle(ctx, &text),
        None => {
            let sql = "INSERT OR REPLACE INTO text_receipts(link, remote, state, came_at) VALUES (?1, ?2, ?3, ?4)";
            ctx.conn.prepare_cached(sql)?.execute(params![
                link,
                receipt.id,
                state,
                ms(ctx.now_ms)
            ])?;
            Ok(())
        }
    }
}

/// Parts delivered, parts under way, parts in all of a text that waits.
fn counts(ctx: &Ctx<'_>, id: &str) -> Result<Option<(u32, u32, u32)>, StoreError> {
    let sql = "SELECT parts, (SELECT count(*) FROM text_sent WHERE text = id AND state = 1),
                 (SELECT count(*) FROM text_sent WHERE text = id AND state = 0)
               FROM texts WHERE id = ?1 AND state = 2";
    let mut statement = ctx.conn.prepare_cached(sql)?;
    let counts = statement.query_row([id], |row| Ok((row.get(1)?, row.get(2)?, row.get(0)?)));
    Ok(counts.optional()?)
}

/// Ends a text that waits when all its parts have a fate.
pub(super) fn settle(ctx: &mut Ctx<'_>, id: &str) -> Result<(), StoreError> {
    match counts(ctx, id)? {
        Some((delivered, 0, parts)) => {
            let result = SendResult::of_parts(delivered as usize, parts as usize);
            over::end(ctx, id, result, parts)
        }
        _ => Ok(()),
    }
}

/// What was taken and not reported as failed counts as delivered.
pub(super) fn unreported(ctx: &mut Ctx<'_>, id: &str) -> Result<(), StoreError> {
    let sql = "UPDATE text_sent SET state = 1 WHERE text = ?1 AND state = 0";
    ctx.conn.prepare_cached(sql)?.execute([id])?;
    settle(ctx, id)
}

/// Forgets receipts that belong to nothing.
pub(crate) fn drop_early(ctx: &mut Ctx<'_>, before_ms: u64, limit: u32) -> Result<u32, StoreError> {
    let sql = "DELETE FROM text_receipts WHERE rowid IN (SELECT rowid FROM text_receipts WHERE came_at < ?1 LIMIT ?2)";
    let dropped = ctx
        .conn
        .prepare_cached(sql)?
        .execute(params![ms(before_ms), limit])?;
    Ok(dropped as u32)
}
