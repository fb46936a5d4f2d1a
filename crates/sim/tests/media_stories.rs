//! Calls on a clean network: early media, hold, codecs, 100rel, prompts, recordings, limits.

mod common;

use axbridge_media::{Command, Side};
use axbridge_sim::phone::sdp::{AMR, G729, PCMA, PCMU};
use axbridge_sim::plan::{Act, MediaPlan, OnReinvite, Reliable, Rules, Step, Story};
use common::*;

#[test]
fn early_media_is_heard_and_the_200_repeats_the_answer() {
    let world = play(Story {
        caller: caller(&[(S(20), Act::Bye)]),
        callee: callee(
            &[],
            &[(MS(300), progress(183, true, false)), (S(4), ANSWER)],
        ),
        ..Story::default()
    });
    assert_eq!(ended(&world).state, 0);
    let bridged = commands(&world, |c| matches!(c, Command::Bridge(true)).then_some(()));
    assert!(bridged[0].0 < S(1), "{bridged:?}");
    assert_eq!(lines(&world, "A ◀── us          183 (1 INVITE) {").len(), 1);
}

#[test]
fn prack_on_both_sides_each_by_itself() {
    let steps = [
        (MS(300), progress(183, true, true)),
        (S(1), progress(180, false, true)),
        (S(4), ANSWER),
    ];
    for (a, b) in [
        (Reliable::Required, Reliable::Supported),
        (Reliable::Supported, Reliable::No),
        (Reliable::No, Reliable::Required),
    ] {
        let mut story = Story {
            caller: caller(&[(S(20), Act::Bye)]),
            callee: callee(&[], &steps),
            ..Story::default()
        };
        story.caller.party = with_100rel(story.caller.party, a);
        story.callee.party = with_100rel(story.callee.party, b);
        let world = play(story);
        assert_eq!(ended(&world).state, 0);
        let pracks = |what| lines(&world, what).len();
        let expected = |r| if r == Reliable::No { 0 } else { 2 };
        assert_eq!(pracks("A ──▶ us          PRACK"), expected(a), "{a:?}");
        assert_eq!(pracks("us ──▶ B    PRACK"), expected(b), "{b:?}");
    }
}

#[test]
fn a_late_offer_gets_ours_in_the_200() {
    let mut story = Story {
        caller: caller(&[(S(20), Act::Bye)]),
        ..Story::default()
    };
    story.caller.offers = false;
    let world = play(story);
    assert_eq!(ended(&world).state, 0);
    assert_eq!(lines(&world, "A ◀── us          200 (1 INVITE) {").len(), 1);
    assert_eq!(lines(&world, "A ──▶ us          ACK 1 {").len(), 1);
}

#[test]
fn a_late_offer_that_requires_100rel_gets_ours_in_the_first_response() {
    let mut story = Story {
        caller: caller(&[(S(20), Act::Bye)]),
        ..Story::default()
    };
    story.caller.offers = false;
    story.caller.party.reliable = Reliable::Required;
    let world = play(story);
    assert_eq!(ended(&world).state, 0);
    assert_eq!(lines(&world, "A ──▶ us          PRACK 2 RAck").len(), 1);
    assert!(lines(&world, "A ──▶ us          PRACK 2")[0].contains("{40000"));
    assert_eq!(lines(&world, "A ◀── us          200 (1 INVITE) {").len(), 0);
}

#[test]
fn hold_and_resume_from_either_side() {
    let acts = [
        (S(2), Act::Hold),
        (S(10), Act::Resume),
        (S(12), Act::UpdateHold),
        (S(20), Act::UpdateResume),
        (S(22), Act::HoldOld),
        (S(30), Act::Resume),
        (S(60), Act::Bye),
    ];
    for by_caller in [true, false] {
        let mut story = Story::default();
        match by_caller {
            true => story.caller = caller(&acts),
            false => story.callee.party = talker(&acts),
        }
        let world = play(story);
        assert_eq!(ended(&world).state, 0);
        let side = if by_caller { Side::A } else { Side::B };
        let held = commands(&world, |c| match c {
            Command::Connect {
                side: s,
                negotiated,
                ..
            } if *s == side => Some(!negotiated.direction.sends()),
            _ => None,
        });
        let turns: Vec<bool> = held.iter().map(|(_, held)| *held).collect();
        assert_eq!(turns, [false, true, false, true, false, true, false]);
    }
}

#[test]
fn two_offers_that_meet_both_get_through_in_the_end() {
    let world = play(Story {
        caller: caller(&[(S(5), Act::Hold), (S(60), Act::Bye)]),
        callee: callee(&[(S(5), Act::Refresh)], &[(MS(10), RING), (S(2), ANSWER)]),
        ..Story::default()
    });
    // Both INVITEs cross on the wire; whoever loses tries again by itself. The agreement is checked at the BYE.
    assert_eq!(ended(&world).state, 0);
}

