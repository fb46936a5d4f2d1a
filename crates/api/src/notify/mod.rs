//! Notifications to customers: rendered, signed, delivered.

mod ask;
mod deliver;
#[cfg(test)]
mod modes;
mod num_status;
mod render;
mod sender;
mod target;
mod text;
mod text_ask;

pub use ask::{Answer, AskRules, Asker, CallIn, Close, Connect};
pub use deliver::{Deliverer, DelivererConfig};
pub use num_status::number_status_body;
pub(crate) use render::record_json;
pub use render::{Account, Origin, event_body, records_body};
pub use sender::{SendError, Sender, Signer};
pub use target::{TargetError, TargetPolicy};
pub use text::text_body;
pub use text_ask::{TextAsker, TextQuestion};
