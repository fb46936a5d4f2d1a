//! Calls on a clean network, one by one: how they begin and how they end.

mod common;

use axbridge_call::StoppedBy;
use axbridge_sim::net::LinkPlan;
use axbridge_sim::plan::{
    Act, Bound, CallerPlan, Identity, MediaPlan, OnCancel, Party, Rules, Step, Story,
};
use common::*;

#[test]
fn answered_and_the_caller_hangs_up() {
    let world = play(Story {
        caller: caller(&[(S(20), Act::Bye)]),
        ..Story::default()
    });
    let end = ended(&world);
    assert_eq!((end.state, end.status), (0, Some(200)));
    assert_eq!(end.record.released_by, Some(1));
    assert_eq!(end.record.direction, 1);
    let order = [
        "callin",
        "callout",
        "alerting",
        "answer",
        "disconnect",
        "fee",
    ];
    assert_eq!(end.facts, order);
}

#[test]
fn answered_and_the_callee_hangs_up() {
    let world = play(Story {
        callee: callee(&[(S(20), Act::Bye)], &[(MS(10), RING), (S(2), ANSWER)]),
        bound: Bound::Yes { caller_is_a: false },
        ..Story::default()
    });
    let end = ended(&world);
    assert_eq!((end.state, end.record.released_by), (0, Some(2)));
    assert_eq!(end.record.direction, 0);
}

#[test]
fn refusals_of_the_callee_reach_caller_and_record() {
    for (status, q850, state, told, cause) in [
        (486, None, 8102, 486, 17),
        (404, None, 8100, 404, 1),
        (480, None, 8103, 480, 20),
        (603, None, 7504, 603, 21),
        (503, None, 8020, 500, 41),
        (302, None, 8020, 500, 41),
        (401, None, 8020, 500, 41),
        (500, Some(17), 8102, 500, 17),
    ] {
        let world = play(Story {
            callee: callee(&[], &[(MS(300), Step::Reject(status, q850))]),
            ..Story::default()
        });
        let end = ended(&world);
        assert_eq!((end.state, end.status), (state, Some(told)), "{status}");
        let record = end.record;
        assert_eq!(record.sip_status_code, status);
        assert_eq!(record.fwd_unasw_rsn, cause);
        assert_eq!(state_told(&world), state);
    }
}

#[test]
fn a_callee_who_rings_and_then_declines_does_not_answer() {
    let world = play(Story {
        callee: callee(&[], &[(MS(300), RING), (S(9), Step::Reject(480, None))]),
        ..Story::default()
    });
    assert_eq!(
        (ended(&world).state, ended(&world).status),
        (8101, Some(480))
    );
}

#[test]
fn nobody_answers_within_90_s() {
    let world = play(Story {
        callee: callee(&[], &[(MS(300), RING)]),
        ..Story::default()
    });
    let end = ended(&world);
    assert_eq!((end.state, end.status), (8035, Some(480)));
    assert_eq!(world.pairs[0].phones[1].last_status, Some(487));
    assert_eq!(
        told_at(&world, "disconnect") - told_at(&world, "callout"),
        90_000
    );
}

#[test]
fn a_callee_s_carrier_that_says_nothing_cannot_be_reached() {
    let mut story = Story::default();
    story.callee.silent = true;
    let world = play(story);
    assert_eq!(
        (ended(&world).state, ended(&world).status),
        (8103, Some(480))
    );
    assert_eq!(
        told_at(&world, "disconnect") - told_at(&world, "callout"),
        32_000
    );
}

#[test]
fn cancelled_before_it_rings() {
    let world = play(Story {
        caller: CallerPlan {
            cancels: Some(MS(500)),
            ..CallerPlan::default()
        },
        callee: callee(&[], &[(S(1), RING)]),
        ..Story::default()
    });
    assert_eq!(
        (ended(&world).state, ended(&world).status),
        (7501, Some(487))
    );
}

