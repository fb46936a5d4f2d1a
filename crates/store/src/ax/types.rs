//! What the API asks of AX and gets.

use std::sync::Arc;

use axbridge_binding::{AppId, Ax, CallDirection, Policy, SubscriptionId};
use axbridge_numbering::Number;

use crate::axb::{AreaMatch, PolicyChange};

/// An AX binding to be made.
#[derive(Clone, Debug)]
pub struct AxBindRequest {
    /// The application that asks.
    pub app: AppId,
    /// `origNum`.
    pub a: Number,
    /// `privateNum`; without it X is chosen.
    pub x: Option<Number>,
    /// `areaCode`; not used when `x` is given. Without either, any X of the application.
    pub area: Option<String>,
    /// `areaMatchMode`.
    pub area_match: AreaMatch,
    /// `callDirection`, where it was given.
    pub direction: Option<CallDirection>,
    /// `calleeNumDisplay` 1: A sees who calls.
    pub show_caller: bool,
    /// `turnFlag` off.
    pub turned_off: bool,
    /// The rules of its calls.
    pub policy: Policy,
    /// `userData`.
    pub user_data: Option<Arc<str>>,
}

/// An AX binding as it stands.
#[derive(Clone, Debug)]
pub struct AxBinding {
    /// What calls see of it. `last_caller` is there whether or not the application calls back.
    pub ax: Ax,
    /// `callDirection` as it was given; a query shows it only then.
    pub direction: Option<CallDirection>,
    /// Unix milliseconds.
    pub bound_ms: u64,
    /// Bind or last change, Unix milliseconds.
    pub changed_ms: u64,
}

/// Which AX binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AxKey {
    /// By identity.
    Subscription(SubscriptionId),
    /// By `privateNum`.
    Number(Number),
}

/// Which AX bindings to look for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AxQuery {
    /// One.
    Key(AxKey),
    /// All of this A (`origNum`).
    Party(Number),
}

/// A change of an AX binding; absent = unchanged.
#[derive(Clone, Debug)]
pub struct AxModifyRequest {
    /// The application that asks.
    pub app: AppId,
    /// The binding.
    pub key: AxKey,
    /// New direction.
    pub direction: Option<CallDirection>,
    /// New `calleeNumDisplay`.
    pub show_caller: Option<bool>,
    /// New `turnFlag`.
    pub turned_off: Option<bool>,
    /// New rules.
    pub policy: PolicyChange,
    /// New user data; `Some(None)` removes it.
    pub user_data: Option<Option<Arc<str>>>,
}

impl AxModifyRequest {
    /// A change of nothing.
    pub fn new(app: AppId, key: AxKey) -> Self {
        Self {
            app,
            key,
            direction: None,
            show_caller: None,
            turned_off: None,
            policy: PolicyChange::default(),
            user_data: None,
        }
    }
}

/// Names whom A reaches next.
#[derive(Clone, Debug)]
pub struct AxCalleeRequest {
    /// The application that asks.
    pub app: AppId,
    /// The binding.
    pub key: AxKey,
    /// `calleeNum`.
    pub callee: Number,
    /// `duration` in seconds, 1 to 259,200; the API's default is [`AX_CALLEE_DURATION_S`].
    pub duration_s: u32,
    /// `userData` of the calls of A meanwhile.
    pub user_data: Option<Arc<str>>,
}

/// How long a temporary callee counts when the customer does not say, in seconds.
pub const AX_CALLEE_DURATION_S: u32 = 60;
/// How long it may count, in seconds.
pub const AX_CALLEE_DURATION_S_MAX: u32 = 259_200;
