//! A received message: one buffer and an index over it.

use crate::error::ParseError;
use crate::headers::{CSeq, Elements, NameAddr, RAck, Reason, Via};
use crate::limits::Limits;
use crate::method::Method;
use crate::name::Name;
use crate::parse;
use crate::scan;
use crate::uri::Uri;
use bytes::Bytes;
use smallvec::SmallVec;
use std::fmt;

/// What delivered the bytes; decides what Content-Length means (RFC 3261 §18.3).
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Source {
    /// A datagram: what is past Content-Length is cut off; without one the body is the rest.
    Datagram,
    /// A frame of a stream: Content-Length must be there and right.
    Stream,
}

/// Header lines that an index holds without the heap. A carrier's INVITE has about twenty.
pub(crate) const INLINE_HEADERS: usize = 28;

/// Where one header line stands in the head.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) name: Option<Name>,
    pub(crate) name_start: u16,
    pub(crate) name_end: u16,
    pub(crate) value_start: u16,
    pub(crate) value_end: u16,
}

/// What the start line says.
#[derive(Clone, Debug)]
pub(crate) enum Start {
    Request { uri: (u16, u16) },
    Response { status: u16, reason: (u16, u16) },
}

/// A well-formed SIP message (RFC 3261 §7): Via, From, To, Call-ID and CSeq are there and can be read.
///
/// Parsing copies nothing. The one exception is a message with folded header lines (§7.3.1): its head is
/// copied once with the folds turned into spaces, so that every value is one slice.
#[derive(Clone)]
pub struct Message {
    /// As received, cut to Content-Length.
    pub(crate) raw: Bytes,
    /// A copy of start line and headers without folds, if there were any.
    pub(crate) unfolded: Option<Bytes>,
    pub(crate) body_start: usize,
    pub(crate) start: Start,
    /// Method of the request, or of CSeq in a response.
    pub(crate) method: Method,
    pub(crate) cseq: u32,
    pub(crate) headers: SmallVec<[Entry; INLINE_HEADERS]>,
}

impl Message {
    /// Reads a datagram under the default limits.
    pub fn parse(buf: Bytes) -> Result<Message, ParseError> {
        Message::parse_with(buf, &Limits::DEFAULT, Source::Datagram)
    }

    /// Reads a message under limits of one's own, from a datagram or from a stream's frame.
    pub fn parse_with(buf: Bytes, limits: &Limits, source: Source) -> Result<Message, ParseError> {
        parse::message(buf, limits, source)
    }

    /// True for a request.
    pub fn is_request(&self) -> bool {
        matches!(self.start, Start::Request { .. })
    }

    /// The request's method; `None` for a response (see [`Message::cseq_method`]).
    pub fn method(&self) -> Option<&Method> {
        self.is_request().then_some(&self.method)
    }

    /// The method of CSeq, which for a request is its own.
    pub fn cseq_method(&self) -> &Method {
        &self.method
    }

    /// The response's status, 100..=699; `None` for a request.
    pub fn status(&self) -> Option<u16> {
        match self.start {
            Start::Response { status, .. } => Some(status),
            Start::Request { .. } => None,
        }
    }

    /// The response's reason phrase, possibly empty.
    pub fn reason(&self) -> Option<&[u8]> {
        match self.start {
            Start::Response { reason, .. } => Some(self.span(reason)),
            Start::Request { .. } => None,
        }
    }

