//! Many calls from seeds: anything that parties and bad networks do. Every seed that once broke something is
//! lived again.

use axbridge_sim::replay;

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
