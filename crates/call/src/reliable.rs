//! Reliable provisional responses, as the side that sends them (RFC 3262 §3), and the order in which they
//! are taken, as the side that receives them (§4).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use axbridge_sip::ResponseBuilder;

/// A provisional response waiting for its PRACK.
struct Pending {
    rseq: u32,
    carries_sdp: bool,
    resend_at: Instant,
    interval: Duration,
    give_up_at: Instant,
}

/// A provisional response that waits for its turn: only one may be unacknowledged at a time.
pub(crate) struct Waiting {
    pub response: ResponseBuilder,
    pub carries_sdp: bool,
}

/// Sends provisional responses of one INVITE reliably.
pub(crate) struct Sender {
    next_rseq: u32,
    pending: Option<Pending>,
    waiting: VecDeque<Waiting>,
    stopped: bool,
}

/// What became of time passing.
pub(crate) enum Tick {
    Nothing,
    /// The response must be sent again.
    Resend,
    /// No PRACK in 64*T1: the INVITE is to be refused (RFC 3262 §3).
    GiveUp,
}

/// More provisional responses than any phone sends; beyond it they are dropped.
const WAITING_MAX: usize = 8;

impl Sender {
    /// `first` is any number from 1 to 2^31-1.
    pub fn new(first: u32) -> Self {
        Sender {
            next_rseq: first.clamp(1, 0x7fff_ffff),
            pending: None,
            waiting: VecDeque::new(),
            stopped: false,
        }
    }

    /// Numbers a response for sending now, or keeps it until the one before is acknowledged.
    pub fn offer(&mut self, now: Instant, t1: Duration, next: Waiting) -> Option<ResponseBuilder> {
        if self.pending.is_some() {
            // What carries a session description comes once and is never dropped.
            if self.waiting.len() < WAITING_MAX || next.carries_sdp {
                self.waiting.push_back(next);
            }
            return None;
        }
        let rseq = self.next_rseq;
        self.next_rseq = self.next_rseq.wrapping_add(1).clamp(1, 0x7fff_ffff);
        self.pending = Some(Pending {
            rseq,
            carries_sdp: next.carries_sdp,
            resend_at: now + t1,
            interval: t1,
            give_up_at: now + 64 * t1,
        });
        Some(
            next.response
                .header(axbridge_sip::Name::Require, "100rel")
                .header(axbridge_sip::Name::RSeq, rseq.to_string()),
        )
    }

    /// Takes the PRACK of `rseq`. False when it acknowledges nothing that is pending (481).
    pub fn acknowledged(&mut self, rseq: u32) -> bool {
        let hit = self.pending.as_ref().is_some_and(|p| p.rseq == rseq);
        if hit {
            self.pending = None;
        }
        hit
    }

    /// The next waiting response, when nothing is pending any more.
    pub fn next_waiting(&mut self) -> Option<Waiting> {
        if self.pending.is_some() {
            None
        } else {
            self.waiting.pop_front()
        }
    }

    /// True while the last response has not been acknowledged.
    pub fn is_pending(&self) -> bool {
        self.pending.is_some()
    }

    /// True while a 2xx has to wait: an unacknowledged response carries a session description.
    pub fn holds_answer_back(&self) -> bool {
        self.pending.as_ref().is_some_and(|p| p.carries_sdp)
            || self.waiting.iter().any(|w| w.carries_sdp)
    }

    /// A final response was sent: nothing more is repeated, though the PRACK of the last one may still come.
    pub fn stop(&mut self) {
        self.stopped = true;
        self.waiting.clear();
    }

    pub fn next_deadline(&self) -> Option<Instant> {
        self.pending
            .as_ref()
            .filter(|_| !self.stopped)
            .as_ref()
            .map(|p| p.resend_at.min(p.give_up_at))
    }

    pub fn tick(&mut self, now: Instant) -> Tick {
        let Some(p) = self.pending.as_mut().filter(|_| !self.stopped) else {
            return Tick::Nothing;
        };
        if now >= p.give_up_at {
            self.stop();
            return Tick::GiveUp;
        }
        if now < p.resend_at {
            return Tick::Nothing;
        }
        p.interval *= 2;
        p.resend_at = now + p.interval;
        Tick::Resend
    }
}

/// What the transaction of our INVITE has seen of reliable responses in one early dialog.
#[derive(Default)]
pub(crate) struct Received {
    last: Option<u32>,
}

impl Received {
    /// True when this response is the next in order: it is to be acknowledged and taken. Repeats and
    /// responses out of order are not (RFC 3262 §4).
    pub fn is_next(&mut self, rseq: u32) -> bool {
        let next = self.last.is_none_or(|last| rseq == last.wrapping_add(1));
        if next {
            self.last = Some(rseq);
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T1: Duration = Duration::from_millis(500);

    fn waiting(carries_sdp: bool) -> Waiting {
        Waiting {
            response: ResponseBuilder::new(180),
            carries_sdp,
        }
    }

    #[test]
    fn one_at_a_time_in_order() {
        let now = Instant::now();
        let mut s = Sender::new(7);
        assert!(s.offer(now, T1, waiting(true)).is_some());
        assert!(s.offer(now, T1, waiting(false)).is_none());
        assert!(s.holds_answer_back());
        assert!(s.next_waiting().is_none());
        assert!(!s.acknowledged(8));
        assert!(s.acknowledged(7));
        assert!(!s.acknowledged(7));
        let next = s.next_waiting().unwrap();
        assert!(!next.carries_sdp);
        assert!(s.offer(now, T1, next).is_some());
        assert!(!s.holds_answer_back());
        assert!(s.acknowledged(8));
    }

    #[test]
    fn repeats_double_until_given_up() {
        let start = Instant::now();
        let mut s = Sender::new(1);
        let _ = s.offer(start, T1, waiting(false));
        let mut resent = 0;
        let given_up_at = loop {
            let now = s.next_deadline().unwrap();
            match s.tick(now) {
                Tick::Resend => resent += 1,
                Tick::GiveUp => break now,
                Tick::Nothing => panic!("a deadline without effect"),
            }
        };
        assert_eq!(given_up_at, start + 64 * T1);
        // 0.5, 1.5, 3.5, 7.5, 15.5, 31.5 s
        assert_eq!(resent, 6);
        assert!(s.next_deadline().is_none());
    }

    #[test]
    fn received_only_in_order() {
        let mut r = Received::default();
        assert!(r.is_next(100));
        assert!(!r.is_next(100));
        assert!(!r.is_next(102));
        assert!(r.is_next(101));
    }
}
