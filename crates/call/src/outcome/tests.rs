//! The table against the reference, written down a second time.

use super::{Bar, Ending, Outcome, Unanswered};

/// The appendix once more, as the reference has it: stateCode, ulFailReason, SIP status, who released. No
/// wildcard: a new ending does not compile before it has a row here.
fn reference(ending: Ending) -> (u32, u32, u16, Option<u8>) {
    use Ending as E;
    match ending {
        E::CallerHungUp => (0, 0, 487, Some(1)),
        E::CalleeHungUp => (0, 0, 480, Some(2)),
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

#[test]
fn every_ending_has_the_codes_of_the_reference() {
    for ending in Ending::every() {
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

#[test]
fn the_record_of_an_unanswered_leg_has_the_status_of_the_callee() {
    let failed = Ending::CalleeFailed {
        status: 503,
        ringing: false,
        q850: None,
    };
    let (told, recorded) = (failed.outcome().sip_status, failed.unanswered());
    assert_eq!((told, recorded.sip_status, recorded.q850), (500, 503, 41));
    let expired = Ending::AnswerTimeout.unanswered();
    assert_eq!(
        expired,
        Unanswered {
            q850: 19,
            sip_status: 480
        }
    );
}
