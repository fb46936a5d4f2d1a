//! What became of a text, in the numbers of the PrivateNumber API.

use serde::{Deserialize, Serialize};

/// `sendResult` of the SMS notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
#[repr(u8)]
pub enum SendResult {
    /// Delivered, or taken by a network that says no more.
    Sent = 0,
    /// The account is frozen.
    AccountFrozen = 1,
    /// Nobody is bound, or the sender is not.
    NoBinding = 2,
    /// X is suspended, unavailable or turned off.
    NumberSuspended = 3,
    /// The application is suspended.
    ApplicationUnavailable = 4,
    /// The fault is ours.
    Internal = 5,
    /// The customer had it dropped.
    Discarded = 6,
    /// The customer did not say in time what is to become of it.
    NoAnswer = 7,
    /// Sender or receiver is on a black list.
    Blacklisted = 8,
    /// Some of its parts were sent.
    PartlySent = 9,
    /// None of its parts was sent.
    NothingSent = 10,
    /// Application, X or binding carry no texts.
    NoTexts = 11,
}

impl SendResult {
    const ALL: [SendResult; 12] = [
        SendResult::Sent,
        SendResult::AccountFrozen,
        SendResult::NoBinding,
        SendResult::NumberSuspended,
        SendResult::ApplicationUnavailable,
        SendResult::Internal,
        SendResult::Discarded,
        SendResult::NoAnswer,
        SendResult::Blacklisted,
        SendResult::PartlySent,
        SendResult::NothingSent,
        SendResult::NoTexts,
    ];

    /// A short word for logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            SendResult::Sent => "sent",
            SendResult::AccountFrozen => "account_frozen",
            SendResult::NoBinding => "no_binding",
            SendResult::NumberSuspended => "number_suspended",
            SendResult::ApplicationUnavailable => "application_unavailable",
            SendResult::Internal => "internal",
            SendResult::Discarded => "discarded",
            SendResult::NoAnswer => "no_answer",
            SendResult::Blacklisted => "blacklisted",
            SendResult::PartlySent => "partly_sent",
            SendResult::NothingSent => "nothing_sent",
            SendResult::NoTexts => "no_texts",
        }
    }

    /// What became of a text of which `sent` of `total` parts were.
    pub fn of_parts(sent: usize, total: usize) -> SendResult {
        match sent {
            0 => SendResult::NothingSent,
            _ if sent >= total => SendResult::Sent,
            _ => SendResult::PartlySent,
        }
    }
}

impl From<SendResult> for u8 {
    fn from(result: SendResult) -> u8 {
        result as u8
    }
}

impl TryFrom<u8> for SendResult {
    type Error = String;

    fn try_from(value: u8) -> Result<SendResult, String> {
        let found = SendResult::ALL.iter().find(|r| **r as u8 == value);
        found
            .copied()
            .ok_or_else(|| format!("{value} is no result of a text"))
    }
}

/// How often and how long sending is tried, for what can pass: a carrier that is down, or asks to be left in peace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// From the first failure to the second try, in milliseconds; doubled each time.
    pub first_ms: u64,
    /// The longest pause.
    pub longest_ms: u64,
    /// From the acceptance of a text to the end of all tries.
    pub give_up_after_ms: u64,
}

impl Default for Patience {
    fn default() -> Self {
        Patience {
            first_ms: 5_000,
            longest_ms: 5 * 60_000,
            give_up_after_ms: 24 * 3_600_000,
        }
    }
}

impl Patience {
    /// When to try again after `failures` failed tries (at least 1) of a text that was accepted at `accepted_ms`; none
    /// when that would be too late.
    pub fn next_ms(&self, accepted_ms: u64, failures: u32, now_ms: u64) -> Option<u64> {
        let doublings = failures.saturating_sub(1).min(32);
        let pause = self
            .first_ms
            .saturating_mul(1 << doublings)
            .min(self.longest_ms);
        let next = now_ms.saturating_add(pause);
        (next < accepted_ms.saturating_add(self.give_up_after_ms)).then_some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_api() {
        for value in 0..=11 {
            let result = SendResult::try_from(value).expect("known");
            assert_eq!(u8::from(result), value);
        }
        assert!(SendResult::try_from(14).is_err());
        assert_eq!(SendResult::of_parts(0, 2), SendResult::NothingSent);
        assert_eq!(SendResult::of_parts(1, 2), SendResult::PartlySent);
        assert_eq!(SendResult::of_parts(2, 2), SendResult::Sent);
    }

    #[test]
    fn pauses_double_up_to_the_end() {
        let patience = Patience {
            first_ms: 10,
            longest_ms: 35,
            give_up_after_ms: 1_000,
        };
        assert_eq!(patience.next_ms(0, 1, 0), Some(10));
        assert_eq!(patience.next_ms(0, 2, 10), Some(30));
        assert_eq!(patience.next_ms(0, 3, 30), Some(65));
        assert_eq!(patience.next_ms(0, 60, 964), Some(999));
        assert_eq!(patience.next_ms(0, 60, 965), None);
    }
}
