//! Everything that we write into a message, built fresh from typed values.
//!
//! This is the allow-list of masking: a function here takes what may appear on a leg, and no function takes a
//! message of the other leg.

use std::fmt::Write;
use std::net::SocketAddr;

use axbridge_numbering::Number;
use axbridge_sip::{Hop, Message, Method, Name, RequestBuilder, ResponseBuilder, Transport};
use bytes::Bytes;

use crate::directory::{Prack, Trunk};
use crate::ids::Tag;

/// Methods that we accept (RFC 3261 §20.5).
pub(crate) const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, INFO";

/// Body type of session descriptions.
pub(crate) const SDP: &str = "application/sdp";

/// Body type of digits in INFO.
pub(crate) const DTMF_RELAY: &str = "application/dtmf-relay";

/// Body type of texts.
pub(crate) const TEXT: &str = "text/plain";

/// `sip:axbridge@host:port`, the same for every call: a Contact tells nothing about anybody.
pub(crate) fn contact(advertised: SocketAddr, hop: &Hop) -> String {
    match hop.transport {
        Transport::Udp => format!("<sip:axbridge@{advertised}>"),
        other => format!(
            "<sip:axbridge@{advertised};transport={}>",
            other.as_str().to_ascii_lowercase()
        ),
    }
}

/// A number as a URI on `trunk` at `host`.
fn number_uri(trunk: &Trunk, number: Number, host: &str) -> String {
    let user = trunk.numbers.render(number);
    let phone = if trunk.user_phone { ";user=phone" } else { "" };
    format!("sip:{user}@{host}{phone}")
}

/// The host part for an address: IPv6 in brackets, no port.
fn bare_host(address: SocketAddr) -> String {
    match address {
        SocketAddr::V4(a) => a.ip().to_string(),
        SocketAddr::V6(a) => format!("[{}]", a.ip()),
    }
}

/// What the INVITE of a second leg is made from.
pub(crate) struct SecondLeg<'a> {
    pub trunk: &'a Trunk,
    pub hop: &'a Hop,
    pub advertised: SocketAddr,
    pub display: Number,
    pub callee: Number,
    pub tag: Tag,
    pub call_id: &'a str,
    pub max_forwards: u8,
}

impl SecondLeg<'_> {
    /// Our From value, needed again for the dialog.
    pub fn from(&self) -> String {
        let uri = number_uri(self.trunk, self.display, &bare_host(self.advertised));
        format!("<{uri}>;tag={}", self.tag)
    }

    /// The INVITE without its body.
    pub fn invite(&self) -> RequestBuilder {
        let (uri, to) = towards(self.trunk, self.hop, self.callee);
        let mut invite = RequestBuilder::new(Method::Invite, uri)
            .from(self.from())
            .to(to)
            .call_id(self.call_id)
            .cseq(1)
            .max_forwards(self.max_forwards)
            .header(Name::Contact, contact(self.advertised, self.hop))
            .header(Name::Allow, ALLOW)
            .header(Name::Accept, SDP);
        invite = match self.trunk.prack {
            Prack::Never => invite,
            Prack::Supported => invite.header(Name::Supported, "100rel"),
            Prack::Required => invite
                .header(Name::Supported, "100rel")
                .header(Name::Require, "100rel"),
        };
        if self.trunk.asserted_identity {
            let asserted = number_uri(self.trunk, self.display, &bare_host(self.advertised));
            invite = invite.header(Name::PAssertedIdentity, format!("<{asserted}>"));
        }
        invite
    }
}

/// Request-URI and To of a request to a number on a trunk.
fn towards(trunk: &Trunk, hop: &Hop, number: Number) -> (String, String) {
    let peer_host = trunk
        .domain
        .clone()
        .unwrap_or_else(|| match hop.remote.port() {
            5060 => bare_host(hop.remote),
            _ => hop.remote.to_string(),
        });
    let mut uri = number_uri(trunk, number, &peer_host);
    let to = format!("<{uri}>");
    if hop.transport != Transport::Udp {
        let transport = hop.transport.as_str().to_ascii_lowercase();
        let _ = write!(uri, ";transport={transport}");
    }
    (uri, to)
}

