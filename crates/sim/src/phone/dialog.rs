//! A telephone's side of one dialog, with what it has agreed there.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axbridge_sip::{ClientTx, Message, Method, Name, RequestBuilder, ServerTx};
use bytes::Bytes;

use super::sdp::{self, Codec, Flow, Own, Theirs};
use crate::plan::Act;

/// How far a dialog is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// Before a 2xx.
    Early,
    /// After it.
    Confirmed,
    /// After a BYE, or refused.
    Ended,
}

/// A request of ours that is not answered.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    pub tx: ClientTx,
    pub method: Method,
    pub act: Act,
    pub tries: u8,
    pub offers: bool,
}

/// A 2xx of ours that waits for its ACK.
pub(crate) struct Unacked {
    pub cseq: u32,
    pub bytes: Bytes,
    pub interval: Duration,
    pub next: Instant,
    pub give_up: Instant,
    /// The ACK has to bring an answer.
    pub offered: bool,
}

/// An ACK of ours.
#[derive(Clone)]
pub(crate) struct Acknowledgement {
    pub request: RequestBuilder,
    /// None as long as it never got out.
    pub sent: Option<Bytes>,
}

/// A re-INVITE of theirs that is not answered.
pub(crate) struct Incoming {
    pub tx: ServerTx,
    pub message: Message,
}

/// See the module.
pub(crate) struct Dialog {
    pub call_id: Vec<u8>,
    pub local_tag: String,
    pub local: String,
    pub remote_tag: Vec<u8>,
    pub remote: Vec<u8>,
    pub target: Vec<u8>,
    pub cseq: u32,
    pub remote_cseq: u32,
    pub life: Life,
    pub media: Media,
    pub outgoing: Vec<Outgoing>,
    pub unacked: Option<Unacked>,
    pub incoming: Option<Incoming>,
    /// ACKs of ours, by CSeq.
    pub acks: BTreeMap<u32, Acknowledgement>,
    /// A request was sent after the 2xx: whoever gets it knows that the 2xx has come.
    pub spoke: bool,
    /// Reliable responses taken.
    pub rseq: Option<u32>,
    /// When something last changed here.
    pub touched: Instant,
}

impl Dialog {
    /// The caller's, from a response.
    pub fn calling(
        now: Instant,
        local: &str,
        local_tag: &str,
        cseq: u32,
        response: &Message,
        media: Media,
    ) -> Dialog {
        let mut dialog = Dialog {
            call_id: response.call_id().to_vec(),
            local_tag: local_tag.to_owned(),
            local: local.to_owned(),
            remote_tag: response.to().tag().unwrap_or_default().to_vec(),
            remote: response.header(Name::To).unwrap_or_default().to_vec(),
            target: Vec::new(),
            cseq,
            remote_cseq: 0,
            life: Life::Early,
            media,
            outgoing: Vec::new(),
            unacked: None,
            incoming: None,
            acks: BTreeMap::new(),
            spoke: false,
            rseq: None,
            touched: now,
        };
        dialog.take_target(response);
        dialog
    }

    /// The callee's, from the INVITE.
    pub fn called(now: Instant, local_tag: &str, invite: &Message, media: Media) -> Dialog {
        let to = String::from_utf8_lossy(invite.header(Name::To).unwrap_or_default()).into_owned();
        let mut dialog = Dialog {
            call_id: invite.call_id().to_vec(),
            local_tag: local_tag.to_owned(),
            local: format!("{to};tag={local_tag}"),
            remote_tag: invite.from().tag().unwrap_or_default().to_vec(),
            remote: invite.header(Name::From).unwrap_or_default().to_vec(),
            target: Vec::new(),
            cseq: 100,
            remote_cseq: invite.cseq().seq,
            life: Life::Early,
            media,
            outgoing: Vec::new(),
            unacked: None,
            incoming: None,
            acks: BTreeMap::new(),
            spoke: false,
            rseq: None,
            touched: now,
        };
        dialog.take_target(invite);
        dialog
    }

    pub fn take_target(&mut self, message: &Message) {
        if let Some(contact) = message.contact() {
            self.target = contact.uri().raw().to_vec();
        }
    }

    pub fn is_for(&self, message: &Message) -> bool {
        let (ours, theirs) = match message.is_request() {
            true => (message.to(), message.from()),
            false => (message.from(), message.to()),
        };
        message.call_id() == self.call_id
            && ours.tag() == Some(self.local_tag.as_bytes())
            && theirs.tag() == Some(&self.remote_tag)
    }

    pub fn request(&mut self, method: Method) -> RequestBuilder {
        self.cseq += 1;
        self.build(method, self.cseq)
    }

    pub fn build(&self, method: Method, cseq: u32) -> RequestBuilder {
        RequestBuilder::new(method, &self.target)
            .from(&self.local)
            .to(&self.remote)
            .call_id(&self.call_id)
            .cseq(cseq)
    }

    /// Where it sends: the Contact of the other side.
    pub fn target_address(&self) -> Option<SocketAddr> {
        axbridge_sip::Uri::parse(&self.target)
            .ok()?
            .socket_addr(5060)
    }

