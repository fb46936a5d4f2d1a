//! One fact into the tables. Everything a fact does is here; it is done in the transaction that also moves the
//! journal's position, so it is done once.

use std::collections::HashMap;
use std::sync::Arc;

use axbridge_binding::{AppId, SubscriptionId};
use axbridge_call::{Fact, FactKind};
use axbridge_numbering::Number;
use rusqlite::{Connection, OptionalExtension, params};

use super::history;
use crate::db::writer::{Ctx, Effect};
use crate::error::StoreError;
use crate::settings::AppSettings;
use crate::sql::{from_json, ms, num};
use crate::{ax, axe};

/// Where an application wants to be told.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Receivers {
    pub events: bool,
    pub records: bool,
    /// Both go to one address: then the record waits for the events in every case.
    pub same: bool,
}

/// Chains within a call: what is in one is delivered strictly in order.
pub(super) const EVENTS: u8 = 0;
pub(super) const RECORD: u8 = 1;

/// Applies facts; remembers the receivers of applications for one batch.
#[derive(Default)]
pub(super) struct Applier {
    receivers: HashMap<AppId, Receivers>,
    /// Calls that were looked up in this batch: has the call its record?
    ended: HashMap<Arc<str>, bool>,
    /// Facts that were there already.
    pub duplicates: u64,
    /// Facts that were new.
    pub applied: u64,
}

impl Applier {
    /// Applies one fact, of which `text` is the JSON.
    pub fn apply(&mut self, ctx: &mut Ctx<'_>, fact: &Fact, text: &str) -> Result<(), StoreError> {
        if fact.app == AppId(0) && matches!(fact.kind, FactKind::Trace(_)) {
            // Of no application's call: nothing will follow it, and nobody is told.
            match history::keep_refused(ctx, fact, text)? {
                true => self.applied += 1,
                false => self.duplicates += 1,
            }
            return Ok(());
        }
        if !self.begin(ctx.conn, fact, text)? {
            self.duplicates += 1;
            return Ok(());
        }
        self.applied += 1;
        let receivers = self.receivers_of(ctx.conn, fact.app)?;
        match &fact.kind {
            FactKind::Record(_) => {
                insert_record(ctx.conn, fact, text)?;
                self.ended.insert(Arc::clone(&fact.session_id), true);
                index_recording(ctx.conn, fact)?;
                let sql = "DELETE FROM open_facts WHERE session = ?1";
                ctx.conn.prepare_cached(sql)?.execute([&*fact.session_id])?;
                if receivers.records {
                    let chain = if receivers.same { EVENTS } else { RECORD };
                    queue(ctx, fact, text, chain)?;
                }
            }
            kind if receivers.events && is_event(kind) => queue(ctx, fact, text, EVENTS)?,
            FactKind::Reached { caller } => learn(ctx, fact, caller)?,
            // Without a receiver, or not for the customer: kept for the recovery of the call only.
            _ => {}
        }
        Ok(())
    }

    /// Notes the fact among those of open calls; false when it is known already.
    fn begin(&mut self, conn: &Connection, fact: &Fact, text: &str) -> Result<bool, StoreError> {
        let ended = match self.ended.get(&fact.session_id) {
            Some(ended) => *ended,
            None => {
                let sql = "SELECT 1 FROM call_records WHERE session = ?1";
                let ended = conn.prepare_cached(sql)?.exists([&*fact.session_id])?;
                self.ended.insert(Arc::clone(&fact.session_id), ended);
                ended
            }
        };
        if ended {
            return Ok(false);
        }
        let sql = "INSERT OR IGNORE INTO open_facts(session, seq, fact) VALUES (?1, ?2, ?3)";
        let new = conn
            .prepare_cached(sql)?
            .execute(params![&*fact.session_id, fact.seq, text])?;
        Ok(new == 1)
    }

    pub fn receivers_of(&mut self, conn: &Connection, app: AppId) -> Result<Receivers, StoreError> {
        if let Some(receivers) = self.receivers.get(&app) {
            return Ok(*receivers);
        }
        let mut statement = conn.prepare_cached("SELECT settings FROM apps WHERE id = ?1")?;
        let settings: Option<AppSettings> = statement
            .query_row([app.0], |row| from_json(row, 0))
            .optional()?;
        let receivers = settings.map_or(Receivers::default(), |s| Receivers {
            events: s.call_status_url.is_some(),
            records: s.cdr_url.is_some(),
            same: s.call_status_url == s.cdr_url,
        });
        self.receivers.insert(app, receivers);
        Ok(receivers)
    }
}

