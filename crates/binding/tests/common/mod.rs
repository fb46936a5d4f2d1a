//! Numbers and bindings for the tests of this folder.

#![allow(dead_code)] // each test file uses its part

use axbridge_binding::{
    AppId, Axb, CallDirection, NumberInfo, NumberStatus, Policy, RouteKind, SubscriptionId, TrunkId,
};
use axbridge_numbering::Number;

pub fn number(base: u64, index: u64) -> Number {
    Number::from_u64(base + index).expect("in range")
}

/// A private number.
pub fn x(index: u64) -> Number {
    number(8_617_000_000_000, index)
}

/// A party.
pub fn caller(index: u64) -> Number {
    number(8_613_900_000_000, index)
}

pub fn policy(minutes: u16) -> Policy {
    Policy {
        max_duration_min: minutes,
        ..Policy::default()
    }
}

pub fn normal(app: u32) -> NumberInfo {
    NumberInfo {
        app: AppId(app),
        mode: RouteKind::Axb,
        status: NumberStatus::Normal,
        trunk: TrunkId(1),
        area: None,
    }
}

pub fn axb(x_index: u64, subscription: u128, a: u64, b: u64) -> Axb {
    Axb {
        subscription: SubscriptionId(subscription),
        app: AppId(x_index as u32),
        x: x(x_index),
        a: caller(a),
        b: caller(b),
        direction: CallDirection::Both,
        expires_at_ms: None,
        policy: Policy::default(),
        user_data: None,
    }
}
