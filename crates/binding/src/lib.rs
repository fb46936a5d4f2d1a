//! Who may reach whom through which X: the binding table and route resolution.
#![forbid(unsafe_code)]

mod table;
mod types;

pub use table::Table;
pub use types::{
    AppId, AreaCode, Axb, CallDirection, Expired, NumberInfo, NumberStatus, Policy, PolicyId,
    PublishError, Refusal, Route, RouteKind, Stats, SubscriptionId, Swept, TrunkId, UnknownValue,
};
