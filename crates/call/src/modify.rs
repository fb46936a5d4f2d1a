//! Offers inside a dialog: re-INVITE and UPDATE (RFC 3261 §14, RFC 3311). What concerns only our own leg is
//! answered at once; hold, resume and a change of codec are first agreed with the other side.

use std::time::Duration;

use axbridge_media::Side;
use axbridge_media::sdp::SessionDescription;
use axbridge_sip::{ClientTx, Message, Method, Name, ServerTx};
use bytes::Bytes;

use crate::call::{Call, Phase};
use crate::compose;
use crate::core::Ctx;
use crate::leg::{Offering, State};
use crate::offer::{self, Heard};
use crate::outcome::Ending;
use crate::trace::SipKind;

/// An offer of one leg that waits for the other leg's answer.
pub(crate) struct Exchange {
    /// Who asked.
    pub from: Side,
    pub tx: ServerTx,
    pub cseq: u32,
    pub method: Method,
}

/// An UPDATE must be answered promptly (RFC 3311 §5.2), long before its sender gives up at 64*T1.
const UPDATE_WAIT: Duration = Duration::from_secs(8);
/// A re-INVITE may take as long as any transaction.
const REINVITE_WAIT: Duration = Duration::from_secs(32);

impl Call {
    /// A re-INVITE.
    pub fn reinvite(&mut self, ctx: &mut Ctx<'_>, side: Side, tx: ServerTx, message: &Message) {
        let Some(leg) = self.leg(side) else { return };
        if matches!(leg.state, State::Invited { .. }) {
            // Its own first INVITE is not answered yet.
            return self.busy_exchanging(ctx, side, tx);
        }
        let glare = !leg.is_up() || leg.offering.is_some() || leg.answer_in_ack;
        if glare {
            return leg.respond(ctx, tx, leg.plain(491));
        }
        if self.exchange.is_some() {
            return self.busy_exchanging(ctx, side, tx);
        }
        if message.body().is_empty() {
            return self.offer_in_2xx(ctx, side, tx, message);
        }
        self.offer_received(ctx, side, tx, message);
    }

    /// An UPDATE.
    pub fn update(&mut self, ctx: &mut Ctx<'_>, side: Side, tx: ServerTx, message: &Message) {
        let Some(leg) = self.leg(side) else { return };
        if message.body().is_empty() {
            if let Some(dialog) = leg.dialog_of(message) {
                dialog.refresh_target(message);
            }
            return leg.respond(ctx, tx, leg.response(200));
        }
        let our_offer_is_open = leg.offering.is_some()
            || leg.answer_in_ack
            || (leg.answer_in_prack && leg.negotiated.is_none())
            || (matches!(leg.state, State::Calling { .. }) && leg.negotiated.is_none());
        if our_offer_is_open {
            return leg.respond(ctx, tx, leg.plain(491));
        }
        let their_offer_is_open = leg.offered.is_some();
        if their_offer_is_open || self.exchange.is_some() {
            return self.busy_exchanging(ctx, side, tx);
        }
        self.offer_received(ctx, side, tx, message);
    }

    /// An offer is being answered already: try again in a moment (RFC 3261 §14.2, RFC 3311 §5.2).
    fn busy_exchanging(&mut self, ctx: &mut Ctx<'_>, side: Side, tx: ServerTx) {
        let retry_after = retry_after(ctx);
        let Some(leg) = self.leg(side) else { return };
        leg.respond(
            ctx,
            tx,
            leg.plain(500).header(Name::RetryAfter, retry_after),
        );
    }

