//! Who may reach whom through which X: the lock-free binding table and route resolution.
//!
//! [`Table`] is a view of the store, filled at the start and followed up by `Table::publish_*` and
//! [`Table::withdraw`] after each commit. It knows nothing of SIP, of files or of the clock: the
//! moment of a lookup is an argument.
//!
//! Inside, from the bottom: `bucket` (entries behind a version counter, all atomics, no unsafe code),
//! `page` (open addressing over buckets), `paged` (pages that split as they fill), `shard` (numbers and
//! directions, one writer at a time), `table` (64 shards chosen by X, and beside them the interned
//! policies, the user data and the details of the other kinds than AXB).
#![forbid(unsafe_code)]

mod beside;
mod bucket;
#[cfg(test)]
mod bucket_loom;
mod chunks;
mod decide;
mod detail;
mod entry;
mod hash;
mod kinds;
mod page;
mod paged;
mod policies;
mod publish;
mod route;
mod shard;
mod sweep;
mod table;
mod types;

pub use decide::{TextDecision, TextRefusal};
pub use kinds::{Ax, Axb, Axe, AxybX, AxybY, CallBack, Extension, Reached, Temporary};
pub use route::{Decision, Refusal, Route, RouteKind};
pub use table::Table;
pub use types::{
    AppId, AreaCode, CallDirection, Expired, NumberInfo, NumberStatus, Policy, PolicyId,
    PublishError, Stats, SubscriptionId, Swept, TrunkId, UnknownValue,
};
