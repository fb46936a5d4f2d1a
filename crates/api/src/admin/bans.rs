//! Addresses banned for failing to authenticate.

use std::net::IpAddr;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::Serialize;

use super::error::{Problem, Result};
use super::{Listed, Named, answer, done};
use crate::state::Api;

#[derive(Serialize)]
struct Ban {
    address: IpAddr,
    remaining_s: u64,
}

/// `GET /admin/v1/bans`: the bans in force. An IPv6 ban holds for its /64.
pub(super) async fn list(State(api): State<Api>) -> Result<Response> {
    let bans = api.auth().bans().list(api.clock().mono());
    let items: Vec<Ban> = bans
        .iter()
        .map(|b| Ban {
            address: b.address,
            remaining_s: b.remaining.as_secs() + 1,
        })
        .collect();
    answer(
        StatusCode::OK,
        &Listed {
            total: items.len() as u64,
            items,
        },
    )
}

/// `DELETE /admin/v1/bans/{address}`: lifts a ban and forgets the failures.
pub(super) async fn lift(
    State(api): State<Api>,
    Named(address): Named<String>,
) -> Result<Response> {
    let address: IpAddr = address.parse().map_err(|_| {
        Problem::invalid(
            "This is not an address.",
            "Give the address as GET /admin/v1/bans shows it.",
        )
    })?;
    if api.auth().bans().lift(address) {
        tracing::info!(%address, "ban lifted by the operator");
        done()
    } else {
        Err(Problem::not_found("a ban of this address"))
    }
}