    /// A re-INVITE without an offer: ours goes into the 2xx, the answer comes in the ACK.
    fn offer_in_2xx(&mut self, ctx: &mut Ctx<'_>, side: Side, tx: ServerTx, message: &Message) {
        let policy = self.narrow();
        let heard = self
            .leg(side.other())
            .and_then(|other| Heard::standing(other));
        let Some(leg) = self.leg(side) else { return };
        let body = match &heard {
            Some(heard) => offer::passing_on(leg, heard, policy),
            None => offer::to_caller(leg, None),
        };
        let Ok(body) = body else {
            return leg.respond(ctx, tx, leg.plain(500));
        };
        leg.answer_in_ack = true;
        if let Some(dialog) = leg.dialog_of(message) {
            dialog.refresh_target(message);
        }
        let response = leg.response(200).body(compose::SDP, body);
        leg.accept(ctx, tx, message.cseq().seq, response);
    }

    fn offer_received(&mut self, ctx: &mut Ctx<'_>, side: Side, tx: ServerTx, message: &Message) {
        let Some(leg) = self.leg(side) else { return };
        let Some(offered) = SessionDescription::parse(&message.body())
            .ok()
            .filter(|d| d.audio().is_some())
        else {
            return leg.respond(ctx, tx, leg.plain(488));
        };
        if let Some(dialog) = leg.dialog_of(message) {
            dialog.refresh_target(message);
        }
        let turned = offered.audio().is_some_and(|s| s.direction != leg.wants);
        leg.offered = Some(offered);
        let exchange = Exchange {
            from: side,
            tx,
            cseq: message.cseq().seq,
            method: message.cseq_method().clone(),
        };
        let talking = matches!(self.phase, Phase::Talking);
        if talking && (turned || !self.can_answer_alone(side)) {
            return self.pass_on(ctx, exchange);
        }
        let answered = self.answer_offer(ctx, &exchange);
        self.early_answer_of_fork(side, message);
        if answered
            && turned
            && let Some(other) = self.leg(side.other())
        {
            // It cannot be told before the answer, but then.
            other.stale = true;
        }
    }

    /// True when the codec that the other leg uses can go on being used.
    fn can_answer_alone(&mut self, side: Side) -> bool {
        let other = self.leg(side.other()).and_then(|l| l.negotiated.clone());
        let Some(stream) = self.leg(side).and_then(|l| l.offered.as_ref()?.audio()) else {
            return false;
        };
        other.is_none_or(|o| stream.codecs.iter().any(|c| c.codec.bridges_to(&o.codec)))
    }

    /// Answers the open offer of a leg to fit what the other leg has settled. False when that cannot be.
    fn answer_offer(&mut self, ctx: &mut Ctx<'_>, exchange: &Exchange) -> bool {
        let side = exchange.from;
        let other = self.leg(side.other()).and_then(|l| l.negotiated.clone());
        let Some(leg) = self.leg(side) else {
            return false;
        };
        let body = match &other {
            Some(other) => offer::answer_as(leg, other),
            None => offer::answer_spoken(leg),
        };
        let Ok(body) = body else {
            leg.offered = None;
            leg.respond(ctx, exchange.tx, leg.plain(488));
            return false;
        };
        let response = leg.response(200).body(compose::SDP, body.clone());
        if exchange.method == Method::Invite {
            leg.accept(ctx, exchange.tx, exchange.cseq, response);
        } else {
            leg.early_body = leg.early_body.take().map(|_| body);
            leg.respond(ctx, exchange.tx, response);
        }
        self.connect_side(ctx, side);
        true
    }

    /// An UPDATE in an early dialog of the callee: what it settled is what a 2xx of that dialog stands for.
    fn early_answer_of_fork(&mut self, side: Side, message: &Message) {
        let Some(leg) = self.leg(side) else { return };
        let settled = leg.negotiated.clone().zip(leg.theirs.clone());
        if let Some(fork) = leg.forks.iter_mut().find(|f| f.dialog.is_for(message)) {
            fork.answer = settled;
        }
    }

