//! Which transaction a message belongs to (RFC 3261 §17.1.3, §17.2.3), and where an answer goes (§18.2.2, RFC 3581).
//!
//! Transactions are found by keyed 128-bit hashes: nothing of the message has to be kept to compare, and a peer, not knowing the
//! key, can make no two messages meet.

use crate::error::Reject;
use crate::headers::{NameAddr, Via};
use crate::keyed::Key;
use crate::message::Message;
use crate::method::Method;
use crate::name::Name;
use crate::transport::{Hop, Transport};
use smallvec::SmallVec;
use std::net::SocketAddr;

const COOKIE: &str = "z9hG4bK";

/// The uses of the key; see [`Key::parts`].
mod purpose {
    pub(super) const BRANCH: u8 = 1;
    pub(super) const SERVER: u8 = 2;
    pub(super) const SERVER_2543: u8 = 3;
    pub(super) const MERGE: u8 = 4;
    pub(super) const TAG: u8 = 5;
}

/// The endpoint's secret and how many tokens were taken from it.
pub(super) struct Secrets {
    key: Key,
    tokens: u64,
}

impl Secrets {
    pub(super) fn new(seed: u64) -> Secrets {
        Secrets {
            key: Key::from_seed(seed),
            tokens: 0,
        }
    }

    /// A fresh token for a branch.
    pub(super) fn token(&mut self) -> u64 {
        self.tokens += 1;
        self.key.nth(purpose::BRANCH, self.tokens).get()
    }

    /// The key of the server transaction that a request belongs to, if it were of `method` (which is INVITE for ACK and
    /// CANCEL).
    pub(super) fn server_key(&self, request: &Message, method: &Method) -> u128 {
        let via = request.top_via();
        let method = method.as_str().as_bytes();
        if let Some(branch) = via.unique_branch() {
            let host: SmallVec<[u8; 64]> = via.host().iter().map(u8::to_ascii_lowercase).collect();
            let port = sent_by_port(&via).to_le_bytes();
            return self
                .key
                .parts(purpose::SERVER, &[branch, &host, &port, method]);
        }
        // RFC 2543: no unique branch. The To tag, which §17.2.3 lists too, is left out because an ACK brings the
        // response's; two requests that differ in nothing else do not occur.
        let uri = request.uri().map(|uri| uri.raw()).unwrap_or_default();
        let seq = request.cseq().seq.to_le_bytes();
        let tag = request.from().tag().unwrap_or_default();
        self.key.parts(
            purpose::SERVER_2543,
            &[uri, tag, request.call_id(), &seq, method, via.raw()],
        )
    }

    /// The same for every way by which one request may come (§8.2.2.2); none within a dialog.
    pub(super) fn merge_key(&self, request: &Message) -> Option<u64> {
        if request.to().tag().is_some() {
            return None;
        }
        let tag = request.from().tag().unwrap_or_default();
        let seq = request.cseq().seq.to_le_bytes();
        let method = request.cseq_method().as_str().as_bytes();
        Some(
            self.key
                .parts(purpose::MERGE, &[tag, request.call_id(), &seq, method]) as u64,
        )
    }

    /// The To tag that we give where the user gave none. It follows from the request alone, so the ACK of such an answer
    /// can be told from all others.
    pub(super) fn own_tag(&self, request: &Message) -> String {
        let from = request.from().tag().unwrap_or_default();
        self.tag_of(
            request.call_id(),
            from,
            request.cseq().seq,
            &request.top_via(),
        )
    }

    fn tag_of(&self, call_id: &[u8], from_tag: &[u8], seq: u32, via: &Via<'_>) -> String {
        let way = via.unique_branch().unwrap_or(via.raw());
        let hash = self
            .key
            .parts(purpose::TAG, &[call_id, from_tag, &seq.to_le_bytes(), way]);
        format!("{:016x}", hash as u64)
    }

    /// Whether this ACK acknowledges an answer that carried [`Secrets::own_tag`].
    pub(super) fn is_own_tag(&self, ack: &Message) -> bool {
        ack.to()
            .tag()
            .is_some_and(|tag| tag == self.own_tag(ack).as_bytes())
    }
}

/// Where the answer to a malformed request goes, and its To tag.
pub(super) fn malformed(secrets: &Secrets, hop: Hop, reject: &Reject) -> Option<(Hop, String)> {
    let via = Via::parse(reject.vias.first()?).ok()?;
    let from = reject
        .from
        .as_deref()
        .and_then(|from| NameAddr::parse(from).ok());
    let from_tag = from.and_then(|from| from.tag()).unwrap_or_default();
    let digits = reject
        .cseq
        .as_deref()
        .unwrap_or_default()
        .split(|b| !b.is_ascii_digit())
        .next();
    let seq = digits.and_then(crate::scan::parse_u32).unwrap_or_default();
    let tag = secrets.tag_of(
        reject.call_id.as_deref().unwrap_or_default(),
        from_tag,
        seq,
        &via,
    );
    Some((reply_hop(&via, hop), tag))
}

/// The Via of a request of ours. `rport` asks for the answer to come back through a NAT (RFC 3581).
pub(super) fn via(transport: Transport, sent_by: &str, token: u64) -> String {
    format!("SIP/2.0/{transport} {sent_by};branch={COOKIE}{token:016x};rport")
}

/// The token in the branch of a response to us. A response that has passed another Via is not for us (§8.1.3.3).
pub(super) fn token(response: &Message) -> Option<u64> {
    if response.vias().nth(1).is_some() {
        return None;
    }
    let via = response.top_via();
    let hex = via.unique_branch()?.get(COOKIE.len()..)?;
    if hex.len() != 16 || !hex.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    u64::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()
}

/// Where the response to a request that came by `hop` goes: back by the connection; over UDP to the source port if `rport` was
/// asked for, else to the port of sent-by, always at the source address.
pub(super) fn reply_hop(via: &Via<'_>, hop: Hop) -> Hop {
    if hop.transport.is_reliable() || via.rport().is_some() {
        return hop;
    }
    fallback_hop(sent_by_port(via), hop)
}

/// The source address at the port of sent-by.
pub(super) fn fallback_hop(port: u16, hop: Hop) -> Hop {
    Hop {
        remote: SocketAddr::new(hop.remote.ip(), port),
        conn: None,
        ..hop
    }
}

/// The port of sent-by, the transport's own where none (or 0) is written.
pub(super) fn sent_by_port(via: &Via<'_>) -> u16 {
    let default = via
        .transport_kind()
        .unwrap_or(Transport::Udp)
        .default_port();
    via.port().filter(|port| *port != 0).unwrap_or(default)
}

/// The To tag of a response of ours.
pub(super) fn tag_in_response(response: &bytes::Bytes) -> Option<String> {
    let message = Message::parse(response.clone()).ok()?;
    let to = NameAddr::parse(message.header(Name::To)?).ok()?;
    to.tag()
        .and_then(|tag| std::str::from_utf8(tag).ok())
        .map(str::to_owned)
}
