//! The only place with sockets, threads and timers: drives SIP, calls and media.

pub mod kernel;
pub mod ports;
pub mod recording;

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
