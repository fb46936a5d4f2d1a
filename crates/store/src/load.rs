//! Filling the binding table at start.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axbridge_binding::Table;

use crate::Store;
use crate::db::writer::{Bound, Ctx};
use crate::error::StoreError;
use crate::{ax, axb, axe, axyb, policy, settings};

/// What was loaded.
#[derive(Clone, Copy, Debug)]
pub struct Loaded {
    /// Bindings that are not over; of AXYB each part is one.
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
    policy::drop_unused(ctx.conn)?;
    let numbers = settings::for_each_number(ctx.conn, |n| table.set_number(n.x, n.info()))?;
    for app in settings::calling_back(ctx.conn)? {
        table.set_call_back(app, true);
    }
    let mut bindings = 0;
    let mut show = |bound: Bound| bindings += u64::from(bound.show(&table));
    axb::for_each(ctx, &mut show)?;
    ax::for_each(ctx, &mut show)?;
    axe::for_each(ctx, &mut show)?;
    axyb::for_each(ctx, &mut show)?;
    *ctx.view = Some(table);
    Ok(Loaded {
        bindings,
        numbers,
        took: start.elapsed(),
    })
}
