//! Dialogs: RFC 3261 §12, the peer-to-peer state that outlives a transaction.
//!
//! A [`Dialog`] is built from the message that made it and copies what it keeps, so that a call of an hour does not hold on to its
//! INVITE. It decides what a request within the dialog looks like (route set, remote target, CSeq, tags) and which CSeq may
//! come; what is said in it is the user's affair.

use crate::build::RequestBuilder;
use crate::headers::NameAddr;
use crate::message::Message;
use crate::method::Method;
use crate::name::Name;
use crate::transport::{Hop, Transport};
use crate::uri::{Scheme, Uri};
use std::fmt;
use std::net::SocketAddr;

/// More proxies than this have no business on the path of a call.
const ROUTES_MAX: usize = 32;

/// Why a message makes no dialog. The sender is to blame: 400 where it was a request.
#[derive(Copy, Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum DialogError {
    /// No Contact, or none with a SIP URI.
    #[error("no usable Contact")]
    NoContact,
    /// A Record-Route that cannot be read, or too many.
    #[error("unusable Record-Route")]
    BadRoute,
    /// A provisional response without a tag in To.
    #[error("no tag")]
    NoTag,
    /// A response was given for a request, or the other way round.
    #[error("not the kind of message that makes this side of a dialog")]
    WrongKind,
}

/// A request came whose CSeq is not above the last one's (§12.2.2): answer 500.
#[derive(Copy, Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("CSeq {got} after {last}")]
pub struct OutOfOrder {
    /// Last number accepted.
    pub last: u32,
    /// The number that came.
    pub got: u32,
}

/// What names a dialog (§12).
#[derive(Clone, Eq, PartialEq, Hash)]
pub struct DialogId {
    /// Call-ID.
    pub call_id: Box<[u8]>,
    /// Our tag.
    pub local_tag: Box<[u8]>,
    /// The peer's tag; empty for an RFC 2543 peer without one.
    pub remote_tag: Box<[u8]>,
}

impl DialogId {
    /// The dialog that a request from the peer speaks of: its To tag is ours.
    #[must_use]
    pub fn of_request(request: &Message) -> DialogId {
        DialogId::new(request.call_id(), request.to().tag(), request.from().tag())
    }

    /// The dialog that a response from the peer speaks of: its From tag is ours.
    #[must_use]
    pub fn of_response(response: &Message) -> DialogId {
        DialogId::new(
            response.call_id(),
            response.from().tag(),
            response.to().tag(),
        )
    }

    fn new(call_id: &[u8], local_tag: Option<&[u8]>, remote_tag: Option<&[u8]>) -> DialogId {
        let tag = |tag: Option<&[u8]>| tag.unwrap_or_default().into();
        DialogId {
            call_id: call_id.into(),
            local_tag: tag(local_tag),
            remote_tag: tag(remote_tag),
        }
    }
}

/// Call-IDs often carry an address of the peer's network, which is none of a log's business.
impl fmt::Debug for DialogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tag = |tag: &[u8]| String::from_utf8_lossy(tag).into_owned();
        f.debug_struct("DialogId")
            .field("local_tag", &tag(&self.local_tag))
            .field("remote_tag", &tag(&self.remote_tag))
            .finish_non_exhaustive()
    }
}

/// One side of a dialog.
#[derive(Clone)]
pub struct Dialog {
    id: DialogId,
    /// Our From value, tag included.
    local: Box<[u8]>,
    /// Our To value, tag included.
    remote: Box<[u8]>,
    local_seq: u32,
    remote_seq: Option<u32>,
    /// Route values in the order to be written.
    routes: Vec<Box<[u8]>>,
    /// Remote target: a URI fit for a request line.
    target: Box<[u8]>,
    hop: Hop,
    follow: bool,
}

impl Dialog {
    /// The called side: from the request that came by `hop` and the tag that we put into To (§12.1.1).
    pub fn uas(request: &Message, local_tag: &str, hop: Hop) -> Result<Dialog, DialogError> {
        if !request.is_request() {
            return Err(DialogError::WrongKind);
        }
        let target = target_of(request).ok_or(DialogError::NoContact)?;
        let mut local = request.header(Name::To).unwrap_or_default().to_vec();
        let mut id = DialogId::of_request(request);
        if id.local_tag.is_empty() {
            id.local_tag = local_tag.as_bytes().into();
            local.extend_from_slice(b";tag=");
            local.extend_from_slice(local_tag.as_bytes());
        }
        Ok(Dialog {
            id,
            local: local.into(),
            remote: request.header(Name::From).unwrap_or_default().into(),
            local_seq: 0,
            remote_seq: Some(request.cseq().seq),
            routes: record_route(request)?,
            target,
            hop,
            follow: true,
        })
    }

