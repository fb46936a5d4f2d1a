//! A carrier with one telephone behind it, written against the RFCs and not against our call logic: it shares with
//! axbridge only the reading and writing of messages and the transactions. What it is sent it checks; what it
//! finds wrong is kept in [`Phone::wrong`].

mod callee;
mod caller;
mod dialog;
mod junk;
mod requests;
pub mod sdp;
mod talk;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axbridge_media::Side;
use axbridge_sip::{
    ClientTx, Endpoint, EndpointConfig, Event, Hop, Method, ServerTx, Transmit, Transport,
};
use bytes::Bytes;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::plan::{Act, CalleePlan, CallerPlan, OnCancel, OnReinvite, Party};
pub(crate) use dialog::{Dialog, Life};
pub use junk::Secrets;

/// RFC 3261 T1.
pub const T1: Duration = Duration::from_millis(500);
/// RFC 3261 T2.
pub const T2: Duration = Duration::from_secs(4);

/// Something that a telephone does by its own clock.
#[derive(Clone, Debug)]
pub enum Timer {
    /// The caller dials.
    Dial,
    /// The caller gives up.
    Cancel,
    /// A step of the callee.
    Step(usize),
    /// Something before the answer.
    Early(Act),
    /// Something after the answer; how often it was put off.
    Talk(Act, u8),
    /// A 2xx of a dialog is due again.
    Repeat2xx(usize),
    /// A reliable provisional response of a fork is due again.
    RepeatProvisional(usize),
    /// A re-INVITE of ours is cancelled.
    CancelReinvite(ClientTx),
    /// Their re-INVITE is answered.
    AnswerReinvite(usize, ServerTx),
    /// An INVITE that was cancelled long ago is answered.
    LateRefusal,
    /// Falls silent.
    Vanish,
}

pub(crate) enum Role {
    Caller(caller::Calling),
    Callee(callee::Called),
}

/// See the module.
pub struct Phone {
    /// Caller or callee.
    pub side: Side,
    /// Where it listens for SIP.
    pub address: SocketAddr,
    /// Where it wants RTP.
    pub media: SocketAddr,
    /// Its number, `+86...`.
    pub number: String,
    /// The number that it dials or is to see: X.
    pub x: String,
    /// Everything of it that must not be seen on the other side.
    pub secrets: Secrets,
    /// What it found wrong in what it was sent.
    pub wrong: Vec<String>,
    /// It has fallen silent.
    pub vanished: bool,
    /// Final status of its INVITE, or of the INVITE to it.
    pub last_status: Option<u16>,
    /// Timers that the world has still to take.
    pub timers: Vec<(Instant, Timer)>,
    /// It sent or got a BYE in every dialog: no RTP may come any more.
    pub(crate) dialogs: Vec<Dialog>,
    pub(crate) role: Role,
    pub(crate) endpoint: Endpoint,
    pub(crate) random: SmallRng,
    pub(crate) switch: SocketAddr,
    acks_lost: u8,
}

/// What a telephone is told at its making.
pub struct Setup {
    /// Its randomness.
    pub seed: u64,
    /// Where it listens.
    pub address: SocketAddr,
    /// Where it wants RTP.
    pub media: SocketAddr,
    /// Our address.
    pub switch: SocketAddr,
    /// Its number.
    pub number: String,
    /// X.
    pub x: String,
}

impl Phone {
    /// One that will call.
    #[must_use]
    pub fn caller(setup: Setup, plan: CallerPlan) -> Phone {
        let lost = plan.party.acks_lost;
        let host_names = plan.party.host_names;
        let role = Role::Caller(caller::Calling::new(plan));
        Phone::new(setup, Side::A, role, lost, host_names)
    }

    /// One that will be called.
    #[must_use]
    pub fn callee(setup: Setup, plan: CalleePlan) -> Phone {
        let lost = plan.party.acks_lost;
        let host_names = plan.party.host_names;
        let role = Role::Callee(callee::Called::new(plan));
        Phone::new(setup, Side::B, role, lost, host_names)
    }

    fn new(setup: Setup, side: Side, role: Role, acks_lost: u8, host_names: bool) -> Phone {
        let mut random = SmallRng::seed_from_u64(setup.seed);
        let secrets = Secrets::new(&mut random, side, &setup.number, setup.address);
        let sent_by = match host_names {
            true => vec![(setup.address, format!("{}:5060", secrets.host))],
            false => Vec::new(),
        };
        let config = EndpointConfig {
            user_agent: secrets.agent.clone(),
            sent_by,
            ..EndpointConfig::default()
        };
        Phone {
            side,
            address: setup.address,
            media: setup.media,
            number: setup.number,
            x: setup.x,
            secrets,
            wrong: Vec::new(),
            vanished: false,
            last_status: None,
            timers: Vec::new(),
            dialogs: Vec::new(),
            role,
            endpoint: Endpoint::new(config, random.random()),
            random,
            switch: setup.switch,
            acks_lost,
        }
    }

    pub(crate) fn party(&self) -> &Party {
        match &self.role {
            Role::Caller(c) => &c.plan.party,
            Role::Callee(c) => &c.plan.party,
        }
    }

    /// A datagram came.
    pub fn receive(&mut self, now: Instant, bytes: Bytes) {
        if self.vanished || self.is_silent() {
            return;
        }
        let hop = self.hop();
        self.endpoint.receive(now, hop, bytes);
        self.events(now);
    }

