//! Writers. Whatever a value holds, it stays inside its header: line ends never get out.

use crate::error::Reject;
use crate::headers::Via;
use crate::message::Message;
use crate::method::Method;
use crate::name::Name;
use crate::scan::{self, TOKEN};
use bytes::Bytes;
use smallvec::SmallVec;
use std::fmt;
use std::net::SocketAddr;

/// A stretch of [`Fields::text`].
type Span = (u32, u32);

#[derive(Copy, Clone)]
enum Label {
    Known(Name),
    Raw(Span),
}

/// Header lines in the order given; all text in one buffer.
#[derive(Clone, Default)]
struct Fields {
    text: Vec<u8>,
    lines: SmallVec<[(Label, Span); 16]>,
}

impl Fields {
    fn store(&mut self, value: &[u8]) -> Span {
        let start = self.text.len();
        push_clean(&mut self.text, scan::trim(value));
        (start as u32, self.text.len() as u32)
    }

    fn span(&self, (start, end): Span) -> &[u8] {
        &self.text[start as usize..end as usize]
    }

    fn add(&mut self, name: Name, value: &[u8]) {
        let value = self.store(value);
        self.lines.push((Label::Known(name), value));
    }

    fn add_raw(&mut self, name: &str, value: &[u8]) {
        let start = self.text.len() as u32;
        self.text.extend(
            name.bytes()
                .map(|b| if TOKEN[usize::from(b)] { b } else { b'-' }),
        );
        let name = (start, self.text.len() as u32);
        let value = self.store(value);
        self.lines.push((Label::Raw(name), value));
    }

    fn set(&mut self, name: Name, value: &[u8]) {
        self.lines
            .retain(|(label, _)| !matches!(label, Label::Known(n) if *n == name));
        self.add(name, value);
    }

    fn get(&self, name: Name) -> Option<&[u8]> {
        self.lines
            .iter()
            .find(|(label, _)| matches!(label, Label::Known(n) if *n == name))
            .map(|(_, v)| self.span(*v))
    }

    /// Writes every line of that name.
    fn write(&self, name: Name, out: &mut Vec<u8>) {
        for (label, value) in &self.lines {
            if matches!(label, Label::Known(n) if *n == name) {
                write_line(out, name.as_str(), self.span(*value));
            }
        }
    }

    /// Writes the lines whose name is not in `placed`.
    fn write_rest(&self, placed: &[Name], out: &mut Vec<u8>) {
        for (label, value) in &self.lines {
            match label {
                Label::Known(name) if placed.contains(name) => {}
                Label::Known(name) => write_line(out, name.as_str(), self.span(*value)),
                Label::Raw(name) => {
                    out.extend_from_slice(self.span(*name));
                    out.extend_from_slice(b": ");
                    out.extend_from_slice(self.span(*value));
                    out.extend_from_slice(b"\r\n");
                }
            }
        }
    }
}

/// Copies text with every control character but HTAB turned into a space.
fn push_clean(out: &mut Vec<u8>, v: &[u8]) {
    out.extend(v.iter().map(|&b| {
        if (b < b' ' && b != b'\t') || b == 0x7f {
            b' '
        } else {
            b
        }
    }));
}

/// Copies a URI with whatever could end it early written as `%HH`.
fn push_uri(out: &mut Vec<u8>, v: &[u8]) {
    for &b in v {
        if b <= b' ' || b == 0x7f || matches!(b, b'<' | b'>' | b'"') {
            const HEX: &[u8; 16] = b"0123456789ABCDEF";
            out.extend_from_slice(&[b'%', HEX[usize::from(b >> 4)], HEX[usize::from(b & 15)]]);
        } else {
            out.push(b);
        }
    }
}

fn write_line(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    push_clean(out, value);
    out.extend_from_slice(b"\r\n");
}

fn write_body(out: &mut Vec<u8>, content_type: Option<&[u8]>, body: &[u8]) {
    if let Some(content_type) = content_type {
        write_line(out, "Content-Type", content_type);
    }
    write_line(out, "Content-Length", body.len().to_string().as_bytes());
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(body);
}

/// Writes a request. From, To, Call-ID and CSeq have setters of their own; Content-Length is always ours.
#[derive(Clone)]
pub struct RequestBuilder {
    method: Method,
    uri: Vec<u8>,
    cseq: u32,
    max_forwards: u8,
    fields: Fields,
    body: Bytes,
}

/// Written before the other headers or by the builder itself.
const REQUEST_PLACED: [Name; 11] = [
    Name::Via,
    Name::MaxForwards,
    Name::Route,
    Name::RecordRoute,
    Name::From,
    Name::To,
    Name::CallId,
    Name::CSeq,
    Name::Contact,
    Name::ContentType,
    Name::ContentLength,
];

