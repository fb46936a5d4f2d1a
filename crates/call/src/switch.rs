//! All calls of one shard: finds the call that something belongs to, and makes new ones.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use axbridge_media as media;
use axbridge_media::sdp::SessionDescription;
use axbridge_sip::{
    ClientTx, Dialog, Event, Hop, Message, Method, Name, ResponseBuilder, ServerTx, Transmit,
};
use bytes::Bytes;

use crate::ask::{Answer, Question};
use crate::call::Call;
use crate::calls::Calls;
use crate::compose;
use crate::core::{Core, Ctx, LegKey, SwitchConfig};
use crate::directory::{App, Directory, Prack, TextWay, Trunk};
use crate::fact::Fact;
use crate::ids::Tag;
use crate::limit::{Limit, LimitChange};
use crate::outcome::Ending;
use crate::plane::{CallKey, MediaPlane, Now};
use crate::progress;
use crate::setup::Incoming;
use crate::text::Texts;
use crate::trace::{SipKind, Trace};

/// What a switch has counted since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SwitchCounters {
    /// Calls taken.
    pub calls: u64,
    /// INVITEs refused before a call was made.
    pub refused: u64,
}

/// Who asks for a call to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoppedBy {
    /// The customer's application (`callStop`).
    Application,
    /// The operator.
    Operator,
}

/// All calls of one shard. Give it datagrams, media events and the time; fetch what it wants sent and told
/// after each.
pub struct Switch {
    pub(crate) core: Core,
    pub(crate) texts: Texts,
    calls: Calls,
    sessions: HashMap<Arc<str>, CallKey, foldhash::fast::FixedState>,
    draining: bool,
    overloaded: bool,
    counters: SwitchCounters,
}

impl Switch {
    /// A switch without calls. Everything that it chooses at random follows from `seed`, which must be secret.
    pub fn new(config: SwitchConfig, directory: Arc<Directory>, seed: u64) -> Self {
        Switch {
            core: Core::new(config, directory, seed),
            texts: Texts::default(),
            calls: Calls::default(),
            sessions: HashMap::default(),
            draining: false,
            overloaded: false,
            counters: SwitchCounters::default(),
        }
    }

    /// A message came in.
    pub fn receive(&mut self, now: Now, hop: Hop, bytes: Bytes, plane: &mut dyn MediaPlane) {
        let Core {
            endpoint,
            directory,
            tags,
            ..
        } = &mut self.core;
        // Requests in our dialogs may come from anywhere: carriers hand them on to other machines of theirs.
        let known = |to_tag: Option<&[u8]>| {
            let in_dialog = to_tag
                .and_then(Tag::parse)
                .is_some_and(|tag| tags.contains_key(&tag));
            in_dialog || directory.snapshot().trunk_of(hop.remote).is_some()
        };
        endpoint.receive_from(now.mono, hop, bytes, known);
        self.handle_events(now, plane);
    }

    /// A message could not be sent on this path, or its connection was closed.
    pub fn transport_failed(&mut self, now: Now, hop: Hop, plane: &mut dyn MediaPlane) {
        self.core.endpoint.transport_failed(now.mono, hop);
        self.handle_events(now, plane);
    }

    /// Something happened in the media session of a call.
    pub fn media_event(
        &mut self,
        now: Now,
        key: CallKey,
        event: media::Event,
        plane: &mut dyn MediaPlane,
    ) {
        self.with_call(now, key, plane, |call, ctx| call.media(ctx, event));
        self.handle_events(now, plane);
    }

    /// Ends a call. False when there is none of this name, or it is over already.
    pub fn stop_call(
        &mut self,
        now: Now,
        session_id: &str,
        by: StoppedBy,
        plane: &mut dyn MediaPlane,
    ) -> bool {
        let Some(key) = self.sessions.get(session_id).copied() else {
            return false;
        };
        let mut stopped = false;
        self.with_call(now, key, plane, |call, ctx| stopped = call.stop(ctx, by));
        self.handle_events(now, plane);
        stopped
    }

    /// Changes how long a call may last. None when it is not being connected or talked in.
    pub fn change_limit(
        &mut self,
        now: Now,
        session_id: &str,
        change: LimitChange,
        plane: &mut dyn MediaPlane,
    ) -> Option<Limit> {
        let key = self.sessions.get(session_id).copied()?;
        let mut limit = None;
        self.with_call(now, key, plane, |call, ctx| {
            limit = call.change_limit(ctx, change)
        });
        self.handle_events(now, plane);
        limit
    }

    /// The trace of a call so far. None when there is no such call, it has told its trace already, or traces are off.
    pub fn trace(&mut self, session_id: &str) -> Option<Trace> {
        let key = self.sessions.get(session_id)?;
        self.calls.get_mut(*key)?.story.trace().cloned()
    }

