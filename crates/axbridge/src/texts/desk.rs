//! Where texts come in: what is to be done is decided, and all of it is on the disk before the sender is answered.

use std::sync::Arc;

use axbridge_call::{Directory, Party, TextAnswer, TextIn};
use axbridge_engine::TextDesk;
use axbridge_numbering::{Number, NumberRules};
use axbridge_smpp::{Came, Kept};
use axbridge_sms::join::{JoinLimits, Part, check_total, join};
use axbridge_sms::route::{self, Conditions, Incoming, Step, Ticket};
use axbridge_sms::{SendResult, Text, TextError};
use axbridge_store::{LongText, NewText, PartKept, Store, StoreError};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use uuid::Uuid;

/// See the module.
pub struct Desk {
    pub store: Store,
    pub directory: Arc<Directory>,
    limits: JoinLimits,
    /// Rung when there is something to do.
    pub bell: Arc<Notify>,
    runtime: Handle,
}

/// A whole text, from wherever.
struct Whole {
    x: Number,
    sender: Number,
    text: Text,
    origin: Option<String>,
    joined: Option<LongText>,
}

impl Desk {
    /// Works on the runtime of the caller.
    pub fn new(
        store: Store,
        directory: Arc<Directory>,
        limits: JoinLimits,
        bell: Arc<Notify>,
    ) -> Desk {
        Desk {
            store,
            directory,
            limits,
            bell,
            runtime: Handle::current(),
        }
    }

    /// What the operator's lists leave of a step: they hold for texts as they do for calls.
    pub fn unless_blocked(&self, ticket: &Ticket, step: Step) -> Step {
        let snapshot = self.directory.snapshot();
        let blocks = |party, number| snapshot.blocked.blocks(ticket.app, party, number);
        let blocked = match &step {
            Step::End(_) => false,
            Step::Ask => blocks(Party::Caller, ticket.sender),
            Step::Forward { receiver, .. } => {
                blocks(Party::Caller, ticket.sender) || blocks(Party::Callee, *receiver)
            }
        };
        match blocked {
            true => Step::End(SendResult::Blacklisted),
            false => step,
        }
    }

    async fn take(&self, whole: Whole) -> TextAnswer {
        match self.try_take(whole).await {
            Ok(answer) => answer,
            Err(error) => {
                tracing::error!(%error, "a text could not be kept; its sender is told to try again");
                TextAnswer::Unavailable
            }
        }
    }

    async fn try_take(&self, whole: Whole) -> Result<TextAnswer, StoreError> {
        let Some(owner) = self.store.text_owner(whole.x).await? else {
            return Ok(TextAnswer::UnknownNumber);
        };
        let Ok((_, trunk)) = route::owner(&self.directory.table, whole.x) else {
            return Ok(TextAnswer::UnknownNumber);
        };
        let trunk = self.directory.snapshot().trunks.get(&trunk).cloned();
        let numbers = trunk.map_or_else(NumberRules::default, |trunk| trunk.numbers.clone());
        let incoming = Incoming {
            x: whole.x,
            sender: whole.sender,
            text: &whole.text,
            wall_ms: self.store.now_ms(),
        };
        let conditions = Conditions {
            account: owner.account,
            texts: owner.texts,
            numbers: &numbers,
        };
        let Ok((ticket, step)) = route::route(&self.directory.table, incoming, conditions) else {
            return Ok(TextAnswer::UnknownNumber);
        };
        let step = self.unless_blocked(&ticket, step);
        let answer = match &step {
            Step::End(result) => {
                metrics::counter!("axbridge_texts_over_total", "result" => result.name())
                    .increment(1);
                answer_to(*result)
            }
            Step::Ask | Step::Forward { .. } => TextAnswer::Kept,
        };
        let new = NewText {
            id: Uuid::now_v7().to_string(),
            origin: whole.origin,
            ticket,
            written: Some(whole.text),
            step,
            joined: whole.joined,
        };
        let fresh = self.store.text_accept(new).await?;
        self.bell.notify_one();
        // It came before and was kept: what became of it then is not known any more, but it was seen to.
        Ok(if fresh { answer } else { TextAnswer::Kept })
    }