    fn is_silent(&self) -> bool {
        matches!(&self.role, Role::Callee(c) if c.plan.silent)
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.endpoint.handle_timeout(now);
        self.events(now);
    }

    /// When [`Phone::handle_timeout`] is wanted.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        if self.vanished {
            return None;
        }
        self.endpoint.next_deadline()
    }

    /// What it sends.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        let next = self.endpoint.poll_transmit();
        next.filter(|_| !self.vanished)
    }

    /// One of its timers has run out.
    pub fn timer(&mut self, now: Instant, timer: Timer) {
        if self.vanished {
            return;
        }
        match timer {
            Timer::Dial => self.dial(now),
            Timer::Cancel => self.cancel(now),
            Timer::Step(index) => self.step(now, index),
            Timer::Early(act) => self.early(now, act),
            Timer::Talk(act, tries) => self.talk(now, act, tries),
            Timer::Repeat2xx(dialog) => self.repeat_2xx(now, dialog),
            Timer::RepeatProvisional(fork) => self.repeat_provisional(now, fork),
            Timer::CancelReinvite(tx) => self.endpoint.cancel(now, tx),
            Timer::AnswerReinvite(dialog, tx) => self.answer_reinvite(now, dialog, tx),
            Timer::LateRefusal => self.late_refusal(now),
            Timer::Vanish => self.vanish(),
        }
        self.events(now);
    }

    pub(crate) fn vanish(&mut self) {
        self.vanished = true;
    }

    pub(crate) fn after(&mut self, now: Instant, wait: Duration, timer: Timer) {
        self.timers.push((now + wait, timer));
    }

    pub(crate) fn complain(&mut self, what: impl Into<String>) {
        self.wrong.push(what.into());
    }

    pub(crate) fn hop(&self) -> Hop {
        Hop {
            transport: Transport::Udp,
            local: self.address,
            remote: self.switch,
            conn: None,
        }
    }

    fn events(&mut self, now: Instant) {
        while let Some(event) = self.endpoint.poll_event() {
            match event {
                Event::Request { tx, message, .. } => self.request(now, tx, &message),
                Event::Cancel { invite, .. } => self.cancelled(now, invite),
                Event::Ack { message, .. } => self.acked(&message),
                Event::Response { tx, message, .. } => match message.cseq_method() {
                    Method::Invite if self.is_dialling(tx) => self.dialled(now, &message),
                    _ => self.response(now, tx, &message),
                },
                Event::ClientTimeout { tx } | Event::ClientTransportError { tx } => {
                    self.unanswered(now, tx);
                }
                Event::ServerTimeout { .. } => {
                    // Our side never acknowledged a refusal: wrong, unless the network is to blame.
                    let late = matches!(&self.role, Role::Callee(c) if c.plan.on_cancel == OnCancel::Ignore);
                    if !late {
                        self.complain("a refusal was never acknowledged");
                    }
                }
                Event::ServerTransportError { .. } => {}
            }
        }
    }

    /// What is still open at the end, which is wrong.
    #[must_use]
    pub fn left_open(&self) -> Option<&'static str> {
        if self.vanished {
            return None;
        }
        if self.dialogs.iter().any(|d| d.life == Life::Confirmed) {
            return Some("a dialog that nobody ended");
        }
        match &self.role {
            Role::Caller(c) if c.dialled && self.last_status.is_none() => {
                Some("an INVITE without a final response")
            }
            Role::Callee(c) if c.is_ringing() => Some("a telephone that still rings"),
            _ => None,
        }
    }

    /// True when no dialog of it stands any more: no RTP may come.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.left_open().is_none()
            && self.dialogs.iter().all(|d| d.life == Life::Ended)
            && self.last_status.is_some()
    }
}

/// What a party has settled, when it has been at peace for a while.
pub(crate) struct Settled {
    pub codec: String,
    pub flow: sdp::Flow,
    pub wish: sdp::Flow,
}

impl Phone {
    pub(crate) fn settled(&self, now: Instant, peace: Duration) -> Option<Settled> {
        let willing = !matches!(
            self.party().on_reinvite,
            OnReinvite::Refuse(_) | OnReinvite::Stall
        );
        if self.vanished || !willing {
            return None;
        }
        let dialog = self.dialogs.iter().find(|d| d.life == Life::Confirmed)?;
        if dialog.offer_open() || !dialog.outgoing.is_empty() || now < dialog.touched + peace {
            return None;
        }
        let agreed = dialog.media.agreed.as_ref()?;
        Some(Settled {
            codec: agreed.codec.clone(),
            flow: agreed.flow,
            wish: dialog.media.wish,
        })
    }

    fn agreed(&self) -> Option<&dialog::Agreed> {
        // A fork that was not answered stays early: the answered one speaks.
        let of = |life| self.dialogs.iter().find(move |d| d.life == life);
        let live = of(Life::Confirmed).or_else(|| of(Life::Early))?;
        live.media.agreed.as_ref()
    }

    /// The payload type of the RTP that it sends now, if it may.
    pub(crate) fn sends_rtp(&self) -> Option<u8> {
        self.agreed().filter(|a| a.flow.sends()).map(|a| a.pt)
    }

    /// Since when nothing stands any more.
    pub(crate) fn done_since(&self) -> Option<Instant> {
        self.dialogs.iter().map(|d| d.touched).max()
    }
}
