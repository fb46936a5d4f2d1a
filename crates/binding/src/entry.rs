//! How a direction of a binding and a number fit their words.
//!
//! ```text
//! direction   0  x 50 | caller, low 14
//!             1  caller, high 36 | key space 2 | user data handle 26
//!             2  callee 50 | kind 3 | call direction 2 | is A 1 | policy generation 8
//!             3  expiry 42 | policy index 22
//!             4  subscription, 5 too
//! number      0  x 50 | status 2 | mode 3 | area, high 9
//!             1  application 32 | trunk 16 | area, low 16
//! ```
//! What a lookup needs stands within one word each. The words are read lazily, through [`Packed`].
//! The key space leaves room for keys that are no caller: "anyone" and extensions of the kinds to come.

use crate::bucket::Key;
use crate::route::RouteKind;
use crate::types::{
    AppId, AreaCode, CallDirection, NumberInfo, NumberStatus, PolicyId, SubscriptionId, TrunkId,
};
use axbridge_numbering::Number;

pub(crate) const DIRECTION_WORDS: usize = 6;
pub(crate) const NUMBER_WORDS: usize = 2;

const NUMBER_BITS: u32 = 50;
const NUMBER_MASK: u64 = (1 << NUMBER_BITS) - 1;
/// Bits of the caller that fit the first word beside x.
const CALLER_LOW: u32 = 64 - NUMBER_BITS;
/// Bits of the second word that are key.
const KEY_HIGH: u32 = 2 * NUMBER_BITS + 2 - 64;
const KIND_SHIFT: u32 = 50;
const DIRECTION_SHIFT: u32 = 53;
const IS_A_SHIFT: u32 = 55;
const GENERATION_SHIFT: u32 = 56;
const EXPIRY_BITS: u32 = 42;
/// Also every moment that 42 bits of milliseconds cannot say (after May 2109).
const NEVER: u64 = (1 << EXPIRY_BITS) - 1;
const STATUS_SHIFT: u32 = 50;
const MODE_SHIFT: u32 = 52;
const AREA_HIGH_SHIFT: u32 = 55;
pub(crate) const USER_DATA_BITS: u32 = 26;
pub(crate) const POLICY_INDEX_BITS: u32 = 22;
pub(crate) const POLICY_GENERATION_BITS: u32 = 8;

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
#[inline(always)]
pub(crate) fn direction_key(x: Number, caller: Number) -> Key {
    Key {
        low: x.as_u64() | caller.as_u64() << NUMBER_BITS,
        low_mask: u64::MAX,
        high: caller.as_u64() >> CALLER_LOW,
        high_mask: (1 << KEY_HIGH) - 1,
    }
}

/// The key of x among the numbers.
#[inline(always)]
pub(crate) fn number_key(x: Number) -> Key {
    Key {
        low: x.as_u64(),
        low_mask: NUMBER_MASK,
        high: 0,
        high_mask: 0,
    }
}

impl Direction {
    pub(crate) fn pack(&self) -> [u64; DIRECTION_WORDS] {
        let key = direction_key(self.x, self.caller);
        let policy = u64::from(self.policy.0);
        [
            key.low,
            key.high | u64::from(self.user_data) << KEY_HIGH,
            self.callee.as_u64()
                | kind_bits(self.kind) << KIND_SHIFT
                | u64::from(self.direction as u8) << DIRECTION_SHIFT
                | u64::from(self.caller_is_a) << IS_A_SHIFT
                | policy >> POLICY_INDEX_BITS << GENERATION_SHIFT,
            self.expires_at_ms.map_or(NEVER, |at| at.min(NEVER)) | policy << EXPIRY_BITS,
            self.subscription.0 as u64,
            (self.subscription.0 >> 64) as u64,
        ]
    }

    /// None only for words that [`Direction::pack`] never made.
    pub(crate) fn unpack(words: [u64; DIRECTION_WORDS]) -> Option<Direction> {
        let packed = Packed(words);
        Some(Direction {
            x: number_in(words[0])?,
            caller: packed.caller()?,
            callee: packed.callee()?,
            expires_at_ms: Some(packed.expires_at_ms()).filter(|at| *at != NEVER),
            policy: packed.policy(),
            kind: packed.kind()?,
            direction: packed.direction(),
            caller_is_a: packed.caller_is_a(),
            subscription: packed.subscription(),
            user_data: packed.user_data(),
        })
    }

    /// Whether the binding no longer exists at this moment; the moment of expiry is already too late.
    pub(crate) fn is_expired(&self, wall_ms: u64) -> bool {
        self.expires_at_ms.is_some_and(|at| at <= wall_ms)
    }
}

/// A direction as it stands, of which a lookup reads only what it needs.
#[derive(Copy, Clone, Eq, PartialEq)]
pub(crate) struct Packed(pub(crate) [u64; DIRECTION_WORDS]);

impl Packed {
    fn caller(&self) -> Option<Number> {
        number_in(self.0[0] >> NUMBER_BITS | self.0[1] << CALLER_LOW)
    }

    #[inline(always)]
    pub(crate) fn callee(&self) -> Option<Number> {
        number_in(self.0[2])
    }

