//! Every way a call can end, and what each is called on the wire and in the record: one table.
//!
//! Codes are those of the PrivateNumber appendix (hang-up causes, release points), Q.850 and SIP.

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ending {
    /// The caller hung up after the answer.
    CallerHungUp,
    /// The callee hung up after the answer.
    CalleeHungUp,
    /// The application ended an answered call by `callStop`.
    StoppedByApplication,
    /// The operator drained the node, or ended the call.
    StoppedByOperator,
    /// `maxDuration` was reached.
    MaxDuration,
    /// The caller gave up before the callee rang.
    CallerGaveUp,
    /// The caller gave up while the callee rang.
    CallerGaveUpRinging,
    /// The application ended the call before the answer.
    StoppedBeforeAnswer,
    /// The callee did not answer within the platform's limit.
    AnswerTimeout,
    /// The callee's side said no with this SIP status; `ringing` tells whether it rang before.
    CalleeFailed {
        /// Final status of the second leg.
        status: u16,
        /// It had rung.
        ringing: bool,
        /// Q.850 cause from its Reason header.
        q850: Option<u8>,
    },
    /// The callee's trunk did not answer at all, or could not be reached.
    CalleeUnreachable,
    /// Nothing is bound for this caller on X, or it has expired.
    NoBinding,
    /// The binding does not allow this direction.
    WrongDirection,
    /// X may not be used (suspended, unavailable).
    NumberUnusable,
    /// The application is suspended.
    AppSuspended,
    /// The caller's number is missing or unusable.
    NoCallerNumber,
    /// No trunk leads to the callee.
    NoRoute,
    /// No media ports are left.
    NoPorts,
    /// The parties have no codec in common.
    NoCodec,
    /// No RTP came from the caller's side.
    CallerMediaLost,
    /// No RTP came from the callee's side.
    CalleeMediaLost,
    /// The caller's side vanished: no ACK, or a request went unanswered.
    CallerLost,
    /// The callee's side vanished.
    CalleeLost,
    /// The node was stopped or broke; the record was made after the restart.
    Interrupted,
}

/// What an ending is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Hang-up cause (`stateCode`).
    pub state_code: u32,
    /// Its text (`stateDesc`).
    pub state_desc: &'static str,
    /// Release point (`ulFailReason`).
    pub ul_fail_reason: u32,
    /// Q.850 cause told to both legs and, when the callee never answered, in the record.
    pub q850: u8,
    /// Status that the caller gets when it was not answered.
    pub sip_status: u16,
    /// 1 the caller released, 2 the callee; none: the platform.
    pub released_by: Option<u8>,
}

impl Ending {
    /// The names of this ending.
    pub fn outcome(self) -> Outcome {
        use Ending as E;
        match self {
            E::CallerHungUp => of(0, "The user releases the call.", 0, 16, 487, Some(1)),
            E::CalleeHungUp => of(0, "The user releases the call.", 0, 16, 487, Some(2)),
            E::StoppedByApplication => {
                of(0, "The application releases the call.", 0, 16, 480, None)
            }
            E::StoppedByOperator => of(0, "The platform releases the call.", 0, 41, 503, None),
            E::MaxDuration => of(
                8010,
                "The maximum call duration is reached.",
                8010,
                102,
                480,
                None,
            ),
            E::CallerGaveUp => of(
                7501,
                "The caller hangs up before ringing.",
                7501,
                16,
                487,
                Some(1),
            ),
            E::CallerGaveUpRinging => of(
                7502,
                "The caller hangs up during ringing.",
                7502,
                16,
                487,
                Some(1),
            ),
            E::StoppedBeforeAnswer => of(
                8004,
                "The application ends the call before the answer.",
                8004,
                16,
                480,
                None,
            ),
            E::AnswerTimeout => of(
                8035,
                "The callee does not answer in time.",
                8035,
                19,
                480,
                None,
            ),
            E::CalleeFailed {
                status,
                ringing,
                q850,
            } => callee_failed(status, ringing, q850),
            E::CalleeUnreachable => of(8103, "The callee cannot be reached.", 8103, 20, 480, None),
            E::NoBinding => of(8014, "The binding does not exist.", 8014, 1, 403, None),
            E::WrongDirection => of(
                8016,
                "The call direction is not allowed.",
                8016,
                21,
                403,
                None,
            ),
            E::NumberUnusable => of(8055, "The number cannot be used.", 8055, 31, 480, None),
            E::AppSuspended => of(7108, "The subscriber is frozen.", 7108, 31, 480, None),
            E::NoCallerNumber => of(
                8014,
                "The number of the caller is missing.",
                7103,
                21,
                403,
                None,
            ),
            E::NoRoute => of(8020, "No route to the callee.", 7508, 3, 503, None),
            E::NoPorts => of(522, "The voice ports are exhausted.", 522, 47, 503, None),
            E::NoCodec => of(8020, "No codec in common.", 8020, 88, 488, None),
            E::CallerMediaLost => of(
                8020,
                "No audio from the side of the caller.",
                7505,
                41,
                480,
                None,
            ),
            E::CalleeMediaLost => of(
                8020,
                "No audio from the side of the callee.",
                7506,
                41,
                480,
                None,
            ),
            E::CallerLost => of(
                8020,
                "The side of the caller stopped responding.",
                7505,
                41,
                480,
                None,
            ),
            E::CalleeLost => of(
                8020,
                "The side of the callee stopped responding.",
                7506,
                41,
                480,
                None,
            ),
            E::Interrupted => of(8011, "The platform was interrupted.", 8011, 41, 503, None),
        }
    }
}

