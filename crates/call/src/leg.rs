//! One leg: a SIP dialog with one party, and what is open in it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axbridge_media::sdp::{self, LocalMedia, SessionDescription};
use axbridge_media::{Direction, Negotiated};
use axbridge_sip::{
    ClientTx, Dialog, Hop, Message, Method, Name, RequestBuilder, ResponseBuilder, ServerTx,
};
use bytes::Bytes;
use smallvec::SmallVec;

use crate::compose;
use crate::core::{Ctx, LegKey};
use crate::directory::Trunk;
use crate::ids::Tag;
use crate::reliable;
use crate::trace::SipKind;

/// How far a leg is.
pub(crate) enum State {
    /// Their INVITE waits for our final answer.
    Invited { tx: ServerTx, cseq: u32 },
    /// Our INVITE waits for their final answer.
    Calling { tx: ClientTx, cancelled: bool },
    /// The dialog is confirmed.
    Up,
    /// Our BYE waits for its answer.
    Leaving { tx: ClientTx },
    /// Nothing is left.
    Gone,
}

/// An early dialog of our INVITE: one for each To tag (RFC 3261 §12.1.2, forking).
pub(crate) struct Fork {
    pub dialog: Dialog,
    pub received: reliable::Received,
    /// The session description it has given, as its answer to our offer.
    pub answer: Option<(Negotiated, SessionDescription)>,
    /// The answer came in a reliable response: it is the answer, not a preview.
    pub settled: bool,
    /// It has said that it is over; kept as long as there is room, as not all who say so mean it.
    pub over: bool,
}

/// Early dialogs kept for one INVITE; further ones are ignored.
pub(crate) const FORKS_MAX: usize = 8;

/// ACKs kept for repeats: of the INVITE, of its surplus forks, of re-INVITEs.
const ACKS_MAX: usize = 16;

/// A 2xx of ours to an INVITE that has not been acknowledged (RFC 3261 §13.3.1.4).
pub(crate) struct Unacked {
    pub tx: ServerTx,
    pub cseq: u32,
    /// It made the dialog.
    initial: bool,
    resend_at: Instant,
    interval: Duration,
    give_up_at: Instant,
}

/// An ACK of ours, kept to be repeated with each repeat of the 2xx.
struct SentAck {
    cseq: u32,
    remote_tag: Box<[u8]>,
    hop: Hop,
    bytes: Bytes,
}

/// An offer of ours in a re-INVITE or UPDATE that waits for its answer.
pub(crate) struct Offering {
    pub tx: ClientTx,
    pub cseq: u32,
    /// Nobody on the other leg asked for it: we bring the legs into line ourselves (module `settle`).
    pub settling: bool,
}

/// What a peer says it can do.
#[derive(Clone, Copy, Default)]
pub(crate) struct Abilities {
    /// INFO is in its Allow, or it sent no Allow.
    pub info: bool,
}

impl Abilities {
    pub fn of(message: &Message) -> Abilities {
        let silent = message.header(Name::Allow).is_none();
        Abilities {
            info: silent || message.lists(Name::Allow, "INFO"),
        }
    }
}

/// See the module.
pub(crate) struct Leg {
    pub key: LegKey,
    pub trunk: Arc<Trunk>,
    pub hop: Hop,
    pub tag: Tag,
    pub call_id: Box<[u8]>,
    pub contact: String,
    pub state: State,
    /// CSeq number of the INVITE that made the dialog.
    pub invite_cseq: u32,
    /// Confirmed, or on the caller's side early.
    pub dialog: Option<Dialog>,
    pub abilities: Abilities,
    /// Writes our session descriptions; none before ports are open.
    pub local: Option<LocalMedia>,
    /// What both sides agreed last.
    pub negotiated: Option<Negotiated>,
    /// Their offer that we have not answered yet.
    pub offered: Option<SessionDescription>,
    /// Their description in force: the last offer that we answered, or the last answer that we took.
    pub theirs: Option<SessionDescription>,
    /// The direction that they want for themselves. An answer does not say it all: who is offered `sendonly` can
    /// only answer `recvonly`, whatever it wants.
    pub wants: Direction,
    /// Our last offer, to read its answer by.
    pub our_offer: Option<sdp::Offered>,
    /// The direction in it.
    pub our_direction: Direction,
    /// What this leg has settled does not fit the other leg: it is to be offered anew.
    pub stale: bool,
    /// Such an offer met another one (491): not again before this moment.
    pub settle_at: Option<Instant>,
    /// We sent an offer in a 2xx; the answer comes in the ACK.
    pub answer_in_ack: bool,
    /// We sent an offer in a reliable provisional response; the answer comes in its PRACK.
    pub answer_in_prack: bool,
    /// Our answer went out in a reliable response and is not repeated in the 2xx.
    pub answer_settled: bool,
    /// Our answer in an unreliable provisional response; the 2xx repeats it.
    pub early_body: Option<Bytes>,
    /// The last provisional status sent without a body.
    pub last_progress: Option<u16>,
    /// When the caller has to hear again that its INVITE is not forgotten.
    pub progress_at: Option<Instant>,
    /// Our offer that is still open.
    pub offering: Option<Offering>,
    /// Our last question whether the peer is still there.
    pub probe: Option<ClientTx>,
    /// The peer has said that it does not know the dialog.
    pub suspect: bool,
    /// Early dialogs of our INVITE.
    pub forks: SmallVec<[Fork; 1]>,
    /// Our From value, on legs that we open.
    pub our_from: String,
    /// Reliable provisional responses that we send; none when the peer cannot take them.
    pub reliable: Option<reliable::Sender>,
    pub unacked: Option<Unacked>,
    pub bye_after_ack: Option<u8>,
    acks: SmallVec<[SentAck; 1]>,
}