#[test]
fn cancelled_while_it_rings() {
    let world = play(Story {
        caller: CallerPlan {
            cancels: Some(S(3)),
            ..CallerPlan::default()
        },
        callee: callee(&[], &[(MS(300), RING)]),
        ..Story::default()
    });
    let end = ended(&world);
    assert_eq!((end.state, end.status), (7502, Some(487)));
    assert_eq!(end.record.fwd_unasw_rsn, 16);
    assert_eq!(world.pairs[0].phones[1].last_status, Some(487));
}

#[test]
fn the_callee_answers_although_it_is_cancelled() {
    let mut story = Story {
        caller: CallerPlan {
            cancels: Some(S(3)),
            ..CallerPlan::default()
        },
        callee: callee(&[], &[(MS(300), RING)]),
        ..Story::default()
    };
    story.callee.on_cancel = OnCancel::Answer;
    let world = play(story);
    // The caller hears 487, the callee gets an ACK and a BYE (RFC 3261 §9.1).
    assert_eq!(
        (ended(&world).state, ended(&world).status),
        (7502, Some(487))
    );
    assert_eq!(world.pairs[0].phones[1].last_status, Some(200));
    assert_eq!(lines(&world, "us ──▶ B    BYE").len(), 1);
}

#[test]
fn a_cancel_that_crosses_our_200_changes_nothing() {
    // The 200 needs 10 ms from B to us and 10 ms to A; the CANCEL is sent when it is between us and A.
    let mut story = Story {
        caller: CallerPlan {
            cancels: Some(MS(2_035)),
            ..CallerPlan::default()
        },
        callee: callee(&[], &[(MS(300), RING), (MS(2_000), ANSWER)]),
        ..Story::default()
    };
    story.caller.party = talker(&[(S(10), Act::Bye)]);
    let world = play(story);
    assert!(!lines(&world, "A ──▶ us          CANCEL").is_empty());
    // The caller got a 200 for an INVITE it had given up, and hangs up at once.
    assert_eq!((ended(&world).state, ended(&world).status), (0, Some(200)));
}

#[test]
fn the_caller_hangs_up_in_the_early_dialog() {
    let mut story = Story {
        callee: callee(&[], &[(MS(300), RING)]),
        ..Story::default()
    };
    story.caller.party.early = vec![(S(2), Act::Bye)];
    let world = play(story);
    assert_eq!(
        (ended(&world).state, ended(&world).status),
        (7502, Some(487))
    );
}

#[test]
fn refusals_of_ours() {
    for (bound, state, status) in [
        (Bound::Others, 8014, 403),
        (Bound::WrongDirection, 8016, 403),
        (Bound::Suspended, 8055, 480),
        (Bound::AppSuspended, 7106, 480),
    ] {
        for refusal_prompts in [false, true] {
            let world = play(Story {
                bound,
                rules: Rules {
                    refusal_prompts,
                    ..Rules::default()
                },
                ..Story::default()
            });
            let end = ended(&world);
            assert_eq!((end.state, end.status), (state, Some(status)), "{bound:?}");
            assert_eq!(end.facts, ["callin", "disconnect", "fee"]);
            let heard = prompts(&world);
            assert_eq!(heard.len(), usize::from(refusal_prompts));
            if refusal_prompts {
                // The whole prompt is heard as early media before the refusal.
                assert_eq!(lines(&world, "A ◀── us          183").len(), 1);
                let took = told_at(&world, "disconnect") - told_at(&world, "callin");
                assert_eq!(took, heard[0].1.1);
            }
        }
    }
}

#[test]
fn a_number_that_nobody_owns_is_404_and_tells_nobody() {
    let world = play(Story {
        bound: Bound::NoSuchX,
        ..Story::default()
    });
    assert_eq!(world.pairs[0].phones[0].last_status, Some(404));
    assert!(world.pairs[0].facts.is_empty());
}

#[test]
fn a_caller_without_a_number_is_refused() {
    let mut story = Story::default();
    story.caller.identity = Identity::Hidden;
    let world = play(story);
    let end = ended(&world);
    assert_eq!((end.state, end.status), (8014, Some(403)));
    assert_eq!(end.record.caller_num, "");
}

