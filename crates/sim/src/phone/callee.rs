//! A telephone that is called: provisional responses, forks, the answer or refusal, CANCEL.

use std::time::{Duration, Instant};

use axbridge_sip::{Message, Name, ResponseBuilder, ServerTx};
use bytes::Bytes;
use rand::Rng;

use super::dialog::{Dialog, Life, Unacked};
use super::{Phone, Role, T1, Timer};
use crate::plan::{CalleePlan, OnCancel, Reliable, Step};

/// A reliable provisional response that waits for its PRACK.
struct Pending {
    rseq: u32,
    bytes: Bytes,
    interval: Duration,
    has_sdp: bool,
}

/// One early dialog of the callee.
struct Fork {
    dialog: usize,
    rseq: u32,
    pending: Option<Pending>,
    /// Our answer went out reliably.
    settled: bool,
    /// Our answer, the same in every response of this fork.
    answer: Option<Bytes>,
}

/// The callee's own.
pub(crate) struct Called {
    pub plan: CalleePlan,
    tx: Option<ServerTx>,
    invite: Option<Message>,
    forks: Vec<(usize, Fork)>,
    cancelled: bool,
    done: bool,
}

impl Called {
    pub fn new(plan: CalleePlan) -> Called {
        Called {
            plan,
            tx: None,
            invite: None,
            forks: Vec::new(),
            cancelled: false,
            done: false,
        }
    }

    pub fn is_ringing(&self) -> bool {
        self.invite.is_some() && !self.done
    }
}

impl Phone {
    fn called(&mut self) -> &mut Called {
        match &mut self.role {
            Role::Callee(c) => c,
            Role::Caller(_) => unreachable!("only callees are called"),
        }
    }

    /// An INVITE outside of any dialog.
    pub(crate) fn invited(&mut self, now: Instant, tx: ServerTx, message: &Message) {
        if self.is_caller() || self.called().invite.is_some() {
            self.complain("an INVITE that nobody expects");
            let _ = self.endpoint.respond(now, tx, ResponseBuilder::new(486));
            return;
        }
        self.inspect_invite(message);
        let c = self.called();
        c.tx = Some(tx);
        c.invite = Some(message.clone());
        let plan = c.plan.clone();
        if plan.party.reliable == Reliable::Required && !message.supports("100rel") {
            return self.reject(now, 421, None);
        }
        for (index, (wait, _)) in plan.steps.iter().enumerate() {
            self.after(now, *wait, Timer::Step(index));
        }
        for (wait, act) in plan.party.early {
            self.after(now, wait, Timer::Early(act));
        }
        if let Some(wait) = plan.party.vanishes {
            self.after(now, wait, Timer::Vanish);
        }
    }

    fn inspect_invite(&mut self, message: &Message) {
        let user = message
            .uri()
            .and_then(|u| u.subscriber())
            .unwrap_or_default();
        let national = &self.number.as_bytes()[3..];
        if !user.ends_with(national) {
            self.complain("an INVITE for someone else");
        }
        let x_national = self.x.as_bytes()[3..].to_vec();
        let shows_x = message
            .from()
            .uri()
            .subscriber()
            .is_some_and(|user| user.ends_with(&x_national));
        if !shows_x {
            self.complain("From does not show X");
        }
        if message.contact().is_none() {
            self.complain("an INVITE without Contact");
        }
        if message.max_forwards().is_none_or(|n| n >= 70) {
            self.complain("Max-Forwards did not go down");
        }
        if message.from().display().is_some_and(|d| !d.is_empty()) {
            self.complain("a display name");
        }
    }

    /// The early dialog of a fork, made when it first speaks.
    fn fork(&mut self, now: Instant, number: usize) -> usize {
        if let Some(place) = self.called().forks.iter().position(|(n, _)| *n == number) {
            return place;
        }
        let tag = format!(
            "{}f{number}{:08x}",
            self.secrets.word,
            self.random.random::<u32>()
        );
        let media = self.own_media();
        let Some(invite) = self.called().invite.clone() else {
            unreachable!("a fork of no INVITE");
        };
        self.dialogs.push(Dialog::called(now, &tag, &invite, media));
        let dialog = self.dialogs.len() - 1;
        let rseq = self.random.random_range(1..1_000_000);
        let c = self.called();
        c.forks.push((
            number,
            Fork {
                dialog,
                rseq,
                pending: None,
                settled: false,
                answer: None,
            },
        ));
        c.forks.len() - 1
    }

    /// Our answer to their offer in this fork; the same whenever asked.
    fn fork_answer(&mut self, place: usize) -> Option<Bytes> {
        let body = self.called().invite.as_ref()?.body();
        let fork = &self.called().forks[place].1;
        let (dialog, known) = (fork.dialog, fork.answer.clone());
        if known.is_some() {
            return known;
        }
        match self.dialogs[dialog].media.answer(&body) {
            Ok(answer) => {
                self.called().forks[place].1.answer.clone_from(&answer);
                answer
            }
            Err(why) => {
                self.complain(format!("offer in the INVITE: {why}"));
                None
            }
        }
    }

