//! The answers of the customer API: `resultcode`, `resultdesc`, and in errors `detail`.
//!
//! `resultdesc` is the documented text to the letter, since clients compare it; `detail` is ours and says in plain
//! English what to do. Neither ever holds a secret or a whole telephone number.

use std::borrow::Cow;

use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, CONNECTION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use serde::Serialize;

/// The `Content-Type` of every JSON answer and notification.
pub const JSON_UTF8: HeaderValue = HeaderValue::from_static("application/json;charset=UTF-8");

/// A refusal in the shape of the PrivateNumber API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status.
    pub status: StatusCode,
    /// `resultcode`.
    pub code: &'static str,
    /// `resultdesc`.
    pub desc: Cow<'static, str>,
    /// What the reader can do about it.
    pub detail: Cow<'static, str>,
    /// Seconds for `Retry-After`.
    pub retry_after_s: Option<u64>,
    /// Whether the connection is closed after the answer (the rest of the request was not read).
    pub close: bool,
    /// `Allow` of a 405.
    pub allow: Option<&'static str>,
}

impl Refusal {
    /// A refusal with its documented code and text.
    #[must_use]
    pub fn new(status: StatusCode, code: &'static str, desc: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            code,
            desc: desc.into(),
            detail: Cow::Borrowed(""),
            retry_after_s: None,
            close: false,
            allow: None,
        }
    }

    /// The same with a plain-English explanation.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.detail = detail.into();
        self
    }

    /// 403 1010002, `reason` appended without a space as the public API does.
    #[must_use]
    pub fn invalid(reason: &str) -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "1010002",
            format!("Invalid request.{reason}"),
        )
    }

    /// 403 1010002 for a parameter that is missing or has a bad value.
    #[must_use]
    pub fn parameter(name: &str, problem: &str) -> Self {
        Self::invalid(name).detail(format!("Parameter {name}: {problem}."))
    }

    /// 403 1012007.
    #[must_use]
    pub fn no_record() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "1012007",
            "The record does not exist.",
        )
    }

    /// 403 1012012.
    #[must_use]
    pub fn no_recording() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "1012012",
            "Application does not open recording function.",
        )
        .detail("Recording is off for this application; the operator can switch it on.")
    }

    /// 500 1010001. The cause goes to the log, not to the customer.
    #[must_use]
    pub fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "1010001",
            "Internal system error.",
        )
        .detail("The request was not carried out. Try again; the server's log has the cause.")
    }

    /// 405 with the methods that the path knows.
    #[must_use]
    pub fn method(allow: &'static str) -> Self {
        let mut r = Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "1010006",
            "Invalid Rest API.",
        );
        r.allow = Some(allow);
        r.detail(format!("This address takes {allow}."))
    }

    /// 413; the connection is closed because the rest of the body is not read.
    #[must_use]
    pub fn too_large(limit: usize) -> Self {
        let mut r = Self::new(StatusCode::PAYLOAD_TOO_LARGE, "1010002", "Invalid request.");
        r.close = true;
        r.detail(format!("The body is longer than {limit} bytes."))
    }

    /// 415.
    #[must_use]
    pub fn not_json() -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "1010002",
            "Invalid request.",
        )
        .detail("Content-Type must be application/json;charset=UTF-8.")
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct Failure {
            resultcode: &'static str,
            resultdesc: Cow<'static, str>,
            #[serde(skip_serializing_if = "str::is_empty")]
            detail: Cow<'static, str>,
        }
        let body = Failure {
            resultcode: self.code,
            resultdesc: self.desc,
            detail: self.detail,
        };
        let text = serde_json::to_string(&body).unwrap_or_default();
        let mut response = json_text(self.status, text);
        let headers = response.headers_mut();
        if let Some(s) = self.retry_after_s {
            headers.insert(RETRY_AFTER, HeaderValue::from(s));
        }
        if self.close {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if let Some(allow) = self.allow {
            headers.insert(ALLOW, HeaderValue::from_static(allow));
        }
        response
    }
}

/// 200 with `resultcode` 0 and these further fields.
#[must_use]
pub fn success(fields: impl Serialize) -> Response {
    #[derive(Serialize)]
    struct Success<T> {
        resultcode: &'static str,
        resultdesc: &'static str,
        #[serde(flatten)]
        fields: T,
    }
    let body = Success {
        resultcode: "0",
        resultdesc: "Success",
        fields,
    };
    match serde_json::to_string(&body) {
        Ok(text) => json_text(StatusCode::OK, text),
        Err(_) => Refusal::internal().into_response(),
    }
}

/// An answer with this JSON text.
#[must_use]
pub fn json_text(status: StatusCode, text: String) -> Response {
    let mut response = (status, text).into_response();
    response.headers_mut().insert(CONTENT_TYPE, JSON_UTF8);
    response
}
