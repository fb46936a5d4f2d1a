//! Typed views of header values, borrowed from the message.

use crate::method::Method;
use crate::scan::{self, trim, trim_start};
use crate::transport::Transport;
use crate::uri::{self, Params, Uri};
use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

pub use crate::scan::Elements;

/// A header value that cannot be read as what its header says.
#[derive(Copy, Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("malformed header value")]
pub struct HeaderError;

/// A name and address: `"Display" <uri>;params`, `<uri>;params` or `uri;params` (RFC 3261 §20.10).
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct NameAddr<'a> {
    display: Option<&'a [u8]>,
    uri: Uri<'a>,
    params: Params<'a>,
}

impl NameAddr<'static> {
    /// Stands where a value was not readable; [`crate::Message`] checks first, so nobody meets it there.
    pub(crate) const UNKNOWN: NameAddr<'static> = NameAddr {
        display: None,
        uri: Uri::UNKNOWN,
        params: Params::EMPTY,
    };
}

impl<'a> NameAddr<'a> {
    /// Reads one value. In the form without brackets, parameters belong to the header, not to the URI.
    pub fn parse(value: &'a [u8]) -> Result<NameAddr<'a>, HeaderError> {
        let value = trim(value);
        if value.first() == Some(&b'"') {
            let end = scan::quoted_end(value).ok_or(HeaderError)?;
            let rest = trim_start(&value[end..]);
            if rest.first() != Some(&b'<') {
                return Err(HeaderError);
            }
            return Self::bracketed(Some(&value[1..end - 1]), rest);
        }
        match memchr::memchr3(b'<', b';', b'"', value) {
            Some(at) if value[at] == b'<' => {
                let display = trim(&value[..at]);
                // A comma here would be a list; other octets that should have been quoted do no harm.
                if memchr::memchr2(b',', b'>', display).is_some() {
                    return Err(HeaderError);
                }
                Self::bracketed((!display.is_empty()).then_some(display), &value[at..])
            }
            _ => Self::bare(value),
        }
    }

    fn bracketed(display: Option<&'a [u8]>, v: &'a [u8]) -> Result<NameAddr<'a>, HeaderError> {
        let close = memchr::memchr(b'>', v).ok_or(HeaderError)?;
        let uri = Uri::parse(&v[1..close]).map_err(|_| HeaderError)?;
        let params = header_params(&v[close + 1..])?;
        Ok(NameAddr {
            display,
            uri,
            params,
        })
    }

    fn bare(v: &'a [u8]) -> Result<NameAddr<'a>, HeaderError> {
        let end = memchr::memchr(b';', v).unwrap_or(v.len());
        let text = trim(&v[..end]);
        // `,` and `?` may stand in a URI only inside brackets (RFC 3261 §20).
        if memchr::memchr2(b',', b'?', text).is_some() {
            return Err(HeaderError);
        }
        let uri = Uri::parse(text).map_err(|_| HeaderError)?;
        Ok(NameAddr {
            display: None,
            uri,
            params: header_params(&v[end..])?,
        })
    }

    /// The display name as received, without its outer quotes; escapes stay.
    pub fn display(&self) -> Option<&'a [u8]> {
        self.display
    }

    /// The display name with `\` escapes undone.
    pub fn display_unescaped(&self) -> Option<Cow<'a, [u8]>> {
        self.display.map(unescape)
    }

    /// The URI.
    pub fn uri(&self) -> Uri<'a> {
        self.uri
    }

    /// The `tag` parameter in any case; an empty one counts as absent.
    pub fn tag(&self) -> Option<&'a [u8]> {
        self.params.get("tag").filter(|tag| !tag.is_empty())
    }

    /// Parameters of the header.
    pub fn params(&self) -> Params<'a> {
        self.params
    }

    /// One parameter of the header by name without case; `Some(b"")` if it has no value.
    pub fn param(&self, name: &str) -> Option<&'a [u8]> {
        self.params.get(name)
    }
}

/// What follows an address: nothing, or `;param`s of which none is empty and no quote is left open.
fn header_params(v: &[u8]) -> Result<Params<'_>, HeaderError> {
    let v = trim(v);
    if v.is_empty() {
        return Ok(Params::EMPTY);
    }
    if v[0] != b';' {
        return Err(HeaderError);
    }
    let params = Params::after_semicolon(v);
    if params.raw().is_empty() || !params_are_named(params) {
        return Err(HeaderError);
    }
    Ok(params)
}

fn params_are_named(params: Params<'_>) -> bool {
    params.iter().all(|(name, _)| scan::is_token(name))
}

