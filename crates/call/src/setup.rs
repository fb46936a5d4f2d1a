//! How a call begins: from the caller's INVITE to our INVITE to the callee, or to a refusal.

use std::sync::Arc;

use axbridge_binding::{Route, RouteKind};
use axbridge_media::sdp::{LocalMedia, NarrowPolicy, SessionDescription};
use axbridge_media::{Command, Prompt, Side};
use axbridge_numbering::Number;
use axbridge_sip::{Dialog, Hop, Message, Method, Name, ServerTx};

use crate::ask::QuestionKind;
use crate::call::{Call, Deadlines, Phase};
use crate::compose::{self, SecondLeg};
use crate::core::{Ctx, LegKey};
use crate::directory::{App, CallerHeader, Prack, Trunk};
use crate::ids::Tag;
use crate::leg::{Abilities, Leg, State};
use crate::limit::Clock;
use crate::offer;
use crate::outcome::{Bar, Ending};
use crate::plan::{self, Arrived, Next, Plan, Way};
use crate::plane::CallKey;
use crate::progress;
use crate::reliable;
use crate::rules;
use crate::sound::{Purpose, Sound};
use crate::story::Story;
use crate::trace::{Note, SipKind, Trace};

/// A new INVITE that has passed the checks of the protocol.
pub(crate) struct Incoming {
    /// Our tag.
    pub tag: Tag,
    /// The early dialog.
    pub dialog: Dialog,
    pub trunk: Arc<Trunk>,
    pub tx: ServerTx,
    pub message: Message,
    pub hop: Hop,
    pub x: Number,
    /// X belongs to this application.
    pub app: Arc<App>,
    /// Their session description; none is a late offer.
    pub offered: Option<SessionDescription>,
}

/// The caller's number, from the first header of the trunk's order that holds a usable one.
/// Says which header that was.
pub(crate) fn caller_number(trunk: &Trunk, message: &Message) -> Option<(Number, CallerHeader)> {
    let normalise = |uri: axbridge_sip::Uri<'_>| {
        uri.subscriber()
            .and_then(|user| trunk.numbers.normalise(&user).ok())
    };
    let number_in = |header: CallerHeader| match header {
        CallerHeader::PAssertedIdentity => message
            .values(Name::PAssertedIdentity)
            .filter_map(|v| axbridge_sip::NameAddr::parse(v).ok())
            .find_map(|a| normalise(a.uri())),
        CallerHeader::From => normalise(message.from().uri()),
    };
    let mut headers = trunk.caller_from.iter();
    headers.find_map(|header| Some((number_in(*header)?, *header)))
}

impl Call {
    /// Takes an INVITE: tells that it came, finds its route, and calls the callee or refuses.
    pub fn begin(ctx: &mut Ctx<'_>, key: CallKey, incoming: Incoming) -> Call {
        let session = ctx.core.ids.session(ctx.now);
        let icid = ctx.core.ids.icid(ctx.now);
        let (caller, caller_from) = caller_number(&incoming.trunk, &incoming.message).unzip();
        let mut story = Story::new(
            Some(incoming.app.clone()),
            session.clone(),
            icid,
            caller.map(Number::to_global).unwrap_or_default(),
            incoming.x.to_global(),
            ctx.now.wall_ms,
        );
        if ctx.core.config.trace {
            story.traced(Trace::new(ctx.now, caller, Some(incoming.x)));
        }
        note_arrival(ctx, &incoming.trunk, caller_from);
        let theirs = incoming.message.max_forwards().unwrap_or(70);
        let arrived = Arrived {
            app: incoming.app.clone(),
            x: incoming.x,
            caller,
            max_forwards: theirs.saturating_sub(1),
        };
        let next = match rules::admit_caller(ctx, &arrived, &incoming.trunk) {
            Ok(()) => plan::decide(ctx, &arrived, &mut story),
            Err(ending) => {
                if ending != Ending::NoCallerNumber {
                    ctx.note(Note::said(
                        "A rule of the operator, or the state of the application, keeps the call from being made.",
                    ));
                }
                Next::Refuse(ending)
            }
        };
        let asked = matches!(next, Next::Ask(QuestionKind::CallIn { .. }));
        let number = ctx.core.directory.table.number(arrived.x);
        story.at_home(number.and_then(|n| n.area));
        let named = number.is_none_or(|n| n.mode != RouteKind::Axe);
        let fact = story.call_in(ctx.now.wall_ms, asked, named);
        ctx.core.tell(fact);
        let tx = incoming.tx;
        let mut call = Call {
            key,
            session,
            phase: Phase::Calling,
            a: caller_leg(ctx, key, incoming),
            b: None,
            arrived,
            plan: None,
            story,
            clock: Clock::default(),
            joining: false,
            occupied: None,
            sound: Sound::new(key),
            exchange: None,
            settles: 0,
            deadlines: Deadlines::default(),
            answer_owed: false,
            addresses: None,
            invites: vec![tx],
        };
        call.go(ctx, next);
        call
    }

