//! How a direction of a binding and a number fit their words.
//!
//! ```text
//! direction, 6 words   0-1  x 50 | caller 50 | key space 2 | user data handle 26
//!                      2-3  callee 50 | expiry 42 | policy 30 | kind 3 | call direction 2 | is A 1
//!                      4-5  subscription 128
//! number, 2 words      0-1  x 50 | status 2 | trunk 16 | area 28 | application 32
//! ```
//! The key space leaves room for keys that are no caller: "anyone" and extensions of the kinds to come.

use crate::bucket::Key;
use crate::types::{
    AppId, AreaCode, CallDirection, NumberInfo, NumberStatus, PolicyId, RouteKind, SubscriptionId,
    TrunkId,
};
use axbridge_numbering::Number;

pub(crate) const DIRECTION_WORDS: usize = 6;
pub(crate) const NUMBER_WORDS: usize = 2;

const NUMBER_BITS: u32 = 50;
const NUMBER_MASK: u128 = (1 << NUMBER_BITS) - 1;
const KEY_BITS: u32 = 2 * NUMBER_BITS + 2;
const EXPIRY_BITS: u32 = 42;
/// Also every moment that 42 bits of milliseconds cannot say (after May 2109).
const NEVER: u64 = (1 << EXPIRY_BITS) - 1;
pub(crate) const USER_DATA_BITS: u32 = 26;
pub(crate) const POLICY_BITS: u32 = 30;

/// One direction of a binding: what stands under (x, caller).
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) struct Direction {
    pub(crate) x: Number,
    pub(crate) caller: Number,
    pub(crate) callee: Number,
    pub(crate) expires_at_ms: Option<u64>,
    pub(crate) policy: PolicyId,
    pub(crate) kind: RouteKind,
    pub(crate) direction: CallDirection,
    pub(crate) caller_is_a: bool,
    pub(crate) subscription: SubscriptionId,
    /// 0 = none.
    pub(crate) user_data: u32,
}

/// The key of (x, caller) in the space of callers.
#[inline]
pub(crate) fn direction_key(x: Number, caller: Number) -> Key {
    let key = u128::from(x.as_u64()) | u128::from(caller.as_u64()) << NUMBER_BITS;
    Key {
        low: key as u64,
        low_mask: u64::MAX,
        high: (key >> 64) as u64,
        high_mask: (1 << (KEY_BITS - 64)) - 1,
    }
}

/// The key of x among the numbers.
#[inline]
pub(crate) fn number_key(x: Number) -> Key {
    Key {
        low: x.as_u64(),
        low_mask: NUMBER_MASK as u64,
        high: 0,
        high_mask: 0,
    }
}

impl Direction {
    pub(crate) fn pack(&self) -> [u64; DIRECTION_WORDS] {
        let key = u128::from(self.x.as_u64())
            | u128::from(self.caller.as_u64()) << NUMBER_BITS
            | u128::from(self.user_data) << KEY_BITS;
        let expiry = self.expires_at_ms.map_or(NEVER, |at| at.min(NEVER));
        let kind = match self.kind {
            RouteKind::Axb => 0u8,
        };
        let value = u128::from(self.callee.as_u64())
            | u128::from(expiry) << 50
            | u128::from(self.policy.0) << 92
            | u128::from(kind) << 122
            | u128::from(self.direction as u8) << 125
            | u128::from(self.caller_is_a) << 127;
        let subscription = self.subscription.0;
        [
            low(key),
            high(key),
            low(value),
            high(value),
            low(subscription),
            high(subscription),
        ]
    }

    /// None only for words that [`Direction::pack`] never made.
    #[inline]
    pub(crate) fn unpack(words: [u64; DIRECTION_WORDS]) -> Option<Direction> {
        let key = join(words[0], words[1]);
        let value = join(words[2], words[3]);
        let expiry = bits(value, 50, EXPIRY_BITS);
        Some(Direction {
            x: number_at(key, 0)?,
            caller: number_at(key, NUMBER_BITS)?,
            callee: number_at(value, 0)?,
            expires_at_ms: (expiry != NEVER).then_some(expiry),
            policy: PolicyId(bits(value, 92, POLICY_BITS) as u32),
            kind: match bits(value, 122, 3) {
                0 => RouteKind::Axb,
                _ => return None,
            },
            direction: match bits(value, 125, 2) {
                0 => CallDirection::Both,
                1 => CallDirection::CallerOnly,
                2 => CallDirection::CalleeOnly,
                _ => return None,
            },
            caller_is_a: bits(value, 127, 1) == 1,
            subscription: subscription_of(&words),
            user_data: bits(key, KEY_BITS, USER_DATA_BITS) as u32,
        })
    }

    /// Whether the binding no longer exists at this moment; the moment of expiry is already too late.
    #[inline]
    pub(crate) fn is_expired(&self, wall_ms: u64) -> bool {
        self.expires_at_ms.is_some_and(|at| at <= wall_ms)
    }
}

