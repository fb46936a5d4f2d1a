//! The customer API: the paths, field names, types and codes of the PrivateNumber API.
//!
//! | path | methods | module |
//! | --- | --- | --- |
//! | `/rest/caas/relationnumber/partners/v1.0` | POST PUT DELETE GET | `axb` |
//! | `/rest/provision/caas/privatenumber/v1.0` | POST PUT DELETE GET | `ax` |
//! | `/rest/caas/privatenumber/calleenumber/v1.0` | PUT | `ax` |
//! | `/rest/caas/extendnumber/v1.0`, `/v2.0` | POST PUT DELETE GET; GET | `axe` |
//! | `/rest/caas/virtualnumber/v1.0` | GET | `axe` |
//! | `/rest/omp/xyrelationnumber/v1.0` | POST DELETE GET | `axyb` |
//! | `/rest/provision/voice/record/v1.0` | GET | `recording` |
//! | `/rest/httpsessions/callStop/v2.0` | POST | `call_stop` |
//! | `/v1/calls`, `/v1/calls/{sessionId}`, `.../trace`, `/v1/bindings/{subscriptionId}` | GET; PATCH; GET; PATCH | `ours` |
//! | `/v1/records`, `/v1/events`, `/v1/replay` | GET; GET; POST | `history` |
//!
//! X mode has no binding call: `crate::notify::Asker` asks the customer at each call. A further mode is a further
//! module with one function from (`Call`) to an answer, and a row in `routes`.

mod ax;
pub(crate) mod axb;
mod axe;
mod axyb;
mod call_stop;
pub(crate) mod fields;
mod history;
mod ours;
pub(crate) mod params;
mod recording;

use std::future::Future;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequestParts as _, RawPathParams, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};
use http_body_util::{BodyExt as _, Limited};

use crate::address::client_address;
use crate::answer::Refusal;
use crate::auth::Authorised;
use crate::openapi;
use crate::routes::Routes;
use crate::state::{Api, PeerAddress};
use axbridge_store::{BindError, Mode, StoreError};
use params::Params;

/// The path of the AXB operations.
pub const AXB_PATH: &str = "/rest/caas/relationnumber/partners/v1.0";
/// The path of the AX operations.
pub const AX_PATH: &str = "/rest/provision/caas/privatenumber/v1.0";
/// The path that sets the temporary callee of an AX binding.
pub const AX_CALLEE_PATH: &str = "/rest/caas/privatenumber/calleenumber/v1.0";
/// The path of the AXE operations.
pub const AXE_PATH: &str = "/rest/caas/extendnumber/v1.0";
/// The path of the second version of the AXE query.
pub const AXE_QUERY_PATH: &str = "/rest/caas/extendnumber/v2.0";
/// The path that counts AXE bindings.
pub const AXE_COUNT_PATH: &str = "/rest/caas/virtualnumber/v1.0";
/// The path of the AXYB operations.
pub const AXYB_PATH: &str = "/rest/omp/xyrelationnumber/v1.0";
/// The path that recordings are asked for by.
pub const RECORD_PATH: &str = "/rest/provision/voice/record/v1.0";
/// The path that ends a call.
pub const CALL_STOP_PATH: &str = "/rest/httpsessions/callStop/v2.0";

/// A body that does not come within this time is given up.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// An authenticated request, read.
pub(crate) struct Call {
    pub(crate) who: Authorised,
    pub(crate) method: Method,
    pub(crate) params: Params,
}