impl RequestBuilder {
    /// A request with Max-Forwards 70 and CSeq 1.
    pub fn new(method: Method, uri: impl AsRef<[u8]>) -> Self {
        let mut clean = Vec::with_capacity(uri.as_ref().len());
        push_uri(&mut clean, uri.as_ref());
        RequestBuilder {
            method,
            uri: clean,
            cseq: 1,
            max_forwards: 70,
            fields: Fields::default(),
            body: Bytes::new(),
        }
    }

    /// The CANCEL of a request that we sent (RFC 3261 §9.1): same Request-URI, top Via, From, To, Call-ID,
    /// CSeq number and Route.
    pub fn cancel_for(sent: &Message) -> Self {
        let uri = sent.uri().map_or(&b""[..], |u| u.raw());
        let mut b = RequestBuilder::new(Method::Cancel, uri)
            .via(sent.top_via().raw())
            .from(sent.header(Name::From).unwrap_or_default())
            .to(sent.header(Name::To).unwrap_or_default())
            .call_id(sent.call_id())
            .cseq(sent.cseq().seq);
        for route in sent.headers(Name::Route) {
            b = b.header(Name::Route, route);
        }
        b
    }

    /// The ACK of a non-2xx final response to an INVITE that we sent (RFC 3261 §17.1.1.3): as the CANCEL,
    /// but To as the response has it.
    pub fn ack_for(sent: &Message, response: &Message) -> Self {
        let mut b = RequestBuilder::cancel_for(sent);
        b.method = Method::Ack;
        b.to(response.header(Name::To).unwrap_or_default())
    }

    /// Sets the topmost Via, in place of one set before.
    pub fn via(mut self, value: impl AsRef<[u8]>) -> Self {
        self.fields.set(Name::Via, value.as_ref());
        self
    }

    /// Sets From.
    pub fn from(mut self, value: impl AsRef<[u8]>) -> Self {
        self.fields.set(Name::From, value.as_ref());
        self
    }

    /// Sets To.
    pub fn to(mut self, value: impl AsRef<[u8]>) -> Self {
        self.fields.set(Name::To, value.as_ref());
        self
    }

    /// Sets Call-ID.
    pub fn call_id(mut self, value: impl AsRef<[u8]>) -> Self {
        self.fields.set(Name::CallId, value.as_ref());
        self
    }

    /// Sets the CSeq number; the method is the request's.
    pub fn cseq(mut self, seq: u32) -> Self {
        self.cseq = seq;
        self
    }

    /// Sets Max-Forwards.
    pub fn max_forwards(mut self, hops: u8) -> Self {
        self.max_forwards = hops;
        self
    }

    /// Adds a header line. From, To, Call-ID and Content-Type replace what was set before; CSeq,
    /// Max-Forwards and Content-Length are written by the builder alone and are ignored here.
    pub fn header(mut self, name: Name, value: impl AsRef<[u8]>) -> Self {
        let value = value.as_ref();
        match name {
            Name::From | Name::To | Name::CallId | Name::ContentType => {
                self.fields.set(name, value)
            }
            Name::CSeq | Name::MaxForwards | Name::ContentLength => {}
            _ => self.fields.add(name, value),
        }
        self
    }

    /// Adds a header line of any name; what is no `token` character in the name becomes `-`. A known name goes
    /// the way of [`RequestBuilder::header`].
    pub fn header_raw(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        match Name::from_bytes(name.as_bytes()) {
            Some(known) => return self.header(known, value),
            None if name.is_empty() => {}
            None => self.fields.add_raw(name, value.as_ref()),
        }
        self
    }

    /// Sets the body and its type.
    pub fn body(mut self, content_type: impl AsRef<[u8]>, body: Bytes) -> Self {
        self.fields.set(Name::ContentType, content_type.as_ref());
        self.body = body;
        self
    }

    /// The method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The Request-URI as it will be written.
    pub fn uri(&self) -> &[u8] {
        &self.uri
    }

    /// The CSeq number.
    pub fn cseq_number(&self) -> u32 {
        self.cseq
    }

    /// The first value given for a header, as it will be written.
    pub fn get(&self, name: Name) -> Option<&[u8]> {
        self.fields.get(name)
    }

    /// The request as bytes.
    pub fn encode(&self) -> Bytes {
        let f = &self.fields;
        let mut out = Vec::with_capacity(
            256 + self.uri.len() + f.text.len() + f.lines.len() * 24 + self.body.len(),
        );
        out.extend_from_slice(self.method.as_str().as_bytes());
        out.push(b' ');
        out.extend_from_slice(&self.uri);
        out.extend_from_slice(b" SIP/2.0\r\n");
        f.write(Name::Via, &mut out);
        write_line(
            &mut out,
            "Max-Forwards",
            self.max_forwards.to_string().as_bytes(),
        );
        for name in [
            Name::Route,
            Name::RecordRoute,
            Name::From,
            Name::To,
            Name::CallId,
        ] {
            f.write(name, &mut out);
        }
        write_line(
            &mut out,
            "CSeq",
            format!("{} {}", self.cseq, self.method).as_bytes(),
        );
        f.write(Name::Contact, &mut out);
        f.write_rest(&REQUEST_PLACED, &mut out);
        write_body(&mut out, f.get(Name::ContentType), &self.body);
        Bytes::from(out)
    }
}

