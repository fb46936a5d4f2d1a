//! Digits that we send.

use std::collections::VecDeque;

use super::{Digit, SEGMENT, TelephoneEvent};

/// RFC 4733 §2.5.1.4: the end is sent three times.
const END_COPIES: u8 = 3;
/// Silence between two digits that we send.
const PAUSE_TICKS: u16 = 3;
const QUEUE_MAX: usize = 32;
#[derive(Copy, Clone, Debug)]
struct Sending {
    code: u8,
    /// Length in timestamp units.
    length: u32,
    sent: u32,
    ends_left: u8,
    pause_left: u16,
}

/// One packet of a digit that we send.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct EventPacket {
    /// The payload.
    pub event: TelephoneEvent,
    /// First packet of the digit: its timestamp holds for all of it, and it bears the marker.
    pub first: bool,
}

/// Digits to be sent, one packet every 20 ms.
#[derive(Clone, Debug, Default)]
pub struct DtmfSender {
    waiting: VecDeque<(Digit, u16)>,
    sending: Option<Sending>,
}

impl DtmfSender {
    /// Queues a digit; false if too many wait.
    pub fn push(&mut self, digit: Digit, duration_ms: u16) -> bool {
        if self.waiting.len() >= QUEUE_MAX {
            return false;
        }
        self.waiting
            .push_back((digit, duration_ms.clamp(40, 6_000)));
        true
    }

    /// Whether nothing is left to send.
    pub fn is_idle(&self) -> bool {
        self.sending.is_none() && self.waiting.is_empty()
    }

    /// Drops everything.
    pub fn clear(&mut self) {
        self.waiting.clear();
        self.sending = None;
    }

    /// One tick of 20 ms; `tick` is its length in timestamp units. `None`: silence between two digits, or nothing to send.
    pub fn tick(&mut self, tick: u32, clock: u32) -> Option<EventPacket> {
        if self.sending.is_none() {
            let (digit, duration_ms) = self.waiting.pop_front()?;
            // 6,000 ms stay below the 16-bit duration at 8 kHz only; faster clocks get what fits.
            let length = (u32::from(duration_ms) * (clock / 1_000)).min(SEGMENT);
            self.sending = Some(Sending {
                code: digit.code(),
                length,
                sent: 0,
                ends_left: END_COPIES,
                pause_left: PAUSE_TICKS,
            });
        }
        let sending = self.sending.as_mut()?;
        if sending.ends_left == 0 {
            sending.pause_left -= 1;
            if sending.pause_left == 0 {
                self.sending = None;
            }
            return None;
        }
        let first = sending.sent == 0;
        sending.sent = (sending.sent + tick).min(sending.length);
        let end = sending.sent == sending.length;
        if end {
            sending.ends_left -= 1;
        }
        let event = TelephoneEvent {
            code: sending.code,
            end,
            volume: 10,
            duration: sending.sent as u16,
        };
        Some(EventPacket { event, first })
    }
}