    /// Does what was decided.
    pub fn go(&mut self, ctx: &mut Ctx<'_>, next: Next) {
        match next {
            Next::Connect(way) => self.connect(ctx, *way),
            Next::Menu => self.enter_menu(ctx),
            Next::Ask(question) => self.ask(ctx, question),
            Next::Announce(prompt, ending) => self.announce(ctx, prompt, ending),
            Next::Refuse(ending) => self.refuse(ctx, ending),
        }
    }

    /// Calls the callee.
    fn connect(&mut self, ctx: &mut Ctx<'_>, way: Way) {
        self.phase = Phase::Calling;
        let Way { route, policy, .. } = way;
        let app = self.arrived.app.clone();
        if !self.occupy(ctx, &route) {
            ctx.note(Note::said(
                "A is in another call through a private number of this application.",
            ));
            return self.refuse(ctx, Ending::PartyBusy);
        }
        let snapshot = ctx.core.directory.snapshot();
        let known = snapshot.trunks.get(&route.trunk).cloned();
        drop(snapshot);
        let trunk = known.unwrap_or_else(|| {
            ctx.note(Note::said(
                "The trunk of the number is not known any more: the call leaves by the one it came in by.",
            ));
            self.a.trunk.clone()
        });
        let display = match self.arrived.caller.filter(|_| route.show_caller) {
            Some(caller) => caller,
            None => route.display,
        };
        if !trunk.shows_callers && Some(display) == self.arrived.caller {
            return self.refuse(ctx, Ending::Barred(Bar::RealCallerShown));
        }
        let Some(hop) = ctx.core.hop_to(&trunk) else {
            ctx.note(Note::said(
                "No address of ours speaks the transport of the trunk that leads to the callee.",
            ));
            return self.end(ctx, Ending::NoRoute);
        };
        if let Err(bar) = rules::admit_callee(ctx, &app, &trunk, route.callee, display) {
            return self.refuse(ctx, Ending::Barred(bar));
        }
        // At a menu the ports are open already.
        if !self.sound.open && !self.open_media(ctx, Some((&trunk, &hop))) {
            return self.end(ctx, Ending::NoPorts);
        }
        let callee = route.callee;
        self.story.routed(route.direction, display, callee);
        ctx.note(Note::Trunk {
            name: trunk.name.as_str().into(),
            caller_shown: Some(display) == self.arrived.caller,
        });
        if let Some(extension) = route.extension.filter(|_| !route.caller_is_a) {
            self.story.extended(extension.to_string());
        }
        self.deadlines.answer =
            Some(ctx.now.mono + std::time::Duration::from_millis(app.answer_timeout_ms));
        self.clock = Clock::of(&policy, ctx.core.config.minute);
        self.plan = Some(Plan {
            app,
            policy,
            waiting: way.waiting,
            callee_hint: way.callee_hint,
        });
        self.play_waiting(ctx);
        let fact = self.story.call_out(ctx.now.wall_ms);
        ctx.core.tell(fact);
        if matches!(route.kind, RouteKind::Ax | RouteKind::Axe) && !route.caller_is_a {
            let fact = self.story.reached(ctx.now.wall_ms);
            ctx.core.tell(fact);
        }
        self.call_callee(ctx, trunk, hop, display, callee);
    }

    /// Where only one caller at a time reaches A, A is busy from here. False when it is already.
    fn occupy(&mut self, ctx: &Ctx<'_>, route: &Route) -> bool {
        if !matches!(route.kind, RouteKind::Ax | RouteKind::Axe) {
            return true;
        }
        let busy = &ctx.core.directory.busy;
        self.occupied = match self.arrived.caller.filter(|_| route.caller_is_a) {
            Some(a) => Some(busy.calls(route.app, a)),
            None => busy.call(route.app, route.callee),
        };
        self.occupied.is_some()
    }

