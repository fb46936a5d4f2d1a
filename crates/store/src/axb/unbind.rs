//! Unbind.

use axbridge_binding::AppId;
use rusqlite::params;

use super::rows::{COLUMNS, FROM, binding_of, delete, find, is_live};
use super::types::{Binding, Unbind};
use crate::Store;
use crate::db::writer::Ctx;
use crate::error::BindError;
use crate::settings;
use crate::sql::num;

impl Store {
    /// Removes one binding, or all on an X; says how many. `NotFound` for a binding that is not there, and
    /// `NumberNotOfApp` for a number that is not the application's; a number without bindings gives 0.
    pub async fn unbind(&self, app: AppId, what: Unbind) -> Result<u64, BindError> {
        self.write(move |ctx| unbind(ctx, app, what)).await
    }
}

fn unbind(ctx: &mut Ctx<'_>, app: AppId, what: Unbind) -> Result<u64, BindError> {
    let x = match what {
        Unbind::Subscription(id) => {
            let binding = find(ctx.conn, id)?
                .filter(|b| b.axb.app == app)
                .ok_or(BindError::NotFound)?;
            delete(ctx, &binding.axb)?;
            return if is_live(&binding, ctx.now_ms) {
                Ok(1)
            } else {
                Err(BindError::NotFound)
            };
        }
        Unbind::Number(x) => x,
    };
    settings::find_number(ctx.conn, x)?
        .filter(|n| n.app == app)
        .ok_or(BindError::NumberNotOfApp)?;
    let sql = format!("SELECT {COLUMNS} FROM {FROM} WHERE s.x = ?1");
    let mut statement = ctx.conn.prepare_cached(&sql)?;
    let bindings: Vec<Binding> = statement
        .query_map(params![num(x)], binding_of)?
        .collect::<Result<_, _>>()?;
    drop(statement);
    let mut live = 0;
    for binding in &bindings {
        delete(ctx, &binding.axb)?;
        live += u64::from(is_live(binding, ctx.now_ms));
    }
    Ok(live)
}