    /// The next question to somebody outside; the call waits for [`Switch::answer`], but not for long.
    pub fn poll_question(&mut self) -> Option<Question> {
        self.core.questions.pop_front()
    }

    /// The answer to the question of a call. One that nobody waits for any more is forgotten.
    pub fn answer(&mut self, now: Now, key: CallKey, answer: Answer, plane: &mut dyn MediaPlane) {
        self.with_call(now, key, plane, |call, ctx| call.asked(ctx, answer));
        self.handle_events(now, plane);
    }

    /// Ends every call.
    pub fn stop_all(&mut self, now: Now, plane: &mut dyn MediaPlane) {
        for key in self.calls.keys() {
            self.with_call(now, key, plane, |call, ctx| {
                call.stop(ctx, StoppedBy::Operator);
            });
        }
        self.handle_events(now, plane);
    }

    /// From now on new calls are refused with 503; those there are go on.
    pub fn drain(&mut self) {
        self.draining = true;
    }

    /// While overloaded, new calls are refused with 503; those there are go on.
    pub fn set_overloaded(&mut self, overloaded: bool) {
        self.overloaded = overloaded;
    }

    /// When [`Switch::handle_timeout`] wants to be called next.
    pub fn next_deadline(&self) -> Option<Instant> {
        let sip = self.core.endpoint.next_deadline();
        sip.into_iter().chain(self.calls.next_deadline()).min()
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Now, plane: &mut dyn MediaPlane) {
        self.core.endpoint.handle_timeout(now.mono);
        self.handle_events(now, plane);
        while let Some(key) = self.calls.due(now.mono) {
            self.with_call(now, key, plane, |call, ctx| call.tick(ctx));
        }
        self.handle_events(now, plane);
    }

