//! What the callee's side answers to our INVITE, and what the caller gets of it.

use std::time::Duration;

use axbridge_media::sdp::SessionDescription;
use axbridge_media::{Command, Negotiated, Side};
use axbridge_sip::{Dialog, Hop, Message, Method, Name};
use bytes::Bytes;

use crate::call::{Call, Phase};
use crate::compose;
use crate::core::Ctx;
use crate::leg::{Abilities, FORKS_MAX, Fork, Leg, State};
use crate::offer;
use crate::outcome::Ending;
use crate::reliable::{Received, Waiting};
use crate::sound::Purpose;
use crate::trace::Note;

/// A caller whose INVITE is not answered hears from us at least so often (RFC 3261 §13.3.1.1).
pub(crate) const PROGRESS_EVERY: Duration = Duration::from_secs(60);

impl Call {
    /// A response to the INVITE of the second leg.
    pub fn callee_response(&mut self, ctx: &mut Ctx<'_>, message: &Message, hop: Hop) {
        match message.status().unwrap_or(0) {
            0..=100 => {}
            status @ (180..=183 | 199) => self.callee_progress(ctx, status, message, hop),
            // What we do not know counts as 183 (RFC 3261 §8.1.3.2), and is passed on as what it counts as.
            101..=199 => self.callee_progress(ctx, 183, message, hop),
            200..=299 => self.callee_accepts(ctx, message, hop),
            status => self.callee_refuses(ctx, status, message),
        }
    }

    fn callee_progress(&mut self, ctx: &mut Ctx<'_>, status: u16, message: &Message, hop: Hop) {
        let Some(heard) = self.take_provisional(ctx, message, hop) else {
            return;
        };
        if !matches!(self.phase, Phase::Calling) {
            return;
        }
        if heard.early_media {
            self.connect_side(ctx, Side::B);
        }
        if status == 199 {
            // One of the callee's early dialogs is over (RFC 6228); the caller has only one, which goes on.
            if let Some(leg) = self.b.as_mut()
                && let Some(fork) = leg.forks.iter_mut().find(|f| f.dialog.is_for(message))
            {
                fork.over = true;
            }
            return;
        }
        if status == 180 {
            if !self.story.rang() {
                ctx.note(Note::said("The callee's telephone rings."));
            }
            let fact = self.story.alerting(ctx.now.wall_ms);
            ctx.core.tell(fact);
        }
        self.tell_caller_progress(ctx, status, heard.early_media);
    }

    /// Takes a provisional response into its early dialog and acknowledges it where it is reliable. None: it
    /// is a repeat or comes out of order.
    fn take_provisional(
        &mut self,
        ctx: &mut Ctx<'_>,
        message: &Message,
        hop: Hop,
    ) -> Option<Heard> {
        let calling = matches!(self.phase, Phase::Calling);
        let leg = self.b.as_mut()?;
        let nothing = Some(Heard { early_media: false });
        let Some(index) = fork_of(leg, message, hop) else {
            return nothing;
        };
        let fork = &mut leg.forks[index];
        let rseq = message.rseq().filter(|_| message.requires("100rel"));
        if let Some(rseq) = rseq {
            if !fork.received.is_next(rseq) {
                return None;
            }
            let rack = format!("{rseq} {} INVITE", message.cseq().seq);
            let prack = fork.dialog.request(Method::Prack).header(Name::RAck, rack);
            ctx.core.request(ctx.now, leg.key, fork.dialog.hop(), prack);
        }
        if fork.settled || !calling || !message.is_content_type(compose::SDP) {
            return nothing;
        }
        let Ok((answer, theirs)) = offer::read_answer(leg, &message.body()) else {
            return nothing;
        };
        let fork = &mut leg.forks[index];
        fork.settled = rseq.is_some();
        fork.answer = Some((answer.clone(), theirs.clone()));
        leg.negotiated = Some(answer);
        leg.heard(theirs, true);
        Some(Heard { early_media: true })
    }

    /// The caller hears of it: by status, by the callee's early media, or by our ring-back.
    fn tell_caller_progress(&mut self, ctx: &mut Ctx<'_>, status: u16, early_media: bool) {
        if early_media {
            self.sound.stop_ring_back(ctx, Side::A);
            self.sound.command(ctx, Command::Bridge(true));
        }
        let answered_early = self.a.negotiated.is_some();
        let body = if early_media && !answered_early {
            self.answer_matching_callee()
        } else {
            None
        };
        if body.is_some() {
            self.connect_side(ctx, Side::A);
        }
        self.provisional(ctx, status, body);
        self.ring_back_if_silent(ctx);
    }

