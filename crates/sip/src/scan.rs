//! Byte-level helpers that the parsers share.

/// SP or HTAB.
pub(crate) fn is_ws(b: u8) -> bool {
    b == b' ' || b == b'\t'
}

/// Takes leading and trailing white space away, line ends of a fold included.
pub(crate) fn trim(mut v: &[u8]) -> &[u8] {
    while let [b' ' | b'\t' | b'\r' | b'\n', rest @ ..] = v {
        v = rest;
    }
    while let [rest @ .., b' ' | b'\t' | b'\r' | b'\n'] = v {
        v = rest;
    }
    v
}

/// Takes trailing SP and HTAB away.
pub(crate) fn trim_end(mut v: &[u8]) -> &[u8] {
    while let [rest @ .., b' ' | b'\t'] = v {
        v = rest;
    }
    v
}

/// Octets before a message that are no part of it: line ends (RFC 3261 §7.5) and the NULs of keep-alives.
pub(crate) fn blank_prefix(v: &[u8]) -> usize {
    v.iter()
        .take_while(|b| matches!(b, b'\r' | b'\n' | 0))
        .count()
}

/// Takes leading white space away.
pub(crate) fn trim_start(mut v: &[u8]) -> &[u8] {
    while let [b' ' | b'\t' | b'\r' | b'\n', rest @ ..] = v {
        v = rest;
    }
    v
}

/// RFC 3261 §25.1 `token` characters.
pub(crate) const TOKEN: [bool; 256] = {
    let mut t = [false; 256];
    let mut i = 0;
    while i < 256 {
        t[i] = matches!(i as u8,
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~');
        i += 1;
    }
    t
};

/// True for a non-empty run of `token` characters.
pub(crate) fn is_token(v: &[u8]) -> bool {
    !v.is_empty() && v.iter().all(|&b| TOKEN[usize::from(b)])
}

/// Decimal digits only, no sign, no overflow; leading zeros say nothing.
pub(crate) fn parse_u32(v: &[u8]) -> Option<u32> {
    if v.is_empty() {
        return None;
    }
    v.iter().try_fold(0u32, |n, &b| {
        let digit = b.wrapping_sub(b'0');
        if digit > 9 {
            None
        } else {
            n.checked_mul(10)?.checked_add(u32::from(digit))
        }
    })
}

/// A port: 0..=65535.
pub(crate) fn parse_port(v: &[u8]) -> Option<u16> {
    parse_u32(v).and_then(|p| u16::try_from(p).ok())
}

/// Index just past the closing quote of a quoted string that opens at `v[0] == b'"'`.
pub(crate) fn quoted_end(v: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        match memchr::memchr2(b'"', b'\\', v.get(at..)?)? {
            hit if v[at + hit] == b'"' => return Some(at + hit + 1),
            hit => at += hit + 2,
        }
    }
}

/// Position of the first `stop` outside quoted strings and angle brackets. An unclosed quote or bracket hides
/// the rest.
pub(crate) fn find_outside(v: &[u8], stop: u8) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr::memchr3(stop, b'"', b'<', v.get(at..)?)?;
        match v[at] {
            b'"' => at += quoted_end(&v[at..])?,
            b'<' => at += memchr::memchr(b'>', &v[at..])? + 1,
            _ => return Some(at),
        }
    }
}

/// The elements of a comma-separated header value, trimmed; commas inside quotes and angle brackets do
/// not part. Empty elements are yielded, so that a reader can refuse them.
#[derive(Clone, Debug)]
pub struct Elements<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> Elements<'a> {
    /// Over one header value.
    pub fn new(value: &'a [u8]) -> Self {
        Elements { rest: Some(value) }
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest?;
        match find_outside(rest, b',') {
            Some(comma) => {
                self.rest = Some(&rest[comma + 1..]);
                Some(trim(&rest[..comma]))
            }
            None => {
                self.rest = None;
                Some(trim(rest))
            }
        }
    }
}