/// The customer is told of it as an event.
pub(super) fn is_event(kind: &FactKind) -> bool {
    matches!(
        kind,
        FactKind::CallIn { asked: false, .. }
            | FactKind::CollectInfo { .. }
            | FactKind::CallOut { .. }
            | FactKind::Alerting { .. }
            | FactKind::Answer { .. }
            | FactKind::Disconnect { .. }
    )
}

/// Who reached A: whom A reaches when A calls back. The binding may be gone.
fn learn(ctx: &mut Ctx<'_>, fact: &Fact, caller: &str) -> Result<(), StoreError> {
    let subscription = fact.subscription_id.as_deref();
    if let Some(id) = subscription.and_then(SubscriptionId::parse)
        && let Ok(caller) = Number::parse_global(caller)
        && !ax::learn(ctx, id, caller, fact.at_ms)?
    {
        axe::learn(ctx, id, caller, fact.at_ms)?;
    }
    Ok(())
}

fn insert_record(conn: &Connection, fact: &Fact, text: &str) -> Result<(), StoreError> {
    let FactKind::Record(record) = &fact.kind else {
        return Ok(());
    };
    let key = |text: &str| Number::parse_global(text).map_or(0, num);
    let sql = "INSERT INTO call_records(session, app, x, caller, callee, call_in, call_end, state_code, subscription, fact,
                                        facts)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10,
                       (SELECT group_concat(fact, char(10))
                        FROM (SELECT fact FROM open_facts WHERE session = ?1 AND seq < ?11 ORDER BY seq)))";
    conn.prepare_cached(sql)?.execute(params![
        &*fact.session_id,
        fact.app.0,
        key(&record.bind_num),
        key(&record.caller_num),
        key(&record.fwd_dst_num),
        ms(record.call_in_ms),
        ms(record.call_end_ms),
        record.state_code,
        fact.subscription_id.as_deref(),
        text,
        fact.seq,
    ])?;
    Ok(())
}

/// Makes the recording of a call known, so that it can be asked for and is deleted in time.
fn index_recording(conn: &Connection, fact: &Fact) -> Result<(), StoreError> {
    let FactKind::Record(record) = &fact.kind else {
        return Ok(());
    };
    let Some(object) = record
        .record_object
        .as_deref()
        .filter(|_| record.record_flag == 1)
    else {
        return Ok(());
    };
    let mut statement = conn.prepare_cached("SELECT settings FROM apps WHERE id = ?1")?;
    let settings: Option<AppSettings> = statement
        .query_row([fact.app.0], |row| from_json(row, 0))
        .optional()?;
    let kept_days = settings.unwrap_or_default().recording_kept_days;
    let sql = "INSERT OR REPLACE INTO recordings(object, app, session, path, bytes, duration_ms, created_at, expires_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    conn.prepare_cached(sql)?.execute(params![
        object,
        fact.app.0,
        &*fact.session_id,
        format!("{}/{object}", fact.app.0),
        ms(record.record_bytes),
        ms(record.record_length_ms),
        ms(fact.at_ms),
        ms(fact.at_ms + u64::from(kept_days) * 86_400_000),
    ])?;
    Ok(())
}

/// Puts the fact behind what its chain still has to tell.
fn queue(ctx: &mut Ctx<'_>, fact: &Fact, text: &str, chain: u8) -> Result<(), StoreError> {
    // A record with a receiver of its own goes after the events, but does not wait for a receiver that fails.
    let sql = if chain == EVENTS {
        "SELECT 1 FROM outbox WHERE session = ?1 AND chain = 0 AND state = 0 LIMIT 1"
    } else {
        "SELECT 1 FROM outbox WHERE session = ?1 AND chain = 0 AND state = 0 AND head = 1 AND attempts = 0 LIMIT 1"
    };
    let waits = ctx.conn.prepare_cached(sql)?.exists([&*fact.session_id])?;
    let kind = matches!(fact.kind, FactKind::Record(_));
    let sql = "INSERT INTO outbox(app, session, chain, seq, kind, state, head, attempts, next_attempt, queued_at, fact)
               VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6, 0, ?7, ?7, ?8)";
    ctx.conn.prepare_cached(sql)?.execute(params![
        fact.app.0,
        &*fact.session_id,
        chain,
        fact.seq,
        u8::from(kind),
        !waits,
        ms(ctx.now_ms),
        text
    ])?;
    ctx.effect(Effect::Outbox);
    Ok(())
}
