//! AXYB bindings: A behind X, the other behind Y.
//!
//! A relation is A and X; its parts are each a B and a Y. Rules kept here: an X has one A, an A at most so many X; a
//! B has one part in a relation; a Y has at most so many parts, and no two of the same A, or A could reach only one
//! of them; a number is X or Y, not both at a time. What has expired is as good as gone, swept or not.

mod bind;
mod part;
mod rows;
mod sweep;
mod types;

pub(crate) use rows::for_each;
pub(crate) use sweep::{sweep, sweep_number, sweep_parts};
pub use types::{AXYB_DURATION_S, AxybBindX, AxybBindY, AxybPart, AxybQuery, AxybRelation, AxybYb};

use axbridge_binding::{AppId, SubscriptionId};
use rusqlite::Connection;

use crate::Store;
use crate::db::writer::Ctx;
use crate::error::BindError;
use crate::sql::{num, sub};
use rows::{Relation, delete, delete_part, find, parts};

impl Store {
    /// Removes a relation or one part of it. `NotFound` when it is not there.
    pub async fn axyb_unbind(
        &self,
        app: AppId,
        subscription: SubscriptionId,
        part: AxybPart,
    ) -> Result<(), BindError> {
        self.write(move |ctx| unbind(ctx, app, subscription, part))
            .await
    }

    /// Relations, one for each part or one without; at most `limit`. `NotFound` when there is none.
    pub async fn axyb_query(
        &self,
        app: AppId,
        what: AxybQuery,
        limit: u32,
    ) -> Result<Vec<AxybRelation>, BindError> {
        let now_ms = self.now_ms();
        self.read(move |conn| query(conn, app, what, limit, now_ms))
            .await
    }
}

fn unbind(
    ctx: &mut Ctx<'_>,
    app: AppId,
    subscription: SubscriptionId,
    part: AxybPart,
) -> Result<(), BindError> {
    let relation = rows::find_live(ctx.conn, app, subscription, ctx.now_ms)?;
    let (column, number) = match part {
        AxybPart::Whole => return Ok(delete(ctx, &relation)?),
        AxybPart::Y(y) => ("p.y", y),
        AxybPart::B(b) => ("p.b", b),
    };
    let condition = format!("p.subscription = ?1 AND {column} = ?2");
    let found = parts(ctx.conn, &condition, (sub(subscription), num(number)))?;
    let live = found.iter().any(|part| part.is_live(ctx.now_ms));
    found.iter().try_for_each(|part| delete_part(ctx, part))?;
    live.then_some(()).ok_or(BindError::NotFound)
}

fn query(
    conn: &Connection,
    app: AppId,
    what: AxybQuery,
    limit: u32,
    now_ms: u64,
) -> Result<Vec<AxybRelation>, BindError> {
    let relation = match what {
        AxybQuery::Subscription(id) => rows::find_live(conn, app, id, now_ms)?,
        AxybQuery::Number(x) => {
            let found = find(conn, "s.x = ?1", [num(x)])?;
            found
                .filter(|relation| relation.is_of(app, now_ms))
                .ok_or(BindError::NotFound)?
        }
    };
    let parts = parts(conn, "p.subscription = ?1", [sub(relation.subscription)])?;
    let live = parts.iter().filter(|part| part.is_live(now_ms));
    let shown: Vec<_> = live
        .take(limit as usize)
        .map(|part| relation.with(part))
        .collect();
    Ok(match shown.is_empty() {
        true => vec![Relation::shown(&relation)],
        false => shown,
    })
}
