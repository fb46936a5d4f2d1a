//! AX bindings: A behind X for everybody.

mod types;

pub use types::{
    AX_CALLEE_DURATION_S, AX_CALLEE_DURATION_S_MAX, AxBindRequest, AxBinding, AxCalleeRequest,
    AxKey, AxModifyRequest, AxQuery,
};

use axbridge_binding::AppId;

use crate::Store;
use crate::error::{BindError, StoreError};

impl Store {
    /// Makes an AX binding. When this returns it is durable and calls route by it.
    pub async fn ax_bind(&self, _request: AxBindRequest) -> Result<AxBinding, BindError> {
        Err(StoreError::Unavailable("not served yet".into()).into())
    }

    /// Removes an AX binding. `NumberNotOfApp` for a number that is not the application's, `NotFound` where
    /// nothing is bound.
    pub async fn ax_unbind(&self, _app: AppId, _key: AxKey) -> Result<(), BindError> {
        Err(StoreError::Unavailable("not served yet".into()).into())
    }

    /// Changes an AX binding. Calls that run keep what they began with.
    pub async fn ax_modify(&self, _request: AxModifyRequest) -> Result<AxBinding, BindError> {
        Err(StoreError::Unavailable("not served yet".into()).into())
    }

    /// AX bindings; `NotFound` when there is none.
    pub async fn ax_query(&self, _app: AppId, _what: AxQuery) -> Result<Vec<AxBinding>, BindError> {
        Err(StoreError::Unavailable("not served yet".into()).into())
    }

    /// Names whom A reaches, in place of whom was named before.
    pub async fn ax_set_callee(&self, _request: AxCalleeRequest) -> Result<AxBinding, BindError> {
        Err(StoreError::Unavailable("not served yet".into()).into())
    }
}
