//! Calls: those of this moment, and the records of those that ended.

use axbridge_call::{Fact, FactKind, TraceText};
use axbridge_numbering::Number;
use axbridge_store::{RecordFilter, StoredRecord};
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::{Problem, Result};
use super::{Asked, Listed, Named, Paging, answer, apps};
use crate::control::StopOutcome;
use crate::notify::{Account, Origin, records_body};
use crate::state::Api;

const LIVE_MAX: usize = 1000;

#[derive(Deserialize)]
pub(super) struct Filter {
    app: Option<String>,
    from_ms: Option<u64>,
    until_ms: Option<u64>,
    x: Option<String>,
    party: Option<String>,
    state_code: Option<u32>,
    #[serde(default)]
    reveal: bool,
}

/// `GET /admin/v1/calls`: up to 1,000 live calls, the oldest first; numbers masked.
pub(super) async fn live(State(api): State<Api>) -> Result<Response> {
    let items = api.control().live_calls(LIVE_MAX);
    answer(
        StatusCode::OK,
        &Listed {
            total: items.len() as u64,
            items,
        },
    )
}

/// `DELETE /admin/v1/calls/{session}`: releases both legs.
pub(super) async fn stop(
    State(api): State<Api>,
    Named(session): Named<String>,
) -> Result<Response> {
    match api.control().stop_call(&session, None).await {
        StopOutcome::Stopping => {
            tracing::info!(session, "call ended by the operator");
            answer(
                StatusCode::ACCEPTED,
                &json!({ "session_id": session, "status": "stopping" }),
            )
        }
        StopOutcome::NoSuchCall | StopOutcome::NotYours => Err(Problem::not_found("the call")),
    }
}

/// `GET /admin/v1/calls/{session}/trace`: what was decided in the call and why; of calls in progress, of ended ones for as
/// long as their records are kept, and of refused INVITEs. In the names of the customer API; numbers masked.
pub(super) async fn trace(
    State(api): State<Api>,
    Named(session): Named<String>,
) -> Result<Response> {
    if let Some(trace) = api.control().trace(&session, None).await {
        return answer(StatusCode::OK, &trace.told(&session, true));
    }
    let kept = api.store().call_trace(session).await?;
    match kept.as_ref().and_then(told) {
        Some(trace) => answer(StatusCode::OK, &trace),
        None => Err(Problem::not_found("the trace")),
    }
}

fn told(fact: &Fact) -> Option<TraceText> {
    match &fact.kind {
        FactKind::Trace(trace) => Some(trace.told(&fact.session_id, false)),
        _ => None,
    }
}

/// `GET /admin/v1/refusals?page=&page_size=`: INVITEs for numbers that nobody owns, with their traces, the latest first.
/// At most five in a second are kept.
pub(super) async fn refusals(
    State(api): State<Api>,
    Asked(paging): Asked<Paging>,
) -> Result<Response> {
    let (page, size) = paging.bounded();
    let found = api.store().refused_calls(page, size).await?;
    let items: Vec<TraceText> = found.items.iter().filter_map(told).collect();
    answer(
        StatusCode::OK,
        &Listed {
            items,
            total: found.total,
        },
    )
}

/// `GET /admin/v1/records?app=&from_ms=&until_ms=&x=&party=&state_code=&page=&page_size=&reveal=`, the latest first, in
/// the form in which customers get them, and with `recordFailure` where a wanted recording could not be kept. Numbers
/// are masked unless `reveal=true`, which is noted in the audit log.
pub(super) async fn records(
    State(api): State<Api>,
    Asked(filter): Asked<Filter>,
    Asked(paging): Asked<Paging>,
) -> Result<Response> {
    let app = match filter.app {
        Some(key) => Some(apps::find(&api, &key).await?.id),
        None => None,
    };
    let (page, size) = paging.bounded();
    let wanted = RecordFilter {
        app,
        from_ms: filter.from_ms,
        until_ms: filter.until_ms,
        x: filter.x.as_deref().map(number).transpose()?,
        party: filter.party.as_deref().map(number).transpose()?,
        state_code: filter.state_code,
    };
    let found = api.store().call_records(wanted, page, size).await?;
    if filter.reveal {
        let subject = format!("page {page} of {} records", found.total);
        api.store()
            .audit("operator".into(), "records.reveal".into(), subject)
            .await?;
    }
    let items: Vec<Value> = found
        .items
        .iter()
        .filter_map(|r| shown(&api, r, filter.reveal))
        .collect();
    answer(
        StatusCode::OK,
        &Listed {
            items,
            total: found.total,
        },
    )
}

fn shown(api: &Api, record: &StoredRecord, reveal: bool) -> Option<Value> {
    let app = api.applications().by_id(record.fact.app.0);
    // The operator sees all that there is.
    let account = Account {
        sp_id: app.as_ref().map_or("", |a| a.record.sp_id.as_str()),
        on_request: true,
    };
    let origin = Origin {
        host_name: String::new(),
        record_domain: api.config().record_domain.clone(),
    };
    let body = records_body(std::slice::from_ref(&record.fact), account, &origin, |_| {
        String::new()
    })?;
    let mut body: Value = serde_json::from_slice(&body).ok()?;
    let mut fee = body.get_mut("feeLst")?.get_mut(0)?.take();
    let map = fee.as_object_mut()?;
    map.remove("recordFileDownloadUrl");
    map.remove("hostName");
    if let FactKind::Record(record) = &record.fact.kind
        && let Some(why) = &record.record_failure
    {
        map.insert("recordFailure".into(), why.as_str().into());
    }
    if !reveal {
        for name in ["callerNum", "fwdDstNum"] {
            if let Some(Value::String(text)) = map.get_mut(name) {
                *text = Number::parse_global(text).map_or_else(|_| "***".into(), |n| n.to_string());
            }
        }
        // What customers attach may well be a number.
        map.remove("userData");
    }
    Some(fee)
}

fn number(text: &str) -> Result<Number> {
    let text = text.trim_start_matches([' ', '+']);
    Number::parse_global(&format!("+{text}")).map_err(|_| {
        Problem::invalid(
            "x and party must be numbers in global format.",
            "Write %2B8617000000009.",
        )
    })
}
