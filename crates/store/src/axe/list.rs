//! Lists of bindings, and how many there are.

use axbridge_binding::AppId;
use axbridge_numbering::Number;
use rusqlite::{Connection, params};

use super::rows::{COLUMNS, FROM, Stored, stored_of};
use super::types::{AxeCount, AxeCursor, AxePage};
use crate::Store;
use crate::error::BindError;
use crate::settings;
use crate::sql::{ms, num, number};

const LIVE: &str = "(s.expires_at IS NULL OR s.expires_at > ?1)";

impl Store {
    /// The AXE bindings on an X after a place (at first the default), in the order in which they were made.
    /// `NotFound` for a number that is not the application's.
    pub async fn axe_page(
        &self,
        app: AppId,
        x: Number,
        after: AxeCursor,
        limit: u32,
    ) -> Result<AxePage, BindError> {
        let now_ms = self.now_ms();
        self.read(move |conn| page(conn, app, x, after, limit, now_ms))
            .await
    }

    /// How many bindings this X has. `NotFound` for a number that is not the application's.
    pub async fn axe_count(&self, app: AppId, x: Number) -> Result<AxeCount, BindError> {
        let now_ms = self.now_ms();
        self.read(move |conn| {
            own(conn, app, x)?;
            let sql = format!("SELECT count(*) FROM axe_bindings s WHERE {LIVE} AND s.x = ?2");
            let mut statement = conn.prepare_cached(&sql)?;
            let bound = statement.query_row(params![ms(now_ms), num(x)], |row| row.get(0))?;
            Ok(AxeCount { x, bound })
        })
        .await
    }

    /// The same of every X of the application above `after` (0 at first), in order: the next part begins after
    /// the last one of this. Shorter than `limit`: the end.
    pub async fn axe_counts(
        &self,
        app: AppId,
        after: u64,
        limit: u32,
    ) -> Result<Vec<AxeCount>, BindError> {
        let now_ms = self.now_ms();
        self.read(move |conn| {
            let sql = format!(
                "SELECT n.x, (SELECT count(*) FROM axe_bindings s WHERE {LIVE} AND s.x = n.x) FROM numbers n
                 WHERE n.app = ?2 AND n.x > ?3 ORDER BY n.x LIMIT ?4"
            );
            let mut statement = conn.prepare_cached(&sql)?;
            let key = params![ms(now_ms), app.0, ms(after), limit];
            let counts = statement.query_map(key, |row| {
                Ok(AxeCount {
                    x: number(row, 0)?,
                    bound: row.get(1)?,
                })
            })?;
            Ok(counts.collect::<Result<_, _>>()?)
        })
        .await
    }
}

fn own(conn: &Connection, app: AppId, x: Number) -> Result<(), BindError> {
    let number = settings::find_number(conn, x)?;
    number
        .filter(|number| number.app == app)
        .map(drop)
        .ok_or(BindError::NotFound)
}

fn page(
    conn: &Connection,
    app: AppId,
    x: Number,
    after: AxeCursor,
    limit: u32,
    now_ms: u64,
) -> Result<AxePage, BindError> {
    own(conn, app, x)?;
    let sql = format!(
        "SELECT {COLUMNS} FROM {FROM} WHERE {LIVE} AND s.x = ?2 AND (s.bound_at, s.extension) > (?3, ?4)
         ORDER BY s.bound_at, s.extension LIMIT ?5"
    );
    let mut statement = conn.prepare_cached(&sql)?;
    let one_more = u64::from(limit) + 1;
    let (bound, code) = (ms(after.bound_ms), after.extension_code);
    let key = params![ms(now_ms), num(x), bound, code, ms(one_more)];
    let mut items = statement
        .query_map(key, stored_of)?
        .collect::<Result<Vec<_>, _>>()?;
    let more = items.len() as u64 == one_more;
    items.truncate(limit as usize);
    let next = items.last().filter(|_| more).map(|last| AxeCursor {
        bound_ms: last.bound_ms,
        extension_code: last.axe.extension.code(),
    });
    Ok(AxePage {
        items: items.into_iter().map(Stored::shown).collect(),
        next,
    })
}
