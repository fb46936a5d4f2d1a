//! What was told about the calls that ended, as long as their records are kept: to be read again, and to be told again.

use std::sync::Arc;

use axbridge_binding::AppId;
use axbridge_call::Fact;
use rusqlite::{Connection, OptionalExtension, params};

use super::apply::{Applier, EVENTS, RECORD, is_event};
use super::outbox::{begin_again, is_pending, queue_again};
use crate::Store;
use crate::db::writer::{Ctx, Effect};
use crate::error::StoreError;
use crate::settings::Page;
use crate::sql::{from_json, ms, to_json, to_ms};

/// Calls that are told again by one operation of [`Store::replay_calls`].
pub const REPLAYED_MAX: usize = 1_000;
/// Calls in one transaction of it: binds do not wait behind more.
const STEP: usize = 50;
/// Counting stops here.
const COUNT_MAX: u64 = 100_000;
/// How a trace looks in a line of facts; quotes inside of a JSON text are escaped, so nothing else looks so.
const TRACE_MARK: &str = r#""type":"trace""#;

/// What was told about one call, besides its record and its trace.
#[derive(Clone, Debug)]
pub struct CallFacts {
    /// The call.
    pub session_id: Arc<str>,
    /// In the order in which it happened. Empty for a call that ended before this was kept.
    pub facts: Vec<Fact>,
}

/// Which calls; all conditions hold together.
#[derive(Clone, Debug, Default)]
pub struct HistoryFilter {
    /// That came in at this time or later, Unix milliseconds.
    pub from_ms: u64,
    /// That came in before this time, Unix milliseconds.
    pub until_ms: u64,
    /// This one.
    pub session: Option<String>,
}

/// Which calls are told again.
#[derive(Clone, Debug)]
pub enum ReplayWhich {
    /// These.
    Sessions(Vec<String>),
    /// Those that came in within a span, the earliest first.
    Span {
        /// At this time or later, Unix milliseconds.
        from_ms: u64,
        /// Before this time, Unix milliseconds.
        until_ms: u64,
        /// Behind this place, as [`Replayed::next`] of the operation before has it.
        after: Option<(u64, i64)>,
    },
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Calls that are told again.
    pub calls: u64,
    /// Events and records of them.
    pub notifications: u64,
    /// Calls that were left as they are, because something of them is still to be told.
    pub waiting: u64,
    /// Where to go on; none when all were looked at.
    pub next: Option<(u64, i64)>,
}

impl Replayed {
    fn add(&mut self, other: Replayed) {
        self.calls += other.calls;
        self.notifications += other.notifications;
        self.waiting += other.waiting;
        self.next = other.next;
    }
}

impl Store {
    /// The trace of a call that ended: a fact of the kind `Trace`, with application 0 where a call was refused for a
    /// number that nobody owns.
    pub async fn call_trace(&self, session: String) -> Result<Option<Fact>, StoreError> {
        self.read(move |conn| {
            let sql = "SELECT facts FROM call_records WHERE session = ?1";
            let mut statement = conn.prepare_cached(sql)?;
            let facts: Option<Option<String>> = statement
                .query_row([&session], |row| row.get(0))
                .optional()?;
            if let Some(facts) = facts {
                let facts = facts.unwrap_or_default();
                let trace = facts.lines().find(|line| line.contains(TRACE_MARK));
                return trace.map(parse).transpose();
            }
            let sql = "SELECT fact FROM refused_calls WHERE session = ?1";
            let mut statement = conn.prepare_cached(sql)?;
            let fact = statement.query_row([&session], |row| from_json(row, 0));
            Ok(fact.optional()?)
        })
        .await
    }

