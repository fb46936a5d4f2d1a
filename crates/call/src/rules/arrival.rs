//! What is checked when a call arrives, before anything is looked up for it.
//!
//! A call that a list, an hour or a kind of number refuses is not counted; one that a limit refuses is not counted
//! in any other. Every other call that arrives is, whatever becomes of it: trying numbers is calling, too.

use axbridge_numbering::{Line, Number};

use super::blocked::Party;
use super::counts::{Key, Kind, Limit, Windows};
use super::{Standing, counts};
use crate::core::Ctx;
use crate::directory::Trunk;
use crate::outcome::{Bar, Ending};
use crate::plan::Arrived;

/// Whether a call that came in from `trunk` goes any further.
pub(crate) fn admit_caller(ctx: &Ctx<'_>, arrived: &Arrived, trunk: &Trunk) -> Result<(), Ending> {
    let app = &arrived.app;
    match app.standing {
        Standing::Active => {}
        Standing::Suspended => return Err(Ending::AppSuspended),
        Standing::Frozen => return Err(Ending::SubscriberFrozen),
    }
    let caller = arrived.caller.ok_or(Ending::NoCallerNumber)?;
    may_call(ctx, arrived, trunk, caller).map_err(Ending::Barred)
}

fn may_call(ctx: &Ctx<'_>, arrived: &Arrived, trunk: &Trunk, caller: Number) -> Result<(), Bar> {
    let (app, wall_ms) = (&arrived.app, ctx.now.wall_ms);
    let snapshot = ctx.core.directory.snapshot();
    if snapshot.blocked.blocks(app.id, Party::Caller, caller) {
        return Err(Bar::Caller);
    }
    let rules = &app.rules;
    if !rules.fixed_callers && caller.line() == Line::Fixed {
        return Err(Bar::Landline);
    }
    if !rules.international_in && is_foreign(trunk, caller) {
        return Err(Bar::InternationalIn);
    }
    let holds = |hours: &super::CallingHours| hours.holds(wall_ms, rules.utc_offset);
    if !rules.hours.is_empty() && !rules.hours.iter().any(holds) {
        return Err(Bar::TimeOfDay);
    }
    let counts = &ctx.core.directory.counts;
    counts.quality(app, caller, wall_ms)?;
    let platform = &snapshot.rules;
    let own = Windows::at(wall_ms, rules.utc_offset);
    let common = Windows::at(wall_ms, platform.utc_offset);
    let (id, caller, x) = (app.id.0, caller.as_u64(), arrived.x.as_u64());
    counts.take(&[
        limit(
            Kind::Caller,
            id,
            caller,
            &rules.rate_per_caller,
            own,
            Bar::CallerRate,
        ),
        limit(
            Kind::Caller,
            0,
            caller,
            &platform.rate_per_caller,
            common,
            Bar::CallerRate,
        ),
        limit(
            Kind::Number,
            id,
            x,
            &rules.rate_per_number,
            own,
            Bar::NumberRate,
        ),
        limit(Kind::App, id, 0, &rules.rate, own, Bar::AppRate),
        limit(
            Kind::Account,
            0,
            app.account,
            &platform.rate_per_account,
            common,
            Bar::DeveloperRate,
        ),
        limit(
            Kind::Platform,
            0,
            0,
            &platform.rate,
            common,
            Bar::DeveloperRate,
        ),
    ])
}

/// A limit as it is counted.
pub(super) fn limit(
    kind: Kind,
    app: u32,
    number: u64,
    rate: &super::CallRate,
    windows: Windows,
    bar: Bar,
) -> Limit<'_> {
    let key = Key { kind, app, number };
    counts::Limit {
        key,
        rate,
        windows,
        bar,
    }
}

/// Whether a number is of another country than the trunk.
pub(super) fn is_foreign(trunk: &Trunk, number: Number) -> bool {
    let home = trunk.numbers.country_code.parse().unwrap_or(0);
    home > 0 && !number.starts_with(home)
}
