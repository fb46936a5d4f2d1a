//! What is done now and then: expired bindings, old records, old notifications. In small steps, so that binds
//! do not wait behind it.

use std::sync::Arc;
use std::time::Duration;

use crate::config::StoreConfig;
use crate::db::writer::{Ctx, WriterHandle};
use crate::error::StoreError;
use crate::journal::Journal;
use crate::{axb, axe, axyb, ledger, texts};

/// Rows removed in one operation.
const STEP: u32 = 200;
const DAY_MS: u64 = 24 * 3_600 * 1_000;

/// One round; says how many bindings were removed. Steps until nothing is left.
pub(crate) fn round(writer: &WriterHandle, config: &StoreConfig) -> Result<u64, StoreError> {
    let kept = |days: u32| u64::from(days) * DAY_MS;
    let (records, undelivered) = (
        kept(config.records_kept_days),
        kept(config.undelivered_kept_days),
    );
    let bindings = until_done(writer, |ctx| axb::sweep(ctx, STEP))?
        + until_done(writer, |ctx| axe::sweep(ctx, STEP))?
        + until_done(writer, |ctx| axyb::sweep(ctx, STEP))?
        + until_done(writer, |ctx| axyb::sweep_parts(ctx, STEP))?;
    until_done(writer, |ctx| axe::drop_released(ctx, STEP))?;
    until_done(writer, move |ctx| {
        let before = ctx.now_ms.saturating_sub(records);
        ledger::drop_old_records(ctx, before, STEP)
    })?;
    let parts_wait = config.text_parts_wait_ms;
    until_done(writer, move |ctx| {
        let before = ctx.now_ms.saturating_sub(parts_wait);
        texts::expire(ctx, before, STEP)
    })?;
    until_done(writer, |ctx| {
        let before = ctx.now_ms.saturating_sub(DAY_MS);
        texts::drop_early(ctx, before, STEP)
    })?;
    until_done(writer, move |ctx| {
        let before = ctx.now_ms.saturating_sub(records);
        texts::drop_old(ctx, before, STEP)
    })?;
    until_done(writer, move |ctx| {
        let before = ctx.now_ms.saturating_sub(records);
        ledger::drop_refused(ctx, before, STEP)
    })?;
    until_done(writer, move |ctx| {
        let before = ctx.now_ms.saturating_sub(undelivered);
        ledger::drop_old(ctx, before, STEP)
    })?;
    Ok(bindings)
}

fn until_done(
    writer: &WriterHandle,
    step: impl Fn(&mut Ctx<'_>) -> Result<u32, StoreError> + Copy + Send + 'static,
) -> Result<u64, StoreError> {
    let mut total = 0;
    loop {
        let removed = writer.write_blocking(step)?;
        total += u64::from(removed);
        if removed < STEP {
            return Ok(total);
        }
    }
}

/// The thread: until the journal is stopped.
pub(crate) fn run(writer: &WriterHandle, config: &StoreConfig, journal: &Arc<Journal>) {
    let every = Duration::from_secs(5);
    let slice = Duration::from_millis(100);
    let mut waited = Duration::ZERO;
    while !journal.stopped() {
        std::thread::sleep(slice);
        waited += slice;
        if waited < every {
            continue;
        }
        waited = Duration::ZERO;
        if let Err(error) = round(writer, config) {
            tracing::warn!(%error, "expired rows could not be removed");
        }
    }
}