    /// Makes the other leg the same offer; its answer decides ours.
    fn pass_on(&mut self, ctx: &mut Ctx<'_>, exchange: Exchange) {
        let side = exchange.from;
        let heard = self.leg(side).and_then(|l| l.offered.clone());
        let sent = heard.is_some_and(|description| {
            self.send_offer(ctx, side.other(), &Heard::offer(description), false)
        });
        if sent {
            let wait = match exchange.method {
                Method::Invite => REINVITE_WAIT,
                _ => UPDATE_WAIT,
            };
            self.deadlines.exchange = Some(ctx.now.mono + wait);
            self.exchange = Some(exchange);
            return;
        }
        // The other side is itself in the middle of an offer: both try again later.
        self.reject_offer(ctx, &exchange, 491);
    }

    /// Sends a re-INVITE with what the other leg has said. False when the leg cannot take one now.
    pub fn send_offer(
        &mut self,
        ctx: &mut Ctx<'_>,
        side: Side,
        heard: &Heard,
        settling: bool,
    ) -> bool {
        let policy = self.narrow();
        let Some(leg) = self.leg(side).filter(|l| l.is_settled()) else {
            return false;
        };
        let Ok(body) = offer::passing_on(leg, heard, policy) else {
            return false;
        };
        let contact = leg.contact.clone();
        let fill = |r: axbridge_sip::RequestBuilder| fill_offer(r, contact, body);
        let Some(tx) = leg.request(ctx, Method::Invite, fill) else {
            return false;
        };
        let cseq = leg.dialog.as_ref().map_or(0, |d| d.local_seq());
        leg.stale = false;
        leg.offering = Some(Offering { tx, cseq, settling });
        true
    }

    fn reject_offer(&mut self, ctx: &mut Ctx<'_>, exchange: &Exchange, status: u16) {
        let retry_after = (status == 500).then(|| retry_after(ctx));
        let Some(leg) = self.leg(exchange.from) else {
            return;
        };
        leg.offered = None;
        let mut response = leg.plain(status);
        if let Some(seconds) = retry_after {
            response = response.header(Name::RetryAfter, seconds);
        }
        leg.respond(ctx, exchange.tx, response);
    }

    /// The exchange that the answer of `side` decides.
    fn exchange_for(&mut self, side: Side) -> Option<Exchange> {
        let exchange = self.exchange.take_if(|e| e.from == side.other())?;
        self.deadlines.exchange = None;
        Some(exchange)
    }

    /// The answer to an offer of ours inside the dialog.
    pub fn offering_response(
        &mut self,
        ctx: &mut Ctx<'_>,
        side: Side,
        tx: ClientTx,
        message: &Message,
    ) {
        let Some(leg) = self.leg(side) else { return };
        let status = message.status().unwrap_or(0);
        let accepts = (200..300).contains(&status);
        let Some(offering) = leg.offering.take_if(|o| o.tx == tx && status >= 200) else {
            if accepts {
                leg.repeat_ack(ctx, message);
            }
            return;
        };
        if !accepts {
            return self.offer_refused(ctx, side, &offering, status);
        }
        if let Some(dialog) = &mut leg.dialog {
            dialog.refresh_target(message);
        }
        leg.send_ack(ctx, offering.cseq);
        let taken = offer::take_answer(leg, &message.body()).is_ok();
        if taken {
            self.connect_side(ctx, side);
        }
        let Some(exchange) = self.exchange_for(side) else {
            if offering.settling {
                self.settled(side);
            } else if let Some(leg) = self.leg(side) {
                // Whoever asked for this has changed its mind.
                leg.stale = true;
            }
            return;
        };
        if !taken {
            return self.reject_offer(ctx, &exchange, 500);
        }
        if !self.answer_offer(ctx, &exchange)
            && let Some(leg) = self.leg(side)
        {
            leg.stale = true;
        }
    }

