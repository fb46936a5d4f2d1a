//! What holds for all applications: limits on calls, numbers that are blocked.

use axbridge_binding::AppId;
use axbridge_call::{Blocked, Party, PlatformRules};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::types::{BlockedFilter, BlockedRecord, Page};
use crate::Store;
use crate::db::writer::{Ctx, Effect};
use crate::error::StoreError;
use crate::sql::{from_json, ms, to_json, to_ms};

/// Blocked numbers at most, of all applications together: calls look them up in memory, and every change of a setting
/// reads them anew.
pub const BLOCKED_MAX: u32 = 200_000;

const CALL_RULES: &str = "call_rules";

pub(super) fn rules(conn: &Connection) -> rusqlite::Result<PlatformRules> {
    let mut statement = conn.prepare_cached("SELECT document FROM platform WHERE name = ?1")?;
    let rules = statement.query_row([CALL_RULES], |row| from_json(row, 0));
    Ok(rules.optional()?.unwrap_or_default())
}

pub(super) fn all_blocked(conn: &Connection) -> rusqlite::Result<Vec<Blocked>> {
    let mut statement = conn.prepare_cached("SELECT app, party, pattern FROM blocked")?;
    let blocked = statement.query_map([], blocked_of)?;
    blocked.collect()
}

fn blocked_of(row: &Row<'_>) -> rusqlite::Result<Blocked> {
    let app: u32 = row.get(0)?;
    let text = row.get_ref(2)?.as_str()?;
    let pattern = text.parse().map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(2, rusqlite::types::Type::Text, Box::new(error))
    })?;
    Ok(Blocked {
        app: (app > 0).then_some(AppId(app)),
        party: match row.get(1)? {
            1 => Party::Caller,
            _ => Party::Callee,
        },
        pattern,
    })
}

/// App 0 is nobody's: it stands for all.
fn key(blocked: &Blocked) -> (u32, u8, String) {
    let app = blocked.app.map_or(0, |app| app.0);
    (
        app,
        party_number(blocked.party),
        blocked.pattern.to_string(),
    )
}

fn party_number(party: Party) -> u8 {
    match party {
        Party::Caller => 1,
        Party::Callee => 2,
    }
}

/// Applications go with their lists.
pub(super) fn forget_app(ctx: &Ctx<'_>, app: AppId) -> Result<(), StoreError> {
    ctx.conn
        .execute("DELETE FROM blocked WHERE app = ?1", [app.0])?;
    Ok(())
}

impl Store {
    /// What all calls are allowed.
    pub async fn platform_rules(&self) -> Result<PlatformRules, StoreError> {
        self.read(|conn| Ok(rules(conn)?)).await
    }

    /// Replaces what all calls are allowed.
    pub async fn set_platform_rules(&self, rules: PlatformRules) -> Result<(), StoreError> {
        self.write(move |ctx| {
            ctx.conn.execute(
                "INSERT INTO platform(name, document) VALUES (?1, ?2)
                 ON CONFLICT(name) DO UPDATE SET document = ?2",
                params![CALL_RULES, to_json(&rules)?],
            )?;
            ctx.effect(Effect::Configuration);
            Ok(())
        })
        .await
    }

    /// Blocks numbers, all or none; those that are blocked already stay. Says how many are new. `Invalid` when there
    /// would be more than [`BLOCKED_MAX`], `NotFound` when an application does not exist.
    pub async fn block_numbers(&self, numbers: Vec<Blocked>) -> Result<u64, StoreError> {
        self.write(move |ctx| {
            let mut new = 0;
            let mut insert = ctx.conn.prepare_cached(
                "INSERT INTO blocked(app, party, pattern, added_at) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
            )?;
            let mut exists = ctx.conn.prepare_cached("SELECT EXISTS(SELECT 1 FROM apps WHERE id = ?1)")?;
            for blocked in &numbers {
                let (app, party, pattern) = key(blocked);
                if app > 0 && !exists.query_row([app], |row| row.get::<_, bool>(0))? {
                    return Err(StoreError::NotFound("the application"));
                }
                new += insert.execute(params![app, party, pattern, ms(ctx.now_ms)])? as u64;
            }
            drop((insert, exists));
            let total: u32 = ctx.conn.query_row("SELECT count(*) FROM blocked", [], |row| row.get(0))?;
            if total > BLOCKED_MAX {
                return Err(StoreError::Invalid(format!(
                    "at most {BLOCKED_MAX} numbers can be blocked; use prefixes"
                )));
            }
            ctx.effect(Effect::Configuration);
            Ok(new)
        })
        .await
    }

    /// Lifts one entry, exactly as it was given. `NotFound` when there is none.
    pub async fn unblock_number(&self, blocked: Blocked) -> Result<(), StoreError> {
        self.write(move |ctx| {
            let (app, party, pattern) = key(&blocked);
            let sql = "DELETE FROM blocked WHERE app = ?1 AND party = ?2 AND pattern = ?3";
            if ctx.conn.execute(sql, params![app, party, pattern])? == 0 {
                return Err(StoreError::NotFound("the blocked number"));
            }
            ctx.effect(Effect::Configuration);
            Ok(())
        })
        .await
    }

    /// Entries by application, party and number; `page` from 1.
    pub async fn blocked_numbers(
        &self,
        filter: BlockedFilter,
        page: u32,
        size: u32,
    ) -> Result<Page<BlockedRecord>, StoreError> {
        self.read(move |conn| {
            let condition = "(?1 IS NULL OR app = ?1) AND (?2 IS NULL OR party = ?2)";
            let (app, party) = (filter.app.map(|app| app.0), filter.party.map(party_number));
            let sql = format!("SELECT count(*) FROM blocked WHERE {condition}");
            let total = conn.query_row(&sql, params![app, party], |row| row.get::<_, i64>(0))?;
            let sql = format!(
                "SELECT app, party, pattern, added_at FROM blocked WHERE {condition}
                 ORDER BY app, party, pattern LIMIT ?3 OFFSET ?4"
            );
            let skipped = i64::from(page.saturating_sub(1)) * i64::from(size);
            let mut statement = conn.prepare_cached(&sql)?;
            let items = statement.query_map(params![app, party, size, skipped], |row| {
                Ok(BlockedRecord {
                    blocked: blocked_of(row)?,
                    added_ms: to_ms(row.get(3)?),
                })
            })?;
            Ok(Page {
                items: items.collect::<Result<_, _>>()?,
                total: to_ms(total),
            })
        })
        .await
    }
}
