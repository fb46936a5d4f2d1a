//! What a telephone answers to our requests.

use std::time::{Duration, Instant};

use axbridge_sip::{Message, Method, Name, ResponseBuilder, ServerTx};

use super::dialog::{Incoming, Life};
use super::{Phone, T2, Timer};
use crate::plan::OnReinvite;

const ALLOW: &str = "INVITE, ACK, BYE, CANCEL, UPDATE, PRACK, INFO, OPTIONS";

impl Phone {
    pub(crate) fn request(&mut self, now: Instant, tx: ServerTx, message: &Message) {
        let method = message.cseq_method();
        if message.to().tag().is_none() {
            match method {
                Method::Invite => self.invited(now, tx, message),
                _ => {
                    self.complain(format!("{method} outside of any dialog"));
                    self.say(now, tx, 481);
                }
            }
            return;
        }
        let Some(index) = self.dialogs.iter().position(|d| d.is_for(message)) else {
            // Ours may overtake the 2xx that makes the dialog.
            if !self.is_caller() || self.last_status.is_some() {
                self.complain(format!("{method} in a dialog that never was"));
            }
            return self.say(now, tx, 481);
        };
        let dialog = &mut self.dialogs[index];
        let cseq = message.cseq().seq;
        if cseq <= dialog.remote_cseq {
            return self.say(now, tx, 500);
        }
        dialog.remote_cseq = cseq;
        if dialog.life == Life::Ended {
            return self.say(now, tx, if *method == Method::Bye { 200 } else { 481 });
        }
        match method {
            Method::Bye => self.bye(now, index, tx),
            Method::Invite => self.reinvited(now, index, tx, message),
            Method::Update => self.updated(now, index, tx, message),
            Method::Prack => self.pracked(now, tx, index, message),
            Method::Info | Method::Options => self.say(now, tx, 200),
            _ => {
                self.complain(format!("{method} from us"));
                self.say(now, tx, 405);
            }
        }
    }

    fn say(&mut self, now: Instant, tx: ServerTx, status: u16) {
        let mut response = ResponseBuilder::new(status);
        if status == 405 {
            response = response.header(Name::Allow, ALLOW);
        }
        let _ = self.endpoint.respond(now, tx, response);
    }

    fn bye(&mut self, now: Instant, index: usize, tx: ServerTx) {
        self.say(now, tx, 200);
        let caller = self.is_caller();
        let dialog = &mut self.dialogs[index];
        let was = dialog.life;
        let patience = Duration::from_secs(31);
        let unacknowledged = !dialog.spoke
            && dialog.acks.values().all(|a| a.sent.is_none())
            && now < dialog.touched + patience;
        let incoming = dialog.incoming.take();
        dialog.end(now);
        if let Some(incoming) = incoming {
            self.say(now, incoming.tx, 487);
        }
        match was {
            Life::Early if caller => self.complain("a BYE to a caller that was not answered"),
            Life::Early => self.ended_early(now),
            _ if caller && unacknowledged => {
                self.complain("a BYE before the ACK of the 200 (RFC 3261 §15)");
            }
            _ => {}
        }
    }

    fn reinvited(&mut self, now: Instant, index: usize, tx: ServerTx, message: &Message) {
        let policy = self.party().on_reinvite;
        let dialog = &mut self.dialogs[index];
        if dialog.life == Life::Early {
            self.complain("a re-INVITE in an early dialog");
            return self.say(now, tx, 491);
        }
        if message.contact().is_none() {
            self.complain("a re-INVITE without Contact");
        }
        let dialog = &mut self.dialogs[index];
        if !dialog.outgoing.is_empty() && dialog.offer_open() {
            return self.say(now, tx, 491);
        }
        if dialog.is_busy() {
            let response = ResponseBuilder::new(500).header(Name::RetryAfter, "1");
            let _ = self.endpoint.respond(now, tx, response);
            return;
        }
        dialog.take_target(message);
        dialog.touched = now;
        dialog.incoming = Some(Incoming {
            tx,
            message: message.clone(),
        });
        match policy {
            OnReinvite::Accept => self.answer_reinvite(now, index, tx),
            OnReinvite::Later(ms) => {
                let wait = Duration::from_millis(ms.into());
                self.after(now, wait, Timer::AnswerReinvite(index, tx));
            }
            OnReinvite::Refuse(status) => {
                dialog.incoming = None;
                self.say(now, tx, status);
            }
            OnReinvite::Stall => self.say(now, tx, 100),
        }
    }

