//! From bytes to [`Message`]: one pass for the index, one over the index for what the accessors rely on.
//!
//! Liberal where a carrier's habit does no harm (bare LF, white space before a colon, octets that are not
//! UTF-8, unknown methods, schemes and transports), strict where two readers could see two messages
//! (Content-Length, headers that must stand alone, the request line).

use crate::error::{DropReason, Fault, ParseError, Reject};
use crate::headers::{Elements, NameAddr, Via};
use crate::limits::Limits;
use crate::message::{Entry, INLINE_HEADERS, Message, Source, Start};
use crate::method::{ByteStr, Method};
use crate::name::Name;
use crate::scan::{self, TOKEN, is_ws, trim};
use crate::uri::Uri;
use bytes::{Bytes, BytesMut};
use smallvec::SmallVec;

pub(crate) fn message(buf: Bytes, limits: &Limits, source: Source) -> Result<Message, ParseError> {
    let skipped = scan::blank_prefix(&buf);
    let mut raw = buf;
    if skipped > 0 {
        raw = raw.slice(skipped..);
    }
    if raw.is_empty() {
        return Err(ParseError::Drop(DropReason::KeepAlive));
    }
    let mut draft = Draft {
        raw: &raw,
        unfolded: None,
        kind: Kind::Unknown,
        headers: SmallVec::new(),
    };
    match draft.read(limits, source) {
        Ok(found) => {
            let Draft {
                unfolded, headers, ..
            } = draft;
            raw.truncate(found.body_start + found.body_len);
            Ok(Message {
                raw,
                unfolded,
                body_start: found.body_start,
                start: found.start,
                method: found.method,
                cseq: found.cseq,
                headers,
            })
        }
        Err(fault) => Err(draft.refuse(fault)),
    }
}

/// How much of the start line could be understood.
enum Kind {
    Unknown,
    Request(Method),
    Response,
}

/// What has been found so far; after a fault also what an answer is made from.
struct Draft<'a> {
    raw: &'a Bytes,
    unfolded: Option<Bytes>,
    kind: Kind,
    headers: SmallVec<[Entry; INLINE_HEADERS]>,
}

/// What a good message has besides its index.
struct Found {
    start: Start,
    method: Method,
    cseq: u32,
    body_start: usize,
    body_len: usize,
}

