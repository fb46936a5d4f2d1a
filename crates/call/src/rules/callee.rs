//! What is checked when it is known who is to be called, and as whom.

use axbridge_numbering::Number;

use super::arrival::{is_foreign, limit};
use super::blocked::Party;
use super::counts::{Kind, Windows};
use crate::core::Ctx;
use crate::directory::{App, Trunk};
use crate::outcome::Bar;

/// Whether `callee` may be called by way of `trunk` while seeing `display`.
pub(crate) fn admit_callee(
    ctx: &Ctx<'_>,
    app: &App,
    trunk: &Trunk,
    callee: Number,
    display: Number,
) -> Result<(), Bar> {
    let snapshot = ctx.core.directory.snapshot();
    if snapshot.blocked.blocks(app.id, Party::Callee, callee) {
        return Err(Bar::Callee);
    }
    let (rules, platform) = (&app.rules, &snapshot.rules);
    if !rules.international_out && is_foreign(trunk, callee) {
        return Err(Bar::InternationalOut);
    }
    let own = Windows::at(ctx.now.wall_ms, rules.utc_offset);
    let common = Windows::at(ctx.now.wall_ms, platform.utc_offset);
    let (id, callee) = (app.id.0, callee.as_u64());
    let display = display.as_u64();
    ctx.core.directory.counts.take(&[
        limit(
            Kind::Callee,
            id,
            callee,
            &rules.rate_per_callee,
            own,
            Bar::CalleeRate,
        ),
        limit(
            Kind::Callee,
            0,
            callee,
            &platform.rate_per_callee,
            common,
            Bar::CalleeRate,
        ),
        limit(
            Kind::Display,
            id,
            display,
            &rules.rate_per_display,
            own,
            Bar::DisplayRate,
        ),
    ])
}
