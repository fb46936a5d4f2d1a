//! From bytes to [`Message`]: one pass for the index, then the checks that make its accessors infallible.

use crate::error::{DropReason, Fault, ParseError, Reject};
use crate::headers::{Elements, NameAddr, Via};
use crate::limits::Limits;
use crate::message::{Entry, INLINE_HEADERS, Message, Source, Start};
use crate::method::{ByteStr, Method};
use crate::name::Name;
use crate::scan::{self, is_ws, trim};
use crate::uri::Uri;
use bytes::{Bytes, BytesMut};
use smallvec::SmallVec;

/// Everything found so far; also what an answer to a broken request is made from.
struct Draft {
    head: Bytes,
    start: Option<Start>,
    is_response: bool,
    method: Option<Method>,
    headers: SmallVec<[Entry; INLINE_HEADERS]>,
}

pub(crate) fn message(buf: Bytes, limits: &Limits, source: Source) -> Result<Message, ParseError> {
    let skipped = buf
        .iter()
        .take_while(|b| matches!(b, b'\r' | b'\n' | 0))
        .count();
    let mut raw = buf;
    if skipped > 0 {
        raw = raw.slice(skipped..);
    }
    if raw.is_empty() {
        return Err(ParseError::Drop(DropReason::KeepAlive));
    }
    let mut draft = Draft {
        head: raw.clone(),
        start: None,
        is_response: false,
        method: None,
        headers: SmallVec::new(),
    };
    let body_start = match draft.index(limits) {
        Ok(body_start) => body_start,
        Err(NotSip) if draft.start.is_none() && !draft.is_response && draft.method.is_none() => {
            return Err(ParseError::Drop(DropReason::NotSip));
        }
        Err(NotSip) => return Err(draft.refuse(Fault::StartLine)),
    };
    let body_start = match body_start {
        Ok(at) => at,
        Err(fault) => return Err(draft.refuse(fault)),
    };
    if raw.len() > limits.message_max {
        return Err(draft.refuse(Fault::MessageTooLarge));
    }
    let checked = draft.check().and_then(|cseq| {
        let len = draft.body_len(raw.len() - body_start, source)?;
        Ok((cseq, len))
    });
    match (checked, draft.start.take(), draft.method.take()) {
        (Ok(((cseq, method), len)), Some(start), _) => {
            raw.truncate(body_start + len);
            Ok(Message {
                raw,
                head: draft.head,
                body_start: u32::try_from(body_start).unwrap_or(u32::MAX),
                start,
                method,
                cseq,
                headers: draft.headers,
            })
        }
        (checked, start, method) => {
            draft.start = start;
            draft.method = method;
            Err(draft.refuse(checked.err().unwrap_or(Fault::StartLine)))
        }
    }
}

/// The first line is nothing of SIP at all.
struct NotSip;

impl Draft {
    /// Finds start line and header lines. The answer is where the body starts. After an error what was found
    /// up to there stays, for an answer.
    fn index(&mut self, limits: &Limits) -> Result<Result<usize, Fault>, NotSip> {
        let head = self.head.clone();
        let bound = head.len().min(limits.head());
        let bytes = &head[..bound];
        let Some(eol) = memchr::memchr(b'\n', bytes) else {
            return Err(NotSip);
        };
        let mut fault = self.start_line(strip_cr(&bytes[..eol])).err();
        if fault == Some(Fault::StartLine) && self.method.is_none() && !self.is_response {
            return Err(NotSip);
        }
        if eol > limits.header_max {
            fault = fault.or(Some(Fault::HeaderTooLong));
        }
        let body = self.header_lines(bytes, eol + 1, limits);
        Ok(match fault {
            Some(fault) => Err(fault),
            None => body,
        })
    }

    /// `SIP/2.0 200 OK` or `INVITE sip:x SIP/2.0`.
    fn start_line(&mut self, line: &[u8]) -> Result<(), Fault> {
        if line.len() >= 4 && line[..4].eq_ignore_ascii_case(b"SIP/") {
            self.is_response = true;
            return self.status_line(line);
        }
        let space = memchr::memchr(b' ', line).ok_or(Fault::StartLine)?;
        let last = memchr::memrchr(b' ', trim(line)).ok_or(Fault::StartLine)?;
        let version = trim(&line[last..]);
        // Method and version must look like SIP before anything is worth an answer.
        if !scan::is_token(&line[..space])
            || version.len() < 4
            || !version[..4].eq_ignore_ascii_case(b"SIP/")
        {
            return Err(Fault::StartLine);
        }
        self.method = Method::known(&line[..space])
            .or_else(|| ByteStr::from_token(self.head.slice(..space)).map(Method::Other));
        check_version(version)?;
        let uri = line.get(space + 1..last).ok_or(Fault::StartLine)?;
        // Exactly one SP between the parts and nothing behind (RFC 3261 §7.1).
        if last + 1 + version.len() != line.len() {
            return Err(Fault::StartLine);
        }
        Uri::parse(uri).map_err(|_| Fault::RequestUri)?;
        self.start = Some(Start::Request {
            uri: (offset(space + 1), offset(last)),
        });
        Ok(())
    }

