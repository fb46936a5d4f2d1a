//! What all calls of the node are allowed, of whichever application.

use axbridge_call::PlatformRules;
use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use serde_json::Value;

use super::error::Result;
use super::{answer, apps, json};
use crate::state::Api;

/// `GET /admin/v1/call-limits`.
pub(super) async fn show(State(api): State<Api>) -> Result<Response> {
    answer(StatusCode::OK, &api.store().platform_rules().await?)
}

/// `PATCH /admin/v1/call-limits` (RFC 7396: absent = unchanged, null = default); calls that come from now on are held
/// to them.
pub(super) async fn change(State(api): State<Api>, request: Request) -> Result<Response> {
    let patch: Value = json(&api, request).await?;
    let rules: PlatformRules = apps::merged(&api.store().platform_rules().await?, patch)?;
    api.store().set_platform_rules(rules).await?;
    tracing::info!("call limits of the node changed");
    answer(StatusCode::OK, &rules)
}