/// Method only: the rest is personal data.
impl fmt::Debug for RequestBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBuilder")
            .field("method", &self.method.as_str())
            .field("cseq", &self.cseq)
            .finish_non_exhaustive()
    }
}

/// Writes a response. What a response copies comes from its request: see [`ResponseBuilder::encode`].
#[derive(Clone)]
pub struct ResponseBuilder {
    status: u16,
    reason: Option<Vec<u8>>,
    to_tag: Option<String>,
    fields: Fields,
    body: Bytes,
}

/// Copied from the request or written by the builder itself.
const RESPONSE_PLACED: [Name; 9] = [
    Name::Via,
    Name::RecordRoute,
    Name::From,
    Name::To,
    Name::CallId,
    Name::CSeq,
    Name::Contact,
    Name::ContentType,
    Name::ContentLength,
];

impl ResponseBuilder {
    /// A response with the usual reason phrase. A status out of 100..=699 becomes 500.
    pub fn new(status: u16) -> Self {
        let status = if (100..=699).contains(&status) {
            status
        } else {
            500
        };
        ResponseBuilder {
            status,
            reason: None,
            to_tag: None,
            fields: Fields::default(),
            body: Bytes::new(),
        }
    }

    /// Another reason phrase.
    pub fn reason(mut self, reason: impl AsRef<[u8]>) -> Self {
        let mut clean = Vec::new();
        push_clean(&mut clean, scan::trim(reason.as_ref()));
        self.reason = Some(clean);
        self
    }

    /// Adds a header line. Via, From, To, Call-ID, CSeq and Content-Length are ignored here.
    pub fn header(mut self, name: Name, value: impl AsRef<[u8]>) -> Self {
        match name {
            Name::Via | Name::From | Name::To | Name::CallId | Name::CSeq | Name::ContentLength => {
            }
            Name::ContentType => self.fields.set(name, value.as_ref()),
            _ => self.fields.add(name, value.as_ref()),
        }
        self
    }

    /// Adds a header line of any name; see [`RequestBuilder::header_raw`].
    pub fn header_raw(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        match Name::from_bytes(name.as_bytes()) {
            Some(known) => return self.header(known, value),
            None if name.is_empty() => {}
            None => self.fields.add_raw(name, value.as_ref()),
        }
        self
    }

    /// The tag put on To if the request's To has none.
    pub fn to_tag(mut self, tag: &str) -> Self {
        let clean: String = tag
            .chars()
            .filter(|c| u8::try_from(*c).is_ok_and(|b| TOKEN[usize::from(b)]))
            .collect();
        self.to_tag = (!clean.is_empty()).then_some(clean);
        self
    }

    /// Sets the body and its type.
    pub fn body(mut self, content_type: impl AsRef<[u8]>, body: Bytes) -> Self {
        self.fields.set(Name::ContentType, content_type.as_ref());
        self.body = body;
        self
    }

    /// The status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The tag given for To.
    pub fn tag(&self) -> Option<&str> {
        self.to_tag.as_deref()
    }

    /// The first value given for a header.
    pub fn get(&self, name: Name) -> Option<&[u8]> {
        self.fields.get(name)
    }

    /// The response to `request` as bytes (RFC 3261 §8.2.6.2): Via with `received` and `rport` as seen from
    /// `remote`, From, To with the tag, Call-ID, CSeq; Record-Route where the response may make a dialog (§12.1.1).
    pub fn encode(&self, request: &Message, remote: SocketAddr) -> Bytes {
        let mut out = self.begin(request.as_bytes().len());
        for (n, via) in request.vias().enumerate() {
            write_via(&mut out, via, (n == 0).then_some(remote));
        }
        if (101..300).contains(&self.status) && request.cseq_method().creates_dialog() {
            for route in request.headers(Name::RecordRoute) {
                write_line(&mut out, "Record-Route", route);
            }
        }
        write_line(
            &mut out,
            "From",
            request.header(Name::From).unwrap_or_default(),
        );
        let to = request.header(Name::To).unwrap_or_default();
        self.write_to(&mut out, to, request.to().tag().is_some());
        write_line(&mut out, "Call-ID", request.call_id());
        write_line(
            &mut out,
            "CSeq",
            request.header(Name::CSeq).unwrap_or_default(),
        );
        self.finish(out)
    }