    fn status_line(&mut self, line: &[u8]) -> Result<(), Fault> {
        let space = memchr::memchr(b' ', line).ok_or(Fault::StartLine)?;
        check_version(&line[..space])?;
        let code = line
            .get(space + 1..space + 4)
            .and_then(scan::parse_u32)
            .ok_or(Fault::StartLine)?;
        let reason = match line.get(space + 4) {
            Some(b' ') => space + 5,
            // A status line that ends with the code lacks a space only.
            None => line.len(),
            Some(_) => return Err(Fault::StartLine),
        };
        match u16::try_from(code) {
            Ok(status @ 100..=699) => {
                self.start = Some(Start::Response {
                    status,
                    reason: (offset(reason), offset(line.len())),
                });
                Ok(())
            }
            _ => Err(Fault::StartLine),
        }
    }

    /// Header lines from `at` to the blank line. A line that begins with white space goes on with the
    /// one before; then the head is copied and the line ends between become spaces.
    fn header_lines(
        &mut self,
        bytes: &[u8],
        mut at: usize,
        limits: &Limits,
    ) -> Result<usize, Fault> {
        let too_long = if bytes.len() < self.head.len() {
            Fault::HeaderTooLong
        } else {
            Fault::HeadEnd
        };
        let mut folds: Vec<(u16, u16)> = Vec::new();
        let mut fault = None;
        let body = loop {
            let Some(len) = memchr::memchr(b'\n', &bytes[at..]) else {
                fault = fault.or(Some(too_long));
                break at;
            };
            let line = strip_cr(&bytes[at..at + len]);
            let next = at + len + 1;
            if line.is_empty() {
                break next;
            }
            if is_ws(line[0]) {
                match self.headers.last_mut() {
                    Some(last) => {
                        folds.push((last.value_end, offset(at)));
                        last.value_end = offset(at + line.len());
                    }
                    None => fault = fault.or(Some(Fault::HeaderLine)),
                }
            } else if self.headers.len() >= limits.headers_max {
                fault = Some(Fault::TooManyHeaders);
                break next;
            } else {
                match entry(bytes, at, at + line.len()) {
                    Some(entry) => self.headers.push(entry),
                    None => fault = fault.or(Some(Fault::HeaderLine)),
                }
            }
            at = next;
        };
        if !folds.is_empty() {
            self.unfold(body, &folds);
        }
        for entry in &mut self.headers {
            shrink(&self.head, entry);
            if usize::from(entry.value_end - entry.value_start) > limits.header_max {
                fault = fault.or(Some(Fault::HeaderTooLong));
            }
        }
        match fault {
            Some(fault) => Err(fault),
            None => Ok(body),
        }
    }

    /// Copies the head with the octets of each fold's line end turned into spaces.
    fn unfold(&mut self, end: usize, folds: &[(u16, u16)]) {
        let mut copy = BytesMut::from(&self.head[..end]);
        for &(from, to) in folds {
            for b in &mut copy[usize::from(from)..usize::from(to)] {
                *b = b' ';
            }
        }
        self.head = copy.freeze();
    }

    fn value(&self, entry: &Entry) -> &[u8] {
        &self.head[usize::from(entry.value_start)..usize::from(entry.value_end)]
    }

    fn first(&self, name: Name) -> Option<&[u8]> {
        self.headers
            .iter()
            .find(|e| e.name == Some(name))
            .map(|e| self.value(e))
    }

    /// The value of a header that must be there exactly once.
    fn single(&self, name: Name, fault: Fault) -> Result<&[u8], Fault> {
        let mut lines = self.headers.iter().filter(|e| e.name == Some(name));
        match (lines.next(), lines.next()) {
            (Some(entry), None) => Ok(self.value(entry)),
            _ => Err(fault),
        }
    }

    /// The headers that every accessor relies on. Gives CSeq.
    fn check(&self) -> Result<(u32, Method), Fault> {
        let mut vias = 0;
        for entry in self.headers.iter().filter(|e| e.name == Some(Name::Via)) {
            for element in Elements::new(self.value(entry)) {
                if vias == 0 {
                    Via::parse(element).map_err(|_| Fault::Via)?;
                } else if element.is_empty() {
                    return Err(Fault::Via);
                }
                vias += 1;
            }
        }
        if vias == 0 {
            return Err(Fault::Via);
        }
        NameAddr::parse(self.single(Name::From, Fault::From)?).map_err(|_| Fault::From)?;
        NameAddr::parse(self.single(Name::To, Fault::To)?).map_err(|_| Fault::To)?;
        let call_id = self.single(Name::CallId, Fault::CallId)?;
        if call_id.is_empty() || call_id.iter().any(|&b| b <= b' ') {
            return Err(Fault::CallId);
        }
        let cseq = self.cseq()?;
        self.check_optional()?;
        Ok(cseq)
    }

