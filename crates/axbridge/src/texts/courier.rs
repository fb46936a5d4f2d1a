//! What is to be done with texts, taken from the store: the customer is asked, the text is sent, tried again, ended.
//!
//! The store is the queue. What the courier has in hand it knows only in memory: after the end of the process all of it
//! is due again.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use axbridge_api::notify::{TextAsker, TextQuestion};
use axbridge_call::{TextOutcome, TextWay, TrunkTransport};
use axbridge_engine::{EngineHandle, Written};
use axbridge_numbering::Number;
use axbridge_smpp::{Link, SubmitError};
use axbridge_sms::outcome::Patience;
use axbridge_sms::receipt::PartState;
use axbridge_sms::route::answered;
use axbridge_sms::split::{count, split_utf8};
use axbridge_sms::{SendResult, Text};
use axbridge_store::{DueState, DueText, SentPart, StoreError};
use tokio::task::JoinSet;

use super::desk::Desk;
use crate::config::Config;

/// Octets of text in one MESSAGE over UDP: with its headers it stays under the 1,300 of RFC 3428 §8.
const UDP_OCTETS: usize = 600;
/// Over TCP a text of any length that we carry goes in one.
const TCP_OCTETS: usize = 8_000;
/// How often to look, should a bell be missed, and for what is due by time alone.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// After something could not be noted.
const AFTER_ERROR: Duration = Duration::from_secs(1);

/// How patient the courier is.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    pub patience: Patience,
    pub receipt_wait_ms: u64,
    pub at_once: usize,
}

impl Rules {
    pub fn of(config: &Config) -> Rules {
        let seconds = |s: u64| s.saturating_mul(1_000);
        Rules {
            patience: Patience {
                first_ms: seconds(config.sms.retry_first_s),
                longest_ms: seconds(config.sms.retry_longest_s),
                give_up_after_ms: seconds(config.sms.give_up_s),
            },
            receipt_wait_ms: seconds(config.sms.receipt_wait_s),
            at_once: config.sms.at_once.max(1),
        }
    }
}

/// See the module.
pub struct Courier {
    shared: Arc<Shared>,
}

struct Shared {
    desk: Arc<Desk>,
    engine: EngineHandle,
    links: BTreeMap<String, Link>,
    asker: TextAsker,
    rules: Rules,
}

/// How far a try came.
enum Try {
    /// Every part was taken; whether reports are to come.
    Done { reports: bool },
    /// It is of no use to go on.
    Refused,
    /// It may go on later.
    Later,
}

impl Courier {
    pub fn new(
        desk: Arc<Desk>,
        engine: EngineHandle,
        links: BTreeMap<String, Link>,
        asker: TextAsker,
        rules: Rules,
    ) -> Courier {
        Courier {
            shared: Arc::new(Shared {
                desk,
                engine,
                links,
                asker,
                rules,
            }),
        }
    }

    /// Works until `stopped` is ready; what is in hand then has a moment to end.
    pub async fn run(self, stopped: impl Future<Output = ()>) {
        let shared = self.shared;
        let mut in_hand: HashSet<String> = HashSet::new();
        let mut tasks: JoinSet<String> = JoinSet::new();
        tokio::pin!(stopped);
        loop {
            shared.take_due(&mut in_hand, &mut tasks).await;
            tokio::select! {
                () = &mut stopped => break,
                () = shared.desk.bell.notified() => {}
                Some(ended) = tasks.join_next(), if !tasks.is_empty() => note_end(&mut in_hand, ended),
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            while let Some(ended) = tasks.try_join_next() {
                note_end(&mut in_hand, ended);
            }
        }
        let grace = Duration::from_secs(3);
        let _ =
            tokio::time::timeout(grace, async { while tasks.join_next().await.is_some() {} }).await;
    }
}

fn note_end(in_hand: &mut HashSet<String>, ended: Result<String, tokio::task::JoinError>) {
    match ended {
        Ok(id) => {
            in_hand.remove(&id);
        }
        // Which one it was is not known: all of them are looked at again, those that run are refused by their state.
        Err(_) => {
            tracing::error!("the work on a text broke off");
            in_hand.clear();
        }
    }
}

impl Shared {
    async fn take_due(
        self: &Arc<Self>,
        in_hand: &mut HashSet<String>,
        tasks: &mut JoinSet<String>,
    ) {
        let room = self.rules.at_once.saturating_sub(tasks.len());
        if room == 0 {
            return;
        }
        let limit = (room + in_hand.len()) as u32;
        let due = match self.desk.store.texts_due(limit).await {
            Ok(due) => due,
            Err(error) => {
                tracing::warn!(%error, "cannot read what texts there are to send");
                return;
            }
        };
        for text in due {
            if tasks.len() >= self.rules.at_once || !in_hand.insert(text.id.clone()) {
                continue;
            }
            let shared = Arc::clone(self);
            tasks.spawn(async move {
                let id = text.id.clone();
                if let Err(error) = shared.see_to(text).await {
                    tracing::error!(%error, text = id, "what became of a text could not be noted; it is done again");
                    tokio::time::sleep(AFTER_ERROR).await;
                }
                id
            });
        }
    }

