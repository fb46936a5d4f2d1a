//! Filling the binding table at start.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axbridge_binding::{Policy, Table};
use rusqlite::params;

use super::rows::{binding_with, policy_at};
use crate::Store;
use crate::db::writer::Ctx;
use crate::error::StoreError;
use crate::settings;
use crate::sql::ms;

/// What was loaded.
#[derive(Clone, Copy, Debug)]
pub struct Loaded {
    /// Bindings that are not over.
    pub bindings: u64,
    /// Numbers.
    pub numbers: u64,
    /// How long it took.
    pub took: Duration,
}

impl Store {
    /// Fills the table with all numbers and live bindings; from then on every write is published to it, in
    /// the order of the commits. To be called once, before the first call.
    pub async fn load_table(&self, table: Arc<Table>) -> Result<Loaded, StoreError> {
        // As a write, so that no other write falls between the reading and the publishing.
        self.write(move |ctx| load(ctx, table)).await
    }
}

fn load(ctx: &mut Ctx<'_>, table: Arc<Table>) -> Result<Loaded, StoreError> {
    let start = Instant::now();
    ctx.conn.execute(
        "DELETE FROM policies WHERE id NOT IN (SELECT DISTINCT policy FROM bindings)",
        [],
    )?;
    let numbers = settings::for_each_number(ctx.conn, |n| table.set_number(n.x, n.info()))?;
    let policies = policies(ctx)?;
    let sql = "SELECT s.subscription, s.app, s.x, s.a, s.b, s.direction, s.duration_s, s.expires_at, s.bound_at,
               s.changed_at, s.user_data, s.policy FROM bindings s WHERE s.expires_at IS NULL OR s.expires_at > ?1";
    let mut statement = ctx.conn.prepare(sql)?;
    let mut rows = statement.query(params![ms(ctx.now_ms)])?;
    let mut bindings = 0;
    while let Some(row) = rows.next()? {
        let policy = policies
            .get(&row.get::<_, i64>(11)?)
            .ok_or(StoreError::Corrupt("policy of a binding"))?;
        let binding = binding_with(row, policy.clone())?;
        match table.publish_axb(&binding.axb) {
            Ok(()) => bindings += 1,
            Err(error) => {
                tracing::error!(%error, subscription = %binding.axb.subscription, "a binding is not served")
            }
        }
    }
    *ctx.view = Some(table);
    Ok(Loaded {
        bindings,
        numbers,
        took: start.elapsed(),
    })
}

fn policies(ctx: &Ctx<'_>) -> Result<HashMap<i64, Policy>, StoreError> {
    let mut statement = ctx.conn.prepare("SELECT id, document FROM policies")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, policy_at(row, 1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