impl Draft<'_> {
    fn read(&mut self, limits: &Limits, source: Source) -> Result<Found, Fault> {
        let len = self.raw.len();
        let bytes = &self.raw[..len.min(limits.head())];
        let eol = memchr::memchr(b'\n', bytes).ok_or(Fault::StartLine)?;
        let start = self.start_line(strip_cr(&bytes[..eol]));
        if matches!(self.kind, Kind::Unknown) {
            return Err(Fault::StartLine);
        }
        // The header lines are wanted even after a bad start line: an answer is made from them.
        let body_start = self.header_lines(bytes, eol + 1, limits);
        let (start, body_start) = (start?, body_start?);
        if eol > limits.header_max {
            return Err(Fault::HeaderTooLong);
        }
        if len > limits.message_max {
            return Err(Fault::MessageTooLarge);
        }
        let checked = self.check()?;
        let available = len - body_start;
        let body_len = match checked.content_length {
            Some(n) if n > available => return Err(Fault::BodyTruncated),
            Some(n) => n,
            None if source == Source::Datagram => available,
            None => return Err(Fault::NoContentLength),
        };
        Ok(Found {
            start,
            method: checked.method,
            cseq: checked.cseq,
            body_start,
            body_len,
        })
    }

    /// `SIP/2.0 200 OK` or `INVITE sip:x SIP/2.0`. Sets `kind` as soon as it is plain.
    fn start_line(&mut self, line: &[u8]) -> Result<Start, Fault> {
        if line.len() >= 4 && line[..4].eq_ignore_ascii_case(b"SIP/") {
            self.kind = Kind::Response;
            return status_line(line);
        }
        let method_end = memchr::memchr(b' ', line).ok_or(Fault::StartLine)?;
        let uri_end = memchr::memrchr(b' ', scan::trim_end(line)).ok_or(Fault::StartLine)?;
        let version = &line[uri_end + 1..];
        if version.len() < 4 || !version[..4].eq_ignore_ascii_case(b"SIP/") {
            return Err(Fault::StartLine);
        }
        let method = Method::known(&line[..method_end])
            .or_else(|| ByteStr::from_token(self.raw.slice(..method_end)).map(Method::Other))
            .ok_or(Fault::StartLine)?;
        self.kind = Kind::Request(method);
        // Exactly one SP between the parts and none behind (RFC 3261 §7.1): white space left over is in
        // the version or in the URI, and both refuse it.
        check_version(version)?;
        let uri = line.get(method_end + 1..uri_end).ok_or(Fault::StartLine)?;
        Uri::parse(uri).map_err(|_| Fault::RequestUri)?;
        Ok(Start::Request {
            uri: (offset(method_end + 1), offset(uri_end)),
        })
    }

    /// Header lines from `at` to the blank line; the answer is where the body starts. A line that begins
    /// with white space goes on with the one before it.
    fn header_lines(
        &mut self,
        bytes: &[u8],
        mut at: usize,
        limits: &Limits,
    ) -> Result<usize, Fault> {
        let mut fault = None;
        let mut folds: SmallVec<[(u16, u16); 8]> = SmallVec::new();
        let end = loop {
            let Some(len) = memchr::memchr(b'\n', &bytes[at..]) else {
                let cut_by_limit = bytes.len() < self.raw.len();
                fault = fault.or(Some(if cut_by_limit {
                    Fault::HeaderTooLong
                } else {
                    Fault::HeadEnd
                }));
                break at;
            };
            let line_end = at + strip_cr(&bytes[at..at + len]).len();
            let next = at + len + 1;
            if line_end == at {
                break next;
            }
            if is_ws(bytes[at]) {
                match self.headers.last_mut() {
                    Some(last) => {
                        folds.push((last.value_end, offset(at)));
                        last.value_end = offset(line_end);
                    }
                    None => fault = fault.or(Some(Fault::HeaderLine)),
                }
            } else if self.headers.len() >= limits.headers_max {
                fault = Some(Fault::TooManyHeaders);
                break next;
            } else {
                match entry(bytes, at, line_end) {
                    Some(entry) => self.headers.push(entry),
                    None => fault = fault.or(Some(Fault::HeaderLine)),
                }
            }
            at = next;
        };
        if !folds.is_empty() {
            self.unfold(end, &folds);
        }
        let head = self.unfolded.as_ref().unwrap_or(self.raw);
        for entry in &mut self.headers {
            trim_value(head, entry);
            if usize::from(entry.value_end - entry.value_start) > limits.header_max {
                fault = fault.or(Some(Fault::HeaderTooLong));
            }
        }
        fault.map_or(Ok(end), Err)
    }

    /// Copies the head with the line end of each fold turned into spaces: offsets stay, values become whole.
    fn unfold(&mut self, end: usize, folds: &[(u16, u16)]) {
        let mut copy = BytesMut::from(&self.raw[..end]);
        for &(from, to) in folds {
            copy[usize::from(from)..usize::from(to)].fill(b' ');
        }
        self.unfolded = Some(copy.freeze());
    }

    fn head(&self) -> &Bytes {
        self.unfolded.as_ref().unwrap_or(self.raw)
    }

    fn value(&self, entry: &Entry) -> &[u8] {
        &self.head()[usize::from(entry.value_start)..usize::from(entry.value_end)]
    }

    /// Checks the headers that routing and the accessors of [`Message`] rely on.
    fn check(&self) -> Result<Checked, Fault> {
        let (mut vias, mut from, mut to, mut call_id, mut cseq) = (0, None, None, None, None);
        let (mut max_forwards, mut content_length) = (None, None);
        for entry in &self.headers {
            let value = self.value(entry);
            match entry.name {
                Some(Name::Via) => check_vias(value, &mut vias)?,
                Some(Name::From) => once(&mut from, value, Fault::From)?,
                Some(Name::To) => once(&mut to, value, Fault::To)?,
                Some(Name::CallId) => once(&mut call_id, value, Fault::CallId)?,
                Some(Name::CSeq) => once(&mut cseq, value, Fault::CSeq)?,
                Some(Name::MaxForwards) => once(&mut max_forwards, value, Fault::MaxForwards)?,
                Some(Name::Contact) => check_contacts(value)?,
                Some(Name::ContentLength) => {
                    let n = scan::parse_u32(value).ok_or(Fault::ContentLength)? as usize;
                    if content_length.replace(n).is_some_and(|other| other != n) {
                        return Err(Fault::ContentLength);
                    }
                }
                _ => {}
            }
        }
        if vias == 0 {
            return Err(Fault::Via);
        }
        NameAddr::parse(from.ok_or(Fault::From)?).map_err(|_| Fault::From)?;
        NameAddr::parse(to.ok_or(Fault::To)?).map_err(|_| Fault::To)?;
        let call_id = call_id.ok_or(Fault::CallId)?;
        // It is compared and echoed octet by octet, so nothing that a writer would have to change.
        if call_id.is_empty() || call_id.iter().any(|&b| b <= b' ' || b == 0x7f) {
            return Err(Fault::CallId);
        }
        if max_forwards.is_some_and(|v| scan::parse_u32(v).is_none_or(|n| n > 255)) {
            return Err(Fault::MaxForwards);
        }
        let (cseq, method) = self.cseq(cseq.ok_or(Fault::CSeq)?)?;
        Ok(Checked {
            cseq,
            method,
            content_length,
        })
    }

    /// CSeq; in a request its method must be that of the request line (RFC 3261 §8.1.1.5).
    fn cseq(&self, value: &[u8]) -> Result<(u32, Method), Fault> {
        let space = value.iter().position(|&b| is_ws(b)).ok_or(Fault::CSeq)?;
        let seq = scan::parse_u32(&value[..space])
            .filter(|n| *n < 1 << 31)
            .ok_or(Fault::CSeq)?;
        let word = trim(&value[space..]);
        match &self.kind {
            Kind::Request(method) if method.as_str().as_bytes() == word => {
                Ok((seq, method.clone()))
            }
            Kind::Request(_) if scan::is_token(word) => Err(Fault::CSeqMethod),
            Kind::Request(_) => Err(Fault::CSeq),
            Kind::Response | Kind::Unknown => {
                Ok((seq, Method::from_token(word).ok_or(Fault::CSeq)?))
            }
        }
    }

    /// Turns a fault into what may be done about it.
    fn refuse(&self, fault: Fault) -> ParseError {
        let method = match &self.kind {
            Kind::Unknown => return ParseError::Drop(DropReason::NotSip),
            Kind::Response => return ParseError::Drop(DropReason::Response(fault)),
            Kind::Request(Method::Ack) => return ParseError::Drop(DropReason::Ack(fault)),
            Kind::Request(method) => method.clone(),
        };
        let lines = |name| {
            self.headers
                .iter()
                .filter(move |e| e.name == Some(name))
                .map(|e| self.value(e))
        };
        let vias: SmallVec<[Bytes; 2]> = lines(Name::Via)
            .flat_map(Elements::new)
            .enumerate()
            .take_while(|(n, v)| *n > 0 || Via::parse(v).is_ok())
            .filter(|(_, v)| Via::parse(v).is_ok())
            .map(|(_, v)| self.head().slice_ref(v))
            .collect();
        if vias.is_empty() {
            return ParseError::Drop(DropReason::NoVia(fault));
        }
        let first = |name| {
            lines(name)
                .find(|v| !v.is_empty())
                .map(|v| self.head().slice_ref(v))
        };
        ParseError::Reject(Box::new(Reject {
            status: fault.status(),
            fault,
            method,
            from: first(Name::From),
            to: first(Name::To),
            call_id: first(Name::CallId),
            cseq: first(Name::CSeq),
            vias,
        }))
    }
}

