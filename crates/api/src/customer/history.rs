//! What has been told, to be read again: call records (and events) of the last 31 days.

use axbridge_call::utc::parse_text;
use axbridge_store::RecordFilter;
use axum::response::Response;
use serde::Serialize;
use serde_json::Value;

use super::params::Params;
use super::{Call, store_failed};
use crate::answer::{Refusal, success};
use crate::notify::{Account, Origin, record_json};
use crate::state::Api;
use axbridge_store::RecordingFormat;

/// 31 days.
const KEPT_MS: u64 = 31 * 24 * 3600 * 1000;
const PAGE_SIZE: u64 = 50;
const PAGE_SIZE_MAX: u64 = 100;

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
