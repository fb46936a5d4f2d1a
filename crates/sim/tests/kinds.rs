//! Calls of the other kinds on a clean network: who is reached, what is asked, what is told.

mod common;

use axbridge_sim::World;
use axbridge_sim::kinds::{Customer, EXTENSION, Kind, Y};
use axbridge_sim::plan::{Act, Bound, CallerPlan, MediaPlan, Party, Rules, Story};
use common::*;

const A_CALLS: Bound = Bound::Yes { caller_is_a: true };
const A_IS_CALLED: Bound = Bound::Yes { caller_is_a: false };

fn story(kind: Kind, bound: Bound) -> Story {
    Story {
        kind,
        bound,
        caller: caller(&[(S(20), Act::Bye)]),
        ..Story::default()
    }
}

/// A caller who keys these, one each 300 ms from half a second on: after the answer, or before it.
fn keying(kind: Kind, digits: &str) -> Story {
    let keyed = |(n, digit): (u64, char)| (MS(500 + 300 * n), Act::Digit(digit));
    let mut acts: Vec<_> = (0..).zip(digits.chars()).map(keyed).collect();
    let mut party = Party::default();
    if kind == (Kind::Axe { answers: true }) {
        acts.push((S(60), Act::Bye));
        party.talk = acts;
    } else {
        party.early = acts;
        party.talk = vec![(S(20), Act::Bye)];
    }
    Story {
        kind,
        bound: A_IS_CALLED,
        caller: CallerPlan {
            party,
            ..CallerPlan::default()
        },
        ..Story::default()
    }
}

fn names(world: &World) -> Vec<&'static str> {
    ended(world).facts
}

#[test]
fn everybody_reaches_whom_the_binding_means() {
    for (kind, bound, direction, reached) in [
        (Kind::Ax, A_CALLS, 1, false),
        (Kind::Ax, A_IS_CALLED, 0, true),
        (Kind::Axe { answers: true }, A_CALLS, 1, false),
        (Kind::Axyb(Y::Bound), A_CALLS, 1, false),
        (Kind::Axyb(Y::Bound), A_IS_CALLED, 0, false),
        (Kind::Axyb(Y::Given(40)), A_IS_CALLED, 0, false),
        (
            Kind::X(Customer::Connects(900, false)),
            A_IS_CALLED,
            2,
            false,
        ),
    ] {
        let world = play(story(kind, bound));
        let end = ended(&world);
        assert_eq!((end.state, end.status), (0, Some(200)), "{kind:?}");
        assert_eq!(end.record.direction, direction, "{kind:?}");
        assert_eq!(end.facts.contains(&"reached"), reached, "{kind:?}");
        assert!(end.facts.contains(&"answer"), "{kind:?}");
    }
}

#[test]
fn an_extension_is_keyed_at_the_menu_and_before_the_answer() {
    for answers in [true, false] {
        let world = play(keying(Kind::Axe { answers }, EXTENSION));
        let end = ended(&world);
        assert_eq!((end.state, end.status), (0, Some(200)));
        assert_eq!(end.record.extend_num.as_deref(), Some(EXTENSION));
        let wanted = [
            "callin",
            "collectInfo",
            "callout",
            "reached",
            "alerting",
            "answer",
        ];
        assert_eq!(end.facts[..6], wanted);
    }
}

#[test]
fn a_wrong_extension_may_be_keyed_again() {
    let world = play(keying(Kind::Axe { answers: true }, "99113517"));
    assert_eq!(ended(&world).state, 0);
    let keyed = names(&world)
        .iter()
        .filter(|n| **n == "collectInfo")
        .count();
    assert_eq!(keyed, 2);
}

#[test]
fn who_keys_nothing_or_nonsense_is_let_go() {
    for (digits, state) in [("", 8033), ("12#12#12#", 8022)] {
        for (answers, status) in [(true, 200), (false, if state == 8033 { 484 } else { 404 })] {
            let mut story = keying(Kind::Axe { answers }, digits);
            story.caller.party.talk.retain(|(_, act)| *act != Act::Bye);
            let end = ended(&play(story));
            assert_eq!((end.state, end.status), (state, Some(status)), "{digits:?}");
        }
    }
}

#[test]
fn what_is_not_put_through_has_its_code() {
    for (kind, bound, state, status) in [
        (Kind::Ax, Bound::Others, 8018, 403),
        (Kind::Ax, Bound::WrongDirection, 8016, 403),
        (Kind::Axyb(Y::Bound), Bound::Others, 8030, 403),
        (Kind::Axyb(Y::Bound), Bound::WrongDirection, 8016, 403),
        (Kind::Axyb(Y::NoneFree(20)), A_IS_CALLED, 8031, 503),
        (Kind::Axyb(Y::Silent), A_IS_CALLED, 8031, 503),
        (Kind::X(Customer::Closes(100, true)), A_CALLS, 8017, 403),
        (Kind::X(Customer::Babbles(100)), A_CALLS, 8014, 480),
        (Kind::X(Customer::NoFile(100)), A_CALLS, 8006, 480),
        (Kind::X(Customer::Silent), A_CALLS, 8020, 480),
        (
            Kind::X(Customer::Connects(3_200, false)),
            A_CALLS,
            8020,
            480,
        ),
    ] {
        for refusal_prompts in [false, true] {
            let end = ended(&play(Story {
                rules: Rules {
                    refusal_prompts,
                    ..Rules::default()
                },
                ..story(kind, bound)
            }));
            assert_eq!((end.state, end.status), (state, Some(status)), "{kind:?}");
            assert!(!end.facts.contains(&"callout"), "{kind:?}");
        }
    }
}

#[test]
fn the_customers_answer_decides_over_recording_and_length() {
    let world = play(Story {
        rules: Rules {
            minutes: 2,
            minute: S(10),
            record: true,
            record_hint: true,
            last_minute_voice: true,
            pre_voice: true,
            ..Rules::default()
        },
        caller: CallerPlan::default(),
        ..story(Kind::X(Customer::Connects(300, true)), A_CALLS)
    });
    let end = ended(&world);
    assert_eq!((end.state, end.record.record_flag), (8010, 1));
    assert!(end.record.asked);
}

#[test]
fn no_ports_at_a_menu_or_after_an_answer() {
    for kind in [
        Kind::Axe { answers: true },
        Kind::X(Customer::Connects(10, false)),
        Kind::Axyb(Y::Given(10)),
    ] {
        let end = ended(&play(Story {
            media: MediaPlan {
                no_ports: true,
                ..MediaPlan::default()
            },
            ..story(kind, A_IS_CALLED)
        }));
        assert_eq!((end.state, end.status), (522, Some(503)), "{kind:?}");
    }
}
