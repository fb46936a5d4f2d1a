//! Requests inside a dialog.

use axbridge_media::Side;
use axbridge_media::sdp::SessionDescription;
use axbridge_sip::{Message, Method, Name, ServerTx};
use bytes::Bytes;

use crate::call::{Call, Phase};
use crate::compose;
use crate::core::Ctx;
use crate::leg::State;
use crate::menu::Source;
use crate::offer;
use crate::outcome::Ending;
use crate::trace::SipKind;

impl Call {
    /// A request in a dialog of this call. It has been matched by our tag; whether it is from the peer of the
    /// dialog is checked here.
    pub fn request(&mut self, ctx: &mut Ctx<'_>, side: Side, tx: ServerTx, message: &Message) {
        ctx.core.saw(ctx.now, side, false, SipKind::of(message));
        let Some(leg) = self.leg(side) else { return };
        let Some(dialog) = leg.dialog_of(message) else {
            let bye = *message.cseq_method() == Method::Bye;
            let response = match leg.state {
                // It has overtaken the response that makes its dialog; next time that will be there.
                State::Calling { .. } if !bye => leg.plain(500).header(Name::RetryAfter, "1"),
                _ => leg.plain(481),
            };
            return leg.respond(ctx, tx, response);
        };
        let in_order = dialog.accept_cseq(message.cseq().seq).is_ok();
        // A PRACK says by RAck what it is for; refused because another request overtook it, it would never come again.
        if !in_order && *message.cseq_method() != Method::Prack {
            return leg.respond(ctx, tx, leg.plain(500));
        }
        if let Some(response) = compose::refusal_by_header(&leg.trunk, message) {
            return leg.respond(ctx, tx, response.to_tag(&leg.tag.to_string()));
        }
        let is_fork = !leg.dialog.as_ref().is_some_and(|d| d.is_for(message));
        match message.cseq_method() {
            // A fork that lost: it is ended by us, or ends itself.
            method if is_fork && !matches!(leg.state, State::Calling { .. }) => {
                let status = if *method == Method::Bye { 200 } else { 481 };
                leg.respond(ctx, tx, leg.plain(status));
            }
            Method::Bye => self.bye_received(ctx, side, tx),
            _ if leg.is_leaving() => {
                leg.respond(ctx, tx, leg.plain(481));
            }
            Method::Invite => self.reinvite(ctx, side, tx, message),
            Method::Update => self.update(ctx, side, tx, message),
            Method::Prack => self.prack(ctx, side, tx, message),
            Method::Info => self.info(ctx, side, tx, message),
            Method::Options => leg.respond(
                ctx,
                tx,
                compose::options_answer(true, false).to_tag(&leg.tag.to_string()),
            ),
            _ => leg.respond(ctx, tx, leg.plain(405).header(Name::Allow, compose::ALLOW)),
        }
        self.settle(ctx);
    }

    fn bye_received(&mut self, ctx: &mut Ctx<'_>, side: Side, tx: ServerTx) {
        let rang = self.story.rang();
        let gave_up = self.gave_up();
        let Some(leg) = self.leg(side) else { return };
        leg.respond(ctx, tx, leg.plain(200));
        let early = !matches!(self.phase, Phase::Talking);
        let ending = match (side, early) {
            (Side::A, true) => gave_up,
            (Side::A, false) => Ending::CallerHungUp,
            (Side::B, true) => Ending::CalleeFailed {
                status: 480,
                ringing: rang,
                q850: None,
            },
            (Side::B, false) => Ending::CalleeHungUp,
        };
        if let Some(leg) = self.leg(side)
            && matches!(leg.state, State::Up | State::Leaving { .. })
        {
            leg.state = State::Gone;
            leg.bye_after_ack = None;
        }
        self.end(ctx, ending);
    }