pub(crate) fn routes() -> Routes<Api> {
    /// One address: path, methods, name in metrics, answer.
    macro_rules! at {
        ($routes:expr, $path:expr, $methods:expr, $name:literal, $answer:path) => {
            $routes.at(
                $path,
                $methods,
                any(|s, r| handle(s, r, $name, $methods, $answer)),
            )
        };
    }
    let r = Routes::new();
    let r = at!(r, AXB_PATH, axb::METHODS, "axb", axb::answer);
    let r = at!(r, AX_PATH, ax::METHODS, "ax", ax::answer);
    let r = at!(r, AX_CALLEE_PATH, "PUT", "axCallee", ax::temporary_callee);
    let r = at!(r, AXE_PATH, axe::METHODS, "axe", axe::answer);
    let r = at!(r, AXE_QUERY_PATH, "GET", "axeQuery", axe::query_v2);
    let r = at!(r, AXE_COUNT_PATH, "GET", "axeCount", axe::count);
    let r = at!(r, AXYB_PATH, axyb::METHODS, "axyb", axyb::answer);
    let r = at!(r, RECORD_PATH, "GET", "record", recording::answer);
    let r = at!(r, CALL_STOP_PATH, "POST", "callStop", call_stop::answer);
    let r = at!(r, "/v1/calls", "GET", "calls", ours::calls);
    let r = at!(
        r,
        "/v1/calls/{sessionId}",
        "PATCH",
        "callChange",
        ours::change_call
    );
    let r = at!(
        r,
        "/v1/calls/{sessionId}/trace",
        "GET",
        "callTrace",
        ours::trace
    );
    let r = at!(
        r,
        "/v1/bindings/{subscriptionId}",
        "PATCH",
        "bindingChange",
        ours::change_binding
    );
    let r = at!(r, "/v1/records", "GET", "records", history::records);
    let r = at!(r, "/v1/events", "GET", "events", history::events);
    let r = at!(r, "/v1/replay", "POST", "replay", history::replay);
    r.at(
        recording::DOWNLOAD_PATH,
        "GET, HEAD",
        any(recording::download),
    )
    .at("/v1/openapi.json", "GET", get(openapi::customer))
}

/// The answer to a path that nobody knows.
pub(crate) async fn not_found() -> Response {
    Refusal::new(StatusCode::NOT_FOUND, "1010006", "Invalid Rest API.")
        .detail("There is nothing at this address; check the path.")
        .into_response()
}

async fn handle<F, A>(
    State(api): State<Api>,
    request: Request,
    operation: &'static str,
    methods: &'static str,
    answer: F,
) -> Response
where
    F: FnOnce(Api, Call) -> A,
    A: Future<Output = Result<Response, Refusal>>,
{
    let began = api.clock().mono();
    let result = match admit(&api, request, methods).await {
        Ok(call) => answer(api.clone(), call).await,
        Err(refusal) => Err(refusal),
    };
    let code = result.as_ref().map_or_else(|r| r.code, |_| "0");
    metrics::counter!("axbridge_api_requests_total", "operation" => operation, "result" => code)
        .increment(1);
    metrics::histogram!("axbridge_api_request_seconds", "operation" => operation)
        .record(api.clock().mono().saturating_duration_since(began));
    result.unwrap_or_else(IntoResponse::into_response)
}

/// Method, size, authentication, content type, parameters: in this order, so that a stranger's body is never read.
async fn admit(api: &Api, request: Request, methods: &'static str) -> Result<Call, Refusal> {
    let (mut parts, body) = request.into_parts();
    if !methods.split(", ").any(|m| m == parts.method.as_str()) {
        return Err(Refusal::method(methods));
    }
    let limit = api.config().body_bytes_max;
    announced_size(&parts.headers, limit)?;
    let from = client_of(api, &parts);
    let who = api.auth().check(
        &parts.headers,
        from,
        api.clock().wall_ms(),
        api.clock().mono(),
    )?;
    let body = read_body(body, limit).await?;
    if !body.is_empty() {
        json_content(&parts.headers)?;
    }
    let mut params = Params::read(parts.uri.query(), &body)?;
    let in_path = RawPathParams::from_request_parts(&mut parts, &())
        .await
        .map_err(|_| Refusal::invalid("").detail("The path is not UTF-8 in percent-coding."))?;
    for (name, value) in &in_path {
        params.set(name, value);
    }
    Ok(Call {
        who,
        method: parts.method,
        params,
    })
}

/// The client's address, proxies seen through.
pub(crate) fn client_of(api: &Api, parts: &Parts) -> std::net::IpAddr {
    let peer = parts
        .extensions
        .get::<PeerAddress>()
        .copied()
        .unwrap_or_default();
    client_address(peer.0, &parts.headers, &api.config().proxies)
}

/// Refuses a body that says itself that it is too long.
pub(crate) fn announced_size(headers: &HeaderMap, limit: usize) -> Result<(), Refusal> {
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|n| n > limit as u64) {
        Err(Refusal::too_large(limit))
    } else {
        Ok(())
    }
}

/// Reads a body up to a limit.
pub(crate) async fn read_body(body: Body, limit: usize) -> Result<bytes::Bytes, Refusal> {
    match tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, limit).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(e)) if e.is::<http_body_util::LengthLimitError>() => Err(Refusal::too_large(limit)),
        Ok(Err(_)) | Err(_) => {
            let mut refusal =
                Refusal::invalid("").detail("The body ended early or came too slowly.");
            refusal.close = true;
            Err(refusal)
        }
    }
}

