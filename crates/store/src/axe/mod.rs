//! AXE bindings: A behind X and an extension.
//!
//! Rules kept here: an A and an extension are at most once on an X; an extension that was let go is not given out
//! by itself for ten minutes; a binding that has expired is as good as gone, swept or not.

mod bind;
mod extension;
mod list;
mod modify;
mod rows;
mod sweep;
mod types;

pub(crate) use rows::{for_each, learn};
pub(crate) use sweep::{drop_released, sweep, sweep_number};
pub use types::{
    AxeBindRequest, AxeBinding, AxeCount, AxeCursor, AxeKey, AxeModifyRequest, AxePage, TimeUnit,
};

use axbridge_binding::AppId;

use crate::Store;
use crate::error::BindError;

impl Store {
    /// Removes an AXE binding. `NumberNotOfApp` for a number that is not the application's, `NotFound` where
    /// nothing is bound.
    pub async fn axe_unbind(&self, app: AppId, key: AxeKey) -> Result<(), BindError> {
        self.write(move |ctx| {
            let stored = rows::find_live(ctx.conn, app, key, ctx.now_ms)?;
            Ok(rows::delete(ctx, &stored)?)
        })
        .await
    }

    /// One AXE binding.
    pub async fn axe_query(&self, app: AppId, key: AxeKey) -> Result<AxeBinding, BindError> {
        let now_ms = self.now_ms();
        self.read(move |conn| Ok(rows::find_live(conn, app, key, now_ms)?.shown()))
            .await
    }
}