    /// The caller gave up its INVITE, or a re-INVITE.
    pub fn cancelled(&mut self, ctx: &mut Ctx<'_>, tx: ServerTx) {
        match self.a.state {
            State::Invited { tx: invite, .. } if invite == tx => {
                let ending = self.gave_up();
                // Whatever the ending is called, the answer to a cancelled INVITE is 487.
                let reason = compose::q850_reason(ending.outcome().q850);
                let response = self.a.plain(487).header(Name::Reason, reason);
                self.a.respond(ctx, tx, response);
                self.a.state = State::Gone;
                self.end(ctx, ending);
            }
            _ => self.cancel_offer(ctx, tx),
        }
    }

    /// What it is called when the caller hangs up before it is answered.
    fn gave_up(&self) -> Ending {
        match self.phase {
            // It has heard why; that it did not listen to the end changes nothing.
            Phase::Refusing(ending) => ending,
            // Our answer to it waits for a PRACK: the callee has answered, and so the record says.
            Phase::Talking => Ending::CallerHungUp,
            Phase::Menu(_) | Phase::Asking(_) => Ending::CallerGaveUpBeforeForwarding,
            _ if self.story.rang() => Ending::CallerGaveUpRinging,
            _ => Ending::CallerGaveUp,
        }
    }

    /// PRACK (RFC 3262 §3): the next response may go, and the answer to the caller if it was held back.
    fn prack(&mut self, ctx: &mut Ctx<'_>, side: Side, tx: ServerTx, message: &Message) {
        let Some(leg) = self.leg(side) else { return };
        let acknowledged = message.rack().is_some_and(|rack| {
            let reliable = leg.reliable.as_mut();
            rack.cseq == leg.invite_cseq && reliable.is_some_and(|r| r.acknowledged(rack.rseq))
        });
        if !acknowledged {
            return leg.respond(ctx, tx, leg.plain(481));
        }
        let State::Invited { tx: invite, .. } = leg.state else {
            // Our final response overtook it.
            return leg.respond(ctx, tx, leg.plain(200));
        };
        if leg.answer_in_prack && leg.negotiated.is_none() {
            leg.respond(ctx, tx, leg.plain(200));
            if offer::take_answer(leg, &message.body()).is_err() {
                return self.end(ctx, Ending::NoCodec);
            }
            self.connect_side(ctx, side);
            self.ring_back_if_silent(ctx);
        } else {
            let response = self.prack_answer(ctx, side, &message.body());
            if let Some(leg) = self.leg(side) {
                leg.respond(ctx, tx, response);
            }
        }
        let Some(leg) = self.leg(side) else { return };
        let waiting = leg.reliable.as_mut().and_then(|r| r.next_waiting());
        if let Some(next) = waiting {
            self.send_provisional(ctx, invite, next);
        }
        let held_back = self
            .a
            .reliable
            .as_ref()
            .is_some_and(|r| r.holds_answer_back());
        if self.answer_owed && !held_back {
            self.answer_caller(ctx);
        }
    }

    /// The 200 to a PRACK, which may have brought a new offer (RFC 3262 §5).
    fn prack_answer(
        &mut self,
        ctx: &mut Ctx<'_>,
        side: Side,
        body: &[u8],
    ) -> axbridge_sip::ResponseBuilder {
        let other = self.leg(side.other()).and_then(|l| l.negotiated.clone());
        let Some(leg) = self.leg(side) else {
            return axbridge_sip::ResponseBuilder::new(481);
        };
        if body.is_empty() {
            return leg.plain(200);
        }
        let offered = SessionDescription::parse(body).ok();
        let says = offered
            .as_ref()
            .and_then(|d| d.audio())
            .map(|s| s.direction);
        let turned = says.is_some_and(|d| d != leg.wants);
        if leg.offered.is_some() || leg.negotiated.is_none() {
            // Its first offer has no answer yet: there is no place for another.
            return leg.plain(488);
        }
        leg.offered = offered;
        let answer = match &other {
            Some(other) => offer::answer_as(leg, other),
            None => offer::answer_spoken(leg),
        };
        let Ok(answer) = answer else {
            leg.offered = None;
            return leg.plain(488);
        };
        let response = leg.plain(200).body(compose::SDP, answer);
        self.connect_side(ctx, side);
        if let Some(other) = self.leg(side.other()) {
            other.stale |= turned;
        }
        response
    }

