//! One call: its two legs and what holds them together. The files beside this one each hold one part of its
//! life: `setup`, `menu`, `ask`, `progress`, `talk`, `limit`, `modify`, `requests`, `finish`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use axbridge_media::{self as media, Side};
use axbridge_sip::{ClientTx, Hop, Message, Method, ServerTx};

use crate::ask::{Answer, QuestionKind};
use crate::busy::Occupied;
use crate::core::Ctx;
use crate::leg::{Leg, State};
use crate::limit::Clock;
use crate::menu::{Menu, Source};
use crate::modify::Exchange;
use crate::outcome::Ending;
use crate::plan::{Arrived, Plan};
use crate::plane::CallKey;
use crate::reliable;
use crate::sound::Sound;
use crate::story::Story;
use crate::trace::SipKind;

/// Where a call is in its life.
pub(crate) enum Phase {
    /// The caller hears why the call is refused; then it ends so.
    Refusing(Ending),
    /// The caller keys an extension.
    Menu(Menu),
    /// Somebody outside is asked where the call goes.
    Asking(QuestionKind),
    /// The second leg is being called.
    Calling,
    /// The callee has answered.
    Talking,
    /// Over; legs and recording are still winding up.
    Ended,
}

/// Deadlines are instants, not timers: the switch asks for the next one and says when it has passed.
#[derive(Default)]
pub(crate) struct Deadlines {
    /// The callee has not answered.
    pub answer: Option<Instant>,
    /// The caller has keyed nothing more.
    pub digits: Option<Instant>,
    /// Nobody has said where the call goes.
    pub question: Option<Instant>,
    /// The last-minute voice is due.
    pub warn: Option<Instant>,
    /// `maxDuration` is reached.
    pub cut: Option<Instant>,
    /// The parties are asked whether they are still there.
    pub probe: Option<Instant>,
    /// An offer passed on to the other side has not been answered.
    pub exchange: Option<Instant>,
    /// The record goes out without what the media side still owes.
    pub record: Option<Instant>,
}

/// See the module.
pub(crate) struct Call {
    pub key: CallKey,
    pub session: Arc<str>,
    pub phase: Phase,
    pub a: Leg,
    pub b: Option<Leg>,
    pub arrived: Arrived,
    pub plan: Option<Plan>,
    pub story: Story,
    pub clock: Clock,
    /// The callee has answered and hears a notice; it does not hear the caller yet.
    pub joining: bool,
    /// The party that is busy for others as long as this call lasts.
    pub occupied: Option<Occupied>,
    pub sound: Sound,
    pub exchange: Option<Exchange>,
    /// Offers of our own made so far (module `settle`).
    pub settles: u8,
    pub deadlines: Deadlines,
    /// The callee has answered, but our answer to the caller waits for a PRACK (RFC 3262 §3).
    pub answer_owed: bool,
    /// Our RTP addresses towards A and B, once ports are open.
    pub addresses: Option<[SocketAddr; 2]>,
    /// INVITE transactions that lead here, forgotten with the call.
    pub invites: Vec<ServerTx>,
}

impl Call {
    pub fn leg(&mut self, side: Side) -> Option<&mut Leg> {
        match side {
            Side::A => Some(&mut self.a),
            Side::B => self.b.as_mut(),
        }
    }