    /// A caller who has been promised early media hears ring-back when there is nothing else to hear.
    pub fn ring_back_if_silent(&mut self, ctx: &mut Ctx<'_>) {
        if self.joining {
            return self.sound.ring_back(ctx, Side::A);
        }
        let callee_heard = self.b.as_ref().is_some_and(|b| b.negotiated.is_some());
        let calling = matches!(self.phase, Phase::Calling);
        if calling && self.story.rang() && self.a.negotiated.is_some() && !callee_heard {
            self.sound.ring_back(ctx, Side::A);
        }
    }

    /// Our answer to the caller with the codec that the callee chose, or the other G.711 law.
    fn answer_matching_callee(&mut self) -> Option<Bytes> {
        let chosen = self.b.as_ref()?.negotiated.as_ref()?.clone();
        offer::answer_as(&mut self.a, &chosen).ok()
    }

    /// Sends a provisional response to the caller, reliably where both can.
    pub fn provisional(&mut self, ctx: &mut Ctx<'_>, status: u16, body: Option<Bytes>) {
        let State::Invited { tx, .. } = self.a.state else {
            return;
        };
        if body.is_none() && self.a.last_progress == Some(status) {
            return;
        }
        self.a.last_progress = Some(status);
        let carries_sdp = body.is_some();
        let mut response = self.a.response(status);
        if let Some(body) = body {
            self.a.early_body = Some(body.clone());
            response = response.body(compose::SDP, body);
        }
        self.send_provisional(
            ctx,
            tx,
            Waiting {
                response,
                carries_sdp,
            },
        );
    }

    /// The caller's INVITE has no answer yet, and its proxies want to hear so each minute (RFC 3261 §13.3.1.1): the
    /// last provisional response again, or a bare 183 when there was none but 100.
    pub fn repeat_progress(&mut self, ctx: &mut Ctx<'_>) {
        let State::Invited { tx, .. } = self.a.state else {
            return;
        };
        self.a.progress_at = Some(ctx.now.mono + PROGRESS_EVERY);
        if self.a.reliable.as_ref().is_some_and(|r| r.is_pending()) {
            // That one is being repeated already, until its PRACK comes.
            return;
        }
        let mut response = self.a.response(self.a.last_progress.unwrap_or(183));
        // Only what went out unreliably may stand in more than one response.
        let early = self.a.early_body.clone();
        if let Some(body) = early.filter(|_| !self.a.answer_settled && !self.a.answer_in_prack) {
            response = response.body(compose::SDP, body);
        }
        let next = Waiting {
            response,
            carries_sdp: false,
        };
        self.send_provisional(ctx, tx, next);
    }

    /// Sends a provisional response now, or when the reliable one before it has been acknowledged.
    pub fn send_provisional(
        &mut self,
        ctx: &mut Ctx<'_>,
        tx: axbridge_sip::ServerTx,
        mut next: Waiting,
    ) {
        if self.a.reliable.is_some() && self.a.must_offer_first() {
            // A late offer: the first reliable response has to carry it (RFC 3261 §13.2.1).
            if let Ok(body) = offer::to_caller(&mut self.a, None) {
                self.a.answer_in_prack = true;
                next = Waiting {
                    response: next.response.body(compose::SDP, body),
                    carries_sdp: true,
                };
            }
        }
        let t1 = ctx.t1();
        self.a.progress_at = Some(ctx.now.mono + PROGRESS_EVERY);
        let Some(reliable) = &mut self.a.reliable else {
            return self.a.respond(ctx, tx, next.response);
        };
        let carries_answer = next.carries_sdp && !self.a.answer_in_prack;
        if let Some(response) = reliable.offer(ctx.now.mono, t1, next) {
            self.a.respond(ctx, tx, response);
        }
        self.a.answer_settled |= carries_answer;
    }

