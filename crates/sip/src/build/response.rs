//! Responses.

use super::{Fields, push_clean, reason_phrase, write_body, write_line};
use crate::error::Reject;
use crate::headers::{NameAddr, Via};
use crate::message::Message;
use crate::name::Name;
use crate::scan::{self, TOKEN};
use bytes::Bytes;
use std::fmt;
use std::net::SocketAddr;

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

    /// Adds a header line. Via, Record-Route, From, To, Call-ID and CSeq are the request's and Content-Length is
    /// the builder's: they are ignored here.
    pub fn header(mut self, name: Name, value: impl AsRef<[u8]>) -> Self {
        match name {
            Name::Via
            | Name::RecordRoute
            | Name::From
            | Name::To
            | Name::CallId
            | Name::CSeq
            | Name::ContentLength => {}
            Name::ContentType => self.fields.set(name, value.as_ref()),
            _ => self.fields.add(name, value.as_ref()),
        }
        self
    }

    /// Adds a header line of any name; see [`super::RequestBuilder::header_raw`].
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
        if self.status == 100 {
            // RFC 3261 §8.2.6.1: the sender measures the way with it.
            if let Some(stamp) = request.header(Name::Timestamp) {
                write_line(&mut out, "Timestamp", stamp);
            }
        }
        write_line(
            &mut out,
            "From",
            request.header(Name::From).unwrap_or_default(),
        );
        let to = request.header(Name::To).unwrap_or_default();
        // A 100 makes no dialog, so it needs no tag.
        self.write_to(
            &mut out,
            to,
            self.status == 100 || request.to().tag().is_some(),
        );
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
            let tagged = match NameAddr::parse(to) {
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
