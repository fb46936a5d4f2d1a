//! What a session is told at its beginning and what it hands out.

use std::ops::Range;
use std::time::Duration;

use super::playout::FRAME;
use crate::leg::Side;
use crate::rtp::HEADER_LEN;

/// The largest packet that a session makes itself.
pub const TRANSMIT_LEN_MAX: usize = HEADER_LEN + FRAME;
/// Settings of a session.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// Silence of a leg after which [`Event::NoMedia`](super::Event::NoMedia) comes.
    pub no_media_after: Duration,
    /// A recording below this length is discarded; at most 20 s.
    pub record_minimum: Duration,
    /// Listen for key tones in the voice of legs without telephone-event.
    pub inband_digits: bool,
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self {
            no_media_after: Duration::from_secs(60),
            record_minimum: Duration::from_secs(3),
            inband_digits: true,
        }
    }
}

/// A relayed packet: send this part of the datagram to that leg.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RelayOut {
    /// The leg that gets it.
    pub to: Side,
    /// Where it lies in the datagram that was handed in.
    pub range: Range<usize>,
}

/// Which socket a packet goes out of.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum TransmitKind {
    /// To [`Session::remote`](super::Session::remote).
    Rtp,
    /// To [`Session::remote_rtcp`](super::Session::remote_rtcp).
    Rtcp,
}

/// A packet of our own making.
#[derive(Clone, Debug)]
pub struct Transmit {
    /// The leg that gets it.
    pub to: Side,
    /// RTP or RTCP.
    pub kind: TransmitKind,
    pub(super) len: u8,
    pub(super) buf: [u8; TRANSMIT_LEN_MAX],
}

impl Transmit {
    /// The datagram.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.buf.get(..usize::from(self.len)).unwrap_or_default()
    }
}
