//! Request methods.

use bytes::Bytes;
use std::fmt;

/// Immutable text that is a `token` of RFC 3261: cheap to clone, a slice of the message it came with.
#[derive(Clone, Eq, PartialEq, Hash, Ord, PartialOrd)]
pub struct ByteStr(Bytes);

impl ByteStr {
    /// Takes a token; `None` if it is none.
    pub fn from_token(token: Bytes) -> Option<ByteStr> {
        crate::scan::is_token(&token).then_some(ByteStr(token))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        // Token characters are ASCII, so this never takes the default.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for ByteStr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// A request method. Names are case-sensitive (RFC 3261 §7.1).
#[derive(Clone, Debug, Eq, PartialEq, Hash)]
#[allow(missing_docs)]
pub enum Method {
    Invite,
    Ack,
    Bye,
    Cancel,
    Options,
    Register,
    Prack,
    Update,
    Info,
    Refer,
    Message,
    Subscribe,
    Notify,
    Publish,
    /// Any other token.
    Other(ByteStr),
}

static KNOWN: [(Method, rsip::Method); 14] = [
    (Method::Invite, rsip::Method::Invite),
    (Method::Ack, rsip::Method::Ack),
    (Method::Bye, rsip::Method::Bye),
    (Method::Cancel, rsip::Method::Cancel),
    (Method::Options, rsip::Method::Options),
    (Method::Register, rsip::Method::Register),
    (Method::Prack, rsip::Method::PRack),
    (Method::Update, rsip::Method::Update),
    (Method::Info, rsip::Method::Info),
    (Method::Refer, rsip::Method::Refer),
    (Method::Message, rsip::Method::Message),
    (Method::Subscribe, rsip::Method::Subscribe),
    (Method::Notify, rsip::Method::Notify),
    (Method::Publish, rsip::Method::Publish),
];

impl Method {
    /// As written on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Method::Invite => "INVITE",
            Method::Ack => "ACK",
            Method::Bye => "BYE",
            Method::Cancel => "CANCEL",
            Method::Options => "OPTIONS",
            Method::Register => "REGISTER",
            Method::Prack => "PRACK",
            Method::Update => "UPDATE",
            Method::Info => "INFO",
            Method::Refer => "REFER",
            Method::Message => "MESSAGE",
            Method::Subscribe => "SUBSCRIBE",
            Method::Notify => "NOTIFY",
            Method::Publish => "PUBLISH",
            Method::Other(name) => name.as_str(),
        }
    }

    /// A method we know by name.
    pub fn known(token: &[u8]) -> Option<Method> {
        Some(match token {
            b"INVITE" => Method::Invite,
            b"ACK" => Method::Ack,
            b"BYE" => Method::Bye,
            b"CANCEL" => Method::Cancel,
            b"OPTIONS" => Method::Options,
            b"REGISTER" => Method::Register,
            b"PRACK" => Method::Prack,
            b"UPDATE" => Method::Update,
            b"INFO" => Method::Info,
            b"REFER" => Method::Refer,
            b"MESSAGE" => Method::Message,
            b"SUBSCRIBE" => Method::Subscribe,
            b"NOTIFY" => Method::Notify,
            b"PUBLISH" => Method::Publish,
            _ => return None,
        })
    }

    /// Any method from its token; copies an unknown name. `None` if it is no token.
    pub fn from_token(token: &[u8]) -> Option<Method> {
        Method::known(token)
            .or_else(|| ByteStr::from_token(Bytes::copy_from_slice(token)).map(Method::Other))
    }

    /// The method in rsip's vocabulary; `None` for one that rsip has no word for.
    pub fn to_rsip(&self) -> Option<rsip::Method> {
        KNOWN.iter().find(|(m, _)| m == self).map(|(_, r)| *r)
    }

    /// True for methods whose 2xx makes a dialog (RFC 3261 §12.1, 6665, 3515).
    pub fn creates_dialog(&self) -> bool {
        matches!(self, Method::Invite | Method::Subscribe | Method::Refer)
    }
}

impl From<rsip::Method> for Method {
    fn from(method: rsip::Method) -> Method {
        KNOWN
            .iter()
            .find(|(_, r)| *r == method)
            .map_or(Method::Options, |(m, _)| m.clone())
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
