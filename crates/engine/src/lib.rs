//! The only place with sockets, threads and timers: drives SIP, calls and media.
//!
//! Three kinds of threads. **Shards** ([`Engine`] starts them) own the calls: each receives SIP, lets its
//! [`Calls`] think and carries out what comes of it. **Media workers** own the RTP sockets and the media
//! sessions. **Writers** own the recordings' files. They share nothing but bounded queues; nothing here decides
//! anything about a call.

mod calls;
mod clock;
mod config;
mod engine;
mod inbox;
pub mod kernel;
mod live;
mod oracle;
mod plane;
pub mod ports;
pub mod recording;
mod shard;
mod tcp;
mod text;
mod worker;

pub use calls::{Calls, Journal};
pub use clock::{now, wall_ms};
pub use config::{Admit, EngineConfig, ListenAt, TcpConfig};
pub use engine::{Engine, EngineHandle, ShardSetup};
pub use live::{LiveCallInfo, Phase};
pub use oracle::{Answering, Oracle, OracleRef};
pub use text::{Keeping, TextDesk, TextDeskRef, Written};

/// Why the engine cannot start.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The configuration cannot work.
    #[error("configuration: {0}")]
    Config(&'static str),
    /// The system refused something.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// What the system said.
        source: std::io::Error,
    },
}