/// What [`Draft::check`] read on its way.
struct Checked {
    cseq: u32,
    method: Method,
    content_length: Option<usize>,
}

/// Keeps the value of a header that may be there only once.
fn once<'a>(seen: &mut Option<&'a [u8]>, value: &'a [u8], fault: Fault) -> Result<(), Fault> {
    if seen.replace(value).is_some() {
        Err(fault)
    } else {
        Ok(())
    }
}

/// The first Via must be readable, for it is ours to answer by; of the others only that they are there.
fn check_vias(value: &[u8], count: &mut usize) -> Result<(), Fault> {
    for element in Elements::new(value) {
        let good = match count {
            0 => Via::parse(element).is_ok_and(|via| via.is_strict()),
            _ => element.first().is_some_and(|&b| TOKEN[usize::from(b)]),
        };
        if !good {
            return Err(Fault::Via);
        }
        *count += 1;
    }
    Ok(())
}

fn check_contacts(value: &[u8]) -> Result<(), Fault> {
    for element in Elements::new(value) {
        if element != b"*" && NameAddr::parse(element).is_err() {
            return Err(Fault::Contact);
        }
    }
    Ok(())
}

fn status_line(line: &[u8]) -> Result<Start, Fault> {
    let space = memchr::memchr(b' ', line).ok_or(Fault::StartLine)?;
    check_version(&line[..space])?;
    let code = line.get(space + 1..space + 4).and_then(scan::parse_u32);
    let reason = match line.get(space + 4) {
        Some(b' ') => space + 5,
        // Nothing behind the code: only the space is missing.
        None => line.len(),
        Some(_) => return Err(Fault::StartLine),
    };
    match code.and_then(|c| u16::try_from(c).ok()) {
        Some(status @ 100..=699) => Ok(Start::Response {
            status,
            reason: (offset(reason), offset(line.len())),
        }),
        _ => Err(Fault::StartLine),
    }
}

