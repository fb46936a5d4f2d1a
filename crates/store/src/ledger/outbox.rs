//! What is still to be told to customers: at least once, in order for each call, with retries.
//!
//! Only the head of a chain (the lowest sequence number of a call that is not delivered) is ever due. What was
//! delivered is removed; what failed for good stays, visible and replayable, until it is too old.

use std::collections::HashSet;
use std::sync::Arc;

use axbridge_binding::AppId;
use axbridge_call::{Fact, FactKind};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::apply::{EVENTS, RECORD};
use crate::Store;
use crate::db::writer::{Ctx, Effect};
use crate::error::StoreError;
use crate::settings::Page;
use crate::sql::{from_json, ms, to_ms};

/// Minutes after each failed attempt until the next; when they are used up the item is undelivered.
pub const RETRY_AFTER_MIN: [u64; 6] = [1, 4, 9, 106, 203, 300];
/// Call records in one POST.
pub const RECORDS_MERGED_MAX: usize = 50;

/// Notices of the status of numbers in one POST.
pub const NOTICES_MERGED_MAX: usize = 100;

/// What an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutboxKind {
    /// A call event: one in each POST.
    Event,
    /// A call record: up to [`RECORDS_MERGED_MAX`] in one POST.
    Record,
    /// Notices of the status of numbers (facts of the kind `NumberStatus`): up to [`NOTICES_MERGED_MAX`] in
    /// one POST.
    NumberStatus,
    /// What became of a text: one in each POST.
    Text,
}

/// One fact that is to be told.
#[derive(Clone, Debug)]
pub struct OutboxItem {
    /// Its number in the outbox.
    pub id: i64,
    /// Attempts that failed.
    pub attempts: u32,
    /// When it is due next, Unix milliseconds.
    pub next_attempt_ms: u64,
    /// When it was queued, Unix milliseconds.
    pub queued_ms: u64,
    /// The fact.
    pub fact: Fact,
}

/// What one POST is to carry: one event, up to [`RECORDS_MERGED_MAX`] records or up to [`NOTICES_MERGED_MAX`]
/// notices of one application.
#[derive(Clone, Debug)]
pub struct Due {
    /// The application.
    pub app: AppId,
    /// Events, records or notices.
    pub kind: OutboxKind,
    /// Never empty.
    pub items: Vec<OutboxItem>,
}

/// How much waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutboxStats {
    /// Items to be delivered.
    pub pending: u64,
    /// Items given up.
    pub undelivered: u64,
}

/// Items that were handed out and not reported yet. In memory only: after a restart they are due again.
pub(crate) type InFlight = Arc<tokio::sync::Mutex<HashSet<i64>>>;

const COLUMNS: &str = "id, attempts, next_attempt, queued_at, fact";

fn item_of(row: &Row<'_>) -> rusqlite::Result<OutboxItem> {
    Ok(OutboxItem {
        id: row.get(0)?,
        attempts: row.get(1)?,
        next_attempt_ms: to_ms(row.get(2)?),
        queued_ms: to_ms(row.get(3)?),
        fact: from_json(row, 4)?,
    })
}

impl Store {
    /// Takes what is due, at most `per_app` items of events and of records for each application: no application
    /// stands in another's way. What was taken is not given again until it is reported by
    /// [`Store::outbox_delivered`], [`Store::outbox_failed`] or [`Store::outbox_undelivered`].
    pub async fn outbox_due(&self, per_app: u32) -> Result<Vec<Due>, StoreError> {
        let now_ms = self.now_ms();
        // Held over the read: an item leaves the set after its commit, so it is seen in one of the two.
        let mut in_flight = self.shared.in_flight.lock().await;
        let taken = in_flight.clone();
        let found = self
            .read(move |conn| due(conn, now_ms, per_app, &taken))
            .await?;
        let mut batches = Vec::new();
        for (app, kind, items) in found {
            let mut items = items;
            in_flight.extend(items.iter().map(|item| item.id));
            let size = match kind {
                OutboxKind::Event | OutboxKind::Text => 1,
                OutboxKind::Record => RECORDS_MERGED_MAX,
                OutboxKind::NumberStatus => NOTICES_MERGED_MAX,
            };
            while !items.is_empty() {
                let rest = items.split_off(items.len().min(size));
                batches.push(Due {
                    app,
                    kind,
                    items: std::mem::replace(&mut items, rest),
                });
            }
        }
        Ok(batches)
    }

