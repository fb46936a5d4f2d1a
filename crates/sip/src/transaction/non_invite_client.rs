//! Non-INVITE client transaction: RFC 3261 §17.1.2.

use super::{Resend, Rules, Step, Tell, earlier, is_due};
use crate::timer::Tick;
use bytes::Bytes;

/// The states. Terminated is the absence of one.
#[derive(Clone, Eq, PartialEq, Debug)]
pub enum NonInviteClient {
    /// The request is out, nothing came back.
    Trying {
        /// The request as sent.
        request: Bytes,
        /// Timer E.
        resend: Option<Resend>,
        /// Timer F.
        give_up: Tick,
    },
    /// A provisional response came; the request is still repeated, at T2.
    Proceeding {
        /// The request as sent.
        request: Bytes,
        /// Timer E.
        resend: Option<Resend>,
        /// Timer F.
        give_up: Tick,
    },
    /// The final response came; repetitions of it are absorbed.
    Completed {
        /// Timer K.
        ends: Tick,
    },
}

impl NonInviteClient {
    /// A new transaction; the caller sends `request` now.
    pub fn new(request: Bytes, now: Tick, rules: Rules) -> Self {
        Self::Trying {
            request,
            resend: rules.first_resend(now),
            give_up: now.after(rules.lifetime_ms()),
        }
    }

    /// When [`Self::on_timer`] has something to do.
    pub fn deadline(&self) -> Option<Tick> {
        match self {
            Self::Trying {
                resend, give_up, ..
            }
            | Self::Proceeding {
                resend, give_up, ..
            } => Some(earlier(*resend, *give_up)),
            Self::Completed { ends } => Some(*ends),
        }
    }

    /// Whether the request is of this method; after the final response, when it is let go, any is believed.
    pub fn is_method(&self, method: &str) -> bool {
        match self {
            Self::Trying { request, .. } | Self::Proceeding { request, .. } => request
                .strip_prefix(method.as_bytes())
                .is_some_and(|rest| rest.first() == Some(&b' ')),
            Self::Completed { .. } => true,
        }
    }

    /// A response.
    pub fn on_response(self, now: Tick, rules: Rules, status: u16) -> Step<Self> {
        match (self, status) {
            (
                Self::Trying {
                    request,
                    resend,
                    give_up,
                }
                | Self::Proceeding {
                    request,
                    resend,
                    give_up,
                },
                100..=199,
            ) => Step::to(Self::Proceeding {
                request,
                resend,
                give_up,
            })
            .tell(Tell::Message),
            (Self::Trying { .. } | Self::Proceeding { .. }, _) => {
                Step::linger(rules.absorb_ms(), now, |ends| Self::Completed { ends })
                    .tell(Tell::Message)
            }
            (state @ Self::Completed { .. }, _) => Step::to(state),
        }
    }

    /// Time has reached [`Self::deadline`].
    pub fn on_timer(self, now: Tick, rules: Rules) -> Step<Self> {
        let t2_ms = rules.timers.t2_ms;
        match self {
            Self::Trying { give_up, .. } | Self::Proceeding { give_up, .. } if give_up <= now => {
                Step::end().tell(Tell::Timeout)
            }
            Self::Trying {
                request,
                resend,
                give_up,
            } => {
                let due = is_due(resend, now);
                let sent = due.is_some().then(|| request.clone());
                let resend = due.map(|resend| resend.doubled(now, t2_ms)).or(resend);
                Step {
                    send: sent,
                    ..Step::to(Self::Trying {
                        request,
                        resend,
                        give_up,
                    })
                }
            }
            Self::Proceeding {
                request,
                resend,
                give_up,
            } => {
                let due = is_due(resend, now);
                let sent = due.is_some().then(|| request.clone());
                let resend = due.map(|_| Resend::in_ms(now, t2_ms)).or(resend);
                Step {
                    send: sent,
                    ..Step::to(Self::Proceeding {
                        request,
                        resend,
                        give_up,
                    })
                }
            }
            Self::Completed { ends } if ends <= now => Step::end(),
            state @ Self::Completed { .. } => Step::to(state),
        }
    }

