//! A telephone that calls: its INVITE until the final response.

use std::time::Instant;

use axbridge_media::Side;
use axbridge_sip::{ClientTx, Message, Method, Name, RequestBuilder};
use bytes::Bytes;
use rand::Rng;

use super::dialog::{Dialog, Life, Media};
use super::sdp::{Flow, Own};
use super::{Phone, Role, Timer};
use crate::plan::{Act, CallerPlan, Identity, Reliable};

/// The caller's own.
pub(crate) struct Calling {
    pub plan: CallerPlan,
    pub dialled: bool,
    pub cancelled: bool,
    tx: Option<ClientTx>,
    local: String,
    local_tag: String,
    media: Option<Media>,
    /// The answer to our offer came in a reliable response.
    settled: bool,
    just_settled: bool,
    /// An answer came in an unreliable response: the 2xx has to bring the same.
    preview: Option<Bytes>,
    early_begun: bool,
    /// Nothing that we speak was offered; we said so.
    refused: bool,
}

impl Calling {
    pub fn new(plan: CallerPlan) -> Calling {
        Calling {
            plan,
            dialled: false,
            cancelled: false,
            tx: None,
            local: String::new(),
            local_tag: String::new(),
            media: None,
            settled: false,
            just_settled: false,
            preview: None,
            early_begun: false,
            refused: false,
        }
    }
}

impl Phone {
    pub(crate) fn own_media(&mut self) -> Media {
        let (dtmf, codecs) = (self.party().dtmf, self.party().codecs.clone());
        let own = Own::new(
            self.secrets.origin.clone(),
            self.secrets.session_name.clone(),
            self.media,
            dtmf,
            self.random.random(),
        );
        Media::new(own, codecs)
    }

    pub(crate) fn contact(&self) -> String {
        format!("<sip:{}@{}>", self.number, self.address)
    }

    fn calling(&mut self) -> &mut Calling {
        match &mut self.role {
            Role::Caller(c) => c,
            Role::Callee(_) => unreachable!("only callers call"),
        }
    }

    pub(crate) fn is_dialling(&self, tx: ClientTx) -> bool {
        matches!(&self.role, Role::Caller(c) if c.tx == Some(tx))
    }

    pub(crate) fn dial(&mut self, now: Instant) {
        let mut media = self.own_media();
        let plan = self.calling().plan.clone();
        let tag = format!("{}{:08x}", self.secrets.word, self.random.random::<u32>());
        let host = self.secrets.host.clone();
        let from = match plan.identity {
            Identity::From => format!(
                "\"{}\" <sip:{}@{host};user=phone>;tag={tag}",
                self.secrets.name, self.number
            ),
            _ => format!("\"{}\" <sip:anonymous@{host}>;tag={tag}", self.secrets.name),
        };
        let uri = format!("sip:{}@{}", self.x, self.switch);
        let call_id = format!(
            "{:016x}-{}@{host}",
            self.random.random::<u64>(),
            self.number
        );
        let mut invite = RequestBuilder::new(Method::Invite, &uri)
            .from(&from)
            .to(format!("<{uri}>"))
            .call_id(call_id)
            .cseq(1)
            .max_forwards(plan.max_forwards)
            .header(Name::Contact, self.contact())
            .header(
                Name::Allow,
                "INVITE, ACK, BYE, CANCEL, UPDATE, PRACK, INFO, OPTIONS",
            );
        if plan.identity == Identity::Asserted {
            let asserted = format!("\"{}\" <sip:{}@{host}>", self.secrets.name, self.number);
            invite = invite.header(Name::PAssertedIdentity, asserted);
        }
        invite = match plan.party.reliable {
            Reliable::No => invite,
            Reliable::Supported => invite.header(Name::Supported, "100rel, timer"),
            Reliable::Required => invite.header(Name::Require, "100rel"),
        };
        if plan.party.chatty {
            for (name, value) in self.secrets.headers(&self.number, &mut self.random) {
                invite = invite.header_raw(name, value);
            }
        }
        if plan.offers {
            let codecs = media.codecs.clone();
            invite = invite.body("application/sdp", media.offer(&codecs, Flow::Both, false));
        }
        let hop = self.hop();
        let tx = self.endpoint.request(now, hop, invite);
        let c = self.calling();
        c.tx = Some(tx);
        (c.local, c.local_tag, c.dialled) = (from, tag, true);
        c.media = Some(media);
        if let Some(wait) = plan.cancels {
            self.after(now, wait, Timer::Cancel);
        }
        if let Some(wait) = plan.party.vanishes {
            self.after(now, wait, Timer::Vanish);
        }
    }

