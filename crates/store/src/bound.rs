//! What bindings of every kind have in common: whose they are, whether X may be bound, how long they live.

use axbridge_binding::{AppId, NumberStatus, SubscriptionId};
use axbridge_numbering::Number;
use rusqlite::{OptionalExtension, params};
use uuid::Uuid;

use crate::daily::Daily;
use crate::db::writer::Ctx;
use crate::error::{BindError, StoreError};
use crate::settings::{self, AppSettings, Mode, NumberRecord};
use crate::sql::{from_json, num};

/// Expired bindings removed at once when no X seems free.
pub(crate) const SWEEP_FOR_ROOM: u32 = 1_000;

/// The settings of an application of this mode.
pub(crate) fn rules(ctx: &Ctx<'_>, app: AppId, mode: Mode) -> Result<AppSettings, BindError> {
    let mut statement = ctx
        .conn
        .prepare_cached("SELECT mode, settings FROM apps WHERE id = ?1")?;
    let found: Option<(Mode, AppSettings)> = statement
        .query_row([app.0], |row| Ok((from_json(row, 0)?, from_json(row, 1)?)))
        .optional()?;
    match found.ok_or(BindError::NoApp)? {
        (of, settings) if of == mode => Ok(settings),
        _ => Err(BindError::WrongMode),
    }
}

/// Refuses to record where the application does not.
pub(crate) fn may_record(wanted: bool, settings: &AppSettings) -> Result<(), BindError> {
    if wanted && !settings.recording {
        return Err(BindError::RecordingOff);
    }
    Ok(())
}

/// An X of the application.
pub(crate) fn own_number(ctx: &Ctx<'_>, app: AppId, x: Number) -> Result<NumberRecord, BindError> {
    let number = settings::find_number(ctx.conn, x)?;
    number
        .filter(|number| number.app == app)
        .ok_or(BindError::NumberNotOfApp)
}

/// An X that the customer named, for a new binding.
pub(crate) fn named(
    ctx: &Ctx<'_>,
    app: AppId,
    x: Number,
    daily: Daily,
) -> Result<NumberRecord, BindError> {
    let number = own_number(ctx, app, x)?;
    if number.status != NumberStatus::Normal {
        return Err(BindError::NumberUnusable(number.status));
    }
    let (day, max) = daily.key();
    let sql = "SELECT EXISTS(SELECT 1 FROM numbers WHERE x = ?1 AND binds_day = ?2 AND binds_today >= ?3)";
    let mut statement = ctx.conn.prepare_cached(sql)?;
    if max > 0 && statement.query_row(params![num(x), day, max], |row| row.get(0))? {
        return Err(BindError::DailyBinds);
    }
    Ok(number)
}

/// A new identity. Version 7 grows with time: the primary key is written at its right edge.
pub(crate) fn new_id() -> SubscriptionId {
    SubscriptionId(Uuid::now_v7().as_u128())
}

/// The end of a life of `duration_s` that begins now.
pub(crate) fn expiry(now_ms: u64, duration_s: u32) -> Option<u64> {
    (duration_s > 0).then(|| now_ms + u64::from(duration_s) * 1_000)
}

/// Whether what ends then still is.
pub(crate) fn is_live(until_ms: Option<u64>, now_ms: u64) -> bool {
    until_ms.is_none_or(|until| now_ms < until)
}

/// Adds to the number of bindings on an X. Without any it is nobody's Y either.
pub(crate) fn count(ctx: &mut Ctx<'_>, x: Number, by: i64) -> Result<(), StoreError> {
    let sql = "UPDATE numbers SET pairs = max(0, pairs + ?2), as_y = iif(pairs + ?2 > 0, as_y, 0) WHERE x = ?1";
    ctx.conn.prepare_cached(sql)?.execute([num(x), by])?;
    Ok(())
}