impl Leg {
    pub fn new(
        key: LegKey,
        trunk: Arc<Trunk>,
        hop: Hop,
        tag: Tag,
        call_id: &[u8],
        contact: String,
        state: State,
    ) -> Self {
        Leg {
            key,
            trunk,
            hop,
            tag,
            call_id: call_id.into(),
            contact,
            invite_cseq: match state {
                State::Invited { cseq, .. } => cseq,
                _ => 1,
            },
            state,
            dialog: None,
            abilities: Abilities::default(),
            local: None,
            negotiated: None,
            offered: None,
            theirs: None,
            wants: Direction::SendRecv,
            our_offer: None,
            our_direction: Direction::SendRecv,
            stale: false,
            settle_at: None,
            answer_in_ack: false,
            answer_in_prack: false,
            answer_settled: false,
            early_body: None,
            last_progress: None,
            progress_at: None,
            offering: None,
            probe: None,
            suspect: false,
            forks: SmallVec::new(),
            our_from: String::new(),
            reliable: None,
            unacked: None,
            bye_after_ack: None,
            acks: SmallVec::new(),
        }
    }

    /// Nothing is left to do. A 2xx is repeated even when a BYE has come or gone, or the peer's INVITE would
    /// never be answered.
    pub fn is_gone(&self) -> bool {
        matches!(self.state, State::Gone) && self.unacked.is_none()
    }

    /// Nothing is open in its dialog: what it has negotiated stands.
    pub fn is_settled(&self) -> bool {
        self.is_up()
            && self.unacked.is_none()
            && self.offered.is_none()
            && self.offering.is_none()
            && !self.answer_in_ack
    }

    pub fn is_up(&self) -> bool {
        matches!(self.state, State::Up)
    }

    /// Over, or about to be: nothing but a BYE means anything any more.
    pub fn is_leaving(&self) -> bool {
        matches!(self.state, State::Gone | State::Leaving { .. }) || self.bye_after_ack.is_some()
    }

    /// True while the peer has made no offer and we have made none either.
    pub fn must_offer_first(&self) -> bool {
        self.offered.is_none() && self.negotiated.is_none() && self.our_offer.is_none()
    }

    /// The dialog that a message belongs to: the leg's own, or an early one of our INVITE.
    pub fn dialog_of(&mut self, message: &Message) -> Option<&mut Dialog> {
        let own = self.dialog.as_mut().filter(|d| d.is_for(message));
        own.or_else(|| {
            self.forks
                .iter_mut()
                .map(|f| &mut f.dialog)
                .find(|d| d.is_for(message))
        })
    }

    /// A response of this leg that belongs to its dialog.
    pub fn response(&self, status: u16) -> ResponseBuilder {
        compose::dialog_response(status, self.tag, self.contact.clone(), &self.trunk)
    }

    /// A response to a request inside the dialog that needs no Contact.
    pub fn plain(&self, status: u16) -> ResponseBuilder {
        ResponseBuilder::new(status).to_tag(&self.tag.to_string())
    }

    pub fn respond(&self, ctx: &mut Ctx<'_>, tx: ServerTx, response: ResponseBuilder) {
        if let Some(request) = ctx.core.endpoint.server_request(tx) {
            let kind = SipKind::response(response.status(), request.cseq_method());
            ctx.core.saw(ctx.now, self.key.side, true, kind);
        }
        // A transaction that has ended meanwhile has nobody left who waits for this response.
        let _ = ctx.core.endpoint.respond(ctx.now.mono, tx, response);
    }

    /// Sends a 2xx to an INVITE and repeats it until its ACK comes.
    pub fn accept(
        &mut self,
        ctx: &mut Ctx<'_>,
        tx: ServerTx,
        cseq: u32,
        response: ResponseBuilder,
    ) {
        self.respond(ctx, tx, response);
        let (now, t1) = (ctx.now.mono, ctx.t1());
        self.unacked = Some(Unacked {
            tx,
            cseq,
            initial: matches!(self.state, State::Invited { .. }),
            resend_at: now + t1,
            interval: t1,
            give_up_at: now + 64 * t1,
        });
    }

