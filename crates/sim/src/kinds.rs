//! The other kinds of bindings: what a story says of them, what the switch finds of them, and who answers its
//! questions in the customer's and the store's place.

use std::sync::Arc;
use std::time::Duration;

use axbridge_binding::{
    AppId, Ax, Axe, AxybX, AxybY, CallBack, Extension, Policy, Reached, RouteKind, SubscriptionId,
    Table, Temporary,
};
use axbridge_call::{Answer, ConnectTo};
use axbridge_numbering::Number;

use crate::plan::{Bound, Rules, Story};

/// The extension of A in every story.
pub const EXTENSION: &str = "3517";

/// The kind of a story's binding. `Bound` says on which side of it the caller stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// Both parties are bound.
    #[default]
    Axb,
    /// A calls its temporary callee, or anybody calls A.
    Ax,
    /// A calls back who called last, or anybody keys its extension: digits are acts of the caller's plan.
    Axe {
        /// The menu answers the caller.
        answers: bool,
    },
    /// A calls Y, or somebody calls X.
    Axyb(Y),
    /// The customer says where the call goes.
    X(Customer),
}

/// The caller of an AXYB number that is not A.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Y {
    /// Has a Y.
    Bound,
    /// Is given one after so many milliseconds.
    Given(u16),
    /// None is free, which is said after so many milliseconds.
    NoneFree(u16),
    /// The store says nothing.
    Silent,
}

/// What the customer of X mode answers, after so many milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Customer {
    /// Connect, by the rules of the story; with a prompt for the callee.
    Connects(u16, bool),
    /// Close, with a prompt.
    Closes(u16, bool),
    /// Something that makes no sense.
    Babbles(u16),
    /// A prompt file that does not exist.
    NoFile(u16),
    /// Nothing.
    Silent,
}

impl Customer {
    /// The call has given up before it answers: that is three seconds.
    pub(crate) fn is_late(self) -> bool {
        match self {
            Customer::Connects(ms, _) | Customer::Closes(ms, _) => ms >= 3_000,
            Customer::Babbles(ms) | Customer::NoFile(ms) => ms >= 3_000,
            Customer::Silent => true,
        }
    }
}

/// Everybody in a story, as numbers.
#[derive(Clone, Copy)]
pub(crate) struct Cast {
    pub app: AppId,
    pub subscription: SubscriptionId,
    pub caller: Number,
    pub callee: Number,
    /// What is dialled.
    pub dialled: Number,
    /// Another number of the application.
    pub other: Number,
}

impl Kind {
    pub(crate) fn mode(self) -> RouteKind {
        match self {
            Kind::Axb => RouteKind::Axb,
            Kind::Ax => RouteKind::Ax,
            Kind::Axe { .. } => RouteKind::Axe,
            Kind::Axyb(_) => RouteKind::Axyb,
            Kind::X(_) => RouteKind::X,
        }
    }

    /// The callee sees another number than the one that was dialled.
    #[must_use]
    pub fn shows_other(self) -> bool {
        matches!(self, Kind::Axyb(_))
    }
}

/// The caller stands on A's side.
fn caller_is_a(story: &Story) -> bool {
    matches!(
        story.bound,
        Bound::Yes { caller_is_a: true } | Bound::WrongDirection
    )
}

/// Publishes what is bound in a story of another kind than AXB.
pub(crate) fn publish(table: &Table, story: &Story, cast: &Cast, policy: Policy) {
    if story.bound == Bound::Others {
        return;
    }
    let published = match story.kind {
        Kind::Axb | Kind::X(_) => return,
        Kind::Ax => table.publish_ax(&ax(story, cast, policy)),
        Kind::Axe { .. } => table.publish_axe(&axe(story, cast, policy)),
        Kind::Axyb(y) => {
            let relation = table.publish_axyb_x(&axyb_x(story, cast));
            match y {
                Y::Bound => {
                    relation.and_then(|()| table.publish_axyb_y(&axyb_y(story, cast, policy)))
                }
                _ if caller_is_a(story) => {
                    relation.and_then(|()| table.publish_axyb_y(&axyb_y(story, cast, policy)))
                }
                _ => relation,
            }
        }
    };
    if published.is_err() {
        unreachable!("a binding that the table takes");
    }
}

fn user_data() -> Option<Arc<str>> {
    Some("order 4711".into())
}