/// What a MESSAGE is made from (RFC 3428): of the sender's own nothing but what he wrote.
pub(crate) struct Written<'a> {
    pub trunk: &'a Trunk,
    pub hop: &'a Hop,
    pub advertised: SocketAddr,
    pub shown: Number,
    pub receiver: Number,
    pub tag: Tag,
    pub call_id: &'a str,
}

impl Written<'_> {
    pub fn request(&self, text: String) -> RequestBuilder {
        let (uri, to) = towards(self.trunk, self.hop, self.receiver);
        let shown = number_uri(self.trunk, self.shown, &bare_host(self.advertised));
        let mut request = RequestBuilder::new(Method::Message, uri)
            .from(format!("<{shown}>;tag={}", self.tag))
            .to(to)
            .call_id(self.call_id)
            .cseq(1)
            .max_forwards(70);
        if self.trunk.asserted_identity {
            request = request.header(Name::PAssertedIdentity, format!("<{shown}>"));
        }
        request.body("text/plain;charset=UTF-8", Bytes::from(text))
    }
}

/// The refusal of a request whose headers ask for what we do not do: extensions (420) and bodies (415).
pub(crate) fn refusal_by_header(trunk: &Trunk, message: &Message) -> Option<ResponseBuilder> {
    let understood =
        |option: &[u8]| option.eq_ignore_ascii_case(b"100rel") && trunk.prack != Prack::Never;
    let unknown: Vec<&[u8]> = message
        .values(Name::Require)
        .filter(|o| !understood(o))
        .collect();
    if !unknown.is_empty() {
        return Some(ResponseBuilder::new(420).header(Name::Unsupported, unknown.join(&b", "[..])));
    }
    let describes = matches!(
        message.cseq_method(),
        Method::Invite | Method::Update | Method::Prack
    );
    let encoded = message
        .header(Name::ContentEncoding)
        .is_some_and(|e| !e.is_empty() && !e.eq_ignore_ascii_case(b"identity"));
    let body = message.body();
    if !body.is_empty() && encoded {
        return Some(ResponseBuilder::new(415).header(Name::AcceptEncoding, "identity"));
    }
    if !body.is_empty() && describes && !message.is_content_type(SDP) {
        return Some(ResponseBuilder::new(415).header(Name::Accept, SDP));
    }
    None
}

/// `Q.850;cause=16`
pub(crate) fn q850_reason(cause: u8) -> String {
    format!("Q.850;cause={cause}")
}

/// A response that sets up or keeps a dialog: with our Contact and abilities.
pub(crate) fn dialog_response(
    status: u16,
    tag: Tag,
    contact: String,
    trunk: &Trunk,
) -> ResponseBuilder {
    let response = ResponseBuilder::new(status)
        .to_tag(&tag.to_string())
        .header(Name::Contact, contact)
        .header(Name::Allow, ALLOW);
    match trunk.prack {
        Prack::Never => response,
        Prack::Supported | Prack::Required => response.header(Name::Supported, "100rel"),
    }
}

/// The answer to OPTIONS (RFC 3261 §11.2).
pub(crate) fn options_answer(available: bool, texts: bool) -> ResponseBuilder {
    let (allow, accept) = match texts {
        true => (
            format!("{ALLOW}, MESSAGE"),
            format!("{SDP}, {DTMF_RELAY}, {TEXT}"),
        ),
        false => (ALLOW.to_owned(), format!("{SDP}, {DTMF_RELAY}")),
    };
    let response = ResponseBuilder::new(if available { 200 } else { 503 })
        .header(Name::Allow, allow)
        .header(Name::Accept, accept)
        .header(Name::Supported, "100rel");
    if available {
        response
    } else {
        response.header(Name::RetryAfter, "30")
    }
}
