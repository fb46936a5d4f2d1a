//! Offers inside a dialog: re-INVITE and UPDATE (RFC 3261 §14, RFC 3311). What concerns only our own leg is
//! answered at once; hold, resume and a change of codec are first agreed with the other side.

use axbridge_media::Side;
use axbridge_media::sdp::SessionDescription;
use axbridge_sip::{ClientTx, Message, Method, Name, ServerTx};
use bytes::Bytes;

use crate::call::{Call, Phase};
use crate::compose;
use crate::core::Ctx;
use crate::leg::{Leg, Offering, State};
use crate::offer;

/// An offer of one leg that waits for the other leg's answer.
pub(crate) struct Exchange {
    /// Who asked.
    pub from: Side,
    pub tx: ServerTx,
    pub cseq: u32,
    pub method: Method,
}

impl Call {
    /// A re-INVITE.
    pub fn reinvite(&mut self, ctx: &mut Ctx<'_>, side: Side, tx: ServerTx, message: &Message) {
        let Some(leg) = self.leg(side) else { return };
        let status = match leg.state {
            State::Up if leg.offering.is_some() || leg.answer_in_ack => Some(491),
            State::Up => None,
            _ => Some(491),
        };
        if let Some(status) = status {
            return leg.respond(ctx, tx, leg.plain(status));
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
            return leg.respond(ctx, tx, leg.response(200));
        }
        let our_offer_is_open = leg.offering.is_some()
            || leg.answer_in_ack
            || leg.answer_in_prack
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

    /// An offer is being answered already: try again in a moment (RFC 3261 §14.2, RFC 3311 §5.2). Where the
    /// open offer goes to this very leg it is glare.
    fn busy_exchanging(&mut self, ctx: &mut Ctx<'_>, side: Side, tx: ServerTx) {
        let retry_after = (ctx.core.ids.number() % 10).to_string();
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
        let heard = self.leg(side.other()).and_then(|l| l.theirs.clone());
        let Some(leg) = self.leg(side) else { return };
        let body = match &heard {
            Some(heard) => offer::passing_on(leg, heard, policy),
            None => offer::to_caller(leg, None),
        };
        let Ok(body) = body else {
            return leg.respond(ctx, tx, leg.plain(500));
        };
        leg.answer_in_ack = true;
        if let Some(dialog) = &mut leg.dialog {
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
        if let Some(dialog) = &mut leg.dialog {
            dialog.refresh_target(message);
        }
        let direction = |d: Option<&SessionDescription>| {
            d.and_then(SessionDescription::audio).map(|s| s.direction)
        };
        let turned = direction(leg.theirs.as_ref()) != direction(Some(&offered));
        leg.offered = Some(offered);
        let (method, cseq) = (message.cseq_method().clone(), message.cseq().seq);
        let talking = matches!(self.phase, Phase::Talking);
        let other_is_up = self.leg(side.other()).is_some_and(|l| l.is_up());
        if talking && other_is_up && (turned || !self.can_answer_alone(side)) {
            return self.pass_on(
                ctx,
                Exchange {
                    from: side,
                    tx,
                    cseq,
                    method,
                },
            );
        }
        self.answer_offer(ctx, side, tx, cseq, &method);
    }

    /// True when the codec that the other leg uses can go on being used.
    fn can_answer_alone(&mut self, side: Side) -> bool {
        let other = self.leg(side.other()).and_then(|l| l.negotiated.clone());
        let Some(stream) = self.leg(side).and_then(|l| l.offered.as_ref()?.audio()) else {
            return false;
        };
        other.is_none_or(|o| stream.codecs.iter().any(|c| c.codec.bridges_to(&o.codec)))
    }

    /// Answers the open offer of a leg to fit what the other leg has settled.
    fn answer_offer(
        &mut self,
        ctx: &mut Ctx<'_>,
        side: Side,
        tx: ServerTx,
        cseq: u32,
        method: &Method,
    ) {
        let other = self.leg(side.other()).and_then(|l| l.negotiated.clone());
        let Some(leg) = self.leg(side) else { return };
        let body = match &other {
            Some(other) => offer::answer_as(leg, other),
            None => offer::answer_spoken(leg),
        };
        let Ok(body) = body else {
            leg.offered = None;
            return leg.respond(ctx, tx, leg.plain(488));
        };
        let response = leg.response(200).body(compose::SDP, body.clone());
        if *method == Method::Invite {
            leg.accept(ctx, tx, cseq, response);
        } else {
            leg.early_body = leg.early_body.take().map(|_| body);
            leg.respond(ctx, tx, response);
        }
        self.connect_side(ctx, side);
    }

    /// Makes the other leg the same offer; its answer decides ours.
    fn pass_on(&mut self, ctx: &mut Ctx<'_>, exchange: Exchange) {
        let side = exchange.from;
        let heard = self.leg(side).and_then(|l| l.offered.clone());
        let sent = heard.is_some_and(|heard| self.send_offer(ctx, side.other(), &heard));
        if sent {
            self.exchange = Some(exchange);
            return;
        }
        // The other side is itself in the middle of an offer: both try again later.
        self.reject_offer(ctx, &exchange, 491);
    }

    /// Sends a re-INVITE with what the other leg has said. False when the leg cannot take one now.
    fn send_offer(&mut self, ctx: &mut Ctx<'_>, side: Side, heard: &SessionDescription) -> bool {
        let policy = self.narrow();
        let Some(leg) = self.leg(side) else {
            return false;
        };
        let free =
            leg.is_up() && leg.offering.is_none() && leg.unacked.is_none() && leg.offered.is_none();
        if !free {
            return false;
        }
        let Ok(body) = offer::passing_on(leg, heard, policy) else {
            return false;
        };
        let contact = leg.contact.clone();
        let fill = |r: axbridge_sip::RequestBuilder| fill_offer(r, contact, body);
        let Some(tx) = leg.request(ctx, Method::Invite, fill) else {
            return false;
        };
        let cseq = leg.dialog.as_ref().map_or(0, |d| d.local_seq());
        leg.offering = Some(Offering {
            tx,
            cseq,
            method: Method::Invite,
        });
        true
    }

    fn reject_offer(&mut self, ctx: &mut Ctx<'_>, exchange: &Exchange, status: u16) {
        let retry_after = (status == 500).then(|| (ctx.core.ids.number() % 10).to_string());
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
        let Some(offering) = leg.offering.take_if(|o| o.tx == tx && status >= 200) else {
            return repeat_ack(ctx, leg, message);
        };
        if !(200..300).contains(&status) {
            return self.offer_refused(ctx, side, status);
        }
        if let Some(dialog) = &mut leg.dialog {
            dialog.refresh_target(message);
        }
        if offering.method == Method::Invite {
            leg.send_ack(ctx, offering.cseq);
        }
        let taken = offer::take_answer(leg, &message.body()).is_ok();
        if taken {
            self.connect_side(ctx, side);
        }
        let Some(exchange) = self.exchange.take() else {
            return;
        };
        if taken {
            self.answer_offer(
                ctx,
                exchange.from,
                exchange.tx,
                exchange.cseq,
                &exchange.method,
            );
        } else {
            self.reject_offer(ctx, &exchange, 500);
        }
    }

    /// The other side would not have it: the one who asked is told so; what was agreed before stays.
    fn offer_refused(&mut self, ctx: &mut Ctx<'_>, side: Side, status: u16) {
        let exchange = self.exchange.take();
        if let Some(exchange) = &exchange {
            let told = match status {
                491 => 491,
                415 | 488 | 606 => 488,
                408 | 481 => 481,
                _ => 500,
            };
            self.reject_offer(ctx, exchange, told);
        }
        // 408 and 481 mean that the dialog is gone (RFC 3261 §12.2.1.2).
        if matches!(status, 408 | 481) {
            self.lost(ctx, side);
        }
    }

    /// An offer of ours got no answer at all.
    pub fn offering_unanswered(&mut self, ctx: &mut Ctx<'_>, side: Side, tx: ClientTx) {
        let Some(leg) = self.leg(side) else { return };
        if leg.offering.take_if(|o| o.tx == tx).is_some() {
            self.offer_refused(ctx, side, 408);
        }
    }

    /// Whoever sent a re-INVITE has changed its mind.
    pub fn cancel_offer(&mut self, ctx: &mut Ctx<'_>, tx: ServerTx) {
        let Some(exchange) = self.exchange.take_if(|e| e.tx == tx) else {
            return;
        };
        self.reject_offer(ctx, &exchange, 487);
        if let Some(offering) = self
            .leg(exchange.from.other())
            .and_then(|l| l.offering.as_ref())
        {
            ctx.core.endpoint.cancel(ctx.now.mono, offering.tx);
        }
    }

    /// An ACK for a 2xx of ours, perhaps with the answer to our offer.
    pub fn acked(&mut self, ctx: &mut Ctx<'_>, side: Side, message: &Message) {
        let Some(leg) = self.leg(side) else { return };
        if !leg.dialog.as_ref().is_some_and(|d| d.is_for(message)) || !leg.acked(message.cseq().seq)
        {
            return;
        }
        if let Some(cause) = leg.bye_after_ack.take() {
            return leg.bye_now(ctx, cause);
        }
        if !std::mem::take(&mut leg.answer_in_ack) {
            return;
        }
        let direction = |l: &Leg| {
            l.theirs
                .as_ref()
                .and_then(|d| d.audio())
                .map(|s| s.direction)
        };
        let before = direction(leg);
        if offer::take_answer(leg, &message.body()).is_err() {
            return self.end(ctx, crate::outcome::Ending::NoCodec);
        }
        let (turned, heard) = (direction(leg) != before, leg.theirs.clone());
        self.connect_side(ctx, side);
        if let (true, Some(heard)) = (turned && before.is_some(), heard) {
            self.send_offer(ctx, side.other(), &heard);
        }
    }
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

/// A 2xx that came again: its ACK was lost.
fn repeat_ack(ctx: &mut Ctx<'_>, leg: &Leg, message: &Message) {
    let is_2xx = message.status().is_some_and(|s| (200..300).contains(&s));
    if let Some(ack) = leg
        .ack
        .as_ref()
        .filter(|a| is_2xx && a.cseq == message.cseq().seq)
    {
        ctx.core.endpoint.send(ack.hop, ack.bytes.clone());
    }
}
