//! Bind.

use std::collections::HashSet;

use axbridge_binding::Axb;
use axbridge_numbering::Number;

use super::rows::{insert, seat};
use super::sweep::{sweep, sweep_number};
use super::types::{BindRequest, Binding};
use crate::Store;
use crate::bound::{self, SWEEP_FOR_ROOM, count, expiry, new_id};
use crate::choose::{self, Area, Wish};
use crate::db::writer::{Bound, Ctx, Effect};
use crate::error::BindError;
use crate::settings::{self, AppLimits, Mode};
use crate::sql::{ms, num};

impl Store {
    /// Makes a binding. When this returns it is durable and calls route by it.
    pub async fn bind(&self, request: BindRequest) -> Result<Binding, BindError> {
        self.write(move |ctx| bind(ctx, request)).await
    }
}

fn bind(ctx: &mut Ctx<'_>, request: BindRequest) -> Result<Binding, BindError> {
    if request.a == request.b {
        return Err(BindError::SameParty);
    }
    let limits = settings::app_limits(ctx, request.app)?.ok_or(BindError::NoApp)?;
    if limits.mode != Mode::Axb {
        return Err(BindError::WrongMode);
    }
    if request.policy.record && !limits.recording {
        return Err(BindError::RecordingOff);
    }
    let x = match request.x {
        Some(x) => {
            named(ctx, &request, x, &limits)?;
            x
        }
        None => pick(ctx, &request, &limits)?,
    };
    let now_ms = ctx.now_ms;
    let binding = Binding {
        axb: Axb {
            subscription: new_id(),
            app: request.app,
            x,
            a: request.a,
            b: request.b,
            direction: request.direction,
            expires_at_ms: expiry(now_ms, request.duration_s),
            policy: request.policy,
            user_data: request.user_data,
        },
        duration_s: request.duration_s,
        bound_ms: now_ms,
        changed_ms: now_ms,
    };
    seat(ctx, binding.axb.a, x, binding.axb.subscription)?;
    seat(ctx, binding.axb.b, x, binding.axb.subscription)?;
    insert(ctx, &binding)?;
    count(ctx, x, 1)?;
    limits.daily.spend(ctx, x)?;
    ctx.effect(Effect::Publish(Bound::Axb(binding.axb.clone()).into()));
    Ok(binding)
}

/// Checks the X that the customer named.
fn named(
    ctx: &mut Ctx<'_>,
    request: &BindRequest,
    x: Number,
    limits: &AppLimits,
) -> Result<(), BindError> {
    if x == request.a || x == request.b {
        return Err(BindError::SameParty);
    }
    let pairs_max = limits.pairs_max;
    let number = bound::named(ctx, request.app, x, limits.daily)?;
    if number.pairs < pairs_max {
        return Ok(());
    }
    let freed = sweep_number(ctx, x)?;
    if number.pairs.saturating_sub(freed) < pairs_max {
        Ok(())
    } else {
        Err(BindError::Full)
    }
}

/// Finds an X by area.
fn pick(ctx: &mut Ctx<'_>, request: &BindRequest, limits: &AppLimits) -> Result<Number, BindError> {
    if let Some(x) = choose(ctx, request, limits)? {
        return Ok(x);
    }
    // Numbers may be full of bindings that are over and only wait for the sweeper.
    if sweep(ctx, SWEEP_FOR_ROOM)? > 0
        && let Some(x) = choose(ctx, request, limits)?
    {
        return Ok(x);
    }
    Err(BindError::NoNumber)
}

fn choose(
    ctx: &mut Ctx<'_>,
    request: &BindRequest,
    limits: &AppLimits,
) -> rusqlite::Result<Option<Number>> {
    let mut taken = taken(ctx, request.a)?;
    taken.extend(self::taken(ctx, request.b)?);
    taken.extend([num(request.a), num(request.b)]);
    let wish = Wish {
        app: request.app,
        area: match &request.area {
            Some(area) => Area::Named(area.clone()),
            None => Area::HomeOf(request.a),
        },
        area_match: request.area_match,
        daily: limits.daily,
    };
    choose::with_room(ctx, &wish, taken, limits.pairs_max)
}

/// The numbers on which a party is bound.
fn taken(ctx: &Ctx<'_>, party: Number) -> rusqlite::Result<HashSet<i64>> {
    let sql = "SELECT p.x FROM binding_parties p JOIN bindings s ON s.subscription = p.subscription
               WHERE p.party = ?1 AND (s.expires_at IS NULL OR s.expires_at > ?2)";
    let mut statement = ctx.conn.prepare_cached(sql)?;
    let numbers = statement.query_map([num(party), ms(ctx.now_ms)], |row| row.get(0))?;
    numbers.collect()
}
