//! Recordings: where to download one, and the download itself.

use axbridge_store::RecordingFormat;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use http::header::LOCATION;
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode};
use serde::Serialize;

use super::params::{Change, Params};
use super::{Call, store_failed};
use crate::answer::{Refusal, success};
use crate::links::RECORDINGS_PATH;
use crate::recordings;
use crate::state::Api;

/// The route of [`download`]; the signed URLs that [`answer`] gives lead here.
pub(super) const DOWNLOAD_PATH: &str = "/v1/recordings/{key}/{object}";

const _: () = assert!(RECORDINGS_PATH.len() + "/{key}/{object}".len() == DOWNLOAD_PATH.len());

#[derive(Serialize)]
struct Nothing {}

/// `GET ?fileName=&recordDomain=` → 301 to a signed URL, valid three days. `format=alaw` (an addition of ours) leads
/// to the A-law form.
pub(super) async fn answer(api: Api, call: Call) -> Result<Response, Refusal> {
    let p = &call.params;
    let need = |name: &str, max| match p.text(name, 1, max)? {
        Change::Set(text) => Ok(text),
        _ => Err(Refusal::parameter(name, "is missing")),
    };
    let file = need("fileName", 128)?;
    let domain = need("recordDomain", 256)?;
    let app = call.who.app();
    if !app.record.settings.recording {
        return Err(Refusal::no_recording());
    }
    let unknown = || {
        Refusal::no_record()
            .detail("No recording of this application has this name, or its time is over.")
    };
    if !domain.eq_ignore_ascii_case(&api.config().record_domain) {
        return Err(unknown());
    }
    let found = recordings::find(&api, app.id, &file)
        .await
        .map_err(|e| store_failed(&e))?;
    let recording = found.ok_or_else(unknown)?;
    // Without its file the URL would lead nowhere.
    recordings::open(&api, &recording, false)
        .await
        .map_err(|_| unknown())?;
    let alaw =
        wants_alaw(p)?.unwrap_or(app.record.settings.recording_format == RecordingFormat::Alaw);
    let url = api.links().url(
        &app.record.key,
        &recording.object,
        api.clock().wall_ms(),
        alaw,
    );
    let mut response = success(Nothing {});
    *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
    response.headers_mut().insert(
        LOCATION,
        HeaderValue::from_str(&url).map_err(|_| Refusal::internal())?,
    );
    Ok(response)
}

/// `GET /v1/recordings/{key}/{object}?expires=&signature=[&format=alaw]`: the WAV. The signature is all that is asked
/// for; what it does not cover is answered as if it did not exist.
pub(super) async fn download(
    State(api): State<Api>,
    path: Result<Path<(String, String)>, PathRejection>,
    request: Request,
) -> Response {
    // A path that is no UTF-8 names nothing.
    let (key, object) = path.map(|p| p.0).unwrap_or_default();
    let (parts, _body) = request.into_parts();
    fetch(&api, &key, &object, &parts)
        .await
        .unwrap_or_else(IntoResponse::into_response)
}

async fn fetch(api: &Api, key: &str, object: &str, request: &Parts) -> Result<Response, Refusal> {
    if request.method != Method::GET && request.method != Method::HEAD {
        return Err(Refusal::method("GET, HEAD"));
    }
    let gone = || Refusal::no_record().detail("The URL is wrong or has lapsed; ask for a new one.");
    let p = Params::read(request.uri.query(), b"")?;
    let expires = p.integer("expires", 0, u64::MAX / 2)?.ok_or_else(gone)?;
    let signature = p.text("signature", 1, 128)?.value().ok_or_else(gone)?;
    let now_ms = api.clock().wall_ms();
    if !api.links().valid(key, object, expires, &signature, now_ms) {
        return Err(gone());
    }
    let app = api.applications().by_key(key).ok_or_else(gone)?;
    let found = recordings::find(api, app.id, object)
        .await
        .map_err(|e| store_failed(&e))?;
    let recording = found.ok_or_else(gone)?;
    let body = recordings::open(api, &recording, wants_alaw(&p)?.unwrap_or(false))
        .await
        .map_err(|error| {
            tracing::warn!(%error, object, "a published recording cannot be opened");
            gone()
        })?;
    metrics::counter!("axbridge_api_recordings_served_total").increment(1);
    Ok(recordings::response(body, object))
}

fn wants_alaw(p: &Params) -> Result<Option<bool>, Refusal> {
    match p.text("format", 1, 16)?.value().as_deref() {
        None => Ok(None),
        Some("pcm") => Ok(Some(false)),
        Some("alaw") => Ok(Some(true)),
        Some(_) => Err(Refusal::parameter("format", "must be pcm or alaw")),
    }
}
