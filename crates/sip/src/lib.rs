//! SIP as bytes in, bytes out: messages, transactions, dialogs, framing. No sockets, no clock.
//!
//! A received message is one [`bytes::Bytes`] and an index over it ([`Message`]); what stands inside a
//! header is read when asked for, as a borrowed view ([`uri::Uri`], [`headers::NameAddr`], ...).
//! Nothing received is ever edited and sent on: what leaves is written by [`build`] from checked values.
#![forbid(unsafe_code)]

pub mod build;
pub mod dialog;
pub mod endpoint;
pub mod error;
pub mod framing;
pub mod headers;
pub mod limits;
pub mod message;
pub mod method;
pub mod name;
pub mod timer;
pub mod transaction;
pub mod transport;
pub mod uri;

mod keyed;
mod parse;
mod scan;

pub use build::{RequestBuilder, ResponseBuilder};
pub use dialog::{Dialog, DialogError, DialogId, OutOfOrder};
pub use endpoint::{ClientTx, Counters, Endpoint, EndpointConfig, Event, ServerTx, UnknownTx};
pub use error::{DropReason, Fault, ParseError, Reject};
pub use framing::{Frame, FramingError, StreamFramer, peek_call_id, shard_of};
pub use headers::{CSeq, NameAddr, RAck, Reason, Via};
pub use limits::Limits;
pub use message::{Message, Source};
pub use method::{ByteStr, Method};
pub use name::Name;
pub use transport::{ConnId, Hop, Transmit, Transport};
pub use uri::{Scheme, Uri};