#[test]
fn glare_on_the_wire_is_491() {
    // A's hold has gone out to B when B's own hold comes in.
    let mut story = Story {
        caller: caller(&[(MS(5_000), Act::Hold), (S(60), Act::Bye)]),
        callee: callee(&[(MS(5_010), Act::Hold)], &[(MS(10), RING), (S(2), ANSWER)]),
        ..Story::default()
    };
    story.callee.party.on_reinvite = OnReinvite::Accept;
    let world = play(story);
    assert!(!lines(&world, "491").is_empty());
    assert_eq!(ended(&world).state, 0);
}

#[test]
fn a_hold_that_is_cancelled_when_the_other_side_has_it_already_is_taken_back() {
    let mut story = Story {
        caller: caller(&[(S(5), Act::HoldCancelled(250)), (S(60), Act::Bye)]),
        ..Story::default()
    };
    story.callee.party.on_reinvite = OnReinvite::Later(245);
    let world = play(story);
    // B accepted the hold before our CANCEL could reach it, and is asked again.
    assert_eq!(lines(&world, "us ──▶ B    INVITE").len(), 3);
    assert_eq!(ended(&world).state, 0);
}

#[test]
fn a_side_that_stalls_an_offer_does_not_stall_the_call() {
    let mut story = Story {
        caller: caller(&[(S(5), Act::UpdateHold), (S(60), Act::Bye)]),
        ..Story::default()
    };
    story.callee.party.on_reinvite = OnReinvite::Stall;
    let world = play(story);
    // The UPDATE is answered long before its sender would give up; what was passed on is cancelled.
    assert_eq!(lines(&world, "500 (2 UPDATE)").len(), 1);
    assert!(!lines(&world, "us ──▶ B    CANCEL").is_empty());
    assert_eq!(ended(&world).state, 0);
}

#[test]
fn another_fork_answers_than_the_one_whose_media_the_caller_was_promised() {
    let mut story = Story {
        caller: caller(&[(S(60), Act::Bye)]),
        callee: callee(
            &[],
            &[
                (
                    MS(300),
                    Step::Progress {
                        status: 183,
                        fork: 0,
                        sdp: true,
                        reliable: false,
                    },
                ),
                (
                    MS(900),
                    Step::Progress {
                        status: 180,
                        fork: 1,
                        sdp: false,
                        reliable: true,
                    },
                ),
                (S(3), Step::Answer { fork: 1 }),
                (MS(3_200), Step::Answer { fork: 0 }),
            ],
        ),
        ..Story::default()
    };
    story.callee.party.reliable = Reliable::Supported;
    let world = play(story);
    // The surplus dialog is acknowledged and ended, the call goes on.
    assert_eq!(lines(&world, "us ──▶ B    BYE").len(), 2);
    assert_eq!(ended(&world).record.released_by, Some(1));
}

#[test]
fn codecs_are_relayed_converted_or_refused() {
    let with = |a: &[_], b: &[_], record: bool| {
        let mut story = Story {
            caller: caller(&[(S(20), Act::Bye)]),
            ..Story::default()
        };
        story.caller.party.codecs = a.to_vec();
        story.callee.party.codecs = b.to_vec();
        story.rules.record = record;
        let end = ended(&play(story));
        (end.state, end.status)
    };
    assert_eq!(with(&[PCMA], &[PCMU], true), (0, Some(200)));
    assert_eq!(with(&[G729, AMR], &[AMR], false), (0, Some(200)));
    assert_eq!(with(&[G729], &[PCMA], false), (8020, Some(488)));
    // A recording needs a codec that we speak.
    assert_eq!(with(&[G729, PCMA], &[G729, PCMU], true), (0, Some(200)));
    assert_eq!(with(&[G729], &[G729], true), (8020, Some(488)));
}

#[test]
fn cut_on_time_with_the_warning_before() {
    let world = play(Story {
        rules: Rules {
            minutes: 3,
            last_minute_voice: true,
            ..Rules::default()
        },
        ..Story::default()
    });
    let end = ended(&world);
    assert_eq!(end.state, 8010);
    let talk = told_at(&world, "disconnect") - told_at(&world, "answer");
    assert_eq!(talk, 180_000);
    let heard = prompts(&world);
    assert_eq!(heard.len(), 2);
    assert_eq!((heard[0].1.0, heard[1].1.0), (Side::A, Side::B));
    let answered = lines(&world, "answer")[0].clone();
    let answered: f64 = answered.split_whitespace().next().unwrap().parse().unwrap();
    for (at, _) in heard {
        assert!((at.as_secs_f64() - answered - 120.0).abs() < 0.001);
    }
}

#[test]
fn a_limit_of_one_minute_warns_at_the_answer() {
    let world = play(Story {
        rules: Rules {
            minutes: 1,
            last_minute_voice: true,
            ..Rules::default()
        },
        ..Story::default()
    });
    let talk = told_at(&world, "disconnect") - told_at(&world, "answer");
    assert_eq!((ended(&world).state, talk), (8010, 60_000));
    assert_eq!(prompts(&world).len(), 2);
}

