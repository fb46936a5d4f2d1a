//! Numbers and bindings for the tests of this folder.

#![allow(dead_code)] // each test file uses its part

use axbridge_binding::{
    AppId, Ax, Axb, Axe, AxybX, AxybY, CallBack, CallDirection, Extension, NumberInfo,
    NumberStatus, Policy, RouteKind, SubscriptionId, TrunkId,
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

/// A number of another mode than AXB.
pub fn of_mode(app: u32, mode: RouteKind) -> NumberInfo {
    NumberInfo {
        mode,
        ..normal(app)
    }
}

pub fn ax(x_index: u64, subscription: u128, a: u64) -> Ax {
    Ax {
        subscription: SubscriptionId(subscription),
        app: AppId(1),
        x: x(x_index),
        a: caller(a),
        direction: CallDirection::Both,
        show_caller: false,
        turned_off: false,
        temporary: None,
        last_caller: None,
        policy: Policy::default(),
        user_data: None,
    }
}

pub fn extension(value: u16) -> Extension {
    Extension::new(value, 2).expect("two digits")
}

pub fn axe(x_index: u64, subscription: u128, a: u64, value: u16) -> Axe {
    Axe {
        subscription: SubscriptionId(subscription),
        app: AppId(1),
        x: x(x_index),
        a: caller(a),
        extension: extension(value),
        show_caller: false,
        expires_at_ms: None,
        reached: None,
        otherwise: CallBack::OfApplication,
        policy: Policy::default(),
        user_data: None,
    }
}

pub fn axyb_x(x_index: u64, subscription: u128, a: u64) -> AxybX {
    AxybX {
        subscription: SubscriptionId(subscription),
        app: AppId(1),
        x: x(x_index),
        a: caller(a),
        direction: CallDirection::Both,
        expires_at_ms: None,
        user_data: None,
    }
}

/// The second part of that relation.
pub fn axyb_y(first: &AxybX, id: u128, y_index: u64, b: u64) -> AxybY {
    AxybY {
        id: SubscriptionId(id),
        subscription: first.subscription,
        app: first.app,
        x: first.x,
        a: first.a,
        y: x(y_index),
        b: caller(b),
        direction: first.direction,
        expires_at_ms: first.expires_at_ms,
        policy: Policy::default(),
        user_data: first.user_data.clone(),
    }
}
