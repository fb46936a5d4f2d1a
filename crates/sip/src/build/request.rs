//! Requests.

use super::{Fields, push_uri, write_body, write_line};
use crate::message::Message;
use crate::method::Method;
use crate::name::Name;
use bytes::Bytes;
use std::fmt;

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