    fn call_callee(
        &mut self,
        ctx: &mut Ctx<'_>,
        trunk: Arc<Trunk>,
        hop: Hop,
        display: Number,
        callee: Number,
    ) {
        let max_forwards = self.arrived.max_forwards;
        let Some(local) = self.local_media(ctx, Side::B) else {
            return self.end(ctx, Ending::NoPorts);
        };
        let tag = ctx.core.ids.tag();
        let call_id = ctx.core.ids.call_id();
        let advertised = ctx.core.advertised(&hop);
        let second = SecondLeg {
            trunk: &trunk,
            hop: &hop,
            advertised,
            display,
            callee,
            tag,
            call_id: &call_id,
            max_forwards,
        };
        let (from, invite) = (second.from(), second.invite());
        let narrow = self.narrow();
        let key = LegKey {
            call: self.key,
            side: Side::B,
        };
        let contact = compose::contact(advertised, &hop);
        let placeholder = State::Gone;
        let mut leg = Leg::new(
            key,
            trunk,
            hop,
            tag,
            call_id.as_bytes(),
            contact,
            placeholder,
        );
        leg.local = Some(local);
        leg.our_from = from;
        let Ok(body) = offer::to_callee(&mut leg, &self.a, narrow) else {
            return self.end(ctx, Ending::NoCodec);
        };
        let tx = ctx
            .core
            .request(ctx.now, key, hop, invite.body(compose::SDP, body));
        leg.state = State::Calling {
            tx,
            cancelled: false,
        };
        ctx.core.tags.insert(tag, key);
        self.b = Some(leg);
    }

    /// Codecs that we cannot speak are only of use where we never have to.
    pub fn narrow(&self) -> NarrowPolicy {
        let Some(plan) = &self.plan else {
            return NarrowPolicy::SpokenOnly;
        };
        let p = &plan.policy;
        let speaks = self.records(plan)
            || p.record_hint_tone.is_some()
            || p.last_min_voice.is_some()
            || plan.callee_hint.is_some()
            // Something was said to the caller already, in a codec that the callee must now share.
            || (matches!(self.phase, Phase::Calling) && self.a.negotiated.is_some());
        if speaks {
            NarrowPolicy::SpokenOnly
        } else {
            NarrowPolicy::Any
        }
    }

    pub fn records(&self, plan: &Plan) -> bool {
        plan.policy.record && plan.app.recording
    }

    /// A prompt of the application by its file name.
    pub fn prompt(&self, name: Option<&Arc<str>>) -> Option<Arc<Prompt>> {
        let plan = self.plan.as_ref()?;
        plan.app.prompts.get(name?).cloned()
    }

    /// The waiting tone of the side that calls, as early media.
    fn play_waiting(&mut self, ctx: &mut Ctx<'_>) {
        let Some(prompt) = self.plan.as_ref().and_then(|p| p.waiting.clone()) else {
            return;
        };
        if self.hear(ctx) {
            self.sound.play(ctx, Side::A, prompt, Purpose::PreVoice);
        }
    }

    /// Lets the caller hear us before the callee has said anything: it does already, or its offer is answered in a
    /// 183. False when the caller made no offer or takes no G.711: then no prompt can be heard before the answer.
    pub fn hear(&mut self, ctx: &mut Ctx<'_>) -> bool {
        if self.a.negotiated.is_some() {
            return true;
        }
        let Ok(body) = offer::answer_spoken(&mut self.a) else {
            return false;
        };
        self.connect_side(ctx, Side::A);
        self.provisional(ctx, 183, Some(body));
        true
    }

    /// Refuses the call: with the application's prompt where it has one, then the status.
    pub fn refuse(&mut self, ctx: &mut Ctx<'_>, ending: Ending) {
        let prompts = &self.arrived.app.refusals;
        let prompt = match ending {
            Ending::NoBinding
            | Ending::NoCallerNumber
            | Ending::NoTemporaryCallee
            | Ending::NoAxybBinding => prompts.no_binding.clone(),
            Ending::WrongDirection
            | Ending::NumberUnusable
            | Ending::NoAxBinding
            | Ending::SelfCall
            | Ending::Barred(_) => prompts.no_permission.clone(),
            Ending::NoCallback => prompts.no_callback.clone(),
            // A busy tone, or what the carrier plays for it, says more than any prompt of ours.
            Ending::PartyBusy | Ending::TurnedOff => None,
            _ => prompts.service_abnormal.clone(),
        };
        self.announce(ctx, prompt, ending);
    }

