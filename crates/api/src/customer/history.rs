//! What has been told, to be read again and to be told again: call records and events of the last 31 days.

use axbridge_call::utc::parse_text;
use axbridge_store::{HistoryFilter, RecordFilter, ReplayWhich};
use axum::response::Response;
use serde::Serialize;
use serde_json::Value;

use super::params::Params;
use super::{Call, store_failed};
use crate::answer::{Refusal, success};
use crate::notify::{Account, Origin, event_body, record_json};
use crate::state::Api;
use axbridge_store::RecordingFormat;

/// 31 days.
const KEPT_MS: u64 = 31 * 24 * 3600 * 1000;
const PAGE_SIZE: u64 = 50;
const PAGE_SIZE_MAX: u64 = 100;
const SESSIONS_MAX: usize = 100;
const SESSION_CHARS_MAX: usize = 256;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Records {
    fee_lst: Vec<Value>,
    total_count: u64,
    page_index: u64,
    page_size: u64,
}

/// `GET /v1/records?startTime=&endTime=&privateNum=&party=&stateCode=&pageIndex=&pageSize=`: call records in the form
/// in which they were sent, the latest call first.
pub(super) async fn records(api: Api, call: Call) -> Result<Response, Refusal> {
    let p = &call.params;
    let app = call.who.app();
    let span = span(&api, p)?;
    let filter = RecordFilter {
        app: Some(app.record.id),
        from_ms: Some(span.0),
        until_ms: Some(span.1),
        x: p.number("privateNum")?,
        party: p.number("party")?,
        state_code: p
            .integer("stateCode", 0, u64::from(u32::MAX))?
            .map(|n| n as u32),
    };
    let page_index = p.integer_or("pageIndex", 1, u64::from(u32::MAX), 1);
    let page_size = p.integer_or("pageSize", 1, PAGE_SIZE_MAX, PAGE_SIZE);
    let found = api
        .store()
        .call_records(filter, page_index as u32, page_size as u32)
        .await
        .map_err(|e| store_failed(&e))?;
    let origin = Origin {
        host_name: String::new(),
        record_domain: api.config().record_domain.clone(),
    };
    let now_ms = api.clock().wall_ms();
    let alaw = app.record.settings.recording_format == RecordingFormat::Alaw;
    let fee_lst = found
        .items
        .iter()
        .filter_map(|r| {
            record_json(&r.fact, Account::of(app), &origin, |object| {
                api.links().url(&app.record.key, object, now_ms, alaw)
            })
        })
        .collect();
    Ok(success(Records {
        fee_lst,
        total_count: found.total,
        page_index,
        page_size,
    }))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Events {
    call_list: Vec<CallEvents>,
    total_count: u64,
    page_index: u64,
    page_size: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CallEvents {
    session_id: String,
    event_list: Vec<Value>,
}

/// `GET /v1/events?startTime=&endTime=&sessionId=&pageIndex=&pageSize=`: the events of ended calls in the form in which
/// they were sent, in order for each call, the latest call first. Pages are of calls.
pub(super) async fn events(api: Api, call: Call) -> Result<Response, Refusal> {
    let p = &call.params;
    let span = span(&api, p)?;
    let filter = HistoryFilter {
        from_ms: span.0,
        until_ms: span.1,
        session: p.text("sessionId", 1, SESSION_CHARS_MAX)?.value(),
    };
    let page_index = p.integer_or("pageIndex", 1, u64::from(u32::MAX), 1);
    let page_size = p.integer_or("pageSize", 1, PAGE_SIZE_MAX, PAGE_SIZE);
    let app = call.who.app().record.id;
    let found = api
        .store()
        .call_facts(app, filter, page_index as u32, page_size as u32)
        .await
        .map_err(|e| store_failed(&e))?;
    let json = |fact| serde_json::from_slice(&event_body(fact)?).ok();
    let call_list = found
        .items
        .iter()
        .map(|c| CallEvents {
            session_id: c.session_id.to_string(),
            event_list: c.facts.iter().filter_map(json).collect(),
        })
        .collect();
    Ok(success(Events {
        call_list,
        total_count: found.total,
        page_index,
        page_size,
    }))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    call_count: u64,
    notification_count: u64,
    waiting_count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// `POST /v1/replay`: `sessionIds` (up to 100), or `startTime` and `endTime` with the `next` of the answer before;
/// `kind` is `events`, `records` or `all` (also when absent). They are sent again to the addresses set now, each call in
/// its order; a call of which something is still to be sent is passed over (`waitingCount`). A span is worked off 1,000
/// calls at a time: `next` in the answer says that there are more.
pub(super) async fn replay(api: Api, call: Call) -> Result<Response, Refusal> {
    let p = &call.params;
    let (events, records) = match p.text("kind", 1, 16)?.value().as_deref() {
        None | Some("all") => (true, true),
        Some("events") => (true, false),
        Some("records") => (false, true),
        Some(_) => {
            return Err(Refusal::parameter("kind", "must be events, records or all"));
        }
    };
    let which = which(&api, p)?;
    let app = call.who.app().record.id;
    let done = api
        .store()
        .replay_calls(app, which, events, records)
        .await
        .map_err(|e| store_failed(&e))?;
    Ok(success(Told {
        call_count: done.calls,
        notification_count: done.notifications,
        waiting_count: done.waiting,
        next: done.next.map(|(at_ms, id)| format!("{at_ms}_{id}")),
    }))
}

fn which(api: &Api, p: &Params) -> Result<ReplayWhich, Refusal> {
    let spanned = !(p.absent("startTime") && p.absent("endTime") && p.absent("next"));
    if !p.absent("sessionIds") {
        if spanned {
            return Err(Refusal::parameter(
                "sessionIds",
                "and startTime, endTime, next exclude each other",
            ));
        }
        let sessions = p.texts("sessionIds", SESSIONS_MAX, SESSION_CHARS_MAX)?;
        return Ok(ReplayWhich::Sessions(sessions));
    }
    if p.absent("startTime") {
        // Everything is much: it must be said.
        return Err(Refusal::parameter(
            "sessionIds",
            "or startTime must be given",
        ));
    }
    let (from_ms, until_ms) = span(api, p)?;
    let after = match p.text("next", 1, 64)?.value() {
        None => None,
        Some(text) => Some(
            text.split_once('_')
                .and_then(|(at, id)| Some((at.parse().ok()?, id.parse().ok()?)))
                .ok_or_else(|| Refusal::parameter("next", "must be as it was given"))?,
        ),
    };
    Ok(ReplayWhich::Span {
        from_ms,
        until_ms,
        after,
    })
}

/// `startTime` (included) and `endTime` (not included) as UTC text or Unix milliseconds; never more than 31 days back.
fn span(api: &Api, p: &Params) -> Result<(u64, u64), Refusal> {
    let oldest = api.clock().wall_ms().saturating_sub(KEPT_MS);
    let from = moment(p, "startTime")?.unwrap_or(0).max(oldest);
    let until = moment(p, "endTime")?.unwrap_or(u64::MAX >> 1);
    if from >= until {
        return Err(Refusal::parameter(
            "endTime",
            "must be after startTime and within the last 31 days",
        ));
    }
    Ok((from, until))
}

fn moment(p: &Params, name: &str) -> Result<Option<u64>, Refusal> {
    let Some(text) = p.text(name, 1, 32)?.value() else {
        return Ok(None);
    };
    if text.bytes().all(|b| b.is_ascii_digit()) {
        return p.integer(name, 0, u64::MAX >> 1);
    }
    parse_text(&text).map(Some).ok_or_else(|| {
        Refusal::parameter(
            name,
            "must be UTC like 2030-01-02 03:04:05, or Unix milliseconds",
        )
    })
}
