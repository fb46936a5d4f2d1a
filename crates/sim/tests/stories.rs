//! Simple calls on a clean network, one by one.

use std::time::Duration;

use axbridge_call::CallRecord;
use axbridge_sim::plan::{Act, CalleePlan, CallerPlan, Party, Step, Story};
use axbridge_sim::{World, record};

const S: fn(u64) -> Duration = Duration::from_secs;
const MS: fn(u64) -> Duration = Duration::from_millis;

/// Lets a story happen. It must break nothing.
fn play(story: Story) -> World {
    let mut world = World::new(7, vec![story]);
    world.ladder.notes = true;
    world.run();
    assert!(
        world.breaks.is_empty(),
        "{:#?}\n{}",
        world.breaks,
        world.ladder.text(false)
    );
    world
}

fn ended(world: &World) -> (u32, Option<u16>, CallRecord) {
    let pair = &world.pairs[0];
    let record = record(pair).expect("a record").clone();
    (record.state_code, pair.phones[0].last_status, record)
}

fn talker(acts: &[(Duration, Act)]) -> Party {
    Party {
        talk: acts.to_vec(),
        ..Party::default()
    }
}

fn caller(acts: &[(Duration, Act)]) -> CallerPlan {
    CallerPlan {
        party: talker(acts),
        ..CallerPlan::default()
    }
}

fn callee(acts: &[(Duration, Act)], steps: &[(Duration, Step)]) -> CalleePlan {
    CalleePlan {
        party: talker(acts),
        steps: steps.to_vec(),
        ..CalleePlan::default()
    }
}

const RING: Step = Step::ringing();
const ANSWER: Step = Step::Answer { fork: 0 };

#[test]
fn answered_and_the_caller_hangs_up() {
    let world = play(Story {
        caller: caller(&[(S(20), Act::Bye)]),
        ..Story::default()
    });
    let (state, status, record) = ended(&world);
    assert_eq!((state, status, record.released_by), (0, Some(200), Some(1)));
    assert_eq!(record.direction, 1);
}

#[test]
fn answered_and_the_callee_hangs_up() {
    let world = play(Story {
        callee: callee(&[(S(20), Act::Bye)], &[(MS(10), RING), (S(2), ANSWER)]),
        ..Story::default()
    });
    let (state, _, record) = ended(&world);
    assert_eq!((state, record.released_by), (0, Some(2)));
}

#[test]
fn busy() {
    let world = play(Story {
        callee: callee(&[], &[(MS(300), Step::Reject(486, None))]),
        ..Story::default()
    });
    let (state, status, record) = ended(&world);
    assert_eq!((state, status), (8102, Some(486)));
    assert_eq!((record.sip_status_code, record.fwd_unasw_rsn), (486, 17));
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
    let (state, status, _) = ended(&world);
    assert_eq!((state, status), (7502, Some(487)));
    assert_eq!(world.pairs[0].phones[1].last_status, Some(487));
}

#[test]
fn early_media() {
    let progress = Step::Progress {
        status: 183,
        fork: 0,
        sdp: true,
        reliable: false,
    };
    let world = play(Story {
        caller: caller(&[(S(20), Act::Bye)]),
        callee: callee(&[], &[(MS(300), progress), (S(4), ANSWER)]),
        ..Story::default()
    });
    assert_eq!(ended(&world).0, 0);
}