/// `SIP/2.0` passes, another number is [`Fault::Version`], anything else is no version.
fn check_version(version: &[u8]) -> Result<(), Fault> {
    let number = version.get(4..).unwrap_or_default();
    if number == b"2.0" {
        return Ok(());
    }
    let is_number = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    let mut parts = number.split(|b| *b == b'.');
    match (
        parts.next().is_some_and(is_number),
        parts.next().is_some_and(is_number),
        parts.next(),
    ) {
        (true, true, None) => Err(Fault::Version),
        _ => Err(Fault::StartLine),
    }
}

/// One header line at `start..end`, its line end left out: a token, white space if any, a colon, the value.
fn entry(bytes: &[u8], start: usize, end: usize) -> Option<Entry> {
    let line = &bytes[start..end];
    let colon = memchr::memchr(b':', line)?;
    let name = scan::trim_end(&line[..colon]);
    let known = Name::from_bytes(name);
    if known.is_none() && !scan::is_token(name) {
        return None;
    }
    Some(Entry {
        name: known,
        name_start: offset(start),
        name_end: offset(start + name.len()),
        value_start: offset(start + colon + 1),
        value_end: offset(end),
    })
}

/// Takes white space off both ends of a value.
fn trim_value(head: &[u8], entry: &mut Entry) {
    let (mut start, mut end) = (entry.value_start, entry.value_end);
    while start < end && is_ws(head[usize::from(start)]) {
        start += 1;
    }
    while end > start && is_ws(head[usize::from(end) - 1]) {
        end -= 1;
    }
    (entry.value_start, entry.value_end) = (start, end);
}

fn strip_cr(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Offsets into the head stay below 65,536 by [`Limits::head`].
fn offset(at: usize) -> u16 {
    debug_assert!(at <= usize::from(u16::MAX));
    at as u16
}