    /// The calling side: from our From value (tag included), the response, and the hop that the request went by
    /// (§12.1.2). Every To tag among the responses to one INVITE makes a dialog of its own.
    ///
    /// A response without Contact, which RFC 3261 does not allow but gateways send, takes the URI of To as target.
    pub fn uac(request_from: &[u8], response: &Message, hop: Hop) -> Result<Dialog, DialogError> {
        let status = response.status().ok_or(DialogError::WrongKind)?;
        if response.to().tag().is_none() && status < 200 {
            return Err(DialogError::NoTag);
        }
        let mut dialog = Dialog {
            id: DialogId::of_response(response),
            local: request_from.into(),
            remote: response.header(Name::To).unwrap_or_default().into(),
            local_seq: response.cseq().seq,
            remote_seq: None,
            routes: Vec::new(),
            target: request_uri(response.to().uri()),
            hop,
            follow: true,
        };
        dialog.confirm(response)?;
        Ok(dialog)
    }

    /// Calling side, at the 2xx: the route set is taken anew from it (§13.2.2.4), and the target.
    pub fn confirm(&mut self, response: &Message) -> Result<(), DialogError> {
        let mut routes = record_route(response)?;
        routes.reverse();
        self.routes = routes;
        if let Some(target) = target_of(response) {
            self.target = target;
        }
        Ok(())
    }

    /// What names it.
    #[must_use]
    pub fn id(&self) -> &DialogId {
        &self.id
    }

    /// Whether a message from the peer, request or response, belongs here.
    #[must_use]
    pub fn is_for(&self, message: &Message) -> bool {
        let (from, to) = (message.from(), message.to());
        let (ours, theirs) = if message.is_request() {
            (to, from)
        } else {
            (from, to)
        };
        message.call_id() == &*self.id.call_id
            && ours.tag().unwrap_or_default() == &*self.id.local_tag
            && theirs.tag().unwrap_or_default() == &*self.id.remote_tag
    }

    /// The next request of `method` in this dialog: next CSeq, route set, remote target, From, To, Call-ID
    /// (§12.2.1.1). For ACK see [`Dialog::ack`].
    #[must_use = "the CSeq is used up"]
    pub fn request(&mut self, method: Method) -> RequestBuilder {
        // 2^31 requests in one call cannot be made; the wrap keeps the number legal all the same.
        self.local_seq = (self.local_seq + 1) & 0x7fff_ffff;
        self.build(method, self.local_seq)
    }

    /// The ACK for a 2xx of the INVITE with this CSeq number (§13.2.2.4).
    #[must_use]
    pub fn ack(&self, invite_cseq: u32) -> RequestBuilder {
        self.build(Method::Ack, invite_cseq)
    }

    fn build(&self, method: Method, seq: u32) -> RequestBuilder {
        let first = self
            .routes
            .first()
            .and_then(|route| NameAddr::parse(route).ok());
        let (uri, routes, last): (_, &[Box<[u8]>], _) = match first {
            // Strict routing (§12.2.1.1): the first route becomes the Request-URI, the target the last route.
            Some(first) if !first.uri().params().has("lr") => (
                request_uri(first.uri()),
                &self.routes[1..],
                Some(bracketed(&self.target)),
            ),
            _ => (self.target.clone(), &self.routes[..], None),
        };
        let mut request = RequestBuilder::new(method, uri)
            .from(&self.local)
            .to(&self.remote)
            .call_id(&self.id.call_id)
            .cseq(seq);
        for route in routes.iter().chain(&last) {
            request = request.header(Name::Route, route);
        }
        request
    }

    /// Leaves out CSeq numbers: for a dialog in which requests were sent that are not known here any more.
    pub fn skip(&mut self, numbers: u32) {
        self.local_seq = self.local_seq.saturating_add(numbers) & 0x7fff_ffff;
    }

    /// Takes the CSeq number of a request from the peer (any but ACK and CANCEL) if it is above the last one's.
    pub fn accept_cseq(&mut self, seq: u32) -> Result<(), OutOfOrder> {
        if let Some(last) = self.remote_seq.filter(|last| seq <= *last) {
            return Err(OutOfOrder { last, got: seq });
        }
        self.remote_seq = Some(seq);
        Ok(())
    }

