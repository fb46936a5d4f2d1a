//! The operator API's errors: a stable word, what is wrong, what to do.

use std::borrow::Cow;

use axbridge_store::StoreError;
use axum::response::{IntoResponse, Response};
use http::header::WWW_AUTHENTICATE;
use http::{HeaderValue, StatusCode};
use serde::Serialize;

use crate::answer::json_text;

pub(super) type Result<T> = std::result::Result<T, Problem>;

/// What went wrong with an operator's request.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Problem {
    #[serde(skip)]
    status: StatusCode,
    /// A stable word for programs.
    error: &'static str,
    /// What is wrong.
    message: Cow<'static, str>,
    /// What to do about it.
    action: Cow<'static, str>,
}

impl Problem {
    pub(super) fn new(
        status: StatusCode,
        error: &'static str,
        message: impl Into<Cow<'static, str>>,
        action: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            status,
            error,
            message: message.into(),
            action: action.into(),
        }
    }

    pub(super) fn invalid(
        message: impl Into<Cow<'static, str>>,
        action: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid", message, action)
    }

    pub(super) fn not_found(what: &'static str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not_found",
            format!("{what} does not exist."),
            "List what there is with GET on the collection.",
        )
    }

    pub(super) fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "The request was not carried out.",
            "Try again; the server's log has the cause.",
        )
    }

    pub(super) fn unauthorised() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthorised",
            "The operator's token is missing or wrong.",
            "Send Authorization: Bearer <token>, with the token of the server's configuration.",
        )
    }

    pub(super) fn closed() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "closed",
            "The operator API is closed because no token is configured.",
            "Set the operator token in the server's configuration and start it again.",
        )
    }

    pub(super) fn banned() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "banned",
            "This address is banned after repeated failures to authenticate.",
            "Wait 30 minutes, or lift the ban from another address.",
        )
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound(what) => Self::not_found(what),
            StoreError::AlreadyExists(what) => Self::new(
                StatusCode::CONFLICT,
                "exists",
                format!("{what} exists already."),
                "Choose another, or change the one that exists.",
            ),
            StoreError::InUse(what) => Self::new(
                StatusCode::CONFLICT,
                "in_use",
                format!("{what} is still in use."),
                "Remove first what refers to it: numbers of an application or a trunk, bindings of a number.",
            ),
            StoreError::Invalid(text) => Self::invalid(text, "Correct it and send it again."),
            StoreError::Overloaded(_) => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "overloaded",
                "Too many writes are waiting; nothing was changed.",
                "Try again in a second.",
            ),
            error => {
                tracing::error!(%error, "the store failed an operator's request");
                Self::internal()
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let text = serde_json::to_string(&self).unwrap_or_default();
        let mut response = json_text(self.status, text);
        if self.status == StatusCode::UNAUTHORIZED {
            response
                .headers_mut()
                .insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
