//! AXYB bindings: A behind X, the other behind Y.

mod types;

pub use types::{AXYB_DURATION_S, AxybBindX, AxybBindY, AxybPart, AxybQuery, AxybRelation, AxybYb};

use axbridge_binding::{AppId, SubscriptionId};
use axbridge_numbering::Number;

use crate::Store;
use crate::error::{BindError, StoreError};

impl Store {
    /// The first step: gives A an X.
    pub async fn axyb_bind_x(&self, _request: AxybBindX) -> Result<AxybRelation, BindError> {
        Err(StoreError::Unavailable("not served yet".into()).into())
    }

    /// The second step: gives B a Y. `Bound` when B has one in this relation.
    pub async fn axyb_bind_y(&self, _request: AxybBindY) -> Result<AxybRelation, BindError> {
        Err(StoreError::Unavailable("not served yet".into()).into())
    }

    /// Gives a stranger who dials X a Y, or the one that he has. `NoNumber`: 8031.
    pub async fn axyb_allocate_y(
        &self,
        _app: AppId,
        _subscription: SubscriptionId,
        _stranger: Number,
    ) -> Result<AxybRelation, BindError> {
        Err(StoreError::Unavailable("not served yet".into()).into())
    }

    /// Removes a relation or one Y of it.
    pub async fn axyb_unbind(
        &self,
        _app: AppId,
        _subscription: SubscriptionId,
        _part: AxybPart,
    ) -> Result<(), BindError> {
        Err(StoreError::Unavailable("not served yet".into()).into())
    }

    /// Relations, one for each Y or one without; at most `limit`. `NotFound` when there is none.
    pub async fn axyb_query(
        &self,
        _app: AppId,
        _what: AxybQuery,
        _limit: u32,
    ) -> Result<Vec<AxybRelation>, BindError> {
        Err(StoreError::Unavailable("not served yet".into()).into())
    }
}
