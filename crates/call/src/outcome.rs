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
    /// The application is suspended: it has no capability to call.
    AppSuspended,
    /// The account of the application is frozen.
    SubscriberFrozen,
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
    /// The caller hung up before anybody was called: at the menu, or while the customer was asked.
    CallerGaveUpBeforeForwarding,
    /// AX: A calls X and nobody is set as its callee.
    NoTemporaryCallee,
    /// AXE, and AX with call-back: A calls X and nobody has called A through it.
    NoCallback,
    /// AX: X has no binding.
    NoAxBinding,
    /// AXYB: nothing is bound for this caller.
    NoAxybBinding,
    /// AXYB: no number is left to show the stranger as.
    NoFreeY,
    /// AXYB: the caller dialled the number that leads to itself.
    SelfCall,
    /// AXE: the extension is not bound on X, or no longer.
    BadExtension,
    /// AXE: nothing was keyed.
    EmptyExtension,
    /// AX: the customer has turned X off for calls of others.
    TurnedOff,
    /// AXE: the caller cannot be made to hear the menu.
    CollectFailed,
    /// AX and AXE: A is in another call through a private number.
    PartyBusy,
    /// X mode: the customer said `close`.
    ClosedByCustomer,
    /// X mode: the customer's answer cannot be understood or carried out.
    BadAnswer,
    /// X mode: the customer's answer names a prompt file that does not exist.
    PromptMissing,
    /// X mode: the customer did not answer in time, or not at all.
    CustomerSilent,
    /// A rule of the operator keeps the call from being made.
    Barred(Bar),
}

/// Rules that keep a call from being made, besides those of its binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Bar {
    /// The caller is on the operator's list.
    Caller,
    /// The callee is on the operator's list.
    Callee,
    /// Too many calls of the account, or of the whole node.
    DeveloperRate,
    /// Too many calls of the application.
    AppRate,
    /// Too many calls in which one number is displayed.
    DisplayRate,
    /// Too many calls that dial X.
    NumberRate,
    /// Too many calls by the caller.
    CallerRate,
    /// Too many calls to the callee.
    CalleeRate,
    /// Not at this time of the day.
    TimeOfDay,
    /// A landline may not call.
    Landline,
    /// Callers from another country are not served.
    InternationalIn,
    /// Callees in another country are not called.
    InternationalOut,
    /// Too many of the caller's calls were very short.
    CallTime,
    /// Too few of the caller's calls were answered.
    ConnectRate,
    /// The binding would show the real caller, and the trunk does not take that.
    RealCallerShown,
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
            E::AppSuspended => of(7106, "The application is suspended.", 7106, 31, 480, None),
            E::SubscriberFrozen => of(7108, "The subscriber is frozen.", 7108, 31, 480, None),
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
            E::CallerGaveUpBeforeForwarding => of(
                7516,
                "The caller hangs up before the call is forwarded.",
                7516,
                16,
                487,
                Some(1),
            ),
            E::NoTemporaryCallee => refused(8013, "No temporary callee is set.", 21, 403),
            E::NoCallback => refused(8019, "There is nobody to call back.", 1, 403),
            E::NoAxBinding => refused(8018, "The number is bound to nobody.", 21, 403),
            E::NoAxybBinding => refused(8030, "The binding does not exist.", 1, 403),
            E::NoFreeY => refused(8031, "No number is free for the caller.", 47, 503),
            E::SelfCall => refused(8032, "The caller dialled its own number.", 21, 403),
            E::BadExtension => refused(8022, "The extension is not bound.", 1, 404),
            E::EmptyExtension => refused(8033, "No extension was keyed.", 28, 484),
            E::TurnedOff => refused(8104, "The callee is switched off.", 20, 480),
            E::CollectFailed => refused(8008, "The digits could not be collected.", 88, 488),
            E::PartyBusy => refused(8102, "The callee is busy.", 17, 486),
            E::ClosedByCustomer => refused(8017, "The application refuses the call.", 21, 403),
            E::BadAnswer => refused(8014, "The answer of the application is invalid.", 41, 480),
            E::PromptMissing => refused(8006, "The voice file does not exist.", 41, 480),
            E::CustomerSilent => refused(8020, "The service is abnormal.", 41, 480),
            E::Barred(bar) => barred(bar),
        }
    }
}

