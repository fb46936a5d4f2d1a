//! The rows of texts: accepted, asked, sent, tried again.

use axbridge_binding::AppId;
use axbridge_numbering::Number;
use axbridge_sms::Text;
use axbridge_sms::route::{Account, Step, Ticket};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::over;
use super::types::{DueState, DueText, NewText, TextFilter, TextOwner, TextRow, TextState};
use crate::db::writer::Ctx;
use crate::error::StoreError;
use crate::settings::{AppSettings, AppStatus, Page};
use crate::sql::{from_json, ms, num, number, number_or_none, to_json, to_ms};

pub(super) fn owner(conn: &Connection, x: Number) -> Result<Option<TextOwner>, StoreError> {
    let sql = "SELECT n.app, n.texts, a.status, a.settings FROM numbers n JOIN apps a ON a.id = n.app WHERE n.x = ?1";
    let mut statement = conn.prepare_cached(sql)?;
    let owner = statement.query_row([num(x)], |row| {
        let settings: AppSettings = from_json(row, 3)?;
        Ok(TextOwner {
            app: AppId(row.get(0)?),
            account: match from_json(row, 2)? {
                AppStatus::Active => Account::Active,
                AppStatus::Suspended => Account::Suspended,
                AppStatus::Frozen => Account::Frozen,
            },
            texts: settings.sms.enabled && row.get(1)?,
        })
    });
    Ok(owner.optional()?)
}

/// False when a text of this origin is here.
pub(super) fn insert(ctx: &mut Ctx<'_>, new: &NewText) -> Result<bool, StoreError> {
    let state = match &new.step {
        Step::Ask => TextState::Asks,
        // One that ends at once passes through here, too: there is one way to its end.
        Step::Forward { .. } | Step::End(_) => TextState::Sends,
    };
    let (receiver, text) = forwarded(&new.step);
    let sql = "INSERT INTO texts(id, app, origin, x, sender, state, ticket, written, receiver, text, next_attempt, accepted_at, changed_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?11, ?11) ON CONFLICT(origin) DO NOTHING";
    let inserted = ctx.conn.prepare_cached(sql)?.execute(params![
        new.id,
        new.ticket.app.0,
        new.origin,
        num(new.ticket.x),
        num(new.ticket.sender),
        state.to_row(),
        to_json(&new.ticket)?,
        new.written.as_ref().map(Text::reveal),
        receiver.map(num),
        text.map(Text::reveal),
        ms(ctx.now_ms),
    ])?;
    if inserted == 0 {
        return Ok(false);
    }
    after(ctx, &new.id, &new.step)?;
    Ok(true)
}

fn forwarded(step: &Step) -> (Option<Number>, Option<&Text>) {
    match step {
        Step::Forward { receiver, text } => (Some(*receiver), Some(text)),
        Step::Ask | Step::End(_) => (None, None),
    }
}

fn after(ctx: &mut Ctx<'_>, id: &str, step: &Step) -> Result<(), StoreError> {
    match step {
        Step::End(result) => over::end(ctx, id, *result, 0),
        Step::Ask | Step::Forward { .. } => Ok(()),
    }
}

pub(super) fn answered(
    ctx: &mut Ctx<'_>,
    id: &str,
    ticket: &Ticket,
    step: &Step,
) -> Result<(), StoreError> {
    let (receiver, text) = forwarded(step);
    let sql = "UPDATE texts SET state = 1, ticket = ?2, receiver = ?3, text = ?4, next_attempt = ?5, changed_at = ?5
               WHERE id = ?1 AND state = 0";
    let changed = ctx.conn.prepare_cached(sql)?.execute(params![
        id,
        to_json(ticket)?,
        receiver.map(num),
        text.map(Text::reveal),
        ms(ctx.now_ms)
    ])?;
    match changed {
        0 => Ok(()),
        _ => after(ctx, id, step),
    }
}

pub(super) fn later(ctx: &mut Ctx<'_>, id: &str, next_ms: u64) -> Result<(), StoreError> {
    let sql = "UPDATE texts SET attempts = attempts + 1, next_attempt = ?2, changed_at = ?3 WHERE id = ?1 AND state < 3";
    ctx.conn
        .prepare_cached(sql)?
        .execute(params![id, ms(next_ms), ms(ctx.now_ms)])?;
    Ok(())
}

