//! One call: two SIP legs, one media session, the rules of its binding, its deadlines, its facts.
//!
//! This crate is *not* a proxy: it never copies a message from one leg to the other. It is a back-to-back
//! user agent that builds every message of a leg from typed fields (module `compose`), so that what may
//! cross between two parties is what this crate names, and nothing else exists on the other side.
//!
//! It performs no I/O and reads no clock. A [`Switch`] owns all calls of one shard: bytes, media events
//! and the time go in; bytes, media commands and [`Fact`]s come out.

#![forbid(unsafe_code)]

mod ask;
mod busy;
mod call;
mod calls;
mod compose;
mod core;
mod directory;
mod fact;
mod finish;
mod ids;
mod leg;
mod limit;
mod menu;
mod modify;
mod offer;
mod outcome;
mod plan;
mod plane;
mod progress;
mod reliable;
mod requests;
mod rules;
mod settle;
mod setup;
mod sound;
mod story;
mod switch;
mod talk;
mod text;
mod tones;
mod trace;
pub mod utc;

pub use self::core::{Listen, SwitchConfig};

pub use ask::{Answer, ConnectTo, Question, QuestionKind};
pub use directory::{
    App, AppPrompts, CallerHeader, Directory, MenuRules, Network, Prack, RecordLayout, Snapshot,
    TextWay, Trunk, TrunkTransport,
};
pub use fact::{CallRecord, Fact, FactKind, LegQuality, TextReport};
pub use limit::{Limit, LimitChange, NewLength};
pub use outcome::{Bar, Ending, Outcome, Unanswered};
pub use plane::{CallKey, MediaPlane, NoPorts, Now};
pub use rules::{
    BadPattern, Blocked, BlockedNumbers, CallRate, CallRules, CallTimeRule, CallingHours,
    ConnectRateRule, Party, Pattern, PlatformRules, Standing, UtcOffset,
};
pub use switch::{StoppedBy, Switch, SwitchCounters};
pub use text::{TextAnswer, TextIn, TextKey, TextOut, TextOutcome, TextSent};
pub use trace::{
    MESSAGES_MAX, Note, STEPS_MAX, SipKind, SipMessage, Step, Trace, TraceText, TracedLeg,
    TracedMedia, TracedMessage, TracedParty, TracedStep,
};
