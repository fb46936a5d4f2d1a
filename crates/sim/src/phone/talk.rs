//! What a telephone does in a dialog by itself: hold, resume, digits, hanging up; and what it makes of our
//! responses.

use std::time::{Duration, Instant};

use axbridge_sip::{ClientTx, Message, Method, Name, RequestBuilder};
use bytes::Bytes;
use rand::Rng;

use super::dialog::{Acknowledgement, Life, Outgoing};
use super::sdp::{Codec, Flow, PCMA, PCMU};
use super::{Phone, Timer};
use crate::plan::Act;

/// An act is put off so often while something else is under way, then dropped.
const TRIES_MAX: u8 = 40;

impl Phone {
    /// Something in a confirmed dialog.
    pub(crate) fn talk(&mut self, now: Instant, act: Act, tries: u8) {
        let Some(index) = self.dialogs.iter().position(|d| d.life == Life::Confirmed) else {
            return;
        };
        let dialog = &self.dialogs[index];
        let blocked = match act {
            // A callee may not leave before its 2xx is acknowledged (RFC 3261 §15).
            Act::Bye => !self.is_caller() && dialog.unacked.is_some(),
            Act::Digit(_) | Act::Options | Act::Refer | Act::Unknown => false,
            Act::Vanish | Act::UpdateEmpty => false,
            Act::UpdateHold | Act::UpdateResume => {
                dialog.offer_open() || dialog.media.agreed.is_none()
            }
            _ => dialog.offer_open(),
        };
        if blocked {
            if tries < TRIES_MAX || act == Act::Bye {
                let wait = Duration::from_millis(300);
                self.after(now, wait, Timer::Talk(act, tries.saturating_add(1)));
            }
            return;
        }
        self.act(now, index, act, tries);
    }

    /// Something in an early dialog.
    pub(crate) fn early(&mut self, now: Instant, act: Act) {
        if self.last_status.is_some() {
            return;
        }
        let Some(index) = self.dialogs.iter().position(|d| d.life == Life::Early) else {
            return;
        };
        let dialog = &self.dialogs[index];
        let may = match act {
            Act::Bye => self.is_caller(),
            Act::UpdateHold | Act::UpdateResume => {
                !dialog.offer_open() && dialog.rseq.is_some() && dialog.media.agreed.is_some()
            }
            Act::UpdateEmpty | Act::Options | Act::Digit(_) | Act::Vanish | Act::Refer => true,
            _ => false,
        };
        if may {
            self.act(now, index, act, 0);
        }
    }

    fn act(&mut self, now: Instant, index: usize, act: Act, tries: u8) {
        let codecs = self.dialogs[index].media.codecs.clone();
        let wish = self.dialogs[index].media.wish;
        match act {
            Act::Bye => {
                // Whoever hangs up leaves all of its forks.
                let from = index;
                for index in from..self.dialogs.len() {
                    if index == from || self.dialogs[index].life == Life::Confirmed {
                        self.hang_up(now, index);
                    }
                }
            }
            Act::Vanish => self.vanish(),
            // Comes with a PRACK or not at all.
            Act::PrackOffer => {}
            Act::Hold | Act::HoldCancelled(_) => self.offer(
                now,
                index,
                Method::Invite,
                act,
                tries,
                (&codecs, Flow::Send),
            ),
            Act::HoldOld => self.offer(
                now,
                index,
                Method::Invite,
                act,
                tries,
                (&codecs, Flow::Both),
            ),
            Act::Resume => self.offer(
                now,
                index,
                Method::Invite,
                act,
                tries,
                (&codecs, Flow::Both),
            ),
            Act::Refresh => self.offer(now, index, Method::Invite, act, tries, (&codecs, wish)),
            Act::OtherLaw => {
                let used = self.dialogs[index].media.agreed.as_ref();
                let law = match used.map(|a| a.codec.as_str()) {
                    Some("PCMA") => PCMU,
                    _ => PCMA,
                };
                self.offer(now, index, Method::Invite, act, tries, (&[law], wish));
            }
            Act::UpdateHold => self.offer(
                now,
                index,
                Method::Update,
                act,
                tries,
                (&codecs, Flow::Send),
            ),
            Act::UpdateResume => self.offer(
                now,
                index,
                Method::Update,
                act,
                tries,
                (&codecs, Flow::Both),
            ),
            Act::Offerless => self.plain(now, index, Method::Invite, act, tries),
            Act::UpdateEmpty => self.plain(now, index, Method::Update, act, tries),
            Act::Options => self.plain(now, index, Method::Options, act, tries),
            Act::Unknown => {
                let method = Method::from_token(b"FOO").unwrap_or(Method::Publish);
                self.plain(now, index, method, act, tries);
            }
            Act::Refer => {
                let to = format!("<sip:{}@{}>", self.number, self.secrets.host);
                let request = self.dialogs[index]
                    .request(Method::Refer)
                    .header(Name::ReferTo, to)
                    .header(Name::Contact, self.contact());
                self.send(now, index, request, act, tries, false);
            }
            Act::Digit(digit) => {
                let body = Bytes::from(format!("Signal={digit}\r\nDuration=160\r\n"));
                let request = self.dialogs[index]
                    .request(Method::Info)
                    .body("application/dtmf-relay", body);
                self.send(now, index, request, act, tries, false);
            }
        }
    }

