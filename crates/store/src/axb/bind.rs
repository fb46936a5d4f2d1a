//! Bind.

use axbridge_binding::{Axb, NumberStatus, SubscriptionId};
use axbridge_numbering::Number;
use uuid::Uuid;

use super::choose::{Area, choose};
use super::rows::{count_pairs, expiry, insert, seat};
use super::sweep::{sweep, sweep_number};
use super::types::{BindRequest, Binding};
use crate::Store;
use crate::db::writer::{Ctx, Effect};
use crate::error::BindError;
use crate::settings;

/// Expired bindings removed at once when no X seems free.
const SWEEP_FOR_ROOM: u32 = 1_000;

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
    if request.policy.record && !limits.recording {
        return Err(BindError::RecordingOff);
    }
    let x = match request.x {
        Some(x) => {
            named(ctx, &request, x, limits.pairs_max)?;
            x
        }
        None => pick(ctx, &request, limits.pairs_max)?,
    };
    let now_ms = ctx.now_ms;
    let binding = Binding {
        axb: Axb {
            // Version 7 grows with time: the primary key is written at its right edge.
            subscription: SubscriptionId(Uuid::now_v7().as_u128()),
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
    count_pairs(ctx, x, 1)?;
    ctx.effect(Effect::Publish(Box::new(binding.axb.clone())));
    Ok(binding)
}

/// Checks the X that the customer named.
fn named(
    ctx: &mut Ctx<'_>,
    request: &BindRequest,
    x: Number,
    pairs_max: u32,
) -> Result<(), BindError> {
    if x == request.a || x == request.b {
        return Err(BindError::SameParty);
    }
    let number = settings::find_number(ctx.conn, x)?;
    let number = number
        .filter(|n| n.app == request.app)
        .ok_or(BindError::NumberNotOfApp)?;
    if number.status != NumberStatus::Normal {
        return Err(BindError::NumberUnusable(number.status));
    }
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
fn pick(ctx: &mut Ctx<'_>, request: &BindRequest, pairs_max: u32) -> Result<Number, BindError> {
    let area = match &request.area {
        Some(area) => Area::Named(area.clone()),
        None => Area::HomeOf(request.a),
    };
    if let Some(x) = choose(ctx, request, &area, pairs_max)? {
        return Ok(x);
    }
    // Numbers may be full of bindings that are over and only wait for the sweeper.
    if sweep(ctx, SWEEP_FOR_ROOM)? > 0
        && let Some(x) = choose(ctx, request, &area, pairs_max)?
    {
        return Ok(x);
    }
    Err(BindError::NoNumber)
}
