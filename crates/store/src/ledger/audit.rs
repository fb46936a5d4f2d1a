//! Who did what: a log that is only ever added to.

use rusqlite::params;
use serde::Serialize;

use crate::Store;
use crate::db::writer::Ctx;
use crate::error::StoreError;
use crate::settings::Page;
use crate::sql::{ms, to_ms};

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AuditEntry {
    /// Unix milliseconds.
    pub at_ms: u64,
    /// Who.
    pub actor: String,
    /// What was done: `recording.delete`.
    pub action: String,
    /// To what. Never a whole telephone number and never a secret.
    pub subject: String,
}

pub(super) fn note(
    ctx: &Ctx<'_>,
    actor: &str,
    action: &str,
    subject: &str,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO audit(at, actor, action, subject) VALUES (?1, ?2, ?3, ?4)";
    ctx.conn
        .prepare_cached(sql)?
        .execute(params![ms(ctx.now_ms), actor, action, subject])?;
    Ok(())
}

impl Store {
    /// Adds a line.
    pub async fn audit(
        &self,
        actor: String,
        action: String,
        subject: String,
    ) -> Result<(), StoreError> {
        self.write(move |ctx| note(ctx, &actor, &action, &subject))
            .await
    }

    /// The log, the newest first, a page (from 1) at a time.
    pub async fn audit_log(
        &self,
        page: u32,
        page_size: u32,
    ) -> Result<Page<AuditEntry>, StoreError> {
        self.read(move |conn| {
            let total: i64 = conn.query_row("SELECT count(*) FROM audit", [], |row| row.get(0))?;
            let sql =
                "SELECT at, actor, action, subject FROM audit ORDER BY id DESC LIMIT ?1 OFFSET ?2";
            let mut statement = conn.prepare_cached(sql)?;
            let offset = u64::from(page.max(1) - 1) * u64::from(page_size);
            let items = statement.query_map(params![page_size, ms(offset)], |row| {
                Ok(AuditEntry {
                    at_ms: to_ms(row.get(0)?),
                    actor: row.get(1)?,
                    action: row.get(2)?,
                    subject: row.get(3)?,
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