    /// The answer to a request that could not be parsed, with what of it could be read.
    pub fn encode_reject(&self, reject: &Reject, remote: SocketAddr) -> Bytes {
        let mut out = self.begin(1024);
        for (n, via) in reject.vias.iter().enumerate() {
            write_via(&mut out, via, (n == 0).then_some(remote));
        }
        if let Some(from) = &reject.from {
            write_line(&mut out, "From", from);
        }
        if let Some(to) = &reject.to {
            let tagged = match crate::headers::NameAddr::parse(to) {
                Ok(addr) => addr.tag().is_some(),
                // Nothing can be put behind a value that has no readable end.
                Err(_) => true,
            };
            self.write_to(&mut out, to, tagged);
        }
        if let Some(call_id) = &reject.call_id {
            write_line(&mut out, "Call-ID", call_id);
        }
        if let Some(cseq) = &reject.cseq {
            write_line(&mut out, "CSeq", cseq);
        }
        self.finish(out)
    }

    fn begin(&self, room: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(room + 256 + self.fields.text.len() + self.body.len());
        out.extend_from_slice(format!("SIP/2.0 {} ", self.status).as_bytes());
        match &self.reason {
            Some(reason) => out.extend_from_slice(reason),
            None => out.extend_from_slice(reason_phrase(self.status).as_bytes()),
        }
        out.extend_from_slice(b"\r\n");
        out
    }

    fn write_to(&self, out: &mut Vec<u8>, to: &[u8], tagged: bool) {
        out.extend_from_slice(b"To: ");
        push_clean(out, to);
        if let (false, Some(tag)) = (tagged, &self.to_tag) {
            out.extend_from_slice(b";tag=");
            out.extend_from_slice(tag.as_bytes());
        }
        out.extend_from_slice(b"\r\n");
    }

    fn finish(&self, mut out: Vec<u8>) -> Bytes {
        self.fields.write(Name::Contact, &mut out);
        self.fields.write_rest(&RESPONSE_PLACED, &mut out);
        write_body(&mut out, self.fields.get(Name::ContentType), &self.body);
        Bytes::from(out)
    }
}

impl fmt::Debug for ResponseBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBuilder")
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

fn write_via(out: &mut Vec<u8>, via: &[u8], seen_from: Option<SocketAddr>) {
    match seen_from.and_then(|remote| Via::parse(via).ok().map(|v| (v, remote))) {
        Some((via, remote)) => {
            let mut text = Vec::with_capacity(via.raw().len() + 64);
            via.write_seen_from(remote, &mut text);
            write_line(out, "Via", &text);
        }
        None => write_line(out, "Via", via),
    }
}

/// The usual reason phrase of a status; for an unknown one that of its class.
pub fn reason_phrase(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        180 => "Ringing",
        181 => "Call Is Being Forwarded",
        182 => "Queued",
        183 => "Session Progress",
        199 => "Early Dialog Terminated",
        200 => "OK",
        202 => "Accepted",
        204 => "No Notification",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Moved Temporarily",
        305 => "Use Proxy",
        380 => "Alternative Service",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        410 => "Gone",
        412 => "Conditional Request Failed",
        413 => "Request Entity Too Large",
        414 => "Request-URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Unsupported URI Scheme",
        417 => "Unknown Resource-Priority",
        420 => "Bad Extension",
        421 => "Extension Required",
        422 => "Session Interval Too Small",
        423 => "Interval Too Brief",
        424 => "Bad Location Information",
        428 => "Use Identity Header",
        429 => "Provide Referrer Identity",
        430 => "Flow Failed",
        433 => "Anonymity Disallowed",
        436 => "Bad Identity Info",
        437 => "Unsupported Credential",
        438 => "Invalid Identity Header",
        439 => "First Hop Lacks Outbound Support",
        440 => "Max-Breadth Exceeded",
        469 => "Bad Info Package",
        470 => "Consent Needed",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        482 => "Loop Detected",
        483 => "Too Many Hops",
        484 => "Address Incomplete",
        485 => "Ambiguous",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        489 => "Bad Event",
        491 => "Request Pending",
        493 => "Undecipherable",
        494 => "Security Agreement Required",
        500 => "Server Internal Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Server Time-out",
        505 => "Version Not Supported",
        513 => "Message Too Large",
        580 => "Precondition Failure",
        600 => "Busy Everywhere",
        603 => "Decline",
        604 => "Does Not Exist Anywhere",
        606 => "Not Acceptable",
        607 => "Unwanted",
        608 => "Rejected",
        _ => match status / 100 {
            1 => "Session Progress",
            2 => "OK",
            3 => "Multiple Choices",
            4 => "Bad Request",
            5 => "Server Internal Error",
            _ => "Decline",
        },
    }
}
