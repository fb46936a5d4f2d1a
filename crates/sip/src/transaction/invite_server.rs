//! INVITE server transaction: RFC 3261 §17.2.1 with the Accepted state of RFC 6026 §8.5.

use super::{Resend, Rules, Step, Tell, earlier, is_due};
use crate::timer::Tick;
use bytes::Bytes;

/// The user has this long to say something before the endpoint says 100 (§17.2.1).
const TRYING_AFTER_MS: u32 = 200;

/// The states. Terminated is the absence of one.
#[derive(Clone, Eq, PartialEq, Debug)]
pub enum InviteServer {
    /// Nothing was answered yet.
    Silent {
        /// When 100 is due.
        trying: Tick,
    },
    /// Provisional responses were sent.
    Proceeding {
        /// The last one.
        last: Option<Bytes>,
        /// The last reliable one (RFC 3262), which the user may have to repeat.
        reliable: Option<Bytes>,
    },
    /// A final response of 300 to 699 was sent, its ACK is awaited.
    Completed {
        /// The response.
        response: Bytes,
        /// Timer G.
        resend: Option<Resend>,
        /// Timer H.
        give_up: Tick,
    },
    /// The ACK came; repetitions of it are absorbed.
    Confirmed {
        /// Timer I.
        ends: Tick,
    },
    /// A 2xx was sent; repeating it until the ACK is for the user.
    Accepted {
        /// The response.
        response: Bytes,
        /// Timer L.
        ends: Tick,
    },
}

impl InviteServer {
    /// A new transaction for an INVITE that has just come.
    pub fn new(now: Tick) -> Self {
        Self::Silent {
            trying: now.after(TRYING_AFTER_MS),
        }
    }

    /// When [`Self::on_timer`] has something to do.
    pub fn deadline(&self) -> Option<Tick> {
        match self {
            Self::Silent { trying } => Some(*trying),
            Self::Proceeding { .. } => None,
            Self::Completed {
                resend, give_up, ..
            } => Some(earlier(*resend, *give_up)),
            Self::Confirmed { ends } | Self::Accepted { ends, .. } => Some(*ends),
        }
    }