    /// What was told about an application's calls, the latest call first, a page (from 1) of calls at a time. `total`
    /// stops at 100,000.
    pub async fn call_facts(
        &self,
        app: AppId,
        filter: HistoryFilter,
        page: u32,
        page_size: u32,
    ) -> Result<Page<CallFacts>, StoreError> {
        self.read(move |conn| {
            let condition = match filter.session {
                // Written out so that the index on the session is used.
                Some(_) => "app = ?1 AND call_in >= ?2 AND call_in < ?3 AND session = ?4",
                None => "app = ?1 AND call_in >= ?2 AND call_in < ?3 AND ?4 IS NULL",
            };
            let (from, until) = (ms(filter.from_ms), ms(filter.until_ms));
            let session = filter.session;
            let sql = format!("SELECT count(*) FROM (SELECT 1 FROM call_records WHERE {condition} LIMIT ?5)");
            let total: i64 = conn
                .prepare_cached(&sql)?
                .query_row(params![app.0, from, until, session, ms(COUNT_MAX)], |row| row.get(0))?;
            let sql = format!(
                "SELECT session, facts FROM call_records WHERE {condition} ORDER BY call_in DESC, id DESC LIMIT ?5 OFFSET ?6"
            );
            let mut statement = conn.prepare_cached(&sql)?;
            let offset = u64::from(page.max(1) - 1) * u64::from(page_size);
            let mut rows = statement.query(params![app.0, from, until, session, page_size, ms(offset)])?;
            let mut items = Vec::new();
            while let Some(row) = rows.next()? {
                let session: String = row.get(0)?;
                let facts: Option<String> = row.get(1)?;
                items.push(CallFacts {
                    session_id: session.into(),
                    facts: told(facts.as_deref().unwrap_or_default())?,
                });
            }
            Ok(Page { items, total: to_ms(total) })
        })
        .await
    }

    /// INVITEs that were refused because nobody owns the number they were for: facts of the kind `Trace`, the latest
    /// first.
    pub async fn refused_calls(&self, page: u32, page_size: u32) -> Result<Page<Fact>, StoreError> {
        self.read(move |conn| {
            let sql = "SELECT count(*) FROM (SELECT 1 FROM refused_calls LIMIT ?1)";
            let total: i64 = conn
                .prepare_cached(sql)?
                .query_row([ms(COUNT_MAX)], |row| row.get(0))?;
            let sql =
                "SELECT fact FROM refused_calls ORDER BY at DESC, session DESC LIMIT ?1 OFFSET ?2";
            let mut statement = conn.prepare_cached(sql)?;
            let offset = u64::from(page.max(1) - 1) * u64::from(page_size);
            let items =
                statement.query_map(params![page_size, ms(offset)], |row| from_json(row, 0))?;
            Ok(Page {
                items: items.collect::<Result<_, _>>()?,
                total: to_ms(total),
            })
        })
        .await
    }

    /// Puts events and records of an application's ended calls into the outbox again, each call in its order, for the
    /// receivers that the application has now. Of at most [`REPLAYED_MAX`] calls; a call of which something is still
    /// to be told is passed over.
    pub async fn replay_calls(
        &self,
        app: AppId,
        which: ReplayWhich,
        events: bool,
        records: bool,
    ) -> Result<Replayed, StoreError> {
        let mut done = Replayed::default();
        match which {
            ReplayWhich::Sessions(sessions) => {
                let mut sessions = sessions;
                sessions.truncate(REPLAYED_MAX);
                while !sessions.is_empty() {
                    let rest = sessions.split_off(sessions.len().min(STEP));
                    let these = std::mem::replace(&mut sessions, rest);
                    let step = self
                        .write(move |ctx| {
                            let calls = by_session(ctx.conn, app, &these)?;
                            again(ctx, app, &calls, events, records)
                        })
                        .await?;
                    done.add(step);
                }
            }
            ReplayWhich::Span {
                from_ms,
                until_ms,
                after,
            } => {
                let mut after = after;
                for _ in 0..REPLAYED_MAX / STEP {
                    let (step, place) = self
                        .write(move |ctx| {
                            let calls = by_time(ctx.conn, app, from_ms, until_ms, after)?;
                            let full = calls.len() == STEP;
                            let place = calls.last().map(|call| call.place).filter(|_| full);
                            Ok::<_, StoreError>((again(ctx, app, &calls, events, records)?, place))
                        })
                        .await?;
                    done.add(step);
                    done.next = place;
                    after = place;
                    if place.is_none() {
                        break;
                    }
                }
            }
        }
        Ok(done)
    }
}

fn parse(line: &str) -> Result<Fact, StoreError> {
    serde_json::from_str(line).map_err(|_| StoreError::Corrupt("facts of a call"))
}

/// The facts of a call without its trace.
fn told(facts: &str) -> Result<Vec<Fact>, StoreError> {
    let lines = facts.lines().filter(|line| !line.contains(TRACE_MARK));
    let mut facts = lines.map(parse).collect::<Result<Vec<_>, _>>()?;
    facts.sort_by_key(|fact| fact.seq);
    Ok(facts)
}

