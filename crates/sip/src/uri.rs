//! A URI as a view over received bytes: `sip:`, `sips:`, `tel:`, and any other scheme kept opaque.

use crate::scan::{self, trim};
use smallvec::SmallVec;
use std::borrow::Cow;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// Scheme of a [`Uri`].
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Scheme {
    /// RFC 3261 §19.1.
    Sip,
    /// RFC 3261 §19.1, over TLS.
    Sips,
    /// RFC 3966.
    Tel,
    /// Anything else: only [`Uri::raw`] and [`Uri::opaque`] say something.
    Other,
}

/// A URI. Parts are raw slices: nothing is decoded until asked.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct Uri<'a> {
    raw: &'a [u8],
    scheme: Scheme,
    user: Option<&'a [u8]>,
    password: Option<&'a [u8]>,
    host: &'a [u8],
    port: Option<u16>,
    params: Params<'a>,
    headers: Option<&'a [u8]>,
}

/// The text is no URI.
#[derive(Copy, Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("malformed URI")]
pub struct UriError;

impl Uri<'static> {
    /// A URI that names nobody.
    pub(crate) const UNKNOWN: Uri<'static> = Uri {
        raw: b"",
        scheme: Scheme::Other,
        user: None,
        password: None,
        host: b"",
        port: None,
        params: Params::EMPTY,
        headers: None,
    };
}

impl<'a> Uri<'a> {
    /// Reads a URI that stands alone: no angle brackets, no white space.
    pub fn parse(raw: &'a [u8]) -> Result<Uri<'a>, UriError> {
        if has_foreign_byte(raw) {
            return Err(UriError);
        }
        let colon = memchr::memchr(b':', raw).ok_or(UriError)?;
        let (scheme, rest) = (&raw[..colon], &raw[colon + 1..]);
        if !is_scheme(scheme) || rest.is_empty() {
            return Err(UriError);
        }
        let mut uri = Uri {
            raw,
            ..Uri::UNKNOWN
        };
        if scheme.eq_ignore_ascii_case(b"sip") {
            uri.scheme = Scheme::Sip;
            uri.read_sip(rest)?;
        } else if scheme.eq_ignore_ascii_case(b"sips") {
            uri.scheme = Scheme::Sips;
            uri.read_sip(rest)?;
        } else if scheme.eq_ignore_ascii_case(b"tel") {
            uri.scheme = Scheme::Tel;
            uri.read_tel(rest)?;
        }
        Ok(uri)
    }

    fn read_sip(&mut self, rest: &'a [u8]) -> Result<(), UriError> {
        // The user part may itself hold `;`, `?` and `:`, so the `@` is looked for first. Past the first
        // one, an `@` can only stand in a parameter or header, where it should have been escaped.
        let hostpart = match memchr::memchr(b'@', rest) {
            Some(at) => {
                let userinfo = &rest[..at];
                let (user, password) = match memchr::memchr(b':', userinfo) {
                    Some(colon) => (&userinfo[..colon], Some(&userinfo[colon + 1..])),
                    None => (userinfo, None),
                };
                if user.is_empty() {
                    return Err(UriError);
                }
                self.user = Some(user);
                self.password = password;
                &rest[at + 1..]
            }
            None => rest,
        };
        let end = memchr::memchr2(b';', b'?', hostpart).unwrap_or(hostpart.len());
        let (host, port) = split_host_port(&hostpart[..end]).ok_or(UriError)?;
        self.host = host;
        self.port = port;
        let tail = &hostpart[end..];
        let question = memchr::memchr(b'?', tail);
        if let Some(question) = question {
            self.headers = Some(&tail[question + 1..]);
        }
        self.params = Params::after_semicolon(&tail[..question.unwrap_or(tail.len())]);
        Ok(())
    }

    fn read_tel(&mut self, rest: &'a [u8]) -> Result<(), UriError> {
        let end = memchr::memchr(b';', rest).unwrap_or(rest.len());
        if end == 0 {
            return Err(UriError);
        }
        self.user = Some(&rest[..end]);
        self.params = Params::after_semicolon(&rest[end..]);
        Ok(())
    }

    /// The whole URI as received.
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// The scheme.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// What follows the scheme's colon.
    pub fn opaque(&self) -> &'a [u8] {
        let colon = memchr::memchr(b':', self.raw).map_or(self.raw.len(), |c| c + 1);
        &self.raw[colon..]
    }