#[test]
fn a_binding_ends_at_its_very_millisecond() {
    let at = |ms| {
        let world = play(Story {
            caller: caller(&[(S(5), Act::Bye)]),
            bound: Bound::ExpiresIn(ms),
            ..Story::default()
        });
        ended(&world).state
    };
    assert_eq!(at(1), 0);
    assert_eq!(at(0), 8014);
    assert_eq!(at(-1), 8014);
}

#[test]
fn a_call_goes_on_when_its_binding_ends() {
    let world = play(Story {
        caller: caller(&[(S(20), Act::Bye)]),
        bound: Bound::ExpiresIn(3_000),
        ..Story::default()
    });
    assert_eq!(ended(&world).record.released_by, Some(1));
}

#[test]
fn no_ports() {
    let world = play(Story {
        media: MediaPlan {
            no_ports: true,
            ..MediaPlan::default()
        },
        ..Story::default()
    });
    assert_eq!(
        (ended(&world).state, ended(&world).status),
        (522, Some(503))
    );
}

#[test]
fn max_forwards_0_is_refused_and_1_reaches_the_callee() {
    let mut story = Story {
        caller: caller(&[(S(5), Act::Bye)]),
        ..Story::default()
    };
    story.caller.max_forwards = 1;
    assert_eq!(ended(&play(story.clone())).state, 0);
    story.caller.max_forwards = 0;
    let world = play(story);
    assert_eq!(world.pairs[0].phones[0].last_status, Some(483));
    assert!(world.pairs[0].facts.is_empty());
}

#[test]
fn the_application_ends_the_call_before_and_after_the_answer() {
    for (at, state, status) in [(S(1), 8004, 480), (S(9), 0, 200)] {
        let world = play(Story {
            stopped: Some((at, StoppedBy::Application)),
            ..Story::default()
        });
        let end = ended(&world);
        assert_eq!((end.state, end.status), (state, Some(status)));
        assert_eq!(end.record.released_by, None);
    }
}

#[test]
fn a_lost_ack_brings_the_200_again_and_the_bye_waits() {
    let mut story = Story {
        callee: callee(&[(S(1), Act::Bye)], &[(MS(10), RING), (S(2), ANSWER)]),
        ..Story::default()
    };
    story.caller.party.acks_lost = 3;
    let world = play(story);
    // 200 at 0, 0.5, 1.5, 3.5 s; the ACK of the fourth gets through, then the BYE follows.
    assert_eq!(lines(&world, "A ◀── us          200 (1 INVITE)").len(), 4);
    assert_eq!(ended(&world).record.released_by, Some(2));
}

#[test]
fn a_caller_that_never_acknowledges_is_lost() {
    let mut story = Story::default();
    story.caller.party.vanishes = Some(S(1));
    story.rules.minutes = 5;
    let world = play(story);
    assert_eq!(ended(&world).state, 8020);
    assert_eq!(ended(&world).record.ul_fail_reason, 7505);
    assert_eq!(
        told_at(&world, "disconnect") - told_at(&world, "answer"),
        32_000
    );
}

#[test]
fn everything_comes_twice() {
    let twice = LinkPlan {
        duplication: 1.0,
        ..LinkPlan::CLEAN
    };
    let world = play(Story {
        caller: caller(&[(S(3), Act::Hold), (S(6), Act::Resume), (S(20), Act::Bye)]),
        a_link: twice,
        b_link: twice,
        ..Story::default()
    });
    assert_eq!(ended(&world).state, 0);
    // The events, the trace and the record, each once.
    assert_eq!(lines(&world, "fact #").len(), 7);
}

#[test]
fn two_calls_at_once_do_not_touch_each_other() {
    let mut second = Story {
        callee: callee(&[], &[(MS(300), Step::Reject(486, None))]),
        ..Story::default()
    };
    second.caller.party = Party::default();
    let world = play_all(vec![
        Story {
            caller: caller(&[(S(20), Act::Bye)]),
            ..Story::default()
        },
        second,
    ]);
    assert_eq!(ended(&world).state, 0);
    assert_eq!(world.pairs[1].phones[0].last_status, Some(486));
}
