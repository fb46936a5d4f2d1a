//! What numbers, identities and rules are. Values only; bindings are in `kinds`, what comes out is in `route`.

use crate::route::RouteKind;
use axbridge_numbering::Number;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// A customer's application.
#[derive(Copy, Clone, Debug, Eq, PartialEq, Hash, Ord, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AppId(pub u32);

/// A trunk of a carrier.
#[derive(Copy, Clone, Debug, Eq, PartialEq, Hash, Ord, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TrunkId(pub u16);

/// Handle of an interned [`Policy`]; see [`crate::Table::policy`]. Its low 22 bits say where the policy
/// is, the rest which of the policies that have been there.
#[derive(Copy, Clone, Debug, Eq, PartialEq, Hash)]
pub struct PolicyId(pub(crate) u32);

/// A binding's identity towards the customer, a UUID.
#[derive(Copy, Clone, Eq, PartialEq, Hash, Ord, PartialOrd)]
pub struct SubscriptionId(pub u128);

impl SubscriptionId {
    /// Reads any of the textual forms of a UUID.
    pub fn parse(text: &str) -> Option<SubscriptionId> {
        uuid::Uuid::try_parse(text).ok().map(SubscriptionId::from)
    }
}

impl From<uuid::Uuid> for SubscriptionId {
    fn from(uuid: uuid::Uuid) -> Self {
        SubscriptionId(uuid.as_u128())
    }
}

impl fmt::Display for SubscriptionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        uuid::Uuid::from_u128(self.0).hyphenated().fmt(f)
    }
}

impl fmt::Debug for SubscriptionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A value that the wire or the store carries as a small integer and that this enum does not know.
#[derive(Copy, Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{value} is no {what}")]
pub struct UnknownValue {
    what: &'static str,
    value: u8,
}

/// Which side of a binding may call (`callDirection` of the API).
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
#[repr(u8)]
pub enum CallDirection {
    /// A may call the other and the other may call A.
    #[default]
    Both = 0,
    /// Only A (`callerNum`) may call.
    CallerOnly = 1,
    /// Only the other party (B, `calleeNum`) may call.
    CalleeOnly = 2,
}

impl CallDirection {
    /// Whether the party that is A (or is not) may call.
    pub fn allows(self, caller_is_a: bool) -> bool {
        match self {
            CallDirection::Both => true,
            CallDirection::CallerOnly => caller_is_a,
            CallDirection::CalleeOnly => !caller_is_a,
        }
    }
}

impl TryFrom<u8> for CallDirection {
    type Error = UnknownValue;

    fn try_from(value: u8) -> Result<Self, UnknownValue> {
        match value {
            0 => Ok(CallDirection::Both),
            1 => Ok(CallDirection::CallerOnly),
            2 => Ok(CallDirection::CalleeOnly),
            _ => Err(UnknownValue {
                what: "call direction",
                value,
            }),
        }
    }
}

impl From<CallDirection> for u8 {
    fn from(direction: CallDirection) -> u8 {
        direction as u8
    }
}

/// State of a private number; the values are the API's.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
#[repr(u8)]
pub enum NumberStatus {
    /// In service.
    #[default]
    Normal = 5,
    /// Suspended by the customer or for want of payment.
    Suspended = 9,
    /// Not available.
    Unavailable = 10,
    /// Frozen for binding: what is bound goes on working, nothing new is bound.
    Frozen = 11,
}

impl NumberStatus {
    /// Whether calls through the number are served: frozen it takes no new bindings and keeps the old ones.
    #[inline(always)]
    pub fn serves_calls(self) -> bool {
        matches!(self, NumberStatus::Normal | NumberStatus::Frozen)
    }
}

impl TryFrom<u8> for NumberStatus {
    type Error = UnknownValue;

    fn try_from(value: u8) -> Result<Self, UnknownValue> {
        match value {
            5 => Ok(NumberStatus::Normal),
            9 => Ok(NumberStatus::Suspended),
            10 => Ok(NumberStatus::Unavailable),
            11 => Ok(NumberStatus::Frozen),
            _ => Err(UnknownValue {
                what: "number status",
                value,
            }),
        }
    }
}

impl From<NumberStatus> for u8 {
    fn from(status: NumberStatus) -> u8 {
        status as u8
    }
}

/// A city code as the API writes it, `0755`: one to seven digits whose leading zeros count.
#[derive(Copy, Clone, Eq, PartialEq, Hash, Ord, PartialOrd)]
pub struct AreaCode(
    /// A 1 followed by the digits, so that leading zeros survive; at most 19,999,999.
    pub(crate) u32,
);

impl AreaCode {
    /// Reads one to seven digits.
    pub fn parse(text: &str) -> Option<AreaCode> {
        if !(1..=7).contains(&text.len()) || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let value = text
            .bytes()
            .fold(1, |value, digit| value * 10 + u32::from(digit - b'0'));
        Some(AreaCode(value))
    }
}

