//! After a crash: every call that was told of and has no record gets its end and its record, once.

use std::sync::Arc;

use axbridge_binding::{AppId, SubscriptionId};
use axbridge_call::{CallRecord, Ending, Fact, FactKind};
use axbridge_numbering::Number;
use rusqlite::{OptionalExtension, params};
use uuid::Uuid;

use super::apply::Applier;
use crate::Store;
use crate::db::writer::Ctx;
use crate::error::StoreError;
use crate::journal::Damage;
use crate::pulse;
use crate::settings;
use crate::sql::{from_json, number, sub, to_json};

/// Calls that are ended in one transaction.
const CALLS_MAX: usize = 200;

/// A call that has no record: the facts that are known of it, in order.
#[derive(Clone, Debug)]
pub struct OpenCall {
    /// Its application.
    pub app: AppId,
    /// The call.
    pub session_id: Arc<str>,
    /// Never empty.
    pub facts: Vec<Fact>,
}

/// What is left of the recording of such a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoveredRecording {
    /// Object name.
    pub object: String,
    /// When it begins, Unix milliseconds.
    pub start_ms: u64,
    /// Length of the audio.
    pub length_ms: u64,
    /// Size of the file.
    pub bytes: u64,
    /// The file plays and is long enough to be kept.
    pub valid: bool,
}

/// What a start-up found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecoveryReport {
    /// Facts taken from the journal.
    pub facts: u64,
    /// Calls that were ended.
    pub calls_ended: u64,
    /// What could not be read.
    pub damage: Damage,
}

impl OpenCall {
    /// The recording that was begun, if one was.
    pub fn recording_object(&self) -> Option<&str> {
        self.facts.iter().find_map(|fact| match &fact.kind {
            FactKind::RecordingStarted { object } => Some(object.as_str()),
            _ => None,
        })
    }

    /// When that recording was begun, Unix milliseconds.
    pub fn recording_start_ms(&self) -> Option<u64> {
        self.time_of(|kind| matches!(kind, FactKind::RecordingStarted { .. }))
    }

    /// The last that is known of it.
    pub fn last_at_ms(&self) -> u64 {
        self.facts.iter().map(|fact| fact.at_ms).max().unwrap_or(0)
    }

    fn time_of(&self, which: fn(&FactKind) -> bool) -> Option<u64> {
        self.facts
            .iter()
            .find(|fact| which(&fact.kind))
            .map(|fact| fact.at_ms)
    }
}

impl Store {
    /// Takes what an earlier run left in the journal and ends its calls; then the journal can be written and
    /// is taken as it grows. To be called once, before any call; blocks. `recording` is asked what is left of
    /// the recording of each call that was cut off; it may be asked again after another crash.
    pub fn recover(
        &self,
        mut recording: impl FnMut(&OpenCall) -> Option<RecoveredRecording>,
    ) -> Result<RecoveryReport, StoreError> {
        let mut state = self.shared.ingest.lock();
        let Some(ingest) = state.as_mut() else {
            return Err(StoreError::Invalid(
                "recovery runs once, before the first call".into(),
            ));
        };
        ingest.drain()?;
        ingest.clean();
        let alive_ms = pulse::last_ms(&self.shared.config.dir).min(self.now_ms());
        let mut report = RecoveryReport {
            facts: ingest.applied,
            damage: ingest.damage,
            calls_ended: 0,
        };
        loop {
            let calls = self
                .shared
                .writer
                .write_blocking(|ctx| open_calls(ctx, CALLS_MAX))?;
            if calls.is_empty() {
                break;
            }
            report.calls_ended += calls.len() as u64;
            let ends: Vec<_> = calls
                .into_iter()
                .map(|call| (recording(&call), call))
                .collect();
            self.shared.writer.write_blocking(move |ctx| {
                ends.iter()
                    .try_for_each(|(rec, call)| end(ctx, call, rec.as_ref(), alive_ms))
            })?;
        }
        if let Some(ingest) = state.take() {
            self.start_journal(ingest)?;
        }
        Ok(report)
    }
}

fn open_calls(ctx: &mut Ctx<'_>, limit: usize) -> Result<Vec<OpenCall>, StoreError> {
    let sql = "SELECT fact FROM open_facts WHERE session IN (SELECT DISTINCT session FROM open_facts LIMIT ?1)
               ORDER BY session, seq";
    let mut statement = ctx.conn.prepare(sql)?;
    let facts = statement.query_map(params![limit as i64], |row| from_json::<Fact>(row, 0))?;
    let mut calls: Vec<OpenCall> = Vec::new();
    for fact in facts {
        let fact = fact?;
        match calls
            .last_mut()
            .filter(|call| call.session_id == fact.session_id)
        {
            Some(call) => call.facts.push(fact),
            None => {
                let session_id = Arc::clone(&fact.session_id);
                calls.push(OpenCall {
                    app: fact.app,
                    session_id,
                    facts: vec![fact],
                });
            }
        }
    }
    Ok(calls)
}

fn end(
    ctx: &mut Ctx<'_>,
    call: &OpenCall,
    recording: Option<&RecoveredRecording>,
    alive_ms: u64,
) -> Result<(), StoreError> {
    let mut applier = Applier::default();
    for fact in ending(ctx, call, recording, alive_ms)? {
        applier.apply(ctx, &fact, &to_json(&fact)?)?;
    }
    Ok(())
}

