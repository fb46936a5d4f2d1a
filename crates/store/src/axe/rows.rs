//! AXE bindings as rows.

use std::sync::Arc;

use axbridge_binding::{AppId, Axe, CallBack, Extension, Reached, SubscriptionId};
use axbridge_numbering::Number;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::extension::KEPT_FREE_MS;
use super::types::{AxeBinding, AxeKey, TimeUnit};
use crate::bound::{count, is_live};
use crate::db::writer::{Bound, Ctx, Effect};
use crate::error::{BindError, StoreError};
use crate::policy::{intern, policy_at};
use crate::settings;
use crate::sql::{
    ms, ms_or_none, num, number, number_or_none, sub, subscription, text_or_none, to_ms,
};

/// What was said at the bind and what a change has said since.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Said<T> {
    pub at_bind: Option<T>,
    pub since: Option<T>,
}

impl<T: Copy> Said<T> {
    /// What holds.
    pub fn latest(self) -> Option<T> {
        self.since.or(self.at_bind)
    }

    /// What a query shows: the API shows what the bind said, even when a change has said something else.
    fn shown(self) -> Option<T> {
        self.at_bind.or(self.since)
    }
}

/// A binding with everything that is kept of it.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    /// Its callback record is of the moment of reading.
    pub axe: Axe,
    pub unit: Said<TimeUnit>,
    pub life: Said<u32>,
    /// How long the binding lives from bind or last change of its life; 0 = for ever.
    pub life_ms: u64,
    pub record_life: Option<u32>,
    /// How long a callback record lives; 0 = with the binding.
    pub record_ms: u64,
    pub reached_by: Option<Number>,
    pub reached_ms: u64,
    pub bound_ms: u64,
    pub changed_ms: u64,
}

impl Stored {
    /// As the API shows it.
    pub fn shown(self) -> AxeBinding {
        AxeBinding {
            axe: self.axe,
            unit: self.unit.shown(),
            bind_expires: self.life.shown(),
            call_back_expires: self.record_life,
            bound_ms: self.bound_ms,
            changed_ms: self.changed_ms,
        }
    }

    /// Brings the callback record up to who reached A, when, and how long that counts.
    pub fn renew_record(&mut self) {
        self.axe.reached = self.reached_by.map(|caller| Reached {
            caller,
            until_ms: (self.record_ms > 0).then(|| self.reached_ms + self.record_ms),
        });
    }
}

pub(super) const COLUMNS: &str = "s.subscription, s.app, s.x, s.a, s.extension, s.show_caller, s.tone, s.call_back, \
     s.unit, s.unit_since, s.life, s.life_since, s.life_ms, s.record_life, s.record_ms, s.expires_at, s.reached, \
     s.reached_at, s.bound_at, s.changed_at, s.user_data, p.document";
pub(super) const FROM: &str = "axe_bindings s JOIN policies p ON p.id = s.policy";

pub(super) fn stored_of(row: &Row<'_>) -> rusqlite::Result<Stored> {
    let unit = |at| -> rusqlite::Result<Option<TimeUnit>> {
        let minutes: Option<bool> = row.get(at)?;
        Ok(minutes.map(|minutes| match minutes {
            true => TimeUnit::Minutes,
            false => TimeUnit::Hours,
        }))
    };
    let otherwise = match (text_or_none(row, 6)?, number_or_none(row, 7)?) {
        (_, Some(number)) => CallBack::Number(number),
        (Some(tone), None) => CallBack::Tone(tone),
        (None, None) => CallBack::OfApplication,
    };
    let mut stored = Stored {
        axe: Axe {
            subscription: subscription(row, 0)?,
            app: AppId(row.get(1)?),
            x: number(row, 2)?,
            a: number(row, 3)?,
            extension: extension(row, 4)?,
            show_caller: row.get(5)?,
            expires_at_ms: ms_or_none(row, 15)?,
            reached: None,
            otherwise,
            policy: policy_at(row, 21)?,
            user_data: text_or_none(row, 20)?,
        },
        unit: Said {
            at_bind: unit(8)?,
            since: unit(9)?,
        },
        life: Said {
            at_bind: row.get(10)?,
            since: row.get(11)?,
        },
        life_ms: to_ms(row.get(12)?),
        record_life: row.get(13)?,
        record_ms: to_ms(row.get(14)?),
        reached_by: number_or_none(row, 16)?,
        reached_ms: to_ms(row.get(17)?),
        bound_ms: to_ms(row.get(18)?),
        changed_ms: to_ms(row.get(19)?),
    };
    stored.renew_record();
    Ok(stored)
}

