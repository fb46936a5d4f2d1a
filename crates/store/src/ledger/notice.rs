//! Telling an application what is not of a call: that one of its numbers changed its state, what became of a text.

use axbridge_call::{Fact, FactKind};
use rusqlite::params;

use super::apply::EVENTS;
use super::outbox::OutboxKind;
use crate::db::writer::{Ctx, Effect};
use crate::error::StoreError;
use crate::settings::{AppSettings, NumberRecord};
use crate::sql::{from_json, ms, next, to_json};

/// Queues a notice, if the application wants such. The notices of one number keep their order.
pub(crate) fn tell_number_status(
    ctx: &mut Ctx<'_>,
    number: &NumberRecord,
) -> Result<(), StoreError> {
    let sql = "SELECT app_key, settings FROM apps WHERE id = ?1";
    let mut statement = ctx.conn.prepare_cached(sql)?;
    let (key, settings): (String, AppSettings) =
        statement.query_row([number.app.0], |row| Ok((row.get(0)?, from_json(row, 1)?)))?;
    drop(statement);
    let receiver = settings.number_status_url.or(settings.call_status_url);
    if !settings.push_number_status || receiver.is_none() {
        return Ok(());
    }
    let fact = Fact {
        app: number.app,
        app_key: key.into(),
        session_id: format!("number:{}", number.x.digits()).into(),
        // The counter of all notices: it wraps around when no notice of old is left.
        seq: next(ctx.conn, "notice")? as u32,
        at_ms: ctx.now_ms,
        subscription_id: None,
        user_data: None,
        kind: FactKind::NumberStatus {
            number: number.x.to_global(),
            status: number.status.into(),
            cause: number.cause,
        },
    };
    queue(ctx, &fact, OutboxKind::NumberStatus)
}

/// Queues what became of a text; whether the application wants to know is for the caller to say.
pub(crate) fn tell_text(ctx: &mut Ctx<'_>, fact: &Fact) -> Result<(), StoreError> {
    queue(ctx, fact, OutboxKind::Text)
}

/// Puts a fact that is not of a call behind what its session still has to tell.
fn queue(ctx: &mut Ctx<'_>, fact: &Fact, kind: OutboxKind) -> Result<(), StoreError> {
    let sql = "SELECT 1 FROM outbox WHERE session = ?1 AND chain = ?2 AND state = 0 LIMIT 1";
    let mut statement = ctx.conn.prepare_cached(sql)?;
    let waits = statement.exists(params![&*fact.session_id, EVENTS])?;
    drop(statement);
    let sql = "INSERT INTO outbox(app, session, chain, seq, kind, state, head, attempts, next_attempt, queued_at, fact)
               VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6, 0, ?7, ?7, ?8)";
    ctx.conn.prepare_cached(sql)?.execute(params![
        fact.app.0,
        &*fact.session_id,
        EVENTS,
        fact.seq,
        kind as u8,
        !waits,
        ms(ctx.now_ms),
        to_json(fact)?,
    ])?;
    ctx.effect(Effect::Outbox);
    Ok(())
}
