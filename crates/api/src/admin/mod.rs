//! The operator API under `/admin/v1/`: bearer token, JSON in and out, errors that say what to do.
//!
//! | path | methods |
//! | --- | --- |
//! | `/admin/v1/health`, `/admin/v1/ready`, `/admin/v1/openapi.json` | GET, without a token |
//! | `/admin/v1/applications`, `/admin/v1/applications/{key}` | GET POST; GET PATCH DELETE ([`apps`]) |
//! | `/admin/v1/applications/{key}/prompts`, `.../{name}`, `.../{name}/review` | GET POST; GET PUT DELETE; POST ([`prompts`]) |
//! | `/admin/v1/numbers`, `/admin/v1/numbers/{number}`, `/admin/v1/number-areas` | GET POST; GET PATCH DELETE; POST ([`numbers`]) |
//! | `/admin/v1/blocked-numbers` | GET POST DELETE ([`blocked`]) |
//! | `/admin/v1/call-limits` | GET PATCH ([`limits`]) |
//! | `/admin/v1/trunks`, `/admin/v1/trunks/{id}` | GET; GET PUT DELETE ([`trunks`]) |
//! | `/admin/v1/calls`, `/admin/v1/calls/{session}`, `.../trace` | GET; DELETE; GET ([`calls`]) |
//! | `/admin/v1/records`, `/admin/v1/refusals` | GET ([`calls`]) |
//! | `/admin/v1/recordings`, `/admin/v1/recordings/{app}/{object}` | GET ([`recordings`]) |
//! | `/admin/v1/bans`, `/admin/v1/bans/{address}` | GET; DELETE ([`bans`]) |
//! | `/admin/v1/outbox/undelivered`, `/admin/v1/outbox/replay` | GET; POST ([`outbox`]) |

mod apps;
mod bans;
mod blocked;
mod calls;
mod error;
mod health;
mod limits;
mod numbers;
mod outbox;
mod prompts;
mod recordings;
mod trunks;

use axum::extract::{FromRequestParts, Path, Query, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, delete, get, post};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::answer::json_text;
use crate::customer;
use crate::openapi;
use crate::routes::Routes;
use crate::state::Api;
use error::{Problem, Result};

/// The operator's routes, with their full paths.
pub(crate) fn routes(api: &Api) -> Routes<Api> {
    let open = Routes::new()
        .at("/admin/v1/health", "GET", get(health::health))
        .at("/admin/v1/ready", "GET", get(health::ready))
        .at("/admin/v1/openapi.json", "GET", get(openapi::operator));
    guarded()
        .map(|router| {
            router
                .method_not_allowed_fallback(wrong_method)
                .layer(from_fn_with_state(api.clone(), guard))
        })
        .merge(open.map(|router| router.method_not_allowed_fallback(wrong_method)))
}

fn guarded() -> Routes<Api> {
    settings()
        .at("/admin/v1/calls", "GET", get(calls::live))
        .at("/admin/v1/calls/{session}", "DELETE", delete(calls::stop))
        .at("/admin/v1/calls/{session}/trace", "GET", get(calls::trace))
        .at("/admin/v1/refusals", "GET", get(calls::refusals))
        .at("/admin/v1/records", "GET", get(calls::records))
        .at("/admin/v1/recordings", "GET", get(recordings::list))
        .at(
            "/admin/v1/recordings/{key}/{object}",
            "GET",
            get(recordings::audio),
        )
        .at("/admin/v1/bans", "GET", get(bans::list))
        .at("/admin/v1/bans/{address}", "DELETE", delete(bans::lift))
        .at(
            "/admin/v1/outbox/undelivered",
            "GET",
            get(outbox::undelivered),
        )
        .at("/admin/v1/outbox/replay", "POST", post(outbox::replay))
        .at("/admin/v1/{*rest}", "", any(nothing_here))
}

fn settings() -> Routes<Api> {
    Routes::new()
        .at(
            "/admin/v1/applications",
            "GET, POST",
            get(apps::list).post(apps::create),
        )
        .at(
            "/admin/v1/applications/{key}",
            "GET, PATCH, DELETE",
            get(apps::show).patch(apps::change).delete(apps::remove),
        )
        .at(
            "/admin/v1/applications/{key}/prompts",
            "GET, POST",
            get(prompts::list).post(prompts::upload_form),
        )
        .at(
            "/admin/v1/applications/{key}/prompts/{name}",
            "GET, PUT, DELETE",
            get(prompts::audio)
                .put(prompts::upload)
                .delete(prompts::remove),
        )
        .at(
            "/admin/v1/applications/{key}/prompts/{name}/review",
            "POST",
            post(prompts::review),
        )
        .at(
            "/admin/v1/numbers",
            "GET, POST",
            get(numbers::list).post(numbers::import),
        )
        .at(
            "/admin/v1/numbers/{number}",
            "GET, PATCH, DELETE",
            get(numbers::show)
                .patch(numbers::change)
                .delete(numbers::remove),
        )
        .at("/admin/v1/number-areas", "POST", post(numbers::areas))
        .at(
            "/admin/v1/blocked-numbers",
            "GET, POST, DELETE",
            get(blocked::list)
                .post(blocked::block)
                .delete(blocked::unblock),
        )
        .at(
            "/admin/v1/call-limits",
            "GET, PATCH",
            get(limits::show).patch(limits::change),
        )
        .at("/admin/v1/trunks", "GET", get(trunks::list))
        .at(
            "/admin/v1/trunks/{id}",
            "GET, PUT, DELETE",
            get(trunks::show).put(trunks::put).delete(trunks::remove),
        )
}