    fn fork_response(&self, place: usize, status: u16) -> ResponseBuilder {
        let Role::Callee(c) = &self.role else {
            unreachable!("only callees have forks");
        };
        let dialog = &self.dialogs[c.forks[place].1.dialog];
        let mut response = ResponseBuilder::new(status)
            .to_tag(&dialog.local_tag)
            .header(Name::Contact, self.contact())
            .header(Name::Server, &self.secrets.agent);
        if c.plan.party.chatty {
            response = response
                .header_raw("X-Carrier-Callee", &self.number)
                .header_raw("Organization", &self.secrets.word)
                .header_raw("P-Asserted-Identity", self.contact());
        }
        response
    }

    fn encode(&mut self, response: &ResponseBuilder) -> Bytes {
        let remote = self.switch;
        let invite = self.called().invite.clone();
        invite
            .map(|invite| response.encode(&invite, remote))
            .unwrap_or_default()
    }

    pub(crate) fn step(&mut self, now: Instant, index: usize) {
        let step = self.called().plan.steps[index].1;
        let c = self.called();
        if c.cancelled && c.plan.on_cancel != OnCancel::Answer {
            return;
        }
        match step {
            Step::Progress { .. } if c.done => {}
            Step::Progress {
                status,
                fork,
                sdp,
                reliable,
            } => self.progress_step(now, index, (status, fork), sdp, reliable),
            Step::Answer { fork } => self.answer_step(now, index, fork),
            Step::Reject(..) if c.done => {}
            Step::Reject(status, q850) => self.reject(now, status, q850),
        }
    }

    fn progress_step(
        &mut self,
        now: Instant,
        index: usize,
        (status, fork): (u16, usize),
        sdp: bool,
        reliable: bool,
    ) {
        let Some(tx) = self.called().tx else { return };
        if status == 100 {
            let _ = self.endpoint.respond(now, tx, ResponseBuilder::new(100));
            return;
        }
        let place = self.fork(now, fork);
        let c = self.called();
        let invite = c.invite.as_ref();
        let may = invite.is_some_and(|m| m.supports("100rel") || m.requires("100rel"));
        let must = invite.is_some_and(|m| m.requires("100rel"));
        let reliable = (reliable && may && c.plan.party.reliable != Reliable::No) || must;
        if reliable && c.forks[place].1.pending.is_some() {
            return self.after(now, Duration::from_millis(100), Timer::Step(index));
        }
        let mut response = self.fork_response(place, status);
        let settled = self.called().forks[place].1.settled;
        let answer = (sdp && !settled).then(|| self.fork_answer(place)).flatten();
        let has_sdp = answer.is_some();
        if let Some(answer) = answer {
            response = response.body("application/sdp", answer);
        }
        if reliable {
            let fork = &mut self.called().forks[place].1;
            fork.rseq += 1;
            fork.settled |= has_sdp;
            let rseq = fork.rseq;
            response = response
                .header(Name::Require, "100rel")
                .header(Name::RSeq, rseq.to_string());
            let bytes = self.encode(&response);
            self.called().forks[place].1.pending = Some(Pending {
                rseq,
                bytes,
                interval: T1,
                has_sdp,
            });
            self.after(now, T1, Timer::RepeatProvisional(place));
        }
        let _ = self.endpoint.respond(now, tx, response);
    }

    pub(crate) fn repeat_provisional(&mut self, now: Instant, place: usize) {
        let c = self.called();
        if c.done || c.cancelled {
            return;
        }
        let Some(pending) = &mut c.forks[place].1.pending else {
            return;
        };
        if pending.interval >= 64 * T1 {
            pending.interval = Duration::ZERO;
            self.complain("a reliable response was never acknowledged");
            return self.reject(now, 500, None);
        }
        pending.interval *= 2;
        let (wait, bytes) = (pending.interval, pending.bytes.clone());
        let hop = self.hop();
        self.endpoint.send(hop, bytes);
        self.after(now, wait, Timer::RepeatProvisional(place));
    }

    pub(crate) fn pracked(&mut self, now: Instant, tx: ServerTx, dialog: usize, message: &Message) {
        let rack = message.rack();
        let hit = match &mut self.role {
            Role::Caller(_) => false,
            Role::Callee(c) => {
                let fork = c.forks.iter_mut().find(|(_, f)| f.dialog == dialog);
                fork.is_some_and(|(_, f)| {
                    let waits = f.pending.as_ref().map(|p| p.rseq);
                    let hit = rack.is_some_and(|r| waits == Some(r.rseq));
                    f.pending.take_if(|_| hit).is_some()
                })
            }
        };
        let status = if hit { 200 } else { 481 };
        let _ = self.endpoint.respond(now, tx, ResponseBuilder::new(status));
    }

