//! The trace of a call: what was decided in it and why, kept in small entries and put into words only when somebody
//! reads it (module `text`).
//!
//! It holds no whole number and no address: numbers are masked before they get here, and of a SIP message only its
//! method, its status, its leg and its moment are kept. So it may be shown to the application that owns the call.
//! What the transaction layer does by itself is not in it: messages sent again, the ACK that a caller sends for a
//! refusal, the answer to our CANCEL.

mod ladder;
mod refusal;
mod text;

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;

use axbridge_media::Side;
use axbridge_numbering::Number;
use axbridge_sip::{Message, Method};
use serde::{Deserialize, Serialize};

use crate::directory::CallerHeader;
use crate::fact::LegQuality;
use crate::plane::Now;

pub(crate) use refusal::Refusals;

pub use ladder::{SipKind, SipMessage};
pub use text::{TraceText, TracedLeg, TracedMedia, TracedMessage, TracedStep};

/// Steps kept of one call. Beyond, the middle is left out: how a call began and how it ended say most.
pub const STEPS_MAX: usize = 60;
/// SIP messages kept of one call; beyond, likewise.
pub const MESSAGES_MAX: usize = 200;

/// One of the two parties, or its leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TracedParty {
    /// Who called X.
    Caller,
    /// Who was called for it.
    Callee,
}

impl From<Side> for TracedParty {
    fn from(side: Side) -> Self {
        match side {
            Side::A => TracedParty::Caller,
            Side::B => TracedParty::Callee,
        }
    }
}

/// Something that happened or was decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Note {
    /// The INVITE came in by this trunk.
    Arrived {
        /// Name of the trunk.
        trunk: Arc<str>,
    },
    /// The caller's number was read from this header.
    CallerFrom(CallerHeader),
    /// None of these headers, in the trunk's order, holds a usable number.
    CallerMissing(Vec<CallerHeader>),
    /// The binding, or the customer's answer, leads to a callee.
    Bound {
        /// `AXB`, `AX`, `AXE`, `AXYB` or `X`.
        kind: Cow<'static, str>,
        /// The caller is A of the binding.
        caller_is_a: bool,
    },
    /// The callee is called by this trunk.
    Trunk {
        /// Name of the trunk.
        name: Arc<str>,
        /// The callee sees the real caller.
        caller_shown: bool,
    },
    /// A prompt begins.
    Playing {
        /// Who hears it.
        to: TracedParty,
        /// What it is.
        what: Cow<'static, str>,
    },
    /// A prompt was heard to its end.
    Heard {
        /// By whom.
        by: TracedParty,
        /// What it was.
        what: Cow<'static, str>,
    },
    /// The caller has keyed so many digits at the menu.
    Keyed {
        /// How many; which ones the trace does not say.
        digits: u32,
    },
    /// The recording is kept, this long.
    Recorded {
        /// Milliseconds.
        length_ms: u64,
    },
    /// There is no recording, though one was begun.
    NotRecorded {
        /// Why; none: it was shorter than is kept.
        why: Option<Cow<'static, str>>,
    },
    /// Anything that needs no more than a sentence.
    Said(Cow<'static, str>),
    /// The call is over.
    Ended {
        /// Hang-up cause, as in the disconnect event.
        state_code: u32,
        /// Its text.
        text: Cow<'static, str>,
        /// The final status of a caller that was not answered.
        status: Option<u16>,
        /// Q.850 cause told to both legs.
        q850: u8,
    },
}

impl Note {
    /// A sentence.
    pub(crate) fn said(sentence: &'static str) -> Note {
        Note::Said(Cow::Borrowed(sentence))
    }
}

/// A note and its moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Milliseconds since the call came in.
    pub after_ms: u32,
    /// What it was.
    pub note: Note,
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Trace {
    /// When the call came in, Unix milliseconds.
    pub began_ms: u64,
    /// The caller, masked; none when the carrier gave no usable number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caller: Option<String>,
    /// The number dialled, masked; none when it could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub x: Option<String>,
    /// The number shown to the callee, masked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shown: Option<String>,
    /// The callee, masked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub callee: Option<String>,
    /// What was decided, in order.
    pub steps: VecDeque<Step>,
    /// Steps left out after the first two thirds.
    pub steps_cut: u32,
    /// The messages of both legs, in order.
    #[serde(with = "ladder::compact")]
    pub messages: VecDeque<SipMessage>,
    /// Messages left out after the first two thirds.
    pub messages_cut: u32,
    /// What the caller's side sent to us.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caller_media: Option<LegQuality>,
    /// What the callee's side sent to us.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub callee_media: Option<LegQuality>,
}

