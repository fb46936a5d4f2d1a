//! The strict writer: our side of one leg.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;

use super::describe::MediaLine;
use crate::codec::{Codec, CodecSpec, DtmfSpec, PT_DYNAMIC, PT_MAX};
use crate::leg::Direction;

/// Our side of one leg's session: identity, version, address, and what that leg has agreed on so far.
///
/// Make one for each dialog. The version in `o=` goes up only when the text changes (RFC 3264 §5, §8).
#[derive(Clone, Debug)]
pub struct LocalMedia {
    session_id: u64,
    version: u64,
    addr: SocketAddr,
    /// The last text after its `o=` line.
    last: Option<String>,
    /// The media lines in the order first used; later offers must keep them (RFC 3264 §8).
    lines: Vec<Option<MediaLine>>,
    /// What a payload type has meant on this leg; it keeps its meaning (RFC 3264 §8.3.2).
    numbers: Vec<(u8, Meaning)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Meaning {
    Codec(Codec),
    Dtmf(u32),
}

impl Meaning {
    /// The same for the numbering: parameters that only limit a sender do not make another format.
    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Codec(a), Self::Codec(b)) => a.matches(b),
            (Self::Dtmf(a), Self::Dtmf(b)) => a == b,
            _ => false,
        }
    }
}

/// The audio line to be written.
pub(super) struct AudioLine<'a> {
    pub(super) codecs: &'a [CodecSpec],
    pub(super) dtmf: &'a [DtmfSpec],
    pub(super) direction: Direction,
    pub(super) ptime_ms: Option<u8>,
}

impl LocalMedia {
    /// A new session. `addr` is where we receive RTP; RTCP is on the next port.
    #[must_use]
    pub fn new(session_id: u64, addr: SocketAddr) -> Self {
        Self {
            // Some parsers keep it in a signed 64-bit integer.
            session_id: session_id >> 1,
            version: 1,
            addr,
            last: None,
            lines: Vec::new(),
            numbers: Vec::new(),
        }
    }

    /// Moves the leg to other ports or another address of ours.
    pub fn set_addr(&mut self, addr: SocketAddr) {
        self.addr = addr;
    }

    /// Where we receive RTP.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The version that was last written.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// Takes over the peer's media lines; `used` is the one that is not refused.
    pub(super) fn follow(&mut self, media: &[MediaLine], used: usize) {
        self.lines = media
            .iter()
            .enumerate()
            .map(|(index, line)| (index != used).then_some(*line))
            .collect();
    }

    /// Remembers the peer's numbering.
    pub(super) fn learn(&mut self, codecs: &[CodecSpec], dtmf: &[DtmfSpec]) {
        for spec in codecs {
            self.number(spec.pt, Meaning::Codec(spec.codec.clone()));
        }
        for spec in dtmf {
            self.number(spec.pt, Meaning::Dtmf(spec.clock));
        }
    }

    fn number(&mut self, pt: u8, meaning: Meaning) {
        match self.numbers.iter_mut().find(|(n, _)| *n == pt) {
            Some(entry) => entry.1 = meaning,
            None => self.numbers.push((pt, meaning)),
        }
    }

    /// The payload type for a codec in an offer of ours; `taken` are those already in it.
    pub(super) fn number_codec(&mut self, spec: &CodecSpec, taken: &[u8]) -> Option<u8> {
        match spec.codec.static_pt() {
            Some(pt) => (!taken.contains(&pt)).then_some(pt),
            None => self.assign(spec.pt, Meaning::Codec(spec.codec.clone()), taken),
        }
    }

    /// The payload type for telephone-event in an offer of ours.
    pub(super) fn number_dtmf(&mut self, spec: DtmfSpec, taken: &[u8]) -> Option<u8> {
        self.assign(spec.pt, Meaning::Dtmf(spec.clock), taken)
    }

    fn assign(&mut self, wanted: u8, meaning: Meaning, taken: &[u8]) -> Option<u8> {
        let known = self
            .numbers
            .iter()
            .find(|(pt, known)| known.is(&meaning) && !taken.contains(pt));
        if let Some((pt, _)) = known {
            return Some(*pt);
        }
        let is_free = |pt: &u8| !taken.contains(pt) && !self.numbers.iter().any(|(n, _)| n == pt);
        let pt = std::iter::once(wanted)
            .filter(|pt| (PT_DYNAMIC..=PT_MAX).contains(pt))
            .chain(PT_DYNAMIC..=PT_MAX)
            .find(is_free)?;
        self.number(pt, meaning);
        Some(pt)
    }

    /// The whole text; the version goes up if it differs from the last one.
    pub(super) fn render(&mut self, audio: &AudioLine<'_>) -> Bytes {
        let body = self.body(audio);
        if self.last.as_ref().is_some_and(|last| *last != body) {
            self.version += 1;
        }
        let ip = self.addr.ip();
        let text = format!(
            "v=0\r\no=- {} {} IN {} {ip}\r\n{body}",
            self.session_id,
            self.version,
            family(ip)
        );
        self.last = Some(body);
        Bytes::from(text)
    }

    fn body(&self, audio: &AudioLine<'_>) -> String {
        let ip = self.addr.ip();
        let mut out = String::with_capacity(320);
        // Writing to a String cannot fail.
        let _ = write!(out, "s=-\r\nc=IN {} {ip}\r\nt=0 0\r\n", family(ip));
        if self.lines.is_empty() {
            write_audio(&mut out, self.addr.port(), audio);
        }
        for line in &self.lines {
            match line {
                None => write_audio(&mut out, self.addr.port(), audio),
                Some(refused) => {
                    let MediaLine {
                        kind,
                        proto,
                        format,
                    } = refused;
                    let _ = write!(out, "m={kind} 0 {proto} {format}\r\n");
                }
            }
        }
        out
    }
}

fn write_audio(out: &mut String, port: u16, audio: &AudioLine<'_>) {
    let _ = write!(out, "m=audio {port} RTP/AVP");
    let numbers = audio.codecs.iter().map(|c| c.pt);
    for pt in numbers.chain(audio.dtmf.iter().map(|d| d.pt)) {
        let _ = write!(out, " {pt}");
    }
    out.push_str("\r\n");
    for CodecSpec { pt, codec } in audio.codecs {
        let _ = write!(out, "a=rtpmap:{pt} {}/{}", codec.name(), codec.clock());
        if codec.channels() > 1 {
            let _ = write!(out, "/{}", codec.channels());
        }
        out.push_str("\r\n");
        if let Codec::Other(other) = codec
            && let Some(fmtp) = other.fmtp()
        {
            let _ = write!(out, "a=fmtp:{pt} {fmtp}\r\n");
        }
    }
    for DtmfSpec { pt, clock } in audio.dtmf {
        let _ = write!(
            out,
            "a=rtpmap:{pt} telephone-event/{clock}\r\na=fmtp:{pt} 0-15\r\n"
        );
    }
    if let Some(ptime) = audio.ptime_ms {
        let _ = write!(out, "a=ptime:{ptime}\r\n");
    }
    let _ = write!(out, "a={}\r\n", audio.direction.as_str());
}

const fn family(ip: IpAddr) -> &'static str {
    match ip {
        IpAddr::V4(_) => "IP4",
        IpAddr::V6(_) => "IP6",
    }
}