    /// They were answered with 200: removed, and what comes after them in their calls is due now. When this or another
    /// report fails, nothing was noted and the items stay with the caller: report again, or release them.
    pub async fn outbox_delivered(&self, ids: Vec<i64>) -> Result<(), StoreError> {
        self.report(ids, delivered).await
    }

    /// They were not: due again by the schedule, or undelivered when that is used up.
    pub async fn outbox_failed(&self, ids: Vec<i64>) -> Result<(), StoreError> {
        let minute_ms = self.shared.config.retry_minute_ms;
        self.report(ids, move |ctx, id| failed(ctx, id, minute_ms))
            .await
    }

    /// They are given up without further attempts.
    pub async fn outbox_undelivered(&self, ids: Vec<i64>) -> Result<(), StoreError> {
        self.report(ids, give_up).await
    }

    /// They were taken and not sent (the deliverer stops): due as before.
    pub async fn outbox_released(&self, ids: &[i64]) {
        let mut in_flight = self.shared.in_flight.lock().await;
        for id in ids {
            in_flight.remove(id);
        }
    }

    async fn report(
        &self,
        ids: Vec<i64>,
        each: impl Fn(&mut Ctx<'_>, i64) -> Result<(), StoreError> + Send + 'static,
    ) -> Result<(), StoreError> {
        if ids.is_empty() {
            return Ok(());
        }
        let these = ids.clone();
        let result = self
            .write(move |ctx| these.iter().try_for_each(|id| each(ctx, *id)))
            .await;
        // After a failure they stay with the caller: handed out again, a receiver would hear of them again and again
        // for as long as the database cannot be written.
        if result.is_ok() {
            self.outbox_released(&ids).await;
        }
        result
    }

    /// A counter that grows when something becomes due by a commit. Retries become due by time alone.
    pub fn outbox_changes(&self) -> tokio::sync::watch::Receiver<u64> {
        self.shared.outbox_changes.subscribe()
    }

    /// What was given up, the newest first, a page (from 1) at a time.
    pub async fn undelivered(
        &self,
        app: Option<AppId>,
        page: u32,
        page_size: u32,
    ) -> Result<Page<OutboxItem>, StoreError> {
        self.read(move |conn| {
            let app = app.map(|app| app.0);
            let condition = "state = 2 AND (?1 IS NULL OR app = ?1)";
            let sql = format!("SELECT count(*) FROM outbox WHERE {condition}");
            let total: i64 = conn
                .prepare_cached(&sql)?
                .query_row([app], |row| row.get(0))?;
            let sql = format!(
                "SELECT {COLUMNS} FROM outbox WHERE {condition} ORDER BY id DESC LIMIT ?2 OFFSET ?3"
            );
            let mut statement = conn.prepare_cached(&sql)?;
            let offset = u64::from(page.max(1) - 1) * u64::from(page_size);
            let items = statement.query_map(params![app, page_size, ms(offset)], item_of)?;
            Ok(Page {
                items: items.collect::<Result<_, _>>()?,
                total: to_ms(total),
            })
        })
        .await
    }

    /// Makes given-up items due again, with all attempts; says how many there were.
    pub async fn replay(&self, ids: Vec<i64>) -> Result<u64, StoreError> {
        self.write(move |ctx| {
            let mut count = 0;
            for id in &ids {
                count += u64::from(replay(ctx, *id)?);
            }
            Ok(count)
        })
        .await
    }

    /// How much waits and how much was given up.
    pub async fn outbox_stats(&self) -> Result<OutboxStats, StoreError> {
        self.read(|conn| {
            let sql = "SELECT count(*) FILTER (WHERE state = 0), count(*) FILTER (WHERE state = 2) FROM outbox";
            Ok(conn.query_row(sql, [], |row| {
                Ok(OutboxStats { pending: to_ms(row.get(0)?), undelivered: to_ms(row.get(1)?) })
            })?)
        })
        .await
    }
}

type Found = Vec<(AppId, OutboxKind, Vec<OutboxItem>)>;

/// What is due and not in flight, at most `per_app` of each application and kind.
fn due(
    conn: &Connection,
    now_ms: u64,
    per_app: u32,
    in_flight: &HashSet<i64>,
) -> Result<Found, StoreError> {
    let limit = u64::from(per_app) + in_flight.len() as u64;
    let next_app = "SELECT min(app) FROM outbox WHERE head = 1 AND state = 0 AND app > ?1";
    let mut next_app = conn.prepare_cached(next_app)?;
    let sql = format!(
        "SELECT {COLUMNS} FROM outbox WHERE head = 1 AND state = 0 AND app = ?1 AND kind = ?2 AND next_attempt <= ?3
         ORDER BY next_attempt LIMIT ?4"
    );
    let mut items = conn.prepare_cached(&sql)?;
    let mut found = Vec::new();
    let mut last = -1_i64;
    while let Some(app) = next_app.query_row([last], |row| row.get::<_, Option<u32>>(0))? {
        for kind in [
            OutboxKind::Event,
            OutboxKind::Record,
            OutboxKind::NumberStatus,
            OutboxKind::Text,
        ] {
            let mut rows = items.query(params![app, kind as u8, ms(now_ms), ms(limit)])?;
            let mut these = Vec::new();
            while these.len() < per_app as usize
                && let Some(row) = rows.next()?
            {
                // Asked before the item is read, which is most of the work.
                if !in_flight.contains(&row.get(0)?) {
                    these.push(item_of(row)?);
                }
            }
            if !these.is_empty() {
                found.push((AppId(app), kind, these));
            }
        }
        last = i64::from(app);
    }
    Ok(found)
}

struct Place {
    session: String,
    chain: u8,
    attempts: u32,
}

/// Where a pending item stands; none when it is gone or given up.
fn place(conn: &Connection, id: i64, state: u8) -> Result<Option<Place>, StoreError> {
    let sql = "SELECT session, chain, attempts FROM outbox WHERE id = ?1 AND state = ?2";
    let mut statement = conn.prepare_cached(sql)?;
    let place = statement.query_row(params![id, state], |row| {
        Ok(Place {
            session: row.get(0)?,
            chain: row.get(1)?,
            attempts: row.get(2)?,
        })
    });
    Ok(place.optional()?)
}

fn delivered(ctx: &mut Ctx<'_>, id: i64) -> Result<(), StoreError> {
    let Some(place) = place(ctx.conn, id, 0)? else {
        return Ok(());
    };
    ctx.conn
        .prepare_cached("DELETE FROM outbox WHERE id = ?1")?
        .execute([id])?;
    promote(ctx, &place)
}

fn give_up(ctx: &mut Ctx<'_>, id: i64) -> Result<(), StoreError> {
    let Some(place) = place(ctx.conn, id, 0)? else {
        return Ok(());
    };
    ctx.conn
        .prepare_cached("UPDATE outbox SET state = 2, head = 0 WHERE id = ?1")?
        .execute([id])?;
    promote(ctx, &place)
}

fn failed(ctx: &mut Ctx<'_>, id: i64, minute_ms: u64) -> Result<(), StoreError> {
    let Some(place) = place(ctx.conn, id, 0)? else {
        return Ok(());
    };
    let Some(minutes) = RETRY_AFTER_MIN.get(place.attempts as usize) else {
        return give_up(ctx, id);
    };
    let sql = "UPDATE outbox SET attempts = attempts + 1, next_attempt = ?2 WHERE id = ?1";
    ctx.conn
        .prepare_cached(sql)?
        .execute([id, ms(ctx.now_ms + minutes * minute_ms)])?;
    if place.chain == EVENTS {
        head(ctx, &place.session, RECORD)?;
    }
    Ok(())
}

/// The next of the chain is due; after the events the record is.
fn promote(ctx: &mut Ctx<'_>, place: &Place) -> Result<(), StoreError> {
    if !head(ctx, &place.session, place.chain)? && place.chain == EVENTS {
        head(ctx, &place.session, RECORD)?;
    }
    Ok(())
}

/// Makes the first pending item of a chain its head; false when there is none.
fn head(ctx: &mut Ctx<'_>, session: &str, chain: u8) -> Result<bool, StoreError> {
    let sql = "SELECT id, head FROM outbox WHERE session = ?1 AND chain = ?2 AND state = 0 ORDER BY seq LIMIT 1";
    let mut statement = ctx.conn.prepare_cached(sql)?;
    let first: Option<(i64, bool)> = statement
        .query_row(params![session, chain], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    drop(statement);
    let Some((id, is_head)) = first else {
        return Ok(false);
    };
    if !is_head {
        let sql = "UPDATE outbox SET head = 1, next_attempt = ?2 WHERE id = ?1";
        ctx.conn
            .prepare_cached(sql)?
            .execute([id, ms(ctx.now_ms)])?;
        ctx.effect(Effect::Outbox);
    }
    Ok(true)
}

fn replay(ctx: &mut Ctx<'_>, id: i64) -> Result<bool, StoreError> {
    let Some(place) = place(ctx.conn, id, 2)? else {
        return Ok(false);
    };
    let sql = "UPDATE outbox SET state = 0, attempts = 0, next_attempt = ?2, queued_at = ?2 WHERE id = ?1";
    ctx.conn
        .prepare_cached(sql)?
        .execute([id, ms(ctx.now_ms)])?;
    // It may stand before what is the head now: choose again.
    let sql = "UPDATE outbox SET head = 0 WHERE session = ?1 AND chain = ?2 AND state = 0";
    ctx.conn
        .prepare_cached(sql)?
        .execute(params![place.session, place.chain])?;
    head(ctx, &place.session, place.chain)
}

/// Puts a fact of an ended call into the outbox again, given-up ones included; nothing of that call is pending. Its
/// heads are to be chosen afterwards.
pub(super) fn queue_again(
    ctx: &mut Ctx<'_>,
    fact: &Fact,
    text: &str,
    chain: u8,
) -> Result<(), StoreError> {
    let kind = match fact.kind {
        FactKind::Record(_) => OutboxKind::Record,
        _ => OutboxKind::Event,
    };
    let sql = "INSERT INTO outbox(app, session, chain, seq, kind, state, head, attempts, next_attempt, queued_at, fact)
               VALUES (?1, ?2, ?3, ?4, ?5, 0, 0, 0, ?6, ?6, ?7)
               ON CONFLICT(session, chain, seq)
               DO UPDATE SET state = 0, head = 0, attempts = 0, next_attempt = ?6, queued_at = ?6";
    ctx.conn.prepare_cached(sql)?.execute(params![
        fact.app.0,
        &*fact.session_id,
        chain,
        fact.seq,
        kind as u8,
        ms(ctx.now_ms),
        text
    ])?;
    Ok(())
}

/// Anything of the call is still to be told.
pub(super) fn is_pending(conn: &Connection, session: &str) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM outbox WHERE session = ?1 AND state = 0 LIMIT 1";
    Ok(conn.prepare_cached(sql)?.exists([session])?)
}

/// Makes the first of a call's events due, or its record where there are none.
pub(super) fn begin_again(ctx: &mut Ctx<'_>, session: &str) -> Result<(), StoreError> {
    if !head(ctx, session, EVENTS)? {
        head(ctx, session, RECORD)?;
    }
    Ok(())
}

/// Removes up to `limit` items that are older than `before_ms`, whatever became of them.
pub(crate) fn drop_old(ctx: &mut Ctx<'_>, before_ms: u64, limit: u32) -> Result<u32, StoreError> {
    let sql = "SELECT id FROM outbox WHERE queued_at < ?1 ORDER BY queued_at LIMIT ?2";
    let mut statement = ctx.conn.prepare_cached(sql)?;
    let ids: Vec<i64> = statement
        .query_map(params![ms(before_ms), limit], |r| r.get(0))?
        .collect::<Result<_, _>>()?;
    drop(statement);
    for id in &ids {
        let pending = place(ctx.conn, *id, 0)?;
        ctx.conn
            .prepare_cached("DELETE FROM outbox WHERE id = ?1")?
            .execute([id])?;
        if let Some(place) = pending {
            promote(ctx, &place)?;
        }
    }
    Ok(ids.len() as u32)
}