/// Undoes `\` escapes of a quoted string.
fn unescape(v: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'\\', v).is_none() {
        return Cow::Borrowed(v);
    }
    let mut out = Vec::with_capacity(v.len());
    let mut bytes = v.iter();
    while let Some(&b) = bytes.next() {
        match (b, bytes.as_slice().first()) {
            (b'\\', Some(&escaped)) => {
                out.push(escaped);
                bytes.next();
            }
            _ => out.push(b),
        }
    }
    Cow::Owned(out)
}

/// One Via element (RFC 3261 §20.42, RFC 3581).
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct Via<'a> {
    raw: &'a [u8],
    /// `raw` before its parameters.
    head: &'a [u8],
    transport: &'a [u8],
    host: &'a [u8],
    port: Option<u16>,
    params: Params<'a>,
}

impl Via<'static> {
    /// See [`NameAddr::UNKNOWN`].
    pub(crate) const UNKNOWN: Via<'static> = Via {
        raw: b"",
        head: b"",
        transport: b"",
        host: b"",
        port: None,
        params: Params::EMPTY,
    };
}

impl<'a> Via<'a> {
    /// Reads one element.
    pub fn parse(element: &'a [u8]) -> Result<Via<'a>, HeaderError> {
        let raw = trim(element);
        let (protocol, rest) = until(raw, b'/')?;
        let (version, rest) = until(rest, b'/')?;
        // The version is left open: a 505 is owed to whoever speaks another one.
        if !protocol.eq_ignore_ascii_case(b"SIP") || !scan::is_token(version) {
            return Err(HeaderError);
        }
        let rest = trim_start(rest);
        let end = rest
            .iter()
            .position(|&b| scan::is_ws(b))
            .ok_or(HeaderError)?;
        let transport = &rest[..end];
        let rest = trim_start(&rest[end..]);
        let end = memchr::memchr(b';', rest).unwrap_or(rest.len());
        if !scan::is_token(transport) {
            return Err(HeaderError);
        }
        let (host, port) = sent_by(trim(&rest[..end])).ok_or(HeaderError)?;
        let tail = &rest[end..];
        Ok(Via {
            raw,
            head: trim(&raw[..raw.len() - tail.len()]),
            transport,
            host,
            port,
            params: Params::after_semicolon(tail),
        })
    }

    /// False if a parameter has no proper name (`;;`). Such a Via is enough to answer by, not to serve.
    pub(crate) fn is_strict(&self) -> bool {
        params_are_named(self.params)
            && (self.head.len() == self.raw.len() || !self.params.raw().is_empty())
    }

    /// The whole element as received.
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// The transport token as received; see [`Via::transport_kind`].
    pub fn transport(&self) -> &'a [u8] {
        self.transport
    }

    /// The transport, if it is one we speak.
    pub fn transport_kind(&self) -> Option<Transport> {
        Transport::from_token(self.transport)
    }

    /// Host of sent-by as received, an IPv6 address with its brackets.
    pub fn host(&self) -> &'a [u8] {
        self.host
    }

    /// Host of sent-by if it is an address.
    pub fn host_ip(&self) -> Option<IpAddr> {
        uri::host_ip(self.host)
    }

    /// Port of sent-by, if one is written.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// The branch; `None` for an RFC 2543 sender.
    pub fn branch(&self) -> Option<&'a [u8]> {
        self.params
            .get("branch")
            .filter(|branch| !branch.is_empty())
    }

    /// The branch if it is one of RFC 3261 §8.1.1.7 with something after the magic cookie.
    pub fn unique_branch(&self) -> Option<&'a [u8]> {
        const COOKIE: &[u8] = b"z9hG4bK";
        self.branch()
            .filter(|b| b.len() > COOKIE.len() && b[..COOKIE.len()].eq_ignore_ascii_case(COOKIE))
    }

    /// The `received` address; IPv6 with or without brackets.
    pub fn received(&self) -> Option<IpAddr> {
        self.params.get("received").and_then(uri::host_ip)
    }

    /// RFC 3581: `None` not asked for, `Some(None)` asked for, `Some(Some(port))` filled in.
    pub fn rport(&self) -> Option<Option<u16>> {
        self.params.get("rport").map(scan::parse_port)
    }

    /// The `maddr` parameter.
    pub fn maddr(&self) -> Option<&'a [u8]> {
        self.params.get("maddr")
    }

    /// All parameters.
    pub fn params(&self) -> Params<'a> {
        self.params
    }

    /// Where a response goes (RFC 3261 §18.2.2, RFC 3581 §4) by this Via alone: `received` and `rport`
    /// if filled in, else sent-by if that is an address.
    pub fn response_addr(&self) -> Option<SocketAddr> {
        let ip = self.received().or_else(|| self.host_ip())?;
        let default = self.transport_kind().map_or(5060, Transport::default_port);
        let port = self.rport().flatten().or(self.port).unwrap_or(default);
        Some(SocketAddr::new(ip, port))
    }

    /// Writes the element again with `received` and `rport` as seen from the transport: the former ones are
    /// dropped, `received` is set if it is not what sent-by says (or rport was asked for), `rport` if asked for.
    pub fn write_seen_from(&self, remote: SocketAddr, out: &mut Vec<u8>) {
        out.extend_from_slice(self.head);
        for (name, value) in self.params {
            let ours =
                name.eq_ignore_ascii_case(b"received") || name.eq_ignore_ascii_case(b"rport");
            if ours || name.is_empty() {
                continue;
            }
            out.push(b';');
            out.extend_from_slice(name);
            if let Some(value) = value {
                out.push(b'=');
                out.extend_from_slice(value);
            }
        }
        let asked = self.rport().is_some();
        // A dual-stack socket shows an IPv4 peer as a mapped address; the peer knows itself by the IPv4 one.
        let ip = remote.ip().to_canonical();
        if asked || self.host_ip() != Some(ip) {
            out.extend_from_slice(format!(";received={ip}").as_bytes());
        }
        if asked {
            out.extend_from_slice(format!(";rport={}", remote.port()).as_bytes());
        }
    }
}