#[test]
fn a_recording_is_kept_from_three_seconds_on() {
    for real in [false, true] {
        for (talk_ms, kept) in [(2_900, 0), (3_100, 1)] {
            let world = play(Story {
                caller: caller(&[(MS(talk_ms), Act::Bye)]),
                rules: Rules {
                    record: true,
                    ..Rules::default()
                },
                media: MediaPlan {
                    real,
                    ..MediaPlan::default()
                },
                ..Story::default()
            });
            let record = ended(&world).record;
            assert_eq!(record.record_flag, kept, "{talk_ms} ms, real: {real}");
            assert_eq!(record.record_object.is_some(), kept == 1);
        }
    }
}

#[test]
fn the_notice_comes_before_the_recording() {
    for real in [false, true] {
        let world = play(Story {
            caller: caller(&[(S(20), Act::Bye)]),
            rules: Rules {
                record: true,
                record_hint: true,
                ..Rules::default()
            },
            media: MediaPlan {
                real,
                ..MediaPlan::default()
            },
            ..Story::default()
        });
        assert_eq!(prompts(&world).len(), 2);
        let wait = told_at(&world, "recording") - told_at(&world, "answer");
        let notice = prompts(&world)[0].1.1;
        assert!((notice..notice + 40).contains(&wait), "{wait} ms");
    }
}

#[test]
fn a_recorder_that_never_answers_does_not_hold_the_record_for_ever() {
    let world = play(Story {
        caller: caller(&[(S(20), Act::Bye)]),
        rules: Rules {
            record: true,
            ..Rules::default()
        },
        media: MediaPlan {
            recorder: None,
            statistics: None,
            ..MediaPlan::default()
        },
        ..Story::default()
    });
    let record = ended(&world).record;
    assert_eq!(record.record_flag, 0);
    assert!(record.record_failure.is_some());
    assert_eq!(
        told_at(&world, "fee") - told_at(&world, "disconnect"),
        5_000
    );
}

#[test]
fn the_waiting_tone_is_heard_until_the_answer() {
    let world = play(Story {
        caller: caller(&[(S(20), Act::Bye)]),
        callee: callee(&[], &[(MS(300), RING), (S(5), ANSWER)]),
        rules: Rules {
            pre_voice: true,
            ..Rules::default()
        },
        ..Story::default()
    });
    assert_eq!(ended(&world).state, 0);
    assert_eq!(prompts(&world).len(), 1);
    assert_eq!(lines(&world, "A ◀── us          183").len(), 1);
    // After it, ring-back; at the answer, nothing of ours.
    let ring_back = commands(&world, |c| {
        matches!(c, Command::Play { repeat: true, .. }).then_some(())
    });
    assert_eq!(ring_back.len(), 1);
    let stopped = commands(&world, |c| {
        matches!(c, Command::StopPlay { .. }).then_some(())
    });
    assert_eq!(stopped.len(), 1);
}

#[test]
fn digits_of_info_reach_the_other_side_as_digits() {
    let world = play(Story {
        caller: caller(&[(S(3), Act::Digit('#')), (S(20), Act::Bye)]),
        ..Story::default()
    });
    assert_eq!(lines(&world, "us ──▶ B    INFO").len(), 1);
    assert_eq!(ended(&world).state, 0);
}

#[test]
fn what_we_do_not_do_is_refused_and_changes_nothing() {
    let world = play(Story {
        caller: caller(&[
            (S(3), Act::Refer),
            (S(4), Act::Unknown),
            (S(5), Act::Options),
            (S(6), Act::UpdateEmpty),
            (S(20), Act::Bye),
        ]),
        ..Story::default()
    });
    assert_eq!(lines(&world, "us ──▶ B").len(), 3); // INVITE, ACK, BYE
    assert_eq!(lines(&world, "405").len(), 2);
}

#[test]
fn two_who_vanish_on_hold_do_not_keep_the_call_for_ever() {
    let mut story = Story {
        caller: caller(&[(S(3), Act::HoldOld), (S(20), Act::Vanish)]),
        callee: callee(&[(S(20), Act::Vanish)], &[(MS(10), RING), (S(2), ANSWER)]),
        ..Story::default()
    };
    story.media.real = true;
    let world = play(story);
    assert_eq!(ended(&world).state, 8020);
    assert!(told_at(&world, "disconnect") - told_at(&world, "answer") < 400_000);
}

#[test]
fn silence_of_a_minute_ends_the_call() {
    let mut story = Story {
        callee: callee(&[(S(20), Act::Vanish)], &[(MS(10), RING), (S(2), ANSWER)]),
        ..Story::default()
    };
    story.media.real = true;
    let world = play(story);
    assert_eq!(ended(&world).record.ul_fail_reason, 7506);
}
