//! What the trace of a call says. That no trace holds a number or an address is an invariant of every simulated call
//! (`check`).

mod common;

use axbridge_call::{FactKind, TraceText};
use axbridge_sim::World;
use axbridge_sim::plan::{Act, Bound, Rules, Step, Story};
use common::*;

fn trace(world: &World) -> TraceText {
    let facts = &world.pairs[0].facts;
    let found = facts.iter().find_map(|f| match &f.kind {
        FactKind::Trace(trace) => Some(trace.told(&f.session_id, false)),
        _ => None,
    });
    found.expect("a trace")
}

/// The steps have these pieces, in this order.
fn says(trace: &TraceText, pieces: &[&str]) {
    let mut steps = trace.steps.iter();
    for piece in pieces {
        assert!(
            steps.any(|step| step.text.contains(piece)),
            "{piece:?} is not where it should be: {:#?}",
            trace.steps
        );
    }
}

/// `A<INVITE`, `B>ACK`, `A>200 INVITE`: the ladder without its times.
fn ladder(trace: &TraceText) -> Vec<String> {
    let line = |m: &axbridge_call::TracedMessage| {
        let leg = match m.leg {
            axbridge_call::TracedParty::Caller => 'A',
            axbridge_call::TracedParty::Callee => 'B',
        };
        let way = if m.direction == "sent" { '>' } else { '<' };
        let status = m.status.map(|s| format!("{s} ")).unwrap_or_default();
        format!("{leg}{way}{status}{}", m.method)
    };
    trace.messages.iter().map(line).collect()
}

#[test]
fn of_a_call_that_was_put_through() {
    let world = play(Story {
        caller: caller(&[(S(20), Act::Bye)]),
        rules: Rules {
            record: true,
            ..Rules::default()
        },
        ..Story::default()
    });
    let trace = trace(&world);
    says(
        &trace,
        &[
            "came in by the trunk trunk",
            "was read from the header",
            "kind AXB was found: the caller is A, so B is called",
            "is called by the trunk trunk",
            "rings",
            "has answered",
            "The recording begins",
            "The call ended: The user releases the call. (stateCode 0",
        ],
    );
    let ladder = ladder(&trace);
    assert_eq!(
        &ladder[..3],
        ["A<INVITE", "A>100 INVITE", "B>INVITE"],
        "{ladder:?}"
    );
    let place = |what: &str| {
        let at = ladder.iter().position(|line| line == what);
        at.unwrap_or_else(|| panic!("no {what} in {ladder:?}"))
    };
    let order = [
        "B<180 INVITE",
        "A>180 INVITE",
        "B<200 INVITE",
        "B>ACK",
        "A>200 INVITE",
        "A<ACK",
        "A<BYE",
        "A>200 BYE",
        "B>BYE",
    ]
    .map(place);
    assert!(order.is_sorted(), "{ladder:?}");
    for masked in [
        &trace.caller,
        &trace.private_num,
        &trace.shown_num,
        &trace.callee,
    ] {
        assert!(masked.as_ref().is_some_and(|m| m.contains("****")));
    }
    assert!(trace.media.is_some() && trace.cut.is_none());
}

#[test]
fn of_a_call_that_was_refused_with_a_prompt() {
    let world = play(Story {
        bound: Bound::Others,
        rules: Rules {
            refusal_prompts: true,
            ..Rules::default()
        },
        ..Story::default()
    });
    let trace = trace(&world);
    says(
        &trace,
        &[
            "was read from the header",
            "No binding of the private number has this caller as a party",
            "The caller hears the prompt that says why the call is refused",
            "has heard the prompt",
            "before it was answered: The binding does not exist. (stateCode 8014; the caller got 403",
        ],
    );
    assert_eq!(
        ladder(&trace).last().map(String::as_str),
        Some("A>403 INVITE")
    );
    assert!(trace.callee.is_none());
}

#[test]
fn of_a_callee_that_refuses() {
    let world = play(Story {
        callee: callee(&[], &[(MS(300), Step::Reject(486, None))]),
        ..Story::default()
    });
    let trace = trace(&world);
    says(&trace, &["is called by the trunk", "busy"]);
    let ladder = ladder(&trace);
    assert!(
        ladder.ends_with(&["B<486 INVITE".into(), "B>ACK".into(), "A>486 INVITE".into()]),
        "{ladder:?}"
    );
}