    /// The user part as received, with its own parameters (`+86...;rn=...;npdi`); for `tel:` the number.
    pub fn user(&self) -> Option<&'a [u8]> {
        self.user
    }

    /// The whole user part, `%HH` decoded once.
    pub fn user_decoded(&self) -> Option<Cow<'a, [u8]>> {
        self.user.map(percent_decode)
    }

    /// The user part up to its first `;`, decoded: the number dialled, without portability parameters.
    pub fn subscriber(&self) -> Option<Cow<'a, [u8]>> {
        let user = self.user?;
        let end = memchr::memchr(b';', user).unwrap_or(user.len());
        Some(percent_decode(&user[..end]))
    }

    /// Parameters inside the user part of a `sip:` URI (`rn`, `npdi`, `phone-context`); for `tel:` those
    /// of the URI, so that a reader of numbers needs to look in one place only.
    pub fn user_params(&self) -> Params<'a> {
        if self.scheme == Scheme::Tel {
            return self.params;
        }
        match self
            .user
            .and_then(|user| memchr::memchr(b';', user).map(|at| &user[at..]))
        {
            Some(params) => Params::after_semicolon(params),
            None => Params::EMPTY,
        }
    }

    /// The password, if someone sent one.
    pub fn password(&self) -> Option<&'a [u8]> {
        self.password
    }

    /// The host as received, an IPv6 address with its brackets. Empty for `tel:` and unknown schemes.
    pub fn host(&self) -> &'a [u8] {
        self.host
    }

    /// The host if it is an address.
    pub fn host_ip(&self) -> Option<IpAddr> {
        host_ip(self.host)
    }

    /// The port, if one is written.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// Host and port as an address to send to, `default_port` where none is written; `None` for a name.
    pub fn socket_addr(&self, default_port: u16) -> Option<SocketAddr> {
        Some(SocketAddr::new(
            self.host_ip()?,
            self.port.unwrap_or(default_port),
        ))
    }

    /// The URI's parameters.
    pub fn params(&self) -> Params<'a> {
        self.params
    }

    /// One parameter by name without case: `None` absent, `Some(b"")` there without a value.
    pub fn param(&self, name: &str) -> Option<&'a [u8]> {
        self.params.get(name)
    }

    /// What follows `?`, raw.
    pub fn headers(&self) -> Option<&'a [u8]> {
        self.headers
    }
}

/// White space, controls, brackets and quotes are in no URI; octets over 0x7F are let through. Without early
/// exits, so that the compiler can look at many octets at once.
fn has_foreign_byte(v: &[u8]) -> bool {
    v.iter().fold(false, |found, &b| {
        found | (b <= b' ') | (b == b'<') | (b == b'>') | (b == b'"') | (b == 0x7f)
    })
}