    /// The Request-URI; `None` for a response.
    pub fn uri(&self) -> Option<Uri<'_>> {
        match self.start {
            Start::Request { uri } => Uri::parse(self.span(uri)).ok(),
            Start::Response { .. } => None,
        }
    }

    fn head(&self) -> &Bytes {
        self.unfolded.as_ref().unwrap_or(&self.raw)
    }

    fn span(&self, (start, end): (u16, u16)) -> &[u8] {
        self.head()
            .get(usize::from(start)..usize::from(end))
            .unwrap_or_default()
    }

    fn value(&self, entry: &Entry) -> &[u8] {
        self.span((entry.value_start, entry.value_end))
    }

    /// The value of the first header line of that name, trimmed, folds undone.
    pub fn header(&self, name: Name) -> Option<&[u8]> {
        self.headers
            .iter()
            .find(|e| e.name == Some(name))
            .map(|e| self.value(e))
    }

    /// The value of each header line of that name.
    pub fn headers(&self, name: Name) -> impl Iterator<Item = &[u8]> + Clone {
        self.headers
            .iter()
            .filter(move |e| e.name == Some(name))
            .map(|e| self.value(e))
    }

    /// The comma-separated elements of every header line of that name; empty elements are left out.
    pub fn values(&self, name: Name) -> impl Iterator<Item = &[u8]> + Clone {
        self.headers(name)
            .flat_map(Elements::new)
            .filter(|v| !v.is_empty())
    }

    /// The first header line of any name, compared without case; compact forms are found by either form.
    pub fn other(&self, name: &str) -> Option<&[u8]> {
        match Name::from_bytes(name.as_bytes()) {
            Some(known) => self.header(known),
            None => self
                .headers
                .iter()
                .find(|e| {
                    self.span((e.name_start, e.name_end))
                        .eq_ignore_ascii_case(name.as_bytes())
                })
                .map(|e| self.value(e)),
        }
    }

    /// Every header line as (name as received, value), in order.
    pub fn lines(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.headers
            .iter()
            .map(|e| (self.span((e.name_start, e.name_end)), self.value(e)))
    }

    /// The value of the first header line of that name as a slice that shares the message's buffer.
    pub fn header_bytes(&self, name: Name) -> Option<Bytes> {
        self.headers.iter().find(|e| e.name == Some(name)).map(|e| {
            self.head()
                .slice(usize::from(e.value_start)..usize::from(e.value_end))
        })
    }

    /// Call-ID, compared byte for byte.
    pub fn call_id(&self) -> &[u8] {
        self.header(Name::CallId).unwrap_or_default()
    }

    /// CSeq.
    pub fn cseq(&self) -> CSeq {
        CSeq {
            seq: self.cseq,
            method: self.method.clone(),
        }
    }

    /// From.
    pub fn from(&self) -> NameAddr<'_> {
        self.checked_addr(Name::From)
    }

    /// To.
    pub fn to(&self) -> NameAddr<'_> {
        self.checked_addr(Name::To)
    }

    /// From and To were read once by the parser, which refuses a message where that fails.
    fn checked_addr(&self, name: Name) -> NameAddr<'_> {
        self.header(name)
            .and_then(|v| NameAddr::parse(v).ok())
            .unwrap_or(NameAddr::UNKNOWN)
    }

    /// The topmost Via; the parser refuses a message where it cannot be read.
    pub fn top_via(&self) -> Via<'_> {
        self.vias()
            .next()
            .and_then(|v| Via::parse(v).ok())
            .unwrap_or(Via::UNKNOWN)
    }

    /// Every Via element from the top, unread.
    pub fn vias(&self) -> impl Iterator<Item = &[u8]> + Clone {
        self.values(Name::Via)
    }

    /// The first Contact; `None` if there is none or it is `*`.
    pub fn contact(&self) -> Option<NameAddr<'_>> {
        self.contacts().next()
    }

    /// Every Contact in order, `*` left out.
    pub fn contacts(&self) -> impl Iterator<Item = NameAddr<'_>> {
        self.values(Name::Contact)
            .filter_map(|v| NameAddr::parse(v).ok())
    }

    /// Max-Forwards, if there is one.
    pub fn max_forwards(&self) -> Option<u8> {
        self.header(Name::MaxForwards)
            .and_then(scan::parse_u32)
            .and_then(|n| u8::try_from(n).ok())
    }

    /// The body: a slice of the received buffer.
    pub fn body(&self) -> Bytes {
        self.raw.slice(self.body_start..)
    }

    /// The Content-Type value, parameters included.
    pub fn content_type(&self) -> Option<&[u8]> {
        self.header(Name::ContentType)
    }

    /// True if the Content-Type is this `type/subtype`, compared without case and parameters.
    pub fn is_content_type(&self, media_type: &str) -> bool {
        self.content_type().is_some_and(|v| {
            let end = memchr::memchr(b';', v).unwrap_or(v.len());
            scan::trim(&v[..end]).eq_ignore_ascii_case(media_type.as_bytes())
        })
    }

    /// True if Supported lists the option tag.
    pub fn supports(&self, option: &str) -> bool {
        self.lists(Name::Supported, option)
    }

    /// True if Require lists the option tag.
    pub fn requires(&self, option: &str) -> bool {
        self.lists(Name::Require, option)
    }

    /// True if a list header holds the token, compared without case; `Allow`, `Supported`, `Accept`, ...
    pub fn lists(&self, name: Name, token: &str) -> bool {
        self.values(name)
            .any(|v| v.eq_ignore_ascii_case(token.as_bytes()))
    }

    /// RSeq (RFC 3262 §7.1).
    pub fn rseq(&self) -> Option<u32> {
        self.header(Name::RSeq).and_then(scan::parse_u32)
    }

    /// RAck (RFC 3262 §7.2).
    pub fn rack(&self) -> Option<RAck> {
        self.header(Name::RAck).and_then(|v| RAck::parse(v).ok())
    }

    /// The Q.850 cause of the first Reason that has one (RFC 3326).
    pub fn q850_cause(&self) -> Option<u8> {
        self.values(Name::Reason)
            .filter_map(|v| Reason::parse(v).ok())
            .find_map(|r| r.q850())
    }

    /// The message as received, without what a datagram had past Content-Length.
    pub fn as_bytes(&self) -> &Bytes {
        &self.raw
    }
}

/// Says what kind of message it is and nothing of who is in it: addresses are personal data.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Message");
        match self.status() {
            Some(status) => out.field("status", &status),
            None => &mut out,
        };
        out.field("method", &self.method.as_str())
            .field("cseq", &self.cseq)
            .field("len", &self.raw.len())
            .finish()
    }
}