    fn plain(&mut self, now: Instant, index: usize, method: Method, act: Act, tries: u8) {
        let contact = self.contact();
        let request = self.dialogs[index]
            .request(method)
            .header(Name::Contact, contact);
        self.send(now, index, request, act, tries, false);
    }

    fn offer(
        &mut self,
        now: Instant,
        index: usize,
        method: Method,
        act: Act,
        tries: u8,
        (codecs, flow): (&[Codec], Flow),
    ) {
        let contact = self.contact();
        let subject = self.secrets.word.clone();
        let dialog = &mut self.dialogs[index];
        let body = dialog.media.offer(codecs, flow, act == Act::HoldOld);
        let request = dialog
            .request(method)
            .header(Name::Contact, contact)
            .header(Name::Subject, subject)
            .body("application/sdp", body);
        self.send(now, index, request, act, tries, true);
        if let (Act::HoldCancelled(wait_ms), Some(sent)) =
            (act, self.dialogs[index].outgoing.last())
        {
            let timer = Timer::CancelReinvite(sent.tx);
            self.after(now, Duration::from_millis(wait_ms.into()), timer);
        }
    }

    pub(crate) fn hang_up(&mut self, now: Instant, index: usize) {
        let request = self.dialogs[index].request(Method::Bye);
        self.send(now, index, request, Act::Bye, 0, false);
        self.dialogs[index].end(now);
    }

    pub(crate) fn send(
        &mut self,
        now: Instant,
        index: usize,
        request: RequestBuilder,
        act: Act,
        tries: u8,
        offers: bool,
    ) {
        let mut hop = self.hop();
        match self.dialogs[index].target_address() {
            Some(target) => hop.remote = target,
            None => self.complain("a Contact that leads nowhere"),
        }
        let method = request.method().clone();
        let tx = self.endpoint.request(now, hop, request);
        let dialog = &mut self.dialogs[index];
        dialog.touched = now;
        dialog.spoke |= dialog.life == Life::Confirmed;
        dialog.outgoing.push(Outgoing {
            tx,
            method,
            act,
            tries,
            offers,
        });
    }

    /// A response in a dialog.
    pub(crate) fn response(&mut self, now: Instant, tx: ClientTx, message: &Message) {
        let status = message.status().unwrap_or(0);
        if status < 200 {
            return;
        }
        let found = self.dialogs.iter().enumerate().find_map(|(index, d)| {
            let place = d.outgoing.iter().position(|o| o.tx == tx)?;
            Some((index, place))
        });
        let Some((index, place)) = found else {
            return self.answered_again(message);
        };
        let dialog = &mut self.dialogs[index];
        let sent = dialog.outgoing.swap_remove(place);
        dialog.touched = now;
        match sent.method {
            Method::Invite | Method::Update => self.offer_answered(now, index, &sent, message),
            Method::Prack if sent.offers => self.offer_answered(now, index, &sent, message),
            Method::Refer if status < 300 => self.complain("REFER was accepted"),
            Method::Other(_) if status < 300 => self.complain("an unknown method was accepted"),
            Method::Options | Method::Info if status > 500 => {
                self.complain(format!("{} was answered {status}", sent.method));
            }
            _ => {}
        }
    }

