//! Many calls from seeds: anything that parties and bad networks do. Every seed that once broke something is
//! lived again.

use std::collections::{BTreeMap, BTreeSet};

use axbridge_sim::kinds::Kind;
use axbridge_sim::{record, replay};

fn live(seeds: impl Iterator<Item = u64>) -> usize {
    let mut calls = 0;
    for seed in seeds {
        let world = replay(seed, false);
        assert!(
            world.breaks.is_empty(),
            "seed {seed}: {:#?}\n{}",
            world.breaks,
            world.ladder.text(false)
        );
        calls += world.pairs.len();
    }
    calls
}

#[test]
fn seeds_from_1() {
    println!("{} calls", live(1..=10_000));
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    for seed in [3, 11, 128] {
        let (one, other) = (replay(seed, true), replay(seed, true));
        assert_eq!(one.ladder.text(true), other.ladder.text(true));
    }
}

/// Random calls must not lose sight of a kind: of each some are answered, and its own refusals occur.
#[test]
fn the_seeds_reach_every_kind_and_what_it_refuses() {
    let mut answered: BTreeMap<&str, u32> = BTreeMap::new();
    let mut states: BTreeSet<(&str, u32)> = BTreeSet::new();
    for seed in 1..=2_000 {
        for pair in &replay(seed, false).pairs {
            let kind = match pair.story.kind {
                Kind::Axb => "axb",
                Kind::Ax => "ax",
                Kind::Axe { .. } => "axe",
                Kind::Axyb(_) => "axyb",
                Kind::X(_) => "x",
            };
            *answered.entry(kind).or_default() += u32::from(pair.is_answered());
            states.extend(record(pair).map(|r| (kind, r.state_code)));
        }
    }
    for kind in ["axb", "ax", "axe", "axyb", "x"] {
        assert!(answered[kind] >= 20, "{answered:?}");
    }
    let own = [
        ("ax", 8018),
        ("ax", 8016),
        ("axe", 8022),
        ("axe", 8033),
        ("axe", 7516),
        ("axyb", 8030),
        ("axyb", 8031),
        ("axyb", 8016),
        ("x", 8017),
        ("x", 8014),
        ("x", 8006),
        ("x", 8020),
    ];
    for wanted in own {
        assert!(states.contains(&wanted), "{wanted:?} never: {states:?}");
    }
}
