//! What the API asks of AXYB and gets.

use std::sync::Arc;

use axbridge_binding::{AppId, CallDirection, Policy, SubscriptionId};
use axbridge_numbering::Number;

use crate::axb::AreaMatch;

/// The first step: X for A.
#[derive(Clone, Debug)]
pub struct AxybBindX {
    /// The application that asks.
    pub app: AppId,
    /// `origNum`.
    pub a: Number,
    /// `areaCode` of X; without it any X.
    pub area: Option<String>,
    /// `areaMatchMode`.
    pub area_match: AreaMatch,
    /// `callDirection`: 1 only A may call (Y), 2 only the others (X).
    pub direction: CallDirection,
    /// `duration` in seconds; 0 = for ever. The API's default is [`AXYB_DURATION_S`].
    pub duration_s: u32,
    /// `ybDuration` in seconds; 0 = as long as X.
    pub yb_duration_s: u32,
    /// The rules of its calls; `pre_voice_caller` is `preVoiceX`, heard by A when A calls Y.
    pub policy: Policy,
    /// `userData`.
    pub user_data: Option<Arc<str>>,
}

/// How long a relation lasts when the customer does not say, in seconds.
pub const AXYB_DURATION_S: u32 = 7_200;

/// The second step: Y for B.
#[derive(Clone, Debug)]
pub struct AxybBindY {
    /// The application that asks.
    pub app: AppId,
    /// The relation, from the first step.
    pub subscription: SubscriptionId,
    /// `origNum`: B.
    pub b: Number,
    /// `areaCode` of Y; without it any Y.
    pub area: Option<String>,
    /// `areaMatchMode`.
    pub area_match: AreaMatch,
    /// `ybDuration` in seconds, where it was given; 0 = as long as X. Goes before that of the first step.
    pub yb_duration_s: Option<u32>,
    /// `preVoiceY`, heard by B when B calls X.
    pub pre_voice_y: Option<Arc<str>>,
    /// `userData`, where it is not that of the first step.
    pub user_data: Option<Arc<str>>,
}

/// A relation as it stands: one for each Y, or one without Y.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AxybRelation {
    /// `bindId`.
    pub subscription: SubscriptionId,
    /// The application that made it.
    pub app: AppId,
    /// A.
    pub a: Number,
    /// The number of A.
    pub x: Number,
    /// The number of B and B, once they are bound.
    pub yb: Option<AxybYb>,
    /// Who may call.
    pub direction: CallDirection,
    /// The rules, those of Y included.
    pub policy: Policy,
    /// `duration` as it was asked for, in seconds.
    pub duration_s: u32,
    /// `ybDuration` as it was asked for, in seconds.
    pub yb_duration_s: u32,
    /// Unix milliseconds from which it no longer exists; none = never.
    pub expires_at_ms: Option<u64>,
    /// `userData`.
    pub user_data: Option<Arc<str>>,
    /// `subscribeTime`, Unix milliseconds.
    pub changed_ms: u64,
}

/// The second part of a relation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AxybYb {
    /// The number of B.
    pub y: Number,
    /// B.
    pub b: Number,
    /// Unix milliseconds from which this part no longer exists; none = never.
    pub expires_at_ms: Option<u64>,
}

/// What to unbind of a relation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AxybPart {
    /// Everything.
    Whole,
    /// The Y of this number (`yNum`).
    Y(Number),
    /// The Y of this B (`bNum`).
    B(Number),
}

/// Which relations to look for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AxybQuery {
    /// One, with all its Y.
    Subscription(SubscriptionId),
    /// That of this X.
    Number(Number),
}