/// The subscription alone, for the writer's index.
pub(crate) fn subscription_of(words: &[u64; DIRECTION_WORDS]) -> SubscriptionId {
    SubscriptionId(join(words[4], words[5]))
}

pub(crate) fn pack_number(x: Number, info: &NumberInfo) -> [u64; NUMBER_WORDS] {
    let status = match info.status {
        NumberStatus::Normal => 0u8,
        NumberStatus::Suspended => 1,
        NumberStatus::Unavailable => 2,
        NumberStatus::Frozen => 3,
    };
    let words = u128::from(x.as_u64())
        | u128::from(status) << 50
        | u128::from(info.trunk.0) << 52
        | u128::from(info.area.map_or(0, |area| area.0)) << 68
        | u128::from(info.app.0) << 96;
    [low(words), high(words)]
}

#[inline]
pub(crate) fn unpack_number(words: [u64; NUMBER_WORDS]) -> NumberInfo {
    let words = join(words[0], words[1]);
    NumberInfo {
        app: AppId(bits(words, 96, 32) as u32),
        status: match bits(words, 50, 2) {
            0 => NumberStatus::Normal,
            1 => NumberStatus::Suspended,
            2 => NumberStatus::Unavailable,
            _ => NumberStatus::Frozen,
        },
        trunk: TrunkId(bits(words, 52, 16) as u16),
        area: match bits(words, 68, 28) {
            0 => None,
            area => Some(AreaCode(area as u32)),
        },
    }
}

/// The number of packed number words, for rebuilding.
pub(crate) fn x_of(words: &[u64; NUMBER_WORDS]) -> Option<Number> {
    number_at(join(words[0], words[1]), 0)
}

#[inline(always)]
fn number_at(words: u128, shift: u32) -> Option<Number> {
    Number::from_u64(bits(words, shift, NUMBER_BITS)).ok()
}

#[inline(always)]
fn bits(words: u128, shift: u32, count: u32) -> u64 {
    ((words >> shift) & ((1 << count) - 1)) as u64
}

#[inline(always)]
fn join(low: u64, high: u64) -> u128 {
    u128::from(low) | u128::from(high) << 64
}

fn low(words: u128) -> u64 {
    words as u64
}

fn high(words: u128) -> u64 {
    (words >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_number() -> impl Strategy<Value = Number> {
        prop_oneof![
            Just(100),
            Just(999_999_999_999_999),
            100..999_999_999_999_999u64
        ]
        .prop_map(|value| Number::from_u64(value).expect("in range"))
    }

    prop_compose! {
        fn any_direction()(
            x in any_number(), caller in any_number(), callee in any_number(),
            expires_at_ms in proptest::option::of(0..NEVER),
            policy in 0..1u32 << POLICY_BITS,
            direction in 0..3u8, caller_is_a: bool, subscription: u128,
            user_data in 0..1u32 << USER_DATA_BITS,
        ) -> Direction {
            Direction {
                x, caller, callee, expires_at_ms, policy: PolicyId(policy), kind: RouteKind::Axb,
                direction: CallDirection::try_from(direction).expect("in range"),
                caller_is_a, subscription: SubscriptionId(subscription), user_data,
            }
        }
    }

    proptest! {
        #[test]
        fn a_direction_survives_packing(direction in any_direction()) {
            let words = direction.pack();
            prop_assert_eq!(Direction::unpack(words), Some(direction));
            prop_assert_eq!(subscription_of(&words), direction.subscription);
            let key = direction_key(direction.x, direction.caller);
            prop_assert_eq!(words[0], key.low);
            prop_assert_eq!(words[1] & key.high_mask, key.high);
        }

        #[test]
        fn a_number_survives_packing(
            x in any_number(), app: u32, trunk: u16, status in prop_oneof![Just(5u8), 9..=11u8],
            area in proptest::option::of("[0-9]{1,8}"),
        ) {
            let info = NumberInfo {
                app: AppId(app), trunk: TrunkId(trunk),
                status: NumberStatus::try_from(status).expect("known"),
                area: area.map(|text| AreaCode::parse(&text).expect("digits")),
            };
            let words = pack_number(x, &info);
            prop_assert_eq!(unpack_number(words), info);
            prop_assert_eq!(x_of(&words), Some(x));
            let key = number_key(x);
            prop_assert_eq!(words[0] & key.low_mask, key.low);
        }
    }

    #[test]
    fn expiry_beyond_the_field_is_never() {
        let x = Number::from_u64(8_617_000_000_001).expect("valid");
        let direction = Direction {
            x,
            caller: x,
            callee: x,
            expires_at_ms: Some(u64::MAX),
            policy: PolicyId(0),
            kind: RouteKind::Axb,
            direction: CallDirection::Both,
            caller_is_a: true,
            subscription: SubscriptionId(1),
            user_data: 0,
        };
        let read = Direction::unpack(direction.pack()).expect("packed");
        assert_eq!(read.expires_at_ms, None);
        assert!(!read.is_expired(u64::MAX));
    }
}