    /// The next message to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.core.endpoint.poll_transmit()
    }

    /// The next fact to keep. Facts are to be on disk before the messages that follow them are sent.
    pub fn poll_fact(&mut self) -> Option<Fact> {
        self.core.facts.pop_front()
    }

    /// Calls that are not over, those only winding up included.
    pub fn live_calls(&self) -> usize {
        self.calls.len()
    }

    /// SIP transactions that are not over.
    pub fn live_transactions(&self) -> usize {
        self.core.endpoint.live()
    }

    /// Entries kept besides calls and transactions; 0 when both are 0, or something leaks.
    pub fn live_references(&self) -> usize {
        let core = &self.core;
        core.tags.len()
            + core.server_txs.len()
            + core.client_txs.len()
            + self.sessions.len()
            + self.texts.len()
    }

    /// What has been counted.
    pub fn counters(&self) -> SwitchCounters {
        self.counters
    }

    /// What the SIP endpoint has counted.
    pub fn sip_counters(&self) -> axbridge_sip::Counters {
        self.core.endpoint.counters()
    }

    fn handle_events(&mut self, now: Now, plane: &mut dyn MediaPlane) {
        while let Some(event) = self.core.endpoint.poll_event() {
            match event {
                Event::Request { tx, message, hop } => self.request(now, tx, message, hop, plane),
                Event::Response { tx, message, hop } => {
                    self.response(now, tx, &message, hop, plane)
                }
                Event::Ack { message, .. } => {
                    if let Some(leg) = self.leg_of_request(&message) {
                        self.with_call(now, leg.call, plane, |call, ctx| {
                            call.acked(ctx, leg.side, &message)
                        });
                    }
                }
                Event::Cancel { invite, .. } => {
                    if let Some(leg) = self.core.server_txs.get(&invite).copied() {
                        self.with_call(now, leg.call, plane, |call, ctx| {
                            let (core, cancel) = (&mut *ctx.core, Method::Cancel);
                            core.saw(now, leg.side, false, SipKind::request(&cancel));
                            // The transaction has answered it already (RFC 3261 §9.2).
                            core.saw(now, leg.side, true, SipKind::response(200, &cancel));
                            call.cancelled(ctx, invite)
                        });
                    }
                }
                Event::ClientTimeout { tx } if self.texts.ended(tx, 408) => {}
                Event::ClientTransportError { tx } if self.texts.ended(tx, 503) => {}
                Event::ClientTimeout { tx } | Event::ClientTransportError { tx } => {
                    if let Some(leg) = self.core.client_txs.remove(&tx) {
                        self.with_call(now, leg.call, plane, |call, ctx| {
                            call.unanswered(ctx, leg.side, tx)
                        });
                    }
                }
                // A refused caller that never acknowledges, or cannot be reached, is refused all the same.
                Event::ServerTimeout { .. } | Event::ServerTransportError { .. } => {}
            }
        }
    }

    /// The leg that a request inside a dialog belongs to: by our tag, and by its Call-ID.
    fn leg_of_request(&mut self, message: &Message) -> Option<LegKey> {
        self.leg_of(message.to().tag()?, message.call_id())
    }

    fn leg_of(&mut self, our_tag: &[u8], call_id: &[u8]) -> Option<LegKey> {
        let key = *self.core.tags.get(&Tag::parse(our_tag)?)?;
        let leg = self.calls.get_mut(key.call)?.leg(key.side)?;
        (*leg.call_id == *call_id).then_some(key)
    }

    fn response(
        &mut self,
        now: Now,
        tx: ClientTx,
        message: &Message,
        hop: Hop,
        plane: &mut dyn MediaPlane,
    ) {
        if self.texts.ended(tx, message.status().unwrap_or(0)) {
            return;
        }
        let asked = self.core.client_txs.get(&tx).copied();
        let is_final = message.status().is_some_and(|s| s >= 200);
        if is_final {
            self.core.client_txs.remove(&tx);
        }
        let leg = message
            .from()
            .tag()
            .and_then(|tag| self.leg_of(tag, message.call_id()));
        if let Some(leg) = leg {
            return self.with_call(now, leg.call, plane, |call, ctx| {
                call.response(ctx, leg.side, tx, message, hop);
            });
        }
        if let Some(leg) = asked {
            // The transaction is ours but the tags or the Call-ID are not: as good as no answer.
            if is_final {
                self.with_call(now, leg.call, plane, |call, ctx| {
                    call.unanswered(ctx, leg.side, tx);
                });
            }
            return;
        }
        let accepted = message.status().is_some_and(|s| (200..300).contains(&s));
        if accepted && *message.cseq_method() == Method::Invite {
            // Another fork answers a call that is long over.
            let from = message.header(Name::From).unwrap_or_default().to_vec();
            let mut ctx = Ctx {
                now,
                core: &mut self.core,
                plane,
            };
            progress::end_surplus(&mut ctx, &from, message, hop);
        }
    }

    fn request(
        &mut self,
        now: Now,
        tx: ServerTx,
        message: Message,
        hop: Hop,
        plane: &mut dyn MediaPlane,
    ) {
        if message.to().tag().is_some() {
            let Some(leg) = self.leg_of_request(&message) else {
                return self.respond(now, tx, ResponseBuilder::new(481));
            };
            let is_invite = *message.cseq_method() == Method::Invite;
            if is_invite {
                self.core.server_txs.insert(tx, leg);
            }
            return self.with_call(now, leg.call, plane, |call, ctx| {
                if is_invite {
                    // Only what is not answered yet can be cancelled.
                    let core = &mut *ctx.core;
                    call.invites.retain(|tx| {
                        let open = core.endpoint.server_request(*tx).is_some();
                        open || core.server_txs.remove(tx).is_none()
                    });
                    call.invites.push(tx);
                }
                call.request(ctx, leg.side, tx, &message);
            });
        }
        let trunk = self.core.directory.snapshot().trunk_of(hop.remote).cloned();
        let Some(trunk) = trunk else {
            // Taken away in this very moment: others have been turned away before there was a transaction.
            return self.respond(now, tx, ResponseBuilder::new(403));
        };
        match message.cseq_method() {
            Method::Invite => self.invite(now, tx, message, hop, trunk, plane),
            Method::Options => {
                let answer = compose::options_answer(!self.draining, trunk.texts == TextWay::Sip);
                self.respond(now, tx, answer);
            }
            Method::Message => self.text_came(now, tx, &message, hop, &trunk),
            Method::Bye | Method::Prack | Method::Update | Method::Info => {
                self.respond(now, tx, ResponseBuilder::new(481));
            }
            Method::Other(_) => self.respond(now, tx, ResponseBuilder::new(501)),
            _ => self.respond(
                now,
                tx,
                ResponseBuilder::new(405).header(Name::Allow, compose::ALLOW),
            ),
        }
    }

    fn invite(
        &mut self,
        now: Now,
        tx: ServerTx,
        message: Message,
        hop: Hop,
        trunk: Arc<Trunk>,
        plane: &mut dyn MediaPlane,
    ) {
        let incoming = match self.admit(now, tx, message, hop, trunk) {
            Ok(incoming) => incoming,
            Err(response) => {
                self.counters.refused += 1;
                return self.respond(now, tx, *response);
            }
        };
        self.counters.calls += 1;
        let key = self.calls.reserve();
        let mut ctx = Ctx {
            now,
            core: &mut self.core,
            plane,
        };
        let _ = ctx
            .core
            .endpoint
            .respond(now.mono, tx, ResponseBuilder::new(100));
        let mut call = Call::begin(&mut ctx, key, incoming);
        call.story.take(&mut ctx.core.pending);
        self.sessions.insert(call.session.clone(), key);
        self.calls.insert(call);
        self.bury_if_over(key);
    }

    /// The checks before there is a call: each refusal is a plain response and leaves nothing behind.
    fn admit(
        &mut self,
        now: Now,
        tx: ServerTx,
        message: Message,
        hop: Hop,
        trunk: Arc<Trunk>,
    ) -> Result<Incoming, Box<ResponseBuilder>> {
        let refuse = |status| Err(Box::new(ResponseBuilder::new(status)));
        if message.max_forwards() == Some(0) {
            return refuse(483);
        }
        if let Some(response) = compose::refusal_by_header(&trunk, &message) {
            return Err(Box::new(response));
        }
        let tag = self.core.ids.tag();
        let Ok(mut dialog) = Dialog::uas(&message, &tag.to_string(), hop) else {
            // Nobody could be reached in it.
            return refuse(400);
        };
        dialog.set_follow(trunk.follows_contact());
        if trunk.prack == Prack::Required
            && !message.supports("100rel")
            && !message.requires("100rel")
        {
            return Err(Box::new(
                ResponseBuilder::new(421).header(Name::Require, "100rel"),
            ));
        }
        if self.is_full() || self.calls.len() >= self.core.config.calls_max {
            return Err(Box::new(self.busy()));
        }
        let called = message.uri().and_then(|uri| uri.subscriber());
        let Some(x) = called.and_then(|user| trunk.numbers.normalise(&user).ok()) else {
            self.core.nobodys_number(now, &trunk, &message, None);
            return refuse(404);
        };
        let Some(app) = self.app_of(x) else {
            self.core.nobodys_number(now, &trunk, &message, Some(x));
            return refuse(404);
        };
        let offered = match message.body() {
            body if body.is_empty() => None,
            body => match SessionDescription::parse(&body) {
                Err(_) => return refuse(400),
                Ok(d) if d.audio().is_none() => return refuse(488),
                Ok(d) => Some(d),
            },
        };
        Ok(Incoming {
            tag,
            dialog,
            trunk,
            tx,
            message,
            hop,
            x,
            app,
            offered,
        })
    }

    /// Nothing new is taken at this moment.
    pub(crate) fn is_full(&self) -> bool {
        self.draining || self.overloaded
    }

    /// 503 and when to come again.
    pub(crate) fn busy(&self) -> ResponseBuilder {
        let retry_after = self.core.config.sip.retry_after_s.to_string();
        ResponseBuilder::new(503).header(Name::RetryAfter, retry_after)
    }

    fn app_of(&self, x: axbridge_numbering::Number) -> Option<Arc<App>> {
        let info = self.core.directory.table.number(x)?;
        self.core.directory.snapshot().apps.get(&info.app).cloned()
    }

    pub(crate) fn respond(&mut self, now: Now, tx: ServerTx, response: ResponseBuilder) {
        let _ = self.core.endpoint.respond(now.mono, tx, response);
    }

    fn with_call(
        &mut self,
        now: Now,
        key: CallKey,
        plane: &mut dyn MediaPlane,
        act: impl FnOnce(&mut Call, &mut Ctx<'_>),
    ) {
        let Some(call) = self.calls.get_mut(key) else {
            return;
        };
        act(
            call,
            &mut Ctx {
                now,
                core: &mut self.core,
                plane,
            },
        );
        call.story.take(&mut self.core.pending);
        self.calls.reschedule(key);
        self.bury_if_over(key);
    }

    fn bury_if_over(&mut self, key: CallKey) {
        if !self.calls.get_mut(key).is_some_and(|call| call.is_over()) {
            return;
        }
        let Some(call) = self.calls.remove(key) else {
            return;
        };
        self.sessions.remove(&call.session);
        for leg in std::iter::once(&call.a).chain(&call.b) {
            self.core.tags.remove(&leg.tag);
        }
        for tx in &call.invites {
            self.core.server_txs.remove(tx);
        }
    }
}

impl Call {
    /// Ends the call on someone's wish. False when it is over already.
    fn stop(&mut self, ctx: &mut Ctx<'_>, by: StoppedBy) -> bool {
        if self.story.ending().is_some() {
            return false;
        }
        let ending = match by {
            StoppedBy::Operator => Ending::StoppedByOperator,
            StoppedBy::Application if self.story.is_answered() => Ending::StoppedByApplication,
            StoppedBy::Application => Ending::StoppedBeforeAnswer,
        };
        self.end(ctx, ending);
        true
    }
}
