//! AXB bindings: the truth in SQL, the view of it in the binding table.
//!
//! Rules kept here: a party stands at most once on an X; an X holds at most so many pairs; a binding that has
//! expired is as good as gone, swept or not. The order of writes is the order in which calls see them.

mod bind;
mod load;
mod modify;
mod query;
mod rows;
mod sweep;
mod types;
mod unbind;

pub(crate) use load::for_each;
pub(crate) use sweep::{sweep, sweep_number};
pub use types::{AreaMatch, BindRequest, Binding, ModifyRequest, PolicyChange, Query, Unbind};
