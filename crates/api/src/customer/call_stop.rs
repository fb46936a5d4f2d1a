//! `callStop`: the customer ends a call.

use axum::response::Response;
use http::header::{CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, StatusCode};
use serde::Serialize;

use super::Call;
use crate::answer::{Refusal, success};
use crate::control::StopOutcome;
use crate::state::Api;

#[derive(Serialize)]
struct Nothing {}

pub(super) async fn answer(api: Api, call: Call) -> Result<Response, Refusal> {
    let p = &call.params;
    // The documented name has a small i; events spell it sessionId, and clients that copy that are understood too.
    let session = match p.text("sessionid", 1, 256)?.value() {
        Some(session) => session,
        None => p
            .text("sessionId", 1, 256)?
            .value()
            .ok_or_else(|| Refusal::parameter("sessionid", "is missing"))?,
    };
    if p.text("signal", 1, 128)?.value().as_deref() != Some("call_stop") {
        return Err(Refusal::parameter("signal", "must be call_stop"));
    }
    let key = call.who.app().record.key.as_str();
    match api.control().stop_call(&session, Some(key)).await {
        StopOutcome::Stopping => Ok(documented_content_type(success(Nothing {}))),
        // Another's call is not told from none, so that session identifiers cannot be tried out.
        StopOutcome::NoSuchCall | StopOutcome::NotYours => {
            Err(
                Refusal::new(StatusCode::FORBIDDEN, "1020152", "Invalid sessionId.")
                    .detail("No call of this application with this sessionid is in progress."),
            )
        }
    }
}

/// The public API answers this one call with `text/html`, though the body is JSON; clients may insist on it.
fn documented_content_type(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/html;charset=UTF-8"),
    );
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