    /// True when nothing of the call is left to do.
    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Ended)
            && self.a.is_gone()
            && self.b.as_ref().is_none_or(Leg::is_gone)
            && self.story.is_recorded()
    }

    pub fn next_deadline(&self) -> Option<Instant> {
        let d = &self.deadlines;
        let own = [
            d.answer, d.digits, d.question, d.warn, d.cut, d.probe, d.exchange, d.record,
        ];
        let legs = [
            self.a.next_deadline(),
            self.b.as_ref().and_then(Leg::next_deadline),
        ];
        own.into_iter().chain(legs).flatten().min()
    }

    /// Does what is due.
    pub fn tick(&mut self, ctx: &mut Ctx<'_>) {
        let now = ctx.now.mono;
        let due = |at: &mut Option<Instant>| at.is_some_and(|t| t <= now) && at.take().is_some();
        if due(&mut self.deadlines.answer) {
            let ending = match self.phase {
                // However long the prompt is, a caller who never lets go is let go.
                Phase::Refusing(ending) => ending,
                _ => Ending::AnswerTimeout,
            };
            self.end(ctx, ending);
        }
        if due(&mut self.deadlines.digits) {
            self.extension_keyed(ctx);
        }
        if due(&mut self.deadlines.question) {
            self.asked(ctx, Answer::Failed);
        }
        if due(&mut self.deadlines.cut) {
            self.end(ctx, Ending::MaxDuration);
        }
        if due(&mut self.deadlines.warn) {
            self.warn(ctx);
        }
        if due(&mut self.deadlines.probe) {
            self.probe(ctx);
        }
        if due(&mut self.deadlines.exchange) {
            self.exchange_expired(ctx);
        }
        if due(&mut self.deadlines.record) {
            self.record_without_media(ctx);
        }
        self.tick_legs(ctx);
    }

    fn tick_legs(&mut self, ctx: &mut Ctx<'_>) {
        for side in [Side::A, Side::B] {
            let Some(leg) = self.leg(side) else { continue };
            if leg.tick_unacked(ctx) {
                self.lost(ctx, side);
            }
        }
        let tick = self.a.reliable.as_mut().map(|r| r.tick(ctx.now.mono));
        match (tick, &self.a.state) {
            (Some(reliable::Tick::Resend), State::Invited { tx, .. }) => {
                ctx.core.endpoint.resend(ctx.now.mono, *tx);
            }
            (Some(reliable::Tick::GiveUp), _) => self.lost(ctx, Side::A),
            _ => {}
        }
        if self.a.progress_at.is_some_and(|at| at <= ctx.now.mono) {
            self.a.progress_at = None;
            self.repeat_progress(ctx);
        }
        self.settle(ctx);
    }

    /// The peer of a leg has stopped responding.
    pub fn lost(&mut self, ctx: &mut Ctx<'_>, side: Side) {
        let ending = match side {
            Side::A => Ending::CallerLost,
            Side::B => Ending::CalleeLost,
        };
        self.end(ctx, ending);
        // Its dialog still gets a BYE: the peer may hear us although we do not hear it.
        if let Some(leg) = self.leg(side)
            && leg.bye_after_ack.is_some()
        {
            let cause = ending.outcome().q850;
            leg.bye_now(ctx, cause);
        }
    }

    /// A response in one of the client transactions of a leg.
    pub fn response(
        &mut self,
        ctx: &mut Ctx<'_>,
        side: Side,
        tx: ClientTx,
        message: &Message,
        hop: Hop,
    ) {
        ctx.core.saw(ctx.now, side, false, SipKind::of(message));
        if *message.cseq_method() == Method::Invite && message.status().is_some_and(|s| s >= 300) {
            // The transaction has acknowledged it already (RFC 3261 §17.1.1.3).
            ctx.core
                .saw(ctx.now, side, true, SipKind::request(&Method::Ack));
        }
        match message.cseq_method() {
            Method::Invite if side == Side::B && self.is_initial_invite(tx, message) => {
                self.callee_response(ctx, message, hop);
            }
            Method::Invite | Method::Update => self.offering_response(ctx, side, tx, message),
            Method::Bye => self.bye_response(ctx, side, tx, message),
            Method::Options | Method::Info => self.sign_of_life(ctx, side, message),
            _ => {}
        }
        self.settle(ctx);
    }

    fn is_initial_invite(&self, tx: ClientTx, message: &Message) -> bool {
        match self.b.as_ref().map(|b| &b.state) {
            Some(State::Calling { tx: calling, .. }) => *calling == tx,
            // Repeats and forks after the answer: the CSeq number tells it from re-INVITEs.
            Some(_) => self
                .b
                .as_ref()
                .is_some_and(|b| b.invite_cseq == message.cseq().seq),
            None => false,
        }
    }

    /// A client transaction ended without an answer.
    pub fn unanswered(&mut self, ctx: &mut Ctx<'_>, side: Side, tx: ClientTx) {
        let Some(leg) = self.leg(side) else { return };
        match leg.state {
            State::Calling { tx: calling, .. } if calling == tx => {
                leg.state = State::Gone;
                let ringing = self.story.rang();
                // Silence after ringing is "no answer" (408); silence before is an unreachable carrier.
                let ending = if ringing {
                    Ending::CalleeFailed {
                        status: 408,
                        ringing,
                        q850: None,
                    }
                } else {
                    Ending::CalleeUnreachable
                };
                self.end(ctx, ending);
            }
            State::Leaving { tx: bye } if bye == tx => leg.state = State::Gone,
            _ if leg.probe == Some(tx) => {
                if leg.is_up() {
                    self.lost(ctx, side);
                }
            }
            _ => self.offering_unanswered(ctx, side, tx),
        }
    }

    /// Something happened in the media session.
    pub fn media(&mut self, ctx: &mut Ctx<'_>, event: media::Event) {
        match event {
            media::Event::PlayDone { side, token, .. } => self.play_done(ctx, side, token),
            media::Event::NoMedia { side } => {
                let ending = match side {
                    Side::A => Ending::CallerMediaLost,
                    Side::B => Ending::CalleeMediaLost,
                };
                self.end(ctx, ending);
            }
            media::Event::Recording(outcome) => self.recording_ended(ctx, outcome),
            media::Event::Final(stats) => self.media_closed(ctx, &stats),
            // Between the parties the session itself relays digits.
            media::Event::Digit { side, digit, .. } => {
                if side == Side::A {
                    self.keyed(ctx, Source::Media, digit.as_char());
                }
            }
        }
    }
}
