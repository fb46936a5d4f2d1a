//! The tolerant reader.

use std::net::{IpAddr, SocketAddr};
use std::str::from_utf8;

use super::describe::{AudioStream, Format, MediaLine, NoAudio, SessionDescription};
use super::{BYTES_MAX, FORMATS_MAX, MEDIA_MAX, SdpError};
use crate::codec::{Codec, CodecSpec, DtmfSpec, PT_MAX};
use crate::leg::Direction;

/// An address from a `c=` line.
#[derive(Clone, Copy)]
enum Connection {
    Ip(IpAddr),
    Name,
    Broken { line: usize },
}

/// A media section with its attributes still as text.
struct Section<'a> {
    line: usize,
    kind: &'a str,
    port: Option<u16>,
    proto: &'a str,
    formats: Vec<&'a str>,
    connection: Option<Connection>,
    direction: Option<Direction>,
    rtpmap: Vec<(u8, &'a str)>,
    fmtp: Vec<(u8, &'a str)>,
    ptime: Option<u16>,
    maxptime: Option<u16>,
    rtcp: Option<&'a str>,
}

struct Session<'a> {
    connection: Option<Connection>,
    direction: Option<Direction>,
    sections: Vec<Section<'a>>,
    is_sdp: bool,
}

const fn bad(line: usize, why: &'static str) -> SdpError {
    SdpError::BadSdp { line, why }
}

pub(super) fn parse(text: &[u8]) -> Result<SessionDescription, SdpError> {
    if text.len() > BYTES_MAX {
        return Err(bad(0, "larger than 64 KiB"));
    }
    let session = sections(text)?;
    if !session.is_sdp {
        return Err(bad(0, "neither a v= nor an m= line"));
    }
    let media = session.sections.iter().map(Section::echo).collect();
    Ok(SessionDescription {
        media,
        audio: choose(&session)?,
    })
}

fn sections(text: &[u8]) -> Result<Session<'_>, SdpError> {
    let mut session = Session {
        connection: None,
        direction: None,
        sections: Vec::new(),
        is_sdp: false,
    };
    for (index, raw) in text.split(|b| *b == b'\n').enumerate() {
        let line = index + 1;
        let [kind, b'=', value @ ..] = raw.trim_ascii() else {
            continue;
        };
        match kind {
            b'v' => session.is_sdp = true,
            b'm' => {
                if session.sections.len() == MEDIA_MAX {
                    return Err(bad(line, "more than 32 media lines"));
                }
                session.sections.push(media_line(line, value)?);
                session.is_sdp = true;
            }
            b'c' => {
                let place = match session.sections.last_mut() {
                    Some(section) => &mut section.connection,
                    None => &mut session.connection,
                };
                if place.is_none() {
                    *place = Some(connection(line, value));
                }
            }
            b'a' => {
                // Attributes that matter are ASCII; one that is not cannot be one of them.
                if let Ok(value) = from_utf8(value) {
                    attribute(&mut session, value);
                }
            }
            _ => {}
        }
    }
    Ok(session)
}

fn media_line(line: usize, value: &[u8]) -> Result<Section<'_>, SdpError> {
    let value = from_utf8(value).map_err(|_| bad(line, "media line is not text"))?;
    let mut fields = value.split_ascii_whitespace();
    let (Some(kind), Some(port), Some(proto)) = (fields.next(), fields.next(), fields.next())
    else {
        return Err(bad(line, "media line with too few fields"));
    };
    let formats: Vec<&str> = fields.by_ref().take(FORMATS_MAX).collect();
    if fields.next().is_some() {
        return Err(bad(line, "more than 64 formats"));
    }
    let port = port.split_once('/').map_or(port, |(first, _)| first);
    Ok(Section {
        line,
        kind,
        port: port.parse().ok(),
        proto,
        formats,
        connection: None,
        direction: None,
        rtpmap: Vec::new(),
        fmtp: Vec::new(),
        ptime: None,
        maxptime: None,
        rtcp: None,
    })
}

fn connection(line: usize, value: &[u8]) -> Connection {
    let parts: Option<(&str, &str, &str)> = from_utf8(value).ok().and_then(|text| {
        let mut fields = text.split_ascii_whitespace();
        Some((fields.next()?, fields.next()?, fields.next()?))
    });
    match parts {
        Some((net, kind, address)) if net.eq_ignore_ascii_case("IN") => {
            address_of(kind, address).unwrap_or(Connection::Broken { line })
        }
        _ => Connection::Broken { line },
    }
}

fn address_of(kind: &str, address: &str) -> Option<Connection> {
    let is_v6 = match kind {
        _ if kind.eq_ignore_ascii_case("IP4") => false,
        _ if kind.eq_ignore_ascii_case("IP6") => true,
        _ => return None,
    };
    // A slash begins the TTL and count of a multicast address.
    let bare = address.split_once('/').map_or(address, |(first, _)| first);
    match bare.parse::<IpAddr>() {
        Ok(ip) if ip.is_ipv6() == is_v6 => Some(Connection::Ip(ip)),
        Ok(_) => None,
        Err(_) if bare.bytes().any(|b| b.is_ascii_alphabetic()) && !bare.contains(':') => {
            Some(Connection::Name)
        }
        Err(_) => None,
    }
}