    /// Whether the user has still to give a final response.
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Silent { .. } | Self::Proceeding { .. })
    }

    /// What the user repeats by his own timers: a 2xx, or the last reliable (else the last) provisional response.
    pub fn resend(&self) -> Option<&Bytes> {
        match self {
            Self::Proceeding { last, reliable } => reliable.as_ref().or(last.as_ref()),
            Self::Accepted { response, .. } => Some(response),
            Self::Silent { .. } | Self::Completed { .. } | Self::Confirmed { .. } => None,
        }
    }

    /// The last response sent, if it may still be needed.
    pub fn last_response(&self) -> Option<&Bytes> {
        match self {
            Self::Proceeding { last, .. } => last.as_ref(),
            Self::Completed { response, .. } | Self::Accepted { response, .. } => Some(response),
            Self::Silent { .. } | Self::Confirmed { .. } => None,
        }
    }

    /// The INVITE came again.
    pub fn on_retransmission(self) -> Step<Self> {
        let answer = match &self {
            Self::Proceeding { last, .. } => last.clone(),
            Self::Completed { response, .. } => Some(response.clone()),
            // RFC 6026: absorbed; the user repeats the 2xx by himself.
            Self::Silent { .. } | Self::Confirmed { .. } | Self::Accepted { .. } => None,
        };
        Step {
            send: answer,
            ..Step::to(self)
        }
    }

    /// An ACK that matches this transaction.
    pub fn on_ack(self, now: Tick, rules: Rules) -> Step<Self> {
        match self {
            Self::Completed { .. } => {
                Step::linger(rules.absorb_ms(), now, |ends| Self::Confirmed { ends })
            }
            // For a 2xx, from a peer that did not give the ACK a branch of its own.
            Self::Accepted { .. } => Step::to(self).tell(Tell::Message),
            state => Step::to(state),
        }
    }

    /// The user answers. `reliable` marks a provisional response with RSeq. A second final response changes nothing, but
    /// a 2xx is sent again in Accepted (RFC 6026).
    pub fn on_reply(
        self,
        now: Tick,
        rules: Rules,
        status: u16,
        response: Bytes,
        reliable: bool,
    ) -> Step<Self> {
        let sent = response.clone();
        match (self, status) {
            (Self::Silent { .. }, 100..=199) => {
                let reliable = reliable.then(|| response.clone());
                Step::to(Self::Proceeding {
                    last: Some(response),
                    reliable,
                })
                .send(&sent)
            }
            (
                Self::Proceeding {
                    reliable: before, ..
                },
                100..=199,
            ) => {
                let reliable = if reliable {
                    Some(response.clone())
                } else {
                    before
                };
                Step::to(Self::Proceeding {
                    last: Some(response),
                    reliable,
                })
                .send(&sent)
            }
            (Self::Silent { .. } | Self::Proceeding { .. }, 200..=299) => {
                let ends = now.after(rules.lifetime_ms());
                Step::to(Self::Accepted { response, ends }).send(&sent)
            }
            (Self::Silent { .. } | Self::Proceeding { .. }, _) => {
                let (resend, give_up) = (rules.first_resend(now), now.after(rules.lifetime_ms()));
                Step::to(Self::Completed {
                    response,
                    resend,
                    give_up,
                })
                .send(&sent)
            }
            (Self::Accepted { ends, .. }, 200..=299) => {
                Step::to(Self::Accepted { response, ends }).send(&sent)
            }
            (state, _) => Step::to(state),
        }
    }

    /// Time has reached [`Self::deadline`]. `make_trying` makes the 100, if it can.
    pub fn on_timer(
        self,
        now: Tick,
        rules: Rules,
        make_trying: impl FnOnce() -> Option<Bytes>,
    ) -> Step<Self> {
        match self {
            Self::Silent { trying } if trying <= now => {
                let last = make_trying();
                Step {
                    send: last.clone(),
                    ..Step::to(Self::Proceeding {
                        last,
                        reliable: None,
                    })
                }
            }
            Self::Completed { give_up, .. } if give_up <= now => Step::end().tell(Tell::Timeout),
            Self::Completed {
                response,
                resend,
                give_up,
            } => {
                let due = is_due(resend, now);
                let sent = due.is_some().then(|| response.clone());
                let resend = due
                    .map(|resend| resend.doubled(now, rules.timers.t2_ms))
                    .or(resend);
                Step {
                    send: sent,
                    ..Step::to(Self::Completed {
                        response,
                        resend,
                        give_up,
                    })
                }
            }
            Self::Confirmed { ends } | Self::Accepted { ends, .. } if ends <= now => Step::end(),
            state => Step::to(state),
        }
    }

    /// A response could not be delivered: the user is told, the state stays (RFC 6026 §8.8).
    pub fn on_transport_error(self) -> Step<Self> {
        match self {
            state @ (Self::Silent { .. } | Self::Confirmed { .. }) => Step::to(state),
            state => Step::to(state).tell(Tell::TransportError),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Said, TCP, UDP, bytes, run};
    use super::*;

    const NOW: Tick = Tick(1_000);

    fn reply(
        state: InviteServer,
        rules: Rules,
        status: u16,
        text: &'static str,
    ) -> Step<InviteServer> {
        state.on_reply(NOW, rules, status, bytes(text), false)
    }

    fn after(status: u16, rules: Rules) -> InviteServer {
        reply(InviteServer::new(Tick(900)), rules, status, "answer")
            .next
            .expect("not ended")
    }

    fn timers(machine: InviteServer, rules: Rules) -> Vec<Said> {
        run(machine, 200_000, InviteServer::deadline, |m, at| {
            m.on_timer(at, rules, || Some(bytes("100")))
        })
        .0
    }

    #[test]
    fn says_100_after_200_ms_unless_something_was_said() {
        assert_eq!(
            timers(InviteServer::new(NOW), UDP),
            [(1_200, Some(bytes("100")), None)]
        );
        assert_eq!(timers(after(180, UDP), UDP), []);
    }

    #[test]
    fn figure_7_retransmitted_invite() {
        let confirmed = InviteServer::Confirmed { ends: Tick(9_000) };
        for (state, answer) in [
            (InviteServer::new(NOW), None),
            (after(180, UDP), Some(bytes("answer"))),
            (after(486, UDP), Some(bytes("answer"))),
            (after(200, UDP), None),
            (confirmed, None),
        ] {
            let step = state.clone().on_retransmission();
            assert_eq!(
                (step.next, step.send, step.tell),
                (Some(state), answer, None)
            );
        }
    }

    #[test]
    fn figure_7_ack() {
        let step = after(486, UDP).on_ack(Tick(1_100), UDP);
        assert_eq!(
            step,
            Step::to(InviteServer::Confirmed { ends: Tick(6_100) }),
            "timer I"
        );
        assert_eq!(
            after(486, TCP).on_ack(Tick(1_100), TCP),
            Step::end(),
            "timer I is zero on a stream"
        );
        let confirmed = InviteServer::Confirmed { ends: Tick(6_100) };
        assert_eq!(
            confirmed.clone().on_ack(Tick(2_000), UDP),
            Step::to(confirmed.clone())
        );
        assert_eq!(timers(confirmed, UDP), [(6_100, None, None)]);
        assert_eq!(after(200, UDP).on_ack(NOW, UDP).tell, Some(Tell::Message));
        assert_eq!(after(180, UDP).on_ack(NOW, UDP), Step::to(after(180, UDP)));
        let silent = InviteServer::new(NOW);
        assert_eq!(silent.clone().on_ack(NOW, UDP), Step::to(silent));
    }

    #[test]
    fn timer_g_doubles_up_to_t2_until_timer_h() {
        let log = timers(after(486, UDP), UDP);
        let times: Vec<u64> = log.iter().map(|(at, ..)| *at - NOW.0).collect();
        assert_eq!(
            times,
            [
                500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500, 32_000
            ]
        );
        assert_eq!(log.last(), Some(&(33_000, None, Some(Tell::Timeout))));
        assert_eq!(
            timers(after(486, TCP), TCP),
            [(33_000, None, Some(Tell::Timeout))],
            "no timer G on a stream"
        );
    }

    #[test]
    fn timer_l_ends_accepted_without_resending() {
        assert_eq!(timers(after(200, UDP), UDP), [(33_000, None, None)]);
        assert_eq!(timers(after(200, TCP), TCP), [(33_000, None, None)]);
    }

    #[test]
    fn replies_out_of_turn_change_nothing() {
        for status in [180, 200, 486] {
            for state in [
                after(486, UDP),
                InviteServer::Confirmed { ends: Tick(6_000) },
            ] {
                assert_eq!(reply(state.clone(), UDP, status, "late"), Step::to(state));
            }
        }
        for status in [180, 486] {
            assert_eq!(
                reply(after(200, UDP), UDP, status, "late"),
                Step::to(after(200, UDP))
            );
        }
        let again = reply(after(200, UDP), UDP, 200, "again");
        assert_eq!(again.send, Some(bytes("again")));
        assert_eq!(
            again.next.as_ref().and_then(InviteServer::resend),
            Some(&bytes("again"))
        );
    }

    #[test]
    fn the_reliable_provisional_is_the_one_repeated() {
        let first = InviteServer::new(NOW)
            .on_reply(NOW, UDP, 183, bytes("183 RSeq"), true)
            .next
            .expect("open");
        let second = reply(first, UDP, 180, "180").next.expect("open");
        assert_eq!(second.resend(), Some(&bytes("183 RSeq")));
        assert_eq!(second.on_retransmission().send, Some(bytes("180")));
    }

    #[test]
    fn rfc_6026_transport_errors_are_told_and_change_nothing() {
        for state in [after(180, UDP), after(486, UDP), after(200, UDP)] {
            assert_eq!(
                state.clone().on_transport_error(),
                Step::to(state).tell(Tell::TransportError)
            );
        }
    }
}
