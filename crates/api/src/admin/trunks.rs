//! Trunks to carriers.

use axbridge_binding::TrunkId;
use axbridge_call::Trunk;
use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;

use super::error::{Problem, Result};
use super::{Listed, Named, answer, done, json};
use crate::state::Api;

/// `GET /admin/v1/trunks`.
pub(super) async fn list(State(api): State<Api>) -> Result<Response> {
    let items = api.store().trunks().await?;
    answer(
        StatusCode::OK,
        &Listed {
            total: items.len() as u64,
            items,
        },
    )
}

/// `GET /admin/v1/trunks/{id}`.
pub(super) async fn show(State(api): State<Api>, Named(id): Named<String>) -> Result<Response> {
    let trunk = api
        .store()
        .trunk(number(&id)?)
        .await?
        .ok_or_else(|| Problem::not_found("the trunk"))?;
    answer(StatusCode::OK, &trunk)
}

/// `PUT /admin/v1/trunks/{id}`: makes or replaces the trunk; running calls keep what they began with.
pub(super) async fn put(
    State(api): State<Api>,
    Named(id): Named<String>,
    request: Request,
) -> Result<Response> {
    let id = number(&id)?;
    let trunk: Trunk = json(&api, request).await?;
    check(id, &trunk)?;
    let media = &api.config().media_ips;
    if trunk
        .media_ip
        .is_some_and(|ip| !media.is_empty() && !media.contains(&ip))
    {
        let ours: Vec<String> = media.iter().map(ToString::to_string).collect();
        return Err(Problem::invalid(
            "media_ip is no media address of this installation.",
            format!("Give one of {}, or add it to [media] ips.", ours.join(", ")),
        ));
    }
    api.store().put_trunk(trunk.clone()).await?;
    tracing::info!(trunk = id.0, "trunk set");
    answer(StatusCode::OK, &trunk)
}

/// `DELETE /admin/v1/trunks/{id}`; no number may leave by it.
pub(super) async fn remove(State(api): State<Api>, Named(id): Named<String>) -> Result<Response> {
    let id = number(&id)?;
    api.store().delete_trunk(id).await?;
    tracing::info!(trunk = id.0, "trunk removed");
    done()
}

fn number(id: &str) -> Result<TrunkId> {
    id.parse().map(TrunkId).map_err(|_| {
        Problem::invalid(
            "A trunk's id is a number from 0 to 65535.",
            "Correct the path.",
        )
    })
}

fn check(id: TrunkId, trunk: &Trunk) -> Result<()> {
    if trunk.id != id {
        return Err(Problem::invalid(
            "The id in the body is not the id in the path.",
            "Make them the same.",
        ));
    }
    if trunk.name.is_empty() || trunk.name.len() > 64 {
        return Err(Problem::invalid(
            "name must be 1 to 64 characters long.",
            "Name the trunk.",
        ));
    }
    if trunk.peers.is_empty()
        || trunk
            .peers
            .iter()
            .any(|p| p.port() == 0 || p.ip().is_unspecified())
    {
        return Err(Problem::invalid(
            "peers needs at least one address with a port.",
            "Give the carrier's signalling addresses, such as 203.0.113.5:5060.",
        ));
    }
    if trunk.caller_from.is_empty() {
        return Err(Problem::invalid(
            "caller_from is empty.",
            "Leave it out for the default.",
        ));
    }
    trunk
        .numbers
        .validate()
        .map_err(|e| Problem::invalid(format!("numbers: {e}."), "Correct the number rules."))
}