    pub(crate) fn cancel(&mut self, now: Instant) {
        if self.last_status.is_some() {
            return;
        }
        let c = self.calling();
        c.cancelled = true;
        if let Some(tx) = c.tx {
            self.endpoint.cancel(now, tx);
        }
    }

    /// A response to our first INVITE.
    pub(crate) fn dialled(&mut self, now: Instant, message: &Message) {
        match message.status().unwrap_or(0) {
            0..=100 => {}
            101..=199 => self.progress(now, message),
            200..=299 => self.answered(now, message),
            status => {
                self.last_status = Some(status);
                for d in &mut self.dialogs {
                    d.end(now);
                }
            }
        }
    }

    /// The dialog of a response. We have one To tag for all, because we never fork.
    fn their_dialog(&mut self, now: Instant, message: &Message) -> Option<usize> {
        if let Some(index) = self.dialogs.iter().position(|d| d.is_for(message)) {
            return Some(index);
        }
        if !self.dialogs.is_empty() {
            self.complain("a second To tag for one INVITE");
            return None;
        }
        if message.contact().is_none() {
            self.complain("a dialog without Contact");
        }
        let c = self.calling();
        let media = c.media.clone()?;
        let (local, tag) = (c.local.clone(), c.local_tag.clone());
        self.dialogs
            .push(Dialog::calling(now, &local, &tag, 1, message, media));
        Some(self.dialogs.len() - 1)
    }

    fn progress(&mut self, now: Instant, message: &Message) {
        if self.last_status.is_some() {
            return;
        }
        let Some(index) = self.their_dialog(now, message) else {
            return;
        };
        let reliable = message.requires("100rel");
        let Some(rseq) = message.rseq().filter(|_| reliable) else {
            return self.unreliable_progress(now, index, message);
        };
        if self.calling().plan.party.reliable == Reliable::No {
            self.complain("a reliable response to someone who cannot take it");
        }
        let dialog = &mut self.dialogs[index];
        if dialog.rseq.is_some_and(|last| rseq != last + 1) {
            return;
        }
        dialog.rseq = Some(rseq);
        let answer = self.reliable_description(index, message);
        let rack = format!("{rseq} 1 INVITE");
        let mut prack = self.dialogs[index]
            .request(Method::Prack)
            .header(Name::RAck, rack);
        let offers = self.calling().plan.party.prack_offers
            && std::mem::take(&mut self.calling().just_settled);
        if let Some(answer) = answer {
            prack = prack.body("application/sdp", answer);
        } else if offers {
            let media = &mut self.dialogs[index].media;
            let codecs = media.codecs.clone();
            prack = prack.body("application/sdp", media.offer(&codecs, Flow::Send, false));
        }
        self.send(now, index, prack, Act::PrackOffer, 0, offers);
        self.begin_early(now);
    }

