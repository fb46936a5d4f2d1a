//! The table: one row for each ending.

use super::{Bar, Ending, Outcome};

/// Who released a call, as events count.
#[derive(Clone, Copy)]
enum By {
    Nobody,
    Caller,
    Callee,
}

impl By {
    const fn code(self) -> Option<u8> {
        match self {
            By::Nobody => None,
            By::Caller => Some(1),
            By::Callee => Some(2),
        }
    }
}

/// Writes the rows out as a match, so that an ending without a row does not compile, and as a list.
macro_rules! endings {
    ($($name:ident$(($bar:ident))? => $state:literal, $point:literal, $q850:literal, $sip:literal, $by:ident, $text:literal;)*) => {
        /// What an ending is called.
        pub(super) fn row(ending: Ending) -> Outcome {
            match ending {
                $(Ending::$name$((Bar::$bar))? => Outcome {
                    state_code: $state,
                    state_desc: $text,
                    ul_fail_reason: $point,
                    q850: $q850,
                    sip_status: $sip,
                    released_by: By::$by.code(),
                },)*
                Ending::CalleeFailed { status, ringing, q850 } => callee_failed(status, ringing, q850),
            }
        }

        /// All endings that have a row.
        pub(super) const ENDINGS: &[Ending] = &[$(Ending::$name$((Bar::$bar))?,)*];
    };
}

// stateCode, ulFailReason, Q.850 cause, SIP status for a caller who was not answered, who released the call, stateDesc.
endings! {
    // Somebody ended it, or its time was over.
    CallerHungUp                =>    0,    0,  16, 487, Caller, "The user releases the call.";
    CalleeHungUp                =>    0,    0,  16, 480, Callee, "The user releases the call.";
    StoppedByApplication        =>    0,    0,  16, 480, Nobody, "The application releases the call.";
    StoppedByOperator           =>    0,    0,  41, 503, Nobody, "The platform releases the call.";
    MaxDuration                 => 8010, 8010, 102, 480, Nobody, "The maximum call duration is reached.";
    CallerGaveUp                => 7501, 7501,  16, 487, Caller, "The caller hangs up before ringing.";
    CallerGaveUpRinging         => 7502, 7502,  16, 487, Caller, "The caller hangs up during ringing.";
    CallerGaveUpBeforeForwarding => 7516, 7516,  16, 487, Caller, "The caller hangs up before the call is forwarded.";
    StoppedBeforeAnswer         => 8004, 8004,  16, 480, Nobody, "The application ends the call before the answer.";
    AnswerTimeout               => 8035, 8035,  19, 480, Nobody, "The callee does not answer in time.";
    CalleeUnreachable           => 8103, 8103,  20, 480, Nobody, "The callee cannot be reached.";
    // Its binding, or the lack of one.
    NoBinding                   => 8014, 8014,   1, 403, Nobody, "The binding does not exist.";
    WrongDirection              => 8016, 8016,  21, 403, Nobody, "The call direction is not allowed.";
    NoTemporaryCallee           => 8013, 8013,  21, 403, Nobody, "No temporary callee is set.";
    NoCallback                  => 8019, 8019,   1, 403, Nobody, "There is nobody to call back.";
    NoAxBinding                 => 8018, 8018,  21, 403, Nobody, "The number is bound to nobody.";
    NoAxybBinding               => 8030, 8030,   1, 403, Nobody, "The binding does not exist.";
    NoFreeY                     => 8031, 8031,  47, 503, Nobody, "No number is free for the caller.";
    SelfCall                    => 8032, 8032,  21, 403, Nobody, "The caller dialled its own number.";
    BadExtension                => 8022, 8022,   1, 404, Nobody, "The extension is not bound.";
    EmptyExtension              => 8033, 8033,  28, 484, Nobody, "No extension was keyed.";
    TurnedOff                   => 8104, 8104,  20, 480, Nobody, "The callee is switched off.";
    PartyBusy                   => 8102, 8102,  17, 486, Nobody, "The callee is busy.";
    // X mode.
    ClosedByCustomer            => 8017, 8017,  21, 403, Nobody, "The application refuses the call.";
    BadAnswer                   => 8014, 8014,  41, 480, Nobody, "The answer of the application is invalid.";
    PromptMissing               => 8006, 8006,  41, 480, Nobody, "The voice file does not exist.";
    CustomerSilent              => 8020, 8020,  41, 480, Nobody, "The service is abnormal.";
    // What it needs is not there.
    NumberUnusable              => 8055, 8055,  31, 480, Nobody, "The number cannot be used.";
    AppSuspended                => 7106, 7106,  31, 480, Nobody, "The application is suspended.";
    SubscriberFrozen            => 7108, 7108,  31, 480, Nobody, "The subscriber is frozen.";
    NoCallerNumber              => 8014, 7103,  21, 403, Nobody, "The number of the caller is missing.";
    NoRoute                     => 8020, 7508,   3, 503, Nobody, "No route to the callee.";
    NoPorts                     =>  522,  522,  47, 503, Nobody, "The voice ports are exhausted.";
    NoCodec                     => 8020, 8020,  88, 488, Nobody, "No codec in common.";
    CollectFailed               => 8008, 8008,  88, 488, Nobody, "The digits could not be collected.";
    // Something broke.
    CallerMediaLost             => 8020, 7505,  41, 480, Nobody, "No audio from the side of the caller.";
    CalleeMediaLost             => 8020, 7506,  41, 480, Nobody, "No audio from the side of the callee.";
    CallerLost                  => 8020, 7505,  41, 480, Nobody, "The side of the caller stopped responding.";
    CalleeLost                  => 8020, 7506,  41, 480, Nobody, "The side of the callee stopped responding.";
    Interrupted                 => 8011, 8011,  41, 503, Nobody, "The platform was interrupted.";
    // A rule of the operator.
    Barred(Caller)              => 7005, 7005,  21, 403, Nobody, "The caller is on the blacklist.";
    Barred(Callee)              => 7004, 7004,  21, 403, Nobody, "The callee is on the blacklist.";
    Barred(DeveloperRate)       => 7001, 7001,  42, 480, Nobody, "Too many calls of the account.";
    Barred(AppRate)             => 7002, 7002,  42, 480, Nobody, "Too many calls of the application.";
    Barred(DisplayRate)         => 7003, 7003,  42, 480, Nobody, "Too many calls displaying the number.";
    Barred(NumberRate)          => 8049, 8049,  42, 480, Nobody, "Too many calls through the number.";
    Barred(CallerRate)          => 8047, 8047,  42, 480, Nobody, "Too many calls by the caller.";
    Barred(CalleeRate)          => 8048, 8048,  42, 480, Nobody, "Too many calls to the callee.";
    Barred(TimeOfDay)           => 8050, 8050,  21, 403, Nobody, "Calls are not allowed at this time.";
    Barred(Landline)            => 8023, 8023,  21, 403, Nobody, "The fixnum cannot be caller";
    Barred(InternationalIn)     => 8042, 8042,  21, 403, Nobody, "Callers abroad are not served.";
    Barred(InternationalOut)    => 8043, 8043,  21, 403, Nobody, "Callees abroad are not served.";
    Barred(CallTime)            => 8044, 8044,  42, 480, Nobody, "Too many calls were too short.";
    Barred(ConnectRate)         => 8046, 8046,  42, 480, Nobody, "Too few calls were answered.";
    Barred(RealCallerShown)     => 8024, 8024,  21, 403, Nobody, "The real caller may not be shown.";
}