pub(super) fn extension(row: &Row<'_>, at: usize) -> rusqlite::Result<Extension> {
    let code: u32 = row.get(at)?;
    Extension::from_code(code).ok_or_else(|| {
        let what = format!("{code} is no extension").into();
        rusqlite::Error::FromSqlConversionFailure(at, Type::Integer, what)
    })
}

/// The binding of this application, unless it is over.
pub(super) fn find_live(
    conn: &Connection,
    app: AppId,
    key: AxeKey,
    now_ms: u64,
) -> Result<Stored, BindError> {
    let found = match key {
        AxeKey::Subscription(id) => one(conn, "s.subscription = ?1", [sub(id)])?,
        AxeKey::Extension(x, extension) => {
            let own = settings::find_number(conn, x)?.is_some_and(|n| n.app == app);
            if !own {
                return Err(BindError::NumberNotOfApp);
            }
            at_extension(conn, x, extension)?
        }
    };
    found
        .filter(|s| s.axe.app == app && is_live(s.axe.expires_at_ms, now_ms))
        .ok_or(BindError::NotFound)
}

/// Who has this extension, expired or not.
pub(super) fn at_extension(
    conn: &Connection,
    x: Number,
    extension: Extension,
) -> rusqlite::Result<Option<Stored>> {
    let key = params![num(x), extension.code()];
    one(conn, "s.x = ?1 AND s.extension = ?2", key)
}

/// The binding of this A, expired or not.
pub(super) fn of_a(conn: &Connection, x: Number, a: Number) -> rusqlite::Result<Option<Stored>> {
    one(conn, "s.x = ?1 AND s.a = ?2", params![num(x), num(a)])
}

fn one(
    conn: &Connection,
    condition: &str,
    key: impl rusqlite::Params,
) -> rusqlite::Result<Option<Stored>> {
    let sql = format!("SELECT {COLUMNS} FROM {FROM} WHERE {condition}");
    let mut statement = conn.prepare_cached(&sql)?;
    statement.query_row(key, stored_of).optional()
}

fn tone_of(otherwise: &CallBack) -> Option<&Arc<str>> {
    match otherwise {
        CallBack::Tone(tone) => Some(tone),
        CallBack::OfApplication | CallBack::Number(_) => None,
    }
}

fn number_of(otherwise: &CallBack) -> Option<Number> {
    match otherwise {
        CallBack::Number(number) => Some(*number),
        CallBack::OfApplication | CallBack::Tone(_) => None,
    }
}