impl Trace {
    /// A call that came in at this moment.
    pub(crate) fn new(now: Now, caller: Option<Number>, x: Option<Number>) -> Self {
        Trace {
            began_ms: now.wall_ms,
            // A number's own text is masked.
            caller: caller.map(|n| n.to_string()),
            x: x.map(|n| n.to_string()),
            ..Trace::default()
        }
    }

    /// The callee is known, and what it will see.
    pub(crate) fn routed(&mut self, shown: Number, callee: Number) {
        self.shown = Some(shown.to_string());
        self.callee = Some(callee.to_string());
    }

    /// Takes what one turn has brought.
    pub(crate) fn take(&mut self, pending: &mut Pending) {
        for (at_ms, note) in pending.notes.drain(..) {
            let after_ms = self.after(at_ms);
            keep(
                &mut self.steps,
                &mut self.steps_cut,
                STEPS_MAX,
                Step { after_ms, note },
            );
        }
        for (at_ms, mut message) in pending.messages.drain(..) {
            message.after_ms = self.after(at_ms);
            keep(
                &mut self.messages,
                &mut self.messages_cut,
                MESSAGES_MAX,
                message,
            );
        }
    }

    fn after(&self, at_ms: u64) -> u32 {
        u32::try_from(at_ms.saturating_sub(self.began_ms)).unwrap_or(u32::MAX)
    }
}

/// Adds an entry; where there are too many, the oldest after the first two thirds goes.
fn keep<T>(entries: &mut VecDeque<T>, cut: &mut u32, max: usize, entry: T) {
    if entries.len() >= max {
        entries.remove(max / 3 * 2);
        *cut = cut.saturating_add(1);
    }
    entries.push_back(entry);
}

/// What one turn brings for the trace of the call that it is about. The parts of a call that speak SIP and play prompts
/// do not reach its story; they put it here, and the call takes it at the end of the turn. Empty while traces are off.
#[derive(Default)]
pub(crate) struct Pending {
    notes: Vec<(u64, Note)>,
    messages: Vec<(u64, SipMessage)>,
}

impl Pending {
    pub fn note(&mut self, now: Now, note: Note) {
        self.notes.push((now.wall_ms, note));
    }

    pub fn message(&mut self, now: Now, party: TracedParty, sent: bool, kind: SipKind) {
        let message = SipMessage {
            after_ms: 0,
            party,
            sent,
            kind,
        };
        self.messages.push((now.wall_ms, message));
    }

    pub fn clear(&mut self) {
        self.notes.clear();
        self.messages.clear();
    }
}

impl SipKind {
    pub(crate) fn of(message: &Message) -> SipKind {
        match message.status() {
            Some(status) => SipKind::response(status, message.cseq_method()),
            None => SipKind::request(message.cseq_method()),
        }
    }

    pub(crate) fn request(method: &Method) -> SipKind {
        SipKind::new(0, method.as_str())
    }

    pub(crate) fn response(status: u16, method: &Method) -> SipKind {
        SipKind::new(status, method.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn of_too_much_the_middle_goes() {
        let now = Now {
            mono: Instant::now(),
            wall_ms: 1_000,
        };
        let mut trace = Trace::new(now, None, None);
        let mut pending = Pending::default();
        for n in 0..1_000_u64 {
            let now = Now {
                wall_ms: 1_000 + n,
                ..now
            };
            pending.note(now, Note::said("x"));
            pending.message(
                now,
                TracedParty::Caller,
                n % 2 == 0,
                SipKind::request(&Method::Info),
            );
            trace.take(&mut pending);
        }
        assert_eq!((trace.steps.len(), trace.steps_cut), (STEPS_MAX, 940));
        assert_eq!(
            (trace.messages.len(), trace.messages_cut),
            (MESSAGES_MAX, 800)
        );
        assert_eq!(trace.steps[39].after_ms, 39);
        assert_eq!(trace.steps[40].after_ms, 980);
        assert_eq!(trace.messages.back().map(|m| m.after_ms), Some(999));
        // A journal frame holds a MiB; the largest trace is far below.
        assert!(serde_json::to_string(&trace).unwrap_or_default().len() < 16_000);
    }
}