fn attribute<'a>(session: &mut Session<'a>, value: &'a str) {
    let (name, value) = match value.split_once(':') {
        Some((name, value)) => (name.trim(), value.trim()),
        None => (value.trim(), ""),
    };
    let direction = match name {
        "sendrecv" => Some(Direction::SendRecv),
        "sendonly" => Some(Direction::SendOnly),
        "recvonly" => Some(Direction::RecvOnly),
        "inactive" => Some(Direction::Inactive),
        _ => None,
    };
    let Some(section) = session.sections.last_mut() else {
        session.direction = session.direction.or(direction);
        return;
    };
    if direction.is_some() {
        section.direction = section.direction.or(direction);
        return;
    }
    match name {
        "rtpmap" => push_numbered(&mut section.rtpmap, value),
        "fmtp" => push_numbered(&mut section.fmtp, value),
        "ptime" => section.ptime = section.ptime.or(milliseconds(value)),
        "maxptime" => section.maxptime = section.maxptime.or(milliseconds(value)),
        "rtcp" => section.rtcp = section.rtcp.or(Some(value)),
        _ => {}
    }
}

fn push_numbered<'a>(list: &mut Vec<(u8, &'a str)>, value: &'a str) {
    let Some((pt, rest)) = value.split_once(|c: char| c.is_ascii_whitespace()) else {
        return;
    };
    if let Ok(pt) = pt.parse::<u8>()
        && pt <= PT_MAX
        && list.len() < FORMATS_MAX
    {
        list.push((pt, rest.trim()));
    }
}

/// Whole milliseconds; some write `20.0`.
fn milliseconds(value: &str) -> Option<u16> {
    let whole = value.split_once('.').map_or(value, |(whole, _)| whole);
    whole.parse().ok()
}

/// The first audio line that is open and plain RTP is the one; the others are refused.
fn choose(session: &Session<'_>) -> Result<Result<(usize, AudioStream), NoAudio>, SdpError> {
    let mut refused = NoAudio::Absent;
    for (index, section) in session.sections.iter().enumerate() {
        if !section.kind.eq_ignore_ascii_case("audio") {
            continue;
        }
        let port = section
            .port
            .ok_or_else(|| bad(section.line, "audio port is not a number up to 65535"))?;
        if port == 0 {
            continue;
        }
        if !section.proto.eq_ignore_ascii_case("RTP/AVP") {
            refused = NoAudio::Unsupported("only plain RTP/AVP is taken");
            continue;
        }
        let ip = match section.connection.or(session.connection) {
            None => return Err(bad(section.line, "no c= line for the audio stream")),
            Some(Connection::Broken { line }) => return Err(bad(line, "broken c= line")),
            Some(Connection::Name) => {
                return Ok(Err(NoAudio::Unsupported("the c= line has a host name")));
            }
            Some(Connection::Ip(ip)) if is_many(ip) => {
                return Ok(Err(NoAudio::Unsupported(
                    "the c= line is no unicast address",
                )));
            }
            Some(Connection::Ip(ip)) => ip,
        };
        let stream = section.stream(SocketAddr::new(ip, port), session.direction);
        return Ok(Ok((index, stream)));
    }
    Ok(Err(refused))
}

fn is_many(ip: IpAddr) -> bool {
    ip.is_multicast() || matches!(ip, IpAddr::V4(v4) if v4.is_broadcast())
}

