//! To whom a text goes, and what is written on it.

use std::sync::Arc;

use axbridge_binding::{
    AppId, Decision, Policy, Route, RouteKind, SubscriptionId, Table, TextDecision, TextRefusal,
    TrunkId,
};
use axbridge_numbering::{Number, NumberRules, serde_global};
use serde::{Deserialize, Serialize};

use crate::outcome::SendResult;
use crate::rules::{may_be_mobile, take_receiver, tell_sender};
use crate::text::Text;

/// A text that reached X.
#[derive(Clone, Copy, Debug)]
pub struct Incoming<'a> {
    /// X.
    pub x: Number,
    /// Who wrote.
    pub sender: Number,
    /// What.
    pub text: &'a Text,
    /// When, Unix milliseconds.
    pub wall_ms: u64,
}

/// How the application stands, and its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Account {
    /// In use.
    Active,
    /// The application is suspended.
    Suspended,
    /// The account is frozen.
    Frozen,
}

/// What decides besides the binding.
#[derive(Clone, Copy, Debug)]
pub struct Conditions<'a> {
    /// How the application stands.
    pub account: Account,
    /// Texts are switched on for the application and for X.
    pub texts: bool,
    /// How numbers are written on the trunk of X.
    pub numbers: &'a NumberRules,
}

/// What is known of a text from its acceptance on, and stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// The application that X belongs to.
    pub app: AppId,
    /// X: the sender that the receiver sees.
    #[serde(with = "serde_global")]
    pub x: Number,
    /// Who wrote.
    #[serde(with = "serde_global")]
    pub sender: Number,
    /// The trunk of X.
    pub trunk: TrunkId,
    /// `direction` of the notification: 0 to A, 1 from A (in X mode always), 2 nothing bound.
    pub direction: u8,
    /// The binding.
    pub subscription: Option<SubscriptionIdText>,
    /// The customer's own text.
    pub user_data: Option<Arc<str>>,
}

/// A subscription as it stands in durable facts.
pub type SubscriptionIdText = Arc<str>;

/// What is to be done with a text next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Send it.
    Forward {
        /// To whom.
        receiver: Number,
        /// What they read.
        text: Text,
    },
    /// Ask the customer (`Block`), then [`answered`].
    Ask,
    /// Nothing more.
    End(SendResult),
}

/// What the customer said of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlockAnswer {
    /// `vNumberRoute`.
    Forward {
        /// `called`, where it says so.
        receiver: Option<Number>,
        /// `userData`.
        user_data: Option<Arc<str>>,
    },
    /// `DiscardMessage`.
    Discard,
    /// Nothing of use, or not in time.
    None,
}

/// X is not a number of this platform: the text is refused where it came from and nobody is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the number is not one of this platform")]
pub struct UnknownNumber;

/// The application that X belongs to and its trunk, for looking up the [`Conditions`].
pub fn owner(table: &Table, x: Number) -> Result<(AppId, TrunkId), UnknownNumber> {
    let info = table.number(x).ok_or(UnknownNumber)?;
    Ok((info.app, info.trunk))
}

/// Says what becomes of a text.
pub fn route(
    table: &Table,
    incoming: Incoming<'_>,
    conditions: Conditions<'_>,
) -> Result<(Ticket, Step), UnknownNumber> {
    let (app, trunk) = owner(table, incoming.x)?;
    let nobody = Ticket {
        app,
        x: incoming.x,
        sender: incoming.sender,
        trunk,
        direction: 2,
        subscription: None,
        user_data: None,
    };
    let decision = match table.decide_text(incoming.x, incoming.sender, incoming.wall_ms) {
        Ok(decision) => decision,
        Err(TextRefusal::UnknownNumber) => return Err(UnknownNumber),
        Err(refusal) => {
            let barred = barred(&conditions);
            let result = barred.unwrap_or(match refusal {
                TextRefusal::NumberUnusable { .. } => SendResult::NumberSuspended,
                TextRefusal::NoTexts { .. } => SendResult::NoTexts,
                _ => SendResult::NoBinding,
            });
            return Ok((nobody, Step::End(result)));
        }
    };
    let (ticket, policy) = match &decision {
        TextDecision::Forward(route, policy) | TextDecision::FromA(route, policy) => {
            (bound(nobody, route), Some(policy))
        }
        TextDecision::AskCustomer { .. } => (
            Ticket {
                direction: 1,
                ..nobody
            },
            None,
        ),
    };
    let step = match barred(&conditions).or_else(|| unsuitable(&incoming, policy)) {
        Some(result) => Step::End(result),
        None => step(&decision, &incoming, &conditions),
    };
    Ok((ticket, step))
}