    /// INFO carries digits; they reach the other party as digits, written anew.
    fn info(&mut self, ctx: &mut Ctx<'_>, side: Side, tx: ServerTx, message: &Message) {
        let Some(leg) = self.leg(side) else { return };
        if message.body().is_empty() {
            return leg.respond(ctx, tx, leg.plain(200));
        }
        let digit = if message.is_content_type(compose::DTMF_RELAY) {
            relay_digit(&message.body())
        } else if message.is_content_type("application/dtmf") {
            plain_digit(&message.body())
        } else {
            let refusal = leg.plain(415).header(Name::Accept, compose::DTMF_RELAY);
            return leg.respond(ctx, tx, refusal);
        };
        let Some((digit, duration_ms)) = digit else {
            return leg.respond(ctx, tx, leg.plain(400));
        };
        leg.respond(ctx, tx, leg.plain(200));
        if side == Side::A && matches!(self.phase, Phase::Menu(_)) {
            return self.keyed(ctx, Source::Info, digit);
        }
        let Some(other) = self.leg(side.other()).filter(|l| l.is_up()) else {
            return;
        };
        // Before its ACK we cannot know that it has heard of the dialog.
        if other.abilities.info && other.unacked.is_none() {
            let body = format!("Signal={digit}\r\nDuration={duration_ms}\r\n");
            other.request(ctx, Method::Info, |r| {
                r.body(compose::DTMF_RELAY, Bytes::from(body))
            });
        } else if let Some(digit) = axbridge_media::Digit::from_char(digit) {
            let command = axbridge_media::Command::SendDigit {
                side: side.other(),
                digit,
                duration_ms,
            };
            self.sound.command(ctx, command);
        }
    }
}

const DIGITS: &[u8] = b"0123456789*#ABCD";

fn digit_of(text: &[u8]) -> Option<char> {
    match text {
        [c] if DIGITS.contains(&c.to_ascii_uppercase()) => Some(char::from(c.to_ascii_uppercase())),
        b"10" => Some('*'),
        b"11" => Some('#'),
        _ => None,
    }
}

/// `Signal=5`, `Duration=160`, in any order and spacing.
fn relay_digit(body: &[u8]) -> Option<(char, u16)> {
    let (mut digit, mut duration) = (None, 160);
    for line in body.split(|c| matches!(c, b'\r' | b'\n')) {
        let mut parts = line.splitn(2, |c| *c == b'=');
        let (Some(name), Some(value)) = (parts.next(), parts.next()) else {
            continue;
        };
        let value = value.trim_ascii();
        match name.trim_ascii().to_ascii_lowercase().as_slice() {
            b"signal" => digit = digit_of(value),
            b"duration" => {
                duration = std::str::from_utf8(value)
                    .ok()?
                    .parse::<u16>()
                    .ok()?
                    .clamp(40, 6000);
            }
            _ => {}
        }
    }
    Some((digit?, duration))
}

/// The body is the digit.
fn plain_digit(body: &[u8]) -> Option<(char, u16)> {
    Some((digit_of(body.trim_ascii())?, 160))
}

#[cfg(test)]
mod tests {
    use super::{plain_digit, relay_digit};

    #[test]
    fn digits_of_info_bodies() {
        assert_eq!(
            relay_digit(b"Signal=5\r\nDuration=200\r\n"),
            Some(('5', 200))
        );
        assert_eq!(relay_digit(b"Signal= #\nDuration= 99999"), None);
        assert_eq!(relay_digit(b"duration=1\nsignal=11"), Some(('#', 40)));
        assert_eq!(relay_digit(b"Signal=x\r\n"), None);
        assert_eq!(relay_digit(b""), None);
        assert_eq!(plain_digit(b" 7\r\n"), Some(('7', 160)));
        assert_eq!(plain_digit(b"77"), None);
    }
}