    /// An INVITE is under way in either direction.
    pub fn is_busy(&self) -> bool {
        let invites = |o: &Outgoing| o.method == Method::Invite;
        self.outgoing.iter().any(invites) || self.unacked.is_some() || self.incoming.is_some()
    }

    /// An offer is under way in either direction.
    pub fn offer_open(&self) -> bool {
        self.is_busy() || self.media.offered.is_some() || self.outgoing.iter().any(|o| o.offers)
    }

    pub fn end(&mut self, now: Instant) {
        self.life = Life::Ended;
        self.unacked = None;
        self.touched = now;
    }
}

/// What was agreed last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// Encoding name.
    pub codec: String,
    /// The number that the other side wants it under.
    pub pt: u8,
    /// Our direction.
    pub flow: Flow,
}

/// Offers and answers of one dialog.
#[derive(Clone)]
pub(crate) struct Media {
    pub own: Own,
    pub codecs: Vec<Codec>,
    pub wish: Flow,
    pub old_hold: bool,
    pub offered: Option<(Vec<Codec>, Flow)>,
    pub theirs: Option<Theirs>,
    pub agreed: Option<Agreed>,
    meaning: BTreeMap<u8, String>,
}

impl Media {
    pub fn new(own: Own, codecs: Vec<Codec>) -> Media {
        Media {
            own,
            codecs,
            wish: Flow::Both,
            old_hold: false,
            offered: None,
            theirs: None,
            agreed: None,
            meaning: BTreeMap::new(),
        }
    }

    pub fn offer(&mut self, codecs: &[Codec], wish: Flow, old_hold: bool) -> Bytes {
        let dtmf = self.own.dtmf;
        // The address 0.0.0.0 says that nothing can be received, whatever the direction says.
        let meant = if old_hold { Flow::Send } else { wish };
        self.offered = Some((codecs.to_vec(), meant));
        Bytes::from(self.own.write(codecs, wish, dtmf, old_hold))
    }

    /// Their answer to our offer.
    pub fn take_answer(&mut self, body: &[u8]) -> Result<(), String> {
        let (codecs, wish) = self.offered.take().ok_or("an answer without an offer")?;
        let theirs = self.take(body)?;
        let [(pt, name)] = &theirs.codecs[..] else {
            return Err(format!("an answer with {} codecs", theirs.codecs.len()));
        };
        let offered = codecs.iter().any(|c| c.pt == *pt && c.name == name);
        if !offered {
            return Err(format!("the answer {pt} {name} was not offered"));
        }
        if theirs.dtmf.is_some() && theirs.dtmf != self.own.dtmf {
            return Err("telephone-event under a number that was not offered".into());
        }
        if !wish.allows(theirs.flow) {
            return Err(format!("{:?} answered to {wish:?}", theirs.flow));
        }
        self.agreed = Some(Agreed {
            codec: name.clone(),
            pt: *pt,
            flow: theirs.flow.answered(wish),
        });
        self.wish = wish;
        self.theirs = Some(theirs);
        Ok(())
    }

    /// Our answer to their offer; none when there is no codec in common.
    pub fn answer(&mut self, body: &[u8]) -> Result<Option<Bytes>, String> {
        let theirs = self.take(body)?;
        let mine = |name: &str| self.codecs.iter().find(|c| c.name == name).copied();
        let chosen = theirs
            .codecs
            .iter()
            .find_map(|(pt, name)| mine(name).map(|c| Codec { pt: *pt, ..c }));
        let Some(chosen) = chosen else {
            return Ok(None);
        };
        let flow = theirs.flow.answered(self.wish);
        let dtmf = theirs.dtmf.filter(|_| self.own.dtmf.is_some());
        self.agreed = Some(Agreed {
            codec: chosen.name.to_owned(),
            pt: chosen.pt,
            flow,
        });
        self.theirs = Some(theirs);
        Ok(Some(Bytes::from(self.own.write(
            &[chosen],
            flow,
            dtmf,
            self.old_hold,
        ))))
    }

    /// An answer that refuses the stream: the offer holds nothing that we speak.
    pub fn refusal(&mut self) -> Bytes {
        Bytes::from(self.own.refuse())
    }

    /// Reads a description of theirs and holds it to the rules of RFC 3264 §8.
    fn take(&mut self, body: &[u8]) -> Result<Theirs, String> {
        let theirs = sdp::read(body)?;
        if let Some(before) = &self.theirs {
            if before.session != theirs.session {
                return Err("another session id in o=".into());
            }
            let same = before.rest == theirs.rest;
            let moved = theirs.version > before.version;
            // A text between the two may have been refused before it was read.
            let stands = theirs.version == before.version;
            if (stands && !same) || !(stands || moved) {
                return Err(format!(
                    "o= version {} after {}, text {}changed",
                    theirs.version,
                    before.version,
                    if same { "un" } else { "" }
                ));
            }
        }
        for (pt, name) in &theirs.codecs {
            let known = self.meaning.entry(*pt).or_insert_with(|| name.clone());
            if known != name {
                return Err(format!("payload type {pt} was {known} and is {name} now"));
            }
        }
        Ok(theirs)
    }
}
