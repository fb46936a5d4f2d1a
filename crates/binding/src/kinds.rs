//! What a binding of each kind is, as the store publishes it. X mode has none: the customer is asked.

use crate::types::{AppId, CallDirection, Policy, SubscriptionId};
use axbridge_numbering::Number;
use std::fmt;
use std::sync::Arc;

/// An AXB binding: A and B reach each other by calling X, and each sees X.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Axb {
    /// Its identity. X of a subscription never changes; everything else may.
    pub subscription: SubscriptionId,
    /// The application that made it.
    pub app: AppId,
    /// The private number.
    pub x: Number,
    /// `callerNum`.
    pub a: Number,
    /// `calleeNum`.
    pub b: Number,
    /// Who may call.
    pub direction: CallDirection,
    /// Unix milliseconds from which the binding no longer exists; none = never.
    pub expires_at_ms: Option<u64>,
    /// The rules of its calls.
    pub policy: Policy,
    /// Returned to the customer in every notification.
    pub user_data: Option<Arc<str>>,
}

/// An AX binding: anyone reaches A by calling X; A reaches by calling X whom the customer has just named.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ax {
    /// Its identity. X and A never change.
    pub subscription: SubscriptionId,
    /// The application that made it.
    pub app: AppId,
    /// The private number, of this binding alone.
    pub x: Number,
    /// `origNum`.
    pub a: Number,
    /// Who may call.
    pub direction: CallDirection,
    /// A sees who calls (`calleeNumDisplay` 1) instead of X.
    pub show_caller: bool,
    /// `turnFlag` off: calls of others are not put through.
    pub turned_off: bool,
    /// Whom A reaches.
    pub temporary: Option<Temporary>,
    /// Who reached A last: whom A reaches where the application calls back.
    pub last_caller: Option<Number>,
    /// The rules of its calls.
    pub policy: Policy,
    /// Returned to the customer in every notification.
    pub user_data: Option<Arc<str>>,
}

/// The temporary callee of an AX binding.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Temporary {
    /// Who is called when A calls X.
    pub callee: Number,
    /// Unix milliseconds from which it no longer counts.
    pub until_ms: u64,
    /// Goes before the user data of the binding, in the calls of A.
    pub user_data: Option<Arc<str>>,
}

/// An AXE binding: anyone reaches A by calling X and keying the extension; A calls back by calling X.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Axe {
    /// Its identity. X, A and the extension never change.
    pub subscription: SubscriptionId,
    /// The application that made it.
    pub app: AppId,
    /// The private number.
    pub x: Number,
    /// `bindNum`, at most once on an X.
    pub a: Number,
    /// `extendNum`, at most once on an X.
    pub extension: Extension,
    /// A sees who calls (`displayNumMode` 1) instead of X.
    pub show_caller: bool,
    /// Unix milliseconds from which the binding no longer exists; none = never.
    pub expires_at_ms: Option<u64>,
    /// Whom A reaches: the callback record.
    pub reached: Option<Reached>,
    /// What A meets without a callback record.
    pub otherwise: CallBack,
    /// The rules of its calls.
    pub policy: Policy,
    /// Returned to the customer in every notification.
    pub user_data: Option<Arc<str>>,
}

/// The callback record of an AXE binding: the last caller who reached A.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct Reached {
    /// Who it was.
    pub caller: Number,
    /// Unix milliseconds from which it no longer counts; none = never.
    pub until_ms: Option<u64>,
}

/// What A of an AXE binding meets when there is nobody to call back.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum CallBack {
    /// What the application has set for all its bindings.
    #[default]
    OfApplication,
    /// A prompt, then the end (`callbackTone`).
    Tone(Arc<str>),
    /// Another number (`callbackNum`).
    Number(Number),
}

/// An extension: one to four digits whose leading zeros count.
#[derive(Copy, Clone, Eq, PartialEq, Hash, Ord, PartialOrd)]
pub struct Extension {
    digits: u8,
    value: u16,
}

impl Extension {
    /// The most digits that an extension has.
    pub const DIGITS_MAX: u8 = 4;

    /// An extension of this many digits; none when there is no such one.
    pub fn new(value: u16, digits: u8) -> Option<Extension> {
        let fits = (1..=Self::DIGITS_MAX).contains(&digits) && value < Self::count(digits);
        fits.then_some(Extension { digits, value })
    }

    /// Reads one to four digits.
    pub fn parse(text: &str) -> Option<Extension> {
        if !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        Extension::new(text.parse().ok()?, u8::try_from(text.len()).ok()?)
    }

    /// How many extensions of this many digits there are.
    pub fn count(digits: u8) -> u16 {
        10u16.pow(digits.min(Self::DIGITS_MAX).into())
    }

    /// Its value without the leading zeros.
    pub fn value(self) -> u16 {
        self.value
    }

    /// How many digits it has.
    pub fn digits(self) -> u8 {
        self.digits
    }

    /// One number that says both, from 65,536 on; ascending by digits, then value.
    pub fn code(self) -> u32 {
        u32::from(self.digits) << 16 | u32::from(self.value)
    }

    /// The extension of a [`Extension::code`].
    pub fn from_code(code: u32) -> Option<Extension> {
        Extension::new(code as u16, u8::try_from(code >> 16).ok()?)
    }
}

impl fmt::Display for Extension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:0width$}",
            self.value,
            width = usize::from(self.digits)
        )
    }
}

impl fmt::Debug for Extension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The first part of an AXYB binding: A has X. Who is not bound to it and calls X needs a Y first.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AxybX {
    /// The identity of the whole relation. X and A never change.
    pub subscription: SubscriptionId,
    /// The application that made it.
    pub app: AppId,
    /// The private number of A, of this binding alone.
    pub x: Number,
    /// `origNum` of the first step.
    pub a: Number,
    /// Who may call.
    pub direction: CallDirection,
    /// Unix milliseconds from which the relation no longer exists; none = never.
    pub expires_at_ms: Option<u64>,
    /// Returned to the customer in every notification.
    pub user_data: Option<Arc<str>>,
}

/// The second part of an AXYB binding: B has Y. B calls X and reaches A, who sees Y; A calls Y and reaches B,
/// who sees X.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AxybY {
    /// The identity of this part, known only inside. Nothing of a part ever changes but expiry and rules.
    pub id: SubscriptionId,
    /// The identity of the whole relation.
    pub subscription: SubscriptionId,
    /// The application that made it.
    pub app: AppId,
    /// The private number of A.
    pub x: Number,
    /// A.
    pub a: Number,
    /// The private number of B. No two parts have both the same Y and the same A.
    pub y: Number,
    /// B, at most once on an X.
    pub b: Number,
    /// Who may call.
    pub direction: CallDirection,
    /// Unix milliseconds from which this part no longer exists, not after the relation; none = never.
    pub expires_at_ms: Option<u64>,
    /// The rules of its calls.
    pub policy: Policy,
    /// Returned to the customer in every notification.
    pub user_data: Option<Arc<str>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_keep_their_width() {
        for text in ["0", "9", "07", "000", "0000", "9999"] {
            let extension = Extension::parse(text).expect("valid");
            assert_eq!(extension.to_string(), text);
            assert_eq!(Extension::from_code(extension.code()), Some(extension));
        }
        for text in ["", "12345", "+1", "1a", "１"] {
            assert_eq!(Extension::parse(text), None, "{text:?}");
        }
        assert_eq!(Extension::new(10, 1), None);
        assert_eq!(Extension::from_code(7), None);
        assert_eq!(Extension::from_code(1 << 16 | 10), None);
        assert_eq!(Extension::count(4), 10_000);
    }
}