    #[inline(always)]
    fn expires_at_ms(&self) -> u64 {
        self.0[3] & NEVER
    }

    #[inline(always)]
    pub(crate) fn is_expired(&self, wall_ms: u64) -> bool {
        self.expires_at_ms() <= wall_ms && self.expires_at_ms() != NEVER
    }

    #[inline(always)]
    pub(crate) fn policy(&self) -> PolicyId {
        let generation = (self.0[2] >> GENERATION_SHIFT) as u32;
        PolicyId(generation << POLICY_INDEX_BITS | (self.0[3] >> EXPIRY_BITS) as u32)
    }

    #[inline(always)]
    pub(crate) fn kind(&self) -> Option<RouteKind> {
        kind_of(self.0[2] >> KIND_SHIFT & 7)
    }

    #[inline(always)]
    pub(crate) fn direction(&self) -> CallDirection {
        match self.0[2] >> DIRECTION_SHIFT & 3 {
            1 => CallDirection::CallerOnly,
            2 => CallDirection::CalleeOnly,
            _ => CallDirection::Both,
        }
    }

    #[inline(always)]
    pub(crate) fn caller_is_a(&self) -> bool {
        self.0[2] >> IS_A_SHIFT & 1 == 1
    }

    #[inline(always)]
    pub(crate) fn subscription(&self) -> SubscriptionId {
        SubscriptionId(u128::from(self.0[4]) | u128::from(self.0[5]) << 64)
    }

    #[inline(always)]
    pub(crate) fn user_data(&self) -> u32 {
        (self.0[1] >> KEY_HIGH) as u32
    }
}

pub(crate) fn pack_number(x: Number, info: &NumberInfo) -> [u64; NUMBER_WORDS] {
    let status = match info.status {
        NumberStatus::Normal => 0u64,
        NumberStatus::Suspended => 1,
        NumberStatus::Unavailable => 2,
        NumberStatus::Frozen => 3,
    };
    let area = u64::from(info.area.map_or(0, |area| area.0));
    [
        x.as_u64()
            | status << STATUS_SHIFT
            | kind_bits(info.mode) << MODE_SHIFT
            | area >> 16 << AREA_HIGH_SHIFT,
        u64::from(info.app.0) | u64::from(info.trunk.0) << 32 | area << 48,
    ]
}

#[inline(always)]
pub(crate) fn unpack_number(words: [u64; NUMBER_WORDS]) -> NumberInfo {
    NumberInfo {
        app: AppId(words[1] as u32),
        // Bits that were never packed mean the mode in which nothing is connected without a binding.
        mode: kind_of(words[0] >> MODE_SHIFT & 7).unwrap_or(RouteKind::Axb),
        status: match words[0] >> STATUS_SHIFT & 3 {
            0 => NumberStatus::Normal,
            1 => NumberStatus::Suspended,
            2 => NumberStatus::Unavailable,
            _ => NumberStatus::Frozen,
        },
        trunk: TrunkId((words[1] >> 32) as u16),
        area: match words[0] >> AREA_HIGH_SHIFT << 16 | words[1] >> 48 {
            0 => None,
            area => Some(AreaCode(area as u32)),
        },
    }
}

fn kind_bits(kind: RouteKind) -> u64 {
    match kind {
        RouteKind::Axb => 0,
        RouteKind::Ax => 1,
        RouteKind::Axe => 2,
        RouteKind::Axyb => 3,
        RouteKind::X => 4,
    }
}

#[inline(always)]
fn kind_of(bits: u64) -> Option<RouteKind> {
    match bits {
        0 => Some(RouteKind::Axb),
        1 => Some(RouteKind::Ax),
        2 => Some(RouteKind::Axe),
        3 => Some(RouteKind::Axyb),
        4 => Some(RouteKind::X),
        _ => None,
    }
}

/// The number of packed number words, for moving them.
pub(crate) fn x_of(words: &[u64; NUMBER_WORDS]) -> Option<Number> {
    number_in(words[0])
}

#[inline(always)]
fn number_in(word: u64) -> Option<Number> {
    Number::from_u64(word & NUMBER_MASK).ok()
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
            policy in 0..1u32 << (POLICY_INDEX_BITS + POLICY_GENERATION_BITS),
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
            let packed = Packed(words);
            prop_assert_eq!(packed.subscription(), direction.subscription);
            for wall_ms in [0, direction.expires_at_ms.unwrap_or(7), NEVER - 1, NEVER, u64::MAX] {
                prop_assert_eq!(packed.is_expired(wall_ms), direction.is_expired(wall_ms));
            }
            let key = direction_key(direction.x, direction.caller);
            prop_assert_eq!(words[0], key.low);
            prop_assert_eq!(words[1] & key.high_mask, key.high);
        }

        #[test]
        fn a_number_survives_packing(
            x in any_number(), app: u32, trunk: u16, status in prop_oneof![Just(5u8), 9..=11u8],
            area in proptest::option::of("[0-9]{1,7}"), mode in 0..5u64,
        ) {
            let info = NumberInfo {
                app: AppId(app), trunk: TrunkId(trunk), mode: kind_of(mode).expect("known"),
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
