//! AX bindings: A behind X for everybody.
//!
//! Rules kept here: an X has one A; an A has at most so many X. A binding lives until it is unbound.

mod change;
mod rows;
mod types;

pub(crate) use rows::{for_each, learn};
pub use types::{
    AX_CALLEE_DURATION_S, AX_CALLEE_DURATION_S_MAX, AxBindRequest, AxBinding, AxCalleeRequest,
    AxKey, AxModifyRequest, AxQuery,
};

use axbridge_binding::{AppId, Ax, CallDirection};
use axbridge_numbering::Number;
use rusqlite::params;

use crate::Store;
use crate::bound::{count, may_record, named, new_id, rules};
use crate::choose::{self, Wish};
use crate::daily::Daily;
use crate::db::writer::{Bound, Ctx, Effect};
use crate::error::BindError;
use crate::settings::Mode;
use crate::sql::num;
use rows::{find, find_all, insert};

impl Store {
    /// Makes an AX binding. When this returns it is durable and calls route by it. `Bound` when X has an A,
    /// `TooManyNumbers` when A has as many X as it may.
    pub async fn ax_bind(&self, request: AxBindRequest) -> Result<AxBinding, BindError> {
        self.write(move |ctx| bind(ctx, request)).await
    }

    /// Removes an AX binding. `NumberNotOfApp` for a number that is not the application's, `NotFound` where
    /// nothing is bound.
    pub async fn ax_unbind(&self, app: AppId, key: AxKey) -> Result<(), BindError> {
        self.write(move |ctx| unbind(ctx, app, key)).await
    }

    /// AX bindings in the order in which they were made. `NumberNotOfApp` for a number that is not the
    /// application's, `NotFound` when there is no binding.
    pub async fn ax_query(&self, app: AppId, what: AxQuery) -> Result<Vec<AxBinding>, BindError> {
        self.read(move |conn| {
            let found = match what {
                AxQuery::Key(key) => vec![find(conn, app, key)?],
                AxQuery::Party(a) => find_all(conn, app, a)?,
            };
            match found.is_empty() {
                true => Err(BindError::NotFound),
                false => Ok(found),
            }
        })
        .await
    }
}

fn bind(ctx: &mut Ctx<'_>, request: AxBindRequest) -> Result<AxBinding, BindError> {
    let settings = rules(ctx, request.app, Mode::Ax)?;
    may_record(request.policy.record, &settings)?;
    let daily = Daily::of(&settings, ctx.now_ms);
    let x = match request.x {
        Some(x) => {
            if x == request.a {
                return Err(BindError::SameParty);
            }
            // X is bound while it carries one; none of them ends by itself.
            match named(ctx, request.app, x, daily)?.pairs {
                0 => Some(x),
                _ => return Err(BindError::Bound),
            }
        }
        None => None,
    };
    let sql = "SELECT count(*) FROM ax_bindings WHERE a = ?1 AND app = ?2";
    let mut statement = ctx.conn.prepare_cached(sql)?;
    let held: u32 = statement.query_row(params![num(request.a), request.app.0], |r| r.get(0))?;
    drop(statement);
    if held >= settings.numbers_per_a_max {
        return Err(BindError::TooManyNumbers);
    }
    let x = match x {
        Some(x) => x,
        None => pick(ctx, &request, daily)?.ok_or(BindError::NoNumber)?,
    };
    let binding = AxBinding {
        ax: Ax {
            subscription: new_id(),
            app: request.app,
            x,
            a: request.a,
            direction: request.direction.unwrap_or(CallDirection::Both),
            show_caller: request.show_caller,
            turned_off: request.turned_off,
            temporary: None,
            last_caller: None,
            policy: request.policy,
            user_data: request.user_data,
        },
        direction: request.direction,
        bound_ms: ctx.now_ms,
        changed_ms: ctx.now_ms,
    };
    insert(ctx, &binding)?;
    count(ctx, x, 1)?;
    daily.spend(ctx, x)?;
    ctx.effect(Effect::Publish(Bound::Ax(binding.ax.clone()).into()));
    Ok(binding)
}

fn pick(
    ctx: &mut Ctx<'_>,
    request: &AxBindRequest,
    daily: Daily,
) -> rusqlite::Result<Option<Number>> {
    let wish = Wish::by_code(request.app, request.area.as_ref(), request.area_match);
    choose::free(ctx, &wish.within(daily), [request.a; 2])
}

fn unbind(ctx: &mut Ctx<'_>, app: AppId, key: AxKey) -> Result<(), BindError> {
    let AxBinding { ax, .. } = find(ctx.conn, app, key)?;
    let sql = "DELETE FROM ax_bindings WHERE x = ?1";
    ctx.conn.prepare_cached(sql)?.execute([num(ax.x)])?;
    count(ctx, ax.x, -1)?;
    let (x, subscription) = (ax.x, ax.subscription);
    ctx.effect(Effect::Withdraw { x, subscription });
    Ok(())
}
