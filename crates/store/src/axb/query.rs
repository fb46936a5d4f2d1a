//! Query.

use axbridge_binding::AppId;
use rusqlite::{Connection, params};

use super::rows::{COLUMNS, FROM, binding_of, find, is_live};
use super::types::{Binding, Query};
use crate::Store;
use crate::error::BindError;
use crate::settings::{self, Page};
use crate::sql::{ms, num, to_ms};

impl Store {
    /// Bindings of an application in the order in which they were made, a page (from 1) at a time. `NotFound`
    /// for a binding or a number that is not the application's; a number without bindings gives an empty page.
    pub async fn query(
        &self,
        app: AppId,
        what: Query,
        page: u32,
        page_size: u32,
    ) -> Result<Page<Binding>, BindError> {
        let now_ms = self.now_ms();
        self.read(move |conn| query(conn, app, what, page.max(1), page_size, now_ms))
            .await
    }
}

fn query(
    conn: &Connection,
    app: AppId,
    what: Query,
    page: u32,
    page_size: u32,
    now_ms: u64,
) -> Result<Page<Binding>, BindError> {
    let (x, a, b) = match what {
        Query::Subscription(id) => {
            let binding = find(conn, id)?.filter(|b| b.axb.app == app && is_live(b, now_ms));
            return Ok(Page {
                items: vec![binding.ok_or(BindError::NotFound)?],
                total: 1,
            });
        }
        Query::Number { x, a, b } => (x, a.map(num), b.map(num)),
    };
    settings::find_number(conn, x)?
        .filter(|n| n.app == app)
        .ok_or(BindError::NotFound)?;
    // At most one binding has a given party on an X, and an X has a few thousand: the index on x is enough.
    let condition = "s.x = ?1 AND (?2 IS NULL OR s.a = ?2) AND (?3 IS NULL OR s.b = ?3)
                     AND (s.expires_at IS NULL OR s.expires_at > ?4)";
    let now = ms(now_ms);
    let sql = format!("SELECT count(*) FROM bindings s WHERE {condition}");
    let total: i64 = conn
        .prepare_cached(&sql)?
        .query_row(params![num(x), a, b, now], |row| row.get(0))?;
    let sql = format!(
        "SELECT {COLUMNS} FROM {FROM} WHERE {condition} ORDER BY s.subscription LIMIT ?5 OFFSET ?6"
    );
    let mut statement = conn.prepare_cached(&sql)?;
    let offset = u64::from(page - 1) * u64::from(page_size);
    let items = statement.query_map(
        params![num(x), a, b, now, page_size, ms(offset)],
        binding_of,
    )?;
    Ok(Page {
        items: items.collect::<Result<_, _>>()?,
        total: to_ms(total),
    })
}