    fn callee_accepts(&mut self, ctx: &mut Ctx<'_>, message: &Message, hop: Hop) {
        let Some(leg) = self.b.as_mut() else { return };
        let cseq = message.cseq().seq;
        let State::Calling { cancelled, .. } = leg.state else {
            return accepted_again(ctx, leg, message, hop);
        };
        let settled = settled_answer(leg, message);
        let Some(dialog) = confirmed_dialog(leg, message, hop) else {
            // A 2xx without a usable To tag or Contact sets up nothing that could be talked to.
            leg.state = State::Gone;
            return self.end(
                ctx,
                Ending::CalleeFailed {
                    status: 500,
                    ringing: true,
                    q850: None,
                },
            );
        };
        leg.dialog = Some(dialog);
        leg.abilities = Abilities::of(message);
        leg.state = State::Up;
        leg.send_ack(ctx, cseq);
        if cancelled || !matches!(self.phase, Phase::Calling) {
            // The 2xx and our CANCEL crossed (RFC 3261 §9.1): the dialog stands and is ended.
            let cause = self
                .story
                .ending()
                .unwrap_or(Ending::CallerGaveUp)
                .outcome()
                .q850;
            return leg.bye_now(ctx, cause);
        }
        let Some((negotiated, theirs)) =
            settled.or_else(|| offer::read_answer(leg, &message.body()).ok())
        else {
            return self.end(ctx, Ending::NoCodec);
        };
        leg.negotiated = Some(negotiated);
        leg.heard(theirs, true);
        self.answered(ctx);
    }

    /// The callee has answered: the caller is answered too, and talk begins.
    fn answered(&mut self, ctx: &mut Ctx<'_>) {
        self.phase = Phase::Talking;
        self.deadlines.answer = None;
        ctx.note(Note::said("The callee has answered."));
        let fact = self.story.answer(ctx.now.wall_ms);
        ctx.core.tell(fact);
        self.connect_side(ctx, Side::B);
        if self.a.is_up() {
            // Answered at the menu: it may have changed its mind about direction since.
            self.settled(Side::A);
        }
        let hint = self.plan.as_ref().and_then(|p| p.callee_hint.clone());
        self.joining = hint.is_some();
        if let Some(hint) = hint {
            // Early media of the callee may have joined them already.
            self.sound.command(ctx, Command::Bridge(false));
            self.sound.play(ctx, Side::B, hint, Purpose::CalleeHint);
        } else {
            self.sound.stop(ctx, Side::A);
            self.sound.command(ctx, Command::Bridge(true));
        }
        if self
            .a
            .reliable
            .as_ref()
            .is_some_and(|r| r.holds_answer_back())
        {
            self.answer_owed = true;
        } else {
            self.answer_caller(ctx);
        }
        self.talk_begins(ctx);
    }

    /// Sends the 200 to the caller's INVITE.
    pub fn answer_caller(&mut self, ctx: &mut Ctx<'_>) {
        let State::Invited { tx, cseq } = self.a.state else {
            return;
        };
        self.answer_owed = false;
        let body = if self.a.answer_settled || self.a.answer_in_prack {
            None
        } else if self.a.negotiated.is_some() {
            self.a.early_body.clone()
        } else if self.a.offered.is_some() {
            let Some(body) = self.answer_matching_callee() else {
                return self.end(ctx, Ending::NoCodec);
            };
            Some(body)
        } else {
            let chosen = self.b.as_ref().and_then(|b| b.negotiated.clone());
            self.a.answer_in_ack = true;
            offer::to_caller(&mut self.a, chosen.as_ref()).ok()
        };
        self.accept_caller(ctx, tx, cseq, body);
        self.promised_otherwise();
    }

    /// The callee has answered otherwise than the caller was promised: another fork with another codec, or on hold.
    fn promised_otherwise(&mut self) {
        let Some(promised) = &self.a.negotiated else {
            return;
        };
        if let Some(callee) = &mut self.b
            && let Some(answered) = &callee.negotiated
        {
            callee.stale |= !answered.codec.bridges_to(&promised.codec);
            self.a.stale |= answered.direction != promised.direction.reversed();
        }
    }

    fn callee_refuses(&mut self, ctx: &mut Ctx<'_>, status: u16, message: &Message) {
        let Some(leg) = self.b.as_mut() else { return };
        if matches!(leg.state, State::Calling { .. }) {
            leg.state = State::Gone;
        }
        let ringing = self.story.rang();
        self.end(
            ctx,
            Ending::CalleeFailed {
                status,
                ringing,
                q850: message.q850_cause(),
            },
        );
    }
}