/// Nobody was called: hang-up cause and release point are the same number.
fn refused(code: u32, desc: &'static str, q850: u8, sip_status: u16) -> Outcome {
    of(code, desc, code, q850, sip_status, None)
}

fn barred(bar: Bar) -> Outcome {
    match bar {
        Bar::Caller => refused(7005, "The caller is on the blacklist.", 21, 403),
        Bar::Callee => refused(7004, "The callee is on the blacklist.", 21, 403),
        Bar::DeveloperRate => refused(7001, "Too many calls of the account.", 42, 480),
        Bar::AppRate => refused(7002, "Too many calls of the application.", 42, 480),
        Bar::DisplayRate => refused(7003, "Too many calls displaying the number.", 42, 480),
        Bar::NumberRate => refused(8049, "Too many calls through the number.", 42, 480),
        Bar::CallerRate => refused(8047, "Too many calls by the caller.", 42, 480),
        Bar::CalleeRate => refused(8048, "Too many calls to the callee.", 42, 480),
        Bar::TimeOfDay => refused(8050, "Calls are not allowed at this time.", 21, 403),
        Bar::Landline => refused(8023, "The fixnum cannot be caller", 21, 403),
        Bar::InternationalIn => refused(8042, "Callers abroad are not served.", 21, 403),
        Bar::InternationalOut => refused(8043, "Callees abroad are not served.", 21, 403),
        Bar::CallTime => refused(8044, "Too many calls were too short.", 42, 480),
        Bar::ConnectRate => refused(8046, "Too few calls were answered.", 42, 480),
        Bar::RealCallerShown => refused(8024, "The real caller may not be shown.", 21, 403),
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
    use super::{Bar, Ending, Outcome};

    const BARS: [Bar; 15] = [
        Bar::Caller,
        Bar::Callee,
        Bar::DeveloperRate,
        Bar::AppRate,
        Bar::DisplayRate,
        Bar::NumberRate,
        Bar::CallerRate,
        Bar::CalleeRate,
        Bar::TimeOfDay,
        Bar::Landline,
        Bar::InternationalIn,
        Bar::InternationalOut,
        Bar::CallTime,
        Bar::ConnectRate,
        Bar::RealCallerShown,
    ];

    /// The appendix once more, as the reference has it: stateCode, ulFailReason, SIP status, who released. No
    /// wildcard: a new ending does not compile before it has a row here.
    fn reference(ending: Ending) -> (u32, u32, u16, Option<u8>) {
        use Ending as E;
        match ending {
            E::CallerHungUp => (0, 0, 487, Some(1)),
            E::CalleeHungUp => (0, 0, 487, Some(2)),
            E::StoppedByApplication => (0, 0, 480, None),
            E::StoppedByOperator => (0, 0, 503, None),
            E::MaxDuration => (8010, 8010, 480, None),
            E::CallerGaveUp => (7501, 7501, 487, Some(1)),
            E::CallerGaveUpRinging => (7502, 7502, 487, Some(1)),
            E::CallerGaveUpBeforeForwarding => (7516, 7516, 487, Some(1)),
            E::StoppedBeforeAnswer => (8004, 8004, 480, None),
            E::AnswerTimeout => (8035, 8035, 480, None),
            E::CalleeFailed { .. } => (8102, 8102, 486, Some(2)),
            E::CalleeUnreachable => (8103, 8103, 480, None),
            E::NoBinding => (8014, 8014, 403, None),
            E::WrongDirection => (8016, 8016, 403, None),
            E::NumberUnusable => (8055, 8055, 480, None),
            E::AppSuspended => (7106, 7106, 480, None),
            E::SubscriberFrozen => (7108, 7108, 480, None),
            E::NoCallerNumber => (8014, 7103, 403, None),
            E::NoRoute => (8020, 7508, 503, None),
            E::NoPorts => (522, 522, 503, None),
            E::NoCodec => (8020, 8020, 488, None),
            E::CallerMediaLost | E::CallerLost => (8020, 7505, 480, None),
            E::CalleeMediaLost | E::CalleeLost => (8020, 7506, 480, None),
            E::Interrupted => (8011, 8011, 503, None),
            E::NoTemporaryCallee => (8013, 8013, 403, None),
            E::NoCallback => (8019, 8019, 403, None),
            E::NoAxBinding => (8018, 8018, 403, None),
            E::NoAxybBinding => (8030, 8030, 403, None),
            E::NoFreeY => (8031, 8031, 503, None),
            E::SelfCall => (8032, 8032, 403, None),
            E::BadExtension => (8022, 8022, 404, None),
            E::EmptyExtension => (8033, 8033, 484, None),
            E::TurnedOff => (8104, 8104, 480, None),
            E::CollectFailed => (8008, 8008, 488, None),
            E::PartyBusy => (8102, 8102, 486, None),
            E::ClosedByCustomer => (8017, 8017, 403, None),
            E::BadAnswer => (8014, 8014, 480, None),
            E::PromptMissing => (8006, 8006, 480, None),
            E::CustomerSilent => (8020, 8020, 480, None),
            E::Barred(bar) => match bar {
                Bar::Caller => (7005, 7005, 403, None),
                Bar::Callee => (7004, 7004, 403, None),
                Bar::DeveloperRate => (7001, 7001, 480, None),
                Bar::AppRate => (7002, 7002, 480, None),
                Bar::DisplayRate => (7003, 7003, 480, None),
                Bar::NumberRate => (8049, 8049, 480, None),
                Bar::CallerRate => (8047, 8047, 480, None),
                Bar::CalleeRate => (8048, 8048, 480, None),
                Bar::TimeOfDay => (8050, 8050, 403, None),
                Bar::Landline => (8023, 8023, 403, None),
                Bar::InternationalIn => (8042, 8042, 403, None),
                Bar::InternationalOut => (8043, 8043, 403, None),
                Bar::CallTime => (8044, 8044, 480, None),
                Bar::ConnectRate => (8046, 8046, 480, None),
                Bar::RealCallerShown => (8024, 8024, 403, None),
            },
        }
    }

    fn every_ending() -> Vec<Ending> {
        use Ending as E;
        let busy = E::CalleeFailed {
            status: 486,
            ringing: true,
            q850: None,
        };
        let plain = [
            E::CallerHungUp,
            E::CalleeHungUp,
            E::StoppedByApplication,
            E::StoppedByOperator,
            E::MaxDuration,
            E::CallerGaveUp,
            E::CallerGaveUpRinging,
            E::CallerGaveUpBeforeForwarding,
            E::StoppedBeforeAnswer,
            E::AnswerTimeout,
            busy,
            E::CalleeUnreachable,
            E::NoBinding,
            E::WrongDirection,
            E::NumberUnusable,
            E::AppSuspended,
            E::SubscriberFrozen,
            E::NoCallerNumber,
            E::NoRoute,
            E::NoPorts,
            E::NoCodec,
            E::CallerMediaLost,
            E::CallerLost,
            E::CalleeMediaLost,
            E::CalleeLost,
            E::Interrupted,
            E::NoTemporaryCallee,
            E::NoCallback,
            E::NoAxBinding,
            E::NoAxybBinding,
            E::NoFreeY,
            E::SelfCall,
            E::BadExtension,
            E::EmptyExtension,
            E::TurnedOff,
            E::CollectFailed,
            E::PartyBusy,
            E::ClosedByCustomer,
            E::BadAnswer,
            E::PromptMissing,
            E::CustomerSilent,
        ];
        plain.into_iter().chain(BARS.map(E::Barred)).collect()
    }

    #[test]
    fn every_ending_has_the_codes_of_the_reference() {
        for ending in every_ending() {
            let o: Outcome = ending.outcome();
            let is = (o.state_code, o.ul_fail_reason, o.sip_status, o.released_by);
            assert_eq!(is, reference(ending), "{ending:?}");
            assert!((400..700).contains(&o.sip_status), "{ending:?}");
            assert!((1..=127).contains(&o.q850), "{ending:?}");
            let desc = o.state_desc;
            assert!(!desc.is_empty() && desc.len() <= 128, "{ending:?}");
        }
    }

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
