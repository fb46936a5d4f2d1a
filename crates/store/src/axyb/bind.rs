//! The first step: X for A.

use axbridge_numbering::Number;
use rusqlite::params;

use super::rows::{Relation, insert};
use super::sweep::{sweep, sweep_parts};
use super::types::{AxybBindX, AxybRelation};
use crate::Store;
use crate::bound::{SWEEP_FOR_ROOM, expiry, may_record, new_id, rules};
use crate::choose::{self, Wish};
use crate::daily::Daily;
use crate::db::writer::Ctx;
use crate::error::BindError;
use crate::settings::Mode;
use crate::sql::{ms, num};

impl Store {
    /// The first step: gives A an X. `TooManyNumbers` when A has as many as it may, `NoNumber` when none is free.
    pub async fn axyb_bind_x(&self, request: AxybBindX) -> Result<AxybRelation, BindError> {
        self.write(move |ctx| bind(ctx, request)).await
    }
}

fn bind(ctx: &mut Ctx<'_>, request: AxybBindX) -> Result<AxybRelation, BindError> {
    let settings = rules(ctx, request.app, Mode::Axyb)?;
    may_record(request.policy.record, &settings)?;
    let sql = "SELECT count(*) FROM axyb_relations WHERE a = ?1 AND app = ?2 AND (expires_at IS NULL OR expires_at > ?3)";
    let mut statement = ctx.conn.prepare_cached(sql)?;
    let key = params![num(request.a), request.app.0, ms(ctx.now_ms)];
    let held: u32 = statement.query_row(key, |row| row.get(0))?;
    drop(statement);
    if held >= settings.numbers_per_a_max {
        return Err(BindError::TooManyNumbers);
    }
    let daily = Daily::of(&settings, ctx.now_ms);
    let x = pick(ctx, &request, daily)?;
    let relation = Relation {
        subscription: new_id(),
        app: request.app,
        x,
        a: request.a,
        direction: request.direction,
        policy: request.policy,
        duration_s: request.duration_s,
        yb_duration_s: request.yb_duration_s,
        expires_at_ms: expiry(ctx.now_ms, request.duration_s),
        bound_ms: ctx.now_ms,
        user_data: request.user_data,
    };
    insert(ctx, &relation)?;
    daily.spend(ctx, x)?;
    Ok(relation.shown())
}

fn pick(ctx: &mut Ctx<'_>, request: &AxybBindX, daily: Daily) -> Result<Number, BindError> {
    let wish = Wish::by_code(request.app, request.area.as_ref(), request.area_match).within(daily);
    if let Some(x) = choose::free(ctx, &wish, [request.a; 2])? {
        return Ok(x);
    }
    // Numbers may be held, as X or as Y, by what is over and only waits for the sweeper.
    sweep(ctx, SWEEP_FOR_ROOM)?;
    sweep_parts(ctx, SWEEP_FOR_ROOM)?;
    choose::free(ctx, &wish, [request.a; 2])?.ok_or(BindError::NoNumber)
}
