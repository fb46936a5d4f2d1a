//! INVITE client transaction: RFC 3261 §17.1.1 with the Accepted state of RFC 6026 §8.4.

use super::{Resend, Rules, Step, Tell, earlier, is_due};
use crate::timer::Tick;
use bytes::Bytes;

/// The states. Terminated is the absence of one.
#[derive(Clone, Eq, PartialEq, Debug)]
pub enum InviteClient {
    /// The INVITE is out, nothing came back.
    Calling {
        /// The INVITE as sent.
        request: Bytes,
        /// Timer A.
        resend: Option<Resend>,
        /// Timer B.
        give_up: Tick,
        /// The user wants to cancel, which must wait for a provisional response (§9.1).
        cancel: bool,
    },
    /// A provisional response came. How long this may last is for the user to say, until he cancels.
    Proceeding {
        /// The INVITE as sent; a CANCEL or an ACK is made from it.
        request: Bytes,
        /// 64*T1 after the CANCEL (§9.1): no final response will come any more.
        give_up: Option<Tick>,
    },
    /// A final response of 300 to 699 came and was acknowledged.
    Completed {
        /// The ACK as sent, for repetitions of the response.
        ack: Option<Bytes>,
        /// Timer D.
        ends: Tick,
    },
    /// A 2xx came; more may, repeated or from other branches, and all are the user's.
    Accepted {
        /// Timer M.
        ends: Tick,
    },
}

impl InviteClient {
    /// A new transaction; the caller sends `request` now.
    pub fn new(request: Bytes, now: Tick, rules: Rules) -> Self {
        let give_up = now.after(rules.lifetime_ms());
        Self::Calling {
            request,
            resend: rules.first_resend(now),
            give_up,
            cancel: false,
        }
    }

    /// When [`Self::on_timer`] has something to do.
    pub fn deadline(&self) -> Option<Tick> {
        match self {
            Self::Calling {
                resend, give_up, ..
            } => Some(earlier(*resend, *give_up)),
            Self::Proceeding { give_up, .. } => *give_up,
            Self::Completed { ends, .. } | Self::Accepted { ends } => Some(*ends),
        }
    }

    /// The INVITE, as long as something may be made from it.
    pub fn request(&self) -> Option<&Bytes> {
        match self {
            Self::Calling { request, .. } | Self::Proceeding { request, .. } => Some(request),
            Self::Completed { .. } | Self::Accepted { .. } => None,
        }
    }

    /// A response. `make_ack` makes the ACK of §17.1.1.3 from the INVITE, if it can.
    pub fn on_response(
        self,
        now: Tick,
        rules: Rules,
        status: u16,
        make_ack: impl FnOnce(&Bytes) -> Option<Bytes>,
    ) -> Step<Self> {
        match (self, status) {
            (
                Self::Calling {
                    request, cancel, ..
                },
                100..=199,
            ) => {
                let give_up = cancel.then(|| now.after(rules.lifetime_ms()));
                Step {
                    cancel,
                    ..Step::to(Self::Proceeding { request, give_up }).tell(Tell::Message)
                }
            }
            (state @ Self::Proceeding { .. }, 100..=199) => Step::to(state).tell(Tell::Message),
            (Self::Calling { .. } | Self::Proceeding { .. }, 200..=299) => {
                Step::to(Self::Accepted {
                    ends: now.after(rules.lifetime_ms()),
                })
                .tell(Tell::Message)
            }
            (Self::Calling { request, .. } | Self::Proceeding { request, .. }, _) => {
                let ack = make_ack(&request);
                let send = ack.clone();
                let step = Step::linger(rules.absorb_responses_ms(), now, |ends| Self::Completed {
                    ack,
                    ends,
                });
                Step {
                    send,
                    ..step.tell(Tell::Message)
                }
            }
            (Self::Completed { ack, ends }, 300..) => Step {
                send: ack.clone(),
                ..Step::to(Self::Completed { ack, ends })
            },
            (state @ Self::Accepted { .. }, 200..=299) => Step::to(state).tell(Tell::Message),
            (state @ (Self::Completed { .. } | Self::Accepted { .. }), _) => Step::to(state),
        }
    }

