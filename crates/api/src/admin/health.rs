//! For load balancers and service managers; without a token, and telling nothing else.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde_json::json;

use super::answer;
use super::error::{Problem, Result};
use crate::state::Api;

/// `GET /admin/v1/health`: the process answers.
pub(super) async fn health() -> Result<Response> {
    answer(StatusCode::OK, &json!({"status": "ok"}))
}

/// `GET /admin/v1/ready`: the store takes writes too, so binds can be kept. 503 otherwise (calls may still go on).
pub(super) async fn ready(State(api): State<Api>) -> Result<Response> {
    match api.store().writable().await {
        Ok(()) => answer(StatusCode::OK, &json!({"status": "ready"})),
        Err(error) => {
            tracing::warn!(%error, "not ready: the store takes no writes");
            Err(Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "not_ready",
                "The store takes no writes.",
                "Look at the disk and at the server's log.",
            ))
        }
    }
}
