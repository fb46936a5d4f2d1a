//! Notifications that were given up, and their replay.

use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::error::{Problem, Result};
use super::{Asked, Listed, Paging, answer, apps, json as read_json};
use crate::state::Api;

/// More than this in one replay would hold up the writer.
const REPLAY_MAX: usize = 10_000;

#[derive(Serialize)]
struct Shown {
    id: i64,
    app: String,
    session_id: String,
    event: &'static str,
    at_ms: u64,
    queued_ms: u64,
    attempts: u32,
}

#[derive(Deserialize)]
pub(super) struct Filter {
    app: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Replay {
    ids: Vec<i64>,
}

/// `GET /admin/v1/outbox/undelivered?app=&page=&page_size=`, the newest first, without the numbers inside.
pub(super) async fn undelivered(
    State(api): State<Api>,
    Asked(filter): Asked<Filter>,
    Asked(paging): Asked<Paging>,
) -> Result<Response> {
    let app = match filter.app {
        Some(key) => Some(apps::find(&api, &key).await?.id),
        None => None,
    };
    let (page, size) = paging.bounded();
    let found = api.store().undelivered(app, page, size).await?;
    let items: Vec<Shown> = found
        .items
        .into_iter()
        .map(|i| Shown {
            id: i.id,
            app: i.fact.app_key.to_string(),
            session_id: i.fact.session_id.to_string(),
            event: i.fact.kind.name(),
            at_ms: i.fact.at_ms,
            queued_ms: i.queued_ms,
            attempts: i.attempts,
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

/// `POST /admin/v1/outbox/replay`: `{ids: [...]}`, up to 10,000; they are due again at once, with all attempts.
pub(super) async fn replay(State(api): State<Api>, request: Request) -> Result<Response> {
    let replay: Replay = read_json(&api, request).await?;
    if replay.ids.len() > REPLAY_MAX {
        return Err(Problem::invalid(
            "More than 10,000 ids.",
            "Send them in pieces.",
        ));
    }
    let count = api.store().replay(replay.ids).await?;
    tracing::info!(count, "notifications replayed by the operator");
    answer(StatusCode::OK, &json!({ "replayed": count }))
}