macro_rules! refusals {
    ($($status:pat, $rang:pat => $code:literal, $q850:literal, $text:literal;)*) => {
        fn refusal(status: u16, rang: bool) -> (u32, u8, &'static str) {
            match (status, rang) {
                $(($status, $rang) => ($code, $q850, $text),)*
            }
        }
    };
}

// What the callee's side says: its SIP status, whether it had rung; stateCode and ulFailReason, Q.850 cause, stateDesc.
refusals! {
    404 | 410 | 484 | 604, _ => 8100,  1, "The callee number does not exist.";
    408 | 480, true          => 8101, 19, "The callee does not answer.";
    486 | 600, _             => 8102, 17, "The callee is busy.";
    408 | 480, false         => 8103, 20, "The callee cannot be reached.";
    403 | 603, _             => 7504, 21, "The call is refused.";
    488 | 606, _             => 8020, 88, "No codec in common.";
    502, _                   => 8105, 27, "The callee is out of service.";
    _, _                     => 8020, 41, "The service is abnormal.";
}

/// A failure of the second leg: the SIP status decides, a Q.850 cause in a Reason header refines it.
fn callee_failed(status: u16, ringing: bool, q850: Option<u8>) -> Outcome {
    let (code, usual, state_desc) = refusal(refined(status, q850), ringing);
    let sip_status = match status {
        403 | 404 | 410 | 480 | 484 | 486 | 488 | 600 | 603 | 604 | 606 => status,
        408 => 480,
        // A 503 of the far side says nothing about us (RFC 3261 §16.7): everything else is a 500.
        _ => 500,
    };
    Outcome {
        state_code: code,
        state_desc,
        ul_fail_reason: code,
        q850: q850.unwrap_or(usual),
        sip_status,
        released_by: By::Callee.code(),
    }
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