/// The facts that the call would have told. It lasted at least as long as the process was seen alive.
fn ending(
    ctx: &Ctx<'_>,
    call: &OpenCall,
    recording: Option<&RecoveredRecording>,
    alive_ms: u64,
) -> Result<Vec<Fact>, StoreError> {
    let Some(last) = call.facts.last() else {
        return Ok(Vec::new());
    };
    let recorded_until = recording.map_or(0, |r| r.start_ms + r.length_ms);
    let mut end_ms = call.last_at_ms().max(recorded_until).max(alive_ms);
    let mut next = last.clone();
    let mut facts = Vec::new();
    let told = call.facts.iter().find_map(|fact| match &fact.kind {
        FactKind::Disconnect {
            state_code,
            released_by,
            ..
        } => Some((fact.at_ms, *state_code, *released_by)),
        _ => None,
    });
    let (state_code, released_by) = match told {
        Some((at_ms, state_code, released_by)) => {
            end_ms = at_ms;
            (state_code, released_by)
        }
        None => {
            let (caller, called) = parties(call);
            next.seq += 1;
            next.at_ms = end_ms;
            let interrupted = Ending::Interrupted.outcome();
            next.kind = FactKind::Disconnect {
                caller,
                called,
                state_code: interrupted.state_code,
                state_desc: interrupted.state_desc.to_owned(),
                released_by: interrupted.released_by,
            };
            facts.push(next.clone());
            (interrupted.state_code, interrupted.released_by)
        }
    };
    let mut record = record(ctx, call, recording)?;
    record.call_end_ms = end_ms;
    record.state_code = state_code;
    record.ul_fail_reason = state_code;
    record.released_by = released_by;
    next.seq += 1;
    next.at_ms = end_ms;
    next.kind = FactKind::Record(Box::new(record));
    facts.push(next);
    Ok(facts)
}

/// Caller and called of the last event that named them.
fn parties(call: &OpenCall) -> (String, String) {
    let named = call.facts.iter().rev().find_map(|fact| match &fact.kind {
        FactKind::CallIn { caller, called, .. }
        | FactKind::CallOut { caller, called }
        | FactKind::Alerting { caller, called }
        | FactKind::Answer { caller, called } => Some((caller.clone(), called.clone())),
        _ => None,
    });
    named.unwrap_or_default()
}

fn record(
    ctx: &Ctx<'_>,
    call: &OpenCall,
    recording: Option<&RecoveredRecording>,
) -> Result<CallRecord, StoreError> {
    let mut record = CallRecord {
        icid: Uuid::now_v7().to_string(),
        direction: 2,
        call_in_ms: call.facts.first().map_or(0, |fact| fact.at_ms),
        fwd_start_ms: call.time_of(|kind| matches!(kind, FactKind::CallOut { .. })),
        fwd_alerting_ms: call.time_of(|kind| matches!(kind, FactKind::Alerting { .. })),
        fwd_answer_ms: call.time_of(|kind| matches!(kind, FactKind::Answer { .. })),
        ..CallRecord::default()
    };
    let mut keyed = None;
    for fact in &call.facts {
        match &fact.kind {
            FactKind::CallIn {
                caller,
                called,
                asked,
            } => {
                record.caller_num.clone_from(caller);
                record.callee_num.clone_from(called);
                record.bind_num.clone_from(called);
                record.asked = *asked;
                record.area_code = area_of(ctx, called)?;
            }
            FactKind::CollectInfo { digits } => keyed = Some(digits.clone()),
            FactKind::CallOut { caller, called } => {
                record.fwd_display_num.clone_from(caller);
                record.fwd_dst_num.clone_from(called);
                // What was keyed before was wrong.
                record.extend_num = keyed.take();
            }
            _ => {}
        }
    }
    if let Some(id) = call
        .facts
        .iter()
        .rev()
        .find_map(|fact| fact.subscription_id.as_deref())
    {
        record.direction = direction(ctx, id, &record.caller_num)?;
    }
    match recording {
        Some(r) if r.valid => {
            record.record_flag = 1;
            record.record_start_ms = Some(r.start_ms);
            record.record_object = Some(r.object.clone());
            record.record_length_ms = r.length_ms;
            record.record_bytes = r.bytes;
        }
        Some(_) => {
            record.record_failure =
                Some("the recording was cut off before it was long enough".into())
        }
        None if call.recording_object().is_some() => {
            record.record_failure = Some("the recording was lost".into())
        }
        None => {}
    }
    Ok(record)
}

/// The city of X, while X is a number of ours.
fn area_of(ctx: &Ctx<'_>, x: &str) -> Result<Option<String>, StoreError> {
    let Ok(x) = Number::parse_global(x) else {
        return Ok(None);
    };
    Ok(settings::find_number(ctx.conn, x)?.and_then(|n| n.area))
}

/// 1 when the caller is A of the binding, 0 when it is not, 2 when the binding is gone meanwhile.
fn direction(ctx: &Ctx<'_>, subscription: &str, caller: &str) -> Result<u8, StoreError> {
    let Some(id) = SubscriptionId::parse(subscription) else {
        return Ok(2);
    };
    let sql = "SELECT a FROM bindings WHERE subscription = ?1
               UNION ALL SELECT a FROM ax_bindings WHERE subscription = ?1
               UNION ALL SELECT a FROM axe_bindings WHERE subscription = ?1
               UNION ALL SELECT a FROM axyb_relations WHERE subscription = ?1";
    let a = ctx
        .conn
        .query_row(sql, [sub(id)], |row| number(row, 0))
        .optional()?;
    Ok(a.map_or(2, |a| u8::from(a.to_global() == caller)))
}
