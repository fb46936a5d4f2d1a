//! How a direction of a binding and a number fit their words.
//!
//! ```text
//! direction   0  x 50 | party, low 14
//!             1  party, high 36 | key space 2 | handle 26
//!             2  other 50 | kind 3 | call direction 2 | is A 1 | policy generation 8
//!             3  expiry 42 | policy index 22
//!             4  subscription, 5 too
//! number      0  x 50 | status 2 | mode 3 | area, high 9
//!             1  application 32 | trunk 16 | area, low 16
//! ```
//! What a lookup of AXB needs stands within one word each. The words are read lazily, through [`Packed`].
//! The handle is that of the user data (AXB) or of the `detail` (the other kinds). The key space tells keys
//! apart that are no caller.
//!
//! | kind | key | other |
//! | --- | --- | --- |
//! | AXB | (x, A), (x, B) | the callee: B, A |
//! | AX, AXYB's X | (x, anyone) | A |
//! | AXE | (x, extension), (x, A) | the other key of the two: A, the extension's code |
//! | AXYB's Y | (x, B); and in the shard of y (y, A) | A; B |
//! | none | (y, B as owner) | how many parts give B this Y |

use crate::bucket::Key;
use crate::kinds::Extension;
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
const SPACE_SHIFT: u32 = NUMBER_BITS;
const KIND_SHIFT: u32 = 50;
/// Stands where a kind stands in the entries that count, which are no directions.
const NO_KIND: u64 = 7;
const DIRECTION_SHIFT: u32 = 53;
const IS_A_SHIFT: u32 = 55;
const GENERATION_SHIFT: u32 = 56;
const EXPIRY_BITS: u32 = 42;
/// Also every moment that 42 bits of milliseconds cannot say (after May 2109).
const NEVER: u64 = (1 << EXPIRY_BITS) - 1;
const STATUS_SHIFT: u32 = 50;
const MODE_SHIFT: u32 = 52;
const AREA_HIGH_SHIFT: u32 = 55;
pub(crate) const HANDLE_BITS: u32 = 26;
pub(crate) const POLICY_INDEX_BITS: u32 = 22;
pub(crate) const POLICY_GENERATION_BITS: u32 = 8;

/// What stands beside x in a key.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) enum Party {
    /// Who calls.
    Caller(Number),
    /// Whoever calls.
    Anyone,
    /// What was keyed.
    Extension(Extension),
    /// Whose own number it is (the B of a Y).
    Owner(Number),
}

impl Party {
    /// 50 bits of value and 2 of key space: a caller's are his number.
    #[inline(always)]
    pub(crate) fn bits(self) -> u64 {
        match self {
            Party::Caller(number) => number.as_u64(),
            Party::Anyone => 1 << SPACE_SHIFT,
            Party::Extension(extension) => u64::from(extension.code()) | 2 << SPACE_SHIFT,
            Party::Owner(number) => number.as_u64() | 3 << SPACE_SHIFT,
        }
    }

    fn of_bits(bits: u64) -> Option<Party> {
        match bits >> SPACE_SHIFT {
            0 => number_in(bits).map(Party::Caller),
            1 => Some(Party::Anyone),
            2 => Extension::from_code(bits as u32).map(Party::Extension),
            _ => number_in(bits).map(Party::Owner),
        }
    }
}

/// One direction of a binding: what stands under (x, party).
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) struct Direction {
    pub(crate) x: Number,
    pub(crate) party: Party,
    /// See the table of the module.
    pub(crate) other: Number,
    pub(crate) expires_at_ms: Option<u64>,
    pub(crate) policy: PolicyId,
    pub(crate) kind: RouteKind,
    pub(crate) direction: CallDirection,
    pub(crate) caller_is_a: bool,
    pub(crate) subscription: SubscriptionId,
    /// 0 = none.
    pub(crate) handle: u32,
}