/// Writes the row of a binding, new or changed, and shows it to calls.
pub(super) fn write(ctx: &mut Ctx<'_>, stored: &Stored) -> Result<(), StoreError> {
    let axe = &stored.axe;
    let policy = intern(ctx.conn, &axe.policy)?;
    let is_minutes = |unit: TimeUnit| unit == TimeUnit::Minutes;
    let sql = "INSERT INTO axe_bindings(subscription, app, x, a, extension, show_caller, policy, tone,
               call_back, unit, unit_since, life, life_since, life_ms, record_life, record_ms, expires_at, reached,
               reached_at, bound_at, changed_at, user_data)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21,
               ?22) ON CONFLICT(subscription) DO UPDATE SET show_caller = ?6, policy = ?7, tone = ?8, call_back = ?9,
               unit_since = ?11, life_since = ?13, life_ms = ?14, record_life = ?15, record_ms = ?16, expires_at = ?17,
               changed_at = ?21, user_data = ?22";
    ctx.conn.prepare_cached(sql)?.execute(params![
        sub(axe.subscription),
        axe.app.0,
        num(axe.x),
        num(axe.a),
        axe.extension.code(),
        axe.show_caller,
        policy,
        tone_of(&axe.otherwise).map(|tone| &**tone),
        number_of(&axe.otherwise).map(num),
        stored.unit.at_bind.map(is_minutes),
        stored.unit.since.map(is_minutes),
        stored.life.at_bind,
        stored.life.since,
        ms(stored.life_ms),
        stored.record_life,
        ms(stored.record_ms),
        axe.expires_at_ms.map(ms),
        stored.reached_by.map(num),
        ms(stored.reached_ms),
        ms(stored.bound_ms),
        ms(stored.changed_ms),
        axe.user_data.as_deref(),
    ])?;
    ctx.effect(Effect::Publish(Bound::Axe(axe.clone()).into()));
    Ok(())
}

/// Removes a binding; its extension rests.
pub(super) fn delete(ctx: &mut Ctx<'_>, stored: &Stored) -> Result<(), StoreError> {
    let axe = &stored.axe;
    let sql = "DELETE FROM axe_bindings WHERE subscription = ?1";
    ctx.conn
        .prepare_cached(sql)?
        .execute([sub(axe.subscription)])?;
    count(ctx, axe.x, -1)?;
    let released_ms = axe
        .expires_at_ms
        .map_or(ctx.now_ms, |at| at.min(ctx.now_ms));
    let sql = "INSERT OR REPLACE INTO axe_released(x, extension, free_at) VALUES (?1, ?2, ?3)";
    ctx.conn.prepare_cached(sql)?.execute(params![
        num(axe.x),
        axe.extension.code(),
        ms(released_ms + KEPT_FREE_MS)
    ])?;
    let (x, subscription) = (axe.x, axe.subscription);
    ctx.effect(Effect::Withdraw { x, subscription });
    Ok(())
}

/// Notes who reached A through this binding, unless somebody did later; false when there is no such binding.
pub(crate) fn learn(
    ctx: &mut Ctx<'_>,
    id: SubscriptionId,
    caller: Number,
    at_ms: u64,
) -> Result<bool, StoreError> {
    let Some(mut stored) = one(ctx.conn, "s.subscription = ?1", [sub(id)])? else {
        return Ok(false);
    };
    if !is_live(stored.axe.expires_at_ms, ctx.now_ms) || at_ms < stored.reached_ms {
        return Ok(true);
    }
    let sql = "UPDATE axe_bindings SET reached = ?2, reached_at = ?3 WHERE subscription = ?1";
    ctx.conn
        .prepare_cached(sql)?
        .execute(params![sub(id), num(caller), ms(at_ms)])?;
    (stored.reached_by, stored.reached_ms) = (Some(caller), at_ms);
    stored.renew_record();
    ctx.effect(Effect::Publish(Bound::Axe(stored.axe).into()));
    Ok(true)
}

/// Every AXE binding that is not over, for filling the table.
pub(crate) fn for_each(ctx: &Ctx<'_>, visit: &mut impl FnMut(Bound)) -> Result<(), StoreError> {
    let sql =
        format!("SELECT {COLUMNS} FROM {FROM} WHERE s.expires_at IS NULL OR s.expires_at > ?1");
    let mut statement = ctx.conn.prepare(&sql)?;
    let mut rows = statement.query([ms(ctx.now_ms)])?;
    while let Some(row) = rows.next()? {
        visit(Bound::Axe(stored_of(row)?.axe));
    }
    Ok(())
}