    /// Plays a prompt to the caller and ends the call; at once if there is none, or it cannot be heard.
    pub fn announce(&mut self, ctx: &mut Ctx<'_>, prompt: Option<Arc<Prompt>>, ending: Ending) {
        let Some(prompt) = prompt else {
            return self.end(ctx, ending);
        };
        if !(self.sound.open || self.open_media(ctx, None)) || !self.hear(ctx) {
            ctx.note(Note::said(
                "The prompt cannot be heard before the answer: the caller offers no G.711 audio, or no ports are left.",
            ));
            return self.end(ctx, ending);
        }
        self.phase = Phase::Refusing(ending);
        // Who is not called is not busy while the caller hears so.
        self.occupied = None;
        let patience = std::time::Duration::from_millis(self.arrived.app.answer_timeout_ms);
        self.deadlines.answer = Some(ctx.now.mono + patience);
        self.sound.play(ctx, Side::A, prompt, Purpose::Refusal);
    }

    /// Opens the ports of both legs; a call that is refused has no second one.
    pub fn open_media(&mut self, ctx: &mut Ctx<'_>, second: Option<(&Trunk, &Hop)>) -> bool {
        let a_ip = ctx.core.media_ip(&self.a.trunk, &self.a.hop);
        let b_ip = second.map_or(a_ip, |(trunk, hop)| ctx.core.media_ip(trunk, hop));
        let Ok(addresses) = ctx.plane.open(self.key, a_ip, b_ip) else {
            return false;
        };
        self.sound.open = true;
        self.addresses = Some(addresses);
        self.a.local = self.local_media(ctx, Side::A);
        true
    }

    /// Writes our descriptions for one side.
    fn local_media(&self, ctx: &mut Ctx<'_>, side: Side) -> Option<LocalMedia> {
        // RFC 4566 §5.2 wants a number; 62 bits are safe in every parser.
        let session_id = ctx.core.ids.number() >> 2;
        Some(LocalMedia::new(session_id, self.addresses?[side.index()]))
    }

    /// Puts what a leg has negotiated into effect.
    pub fn connect_side(&mut self, ctx: &mut Ctx<'_>, side: Side) {
        let Some(leg) = self.leg(side) else { return };
        let Some(negotiated) = leg.negotiated.clone() else {
            return;
        };
        let learn_source = leg.trunk.learn_media_source;
        self.sound.command(
            ctx,
            Command::Connect {
                side,
                negotiated,
                learn_source,
            },
        );
    }
}

/// How the call came in, and who calls.
fn note_arrival(ctx: &mut Ctx<'_>, trunk: &Trunk, caller_from: Option<CallerHeader>) {
    let invite = Method::Invite;
    let core = &mut *ctx.core;
    core.saw(ctx.now, Side::A, false, SipKind::request(&invite));
    // The switch has sent it before there was a call.
    core.saw(ctx.now, Side::A, true, SipKind::response(100, &invite));
    if !core.config.trace {
        return;
    }
    ctx.note(Note::Arrived {
        trunk: trunk.name.as_str().into(),
    });
    ctx.note(match caller_from {
        Some(header) => Note::CallerFrom(header),
        None => Note::CallerMissing(trunk.caller_from.clone()),
    });
}

/// The caller's leg, with its early dialog.
fn caller_leg(ctx: &mut Ctx<'_>, key: CallKey, incoming: Incoming) -> Leg {
    let Incoming {
        tag,
        dialog,
        trunk,
        tx,
        message,
        hop,
        offered,
        ..
    } = incoming;
    let contact = compose::contact(ctx.core.advertised(&hop), &hop);
    // A late offer forces our own offer into the first reliable response; so it is used only where required.
    let wanted = message.requires("100rel") || (message.supports("100rel") && offered.is_some());
    let reliable = (trunk.prack != Prack::Never && wanted)
        .then(|| reliable::Sender::new((ctx.core.ids.number() >> 40) as u32));
    let state = State::Invited {
        tx,
        cseq: message.cseq().seq,
    };
    let mut leg = Leg::new(
        LegKey {
            call: key,
            side: Side::A,
        },
        trunk,
        hop,
        tag,
        message.call_id(),
        contact,
        state,
    );
    leg.abilities = Abilities::of(&message);
    leg.dialog = Some(dialog);
    leg.offered = offered;
    leg.reliable = reliable;
    leg.progress_at = Some(ctx.now.mono + progress::PROGRESS_EVERY);
    ctx.core.tags.insert(tag, leg.key);
    ctx.core.server_txs.insert(tx, leg.key);
    leg
}
