//! Texts over SIP: MESSAGE outside of a dialog (RFC 3428), in and out.
//!
//! What becomes of a text is not decided here: one that comes in is handed out by [`Switch::poll_text`] and answered
//! when [`Switch::answer_text`] says that it is kept; one that goes out is told of by [`Switch::poll_text_sent`]. A
//! MESSAGE inside the dialog of a call is refused (405): the parties of a call write to X like everybody.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;

use axbridge_binding::TrunkId;
use axbridge_numbering::Number;
use axbridge_sip::{ClientTx, Hop, Message, Name, ResponseBuilder, ServerTx};

use crate::compose;
use crate::directory::{TextWay, Trunk};
use crate::plane::Now;
use crate::setup::caller_number;
use crate::switch::Switch;

/// Texts that wait for their answer at once in one shard; a further one is refused with 503.
const OPEN_MAX: usize = 4_096;

/// The longest body that is read, in octets; 2,000 characters are shorter.
const BODY_MAX: usize = 8_192;

/// A text that is waiting for its answer.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TextKey(ServerTx);

/// A text that came in. `Debug` shows neither the text nor who wrote it to whom.
#[derive(Clone)]
pub struct TextIn {
    /// For [`Switch::answer_text`].
    pub key: TextKey,
    /// The trunk that it came by.
    pub trunk: TrunkId,
    /// X.
    pub x: Number,
    /// Who wrote.
    pub sender: Number,
    /// What they wrote; never empty.
    pub text: String,
    /// The same whenever this request comes again, also after a restart.
    pub origin: String,
    /// When it came, Unix milliseconds.
    pub at_ms: u64,
}

impl fmt::Debug for TextIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TextIn({:?}, {} bytes)", self.trunk, self.text.len())
    }
}

/// What is answered to a text that came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextAnswer {
    /// It is kept and will be seen to (202).
    Kept,
    /// It will not be carried (403).
    Refused,
    /// X is not a number of this platform (404).
    UnknownNumber,
    /// It is too long (413).
    TooLong,
    /// It cannot be kept at this moment (503); the sender may try again.
    Unavailable,
}

/// A text that is to be sent. `Debug` shows neither the text nor to whom it goes.
#[derive(Clone)]
pub struct TextOut {
    /// Comes back in [`TextSent`].
    pub id: u64,
    /// The trunk that it leaves by.
    pub trunk: TrunkId,
    /// X: the only number that is shown.
    pub shown: Number,
    /// Who is to read it.
    pub receiver: Number,
    /// What is written.
    pub text: String,
}

impl fmt::Debug for TextOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "TextOut(#{} {:?}, {} bytes)",
            self.id,
            self.trunk,
            self.text.len()
        )
    }
}

/// What became of a text that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextSent {
    /// Of [`TextOut`].
    pub id: u64,
    /// What the carrier said.
    pub outcome: TextOutcome,
}

/// What a carrier said to a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextOutcome {
    /// It has taken it.
    Taken,
    /// It will not take it, now or later (the SIP status).
    Refused(u16),
    /// Not now: the same text may be taken later (the SIP status; 408 for no answer, 503 for no way).
    Later(u16),
}

impl TextOutcome {
    fn of_status(status: u16) -> TextOutcome {
        match status {
            200..=299 => TextOutcome::Taken,
            // The subscriber's phone is off, or the carrier is busy with itself.
            408 | 429 | 480 | 486 | 491 | 500 | 502..=504 | 580 | 600 => TextOutcome::Later(status),
            _ => TextOutcome::Refused(status),
        }
    }
}

/// The texts of a shard that are under way.
#[derive(Default)]
pub(crate) struct Texts {
    came: VecDeque<TextIn>,
    open: HashSet<ServerTx, foldhash::fast::FixedState>,
    sent: HashMap<ClientTx, u64, foldhash::fast::FixedState>,
    told: VecDeque<TextSent>,
}

impl Texts {
    pub fn len(&self) -> usize {
        self.open.len() + self.sent.len()
    }

    /// The end of a transaction that carries a text; false when it carries none.
    pub fn ended(&mut self, tx: ClientTx, status: u16) -> bool {
        let Some(id) = self.sent.get(&tx).copied() else {
            return false;
        };
        if status >= 200 {
            self.sent.remove(&tx);
            let outcome = TextOutcome::of_status(status);
            self.told.push_back(TextSent { id, outcome });
        }
        true
    }
}

impl Switch {
    /// The next text that came in; its sender waits for [`Switch::answer_text`].
    pub fn poll_text(&mut self) -> Option<TextIn> {
        self.texts.came.pop_front()
    }

    /// Answers a text that came in. A second answer is forgotten.
    pub fn answer_text(&mut self, now: Now, key: TextKey, answer: TextAnswer) {
        if !self.texts.open.remove(&key.0) {
            return;
        }
        let response = match answer {
            TextAnswer::Kept => ResponseBuilder::new(202),
            TextAnswer::Refused => ResponseBuilder::new(403),
            TextAnswer::UnknownNumber => ResponseBuilder::new(404),
            TextAnswer::TooLong => ResponseBuilder::new(413),
            TextAnswer::Unavailable => self.busy(),
        };
        self.respond(now, key.0, response);
    }

