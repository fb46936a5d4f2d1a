//! A link to an SMSC: SMPP 3.4 as a client (ESME).
//!
//! A [`Link`] keeps one transceiver session with its SMSC for as long as it lives: it binds, asks whether the other end
//! is there (`enquire_link`), answers the same, binds again after a loss with growing pauses, and keeps to the window
//! and the throughput that the carrier has granted. It knows nothing of bindings or customers: what it hears goes to a
//! [`Desk`], what is to be sent comes to [`Link::submit`].
//!
//! The PDUs are those of the crate `rusmpp`, whose own logging stays switched off: it would show what people write.
#![forbid(unsafe_code)]

mod config;
mod link;
mod pdu;
mod session;
mod status;

pub use config::{ConfigError, Joining, LinkConfig, Password, ZeroCoding};
pub use link::{Link, LinkState};
pub use pdu::{Came, Submission};
pub use session::{Desk, Keeping, Kept};
pub use status::SubmitError;
