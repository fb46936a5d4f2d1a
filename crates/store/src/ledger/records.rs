//! Call records for the operator.

use axbridge_binding::AppId;
use axbridge_call::Fact;
use axbridge_numbering::Number;
use rusqlite::{OptionalExtension, Row, params};

use crate::Store;
use crate::db::writer::Ctx;
use crate::error::StoreError;
use crate::settings::Page;
use crate::sql::{from_json, ms, num, to_ms};

/// A call record as it is kept. Its fact is of the kind `Record`.
#[derive(Clone, Debug)]
pub struct StoredRecord {
    /// Its number in the store, ascending in the order in which calls ended.
    pub id: i64,
    /// The fact: application, session, binding and the record itself.
    pub fact: Fact,
}

/// Which call records to list; all conditions hold together.
#[derive(Clone, Debug, Default)]
pub struct RecordFilter {
    /// Of this application.
    pub app: Option<AppId>,
    /// Of calls that came in at this time or later, Unix milliseconds.
    pub from_ms: Option<u64>,
    /// Of calls that came in before this time, Unix milliseconds.
    pub until_ms: Option<u64>,
    /// Of calls to this X.
    pub x: Option<Number>,
    /// Of calls by or to this party. Without `x` this looks at every record of the time span.
    pub party: Option<Number>,
    /// Of calls that ended with this hang-up cause.
    pub state_code: Option<u32>,
}

/// Counting stops here: a page far into millions is nobody's wish.
const COUNT_MAX: u64 = 100_000;

fn record_of(row: &Row<'_>) -> rusqlite::Result<StoredRecord> {
    Ok(StoredRecord {
        id: row.get(0)?,
        fact: from_json(row, 1)?,
    })
}

impl Store {
    /// The record of one call.
    pub async fn call_record(&self, session: String) -> Result<Option<StoredRecord>, StoreError> {
        self.read(move |conn| {
            let sql = "SELECT id, fact FROM call_records WHERE session = ?1";
            Ok(conn.query_row(sql, [session], record_of).optional()?)
        })
        .await
    }

    /// Call records, the latest call first, a page (from 1) at a time. `total` stops at 100,000.
    pub async fn call_records(
        &self,
        filter: RecordFilter,
        page: u32,
        page_size: u32,
    ) -> Result<Page<StoredRecord>, StoreError> {
        self.read(move |conn| {
            let mut condition = String::from(
                "(?1 IS NULL OR app = ?1) AND call_in >= ?2 AND call_in < ?3
                 AND (?4 IS NULL OR caller = ?4 OR callee = ?4) AND (?5 IS NULL OR state_code = ?5)",
            );
            // Written out so that the index on X is used when there is one to look up.
            condition.push_str(if filter.x.is_some() { " AND x = ?6" } else { " AND ?6 IS NULL" });
            let app = filter.app.map(|app| app.0);
            let from = ms(filter.from_ms.unwrap_or(0));
            let until = ms(filter.until_ms.unwrap_or(u64::MAX));
            let (party, x) = (filter.party.map(num), filter.x.map(num));
            let sql = format!("SELECT count(*) FROM (SELECT 1 FROM call_records WHERE {condition} LIMIT ?7)");
            let total: i64 = conn.prepare_cached(&sql)?.query_row(
                params![app, from, until, party, filter.state_code, x, ms(COUNT_MAX)],
                |row| row.get(0),
            )?;
            let sql = format!(
                "SELECT id, fact FROM call_records WHERE {condition} ORDER BY call_in DESC, id DESC LIMIT ?7 OFFSET ?8"
            );
            let mut statement = conn.prepare_cached(&sql)?;
            let offset = u64::from(page.max(1) - 1) * u64::from(page_size);
            let items = statement.query_map(
                params![app, from, until, party, filter.state_code, x, page_size, ms(offset)],
                record_of,
            )?;
            Ok(Page { items: items.collect::<Result<_, _>>()?, total: to_ms(total) })
        })
        .await
    }
}

/// Removes up to `limit` records of calls that came in before `before_ms`.
pub(crate) fn drop_old(ctx: &mut Ctx<'_>, before_ms: u64, limit: u32) -> Result<u32, StoreError> {
    let sql = "DELETE FROM call_records WHERE id IN
               (SELECT id FROM call_records WHERE call_in < ?1 ORDER BY call_in LIMIT ?2)";
    let removed = ctx
        .conn
        .prepare_cached(sql)?
        .execute(params![ms(before_ms), limit])?;
    Ok(removed as u32)
}