/// The key of (x, party).
#[inline(always)]
pub(crate) fn direction_key(x: Number, party: Party) -> Key {
    Key {
        low: x.as_u64() | party.bits() << NUMBER_BITS,
        low_mask: u64::MAX,
        high: party.bits() >> CALLER_LOW,
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
        let key = direction_key(self.x, self.party);
        let policy = u64::from(self.policy.0);
        [
            key.low,
            key.high | u64::from(self.handle) << KEY_HIGH,
            self.other.as_u64()
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
            party: Party::of_bits(packed.party_bits())?,
            other: packed.other()?,
            expires_at_ms: Some(packed.expires_at_ms()).filter(|at| *at != NEVER),
            policy: packed.policy(),
            kind: packed.kind()?,
            direction: packed.direction(),
            caller_is_a: packed.caller_is_a(),
            subscription: packed.subscription(),
            handle: packed.handle(),
        })
    }

    /// The parties under which the binding stands in this shard.
    pub(crate) fn parties(&self) -> [Option<Party>; 2] {
        let second = match (self.kind, self.party) {
            (RouteKind::Axb, _) | (RouteKind::Axe, Party::Extension(_)) => {
                Some(Party::Caller(self.other))
            }
            (RouteKind::Axe, _) => {
                let code = u32::try_from(self.other.as_u64()).ok();
                code.and_then(Extension::from_code).map(Party::Extension)
            }
            _ => None,
        };
        [Some(self.party), second]
    }

    /// The number that is counted beside this direction: A's way through Y to B makes Y B's own.
    pub(crate) fn owner(&self) -> Option<Number> {
        let through_y = self.kind == RouteKind::Axyb && self.caller_is_a;
        (through_y && matches!(self.party, Party::Caller(_))).then_some(self.other)
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
    /// x and the party's bits: what the entry is hashed by.
    pub(crate) fn key_bits(&self) -> (u64, u64) {
        (self.0[0] & NUMBER_MASK, self.party_bits())
    }

    fn party_bits(&self) -> u64 {
        (self.0[0] >> NUMBER_BITS | self.0[1] << CALLER_LOW) & ((1 << (NUMBER_BITS + 2)) - 1)
    }

    #[inline(always)]
    pub(crate) fn other(&self) -> Option<Number> {
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
    pub(crate) fn handle(&self) -> u32 {
        (self.0[1] >> KEY_HIGH) as u32
    }
}

/// The entry that counts for how many parts Y is B's own number.
pub(crate) fn pack_owned(y: Number, b: Number, count: u64) -> [u64; DIRECTION_WORDS] {
    let key = direction_key(y, Party::Owner(b));
    let count = count & NUMBER_MASK | NO_KIND << KIND_SHIFT;
    [key.low, key.high, count, NEVER, 0, 0]
}

/// The count of such an entry.
pub(crate) fn unpack_owned(words: [u64; DIRECTION_WORDS]) -> u64 {
    words[2] & NUMBER_MASK
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

    fn any_party() -> impl Strategy<Value = Party> {
        let extension = (1..=4u8).prop_flat_map(|digits| {
            (0..Extension::count(digits)).prop_map(move |value| {
                Party::Extension(Extension::new(value, digits).expect("in range"))
            })
        });
        prop_oneof![
            any_number().prop_map(Party::Caller),
            any_number().prop_map(Party::Owner),
            Just(Party::Anyone),
            extension,
        ]
    }

    prop_compose! {
        fn any_direction()(
            x in any_number(), party in any_party(), other in any_number(), kind in 0..5u64,
            expires_at_ms in proptest::option::of(0..NEVER),
            policy in 0..1u32 << (POLICY_INDEX_BITS + POLICY_GENERATION_BITS),
            direction in 0..3u8, caller_is_a: bool, subscription: u128,
            handle in 0..1u32 << HANDLE_BITS,
        ) -> Direction {
            Direction {
                x, party, other, expires_at_ms, policy: PolicyId(policy),
                kind: kind_of(kind).expect("known"),
                direction: CallDirection::try_from(direction).expect("in range"),
                caller_is_a, subscription: SubscriptionId(subscription), handle,
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
            prop_assert_eq!(packed.key_bits(), (direction.x.as_u64(), direction.party.bits()));
            let key = direction_key(direction.x, direction.party);
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
    fn an_entry_that_counts_is_no_direction() {
        let y = Number::from_u64(8_617_000_000_001).expect("valid");
        let b = Number::from_u64(8_613_900_000_001).expect("valid");
        let words = pack_owned(y, b, 3);
        assert_eq!(unpack_owned(words), 3);
        assert_eq!(Direction::unpack(words), None);
        assert!(!Packed(words).is_expired(u64::MAX));
        assert_eq!(
            Packed(words).key_bits(),
            (y.as_u64(), Party::Owner(b).bits())
        );
    }

    #[test]
    fn expiry_beyond_the_field_is_never() {
        let x = Number::from_u64(8_617_000_000_001).expect("valid");
        let direction = Direction {
            x,
            party: Party::Caller(x),
            other: x,
            expires_at_ms: Some(u64::MAX),
            policy: PolicyId(0),
            kind: RouteKind::Axb,
            direction: CallDirection::Both,
            caller_is_a: true,
            subscription: SubscriptionId(1),
            handle: 0,
        };
        let read = Direction::unpack(direction.pack()).expect("packed");
        assert_eq!(read.expires_at_ms, None);
        assert!(!read.is_expired(u64::MAX));
    }
}