/// A body must be JSON. A missing `Content-Type` is forgiven; another one means another kind of body.
fn json_content(headers: &HeaderMap) -> Result<(), Refusal> {
    let Some(value) = headers.get(CONTENT_TYPE) else {
        return Ok(());
    };
    let text = value.to_str().unwrap_or_default();
    let mut pieces = text.split(';').map(str::trim);
    let json = pieces
        .next()
        .is_some_and(|kind| kind.eq_ignore_ascii_case("application/json"));
    let utf8 = pieces
        .filter_map(|p| p.split_once('='))
        .all(|(name, value)| {
            let value = value.trim().trim_matches('"');
            !name.trim().eq_ignore_ascii_case("charset")
                || value.eq_ignore_ascii_case("utf-8")
                || value.eq_ignore_ascii_case("utf8")
        });
    if json && utf8 {
        Ok(())
    } else {
        Err(Refusal::not_json())
    }
}

/// 1010040 unless the application is of this mode.
fn of_mode(call: &Call, mode: Mode) -> Result<(), Refusal> {
    if call.who.app().record.mode == mode {
        return Ok(());
    }
    Err(other_mode())
}

fn other_mode() -> Refusal {
    forbidden("1010040", "The app_key is not allowed to invoke the API.")
        .detail("This application is of another mode; each mode has its own addresses.")
}

/// What a failing store means to the customer. The cause is for the log.
fn store_failed(error: &StoreError) -> Refusal {
    if let StoreError::Overloaded(_) = error {
        let mut refusal = Refusal::new(
            StatusCode::FORBIDDEN,
            "1010010",
            "The flow control upper limit is reached on the platform.",
        )
        .detail("Too many writes are waiting. Nothing was changed; try again.");
        refusal.retry_after_s = Some(1);
        return refusal;
    }
    tracing::error!(%error, "the store failed a customer's request");
    Refusal::internal()
}

/// What a mode calls the failures that the others call otherwise.
#[derive(Clone, Copy)]
struct Codes {
    /// The private number is nobody's or another application's.
    foreign_number: fn() -> Refusal,
    /// There is no such binding.
    not_found: fn() -> Refusal,
    /// No private number fits.
    no_number: fn() -> Refusal,
    /// The number, or the party, has as many bindings as it may.
    full: fn() -> Refusal,
    /// It is bound already.
    bound: fn() -> Refusal,
    /// Numbers that must differ are the same.
    same_party: fn() -> Refusal,
}

impl Codes {
    fn refusal(&self, error: BindError) -> Refusal {
        match error {
            BindError::NumberNotOfApp => (self.foreign_number)(),
            BindError::NotFound => (self.not_found)(),
            BindError::NoNumber => (self.no_number)(),
            BindError::Full => (self.full)(),
            BindError::Bound => (self.bound)(),
            BindError::SameParty => (self.same_party)(),
            BindError::RecordingOff => Refusal::no_recording(),
            BindError::NumberUnusable(_) => forbidden("1012102", "The number status is abnormal.")
                .detail("The operator has this number suspended, unavailable or frozen."),
            BindError::DailyBinds => forbidden(
                "1020182",
                "The number succeeds the max bind times per day",
            )
            .detail("This private number was bound as often today as it may; use another, or bind it tomorrow."),
            BindError::TooManyNumbers => forbidden(
                "1011003",
                "Exceeded the upper limit of resources that can be applied for.",
            )
            .detail("origNum has as many private numbers as it may; unbind one."),
            BindError::NoExtension => forbidden("1020167", "No idle extend Number.")
                .detail("The extension is in use, or none is left on this number."),
            BindError::ExtensionLength(digits) => Refusal::parameter(
                "extendNum",
                &format!("must have {digits} digits in this application"),
            ),
            BindError::CallBackOutlives => Refusal::parameter(
                "callbackExpiredTime",
                "must not be longer than bindExpiredTime",
            ),
            BindError::WrongMode => other_mode(),
            BindError::NoApp => forbidden("1010003", "Invalid app_key."),
            BindError::Store(error) => store_failed(&error),
        }
    }
}

fn forbidden(code: &'static str, desc: &'static str) -> Refusal {
    Refusal::new(StatusCode::FORBIDDEN, code, desc)
}