    fn answer_step(&mut self, now: Instant, index: usize, fork: usize) {
        let Some(tx) = self.called().tx else { return };
        let c = self.called();
        if c.done && self.last_status != Some(200) {
            return;
        }
        let place = self.fork(now, fork);
        let fork = &self.called().forks[place].1;
        if fork.pending.as_ref().is_some_and(|p| p.has_sdp) {
            if self.called().done {
                return;
            }
            if self.called().cancelled {
                return self.reject(now, 487, None);
            }
            return self.after(now, Duration::from_millis(100), Timer::Step(index));
        }
        let (dialog, settled) = (fork.dialog, fork.settled);
        if self.dialogs[dialog].life != Life::Early {
            return;
        }
        let mut response = self.fork_response(place, 200);
        if !settled {
            let Some(answer) = self.fork_answer(place) else {
                return self.reject(now, 488, None);
            };
            response = response.body("application/sdp", answer);
        }
        let bytes = self.encode(&response);
        let first = !std::mem::replace(&mut self.called().done, true);
        if first {
            self.last_status = Some(200);
            let _ = self.endpoint.respond(now, tx, response);
        } else {
            let hop = self.hop();
            self.endpoint.send(hop, bytes.clone());
        }
        self.confirm(now, dialog, 1, bytes, false);
        if first {
            for (wait, act) in self.party().talk.clone() {
                self.after(now, wait, Timer::Talk(act, 0));
            }
        }
    }

    /// Notes a 2xx that is to be repeated until its ACK comes.
    pub(crate) fn confirm(
        &mut self,
        now: Instant,
        dialog: usize,
        cseq: u32,
        bytes: Bytes,
        offered: bool,
    ) {
        let d = &mut self.dialogs[dialog];
        if d.life == Life::Early {
            d.life = Life::Confirmed;
        }
        d.touched = now;
        d.unacked = Some(Unacked {
            cseq,
            bytes,
            interval: T1,
            next: now + T1,
            give_up: now + 64 * T1,
            offered,
        });
        self.after(now, T1, Timer::Repeat2xx(dialog));
    }

    fn reject(&mut self, now: Instant, status: u16, q850: Option<u8>) {
        let c = self.called();
        let Some(tx) = c.tx.filter(|_| !c.done) else {
            return;
        };
        c.done = true;
        let tag = match c.forks.first() {
            Some((_, fork)) => {
                let dialog = fork.dialog;
                self.dialogs[dialog].local_tag.clone()
            }
            None => format!("{}r{:08x}", self.secrets.word, self.random.random::<u32>()),
        };
        let mut response = ResponseBuilder::new(status).to_tag(&tag);
        if let Some(cause) = q850 {
            let reason = format!("Q.850;cause={cause};text=\"{}\"", self.secrets.word);
            response = response.header(Name::Reason, reason);
        }
        response = match status {
            300..=399 => response.header(Name::Contact, self.contact()),
            401 => response.header_raw(
                "WWW-Authenticate",
                format!("Digest realm=\"{}\", nonce=\"1\"", self.secrets.host),
            ),
            503 => response.header(Name::RetryAfter, "30"),
            _ => response,
        };
        self.last_status = Some(status);
        let _ = self.endpoint.respond(now, tx, response);
        for d in &mut self.dialogs {
            d.end(now);
        }
    }

    /// Our CANCEL reached it.
    pub(crate) fn cancelled(&mut self, now: Instant, invite: ServerTx) {
        if self
            .dialogs
            .iter()
            .any(|d| d.incoming.as_ref().is_some_and(|i| i.tx == invite))
        {
            return self.reinvite_cancelled(now, invite);
        }
        if self.is_caller() || self.called().tx != Some(invite) {
            return;
        }
        self.called().cancelled = true;
        match self.called().plan.on_cancel {
            OnCancel::Obey => self.reject(now, 487, None),
            OnCancel::Answer => {
                let place = self.called().plan.steps.len();
                self.called()
                    .plan
                    .steps
                    .push((Duration::ZERO, Step::Answer { fork: 0 }));
                self.after(now, Duration::from_millis(1), Timer::Step(place));
            }
            OnCancel::Ignore => {
                self.after(now, Duration::from_secs(60), Timer::LateRefusal);
            }
        }
    }

    pub(crate) fn late_refusal(&mut self, now: Instant) {
        self.reject(now, 487, None);
    }

    /// A BYE in an early dialog.
    pub(crate) fn ended_early(&mut self, now: Instant) {
        self.complain("a BYE to a callee that has not answered");
        self.reject(now, 487, None);
    }
}