fn of(
    state_code: u32,
    state_desc: &'static str,
    ul_fail_reason: u32,
    q850: u8,
    sip_status: u16,
    released_by: Option<u8>,
) -> Outcome {
    Outcome {
        state_code,
        state_desc,
        ul_fail_reason,
        q850,
        sip_status,
        released_by,
    }
}

/// A failure of the second leg: the SIP status decides, a Q.850 cause in a Reason header refines it.
fn callee_failed(status: u16, ringing: bool, q850: Option<u8>) -> Outcome {
    let (state, desc, default_q850) = match (refined(status, q850), ringing) {
        (404 | 410 | 484 | 604, _) => (8100, "The callee number does not exist.", 1),
        (408 | 480, true) => (8101, "The callee does not answer.", 19),
        (486 | 600, _) => (8102, "The callee is busy.", 17),
        (408 | 480, false) => (8103, "The callee cannot be reached.", 20),
        (403 | 603, _) => (7504, "The call is refused.", 21),
        (488 | 606, _) => (8020, "No codec in common.", 88),
        (502, _) => (8105, "The callee is out of service.", 27),
        _ => (8020, "The service is abnormal.", 41),
    };
    let sip = match status {
        403 | 404 | 410 | 480 | 484 | 486 | 488 | 600 | 603 | 604 | 606 => status,
        408 => 480,
        // A 503 of the far side says nothing about us (RFC 3261 §16.7): everything else is a 500.
        _ => 500,
    };
    of(
        state,
        desc,
        state,
        q850.unwrap_or(default_q850),
        sip,
        Some(2),
    )
}

/// The status whose meaning the Q.850 cause has, where it has one.
fn refined(status: u16, q850: Option<u8>) -> u16 {
    match q850 {
        Some(1 | 22 | 28) => 404,
        Some(17) => 486,
        Some(18 | 19) => 408,
        Some(20) => 480,
        Some(21) => 403,
        Some(27) => 502,
        _ => status,
    }
}

#[cfg(test)]
mod tests {
    use super::Ending;

    fn failed(status: u16, ringing: bool, q850: Option<u8>) -> (u32, u16, u8) {
        let o = Ending::CalleeFailed {
            status,
            ringing,
            q850,
        }
        .outcome();
        (o.state_code, o.sip_status, o.q850)
    }

    #[test]
    fn sip_status_of_the_callee_decides_the_code() {
        assert_eq!(failed(404, false, None), (8100, 404, 1));
        assert_eq!(failed(410, true, None), (8100, 410, 1));
        assert_eq!(failed(604, true, None), (8100, 604, 1));
        assert_eq!(failed(480, true, None), (8101, 480, 19));
        assert_eq!(failed(408, true, None), (8101, 480, 19));
        assert_eq!(failed(480, false, None), (8103, 480, 20));
        assert_eq!(failed(486, true, None), (8102, 486, 17));
        assert_eq!(failed(600, false, None), (8102, 600, 17));
        assert_eq!(failed(403, true, None), (7504, 403, 21));
        assert_eq!(failed(603, false, None), (7504, 603, 21));
        assert_eq!(failed(503, true, None), (8020, 500, 41));
        assert_eq!(failed(401, false, None), (8020, 500, 41));
        assert_eq!(failed(302, false, None), (8020, 500, 41));
    }

    #[test]
    fn q850_in_the_reason_refines_the_code_but_not_the_status() {
        assert_eq!(failed(500, false, Some(17)), (8102, 500, 17));
        assert_eq!(failed(480, true, Some(1)), (8100, 480, 1));
        assert_eq!(failed(480, true, Some(16)), (8101, 480, 16));
    }
}
