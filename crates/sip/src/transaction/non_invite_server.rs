//! Non-INVITE server transaction: RFC 3261 §17.2.2, with the end of RFC 4320: an answer 64*T1 late is none.

use super::{Rules, Step, Tell};
use crate::timer::Tick;
use bytes::Bytes;

/// The states. Terminated is the absence of one.
#[derive(Clone, Eq, PartialEq, Debug)]
pub enum NonInviteServer {
    /// Nothing was answered yet.
    Trying {
        /// The client has given up by now (its timer F), so nobody waits for an answer.
        ends: Tick,
    },
    /// A provisional response was sent.
    Proceeding {
        /// The last one.
        last: Bytes,
        /// As in Trying.
        ends: Tick,
    },
    /// The final response was sent; it answers repetitions of the request.
    Completed {
        /// The response.
        response: Bytes,
        /// Timer J.
        ends: Tick,
    },
}

impl NonInviteServer {
    /// A new transaction for a request that has just come.
    pub fn new(now: Tick, rules: Rules) -> Self {
        Self::Trying {
            ends: now.after(rules.lifetime_ms()),
        }
    }

    /// When [`Self::on_timer`] has something to do.
    pub fn deadline(&self) -> Option<Tick> {
        match self {
            Self::Trying { ends }
            | Self::Proceeding { ends, .. }
            | Self::Completed { ends, .. } => Some(*ends),
        }
    }

    /// Whether the user has still to give a final response.
    pub fn is_open(&self) -> bool {
        !matches!(self, Self::Completed { .. })
    }

    /// The last response sent.
    pub fn last_response(&self) -> Option<&Bytes> {
        match self {
            Self::Trying { .. } => None,
            Self::Proceeding { last, .. } => Some(last),
            Self::Completed { response, .. } => Some(response),
        }
    }

    /// The request came again.
    pub fn on_retransmission(self) -> Step<Self> {
        let answer = self.last_response().cloned();
        Step {
            send: answer,
            ..Step::to(self)
        }
    }

    /// The user answers. A second final response changes nothing.
    pub fn on_reply(self, now: Tick, rules: Rules, status: u16, response: Bytes) -> Step<Self> {
        let sent = response.clone();
        match (self, status) {
            (Self::Trying { ends } | Self::Proceeding { ends, .. }, 100..=199) => {
                Step::to(Self::Proceeding {
                    last: response,
                    ends,
                })
                .send(&sent)
            }
            (Self::Trying { .. } | Self::Proceeding { .. }, _) => {
                Step::linger(rules.absorb_requests_ms(), now, |ends| Self::Completed {
                    response,
                    ends,
                })
                .send(&sent)
            }
            (state @ Self::Completed { .. }, _) => Step::to(state),
        }
    }

    /// Time has reached [`Self::deadline`].
    pub fn on_timer(self, now: Tick) -> Step<Self> {
        match self {
            Self::Trying { ends }
            | Self::Proceeding { ends, .. }
            | Self::Completed { ends, .. }
                if ends <= now =>
            {
                Step::end()
            }
            state => Step::to(state),
        }
    }

    /// A response could not be delivered (§17.2.4, state kept as in RFC 6026 §8.8).
    pub fn on_transport_error(self) -> Step<Self> {
        match self {
            state @ Self::Trying { .. } => Step::to(state),
            state => Step::to(state).tell(Tell::TransportError),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{TCP, UDP, bytes};
    use super::*;

    fn trying() -> NonInviteServer {
        NonInviteServer::new(Tick(0), UDP)
    }

    fn proceeding() -> NonInviteServer {
        NonInviteServer::Proceeding {
            last: bytes("100"),
            ends: Tick(32_000),
        }
    }

    fn completed() -> NonInviteServer {
        NonInviteServer::Completed {
            response: bytes("200"),
            ends: Tick(33_000),
        }
    }

    #[test]
    fn figure_8_replies() {
        for state in [trying(), proceeding()] {
            let step = state.clone().on_reply(Tick(1_000), UDP, 100, bytes("100"));
            assert_eq!(step, Step::to(proceeding()).send(&bytes("100")));
            let step = state.clone().on_reply(Tick(1_000), UDP, 200, bytes("200"));
            assert_eq!(step, Step::to(completed()).send(&bytes("200")), "timer J");
            let step = state.on_reply(Tick(1_000), TCP, 200, bytes("200"));
            assert_eq!(
                step,
                Step::end().send(&bytes("200")),
                "timer J is zero on a stream"
            );
        }
        for status in [100, 200, 500] {
            assert_eq!(
                completed().on_reply(Tick(2_000), UDP, status, bytes("late")),
                Step::to(completed())
            );
        }
    }

    #[test]
    fn figure_8_retransmissions() {
        assert_eq!(trying().on_retransmission(), Step::to(trying()));
        assert_eq!(
            proceeding().on_retransmission(),
            Step::to(proceeding()).send(&bytes("100"))
        );
        assert_eq!(
            completed().on_retransmission(),
            Step::to(completed()).send(&bytes("200"))
        );
    }

    #[test]
    fn every_state_ends_by_time() {
        for state in [trying(), proceeding(), completed()] {
            let Some(ends) = state.deadline() else {
                panic!("for ever")
            };
            assert_eq!(
                state.clone().on_timer(Tick(ends.0 - 1)),
                Step::to(state.clone())
            );
            assert_eq!(state.on_timer(ends), Step::end());
        }
    }

    #[test]
    fn transport_errors_are_told_and_change_nothing() {
        assert_eq!(trying().on_transport_error(), Step::to(trying()));
        for state in [proceeding(), completed()] {
            assert_eq!(
                state.clone().on_transport_error(),
                Step::to(state).tell(Tell::TransportError)
            );
        }
    }
}