    /// The user no longer wants an answer.
    pub fn on_cancel(self, now: Tick, rules: Rules) -> Step<Self> {
        match self {
            Self::Calling {
                request,
                resend,
                give_up,
                ..
            } => Step::to(Self::Calling {
                request,
                resend,
                give_up,
                cancel: true,
            }),
            Self::Proceeding {
                request,
                give_up: None,
            } => {
                let give_up = Some(now.after(rules.lifetime_ms()));
                Step {
                    cancel: true,
                    ..Step::to(Self::Proceeding { request, give_up })
                }
            }
            state => Step::to(state),
        }
    }

    /// Time has reached [`Self::deadline`].
    pub fn on_timer(self, now: Tick) -> Step<Self> {
        match self {
            Self::Calling { give_up, .. } if give_up <= now => Step::end().tell(Tell::Timeout),
            Self::Calling {
                request,
                resend,
                give_up,
                cancel,
            } => match is_due(resend, now) {
                Some(resend) => {
                    let sent = request.clone();
                    // Timer A doubles without bound; B ends it.
                    let resend = Some(resend.doubled(now, u32::MAX));
                    Step::to(Self::Calling {
                        request,
                        resend,
                        give_up,
                        cancel,
                    })
                    .send(&sent)
                }
                None => Step::to(Self::Calling {
                    request,
                    resend,
                    give_up,
                    cancel,
                }),
            },
            Self::Proceeding {
                give_up: Some(at), ..
            } if at <= now => Step::end().tell(Tell::Timeout),
            Self::Completed { ends, .. } | Self::Accepted { ends } if ends <= now => Step::end(),
            state => Step::to(state),
        }
    }

