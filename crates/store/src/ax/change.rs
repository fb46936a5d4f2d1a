//! Changing an AX binding, and naming whom A reaches.

use axbridge_binding::Temporary;

use super::rows::{find, update};
use super::types::{AX_CALLEE_DURATION_S_MAX, AxBinding, AxCalleeRequest, AxModifyRequest};
use crate::Store;
use crate::bound::{may_record, rules};
use crate::db::writer::Ctx;
use crate::error::{BindError, StoreError};
use crate::settings::Mode;

impl Store {
    /// Changes an AX binding. Calls that run keep what they began with.
    pub async fn ax_modify(&self, request: AxModifyRequest) -> Result<AxBinding, BindError> {
        self.write(move |ctx| modify(ctx, request)).await
    }

    /// Names whom A reaches, in place of whom was named before.
    pub async fn ax_set_callee(&self, request: AxCalleeRequest) -> Result<AxBinding, BindError> {
        self.write(move |ctx| set_callee(ctx, request)).await
    }
}

fn modify(ctx: &mut Ctx<'_>, request: AxModifyRequest) -> Result<AxBinding, BindError> {
    let settings = rules(ctx, request.app, Mode::Ax)?;
    let mut binding = find(ctx.conn, request.app, request.key)?;
    let recorded = binding.ax.policy.record;
    let ax = &mut binding.ax;
    if let Some(direction) = request.direction {
        ax.direction = direction;
        binding.direction = Some(direction);
    }
    ax.show_caller = request.show_caller.unwrap_or(ax.show_caller);
    ax.turned_off = request.turned_off.unwrap_or(ax.turned_off);
    request.policy.apply(&mut ax.policy);
    if let Some(user_data) = request.user_data {
        ax.user_data = user_data;
    }
    may_record(ax.policy.record && !recorded, &settings)?;
    binding.changed_ms = ctx.now_ms;
    update(ctx, &binding)?;
    Ok(binding)
}

fn set_callee(ctx: &mut Ctx<'_>, request: AxCalleeRequest) -> Result<AxBinding, BindError> {
    rules(ctx, request.app, Mode::Ax)?;
    let mut binding = find(ctx.conn, request.app, request.key)?;
    if request.callee == binding.ax.a || request.callee == binding.ax.x {
        return Err(BindError::SameParty);
    }
    if !(1..=AX_CALLEE_DURATION_S_MAX).contains(&request.duration_s) {
        let text = format!("the duration must be 1 to {AX_CALLEE_DURATION_S_MAX} seconds");
        return Err(StoreError::Invalid(text).into());
    }
    binding.ax.temporary = Some(Temporary {
        callee: request.callee,
        until_ms: ctx.now_ms + u64::from(request.duration_s) * 1_000,
        user_data: request.user_data,
    });
    update(ctx, &binding)?;
    Ok(binding)
}