    /// What a reliable response says of media; gives the answer that its PRACK brings.
    fn reliable_description(&mut self, index: usize, message: &Message) -> Option<Bytes> {
        let body = message.body();
        let offers = self.calling().plan.offers;
        let has_agreed = self.dialogs[index].media.agreed.is_some();
        if body.is_empty() {
            if !offers && !has_agreed && !self.calling().refused {
                self.complain("no offer in the first reliable response to a late offer");
            }
            return None;
        }
        let media = &mut self.dialogs[index].media;
        if offers {
            if media.offered.is_none() {
                self.complain("a second answer");
            } else if let Err(why) = media.take_answer(&body) {
                self.complain(format!("answer in a 1xx: {why}"));
            }
            self.calling().settled = true;
            self.calling().just_settled = true;
            return None;
        }
        match media.answer(&body) {
            Ok(Some(answer)) => Some(answer),
            Ok(None) => {
                let refusal = media.refusal();
                self.calling().refused = true;
                Some(refusal)
            }
            Err(why) => {
                self.complain(format!("offer in a 1xx: {why}"));
                None
            }
        }
    }

    fn unreliable_progress(&mut self, now: Instant, index: usize, message: &Message) {
        if self.calling().plan.party.reliable == Reliable::Required {
            self.complain("an unreliable response to someone who requires 100rel");
        }
        self.begin_early(now);
        let body = message.body();
        if body.is_empty() {
            return;
        }
        if !self.calling().plan.offers {
            return self.complain("an offer in an unreliable response");
        }
        match self.calling().preview.clone() {
            Some(before) if before != body => {
                let updated = self.dialogs[index].cseq > 1;
                if !updated {
                    self.complain("two different answers in unreliable responses");
                }
            }
            Some(_) => {}
            None => {
                self.calling().preview = Some(body.clone());
                if let Err(why) = self.dialogs[index].media.take_answer(&body) {
                    self.complain(format!("answer in a 1xx: {why}"));
                }
            }
        }
    }

    fn begin_early(&mut self, now: Instant) {
        let c = self.calling();
        if std::mem::replace(&mut c.early_begun, true) {
            return;
        }
        for (wait, act) in c.plan.party.early.clone() {
            self.after(now, wait, Timer::Early(act));
        }
    }

    fn answered(&mut self, now: Instant, message: &Message) {
        let Some(index) = self.their_dialog(now, message) else {
            return;
        };
        if self.dialogs[index].acks.contains_key(&1) {
            return self.ack_again(index, 1);
        }
        self.last_status = message.status();
        let dialog = &mut self.dialogs[index];
        dialog.take_target(message);
        if dialog.life == Life::Early {
            dialog.life = Life::Confirmed;
        }
        dialog.touched = now;
        let answer = self.final_description(index, message);
        self.acknowledge(index, 1, answer);
        let cancelled = self.calling().cancelled;
        if cancelled {
            return self.hang_up(now, index);
        }
        for (wait, act) in self.party().talk.clone() {
            self.after(now, wait, Timer::Talk(act, 0));
        }
    }

    /// What the 2xx says of media; gives the answer that the ACK brings.
    fn final_description(&mut self, index: usize, message: &Message) -> Option<Bytes> {
        let body = message.body();
        let (settled, offers) = (self.calling().settled, self.calling().plan.offers);
        let preview = self.calling().preview.clone();
        let refused = self.calling().refused;
        let updated = self.dialogs[index].cseq > 1;
        let media = &mut self.dialogs[index].media;
        if !offers && media.agreed.is_none() {
            if refused {
                return None;
            }
            return match media.answer(&body) {
                Ok(Some(answer)) => Some(answer),
                Ok(None) => Some(media.refusal()),
                Err(why) => {
                    self.complain(format!("offer in the 2xx to a late offer: {why}"));
                    None
                }
            };
        }
        if !offers || settled {
            if !body.is_empty() {
                self.complain("a description in a 2xx although all is settled");
            }
            return None;
        }
        let wrong = match preview {
            Some(before) if before == body || updated => None,
            Some(_) => Some("the 2xx answers otherwise than the 1xx before".to_owned()),
            None => media.take_answer(&body).err(),
        };
        if let Some(why) = wrong {
            self.complain(format!("answer in the 2xx: {why}"));
        }
        None
    }

    pub(crate) fn is_caller(&self) -> bool {
        self.side == Side::A
    }
}
