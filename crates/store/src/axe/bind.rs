//! Bind.

use std::collections::HashSet;

use axbridge_binding::{Axe, CallBack, Extension};
use axbridge_numbering::Number;
use rusqlite::params;

use super::extension::allot;
use super::rows::{Said, Stored, at_extension, delete, of_a, write};
use super::sweep::{sweep, sweep_number};
use super::types::{AxeBindRequest, AxeBinding};
use crate::Store;
use crate::bound::{SWEEP_FOR_ROOM, count, is_live, may_record, named, new_id, rules};
use crate::choose::{self, Wish};
use crate::daily::Daily;
use crate::db::writer::Ctx;
use crate::error::BindError;
use crate::settings::{AxeSettings, Mode};
use crate::sql::num;

/// Numbers X that are tried when the customer names none.
const NUMBERS_TRIED: u32 = 16;

/// What an X may hold, and how often it may be bound today.
#[derive(Clone, Copy)]
struct Room {
    room: u32,
    daily: Daily,
}

impl Store {
    /// Makes an AXE binding. When this returns it is durable and calls route by it. `Bound` when A is on that X,
    /// `NoExtension` when the extension is taken or none is free on the X that was named.
    pub async fn axe_bind(&self, request: AxeBindRequest) -> Result<AxeBinding, BindError> {
        self.write(move |ctx| bind(ctx, request)).await
    }
}

fn bind(ctx: &mut Ctx<'_>, request: AxeBindRequest) -> Result<AxeBinding, BindError> {
    let settings = rules(ctx, request.app, Mode::Axe)?;
    may_record(request.policy.record, &settings)?;
    let digits = settings.axe.extension_digits;
    if request.extension.is_some_and(|e| e.digits() != digits) {
        return Err(BindError::ExtensionLength(digits));
    }
    let unit = request.unit.unwrap_or_default();
    let life_ms = unit.ms(request.bind_expires.unwrap_or(0));
    let record_ms = unit.ms(request.call_back_expires.unwrap_or(0));
    if outlives(record_ms, life_ms) {
        return Err(BindError::CallBackOutlives);
    }
    let daily = Daily::of(&settings, ctx.now_ms);
    let (x, extension) = match request.x {
        Some(x) => {
            let room = room(&settings.axe);
            check_named(ctx, &request, x, Room { room, daily })?;
            let extension = place(ctx, &request, x, digits)?;
            (x, extension.ok_or(BindError::NoExtension)?)
        }
        None => {
            let room = room_to_allot(&settings.axe, &request);
            pick(ctx, &request, digits, Room { room, daily })?
        }
    };
    let now_ms = ctx.now_ms;
    let stored = Stored {
        axe: Axe {
            subscription: new_id(),
            app: request.app,
            x,
            a: request.a,
            extension,
            show_caller: request.show_caller,
            expires_at_ms: (life_ms > 0).then(|| now_ms + life_ms),
            reached: None,
            otherwise: request.call_back,
            policy: request.policy,
            user_data: request.user_data,
        },
        unit: Said {
            at_bind: request.unit,
            since: None,
        },
        life: Said {
            at_bind: request.bind_expires,
            since: None,
        },
        life_ms,
        record_life: request.call_back_expires,
        record_ms,
        reached_by: None,
        reached_ms: 0,
        bound_ms: now_ms,
        changed_ms: now_ms,
    };
    write(ctx, &stored)?;
    count(ctx, x, 1)?;
    daily.spend(ctx, x)?;
    Ok(stored.shown())
}

/// Whether callback records would live longer than the binding. 0 is for ever of the binding, and "with the
/// binding" of a record.
pub(super) fn outlives(record_ms: u64, life_ms: u64) -> bool {
    life_ms > 0 && record_ms > life_ms
}

/// Bindings on one X at most.
fn room(settings: &AxeSettings) -> u32 {
    let extensions = Extension::count(settings.extension_digits);
    settings.extensions_max.min(u32::from(extensions))
}

/// The same for an extension that we choose: 0, 00.. are given only to who asks for them.
fn room_to_allot(settings: &AxeSettings, request: &AxeBindRequest) -> u32 {
    match request.extension {
        Some(_) => room(settings),
        None => room(settings).min(u32::from(Extension::count(settings.extension_digits)) - 1),
    }
}

