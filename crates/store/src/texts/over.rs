//! The end of a text, and what the customer is told of it.

use axbridge_call::{Fact, FactKind, TextReport};
use axbridge_sms::SendResult;
use axbridge_sms::route::Ticket;
use rusqlite::{OptionalExtension, params};

use crate::db::writer::Ctx;
use crate::error::StoreError;
use crate::ledger::tell_text;
use crate::settings::AppSettings;
use crate::sql::{from_json, ms, number_or_none};

/// Ends a text that is not over: what was written is forgotten, the notification is queued.
pub(super) fn end(
    ctx: &mut Ctx<'_>,
    id: &str,
    result: SendResult,
    parts: u32,
) -> Result<(), StoreError> {
    let sql =
        "SELECT ticket, written, receiver, accepted_at FROM texts WHERE id = ?1 AND state < 3";
    let mut statement = ctx.conn.prepare_cached(sql)?;
    let found = statement
        .query_row([id], |row| {
            let ticket: Ticket = from_json(row, 0)?;
            Ok((
                ticket,
                row.get::<_, Option<String>>(1)?,
                number_or_none(row, 2)?,
            ))
        })
        .optional()?;
    drop(statement);
    let Some((ticket, written, receiver)) = found else {
        return Ok(());
    };
    let sql = "UPDATE texts SET state = 3, result = ?2, parts = ?3, written = NULL, text = NULL, changed_at = ?4 WHERE id = ?1";
    ctx.conn
        .prepare_cached(sql)?
        .execute(params![id, u8::from(result), parts, ms(ctx.now_ms)])?;
    ctx.conn
        .prepare_cached("DELETE FROM text_sent WHERE text = ?1")?
        .execute([id])?;
    let sql = "SELECT app_key, settings FROM apps WHERE id = ?1";
    let mut statement = ctx.conn.prepare_cached(sql)?;
    let app: Option<(String, AppSettings)> = statement
        .query_row([ticket.app.0], |row| Ok((row.get(0)?, from_json(row, 1)?)))
        .optional()?;
    drop(statement);
    let Some((key, settings)) = app.filter(|(_, s)| s.sms.notify_url.is_some()) else {
        return Ok(());
    };
    let sql = "SELECT area FROM numbers WHERE x = ?1";
    let mut statement = ctx.conn.prepare_cached(sql)?;
    let area: Option<Option<String>> = statement
        .query_row([crate::sql::num(ticket.x)], |row| row.get(0))
        .optional()?;
    drop(statement);
    let forwarded = matches!(result, SendResult::Sent | SendResult::PartlySent);
    let report = TextReport {
        id: id.to_owned(),
        calling: ticket.sender.to_global(),
        called: receiver.filter(|_| forwarded).map(|r| r.to_global()),
        virtual_number: ticket.x.to_global(),
        direction: ticket.direction,
        parts,
        result: result.into(),
        content: written.filter(|_| settings.sms.content),
        area: area.flatten(),
    };
    let fact = Fact {
        app: ticket.app,
        app_key: key.into(),
        session_id: format!("text:{id}").into(),
        seq: 0,
        at_ms: ctx.now_ms,
        subscription_id: ticket.subscription,
        user_data: ticket.user_data,
        kind: FactKind::Text(Box::new(report)),
    };
    tell_text(ctx, &fact)
}

/// Forgets texts that were over before `before_ms`.
pub(crate) fn drop_old(ctx: &mut Ctx<'_>, before_ms: u64, limit: u32) -> Result<u32, StoreError> {
    let sql = "DELETE FROM texts WHERE id IN (SELECT id FROM texts WHERE accepted_at < ?1 AND state = 3 LIMIT ?2)";
    let dropped = ctx
        .conn
        .prepare_cached(sql)?
        .execute(params![ms(before_ms), limit])?;
    Ok(dropped as u32)
}
