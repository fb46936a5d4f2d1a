//! Every ordered pair of events on either leg, close to each other in time, before and after the answer, on a clean
//! and on a bad network. What comes of each is not asked here; the invariants of a call are.

mod common;

use std::time::Duration;

use axbridge_call::StoppedBy;
use axbridge_media::Side;
use axbridge_sim::World;
use axbridge_sim::net::LinkPlan;
use axbridge_sim::plan::{Act, Party, Reliable, Step, Story};
use common::*;

#[derive(Clone, Copy, Debug, PartialEq)]
enum What {
    Cancel,
    SessionProgress,
    Ringing,
    /// 183 sent reliably: a PRACK follows.
    Reliably,
    Answer,
    /// The answer, and the first ACKs for it get lost.
    AckLost,
    Refusal,
    Bye,
    Reinvite,
    CancelledReinvite,
    Offerless,
    Update,
    Info,
    /// A party falls silent: everything to it times out.
    Timeout,
    ApiStop,
    Deadline,
    MediaTimeout,
}

type Event = (What, Side);

fn events() -> Vec<Event> {
    use What::*;
    let of_a = [Cancel, ApiStop, Deadline];
    let of_b = [SessionProgress, Ringing, Reliably, Answer, Refusal];
    let of_both = [
        AckLost,
        Bye,
        Reinvite,
        CancelledReinvite,
        Offerless,
        Update,
        Info,
        Timeout,
        MediaTimeout,
    ];
    let a = of_a.iter().chain(&of_both).map(|w| (*w, Side::A));
    let b = of_b.iter().chain(&of_both).map(|w| (*w, Side::B));
    a.chain(b).collect()
}

/// When the callee answers if no event says otherwise, early or late.
const ANSWERS: [Duration; 2] = [Duration::from_millis(1_000), Duration::from_millis(5_000)];
/// When the first event happens.
const AT: Duration = Duration::from_millis(3_000);

fn party(story: &mut Story, side: Side) -> &mut Party {
    match side {
        Side::A => &mut story.caller.party,
        Side::B => &mut story.callee.party,
    }
}

/// Puts an event into a story. `answer`: when the callee answers.
fn put(story: &mut Story, (what, side): Event, at: Duration, answer: Duration) {
    let step = |story: &mut Story, step| story.callee.steps.push((at, step));
    let act = |story: &mut Story, early: Option<Act>, act: Act| {
        let party = party(story, side);
        match at.checked_sub(answer) {
            Some(since) => party.talk.push((since, act)),
            // Early acts count from the first provisional response, which comes at 100 ms.
            None => party
                .early
                .extend(early.map(|a| (at.saturating_sub(MS(100)), a))),
        }
    };
    match what {
        What::Cancel => story.caller.cancels = Some(at),
        What::SessionProgress => step(story, progress(183, true, false)),
        What::Ringing => step(story, progress(180, false, false)),
        What::Reliably => step(story, progress(183, true, true)),
        What::Answer => step(story, ANSWER),
        What::AckLost => {
            party(story, side).acks_lost = 2;
            step(story, ANSWER);
        }
        What::Refusal => step(story, Step::Reject(486, None)),
        What::Bye => act(story, Some(Act::Bye), Act::Bye),
        What::Reinvite => act(story, None, Act::Hold),
        What::CancelledReinvite => act(story, None, Act::HoldCancelled(230)),
        What::Offerless => act(story, None, Act::Offerless),
        What::Update => act(story, Some(Act::UpdateHold), Act::UpdateHold),
        What::Info => act(story, Some(Act::Digit('5')), Act::Digit('5')),
        What::Timeout => party(story, side).vanishes = Some(at),
        What::ApiStop => story.stopped = Some((at, StoppedBy::Application)),
        What::Deadline => {
            story.rules.minutes = 1;
            story.rules.minute = at.saturating_sub(answer).max(MS(1));
        }
        What::MediaTimeout => story.media.silence = Some((at, side)),
    }
}

fn story(first: Event, second: Event, apart: Duration, late: bool, bad: bool) -> Story {
    let answers = |(what, _): Event| matches!(what, What::Answer | What::AckLost);
    let (first_at, second_at) = (AT, AT + apart);
    let answer = match (answers(first), answers(second)) {
        (true, _) => first_at,
        (_, true) => second_at,
        _ => ANSWERS[usize::from(late)],
    };
    let mut story = Story {
        callee: callee(&[], &[(MS(50), progress(183, true, true))]),
        ..Story::default()
    };
    for side in [Side::A, Side::B] {
        party(&mut story, side).reliable = Reliable::Supported;
    }
    put(&mut story, first, first_at, answer);
    put(&mut story, second, second_at, answer);
    if !answers(first) && !answers(second) {
        story.callee.steps.push((answer, ANSWER));
    }
    story.callee.steps.sort_by_key(|(at, _)| *at);
    // Somebody ends it in the end.
    story.caller.party.talk.push((S(60), Act::Bye));
    story.callee.party.talk.push((S(63), Act::Bye));
    if bad {
        let link = LinkPlan::bad(MS(10), MS(10));
        (story.a_link, story.b_link) = (link, link);
    }
    story
}

#[test]
fn every_ordered_pair_of_events() {
    let all = events();
    let mut count = 0;
    for (i, first) in all.iter().enumerate() {
        for (j, second) in all.iter().enumerate() {
            for (k, apart_ms) in [0, 7, 13, 25, 60, 300].into_iter().enumerate() {
                for (late, bad) in [(false, false), (true, false), (false, true), (true, true)] {
                    let seed = (i * 1_000 + j * 10 + k) as u64;
                    let story = story(*first, *second, MS(apart_ms), late, bad);
                    let mut world = World::new(seed, vec![story.clone()]);
                    world.run();
                    count += 1;
                    assert!(
                        world.breaks.is_empty(),
                        "{first:?}, then {second:?} {apart_ms} ms later, late answer: {late}, bad network: {bad}: \
                         {:#?}\n{}",
                        world.breaks,
                        world.ladder.text(false)
                    );
                }
            }
        }
    }
    println!("{count} calls, {} events", all.len());
}