/// Checks the X that the customer named, and makes A's place on it free.
fn check_named(
    ctx: &mut Ctx<'_>,
    request: &AxeBindRequest,
    x: Number,
    limits: Room,
) -> Result<(), BindError> {
    if x == request.a || request.call_back == CallBack::Number(x) {
        return Err(BindError::SameParty);
    }
    let mut bound = named(ctx, request.app, x, limits.daily)?.pairs;
    if let Some(old) = of_a(ctx.conn, x, request.a)? {
        if is_live(old.axe.expires_at_ms, ctx.now_ms) {
            return Err(BindError::Bound);
        }
        delete(ctx, &old)?;
        bound = bound.saturating_sub(1);
    }
    let room = limits.room;
    if bound >= room && bound.saturating_sub(sweep_number(ctx, x)?) >= room {
        return Err(BindError::NoExtension);
    }
    Ok(())
}

/// The extension that this binding gets on X; none when the one that is wanted is taken, or when none is free.
fn place(
    ctx: &mut Ctx<'_>,
    request: &AxeBindRequest,
    x: Number,
    digits: u8,
) -> Result<Option<Extension>, BindError> {
    if let Some(wanted) = request.extension {
        return take(ctx, x, wanted);
    }
    if let Some(free) = allot(ctx, x, digits)? {
        return Ok(Some(free));
    }
    // Extensions may be held by bindings that are over for so long that they have rested, unswept.
    match sweep_number(ctx, x)? {
        0 => Ok(None),
        _ => Ok(allot(ctx, x, digits)?),
    }
}

/// The extension that the customer wants, if nobody has it. It may have been let go just now: he knows.
fn take(
    ctx: &mut Ctx<'_>,
    x: Number,
    extension: Extension,
) -> Result<Option<Extension>, BindError> {
    if let Some(old) = at_extension(ctx.conn, x, extension)? {
        if is_live(old.axe.expires_at_ms, ctx.now_ms) {
            return Ok(None);
        }
        delete(ctx, &old)?;
    }
    Ok(Some(extension))
}

/// Finds an X by area, on which A is not and an extension is free. One with room may have none that has rested:
/// then another.
fn pick(
    ctx: &mut Ctx<'_>,
    request: &AxeBindRequest,
    digits: u8,
    limits: Room,
) -> Result<(Number, Extension), BindError> {
    let mut resting = HashSet::new();
    for _ in 0..NUMBERS_TRIED {
        let Some(x) = with_room(ctx, request, limits, &resting)? else {
            break;
        };
        if let Some(extension) = place(ctx, request, x, digits)? {
            return Ok((x, extension));
        }
        resting.insert(num(x));
    }
    Err(BindError::NoNumber)
}

fn with_room(
    ctx: &mut Ctx<'_>,
    request: &AxeBindRequest,
    limits: Room,
    except: &HashSet<i64>,
) -> Result<Option<Number>, BindError> {
    if let Some(x) = choose(ctx, request, limits, except)? {
        return Ok(Some(x));
    }
    // Numbers may be full of bindings that are over and only wait for the sweeper.
    match sweep(ctx, SWEEP_FOR_ROOM)? {
        0 => Ok(None),
        _ => Ok(choose(ctx, request, limits, except)?),
    }
}

fn choose(
    ctx: &mut Ctx<'_>,
    request: &AxeBindRequest,
    limits: Room,
    except: &HashSet<i64>,
) -> rusqlite::Result<Option<Number>> {
    let mut taken = except.clone();
    taken.insert(num(request.a));
    if let CallBack::Number(number) = request.call_back {
        taken.insert(num(number));
    }
    let sql = "SELECT x FROM axe_bindings WHERE a = ?1
               UNION SELECT x FROM axe_bindings WHERE app = ?2 AND extension = ?3";
    let mut statement = ctx.conn.prepare_cached(sql)?;
    let wanted = request.extension.map_or(0, Extension::code);
    let key = params![num(request.a), request.app.0, wanted];
    for x in statement.query_map(key, |row| row.get(0))? {
        taken.insert(x?);
    }
    drop(statement);
    let wish = Wish::by_code(request.app, request.area.as_ref(), request.area_match);
    choose::with_room(ctx, &wish.within(limits.daily), taken, limits.room)
}
