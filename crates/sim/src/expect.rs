//! What has to come out of a call in which nothing races: read off its plan, independently of the code under test.

use std::time::Duration;

use axbridge_call::{CallRecord, Prack};

use crate::kinds::{Customer, Kind, Y};
use crate::plan::{Act, Bound, Identity, OnCancel, OnReinvite, Party, Reliable, Step, Story};
use crate::world::Pair;

/// What has to come out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// `stateCode`: one of these.
    pub states: &'static [u32],
    /// The caller's final status, where it is known.
    pub status: Option<u16>,
}

/// Holds the record and the caller's status to what had to come out.
pub(crate) fn compare(pair: &Pair, record: &CallRecord, wrong: &mut Vec<String>) {
    let answered = record.fwd_answer_ms.is_some();
    if record.record_flag == 1 && record.record_object.is_none() {
        wrong.push("a recording without a name".into());
    }
    if record.record_flag == 1 && !answered {
        wrong.push("a recording of a call that was not answered".into());
    }
    let by_menu = pair.story.kind == Kind::Axe { answers: true };
    // A caller without an offer can be answered by a menu in any case.
    let by_menu =
        by_menu || (matches!(pair.story.kind, Kind::Axe { .. }) && !pair.story.caller.offers);
    if pair.phones[0].last_status == Some(200) && !answered && !by_menu {
        wrong.push("the caller was answered but the callee was not".into());
    }
    if record.call_end_ms < record.call_in_ms {
        wrong.push("ended before it began".into());
    }
    let Some(expected) = expected(&pair.story) else {
        return;
    };
    if !expected.states.contains(&record.state_code) {
        let (is, should) = (record.state_code, expected.states);
        wrong.push(format!("stateCode {is} instead of {should:?}"));
    }
    let status = pair.phones[0].last_status;
    if expected.status.is_some() && status != expected.status {
        let should = expected.status;
        wrong.push(format!(
            "the caller was told {status:?} instead of {should:?}"
        ));
    }
}

/// What has to come out of a story, if that can be known beforehand.
#[must_use]
pub fn expected(story: &Story) -> Option<Expected> {
    if story.stopped.is_some() || story.caller.party.vanishes.is_some() {
        return None;
    }
    if story.caller.cancels.is_some() {
        return (story.kind == Kind::Axb).then(|| cancelled(story))?;
    }
    let early_ends = |acts: &[(Duration, Act)]| {
        acts.iter()
            .any(|(_, a)| matches!(a, Act::Bye | Act::Vanish))
    };
    if early_ends(&story.caller.party.early) || early_ends(&story.callee.party.early) {
        return None;
    }
    let known = |states, status| {
        Some(Expected {
            states,
            status: Some(status),
        })
    };
    match story.bound {
        Bound::NoSuchX => return None,
        Bound::AppSuspended => return known(&[7106], 480),
        _ if story.caller.identity == Identity::Hidden => return known(&[8014], 403),
        Bound::Suspended => return known(&[8055], 480),
        _ if story.kind != Kind::Axb => return of_kind(story),
        Bound::Others => return known(&[8014], 403),
        Bound::ExpiresIn(ms) if ms <= 0 => return known(&[8014], 403),
        // Only a clean link brings the INVITE at a known moment.
        Bound::ExpiresIn(_) => {
            if story.a_link != crate::net::LinkPlan::CLEAN {
                return None;
            }
        }
        Bound::WrongDirection => return known(&[8016], 403),
        Bound::Yes { .. } => {}
    }
    if story.media.no_ports {
        return known(&[522], 503);
    }
    called(story)
}

/// What the other kinds have of their own; then the callee decides.
fn of_kind(story: &Story) -> Option<Expected> {
    let known = |states, status| {
        Some(Expected {
            states,
            status: Some(status),
        })
    };
    let caller_is_a = matches!(story.bound, Bound::Yes { caller_is_a: true });
    match (story.kind, story.bound) {
        (Kind::Ax, Bound::Others) => return known(&[8018], 403),
        (Kind::Axyb(_), Bound::Others) => return known(&[8030], 403),
        (Kind::Ax | Kind::Axyb(_), Bound::WrongDirection) => return known(&[8016], 403),
        // What is keyed comes in whatever order the network likes.
        (Kind::Axe { .. }, _) if !caller_is_a => return None,
        (Kind::Axyb(Y::NoneFree(_) | Y::Silent), _) if !caller_is_a => return known(&[8031], 503),
        (Kind::X(customer), _) if customer.is_late() => return known(&[8020], 480),
        (Kind::X(Customer::Closes(..)), _) => return known(&[8017], 403),
        (Kind::X(Customer::Babbles(_)), _) => return known(&[8014], 480),
        (Kind::X(Customer::NoFile(_)), _) => return known(&[8006], 480),
        _ => {}
    }
    if story.media.no_ports {
        return known(&[522], 503);
    }
    called(story)
}