    /// Keeps one part; the last one makes the text.
    async fn take_part(&self, long: LongText, part: Part) -> TextAnswer {
        if check_total(long.total).is_err() {
            return TextAnswer::TooLong;
        }
        if route::owner(&self.directory.table, long.x).is_err() {
            return TextAnswer::UnknownNumber;
        }
        let kept = self.store.text_part(long.clone(), part, self.limits).await;
        let parts = match kept {
            Ok(PartKept::Waiting) => return TextAnswer::Kept,
            Ok(PartKept::Whole(parts)) => parts,
            Ok(PartKept::Full) => {
                tracing::warn!(link = long.link, "too many long texts wait for their parts");
                return TextAnswer::Unavailable;
            }
            Err(error) => {
                tracing::error!(%error, "a part of a text could not be kept");
                return TextAnswer::Unavailable;
            }
        };
        match join(long.total, &parts) {
            Some(Ok(text)) => {
                let whole = Whole {
                    x: long.x,
                    sender: long.sender,
                    text,
                    origin: None,
                    joined: Some(long),
                };
                self.take(whole).await
            }
            Some(Err(TextError::TooLong)) => TextAnswer::TooLong,
            Some(Err(_)) | None => TextAnswer::Refused,
        }
    }

    async fn take_sip(&self, text: TextIn) -> TextAnswer {
        match Text::new(text.text) {
            Ok(written) => {
                let whole = Whole {
                    x: text.x,
                    sender: text.sender,
                    text: written,
                    origin: Some(text.origin),
                    joined: None,
                };
                self.take(whole).await
            }
            Err(TextError::TooLong) => TextAnswer::TooLong,
            Err(_) => TextAnswer::Refused,
        }
    }

    async fn take_smpp(&self, link: String, came: Came) -> Kept {
        let answer = match came {
            Came::Nothing => TextAnswer::Kept,
            Came::Receipt(receipt) => match self.store.text_receipt(link, receipt).await {
                Ok(()) => TextAnswer::Kept,
                Err(error) => {
                    tracing::error!(%error, "a delivery receipt could not be kept");
                    TextAnswer::Unavailable
                }
            },
            Came::Text {
                sender,
                x,
                coding,
                octets,
                place: Some(place),
            } => {
                let long = LongText {
                    link,
                    sender,
                    x,
                    reference: place.reference,
                    total: place.total,
                };
                let number = place.number;
                let part = Part {
                    number,
                    coding,
                    octets,
                };
                self.take_part(long, part).await
            }
            Came::Text {
                sender,
                x,
                coding,
                octets,
                place: None,
            } => match coding.decode(&octets).and_then(Text::new) {
                Ok(text) => {
                    let whole = Whole {
                        x,
                        sender,
                        text,
                        origin: None,
                        joined: None,
                    };
                    self.take(whole).await
                }
                Err(TextError::TooLong) => TextAnswer::TooLong,
                Err(_) => TextAnswer::Refused,
            },
        };
        let outcome = match answer {
            TextAnswer::Kept => "kept",
            TextAnswer::Unavailable => "unavailable",
            _ => "refused",
        };
        metrics::counter!("axbridge_texts_in_total", "way" => "smpp", "outcome" => outcome)
            .increment(1);
        match answer {
            TextAnswer::Kept => Kept::Kept,
            TextAnswer::Refused => Kept::Refused,
            TextAnswer::UnknownNumber => Kept::UnknownNumber,
            TextAnswer::TooLong => Kept::TooLong,
            TextAnswer::Unavailable => Kept::Unavailable,
        }
    }
}

/// What the sender is told of a text that ends at once: what will not be carried is refused, so that nobody believes it
/// on its way. The customer is told the result in any case.
fn answer_to(result: SendResult) -> TextAnswer {
    match result {
        SendResult::Sent => TextAnswer::Kept,
        _ => TextAnswer::Refused,
    }
}

/// On the program's runtime: a shard, or a session with an SMSC, only waits.
impl TextDesk for Desk {
    fn keep(self: Arc<Self>, text: TextIn) -> axbridge_engine::Keeping {
        let work = self
            .runtime
            .clone()
            .spawn(async move { self.take_sip(text).await });
        // It fails when the program stops, or when the work has panicked.
        Box::pin(async move { work.await.unwrap_or(TextAnswer::Unavailable) })
    }
}

impl axbridge_smpp::Desk for Desk {
    fn keep(self: Arc<Self>, link: &str, came: Came) -> axbridge_smpp::Keeping {
        let link = link.to_owned();
        Box::pin(async move { self.take_smpp(link, came).await })
    }
}
