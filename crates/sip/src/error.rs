//! What is wrong with a message that is not one, and what may be answered to it.

use crate::method::Method;
use bytes::Bytes;
use smallvec::SmallVec;
use std::fmt;

/// Why bytes did not become a [`crate::Message`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ParseError {
    /// Nothing can or may be answered: a response, an ACK, or bytes that are not SIP.
    Drop(DropReason),
    /// A request that is to be answered with [`Reject::status`].
    Reject(Box<Reject>),
}

/// Why a message is thrown away without an answer.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum DropReason {
    /// Only line ends, NULs or nothing: a keep-alive.
    KeepAlive,
    /// No SIP start line.
    NotSip,
    /// A response with this fault; responses are never answered.
    Response(Fault),
    /// An ACK with this fault; ACKs are never answered.
    Ack(Fault),
    /// A request with this fault whose Via cannot be read: there is no way to answer it.
    NoVia(Fault),
}

/// What is wrong. The text of [`Fault::as_str`] is fit for a reason phrase.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Fault {
    /// Request line or status line is not as RFC 3261 §7.1/§7.2 writes it.
    StartLine,
    /// SIP version is not 2.0.
    Version,
    /// Request-URI cannot be read.
    RequestUri,
    /// No blank line ends the head, or the head is longer than allowed.
    HeadEnd,
    /// More header lines than allowed.
    TooManyHeaders,
    /// A header or the start line is longer than allowed.
    HeaderTooLong,
    /// The whole is longer than allowed.
    MessageTooLarge,
    /// A line that is no `name: value`.
    HeaderLine,
    /// No Via, or one that cannot be read.
    Via,
    /// From absent, twice there, or unreadable.
    From,
    /// To absent, twice there, or unreadable.
    To,
    /// Call-ID absent, empty, or twice there.
    CallId,
    /// CSeq absent, twice there, or unreadable.
    CSeq,
    /// CSeq names another method than the request line.
    CSeqMethod,
    /// Max-Forwards is no number of 0..=255, or twice there.
    MaxForwards,
    /// A Contact that cannot be read.
    Contact,
    /// Content-Length is no number, or two that differ.
    ContentLength,
    /// The body is shorter than Content-Length says.
    BodyTruncated,
    /// No Content-Length on a stream.
    NoContentLength,
}

impl Fault {
    /// Plain words, fit for a reason phrase.
    pub fn as_str(self) -> &'static str {
        match self {
            Fault::StartLine => "Malformed start line",
            Fault::Version => "Version Not Supported",
            Fault::RequestUri => "Malformed Request-URI",
            Fault::HeadEnd => "Header section not terminated",
            Fault::TooManyHeaders => "Too many headers",
            Fault::HeaderTooLong => "Header too long",
            Fault::MessageTooLarge => "Message Too Large",
            Fault::HeaderLine => "Malformed header line",
            Fault::Via => "Missing or malformed Via",
            Fault::From => "Missing or malformed From",
            Fault::To => "Missing or malformed To",
            Fault::CallId => "Missing or malformed Call-ID",
            Fault::CSeq => "Missing or malformed CSeq",
            Fault::CSeqMethod => "CSeq method differs from request method",
            Fault::MaxForwards => "Malformed Max-Forwards",
            Fault::Contact => "Malformed Contact",
            Fault::ContentLength => "Malformed Content-Length",
            Fault::BodyTruncated => "Content-Length larger than message",
            Fault::NoContentLength => "Missing Content-Length",
        }
    }

    /// The status to answer a request with that has this fault.
    pub fn status(self) -> u16 {
        match self {
            Fault::Version => 505,
            Fault::MessageTooLarge => 513,
            _ => 400,
        }
    }
}

/// A request that cannot be processed but can be answered. The header values are those that could be
/// read, as received; an answer copies them (RFC 3261 §8.2.6.2) and leaves out the absent ones.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reject {
    /// 400, 505 or 513.
    pub status: u16,
    /// What is wrong.
    pub fault: Fault,
    /// Method of the request line; never ACK.
    pub method: Method,
    /// The Via elements in order that can be read as a [`crate::Via`]; the top one is among them.
    pub vias: SmallVec<[Bytes; 2]>,
    /// The From value.
    pub from: Option<Bytes>,
    /// The To value.
    pub to: Option<Bytes>,
    /// The Call-ID.
    pub call_id: Option<Bytes>,
    /// The CSeq value.
    pub cseq: Option<Bytes>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DropReason::KeepAlive => f.write_str("keep-alive"),
            DropReason::NotSip => f.write_str("not SIP"),
            DropReason::Response(fault) => write!(f, "response: {fault}"),
            DropReason::Ack(fault) => write!(f, "ACK: {fault}"),
            DropReason::NoVia(fault) => write!(f, "unanswerable request: {fault}"),
        }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ParseError::Drop(reason) => write!(f, "dropped, {reason}"),
            ParseError::Reject(r) => write!(f, "rejected with {}, {}", r.status, r.fault),
        }
    }
}

impl std::error::Error for ParseError {}
