//! Short ways to write a story and to look at what came of it.

#![allow(dead_code, clippy::unwrap_used)] // Each test file uses its own part.

use std::time::Duration;

use axbridge_call::{CallRecord, FactKind};
use axbridge_media::{Command, Side};
use axbridge_sim::plan::{Act, CalleePlan, CallerPlan, Party, Reliable, Step, Story};
use axbridge_sim::{World, record};

pub const S: fn(u64) -> Duration = Duration::from_secs;
pub const MS: fn(u64) -> Duration = Duration::from_millis;

pub const RING: Step = Step::ringing();
pub const ANSWER: Step = Step::Answer { fork: 0 };

pub fn progress(status: u16, sdp: bool, reliable: bool) -> Step {
    Step::Progress {
        status,
        fork: 0,
        sdp,
        reliable,
    }
}

/// Lets a story happen. It must break nothing.
pub fn play(story: Story) -> World {
    play_all(vec![story])
}

pub fn play_all(stories: Vec<Story>) -> World {
    let mut world = World::new(7, stories);
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

pub struct Ended {
    pub state: u32,
    pub status: Option<u16>,
    pub record: CallRecord,
    pub facts: Vec<&'static str>,
}

/// What came out of the first call.
pub fn ended(world: &World) -> Ended {
    let pair = &world.pairs[0];
    let record = record(pair).expect("a record").clone();
    Ended {
        state: record.state_code,
        status: pair.phones[0].last_status,
        facts: pair
            .facts
            .iter()
            .map(|f| f.kind.name())
            .filter(|name| *name != "trace")
            .collect(),
        record,
    }
}

/// When a fact was told, in milliseconds of the wall clock.
pub fn told_at(world: &World, name: &str) -> u64 {
    let facts = &world.pairs[0].facts;
    facts
        .iter()
        .find(|f| f.kind.name() == name)
        .unwrap_or_else(|| panic!("no {name}"))
        .at_ms
}

/// `stateCode` of the disconnect event.
pub fn state_told(world: &World) -> u32 {
    let mut codes = world.pairs[0].facts.iter().filter_map(|f| match f.kind {
        FactKind::Disconnect { state_code, .. } => Some(state_code),
        _ => None,
    });
    codes.next_back().expect("a disconnect")
}

/// The commands that pass, with their time since the beginning.
pub fn commands<T>(world: &World, pick: impl Fn(&Command) -> Option<T>) -> Vec<(Duration, T)> {
    world
        .commands
        .iter()
        .filter_map(|(at, _, command)| Some((*at, pick(command)?)))
        .collect()
}

/// Prompts that were started and not repeated: when, for whom, how long.
pub fn prompts(world: &World) -> Vec<(Duration, (Side, u64))> {
    commands(world, |c| match c {
        Command::Play {
            side,
            prompt,
            repeat: false,
            ..
        } => Some((*side, prompt.duration_ms())),
        _ => None,
    })
}

/// Lines of the ladder that contain this.
pub fn lines(world: &World, what: &str) -> Vec<String> {
    let text = world.ladder.text(false);
    text.lines()
        .filter(|l| l.contains(what))
        .map(str::to_owned)
        .collect()
}

pub fn talker(acts: &[(Duration, Act)]) -> Party {
    Party {
        talk: acts.to_vec(),
        ..Party::default()
    }
}

pub fn caller(acts: &[(Duration, Act)]) -> CallerPlan {
    CallerPlan {
        party: talker(acts),
        ..CallerPlan::default()
    }
}

pub fn callee(acts: &[(Duration, Act)], steps: &[(Duration, Step)]) -> CalleePlan {
    CalleePlan {
        party: talker(acts),
        steps: steps.to_vec(),
        ..CalleePlan::default()
    }
}

pub fn with_100rel(party: Party, reliable: Reliable) -> Party {
    Party { reliable, ..party }
}