    /// An ACK for a 2xx came. False when none is waited for.
    pub fn acked(&mut self, cseq: u32) -> bool {
        let hit = self.unacked.as_ref().is_some_and(|u| u.cseq == cseq);
        if hit {
            self.unacked = None;
        }
        hit
    }

    /// Acknowledges a 2xx of theirs, and keeps the ACK for its repeats.
    pub fn send_ack(&mut self, ctx: &mut Ctx<'_>, cseq: u32) {
        if let Some(dialog) = self.dialog.take() {
            self.send_ack_in(ctx, &dialog, cseq);
            self.dialog = Some(dialog);
        }
    }

    /// The same in a dialog that is not (or not yet) the leg's own.
    pub fn send_ack_in(&mut self, ctx: &mut Ctx<'_>, dialog: &Dialog, cseq: u32) {
        let hop = dialog.hop();
        let remote_tag = dialog.id().remote_tag.as_ref().into();
        let kind = SipKind::request(&Method::Ack);
        ctx.core.saw(ctx.now, self.key.side, true, kind);
        let bytes = ctx.core.endpoint.send_ack(hop, dialog.ack(cseq));
        if self.acks.len() == ACKS_MAX {
            self.acks.remove(0);
        }
        self.acks.push(SentAck {
            cseq,
            remote_tag,
            hop,
            bytes,
        });
    }

    /// A 2xx that was acknowledged before has come again: so does its ACK. False when it is a new one.
    pub fn repeat_ack(&self, ctx: &mut Ctx<'_>, message: &Message) -> bool {
        let tag = message.to().tag().unwrap_or_default();
        let cseq = message.cseq().seq;
        let sent = |a: &&SentAck| a.cseq == cseq && a.remote_tag.as_ref() == tag;
        let Some(ack) = self.acks.iter().find(sent) else {
            return false;
        };
        ctx.core.endpoint.send(ack.hop, ack.bytes.clone());
        true
    }

    /// Sends a request inside the dialog.
    pub fn request(
        &mut self,
        ctx: &mut Ctx<'_>,
        method: Method,
        fill: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Option<ClientTx> {
        let dialog = self.dialog.as_mut()?;
        let request = fill(dialog.request(method));
        let hop = dialog.hop();
        Some(ctx.core.request(ctx.now, self.key, hop, request))
    }

    /// Ends a confirmed dialog; while the 2xx that made it is unacknowledged the BYE waits for the ACK (RFC
    /// 3261 §15).
    pub fn bye(&mut self, ctx: &mut Ctx<'_>, cause: u8) {
        if self.unacked.as_ref().is_some_and(|u| u.initial) {
            self.bye_after_ack = Some(cause);
            return;
        }
        self.bye_now(ctx, cause);
    }

    /// Takes note of what the peer said in an offer, or in an answer to ours.
    pub fn heard(&mut self, description: SessionDescription, is_answer: bool) {
        let said = description.audio().map_or(self.wants, |s| s.direction);
        self.wants = if is_answer {
            let (could, before) = (self.our_direction, self.wants);
            let sends = if could.receives() {
                said.sends()
            } else {
                before.sends()
            };
            let receives = if could.sends() {
                said.receives()
            } else {
                before.receives()
            };
            Direction::of(sends, receives)
        } else {
            said
        };
        self.theirs = Some(description);
    }

    pub fn bye_now(&mut self, ctx: &mut Ctx<'_>, cause: u8) {
        self.bye_after_ack = None;
        let reason = compose::q850_reason(cause);
        self.state = match self.request(ctx, Method::Bye, |r| r.header(Name::Reason, reason)) {
            Some(tx) => State::Leaving { tx },
            None => State::Gone,
        };
    }

    pub fn next_deadline(&self) -> Option<Instant> {
        let settle = self.settle_at.filter(|_| self.is_up());
        let invited = matches!(self.state, State::Invited { .. });
        let progress = self.progress_at.filter(|_| invited);
        let unacked = self.unacked.as_ref().map(|u| u.resend_at.min(u.give_up_at));
        let reliable = self
            .reliable
            .as_ref()
            .and_then(reliable::Sender::next_deadline);
        let all = [unacked, reliable, settle, progress];
        all.into_iter().flatten().min()
    }

    /// Repeats the 2xx when it is due. True when the peer has not acknowledged it in 64*T1.
    pub fn tick_unacked(&mut self, ctx: &mut Ctx<'_>) -> bool {
        let now = ctx.now.mono;
        let t2 = ctx.core.config.sip.t2;
        let Some(u) = &mut self.unacked else {
            return false;
        };
        if now >= u.give_up_at {
            self.unacked = None;
            return true;
        }
        if now >= u.resend_at {
            u.interval = (2 * u.interval).min(t2);
            u.resend_at = now + u.interval;
            ctx.core.endpoint.resend(now, u.tx);
        }
        false
    }
}