/// Lets a request through if it carries the operator's token.
async fn guard(State(api): State<Api>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let from = customer::client_of(&api, &parts);
    let now = api.clock().mono();
    if api.auth().bans().banned(from, now).is_some() {
        return Problem::banned().into_response();
    }
    match &api.config().operator_token {
        Some(token) if !token.is_empty() => {
            if !bearer_matches(&parts.headers, token) {
                api.auth().failed(from, now, "operator token");
                return Problem::unauthorised().into_response();
            }
        }
        _ => return Problem::closed().into_response(),
    }
    next.run(Request::from_parts(parts, body)).await
}

/// Compares hashes, so that neither the token's content nor its length shows in the time taken.
fn bearer_matches(headers: &HeaderMap, token: &str) -> bool {
    let given = headers
        .get(AUTHORIZATION)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    let (scheme, given) = given.split_once(' ').unwrap_or_default();
    let equal: bool = Sha256::digest(given.trim())
        .ct_eq(&Sha256::digest(token))
        .into();
    equal && scheme.eq_ignore_ascii_case("bearer")
}

async fn nothing_here() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "not_found",
        "There is nothing at this address.",
        "The operator API is listed in the documentation; check the path.",
    )
}

async fn wrong_method() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "wrong_method",
        "This address does not take this method.",
        "The Allow header has the methods that it takes.",
    )
}

/// A JSON answer.
fn answer(status: StatusCode, body: &impl Serialize) -> Result<Response> {
    let text = serde_json::to_string(body).map_err(|_| Problem::internal())?;
    Ok(json_text(status, text))
}

/// 204.
fn done() -> Result<Response> {
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Reads a JSON body.
async fn json<T: DeserializeOwned>(api: &Api, request: Request) -> Result<T> {
    let body = bytes(api, request).await?;
    serde_json::from_slice(&body).map_err(|e| {
        Problem::invalid(
            format!("The body does not fit: {e}."),
            "Correct the field that is named and send it again.",
        )
    })
}

/// Reads a body up to the operator's limit.
async fn bytes(api: &Api, request: Request) -> Result<bytes::Bytes> {
    let limit = api.config().operator_body_bytes_max;
    let (parts, body) = request.into_parts();
    let too_large = |refusal: crate::answer::Refusal| {
        Problem::new(
            refusal.status,
            "bad_body",
            refusal.detail.into_owned(),
            "Send less at once.",
        )
    };
    customer::announced_size(&parts.headers, limit).map_err(too_large)?;
    customer::read_body(body, limit).await.map_err(too_large)
}

fn is_form(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .is_some_and(|v| v.to_ascii_lowercase().starts_with("multipart/form-data"))
}

/// The query string; what does not fit is answered in our own form.
struct Asked<T>(T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self> {
        let found = Query::<T>::try_from_uri(&parts.uri).map_err(|e| {
            Problem::invalid(
                format!("The query string does not fit: {}.", e.body_text()),
                "Correct the parameter that is named.",
            )
        })?;
        Ok(Self(found.0))
    }
}

/// The variable parts of the path, likewise.
struct Named<T>(T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Named<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        match Path::<T>::from_request_parts(parts, state).await {
            Ok(Path(found)) => Ok(Self(found)),
            Err(_) => Err(Problem::invalid(
                "The path does not fit.",
                "Code it in UTF-8 and percent-encoding.",
            )),
        }
    }
}

/// `page` from 1 and `page_size` up to 1,000.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(default)]
struct Paging {
    page: u32,
    page_size: u32,
}

impl Default for Paging {
    fn default() -> Self {
        Self {
            page: 1,
            page_size: 100,
        }
    }
}

impl Paging {
    fn bounded(self) -> (u32, u32) {
        (self.page.max(1), self.page_size.clamp(1, 1000))
    }
}

/// One page of a list.
#[derive(Serialize)]
struct Listed<T> {
    items: Vec<T>,
    total: u64,
}
