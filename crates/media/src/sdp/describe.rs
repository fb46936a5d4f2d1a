//! A peer's session description, reduced to what may be used.

use std::net::SocketAddr;

use super::SdpError;
use super::parse;
use crate::codec::{Codec, CodecSpec, DtmfSpec};
use crate::leg::Direction;

/// A parsed offer or answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionDescription {
    pub(super) media: Vec<MediaLine>,
    /// The stream that we use and its place among the media lines, or why there is none.
    pub(super) audio: Result<(usize, AudioStream), NoAudio>,
}

/// Why no stream can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoAudio {
    /// Every audio line has port 0, or there is none.
    Absent,
    /// There is one, of a kind that we do not take.
    Unsupported(&'static str),
}

/// A media line as far as it must be echoed when refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MediaLine {
    pub(super) kind: &'static str,
    pub(super) proto: &'static str,
    pub(super) format: Format,
}

/// The first format of a refused line; its meaning is gone with the port, but the grammar wants one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Number(u8),
    Word(&'static str),
}

impl std::fmt::Display for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(pt) => write!(f, "{pt}"),
            Self::Word(word) => f.write_str(word),
        }
    }
}

impl SessionDescription {
    /// Reads a description.
    ///
    /// # Errors
    /// [`SdpError::BadSdp`] for a text that cannot be answered: no SDP at all, a broken media line or audio address,
    /// a limit exceeded. An audio stream of a kind that we do not take is no error here.
    pub fn parse(text: &[u8]) -> Result<Self, SdpError> {
        parse::parse(text)
    }

    /// The first audio stream that can be used: plain RTP/AVP, port not 0, a literal unicast address.
    #[must_use]
    pub fn audio(&self) -> Option<&AudioStream> {
        self.audio.as_ref().ok().map(|(_, stream)| stream)
    }

    /// Media lines in all.
    #[must_use]
    pub fn media_lines(&self) -> usize {
        self.media.len()
    }

    /// Did nothing change for this leg's media? `true` for a re-INVITE or UPDATE that only refreshes the session.
    #[must_use]
    pub fn same_media(&self, other: &Self) -> bool {
        self.audio() == other.audio()
    }

    /// Did nothing change that the other leg must hear of? The peer's address and its payload numbers may differ.
    #[must_use]
    pub fn same_for_other_leg(&self, other: &Self) -> bool {
        match (self.audio(), other.audio()) {
            (Some(a), Some(b)) => {
                let codecs = |s: &AudioStream| -> Vec<Codec> {
                    s.codecs.iter().map(|c| c.codec.clone()).collect()
                };
                let clocks =
                    |s: &AudioStream| -> Vec<u32> { s.dtmf.iter().map(|d| d.clock).collect() };
                a.direction == b.direction && codecs(a) == codecs(b) && clocks(a) == clocks(b)
            }
            (None, None) => true,
            _ => false,
        }
    }

    pub(super) fn stream(&self) -> Result<(usize, &AudioStream), NoAudio> {
        match &self.audio {
            Ok((index, stream)) => Ok((*index, stream)),
            Err(why) => Err(*why),
        }
    }
}

/// The audio stream of a description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AudioStream {
    /// Where the peer wants RTP. Unspecified (`0.0.0.0`, `::`) while it holds the old way.
    pub remote: SocketAddr,
    /// Where it wants RTCP.
    pub remote_rtcp: SocketAddr,
    /// The codecs that may be used, in the peer's order.
    pub codecs: Vec<CodecSpec>,
    /// telephone-event, by clock rate.
    pub dtmf: Vec<DtmfSpec>,
    /// In the peer's words; an unspecified address has already taken "receives" out of it.
    pub direction: Direction,
    /// The peer does not want to hear: by direction or by address.
    pub on_hold: bool,
    /// The packet length that the peer asks for, if it is a sensible one, within its own maxptime.
    pub ptime_ms: Option<u8>,
    /// Payload types listed without a meaning: an answerer may leave out what the offer already said.
    pub(super) unmapped: Vec<u8>,
}

impl AudioStream {
    /// telephone-event for that clock rate.
    #[must_use]
    pub fn dtmf_at(&self, clock: u32) -> Option<u8> {
        self.dtmf.iter().find(|d| d.clock == clock).map(|d| d.pt)
    }

    /// Is the codec among those listed?
    #[must_use]
    pub fn lists(&self, codec: &Codec) -> bool {
        self.codecs.iter().any(|c| c.codec.matches(codec))
    }
}
