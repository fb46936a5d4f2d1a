//! AXE bindings: A behind X and an extension.

mod types;

pub use types::{
    AxeBindRequest, AxeBinding, AxeCount, AxeCursor, AxeKey, AxeModifyRequest, AxePage, TimeUnit,
};

use axbridge_binding::AppId;
use axbridge_numbering::Number;

use crate::Store;
use crate::error::{BindError, StoreError};

impl Store {
    /// Makes an AXE binding. When this returns it is durable and calls route by it.
    pub async fn axe_bind(&self, _request: AxeBindRequest) -> Result<AxeBinding, BindError> {
        Err(StoreError::Unavailable("not served yet".into()).into())
    }

    /// Removes an AXE binding.
    pub async fn axe_unbind(&self, _app: AppId, _key: AxeKey) -> Result<(), BindError> {
        Err(StoreError::Unavailable("not served yet".into()).into())
    }

    /// Changes an AXE binding. Calls that run keep what they began with.
    pub async fn axe_modify(&self, _request: AxeModifyRequest) -> Result<AxeBinding, BindError> {
        Err(StoreError::Unavailable("not served yet".into()).into())
    }

    /// One AXE binding.
    pub async fn axe_query(&self, _app: AppId, _key: AxeKey) -> Result<AxeBinding, BindError> {
        Err(StoreError::Unavailable("not served yet".into()).into())
    }

    /// The AXE bindings on an X from a place on. `NotFound` for a number that is not the application's.
    pub async fn axe_page(
        &self,
        _app: AppId,
        _x: Number,
        _from: AxeCursor,
        _limit: u32,
    ) -> Result<AxePage, BindError> {
        Err(StoreError::Unavailable("not served yet".into()).into())
    }

    /// How many bindings this X has. `NotFound` for a number that is not the application's.
    pub async fn axe_count(&self, _app: AppId, _x: Number) -> Result<AxeCount, BindError> {
        Err(StoreError::Unavailable("not served yet".into()).into())
    }

    /// The same of every X of the application above `after` (0 at first), in order: the next part begins after
    /// the last one of this. Shorter than `limit`: the end.
    pub async fn axe_counts(
        &self,
        _app: AppId,
        _after: u64,
        _limit: u32,
    ) -> Result<Vec<AxeCount>, BindError> {
        Err(StoreError::Unavailable("not served yet".into()).into())
    }
}