fn until(v: &[u8], stop: u8) -> Result<(&[u8], &[u8]), HeaderError> {
    let at = memchr::memchr(stop, v).ok_or(HeaderError)?;
    Ok((trim(&v[..at]), &v[at + 1..]))
}

/// `host [LWS ":" LWS port]`.
fn sent_by(v: &[u8]) -> Option<(&[u8], Option<u16>)> {
    if v.first() == Some(&b'[') {
        return uri::split_host_port(v);
    }
    match memchr::memchr(b':', v) {
        None => uri::split_host_port(v),
        Some(colon) => {
            let (host, none) = uri::split_host_port(trim(&v[..colon]))?;
            none.is_none()
                .then_some((host, Some(scan::parse_port(trim(&v[colon + 1..]))?)))
        }
    }
}

/// CSeq: number and method.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CSeq {
    /// Sequence number, below 2^31.
    pub seq: u32,
    /// The method.
    pub method: Method,
}

/// RAck of a PRACK (RFC 3262 §7.2).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RAck {
    /// RSeq of the response that is acknowledged.
    pub rseq: u32,
    /// CSeq number of the request it answered.
    pub cseq: u32,
    /// Method of that request.
    pub method: Method,
}

impl RAck {
    /// Reads the value.
    pub fn parse(value: &[u8]) -> Result<RAck, HeaderError> {
        let mut words = value
            .split(|b| b.is_ascii_whitespace())
            .filter(|w| !w.is_empty());
        let (rseq, cseq, method) = (words.next(), words.next(), words.next());
        let (Some(rseq), Some(cseq), Some(method), None) = (rseq, cseq, method, words.next())
        else {
            return Err(HeaderError);
        };
        Ok(RAck {
            rseq: scan::parse_u32(rseq).ok_or(HeaderError)?,
            cseq: scan::parse_u32(cseq).ok_or(HeaderError)?,
            method: Method::from_token(method).ok_or(HeaderError)?,
        })
    }
}

/// One Reason element (RFC 3326): `Q.850;cause=16;text="..."`.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct Reason<'a> {
    protocol: &'a [u8],
    params: Params<'a>,
}

impl<'a> Reason<'a> {
    /// Reads one element.
    pub fn parse(element: &'a [u8]) -> Result<Reason<'a>, HeaderError> {
        let v = trim(element);
        let end = memchr::memchr(b';', v).unwrap_or(v.len());
        let protocol = trim(&v[..end]);
        if !scan::is_token(protocol) {
            return Err(HeaderError);
        }
        Ok(Reason {
            protocol,
            params: Params::after_semicolon(&v[end..]),
        })
    }

    /// The protocol: `SIP`, `Q.850`.
    pub fn protocol(&self) -> &'a [u8] {
        self.protocol
    }

    /// The cause number.
    pub fn cause(&self) -> Option<u16> {
        self.params.get("cause").and_then(scan::parse_port)
    }

    /// The cause, if it is a Q.850 one.
    pub fn q850(&self) -> Option<u8> {
        if !self.protocol.eq_ignore_ascii_case(b"Q.850") {
            return None;
        }
        self.cause()
            .and_then(|c| u8::try_from(c).ok())
            .filter(|c| *c < 128)
    }
}