    pub(crate) fn answer_reinvite(&mut self, now: Instant, index: usize, tx: ServerTx) {
        let contact = self.contact();
        let agent = self.secrets.agent.clone();
        let dialog = &mut self.dialogs[index];
        let Some(incoming) = dialog.incoming.take_if(|i| i.tx == tx) else {
            return;
        };
        let answer = match dialog.media.answer(&incoming.message.body()) {
            Ok(Some(answer)) => answer,
            Ok(None) => return self.say(now, tx, 488),
            Err(why) => {
                self.complain(format!("offer in a re-INVITE: {why}"));
                return self.say(now, tx, 400);
            }
        };
        let response = ResponseBuilder::new(200)
            .to_tag(&dialog.local_tag)
            .header(Name::Contact, contact)
            .header(Name::Server, agent)
            .body("application/sdp", answer);
        let bytes = response.encode(&incoming.message, self.switch);
        let cseq = incoming.message.cseq().seq;
        let _ = self.endpoint.respond(now, tx, response);
        self.confirm(now, index, cseq, bytes, false);
    }

    pub(crate) fn reinvite_cancelled(&mut self, now: Instant, invite: ServerTx) {
        for dialog in &mut self.dialogs {
            dialog.incoming.take_if(|i| i.tx == invite);
        }
        self.say(now, invite, 487);
    }

    fn updated(&mut self, now: Instant, index: usize, tx: ServerTx, message: &Message) {
        let body = message.body();
        let contact = self.contact();
        let dialog = &mut self.dialogs[index];
        dialog.take_target(message);
        if body.is_empty() {
            return self.say(now, tx, 200);
        }
        if dialog.offer_open() {
            return self.say(now, tx, 491);
        }
        dialog.touched = now;
        match dialog.media.answer(&body) {
            Ok(Some(answer)) => {
                let response = ResponseBuilder::new(200)
                    .header(Name::Contact, contact)
                    .body("application/sdp", answer);
                let _ = self.endpoint.respond(now, tx, response);
            }
            Ok(None) => self.say(now, tx, 488),
            Err(why) => {
                self.complain(format!("offer in UPDATE: {why}"));
                self.say(now, tx, 400);
            }
        }
    }

    /// An ACK for a 2xx of ours.
    pub(crate) fn acked(&mut self, message: &Message) {
        let cseq = message.cseq().seq;
        let Some(dialog) = self.dialogs.iter_mut().find(|d| d.is_for(message)) else {
            return self.complain("an ACK in a dialog that never was");
        };
        let Some(unacked) = dialog.unacked.take_if(|u| u.cseq == cseq) else {
            return;
        };
        let body = message.body();
        let wrong = match unacked.offered {
            true => dialog.media.take_answer(&body).err(),
            false if !body.is_empty() => Some("a body that answers nothing".to_owned()),
            false => None,
        };
        if let Some(why) = wrong {
            self.complain(format!("ACK: {why}"));
        }
    }

    pub(crate) fn repeat_2xx(&mut self, now: Instant, index: usize) {
        let Some(unacked) = &mut self.dialogs[index].unacked else {
            return;
        };
        if now < unacked.next {
            return;
        }
        if now >= unacked.give_up {
            self.dialogs[index].unacked = None;
            self.complain("a 200 was never acknowledged");
            return self.hang_up(now, index);
        }
        unacked.interval = (unacked.interval * 2).min(T2);
        unacked.next = now + unacked.interval;
        let (bytes, wait) = (unacked.bytes.clone(), unacked.interval);
        let hop = self.hop();
        self.endpoint.send(hop, bytes);
        self.after(now, wait, Timer::Repeat2xx(index));
    }
}
