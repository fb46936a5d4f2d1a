//! Modify.

use axbridge_binding::CallBack;

use super::bind::outlives;
use super::rows::{Stored, find_live, write};
use super::types::{AxeBinding, AxeModifyRequest};
use crate::Store;
use crate::bound::{may_record, rules};
use crate::db::writer::Ctx;
use crate::error::BindError;
use crate::settings::Mode;

impl Store {
    /// Changes an AXE binding. Calls that run keep what they began with.
    pub async fn axe_modify(&self, request: AxeModifyRequest) -> Result<AxeBinding, BindError> {
        self.write(move |ctx| modify(ctx, request)).await
    }
}

fn modify(ctx: &mut Ctx<'_>, request: AxeModifyRequest) -> Result<AxeBinding, BindError> {
    let settings = rules(ctx, request.app, Mode::Axe)?;
    let mut stored = find_live(ctx.conn, request.app, request.key, ctx.now_ms)?;
    let recorded = stored.axe.policy.record;
    lives(&mut stored, &request, ctx.now_ms)?;
    let axe = &mut stored.axe;
    axe.show_caller = request.show_caller.unwrap_or(axe.show_caller);
    call_back(&mut axe.otherwise, &request);
    if axe.otherwise == CallBack::Number(axe.x) {
        return Err(BindError::SameParty);
    }
    request.policy.apply(&mut axe.policy);
    if let Some(user_data) = request.user_data {
        axe.user_data = user_data;
    }
    may_record(axe.policy.record && !recorded, &settings)?;
    stored.changed_ms = ctx.now_ms;
    write(ctx, &stored)?;
    Ok(stored.shown())
}

/// The lives of the binding, from now on, and of its callback records, the present one included.
fn lives(stored: &mut Stored, request: &AxeModifyRequest, now_ms: u64) -> Result<(), BindError> {
    stored.unit.since = request.unit.or(stored.unit.since);
    let unit = stored.unit.latest().unwrap_or_default();
    if let Some(life) = request.bind_expires {
        stored.life.since = Some(life);
        stored.life_ms = unit.ms(life);
        stored.axe.expires_at_ms = (life > 0).then(|| now_ms + stored.life_ms);
    }
    if let Some(life) = request.call_back_expires {
        stored.record_life = Some(life);
        stored.record_ms = unit.ms(life);
        stored.renew_record();
    }
    match outlives(stored.record_ms, stored.life_ms) {
        true => Err(BindError::CallBackOutlives),
        false => Ok(()),
    }
}

/// A number takes the place of what was before, else a tone does; clearing one leaves the other.
fn call_back(otherwise: &mut CallBack, request: &AxeModifyRequest) {
    if let Some(Some(number)) = request.call_back_num {
        *otherwise = CallBack::Number(number);
    } else if let Some(Some(tone)) = &request.call_back_tone {
        *otherwise = CallBack::Tone(tone.clone());
    } else {
        let cleared = match otherwise {
            CallBack::Number(_) => request.call_back_num.is_some(),
            CallBack::Tone(_) => request.call_back_tone.is_some(),
            CallBack::OfApplication => false,
        };
        if cleared {
            *otherwise = CallBack::OfApplication;
        }
    }
}