    /// The request could not be delivered.
    pub fn on_transport_error(self) -> Step<Self> {
        match self {
            Self::Trying { .. } | Self::Proceeding { .. } => Step::end().tell(Tell::TransportError),
            state @ Self::Completed { .. } => Step::to(state),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{TCP, UDP, bytes, run};
    use super::*;

    fn trying() -> NonInviteClient {
        NonInviteClient::new(bytes("BYE"), Tick(0), UDP)
    }

    #[test]
    fn figure_6_responses() {
        let Some(proceeding) = trying().on_response(Tick(100), UDP, 100).next else {
            panic!("ended")
        };
        assert!(matches!(proceeding, NonInviteClient::Proceeding { .. }));
        for state in [trying(), proceeding] {
            let step = state.clone().on_response(Tick(200), UDP, 183);
            assert!(matches!(
                step.next,
                Some(NonInviteClient::Proceeding { .. })
            ));
            assert_eq!((step.send, step.tell), (None, Some(Tell::Message)));
            for status in [200, 302, 481, 503, 603] {
                let step = state.clone().on_response(Tick(200), UDP, status);
                assert_eq!(
                    step.next,
                    Some(NonInviteClient::Completed { ends: Tick(5_200) }),
                    "timer K"
                );
                assert_eq!((step.send, step.tell), (None, Some(Tell::Message)));
                let step = state.clone().on_response(Tick(200), TCP, status);
                assert_eq!(
                    (step.next, step.tell),
                    (None, Some(Tell::Message)),
                    "timer K is zero on a stream"
                );
            }
            let step = state.on_transport_error();
            assert_eq!((step.next, step.tell), (None, Some(Tell::TransportError)));
        }
    }

    #[test]
    fn completed_absorbs_and_ends_by_timer_k() {
        let completed = NonInviteClient::Completed { ends: Tick(5_000) };
        for status in [100, 200, 500] {
            assert_eq!(
                completed.clone().on_response(Tick(1), UDP, status),
                Step::to(completed.clone())
            );
        }
        assert_eq!(
            completed.clone().on_transport_error(),
            Step::to(completed.clone())
        );
        assert_eq!(
            completed.clone().on_timer(Tick(4_999), UDP),
            Step::to(completed.clone())
        );
        assert_eq!(completed.on_timer(Tick(5_000), UDP), Step::end());
    }

    #[test]
    fn timer_e_doubles_up_to_t2_until_timer_f() {
        let (log, end) = run(trying(), 100_000, NonInviteClient::deadline, |m, at| {
            m.on_timer(at, UDP)
        });
        let times: Vec<u64> = log.iter().map(|(at, ..)| *at).collect();
        assert_eq!(
            times,
            [
                500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500, 32_000
            ]
        );
        assert_eq!(log.last(), Some(&(32_000, None, Some(Tell::Timeout))));
        assert_eq!(end, None);
    }

    #[test]
    fn timer_e_goes_on_at_t2_after_a_provisional() {
        let Some(machine) = trying().on_response(Tick(600), UDP, 100).next else {
            panic!("ended")
        };
        let (log, _) = run(machine, 12_000, NonInviteClient::deadline, |m, at| {
            m.on_timer(at, UDP)
        });
        assert_eq!(
            log.iter().map(|(at, ..)| *at).collect::<Vec<_>>(),
            [500, 4_500, 8_500]
        );
    }

    #[test]
    fn reliable_transport_has_timer_f_only() {
        let machine = NonInviteClient::new(bytes("BYE"), Tick(0), TCP);
        let (log, _) = run(machine, 100_000, NonInviteClient::deadline, |m, at| {
            m.on_timer(at, TCP)
        });
        assert_eq!(log, [(32_000, None, Some(Tell::Timeout))]);
    }
}