/// Says what becomes of a text after the customer was asked. `text` is what came; a suffix that was not understood
/// stays in it.
pub fn answered(
    table: &Table,
    ticket: &mut Ticket,
    text: &Text,
    answer: BlockAnswer,
    wall_ms: u64,
) -> Step {
    match answer {
        BlockAnswer::None => Step::End(SendResult::NoAnswer),
        BlockAnswer::Discard => Step::End(SendResult::Discarded),
        BlockAnswer::Forward {
            receiver,
            user_data,
        } => {
            if user_data.is_some() {
                ticket.user_data = user_data;
            }
            match receiver.or_else(|| temporary_callee(table, ticket, wall_ms)) {
                Some(receiver) => forward(ticket.x, ticket.sender, receiver, text.clone()),
                None => Step::End(SendResult::NothingSent),
            }
        }
    }
}

/// AX: a customer who says "forward" and not to whom means whom A would reach by calling.
fn temporary_callee(table: &Table, ticket: &Ticket, wall_ms: u64) -> Option<Number> {
    match table.decide(ticket.x, ticket.sender, wall_ms) {
        Ok(Decision::Connect(route, _)) if route.kind == RouteKind::Ax && route.caller_is_a => {
            Some(route.callee)
        }
        _ => None,
    }
}

fn bound(nobody: Ticket, route: &Route) -> Ticket {
    Ticket {
        direction: route.direction,
        subscription: route.subscription.map(subscription_text),
        user_data: route.user_data.clone(),
        ..nobody
    }
}

fn subscription_text(id: SubscriptionId) -> SubscriptionIdText {
    id.to_string().into()
}

/// What stands in the way of every text of this application.
fn barred(conditions: &Conditions<'_>) -> Option<SendResult> {
    match conditions.account {
        Account::Frozen => Some(SendResult::AccountFrozen),
        Account::Suspended => Some(SendResult::ApplicationUnavailable),
        Account::Active if !conditions.texts => Some(SendResult::NoTexts),
        Account::Active => None,
    }
}

/// What stands in the way of this text.
fn unsuitable(incoming: &Incoming<'_>, policy: Option<&Arc<Policy>>) -> Option<SendResult> {
    if policy.is_some_and(|policy| !policy.private_sms) {
        Some(SendResult::NoTexts)
    } else if !may_be_mobile(incoming.sender) {
        Some(SendResult::NothingSent)
    } else {
        None
    }
}

fn step(decision: &TextDecision, incoming: &Incoming<'_>, conditions: &Conditions<'_>) -> Step {
    let Incoming {
        x, sender, text, ..
    } = *incoming;
    match decision {
        TextDecision::AskCustomer { .. } => Step::Ask,
        TextDecision::FromA(..) => match take_receiver(text, conditions.numbers) {
            Some((text, receiver)) => forward(x, sender, receiver, text),
            None => Step::Ask,
        },
        TextDecision::Forward(route, _) => {
            let text = match route.kind {
                RouteKind::Ax => tell_sender(text, sender, conditions.numbers),
                _ => text.clone(),
            };
            forward(x, sender, route.callee, text)
        }
    }
}

fn forward(x: Number, sender: Number, receiver: Number, text: Text) -> Step {
    // A text to X itself would come back here, one to the sender would make no sense; landlines take none.
    if receiver == x || receiver == sender || !may_be_mobile(receiver) {
        return Step::End(SendResult::NothingSent);
    }
    Step::Forward { receiver, text }
}