pub(super) fn waits(
    ctx: &mut Ctx<'_>,
    id: &str,
    parts: u32,
    until_ms: u64,
) -> Result<(), StoreError> {
    let sql = "UPDATE texts SET state = 2, parts = ?2, next_attempt = ?3, changed_at = ?4 WHERE id = ?1 AND state = 1";
    ctx.conn
        .prepare_cached(sql)?
        .execute(params![id, parts, ms(until_ms), ms(ctx.now_ms)])?;
    Ok(())
}

fn text_at(row: &Row<'_>, at: usize) -> rusqlite::Result<Text> {
    let text: String = row.get(at)?;
    Text::new(text).map_err(|e| {
        rusqlite::Error::FromSqlConversionFailure(at, rusqlite::types::Type::Text, Box::new(e))
    })
}

pub(super) fn due(conn: &Connection, now_ms: u64, limit: u32) -> Result<Vec<DueText>, StoreError> {
    let sql = "SELECT id, ticket, written, attempts, accepted_at, state, receiver, text FROM texts
               WHERE state < 3 AND next_attempt <= ?1 ORDER BY next_attempt LIMIT ?2";
    let mut statement = conn.prepare_cached(sql)?;
    let rows = statement.query_map(params![ms(now_ms), limit], |row| {
        let state = TextState::from_row(row.get(5)?);
        Ok(DueText {
            id: row.get(0)?,
            ticket: from_json(row, 1)?,
            written: text_at(row, 2)?,
            attempts: row.get(3)?,
            accepted_ms: to_ms(row.get(4)?),
            state: match state {
                TextState::Asks => DueState::Ask,
                TextState::Sends => DueState::Send {
                    receiver: number(row, 6)?,
                    text: text_at(row, 7)?,
                    sent: Vec::new(),
                },
                TextState::Waits | TextState::Over => DueState::Unreported,
            },
        })
    })?;
    let mut due: Vec<DueText> = rows.collect::<Result<_, _>>()?;
    let mut parts =
        conn.prepare_cached("SELECT part FROM text_sent WHERE text = ?1 ORDER BY part")?;
    for text in &mut due {
        if let DueState::Send { sent, .. } = &mut text.state {
            let rows = parts.query_map([&text.id], |row| row.get(0))?;
            *sent = rows.collect::<Result<_, _>>()?;
        }
    }
    Ok(due)
}

pub(super) fn next_due(conn: &Connection) -> Result<Option<u64>, StoreError> {
    let sql = "SELECT min(next_attempt) FROM texts WHERE state < 3";
    let next: Option<i64> = conn.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
    Ok(next.map(to_ms))
}

pub(super) fn list(
    conn: &Connection,
    filter: &TextFilter,
    page: u32,
    page_size: u32,
) -> Result<Page<TextRow>, StoreError> {
    let condition = "(?1 IS NULL OR app = ?1) AND (?2 IS NULL OR x = ?2)";
    let (app, x) = (filter.app.map(|app| app.0), filter.x.map(num));
    let total: i64 = conn.query_row(
        &format!("SELECT count(*) FROM texts WHERE {condition}"),
        params![app, x],
        |row| row.get(0),
    )?;
    let sql = format!(
        "SELECT id, ticket, receiver, state, result, parts, attempts, accepted_at, changed_at FROM texts
         WHERE {condition} ORDER BY accepted_at DESC, id DESC LIMIT ?3 OFFSET ?4"
    );
    let mut statement = conn.prepare_cached(&sql)?;
    let offset = u64::from(page.max(1) - 1) * u64::from(page_size);
    let items = statement.query_map(params![app, x, page_size, ms(offset)], |row| {
        let result: Option<u8> = row.get(4)?;
        Ok(TextRow {
            id: row.get(0)?,
            ticket: from_json(row, 1)?,
            receiver: number_or_none(row, 2)?,
            state: TextState::from_row(row.get(3)?),
            result: result.and_then(|value| value.try_into().ok()),
            parts: row.get(5)?,
            attempts: row.get(6)?,
            accepted_ms: to_ms(row.get(7)?),
            changed_ms: to_ms(row.get(8)?),
        })
    })?;
    Ok(Page {
        items: items.collect::<Result<_, _>>()?,
        total: to_ms(total),
    })
}
