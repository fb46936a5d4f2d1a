//! Recordings of all applications.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::error::{Problem, Result};
use super::{Asked, Listed, Named, Paging, answer, apps};
use crate::recordings;
use crate::state::Api;

#[derive(Serialize)]
struct Shown {
    object: String,
    app: Option<String>,
    session_id: String,
    bytes: u64,
    duration_ms: u64,
    created_ms: u64,
    expires_ms: u64,
}

#[derive(Deserialize)]
pub(super) struct Filter {
    app: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Form {
    #[serde(default)]
    format: String,
}

/// `GET /admin/v1/recordings?app=&page=&page_size=`, the newest first.
pub(super) async fn list(
    State(api): State<Api>,
    Asked(filter): Asked<Filter>,
    Asked(paging): Asked<Paging>,
) -> Result<Response> {
    let app = match filter.app {
        Some(key) => Some(apps::find(&api, &key).await?.id),
        None => None,
    };
    let (page, size) = paging.bounded();
    let found = api.store().recordings(app, page, size).await?;
    let items: Vec<Shown> = found
        .items
        .into_iter()
        .map(|r| Shown {
            app: api
                .applications()
                .by_id(r.app.0)
                .map(|a| a.record.key.clone()),
            object: r.object,
            session_id: r.session,
            bytes: r.bytes,
            duration_ms: r.duration_ms,
            created_ms: r.created_ms,
            expires_ms: r.expires_ms,
        })
        .collect();
    answer(
        StatusCode::OK,
        &Listed {
            items,
            total: found.total,
        },
    )
}

/// `GET /admin/v1/recordings/{key}/{object}?format=alaw`: the WAV. Noted in the audit log.
pub(super) async fn audio(
    State(api): State<Api>,
    Named((key, object)): Named<(String, String)>,
    Asked(form): Asked<Form>,
) -> Result<Response> {
    let app = apps::find(&api, &key).await?;
    let gone = || Problem::not_found("the recording");
    let recording = recordings::find(&api, app.id.0, &object)
        .await?
        .ok_or_else(gone)?;
    let body = recordings::open(&api, &recording, form.format == "alaw").await.map_err(|error| {
        tracing::warn!(%error, object = recording.object, "a published recording cannot be opened");
        gone()
    })?;
    api.store()
        .audit(
            "operator".into(),
            "recording.listen".into(),
            recording.object.clone(),
        )
        .await?;
    Ok(recordings::response(body, &recording.object))
}
