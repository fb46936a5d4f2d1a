//! What the API asks of AXE and gets.

use std::sync::Arc;

use axbridge_binding::{AppId, Axe, CallBack, Extension, Policy, SubscriptionId};
use axbridge_numbering::Number;

use crate::axb::{AreaMatch, PolicyChange};

/// What the lifetimes of AXE count in (`timeUnit`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimeUnit {
    /// 0.
    #[default]
    Hours,
    /// 1.
    Minutes,
}

impl TimeUnit {
    /// So many of it in milliseconds.
    pub(crate) fn ms(self, count: u32) -> u64 {
        let one = match self {
            TimeUnit::Hours => 3_600_000,
            TimeUnit::Minutes => 60_000,
        };
        u64::from(count) * one
    }
}

/// An AXE binding to be made.
#[derive(Clone, Debug)]
pub struct AxeBindRequest {
    /// The application that asks.
    pub app: AppId,
    /// `bindNum`.
    pub a: Number,
    /// `virtualNum`; without it X is chosen.
    pub x: Option<Number>,
    /// `areaCode`; not used when `x` is given.
    pub area: Option<String>,
    /// `areaMatchMode`.
    pub area_match: AreaMatch,
    /// `extendNum`; without it one is chosen.
    pub extension: Option<Extension>,
    /// `displayNumMode` 1: A sees who calls.
    pub show_caller: bool,
    /// `callbackTone` or `callbackNum`.
    pub call_back: CallBack,
    /// `timeUnit`, where it was given.
    pub unit: Option<TimeUnit>,
    /// `bindExpiredTime`, where it was given; 0 = never.
    pub bind_expires: Option<u32>,
    /// `callbackExpiredTime`, where it was given; 0 = with the binding.
    pub call_back_expires: Option<u32>,
    /// The rules of its calls; of AXE only the recording and its notice.
    pub policy: Policy,
    /// `userData`.
    pub user_data: Option<Arc<str>>,
}

/// An AXE binding as it stands.
#[derive(Clone, Debug)]
pub struct AxeBinding {
    /// What calls see of it.
    pub axe: Axe,
    /// `timeUnit` as a query shows it: what the bind said, else what a change said.
    pub unit: Option<TimeUnit>,
    /// `bindExpiredTime` as a query shows it: what the bind said, else what a change said.
    pub bind_expires: Option<u32>,
    /// `callbackExpiredTime`, what was said last.
    pub call_back_expires: Option<u32>,
    /// Unix milliseconds.
    pub bound_ms: u64,
    /// Bind or last change, Unix milliseconds.
    pub changed_ms: u64,
}

/// Which AXE binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AxeKey {
    /// By identity.
    Subscription(SubscriptionId),
    /// By `virtualNum` and `extendNum`.
    Extension(Number, Extension),
}

/// A change of an AXE binding; absent = unchanged.
#[derive(Clone, Debug)]
pub struct AxeModifyRequest {
    /// The application that asks.
    pub app: AppId,
    /// The binding.
    pub key: AxeKey,
    /// New `displayNumMode`.
    pub show_caller: Option<bool>,
    /// New `callbackTone`; `Some(None)`, the empty string, clears it.
    pub call_back_tone: Option<Option<Arc<str>>>,
    /// New `callbackNum`; `Some(None)` clears it. Goes before a tone that is given, too. One of the two takes
    /// the place of the other.
    pub call_back_num: Option<Option<Number>>,
    /// What the two below count in; without it what counted before.
    pub unit: Option<TimeUnit>,
    /// New life, counted from now; 0 = for ever.
    pub bind_expires: Option<u32>,
    /// New life of callback records, also of the one there is; 0 = with the binding.
    pub call_back_expires: Option<u32>,
    /// New rules.
    pub policy: PolicyChange,
    /// New user data; `Some(None)` removes it.
    pub user_data: Option<Option<Arc<str>>>,
}

impl AxeModifyRequest {
    /// A change of nothing.
    pub fn new(app: AppId, key: AxeKey) -> Self {
        Self {
            app,
            key,
            show_caller: None,
            call_back_tone: None,
            call_back_num: None,
            unit: None,
            bind_expires: None,
            call_back_expires: None,
            policy: PolicyChange::default(),
            user_data: None,
        }
    }
}

/// A place in the list of bindings on an X, which is in the order of their making (`cursor` of query v2.0, as
/// `{bound_ms:013}_{extension code}`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AxeCursor {
    /// Unix milliseconds of the bind.
    pub bound_ms: u64,
    /// [`Extension::code`].
    pub extension_code: u32,
}

/// A part of that list.
#[derive(Clone, Debug)]
pub struct AxePage {
    /// The bindings.
    pub items: Vec<AxeBinding>,
    /// Where the next part begins; none at the end.
    pub next: Option<AxeCursor>,
}

/// How many bindings an X has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AxeCount {
    /// X.
    pub x: Number,
    /// Its bindings that are not over.
    pub bound: u32,
}