impl Section<'_> {
    fn stream(&self, remote: SocketAddr, session_direction: Option<Direction>) -> AudioStream {
        let said = self.direction.or(session_direction).unwrap_or_default();
        let direction = match remote.ip().is_unspecified() {
            true => said.and(Direction::SendOnly),
            false => said,
        };
        let mut stream = AudioStream {
            remote,
            remote_rtcp: self.rtcp_address(remote),
            codecs: Vec::new(),
            dtmf: Vec::new(),
            direction,
            on_hold: !direction.receives(),
            ptime_ms: self.packet_ms(),
            unmapped: Vec::new(),
        };
        let mut seen = 0u128;
        for pt in self.formats.iter().filter_map(|f| f.parse::<u8>().ok()) {
            if pt > PT_MAX || seen & (1 << pt) != 0 {
                continue;
            }
            seen |= 1 << pt;
            self.format(pt, &mut stream);
        }
        stream
    }

    /// Adds one payload type to the stream, if it means anything to us.
    fn format(&self, pt: u8, stream: &mut AudioStream) {
        let lookup = |list: &[(u8, &'_ str)]| list.iter().position(|(n, _)| *n == pt);
        let rtpmap = lookup(&self.rtpmap).map(|at| self.rtpmap[at].1);
        let fixed = Codec::from_static_pt(pt);
        let Some(rtpmap) = rtpmap else {
            match fixed {
                Some(codec) => stream.codecs.push(self.with_fmtp(pt, codec)),
                None => stream.unmapped.push(pt),
            }
            return;
        };
        let mut parts = rtpmap.split('/').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let clock: u32 = parts.next().and_then(|c| c.parse().ok()).unwrap_or(0);
        let channels: u8 = parts.next().map_or(1, |c| c.parse().unwrap_or(0));
        if name.eq_ignore_ascii_case("telephone-event") {
            if matches!(clock, 8000 | 16000 | 32000 | 48000) && stream.dtmf_at(clock).is_none() {
                stream.dtmf.push(DtmfSpec { pt, clock });
            }
            return;
        }
        let codec = match fixed {
            // A wrong clock here is a common slip (G722/16000); another name is a contradiction.
            Some(codec) if codec.name().eq_ignore_ascii_case(name) => Some(codec),
            Some(_) => None,
            None => Codec::from_rtpmap(name, clock, channels),
        };
        if let Some(codec) = codec {
            stream.codecs.push(self.with_fmtp(pt, codec));
        }
    }

    fn with_fmtp(&self, pt: u8, codec: Codec) -> CodecSpec {
        let codec = match self.fmtp.iter().find(|(n, _)| *n == pt) {
            Some((_, raw)) => codec.with_fmtp(raw),
            None => codec,
        };
        CodecSpec { pt, codec }
    }

    /// RFC 3605: a port, perhaps with an address. Anything else means the next port.
    fn rtcp_address(&self, rtp: SocketAddr) -> SocketAddr {
        let next = SocketAddr::new(rtp.ip(), rtp.port().saturating_add(1));
        let Some(text) = self.rtcp else {
            return next;
        };
        let mut fields = text.split_ascii_whitespace();
        let Some(port) = fields.next().and_then(|p| p.parse::<u16>().ok()) else {
            return next;
        };
        if port == 0 {
            return next;
        }
        let ip = match (fields.next(), fields.next(), fields.next()) {
            (Some(_), Some(kind), Some(address)) => match address_of(kind, address) {
                Some(Connection::Ip(ip))
                    if !is_many(ip) && !ip.is_unspecified() && ip.is_ipv4() == rtp.is_ipv4() =>
                {
                    ip
                }
                _ => rtp.ip(),
            },
            _ => rtp.ip(),
        };
        // A held stream gets no RTCP either, whatever address stands here.
        let ip = if rtp.ip().is_unspecified() {
            rtp.ip()
        } else {
            ip
        };
        SocketAddr::new(ip, port)
    }

    /// The wanted packet length: tens of milliseconds from 10 to 60, not over maxptime.
    fn packet_ms(&self) -> Option<u8> {
        let most = self.maxptime.unwrap_or(u16::MAX);
        let wanted = match self.ptime {
            Some(ptime) => ptime.min(most),
            // Twenty is what everyone means; say something only if that is too much.
            None if most < 20 => most,
            None => return None,
        };
        (wanted.is_multiple_of(10) && (10..=60).contains(&wanted))
            .then(|| u8::try_from(wanted).ok())
            .flatten()
    }

    fn echo(&self) -> MediaLine {
        let format = self.formats.first().copied().unwrap_or("0");
        MediaLine {
            kind: known(KINDS, self.kind).unwrap_or("application"),
            proto: known(PROTOCOLS, self.proto).unwrap_or("RTP/AVP"),
            format: match known(FORMATS, format) {
                Some(word) => Format::Word(word),
                None => Format::Number(format.parse().unwrap_or(0)),
            },
        }
    }
}

/// Media types (RFC 8866 §8.2.1).
const KINDS: &[&str] = &["audio", "video", "text", "application", "message", "image"];
/// Transports that real offers carry beside the voice (IANA registry).
const PROTOCOLS: &[&str] = &[
    "RTP/AVP",
    "RTP/SAVP",
    "RTP/AVPF",
    "RTP/SAVPF",
    "UDP/TLS/RTP/SAVP",
    "UDP/TLS/RTP/SAVPF",
    "TCP/RTP/AVP",
    "TCP/RTP/SAVP",
    "udptl",
    "UDP/TLS/UDPTL",
    "TCP",
    "UDP",
    "TCP/MSRP",
    "TCP/TLS/MSRP",
    "TCP/BFCP",
    "TCP/TLS/BFCP",
    "UDP/BFCP",
    "UDP/TLS/BFCP",
    "DTLS/SCTP",
    "UDP/DTLS/SCTP",
    "TCP/DTLS/SCTP",
];
/// Formats that are words.
const FORMATS: &[&str] = &["t38", "webrtc-datachannel", "*"];

/// The word as we spell it: what is echoed of a refused line comes from here, not from the peer's text.
fn known(words: &[&'static str], raw: &str) -> Option<&'static str> {
    words.iter().find(|w| w.eq_ignore_ascii_case(raw)).copied()
}
