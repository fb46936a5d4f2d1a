//! What the API asks and gets.

use std::sync::Arc;

use axbridge_binding::{AppId, Axb, CallDirection, Policy, SubscriptionId};
use axbridge_numbering::Number;

/// How strictly the area of X is taken (`areaMatchMode`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AreaMatch {
    /// X of that area or none.
    #[default]
    Strict,
    /// X of that area first, otherwise another.
    Loose,
}

/// A binding to be made.
#[derive(Clone, Debug)]
pub struct BindRequest {
    /// The application that asks.
    pub app: AppId,
    /// `callerNum`.
    pub a: Number,
    /// `calleeNum`.
    pub b: Number,
    /// `relationNum`; without it X is chosen.
    pub x: Option<Number>,
    /// `areaCode`; not used when `x` is given.
    pub area: Option<String>,
    /// `areaMatchMode`.
    pub area_match: AreaMatch,
    /// `callDirection`.
    pub direction: CallDirection,
    /// `duration` in seconds; 0 = for ever.
    pub duration_s: u32,
    /// The rules of its calls.
    pub policy: Policy,
    /// `userData`.
    pub user_data: Option<Arc<str>>,
}

/// A binding as it stands.
#[derive(Clone, Debug)]
pub struct Binding {
    /// What calls see of it.
    pub axb: Axb,
    /// `duration` as it was asked for last, in seconds; 0 = for ever.
    pub duration_s: u32,
    /// Unix milliseconds.
    pub bound_ms: u64,
    /// Bind or last change (`subscribeTime`), Unix milliseconds.
    pub changed_ms: u64,
}

/// A change of a binding; absent = unchanged.
#[derive(Clone, Debug)]
pub struct ModifyRequest {
    /// The application that asks.
    pub app: AppId,
    /// The binding.
    pub subscription: SubscriptionId,
    /// New A.
    pub a: Option<Number>,
    /// New B.
    pub b: Option<Number>,
    /// New direction.
    pub direction: Option<CallDirection>,
    /// New life, counted from now; 0 = for ever.
    pub duration_s: Option<u32>,
    /// New rules.
    pub policy: PolicyChange,
    /// New user data; `Some(None)` removes it.
    pub user_data: Option<Option<Arc<str>>>,
}

impl ModifyRequest {
    /// A change of nothing.
    pub fn new(app: AppId, subscription: SubscriptionId) -> Self {
        Self {
            app,
            subscription,
            a: None,
            b: None,
            direction: None,
            duration_s: None,
            policy: PolicyChange::default(),
            user_data: None,
        }
    }
}

/// A change of the rules; absent = unchanged, `Some(None)` removes a prompt.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs)] // Each field is the one of that name in `Policy`.
pub struct PolicyChange {
    pub max_duration_min: Option<u16>,
    pub last_min_voice: Option<Option<Arc<str>>>,
    pub record: Option<bool>,
    pub record_hint_tone: Option<Option<Arc<str>>>,
    pub pre_voice_caller: Option<Option<Arc<str>>>,
    pub pre_voice_callee: Option<Option<Arc<str>>>,
    pub warn_before_s: Option<u16>,
    pub private_sms: Option<bool>,
}

impl PolicyChange {
    pub(crate) fn apply(self, policy: &mut Policy) {
        fn set<T>(field: &mut T, change: Option<T>) {
            if let Some(new) = change {
                *field = new;
            }
        }
        set(&mut policy.max_duration_min, self.max_duration_min);
        set(&mut policy.last_min_voice, self.last_min_voice);
        set(&mut policy.record, self.record);
        set(&mut policy.record_hint_tone, self.record_hint_tone);
        set(&mut policy.pre_voice_caller, self.pre_voice_caller);
        set(&mut policy.pre_voice_callee, self.pre_voice_callee);
        set(&mut policy.warn_before_s, self.warn_before_s);
        set(&mut policy.private_sms, self.private_sms);
    }
}

/// What to unbind.
#[derive(Clone, Copy, Debug)]
pub enum Unbind {
    /// One binding.
    Subscription(SubscriptionId),
    /// Every binding on this X.
    Number(Number),
}

/// What to look for.
#[derive(Clone, Copy, Debug)]
pub enum Query {
    /// One binding.
    Subscription(SubscriptionId),
    /// Bindings on this X, of this A and this B where given.
    Number {
        /// X.
        x: Number,
        /// `callerNum`.
        a: Option<Number>,
        /// `calleeNum`.
        b: Option<Number>,
    },
}