/// The caller gives up and the callee never gives a final answer by itself.
fn cancelled(story: &Story) -> Option<Expected> {
    let decides = |s: &(_, Step)| matches!(s.1, Step::Answer { .. } | Step::Reject(..));
    let at = story.caller.cancels?;
    // Not before the INVITE has come, not after anything else may have ended the call.
    let in_time = at > Duration::from_secs(2)
        && at < story.rules.answer_timeout / 2
        && at < Duration::from_secs(20);
    let plain = matches!(story.bound, Bound::Yes { .. })
        && !story.media.no_ports
        && story.caller.identity != Identity::Hidden
        && speaks_g711(&story.caller.party)
        && story.caller.party.early.is_empty()
        && story.callee.party.early.is_empty()
        && story.callee.party.vanishes.is_none()
        && story.callee.party.reliable != Reliable::Required
        && !story.callee.steps.iter().any(decides)
        && story.callee.on_cancel != OnCancel::Answer;
    // Which of the two depends on whether a 180 came.
    (plain && in_time).then_some(Expected {
        states: &[7501, 7502],
        status: Some(487),
    })
}

/// The callee decides: by its one final step.
fn called(story: &Story) -> Option<Expected> {
    let callee = &story.callee;
    if !speaks_g711(&story.caller.party) {
        // A call that is recorded or speaks to the caller needs G.711; others do not.
        return None;
    }
    if callee.silent {
        // Nothing at all for 64*T1, unless the answer timeout is shorter.
        let long = story.rules.answer_timeout > Duration::from_secs(40);
        return long.then_some(Expected {
            states: &[8103],
            status: Some(480),
        });
    }
    let refuses =
        callee.party.reliable == Reliable::Required && story.b_trunk.prack == Prack::Never;
    if callee.party.vanishes.is_some() || refuses {
        return None;
    }
    let finals: Vec<Step> = callee
        .steps
        .iter()
        .map(|(_, s)| *s)
        .filter(|s| matches!(s, Step::Answer { .. } | Step::Reject(..)))
        .collect();
    let rings = callee
        .steps
        .iter()
        .any(|(_, s)| matches!(s, Step::Progress { status: 180, .. }));
    match finals[..] {
        [] => Some(Expected {
            states: &[8035],
            status: Some(480),
        }),
        // Whether the 180 was heard before the refusal depends on the network.
        [Step::Reject(status, None)] if !rings && in_time(story) => refused(status),
        [Step::Answer { .. }] => answered(story),
        _ => None,
    }
}

fn speaks_g711(party: &Party) -> bool {
    party
        .codecs
        .iter()
        .any(|c| matches!(c.name, "PCMA" | "PCMU"))
}

/// The callee decides long before its time is up.
fn in_time(story: &Story) -> bool {
    let late = story.rules.answer_timeout / 2;
    story.callee.steps.iter().all(|(at, _)| *at < late)
}

/// The decisions of the project, written down a second time.
fn refused(status: u16) -> Option<Expected> {
    let (states, told): (&[u32], u16) = match status {
        404 | 410 | 604 => (&[8100], status),
        486 | 600 => (&[8102], status),
        408 | 480 => (&[8103], 480),
        403 | 603 => (&[7504], status),
        500..=599 => (&[8020], 500),
        _ => return None,
    };
    Some(Expected {
        states,
        status: Some(told),
    })
}

/// Answered once, and nobody but one party or the clock can end it.
fn answered(story: &Story) -> Option<Expected> {
    let parties = [&story.caller.party, &story.callee.party];
    let byes = parties
        .iter()
        .flat_map(|p| &p.talk)
        .filter(|(_, a)| *a == Act::Bye)
        .count();
    let trouble = parties
        .iter()
        .flat_map(|p| &p.talk)
        .any(|(_, a)| *a == Act::Vanish);
    let gone = |p: &Party| p.on_reinvite == OnReinvite::Refuse(481);
    if trouble || !parties.iter().all(|p| speaks_g711(p)) || parties.iter().any(|p| gone(p)) {
        return None;
    }
    if story.caller.party.acks_lost > 3 || !in_time(story) {
        return None;
    }
    match (byes, story.rules.minutes) {
        (1, 0) => Some(Expected {
            states: &[0],
            status: Some(200),
        }),
        (0, 1..) => Some(Expected {
            states: &[8010],
            status: Some(200),
        }),
        _ => None,
    }
}