    fn offer_answered(&mut self, now: Instant, index: usize, sent: &Outgoing, message: &Message) {
        let status = message.status().unwrap_or(0);
        let dialog = &mut self.dialogs[index];
        if status >= 300 {
            dialog.media.offered.take_if(|_| sent.offers);
            return self.offer_refused(now, index, sent, message);
        }
        dialog.take_target(message);
        let body = message.body();
        let result = match (sent.offers, &sent.method) {
            (true, _) => dialog.media.take_answer(&body).map(|()| None),
            (false, Method::Invite) => dialog
                .media
                .answer(&body)
                .map(|answer| Some(answer.unwrap_or_else(|| dialog.media.refusal()))),
            (false, _) => Ok(None),
        };
        if sent.act == Act::HoldOld {
            dialog.media.old_hold = true;
        } else if sent.offers {
            dialog.media.old_hold = false;
        }
        let answer = match result {
            Ok(answer) => answer,
            Err(why) => {
                self.complain(format!("{:?} answered with {status}: {why}", sent.act));
                None
            }
        };
        if sent.method == Method::Invite {
            self.acknowledge(index, message.cseq().seq, answer);
        }
    }

    fn offer_refused(&mut self, now: Instant, index: usize, sent: &Outgoing, message: &Message) {
        let status = message.status().unwrap_or(0);
        if self.dialogs[index].life != Life::Confirmed {
            return;
        }
        let wait_ms = match status {
            // RFC 3261 §14.1: whoever made the Call-ID waits longer.
            491 if self.is_caller() => self.random.random_range(2_100..4_000),
            491 => self.random.random_range(0..2_000),
            500 => 1_000,
            408 | 481 => return self.after(now, Duration::ZERO, Timer::Talk(Act::Bye, 1)),
            _ => return,
        };
        let once = matches!(sent.act, Act::HoldCancelled(_) | Act::PrackOffer);
        let again = !once && sent.tries < TRIES_MAX;
        if again {
            let timer = Timer::Talk(sent.act, sent.tries + 10);
            self.after(now, Duration::from_millis(wait_ms), timer);
        }
    }

    /// A 2xx to a re-INVITE of ours that we have acknowledged already.
    fn answered_again(&mut self, message: &Message) {
        let cseq = message.cseq().seq;
        let known = |d: &super::Dialog| d.is_for(message) && d.acks.contains_key(&cseq);
        if let Some(index) = self.dialogs.iter().position(known) {
            self.ack_again(index, cseq);
        }
    }

    /// Acknowledges a 2xx.
    pub(crate) fn acknowledge(&mut self, index: usize, cseq: u32, answer: Option<Bytes>) {
        let mut request = self.dialogs[index].build(Method::Ack, cseq);
        if let Some(answer) = answer {
            request = request.body("application/sdp", answer);
        }
        let ack = Acknowledgement {
            request,
            sent: None,
        };
        self.dialogs[index].acks.insert(cseq, ack);
        self.ack_again(index, cseq);
    }

    /// Sends the ACK of a 2xx that has come (again), unless it is one of those that never get out.
    pub(crate) fn ack_again(&mut self, index: usize, cseq: u32) {
        let hop = self.hop();
        let Some(ack) = self.dialogs[index].acks.get_mut(&cseq) else {
            return;
        };
        match &ack.sent {
            Some(bytes) => self.endpoint.send(hop, bytes.clone()),
            None if self.acks_lost > 0 => self.acks_lost -= 1,
            None => ack.sent = Some(self.endpoint.send_ack(hop, ack.request.clone())),
        }
    }

    /// A request of ours got no final response at all.
    pub(crate) fn unanswered(&mut self, now: Instant, tx: ClientTx) {
        if self.is_dialling(tx) {
            self.last_status = Some(408);
            return self.complain("the INVITE was never answered");
        }
        let found = self.dialogs.iter().enumerate().find_map(|(index, d)| {
            let place = d.outgoing.iter().position(|o| o.tx == tx)?;
            Some((index, place))
        });
        if let Some((index, place)) = found {
            let sent = self.dialogs[index].outgoing.swap_remove(place);
            let over = self.dialogs[index].life == Life::Ended && sent.method == Method::Invite;
            self.dialogs[index].end(now);
            // A re-INVITE that met a BYE may lose its answer: nobody repeats a 2xx of a dialog that is over.
            if !over {
                self.complain(format!("{} was never answered", sent.method));
            }
        }
    }
}