    async fn see_to(&self, text: DueText) -> Result<(), StoreError> {
        match &text.state {
            DueState::Ask => self.ask(&text).await,
            DueState::Unreported => self.desk.store.text_unreported(text.id.clone()).await,
            DueState::Send {
                receiver,
                text: written,
                sent,
            } => self.send(&text, *receiver, written, sent).await,
        }
    }

    async fn ask(&self, due: &DueText) -> Result<(), StoreError> {
        let store = &self.desk.store;
        let question = TextQuestion {
            id: &due.id,
            ticket: &due.ticket,
            written: &due.written,
        };
        let answer = self.asker.ask(&question, store.now_ms()).await;
        let mut ticket = due.ticket.clone();
        let table = &self.desk.directory.table;
        let step = answered(table, &mut ticket, &due.written, answer, store.now_ms());
        let step = self.desk.unless_blocked(&ticket, step);
        store.text_answered(due.id.clone(), ticket, step).await?;
        self.desk.bell.notify_one();
        Ok(())
    }

    async fn send(
        &self,
        due: &DueText,
        receiver: Number,
        written: &Text,
        sent: &[u8],
    ) -> Result<(), StoreError> {
        let snapshot = self.desk.directory.snapshot();
        let trunk = snapshot.trunks.get(&due.ticket.trunk).cloned();
        drop(snapshot);
        let way = trunk.as_ref().map(|trunk| trunk.texts.clone());
        match way {
            Some(TextWay::Sip) => {
                let udp = trunk.is_some_and(|t| t.transport == TrunkTransport::Udp);
                self.send_by_sip(due, receiver, written, sent, udp).await
            }
            Some(TextWay::Smpp(name)) => match self.links.get(&name) {
                Some(link) => self.send_by_smpp(due, receiver, written, sent, link).await,
                None => {
                    tracing::error!(
                        link = name,
                        "there is no [[smpp]] of this name; texts of its trunk wait"
                    );
                    self.later(due, 0, count(written.reveal())).await
                }
            },
            Some(TextWay::None) | None => self.over(due, SendResult::NoTexts, 0).await,
        }
    }

    async fn send_by_sip(
        &self,
        due: &DueText,
        receiver: Number,
        written: &Text,
        sent: &[u8],
        udp: bool,
    ) -> Result<(), StoreError> {
        let octets = if udp { UDP_OCTETS } else { TCP_OCTETS };
        let pieces = split_utf8(written.reveal(), octets);
        let link = format!("sip:{}", due.ticket.trunk.0);
        let mut taken = sent.len();
        let mut end = Try::Done { reports: false };
        for (number, piece) in (1_u8..).zip(&pieces) {
            if sent.contains(&number) {
                continue;
            }
            let message = Written {
                trunk: due.ticket.trunk,
                shown: due.ticket.x,
                receiver,
                text: (*piece).to_owned(),
            };
            match self.engine.send_text(message).await {
                TextOutcome::Taken => {
                    let part = SentPart {
                        number,
                        remote: None,
                        state: PartState::Delivered,
                    };
                    self.note(due, &link, part).await?;
                    taken += 1;
                }
                TextOutcome::Refused(status) => {
                    tracing::info!(text = due.id, status, "the carrier refuses a text");
                    end = Try::Refused;
                    break;
                }
                TextOutcome::Later(status) => {
                    tracing::info!(
                        text = due.id,
                        status,
                        "the carrier does not take a text at this moment"
                    );
                    end = Try::Later;
                    break;
                }
            }
        }
        // What is counted are short messages, whatever SIP makes of them.
        self.conclude(due, end, taken, pieces.len(), count(written.reveal()))
            .await
    }