    fn cseq(&self) -> Result<(u32, Method), Fault> {
        let value = self.single(Name::CSeq, Fault::CSeq)?;
        let space = value.iter().position(|&b| is_ws(b)).ok_or(Fault::CSeq)?;
        let seq = scan::parse_u32(&value[..space])
            .filter(|n| *n < 1 << 31)
            .ok_or(Fault::CSeq)?;
        let word = trim(&value[space..]);
        match &self.method {
            Some(method) if method.as_str().as_bytes() == word => Ok((seq, method.clone())),
            Some(_) => Err(if scan::is_token(word) {
                Fault::CSeqMethod
            } else {
                Fault::CSeq
            }),
            None => Ok((seq, Method::from_token(word).ok_or(Fault::CSeq)?)),
        }
    }

    fn check_optional(&self) -> Result<(), Fault> {
        let mut forwards = 0;
        for entry in &self.headers {
            match entry.name {
                Some(Name::MaxForwards) => {
                    forwards += 1;
                    scan::parse_u32(self.value(entry))
                        .filter(|n| *n <= 255 && forwards == 1)
                        .ok_or(Fault::MaxForwards)?;
                }
                Some(Name::Contact) => {
                    for element in Elements::new(self.value(entry)) {
                        if element != b"*" {
                            NameAddr::parse(element).map_err(|_| Fault::Contact)?;
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Length of the body from Content-Length and from what is there.
    fn body_len(&self, available: usize, source: Source) -> Result<usize, Fault> {
        let mut length = None;
        for entry in self
            .headers
            .iter()
            .filter(|e| e.name == Some(Name::ContentLength))
        {
            let n = scan::parse_u32(self.value(entry)).ok_or(Fault::ContentLength)?;
            if length.is_some_and(|other| other != n) {
                return Err(Fault::ContentLength);
            }
            length = Some(n);
        }
        match (length.map(|n| n as usize), source) {
            (Some(n), _) if n > available => Err(Fault::BodyTruncated),
            (Some(n), _) => Ok(n),
            (None, Source::Datagram) => Ok(available),
            (None, Source::Stream) => Err(Fault::NoContentLength),
        }
    }

    /// Turns a fault into what may be done about it.
    fn refuse(&self, fault: Fault) -> ParseError {
        if self.is_response {
            return ParseError::Drop(DropReason::Response(fault));
        }
        if self.method == Some(Method::Ack) {
            return ParseError::Drop(DropReason::Ack(fault));
        }
        let mut vias: SmallVec<[Bytes; 2]> = SmallVec::new();
        for entry in self.headers.iter().filter(|e| e.name == Some(Name::Via)) {
            vias.extend(
                Elements::new(self.value(entry))
                    .filter(|v| !v.is_empty())
                    .map(|v| self.head.slice_ref(v)),
            );
        }
        if vias.first().is_none_or(|v| Via::parse(v).is_err()) {
            return ParseError::Drop(DropReason::NoVia(fault));
        }
        let copy = |name| {
            self.first(name)
                .filter(|v| !v.is_empty())
                .map(|v| self.head.slice_ref(v))
        };
        ParseError::Reject(Box::new(Reject {
            status: fault.status(),
            fault,
            method: self.method.clone(),
            from: copy(Name::From),
            to: copy(Name::To),
            call_id: copy(Name::CallId),
            cseq: copy(Name::CSeq),
            vias,
        }))
    }
}

/// `SIP/2.0` passes, another `SIP/` number is 505, the rest is no version.
fn check_version(v: &[u8]) -> Result<(), Fault> {
    let number = &v[4..];
    if number == b"2.0" {
        return Ok(());
    }
    let well_formed = number.contains(&b'.')
        && number
            .split(|b| *b == b'.')
            .all(|part| !part.is_empty() && part.iter().all(u8::is_ascii_digit));
    Err(if well_formed {
        Fault::Version
    } else {
        Fault::StartLine
    })
}

/// One header line at `start..end`, its line end left out.
fn entry(bytes: &[u8], start: usize, end: usize) -> Option<Entry> {
    let line = &bytes[start..end];
    let colon = memchr::memchr(b':', line)?;
    let mut name_len = colon;
    while name_len > 0 && is_ws(line[name_len - 1]) {
        name_len -= 1;
    }
    let name = &line[..name_len];
    let known = Name::from_bytes(name);
    if known.is_none() && !scan::is_token(name) {
        return None;
    }
    Some(Entry {
        name: known,
        name_start: offset(start),
        name_end: offset(start + name_len),
        value_start: offset(start + colon + 1),
        value_end: offset(end),
    })
}

/// Takes white space off both ends of a value.
fn shrink(head: &[u8], entry: &mut Entry) {
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

/// Offsets in the head are below 65,536 by [`Limits::head`].
fn offset(at: usize) -> u16 {
    u16::try_from(at).unwrap_or(u16::MAX)
}