impl fmt::Display for AreaCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.0.ilog10() as usize;
        write!(f, "{:0width$}", self.0 - 10u32.pow(width as u32))
    }
}

impl fmt::Debug for AreaCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a private number X is.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct NumberInfo {
    /// The application it is assigned to.
    pub app: AppId,
    /// The one kind of binding that this application works with.
    pub mode: RouteKind,
    /// Whether calls through it are served.
    pub status: NumberStatus,
    /// The trunk it lives on: calls to it come in there and go out there.
    pub trunk: TrunkId,
    /// The city it belongs to.
    pub area: Option<AreaCode>,
}

/// Rules that many bindings share. Equal ones are stored once.
#[derive(Clone, Debug, Eq, PartialEq, Hash)]
pub struct Policy {
    /// The call is cut this many minutes after the answer; 0 = never.
    pub max_duration_min: u16,
    /// Prompt played to both before the cut.
    pub last_min_voice: Option<Arc<str>>,
    /// Whether the call is recorded (if the application allows it).
    pub record: bool,
    /// Notice of the recording, played to both at the answer.
    pub record_hint_tone: Option<Arc<str>>,
    /// Waiting tone heard by A when A calls.
    pub pre_voice_caller: Option<Arc<str>>,
    /// Waiting tone heard by B when B calls.
    pub pre_voice_callee: Option<Arc<str>>,
    /// How long before the cut the warning is played, in seconds.
    pub warn_before_s: u16,
    /// Whether short messages pass, too.
    pub private_sms: bool,
}

impl Default for Policy {
    /// What the API means by absent fields.
    fn default() -> Self {
        Policy {
            max_duration_min: 0,
            last_min_voice: None,
            record: false,
            record_hint_tone: None,
            pre_voice_caller: None,
            pre_voice_callee: None,
            warn_before_s: 60,
            private_sms: true,
        }
    }
}

/// Why a binding cannot be published. The table is unchanged then.
#[derive(Copy, Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PublishError {
    /// A and B are the same number.
    #[error("both parties of the binding are the same number")]
    SameParty,
    /// More distinct policies alive than the table can hold (4,194,304).
    #[error("too many distinct policies")]
    TooManyPolicies,
    /// More bindings with user data, or of other kinds than AXB, alive than the table can hold (67,108,863).
    #[error("too many bindings with user data or of other kinds than AXB")]
    TooManyUserData,
}

/// A binding that the sweep has taken out.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct Expired {
    /// The binding's identity.
    pub subscription: SubscriptionId,
    /// Its private number.
    pub x: Number,
}

/// What one step of the sweep did.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Swept {
    /// The bindings taken out, each exactly once over all sweeps.
    pub expired: Vec<Expired>,
    /// Whether this step reached the end of the table; the next begins anew.
    pub wrapped: bool,
}

/// How full the table is.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub struct Stats {
    /// Private numbers known.
    pub numbers: usize,
    /// Bindings, expired but not yet swept ones included. Of AXYB the part of X counts as one, each part of
    /// Y as two.
    pub bindings: usize,
    /// Keys of those bindings: two for each AXB or AXE, one for each AX.
    pub directions: usize,
    /// Directions that there is room for before a shard grows.
    pub direction_slots: usize,
    /// Distinct policies held.
    pub policies: usize,
    /// AXB bindings that carry user data.
    pub user_data: usize,
    /// Bindings of other kinds than AXB; of AXYB as in `bindings`.
    pub other_kinds: usize,
    /// Memory of the table in bytes, user data's text included.
    pub bytes: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn area_codes_keep_leading_zeros() {
        for text in ["0755", "010", "0", "0000000", "9999999", "21"] {
            assert_eq!(AreaCode::parse(text).expect("valid").to_string(), text);
        }
        assert!(AreaCode::parse("").is_none());
        assert!(AreaCode::parse("12345678").is_none());
        assert!(AreaCode::parse("07 5").is_none());
    }

    #[test]
    fn direction_says_who_may_call() {
        let may = |direction: CallDirection| (direction.allows(true), direction.allows(false));
        assert_eq!(may(CallDirection::Both), (true, true));
        assert_eq!(may(CallDirection::CallerOnly), (true, false));
        assert_eq!(may(CallDirection::CalleeOnly), (false, true));
        assert!(CallDirection::try_from(3).is_err());
        assert!(NumberStatus::try_from(0).is_err());
    }

    #[test]
    fn subscription_is_a_uuid_in_text() {
        let text = "01890a5d-ac96-774b-bcce-b302099a8057";
        let id = SubscriptionId::parse(text).expect("uuid");
        assert_eq!(id.to_string(), text);
        assert!(SubscriptionId::parse("nonsense").is_none());
    }
}