    /// The other side would not have it: the one who asked is told so; what was agreed before stays.
    fn offer_refused(&mut self, ctx: &mut Ctx<'_>, side: Side, offering: &Offering, status: u16) {
        if let Some(exchange) = self.exchange_for(side) {
            let told = match status {
                491 => 491,
                415 | 488 | 606 => 488,
                _ => 500,
            };
            self.reject_offer(ctx, &exchange, told);
        }
        match status {
            408 => return self.lost(ctx, side),
            481 => return self.dialog_unknown(ctx, side),
            _ => {}
        }
        if offering.settling {
            self.not_settled(ctx, side, status);
        }
    }

    /// An offer of ours got no answer at all.
    pub fn offering_unanswered(&mut self, ctx: &mut Ctx<'_>, side: Side, tx: ClientTx) {
        let Some(leg) = self.leg(side) else { return };
        if let Some(offering) = leg.offering.take_if(|o| o.tx == tx) {
            self.offer_refused(ctx, side, &offering, 408);
        }
    }

    /// The other side takes too long over an offer: whoever made it may try again.
    pub fn exchange_expired(&mut self, ctx: &mut Ctx<'_>) {
        if let Some(exchange) = self.exchange.take() {
            self.withdraw_offer(ctx, &exchange, 500);
        }
    }

    /// Whoever sent a re-INVITE has changed its mind.
    pub fn cancel_offer(&mut self, ctx: &mut Ctx<'_>, tx: ServerTx) {
        if let Some(exchange) = self.exchange.take_if(|e| e.tx == tx) {
            self.withdraw_offer(ctx, &exchange, 487);
        }
    }

    fn withdraw_offer(&mut self, ctx: &mut Ctx<'_>, exchange: &Exchange, status: u16) {
        self.deadlines.exchange = None;
        self.reject_offer(ctx, exchange, status);
        let asked = self.leg(exchange.from.other());
        if let Some(offering) = asked.and_then(|l| l.offering.as_ref()) {
            ctx.cancel(exchange.from.other(), offering.tx);
        }
    }

    /// An ACK for a 2xx of ours, perhaps with the answer to our offer.
    pub fn acked(&mut self, ctx: &mut Ctx<'_>, side: Side, message: &Message) {
        ctx.core
            .saw(ctx.now, side, false, SipKind::request(&Method::Ack));
        let Some(leg) = self.leg(side) else { return };
        if !leg.dialog.as_ref().is_some_and(|d| d.is_for(message)) || !leg.acked(message.cseq().seq)
        {
            return;
        }
        if let Some(cause) = leg.bye_after_ack.take() {
            return leg.bye_now(ctx, cause);
        }
        if std::mem::take(&mut leg.answer_in_ack) {
            self.answer_came_in_ack(ctx, side, &message.body());
        }
        self.settle(ctx);
    }

    fn answer_came_in_ack(&mut self, ctx: &mut Ctx<'_>, side: Side, body: &[u8]) {
        let Some(leg) = self.leg(side) else { return };
        let wanted = leg.wants;
        if offer::take_answer(leg, body).is_err() {
            return self.end(ctx, Ending::NoCodec);
        }
        let turned = leg.wants != wanted;
        self.connect_side(ctx, side);
        if side == Side::A {
            self.menu_heard(ctx);
        }
        let Some(chosen) = self.leg(side).and_then(|l| l.negotiated.clone()) else {
            return;
        };
        if let Some(other) = self.leg(side.other()) {
            let bridges = |n: &axbridge_media::Negotiated| n.codec.bridges_to(&chosen.codec);
            other.stale |= turned || !other.negotiated.as_ref().is_none_or(bridges);
        }
    }
}

/// From 0 to 10 seconds, at random (RFC 3261 §14.2).
fn retry_after(ctx: &mut Ctx<'_>) -> String {
    (ctx.core.ids.number() % 11).to_string()
}

fn fill_offer(
    request: axbridge_sip::RequestBuilder,
    contact: String,
    body: Bytes,
) -> axbridge_sip::RequestBuilder {
    request
        .header(Name::Contact, contact)
        .header(Name::Allow, compose::ALLOW)
        .body(compose::SDP, body)
}