fn ax(story: &Story, cast: &Cast, policy: Policy) -> Ax {
    let caller_is_a = caller_is_a(story);
    Ax {
        subscription: cast.subscription,
        app: cast.app,
        x: cast.dialled,
        a: if caller_is_a {
            cast.caller
        } else {
            cast.callee
        },
        direction: story.bound.direction(),
        show_caller: false,
        turned_off: false,
        temporary: caller_is_a.then_some(Temporary {
            callee: cast.callee,
            until_ms: u64::MAX >> 8,
            user_data: None,
        }),
        last_caller: None,
        policy,
        user_data: user_data(),
    }
}

fn axe(story: &Story, cast: &Cast, policy: Policy) -> Axe {
    let caller_is_a = caller_is_a(story);
    let Some(extension) = Extension::parse(EXTENSION) else {
        unreachable!("four digits")
    };
    Axe {
        subscription: cast.subscription,
        app: cast.app,
        x: cast.dialled,
        a: if caller_is_a {
            cast.caller
        } else {
            cast.callee
        },
        extension,
        show_caller: false,
        expires_at_ms: None,
        reached: caller_is_a.then_some(Reached {
            caller: cast.callee,
            until_ms: None,
        }),
        otherwise: CallBack::OfApplication,
        policy,
        user_data: user_data(),
    }
}

/// X is A's, Y is the other's: which of them is dialled depends on who calls.
fn axyb_x(story: &Story, cast: &Cast) -> AxybX {
    let (x, a) = match caller_is_a(story) {
        true => (cast.other, cast.caller),
        false => (cast.dialled, cast.callee),
    };
    AxybX {
        subscription: cast.subscription,
        app: cast.app,
        x,
        a,
        direction: story.bound.direction(),
        expires_at_ms: None,
        user_data: user_data(),
    }
}

fn axyb_y(story: &Story, cast: &Cast, policy: Policy) -> AxybY {
    let of_x = axyb_x(story, cast);
    let (y, b) = match caller_is_a(story) {
        true => (cast.dialled, cast.callee),
        false => (cast.other, cast.caller),
    };
    AxybY {
        id: SubscriptionId(cast.subscription.0 + 10_000),
        subscription: cast.subscription,
        app: cast.app,
        x: of_x.x,
        a: of_x.a,
        y,
        b,
        direction: of_x.direction,
        expires_at_ms: None,
        policy,
        user_data: user_data(),
    }
}

/// What is said to a question of this story, and after how long; none: nothing.
pub(crate) fn reply(story: &Story, cast: &Cast) -> Option<(Duration, Answer)> {
    let (after_ms, answer) = match story.kind {
        Kind::Axyb(Y::Given(ms) | Y::NoneFree(ms)) => {
            let given = matches!(story.kind, Kind::Axyb(Y::Given(_)));
            (
                ms,
                if given {
                    Answer::Allocated
                } else {
                    Answer::NoneFree
                },
            )
        }
        Kind::X(Customer::Connects(ms, callee_hint)) => {
            let to = connect_to(&story.rules, cast.callee, callee_hint);
            (ms, Answer::Connect(Box::new(to)))
        }
        Kind::X(Customer::Closes(ms, with_prompt)) => {
            let close = Answer::Close {
                prompt: with_prompt.then(|| Arc::from("pre.wav")),
                user_data: user_data(),
            };
            (ms, close)
        }
        Kind::X(Customer::Babbles(ms)) => (ms, Answer::Invalid),
        Kind::X(Customer::NoFile(ms)) => (ms, Answer::NoFile),
        _ => return None,
    };
    Some((Duration::from_millis(after_ms.into()), answer))
}

/// Does what the store does before it answers.
pub(crate) fn before_reply(
    table: &Table,
    story: &Story,
    cast: &Cast,
    policy: Policy,
    answer: &Answer,
) {
    if *answer == Answer::Allocated && table.publish_axyb_y(&axyb_y(story, cast, policy)).is_err() {
        unreachable!("a part that the table takes");
    }
}

fn connect_to(rules: &Rules, callee: Number, callee_hint: bool) -> ConnectTo {
    let name = |on: bool, name: &str| on.then(|| Arc::from(name));
    ConnectTo {
        record: rules.record,
        record_hint_tone: name(rules.record_hint, "hint.wav"),
        max_duration_min: rules.minutes,
        last_min_voice: name(rules.last_minute_voice, "last.wav"),
        wait_voice: name(rules.pre_voice, "pre.wav"),
        callee_hint_voice: name(callee_hint, "hint.wav"),
        user_data: user_data(),
        ..ConnectTo::new(callee)
    }
}
