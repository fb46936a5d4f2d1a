//! Notifications to customers: rendered, signed, delivered.

mod deliver;
mod render;
mod sender;
mod target;

pub use deliver::{Deliverer, DelivererConfig};
pub use render::{Origin, event_body, number_status_body, records_body};
pub use sender::{SendError, Sender, Signer};
pub use target::{TargetError, TargetPolicy};