    /// Sends a text; what becomes of it is told by [`Switch::poll_text_sent`].
    pub fn send_text(&mut self, now: Now, text: TextOut) {
        let trunk = self
            .core
            .directory
            .snapshot()
            .trunks
            .get(&text.trunk)
            .cloned();
        let path = trunk.and_then(|trunk| Some((self.core.hop_to(&trunk)?, trunk)));
        let Some((hop, trunk)) = path else {
            let outcome = TextOutcome::Later(503);
            return self.texts.told.push_back(TextSent {
                id: text.id,
                outcome,
            });
        };
        let message = compose::Written {
            trunk: &trunk,
            hop: &hop,
            advertised: self.core.advertised(&hop),
            shown: text.shown,
            receiver: text.receiver,
            tag: self.core.ids.tag(),
            call_id: &self.core.ids.call_id(),
        };
        let request = message.request(text.text);
        let tx = self.core.endpoint.request(now.mono, hop, request);
        self.texts.sent.insert(tx, text.id);
    }

    /// The next text of which it is known what became of it.
    pub fn poll_text_sent(&mut self) -> Option<TextSent> {
        self.texts.told.pop_front()
    }

    /// A MESSAGE outside of a dialog.
    pub(crate) fn text_came(
        &mut self,
        now: Now,
        tx: ServerTx,
        message: &Message,
        hop: Hop,
        trunk: &Trunk,
    ) {
        match self.read_text(now, tx, message, hop, trunk) {
            Ok(text) => {
                self.texts.open.insert(tx);
                self.texts.came.push_back(text);
            }
            Err(response) => self.respond(now, tx, *response),
        }
    }

    fn read_text(
        &mut self,
        now: Now,
        tx: ServerTx,
        message: &Message,
        hop: Hop,
        trunk: &Trunk,
    ) -> Result<TextIn, Box<ResponseBuilder>> {
        let refuse = |status| Err(Box::new(ResponseBuilder::new(status)));
        if trunk.texts != TextWay::Sip {
            let allowed = ResponseBuilder::new(405).header(Name::Allow, compose::ALLOW);
            return Err(Box::new(allowed));
        }
        if message.max_forwards() == Some(0) {
            return refuse(483);
        }
        if let Some(response) = compose::refusal_by_header(trunk, message) {
            return Err(Box::new(response));
        }
        let body = message.body();
        if body.is_empty() {
            return refuse(400);
        }
        if !is_plain_text(message.content_type()) {
            let accepted = ResponseBuilder::new(415).header(Name::Accept, compose::TEXT);
            return Err(Box::new(accepted));
        }
        if body.len() > BODY_MAX {
            return refuse(413);
        }
        if self.is_full() || self.texts.open.len() >= OPEN_MAX {
            return Err(Box::new(self.busy()));
        }
        let Ok(text) = String::from_utf8(body.to_vec()) else {
            return refuse(400);
        };
        let called = message.uri().and_then(|uri| uri.subscriber());
        let Some(x) = called.and_then(|user| trunk.numbers.normalise(&user).ok()) else {
            return refuse(404);
        };
        // Nobody could be told who wrote, and no rule could be looked up.
        let Some((sender, _)) = caller_number(trunk, message) else {
            return refuse(403);
        };
        Ok(TextIn {
            key: TextKey(tx),
            trunk: trunk.id,
            x,
            sender,
            text,
            origin: origin(message, hop),
            at_ms: now.wall_ms,
        })
    }
}

/// What names a request for ever: its transaction's owner, Call-ID, CSeq and From tag.
fn origin(message: &Message, hop: Hop) -> String {
    let from = message.from();
    let tag = String::from_utf8_lossy(from.tag().unwrap_or_default());
    let call_id = String::from_utf8_lossy(message.call_id());
    format!("{} {} {call_id} {tag}", hop.remote.ip(), message.cseq().seq)
}

/// `text/plain` in UTF-8 or a part of it; without a Content-Type a body is taken as that.
fn is_plain_text(content_type: Option<&[u8]>) -> bool {
    let Some(value) = content_type else {
        return true;
    };
    let value = String::from_utf8_lossy(value).to_ascii_lowercase();
    let mut parts = value.split(';').map(str::trim);
    if parts.next() != Some("text/plain") {
        return false;
    }
    parts.all(|parameter| match parameter.split_once('=') {
        Some((name, value)) if name.trim() == "charset" => {
            matches!(
                value.trim().trim_matches('"'),
                "utf-8" | "us-ascii" | "utf8"
            )
        }
        _ => true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_that_are_text() {
        for plain in [
            "text/plain",
            "Text/Plain; charset=UTF-8",
            "text/plain;format=flowed; charset=\"us-ascii\"",
        ] {
            assert!(is_plain_text(Some(plain.as_bytes())), "{plain}");
        }
        assert!(is_plain_text(None));
        for other in [
            "message/cpim",
            "text/plain;charset=gbk",
            "text/html",
            "text/plainer",
        ] {
            assert!(!is_plain_text(Some(other.as_bytes())), "{other}");
        }
    }

    #[test]
    fn statuses_that_may_pass() {
        assert_eq!(TextOutcome::of_status(202), TextOutcome::Taken);
        assert_eq!(TextOutcome::of_status(480), TextOutcome::Later(480));
        assert_eq!(TextOutcome::of_status(503), TextOutcome::Later(503));
        assert_eq!(TextOutcome::of_status(404), TextOutcome::Refused(404));
        assert_eq!(TextOutcome::of_status(603), TextOutcome::Refused(603));
    }
}
