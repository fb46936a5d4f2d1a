//! What the PrivateNumber API does not have: calls in progress, their limit and their trace, the warning point of a
//! binding.

use axbridge_store::{AxKey, AxModifyRequest, BindError, Mode, ModifyRequest};
use axum::response::Response;
use serde::Serialize;

use super::fields::{Nothing, subscription};
use super::params::Params;
use super::{Call, forbidden, other_mode, store_failed};
use crate::answer::{Refusal, success};
use crate::control::{CallChange, ChangeOutcome, LiveCall, NewLimit};
use crate::state::Api;
use axbridge_call::utc::text as utc_text;
use axbridge_call::{FactKind, TraceText};

/// As many calls are listed at once.
const CALLS_MAX: usize = 1000;
const MAX_DURATION_MIN_MAX: u64 = 1440;
/// A day.
const EXTEND_S_MAX: u64 = 86_400;
const WARN_BEFORE_S_MAX: u64 = 3600;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Calls {
    call_list: Vec<Shown>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    session_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    subscription_id: Option<String>,
    /// Masked, as the two that follow: a list is no place for whole numbers.
    caller: String,
    private_num: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    callee: Option<String>,
    phase: &'static str,
    call_in_time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer_time: Option<String>,
}

/// `GET /v1/calls`: the application's calls of this moment, the oldest first, at most 1,000.
pub(super) async fn calls(api: Api, call: Call) -> Result<Response, Refusal> {
    let key = call.who.app().record.key.as_str();
    let call_list = api
        .control()
        .live_calls(usize::MAX)
        .into_iter()
        .filter(|live| &*live.app_key == key)
        .take(CALLS_MAX)
        .map(shown)
        .collect();
    Ok(success(Calls { call_list }))
}

fn shown(call: LiveCall) -> Shown {
    Shown {
        session_id: call.session_id.to_string(),
        subscription_id: call.subscription_id.map(|s| s.to_string()),
        caller: call.caller,
        private_num: call.x,
        callee: call.callee,
        phase: call.phase,
        call_in_time: utc_text(call.began_ms),
        answer_time: call.answered_ms.map(utc_text),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Changed {
    #[serde(skip_serializing_if = "Option::is_none")]
    end_time: Option<String>,
}

/// `PATCH /v1/calls/{sessionId}`: `maxDuration` (minutes from the answer, 0 = no limit) or `extendBy` (seconds more),
/// `warnBefore` (seconds before the end). `endTime` of the answer: when the call will end.
pub(super) async fn change_call(api: Api, call: Call) -> Result<Response, Refusal> {
    let p = &call.params;
    let change = call_change(p)?;
    let key = call.who.app().record.key.as_str();
    let session = session(p)?;
    match api.control().change_call(&session, key, change).await {
        ChangeOutcome::Changed { ends_at_ms } => Ok(success(Changed {
            end_time: ends_at_ms.map(utc_text),
        })),
        ChangeOutcome::NoSuchCall | ChangeOutcome::NotYours => Err(no_call()),
    }
}

fn call_change(p: &Params) -> Result<CallChange, Refusal> {
    let minutes = p.integer("maxDuration", 0, MAX_DURATION_MIN_MAX)?;
    let later = p.integer("extendBy", 1, EXTEND_S_MAX)?;
    let warn_before_s = warn_before(p)?;
    let limit = match (minutes, later) {
        (Some(_), Some(_)) => {
            return Err(Refusal::parameter(
                "extendBy",
                "and maxDuration exclude each other",
            ));
        }
        (Some(minutes), None) => Some(NewLimit::FromAnswer(minutes as u32 * 60)),
        (None, Some(s)) => Some(NewLimit::Later(s as u32)),
        (None, None) if warn_before_s.is_none() => {
            return Err(Refusal::parameter(
                "maxDuration",
                "or extendBy or warnBefore must be given",
            ));
        }
        (None, None) => None,
    };
    Ok(CallChange {
        limit,
        warn_before_s,
    })
}

fn warn_before(p: &Params) -> Result<Option<u16>, Refusal> {
    let seconds = p.integer("warnBefore", 0, WARN_BEFORE_S_MAX)?;
    Ok(seconds.map(|s| s as u16))
}

fn session(p: &Params) -> Result<String, Refusal> {
    p.text("sessionId", 1, 256)?.value().ok_or_else(no_call)
}

/// Another's call is not told from none.
fn no_call() -> Refusal {
    forbidden("1020152", "Invalid sessionId.")
        .detail("No call of this application with this sessionId is known, or it is too late.")
}

/// `GET /v1/calls/{sessionId}/trace`: why the call was put through or refused, in plain words. Of calls in progress, and
/// of ended ones for as long as their records are kept; numbers masked.
pub(super) async fn trace(api: Api, call: Call) -> Result<Response, Refusal> {
    let key = call.who.app().record.key.as_str();
    let session = session(&call.params)?;
    if let Some(trace) = api.control().trace(&session, Some(key)).await {
        let trace = trace.told(&session, true);
        return Ok(success(Traced { trace }));
    }
    let kept = api.store().call_trace(session).await;
    let kept = kept.map_err(|e| store_failed(&e))?;
    match kept.as_ref().map(|fact| (fact, &fact.kind)) {
        Some((fact, FactKind::Trace(trace))) if fact.app == call.who.app().record.id => {
            let trace = trace.told(&fact.session_id, false);
            Ok(success(Traced { trace }))
        }
        _ => Err(no_call()),
    }
}

#[derive(Serialize)]
struct Traced {
    trace: TraceText,
}

/// `PATCH /v1/bindings/{subscriptionId}`: `warnBefore`, seconds before the end at which the last-minute voice plays.
pub(super) async fn change_binding(api: Api, call: Call) -> Result<Response, Refusal> {
    let p = &call.params;
    let app = call.who.app();
    let unknown =
        || Refusal::no_record().detail("No binding of this application has this subscriptionId.");
    let id = subscription(p, Refusal::no_record)?.ok_or_else(unknown)?;
    let warn = warn_before(p)?.ok_or_else(|| Refusal::parameter("warnBefore", "is missing"))?;
    let done = match app.record.mode {
        Mode::Axb => {
            let mut request = ModifyRequest::new(app.record.id, id);
            request.policy.warn_before_s = Some(warn);
            api.store().modify(request).await.map(drop)
        }
        Mode::Ax => {
            let mut request = AxModifyRequest::new(app.record.id, AxKey::Subscription(id));
            request.policy.warn_before_s = Some(warn);
            api.store().ax_modify(request).await.map(drop)
        }
        // The others have no limit that could be warned of; in X mode the answer to each call is the place.
        _ => return Err(other_mode()),
    };
    match done {
        Ok(()) => Ok(success(Nothing {})),
        Err(BindError::NotFound) => Err(unknown()),
        Err(BindError::Store(error)) => Err(store_failed(&error)),
        Err(_) => Err(unknown()),
    }
}