    /// What was sent last could not be delivered. In Proceeding that was no message of ours (or a CANCEL, whose
    /// own 64*T1 is running), and in Accepted the ACK is the user's.
    pub fn on_transport_error(self) -> Step<Self> {
        match self {
            Self::Calling { .. } | Self::Completed { .. } => Step::end().tell(Tell::TransportError),
            state => Step::to(state),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{TCP, UDP, bytes, run};
    use super::*;

    const NOW: Tick = Tick(1_000);

    fn states() -> [InviteClient; 4] {
        let request = bytes("INVITE");
        [
            InviteClient::new(request.clone(), Tick(0), UDP),
            InviteClient::Proceeding {
                request,
                give_up: None,
            },
            InviteClient::Completed {
                ack: Some(bytes("ACK")),
                ends: Tick(32_000),
            },
            InviteClient::Accepted { ends: Tick(32_000) },
        ]
    }

    fn name(state: Option<&InviteClient>) -> &'static str {
        match state {
            Some(InviteClient::Calling { .. }) => "Calling",
            Some(InviteClient::Proceeding { .. }) => "Proceeding",
            Some(InviteClient::Completed { .. }) => "Completed",
            Some(InviteClient::Accepted { .. }) => "Accepted",
            None => "Terminated",
        }
    }

    #[test]
    fn figure_5_responses() {
        let told = Some(Tell::Message);
        let table = [
            // state, status, next, sent, told
            (0, 100, "Proceeding", None, told),
            (0, 200, "Accepted", None, told),
            (0, 486, "Completed", Some("ACK"), told),
            (1, 180, "Proceeding", None, told),
            (1, 200, "Accepted", None, told),
            (1, 699, "Completed", Some("ACK"), told),
            (2, 180, "Completed", None, None),
            (2, 200, "Completed", None, None),
            (2, 486, "Completed", Some("ACK"), None),
            (3, 180, "Accepted", None, None),
            (3, 200, "Accepted", None, told),
            (3, 486, "Accepted", None, None),
        ];
        for (state, status, next, sent, tell) in table {
            let step = states()[state]
                .clone()
                .on_response(NOW, UDP, status, |_| Some(bytes("ACK")));
            assert_eq!(name(step.next.as_ref()), next, "{state} {status}");
            assert_eq!(step.send, sent.map(bytes), "{state} {status}");
            assert_eq!(step.tell, tell, "{state} {status}");
            assert!(!step.cancel);
        }
    }

    #[test]
    fn figure_5_transport_errors() {
        for (state, next, tell) in [
            (0, "Terminated", Some(Tell::TransportError)),
            (1, "Proceeding", None),
            (2, "Terminated", Some(Tell::TransportError)),
            (3, "Accepted", None),
        ] {
            let step = states()[state].clone().on_transport_error();
            assert_eq!(
                (name(step.next.as_ref()), step.tell),
                (next, tell),
                "{state}"
            );
        }
    }

    #[test]
    fn timer_a_doubles_until_timer_b() {
        let machine = InviteClient::new(bytes("INVITE"), Tick(0), UDP);
        let (log, end) = run(
            machine,
            100_000,
            InviteClient::deadline,
            InviteClient::on_timer,
        );
        let times: Vec<u64> = log.iter().map(|(at, ..)| *at).collect();
        assert_eq!(times, [500, 1_500, 3_500, 7_500, 15_500, 31_500, 32_000]);
        assert!(
            log[..6]
                .iter()
                .all(|(_, sent, told)| *sent == Some(bytes("INVITE")) && told.is_none())
        );
        assert_eq!(log[6], (32_000, None, Some(Tell::Timeout)));
        assert_eq!(end, None);
    }

    #[test]
    fn reliable_transport_has_timer_b_only_and_ends_with_the_ack() {
        let machine = InviteClient::new(bytes("INVITE"), Tick(0), TCP);
        let (log, _) = run(
            machine.clone(),
            100_000,
            InviteClient::deadline,
            InviteClient::on_timer,
        );
        assert_eq!(log, [(32_000, None, Some(Tell::Timeout))]);
        let step = machine.on_response(NOW, TCP, 404, |_| Some(bytes("ACK")));
        assert_eq!(
            (step.next, step.send, step.tell),
            (None, Some(bytes("ACK")), Some(Tell::Message))
        );
    }

    #[test]
    fn timers_d_and_m_end_without_a_word() {
        for (state, rules) in [(0, UDP), (1, UDP), (1, TCP)] {
            let step = states()[state]
                .clone()
                .on_response(NOW, rules, 200, |_| Some(bytes("ACK")));
            let Some(machine) = step.next else {
                panic!("ended")
            };
            let (log, _) = run(
                machine,
                100_000,
                InviteClient::deadline,
                InviteClient::on_timer,
            );
            assert_eq!(log, [(33_000, None, None)], "timer M");
        }
        let Some(machine) = states()[0]
            .clone()
            .on_response(NOW, UDP, 500, |_| Some(bytes("ACK")))
            .next
        else {
            panic!("ended")
        };
        let (log, _) = run(
            machine,
            100_000,
            InviteClient::deadline,
            InviteClient::on_timer,
        );
        assert_eq!(log, [(33_000, None, None)], "timer D");
    }

    #[test]
    fn cancel_waits_for_a_provisional_then_gives_up_after_64_t1() {
        let step = states()[0].clone().on_cancel(NOW, UDP);
        assert!(!step.cancel, "nothing came back yet");
        let Some(calling) = step.next else {
            panic!("ended")
        };
        let step = calling
            .clone()
            .on_response(Tick(2_000), UDP, 180, |_| Some(bytes("ACK")));
        assert!(step.cancel);
        let Some(proceeding) = step.next else {
            panic!("ended")
        };
        assert!(
            !proceeding.clone().on_cancel(NOW, UDP).cancel,
            "one CANCEL is enough"
        );
        let (log, _) = run(
            proceeding,
            100_000,
            InviteClient::deadline,
            InviteClient::on_timer,
        );
        assert_eq!(log, [(34_000, None, Some(Tell::Timeout))]);
        let step = calling.on_response(Tick(2_000), UDP, 200, |_| Some(bytes("ACK")));
        assert!(!step.cancel, "a final response leaves nothing to cancel");
    }

    #[test]
    fn cancel_after_the_final_does_nothing() {
        for state in &states()[2..] {
            assert_eq!(state.clone().on_cancel(NOW, UDP), Step::to(state.clone()));
        }
        assert!(states()[1].clone().on_cancel(NOW, UDP).cancel);
    }
}