    async fn send_by_smpp(
        &self,
        due: &DueText,
        receiver: Number,
        written: &Text,
        sent: &[u8],
        link: &Link,
    ) -> Result<(), StoreError> {
        let parts = link.parts(due.ticket.x, receiver, written.reveal(), reference(&due.id));
        let total = parts.len();
        let mut taken = sent.len();
        let mut end = Try::Done {
            reports: link.receipts(),
        };
        for (number, part) in (1_u8..).zip(parts) {
            if sent.contains(&number) {
                continue;
            }
            match link.submit(part).await {
                Ok(id) => {
                    let reported = link.receipts() && !id.is_empty();
                    let part = SentPart {
                        number,
                        remote: Some(id).filter(|_| reported),
                        state: match reported {
                            true => PartState::Pending,
                            false => PartState::Delivered,
                        },
                    };
                    self.note(due, link.name(), part).await?;
                    taken += 1;
                }
                Err(error @ (SubmitError::Refused(_) | SubmitError::Unwritable)) => {
                    tracing::info!(text = due.id, %error, "a text is refused");
                    end = Try::Refused;
                    break;
                }
                Err(error @ (SubmitError::Later(_) | SubmitError::NotBound)) => {
                    tracing::info!(text = due.id, %error, "a text is not taken at this moment");
                    end = Try::Later;
                    break;
                }
            }
        }
        self.conclude(due, end, taken, total, total).await
    }

    async fn note(&self, due: &DueText, link: &str, part: SentPart) -> Result<(), StoreError> {
        let (id, link) = (due.id.clone(), link.to_owned());
        self.desk.store.text_parts_sent(id, link, vec![part]).await
    }

    /// `counted`: how many short messages the text is.
    async fn conclude(
        &self,
        due: &DueText,
        end: Try,
        taken: usize,
        total: usize,
        counted: usize,
    ) -> Result<(), StoreError> {
        match end {
            Try::Done { reports: true } => {
                let store = &self.desk.store;
                let until_ms = store.now_ms().saturating_add(self.rules.receipt_wait_ms);
                store
                    .text_waits(due.id.clone(), total as u32, until_ms)
                    .await
            }
            Try::Done { reports: false } => self.over(due, SendResult::Sent, counted).await,
            Try::Refused => {
                self.over(due, SendResult::of_parts(taken, total), counted)
                    .await
            }
            Try::Later => self.later(due, taken, total).await,
        }
    }

    async fn later(&self, due: &DueText, taken: usize, total: usize) -> Result<(), StoreError> {
        let store = &self.desk.store;
        let patience = &self.rules.patience;
        match patience.next_ms(due.accepted_ms, due.attempts + 1, store.now_ms()) {
            Some(next_ms) => store.text_later(due.id.clone(), next_ms).await,
            None => {
                self.over(due, SendResult::of_parts(taken, total), total)
                    .await
            }
        }
    }

    async fn over(
        &self,
        due: &DueText,
        result: SendResult,
        parts: usize,
    ) -> Result<(), StoreError> {
        metrics::counter!("axbridge_texts_over_total", "result" => result.name()).increment(1);
        let store = &self.desk.store;
        store.text_over(due.id.clone(), result, parts as u32).await
    }
}

/// The same for every try of a text, so that parts of different tries belong together: the end of its id.
fn reference(id: &str) -> u16 {
    let end = id.len().saturating_sub(4);
    id.get(end..)
        .and_then(|hex| u16::from_str_radix(hex, 16).ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::reference;

    #[test]
    fn the_reference_follows_from_the_id() {
        assert_eq!(reference("0190c5f0-0000-7000-8000-00000000ab12"), 0xab12);
        assert_eq!(reference("x"), 0);
    }
}
