//! The four transaction machines of RFC 3261 §17, as corrected by RFC 6026.
//!
//! Not here: sockets, matching, ids and the timing wheel; they belong to [`crate::endpoint`]. A machine is an enum whose
//! variants hold what that state has and nothing else. An input consumes the machine and gives a [`Step`]: the next state (none:
//! terminated), what to send and what to tell the transaction user. Every state has an answer to every input.
//!
//! | figure | machine | timers |
//! | --- | --- | --- |
//! | RFC 3261 fig. 5, RFC 6026 §8.4 | [`InviteClient`] | A, B, D, M |
//! | RFC 3261 fig. 6 | [`NonInviteClient`] | E, F, K |
//! | RFC 3261 fig. 7, RFC 6026 §8.5 | [`InviteServer`] | 100 after 200 ms, G, H, I, L |
//! | RFC 3261 fig. 8 | [`NonInviteServer`] | J |

mod invite_client;
mod invite_server;
mod non_invite_client;
mod non_invite_server;

pub use invite_client::InviteClient;
pub use invite_server::InviteServer;
pub use non_invite_client::NonInviteClient;
pub use non_invite_server::NonInviteServer;

use crate::timer::Tick;
use bytes::Bytes;

/// Timer values of RFC 3261 §17.1.1.1 in milliseconds.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub struct Timers {
    /// Round trip estimate: 500.
    pub t1_ms: u32,
    /// Longest retransmission interval of non-INVITE requests and INVITE responses: 4,000.
    pub t2_ms: u32,
    /// Longest life of a message in the network: 5,000.
    pub t4_ms: u32,
}

impl Default for Timers {
    fn default() -> Self {
        Timers {
            t1_ms: 500,
            t2_ms: 4_000,
            t4_ms: 5_000,
        }
    }
}

/// [`Timers`] as they apply to one transaction: several are zero where the transport is reliable.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub struct Rules {
    /// The values.
    pub timers: Timers,
    /// Whether the transport delivers or reports.
    pub reliable: bool,
}

impl Rules {
    /// 64*T1: timers B, F, H, J (unreliable), L and M.
    #[must_use]
    pub fn lifetime_ms(self) -> u32 {
        self.timers.t1_ms.saturating_mul(64)
    }

    /// Timer D: at least 32 s where the transport is unreliable, else 0.
    #[must_use]
    pub fn absorb_responses_ms(self) -> u32 {
        self.unless_reliable(self.lifetime_ms().max(32_000))
    }

    /// Timers I and K: T4 where the transport is unreliable, else 0.
    #[must_use]
    pub fn absorb_ms(self) -> u32 {
        self.unless_reliable(self.timers.t4_ms)
    }

    /// Timer J: 64*T1 where the transport is unreliable, else 0.
    #[must_use]
    pub fn absorb_requests_ms(self) -> u32 {
        self.unless_reliable(self.lifetime_ms())
    }

    fn unless_reliable(self, ms: u32) -> u32 {
        if self.reliable { 0 } else { ms }
    }

    /// The first retransmission, T1 from now; none over a reliable transport.
    fn first_resend(self, now: Tick) -> Option<Resend> {
        let interval_ms = self.timers.t1_ms;
        (!self.reliable).then_some(Resend {
            at: now.after(interval_ms),
            interval_ms,
        })
    }
}

/// When to retransmit next, and the interval that led there.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub struct Resend {
    /// The moment.
    pub at: Tick,
    /// How long was waited for it.
    pub interval_ms: u32,
}

impl Resend {
    /// Twice the interval, up to `max_ms`. Counted from now, so that a late driver sends no burst.
    fn doubled(self, now: Tick, max_ms: u32) -> Resend {
        Resend::in_ms(now, self.interval_ms.saturating_mul(2).min(max_ms))
    }

    fn in_ms(now: Tick, interval_ms: u32) -> Resend {
        // Never zero: a timer that is due the moment it is set would be handled for ever.
        let interval_ms = interval_ms.max(1);
        Resend {
            at: now.after(interval_ms),
            interval_ms,
        }
    }
}

/// What the transaction user is to be told.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub enum Tell {
    /// The message that was the input.
    Message,
    /// Timer B, F or H, or no final response after a CANCEL.
    Timeout,
    /// The message could not be sent.
    TransportError,
}

/// The answer of a machine to one input.
#[derive(Clone, Eq, PartialEq, Debug)]
pub struct Step<M> {
    /// The state from now on; `None`: terminated.
    pub next: Option<M>,
    /// Bytes to send to the transaction's peer.
    pub send: Option<Bytes>,
    /// What to tell the transaction user.
    pub tell: Option<Tell>,
    /// INVITE client only: a CANCEL is to be sent now.
    pub cancel: bool,
}

impl<M> Step<M> {
    pub(crate) fn to(next: M) -> Step<M> {
        Step {
            next: Some(next),
            send: None,
            tell: None,
            cancel: false,
        }
    }

    fn end() -> Step<M> {
        Step {
            next: None,
            send: None,
            tell: None,
            cancel: false,
        }
    }

    /// `next` for `ms` milliseconds, or the end at once if that is no time at all.
    fn linger(ms: u32, now: Tick, next: impl FnOnce(Tick) -> M) -> Step<M> {
        if ms == 0 {
            Step::end()
        } else {
            Step::to(next(now.after(ms)))
        }
    }

    /// The same state in another wrapping.
    pub(crate) fn map<N>(self, wrap: impl FnOnce(M) -> N) -> Step<N> {
        Step {
            next: self.next.map(wrap),
            send: self.send,
            tell: self.tell,
            cancel: self.cancel,
        }
    }

    fn send(self, bytes: &Bytes) -> Step<M> {
        Step {
            send: Some(bytes.clone()),
            ..self
        }
    }

    fn tell(self, tell: Tell) -> Step<M> {
        Step {
            tell: Some(tell),
            ..self
        }
    }
}

/// The earlier of two moments of which the first may be absent.
fn earlier(resend: Option<Resend>, end: Tick) -> Tick {
    resend.map_or(end, |resend| resend.at.min(end))
}

fn is_due(resend: Option<Resend>, now: Tick) -> Option<Resend> {
    resend.filter(|resend| resend.at <= now)
}

#[cfg(test)]
mod testing {
    use super::*;

    pub(super) const UDP: Rules = Rules {
        timers: Timers {
            t1_ms: 500,
            t2_ms: 4_000,
            t4_ms: 5_000,
        },
        reliable: false,
    };
    pub(super) const TCP: Rules = Rules {
        reliable: true,
        ..UDP
    };

    pub(super) fn bytes(text: &'static str) -> Bytes {
        Bytes::from_static(text.as_bytes())
    }

    /// What a timer did: when, sent, told.
    pub(super) type Said = (u64, Option<Bytes>, Option<Tell>);

    /// Runs a machine's timers alone and lists (time, sent?, told) until it ends or `limit_ms` is past.
    pub(super) fn run<M>(
        mut machine: M,
        limit_ms: u64,
        deadline: impl Fn(&M) -> Option<Tick>,
        on_timer: impl Fn(M, Tick) -> Step<M>,
    ) -> (Vec<Said>, Option<M>) {
        let mut log = Vec::new();
        while let Some(at) = deadline(&machine).filter(|at| at.0 <= limit_ms) {
            let step = on_timer(machine, at);
            if step.send.is_some() || step.tell.is_some() || step.next.is_none() {
                log.push((at.0, step.send, step.tell));
            }
            match step.next {
                Some(next) => machine = next,
                None => return (log, None),
            }
        }
        (log, Some(machine))
    }
}
