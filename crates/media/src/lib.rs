//! RTP as packets in, packets out: SDP, relay, prompts, digits, recording. No sockets, no clock.
//!
//! Not here: SIP (crate `axbridge-sip`), sockets and threads (crate `axbridge-engine`), who calls whom
//! (crate `axbridge-call`). Everything that came off the wire is read without panicking and within fixed limits.
#![forbid(unsafe_code)]

pub mod codec;
pub mod dtmf;
pub mod g711;
pub mod inband;
pub mod leg;
pub mod prompt;
pub mod recorder;
mod rng;
pub mod rtcp;
pub mod rtp;
pub mod sdp;
pub mod session;
pub mod stats;
pub mod tone;
pub mod wav;

pub use codec::{Codec, CodecSpec, DtmfSpec, Encoding, RelayCodec};
pub use dtmf::Digit;
pub use leg::{Direction, Negotiated, Side};
pub use prompt::{Prompt, PromptError};
pub use recorder::RecordOut;
pub use session::{
    Command, Event, Layout, PlayEnd, RecordingEvent, RelayOut, Session, SessionConfig, Transmit,
    TransmitKind,
};
pub use stats::{LegStats, Stats};