/// A call that ended, as it is kept.
struct Kept {
    session: String,
    place: (u64, i64),
    record: Fact,
    facts: Option<String>,
}

const KEPT: &str = "SELECT session, call_in, id, fact, facts FROM call_records";

fn kept(row: &rusqlite::Row<'_>) -> rusqlite::Result<Kept> {
    Ok(Kept {
        session: row.get(0)?,
        place: (to_ms(row.get(1)?), row.get(2)?),
        record: from_json(row, 3)?,
        facts: row.get(4)?,
    })
}

fn by_session(conn: &Connection, app: AppId, sessions: &[String]) -> Result<Vec<Kept>, StoreError> {
    let sql = format!("{KEPT} WHERE session = ?1 AND app = ?2");
    let mut statement = conn.prepare_cached(&sql)?;
    let mut calls = Vec::new();
    for session in sessions {
        calls.extend(
            statement
                .query_row(params![session, app.0], kept)
                .optional()?,
        );
    }
    Ok(calls)
}

fn by_time(
    conn: &Connection,
    app: AppId,
    from_ms: u64,
    until_ms: u64,
    after: Option<(u64, i64)>,
) -> Result<Vec<Kept>, StoreError> {
    // `call_in >= ?2` alone leads the index; behind a place it begins there.
    let (place_ms, place_id) = after.map_or((0, 0), |(at, id)| (at, id));
    let sql = format!(
        "{KEPT} WHERE app = ?1 AND call_in >= ?2 AND call_in < ?3 AND (call_in > ?4 OR id > ?5)
         ORDER BY call_in, id LIMIT ?6"
    );
    let mut statement = conn.prepare_cached(&sql)?;
    let calls = statement.query_map(
        params![
            app.0,
            ms(from_ms.max(place_ms)),
            ms(until_ms),
            ms(place_ms),
            place_id,
            STEP as i64
        ],
        kept,
    )?;
    Ok(calls.collect::<Result<_, _>>()?)
}

fn again(
    ctx: &mut Ctx<'_>,
    app: AppId,
    calls: &[Kept],
    events: bool,
    records: bool,
) -> Result<Replayed, StoreError> {
    let to = Applier::default().receivers_of(ctx.conn, app)?;
    let mut done = Replayed::default();
    for call in calls {
        if is_pending(ctx.conn, &call.session)? {
            done.waiting += 1;
            continue;
        }
        let mut count = 0;
        if events && to.events {
            for fact in told(call.facts.as_deref().unwrap_or_default())? {
                if is_event(&fact.kind) {
                    queue_again(ctx, &fact, &to_json(&fact)?, EVENTS)?;
                    count += 1;
                }
            }
        }
        if records && to.records {
            let chain = if to.same { EVENTS } else { RECORD };
            queue_again(ctx, &call.record, &to_json(&call.record)?, chain)?;
            count += 1;
        }
        if count > 0 {
            begin_again(ctx, &call.session)?;
            done.calls += 1;
            done.notifications += count;
        }
    }
    if done.calls > 0 {
        ctx.effect(Effect::Outbox);
    }
    Ok(done)
}

/// Keeps the trace of a refused INVITE; false when it is there already.
pub(super) fn keep_refused(ctx: &mut Ctx<'_>, fact: &Fact, text: &str) -> Result<bool, StoreError> {
    let sql = "INSERT OR IGNORE INTO refused_calls(session, at, fact) VALUES (?1, ?2, ?3)";
    let new =
        ctx.conn
            .prepare_cached(sql)?
            .execute(params![&*fact.session_id, ms(fact.at_ms), text])?;
    Ok(new == 1)
}

/// Removes up to `limit` traces of INVITEs that were refused before `before_ms`.
pub(crate) fn drop_refused(
    ctx: &mut Ctx<'_>,
    before_ms: u64,
    limit: u32,
) -> Result<u32, StoreError> {
    let sql = "DELETE FROM refused_calls WHERE session IN
               (SELECT session FROM refused_calls WHERE at < ?1 ORDER BY at LIMIT ?2)";
    let removed = ctx
        .conn
        .prepare_cached(sql)?
        .execute(params![ms(before_ms), limit])?;
    Ok(removed as u32)
}