    /// CSeq number of the last request sent.
    #[must_use]
    pub fn local_seq(&self) -> u32 {
        self.local_seq
    }

    /// Takes the remote target from a target refresh (§12.2): an INVITE or UPDATE of the peer, or a response
    /// below 300 to ours. Any other message changes nothing.
    pub fn refresh_target(&mut self, message: &Message) {
        let refreshes = matches!(message.cseq_method(), Method::Invite | Method::Update);
        let target =
            target_of(message).filter(|_| message.status().is_none_or(|status| status < 300));
        if let (true, Some(target)) = (refreshes, target) {
            self.target = target;
        }
    }

    /// The remote target: the URI that requests are for.
    #[must_use]
    pub fn target(&self) -> &[u8] {
        &self.target
    }

    /// Whether [`Dialog::hop`] follows addresses that the peer names. On at first; off where a trunk is to be
    /// answered only where it was met.
    pub fn set_follow(&mut self, follow: bool) {
        self.follow = follow;
    }

    /// Takes another path from now on: a connection was lost and made anew, or the peer moved.
    pub fn set_hop(&mut self, hop: Hop) {
        self.hop = hop;
    }

    /// Where requests go (§12.2.1.1, §8.1.2): the first route or else the remote target, if it names an address of our
    /// socket's family and transport; in every other case the hop that the dialog was made on.
    #[must_use]
    pub fn hop(&self) -> Hop {
        match self.named_address() {
            Some(remote) if self.follow && remote != self.hop.remote => Hop {
                remote,
                conn: None,
                ..self.hop
            },
            _ => self.hop,
        }
    }

    fn named_address(&self) -> Option<SocketAddr> {
        let route = self
            .routes
            .first()
            .and_then(|route| NameAddr::parse(route).ok());
        let uri = match route {
            Some(route) => route.uri(),
            None => Uri::parse(&self.target).ok()?,
        };
        let transport = match (uri.scheme(), uri.param("transport")) {
            (Scheme::Sip, None) => self.hop.transport,
            (Scheme::Sip, Some(token)) => Transport::from_token(token)?,
            (Scheme::Sips, _) => Transport::Tls,
            _ => return None,
        };
        let address = uri.socket_addr(transport.default_port())?;
        let usable =
            transport == self.hop.transport && address.is_ipv4() == self.hop.local.is_ipv4();
        (usable && address.port() != 0 && !address.ip().is_unspecified()).then_some(address)
    }
}

/// Names neither party: addresses are personal data.
impl fmt::Debug for Dialog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialog")
            .field("id", &self.id)
            .field("local_seq", &self.local_seq)
            .field("remote_seq", &self.remote_seq)
            .field("routes", &self.routes.len())
            .field("hop", &self.hop)
            .finish_non_exhaustive()
    }
}

fn record_route(message: &Message) -> Result<Vec<Box<[u8]>>, DialogError> {
    let mut routes = Vec::new();
    for value in message.values(Name::RecordRoute) {
        NameAddr::parse(value).map_err(|_| DialogError::BadRoute)?;
        if routes.len() == ROUTES_MAX {
            return Err(DialogError::BadRoute);
        }
        routes.push(value.into());
    }
    Ok(routes)
}

fn target_of(message: &Message) -> Option<Box<[u8]>> {
    let contact = message.contact()?;
    let uri = contact.uri();
    matches!(uri.scheme(), Scheme::Sip | Scheme::Sips).then(|| request_uri(uri))
}

/// A URI without what may not stand in a request line (§19.1.1): headers and the `method` parameter.
fn request_uri(uri: Uri<'_>) -> Box<[u8]> {
    let raw = uri.raw();
    let headers = uri.headers().map_or(0, |headers| headers.len() + 1);
    let bare = &raw[..raw.len() - headers];
    if !uri.params().has("method") {
        return bare.into();
    }
    // The parameters with their `;` end what is left.
    let mut out = bare[..bare.len() - uri.params().raw().len() - 1].to_vec();
    for (name, value) in uri
        .params()
        .iter()
        .filter(|(name, _)| !name.eq_ignore_ascii_case(b"method"))
    {
        out.push(b';');
        out.extend_from_slice(name);
        if let Some(value) = value {
            out.push(b'=');
            out.extend_from_slice(value);
        }
    }
    out.into()
}

fn bracketed(uri: &[u8]) -> Box<[u8]> {
    [b"<", uri, b">"].concat().into()
}