/// What a provisional response brought.
struct Heard {
    early_media: bool,
}

/// The early dialog of a response, made at its first one. None for a response without a To tag, or when there
/// are more forks than we keep.
fn fork_of(leg: &mut Leg, message: &Message, hop: Hop) -> Option<usize> {
    let tag = message.to().tag()?;
    if let Some(index) = leg
        .forks
        .iter()
        .position(|f| f.dialog.id().remote_tag.as_ref() == tag)
    {
        return Some(index);
    }
    if leg.forks.len() >= FORKS_MAX {
        let over = leg.forks.iter().position(|f| f.over)?;
        leg.forks.swap_remove(over);
    }
    let dialog = new_dialog(leg, message, hop)?;
    leg.forks.push(Fork {
        dialog,
        received: Received::default(),
        answer: None,
        settled: false,
        over: false,
    });
    Some(leg.forks.len() - 1)
}

/// The dialog of a 2xx: its early one, whose CSeq numbers go on, or a new one.
fn confirmed_dialog(leg: &mut Leg, message: &Message, hop: Hop) -> Option<Dialog> {
    if let Some(place) = leg.forks.iter().position(|f| f.dialog.is_for(message)) {
        let mut dialog = leg.forks.swap_remove(place).dialog;
        return dialog.confirm(message).is_ok().then_some(dialog);
    }
    new_dialog(leg, message, hop)
}

/// The dialog that a response to our INVITE makes.
fn new_dialog(leg: &Leg, message: &Message, hop: Hop) -> Option<Dialog> {
    let mut dialog = Dialog::uac(leg.our_from.as_bytes(), message, hop).ok()?;
    dialog.set_follow(leg.trunk.follows_contact());
    Some(dialog)
}

/// The answer that this early dialog has given already: a reliable one stands; an unreliable one stands when
/// the 2xx brings none.
fn settled_answer(leg: &Leg, message: &Message) -> Option<(Negotiated, SessionDescription)> {
    let tag = message.to().tag()?;
    let fork = leg
        .forks
        .iter()
        .find(|f| f.dialog.id().remote_tag.as_ref() == tag)?;
    let stands = fork.settled || !message.is_content_type(compose::SDP);
    fork.answer.clone().filter(|_| stands)
}

/// A further 2xx: our ACK was lost, or another fork answered too and is thanked and ended.
fn accepted_again(ctx: &mut Ctx<'_>, leg: &mut Leg, message: &Message, hop: Hop) {
    let Some(tag) = message.to().tag() else {
        return;
    };
    if leg.repeat_ack(ctx, message) {
        return;
    }
    let own = leg.dialog.as_ref().map(|d| d.id().remote_tag.as_ref());
    if own == Some(tag) {
        return;
    }
    // The CSeq numbers of its early dialog go on: PRACKs may have used some.
    if let Some(mut dialog) = confirmed_dialog(leg, message, hop) {
        leg.send_ack_in(ctx, &dialog, message.cseq().seq);
        leave_surplus(ctx, &mut dialog);
    }
}

/// The dialog of a further 2xx is ended at once (RFC 3261 §13.2.2.4).
fn leave_surplus(ctx: &mut Ctx<'_>, dialog: &mut Dialog) {
    let bye = dialog
        .request(Method::Bye)
        .header(Name::Reason, compose::q850_reason(16));
    ctx.core.endpoint.request(ctx.now.mono, dialog.hop(), bye);
}

/// More requests than we send in an early dialog: PRACKs, one for each reliable response.
const EARLY_REQUESTS_MAX: u32 = 1_000;

/// Acknowledges a 2xx of a call that is forgotten, and ends its dialog.
pub(crate) fn end_surplus(ctx: &mut Ctx<'_>, our_from: &[u8], message: &Message, hop: Hop) {
    let Ok(mut dialog) = Dialog::uac(our_from, message, hop) else {
        return;
    };
    let snapshot = ctx.core.directory.snapshot();
    let trunk = snapshot.trunk_of(hop.remote);
    dialog.set_follow(trunk.is_none_or(|t| t.follows_contact()));
    drop(snapshot);
    ctx.core
        .endpoint
        .send_ack(dialog.hop(), dialog.ack(message.cseq().seq));
    dialog.skip(EARLY_REQUESTS_MAX);
    leave_surplus(ctx, &mut dialog);
}
