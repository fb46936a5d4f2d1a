//! SDP (RFC 8866) and offer/answer (RFC 3264, RFC 6337) for one audio stream.
//!
//! Reading is tolerant: what does not concern the audio stream is skipped. Writing is strict and starts from types: no
//! line, name or value of a peer's text is ever copied into what this module writes; even the words of a refused media
//! line come from a list of ours.
//!
//! A leg's side of the talk is a [`LocalMedia`]. Our offer: [`offer`], then [`read_answer`]. The peer's offer:
//! [`SessionDescription::parse`], then [`answer`].

mod describe;
mod negotiate;
mod parse;
mod write;

pub use describe::{AudioStream, SessionDescription};
pub use negotiate::{
    AnswerSpec, NarrowPolicy, OfferSpec, Offered, answer, narrow, offer, prefer, read_answer,
};
pub use write::LocalMedia;

/// Largest body that is read.
pub const BYTES_MAX: usize = 64 * 1024;
/// Most media lines.
pub const MEDIA_MAX: usize = 32;
/// Most formats on one media line.
pub const FORMATS_MAX: usize = 64;

/// Why an offer or answer cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SdpError {
    /// The text is broken; SIP says 400.
    #[error("bad SDP at line {line}: {why}")]
    BadSdp {
        /// Line, from 1; 0 for the whole.
        line: usize,
        /// What is wrong.
        why: &'static str,
    },
    /// There is no audio stream of a kind that we take; SIP says 488.
    #[error("no usable audio stream: {0}")]
    UnsupportedStream(&'static str),
    /// The two sides share no codec; SIP says 488.
    #[error("no common codec")]
    NoCommonCodec,
    /// The answer refused the audio stream (port 0).
    #[error("the peer rejected the audio stream")]
    MediaRejected,
}