fn is_scheme(v: &[u8]) -> bool {
    v.first().is_some_and(u8::is_ascii_alphabetic)
        && v.iter()
            .all(|&b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
}

/// Parts `host`, `host:port`, `[v6]` and `[v6]:port`; checks the characters. `None` if it is none of them.
pub(crate) fn split_host_port(v: &[u8]) -> Option<(&[u8], Option<u16>)> {
    let host_len = if v.first() == Some(&b'[') {
        let end = memchr::memchr(b']', v)? + 1;
        parse_v6(&v[1..end - 1])?;
        end
    } else {
        let end = memchr::memchr(b':', v).unwrap_or(v.len());
        let host = &v[..end];
        if host.is_empty() || !host.iter().fold(true, |good, &b| good & is_host_byte(b)) {
            return None;
        }
        end
    };
    let (host, rest) = v.split_at(host_len);
    match trim(rest) {
        [] => Some((host, None)),
        [b':', port @ ..] => Some((host, Some(scan::parse_port(trim(port))?))),
        _ => None,
    }
}

fn is_host_byte(b: u8) -> bool {
    // `_` is no hostname character, but names with it are seen on trunks.
    ((b | 0x20).wrapping_sub(b'a') < 26)
        | (b.wrapping_sub(b'0') < 10)
        | (b == b'.')
        | (b == b'-')
        | (b == b'_')
}

fn parse_v6(v: &[u8]) -> Option<Ipv6Addr> {
    // No address is longer than 45 characters; zone identifiers are not allowed here.
    if v.len() > 46 {
        return None;
    }
    if let Some(at) = v.windows(3).position(|w| w == b":::") {
        // RFC 5118 §4.10: the grammar of RFC 3261 could be read as asking for three colons before an
        // embedded IPv4 address; both are to be understood.
        let mut fixed: SmallVec<[u8; 64]> = SmallVec::from_slice(&v[..at]);
        fixed.extend_from_slice(&v[at + 1..]);
        return std::str::from_utf8(&fixed).ok()?.parse().ok();
    }
    std::str::from_utf8(v).ok()?.parse().ok()
}

/// The address of a host that is one, IPv6 with or without brackets.
pub(crate) fn host_ip(host: &[u8]) -> Option<IpAddr> {
    let inner = match host {
        [b'[', inner @ .., b']'] => return parse_v6(inner).map(IpAddr::V6),
        bare => bare,
    };
    std::str::from_utf8(inner).ok()?.parse().ok()
}

/// Decodes `%HH` once. A `%` that starts no escape stays as it is.
pub fn percent_decode(v: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = memchr::memchr(b'%', v) else {
        return Cow::Borrowed(v);
    };
    let mut out = Vec::with_capacity(v.len());
    out.extend_from_slice(&v[..first]);
    let mut rest = &v[first..];
    while let Some((&byte, after)) = rest.split_first() {
        let escape = match (byte, after) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)),
            _ => None,
        };
        match escape {
            Some((high, low)) => {
                out.push(high << 4 | low);
                rest = &after[2..];
            }
            None => {
                out.push(byte);
                rest = after;
            }
        }
    }
    Cow::Owned(out)
}

fn hex(b: u8) -> Option<u8> {
    char::from(b)
        .to_digit(16)
        .and_then(|d| u8::try_from(d).ok())
}

/// Parameters `;name=value;name`, read from left to right when asked.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct Params<'a> {
    raw: &'a [u8],
}

impl<'a> Params<'a> {
    /// No parameters.
    pub const EMPTY: Params<'static> = Params { raw: b"" };

    /// From text that is empty or begins with `;`.
    pub(crate) fn after_semicolon(v: &'a [u8]) -> Params<'a> {
        Params {
            raw: v.strip_prefix(b";").unwrap_or(v),
        }
    }

    /// The text after the first `;`.
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// Each parameter: name and value, white space taken away; quotes stay on a quoted value.
    pub fn iter(&self) -> ParamIter<'a> {
        ParamIter {
            rest: if self.raw.is_empty() {
                None
            } else {
                Some(self.raw)
            },
        }
    }

    /// The first parameter of that name, compared without case; `Some(b"")` if it has no value.
    pub fn get(&self, name: &str) -> Option<&'a [u8]> {
        self.iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, v)| v.unwrap_or_default())
    }

    /// True if a parameter of that name is there.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }
}

impl<'a> IntoIterator for Params<'a> {
    type Item = (&'a [u8], Option<&'a [u8]>);
    type IntoIter = ParamIter<'a>;

    fn into_iter(self) -> ParamIter<'a> {
        self.iter()
    }
}

/// Iterator of [`Params::iter`].
#[derive(Clone, Debug)]
pub struct ParamIter<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> Iterator for ParamIter<'a> {
    type Item = (&'a [u8], Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest?;
        let part = match scan::find_outside(rest, b';') {
            Some(at) => {
                self.rest = Some(&rest[at + 1..]);
                &rest[..at]
            }
            None => {
                self.rest = None;
                rest
            }
        };
        Some(match memchr::memchr(b'=', part) {
            Some(eq) => (trim(&part[..eq]), Some(trim(&part[eq + 1..]))),
            None => (trim(part), None),
        })
    }
}
