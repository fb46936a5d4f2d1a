//! A simulated world for axbridge: carriers, telephones, network and clock, all from one seed.
//!
//! A [`world::World`] drives the real [`axbridge_call::Switch`] through stories ([`plan::Story`]) in virtual time.
//! The telephones ([`phone::Phone`]) are written against the RFCs and not against our call logic, and hold
//! what we send them to the rules. The invariants of `check` are looked at as the world goes on and when it has
//! come to rest; a break names its seed, and the seed gives the same world again.

#![forbid(unsafe_code)]

mod check;
pub mod clock;
pub mod expect;
mod install;
pub mod kinds;
pub mod ladder;
pub mod leaks;
pub mod net;
mod noise;
pub mod phone;
pub mod plan;
pub mod plane;
pub mod random;
pub mod world;

pub use check::record;
pub use plan::Story;
pub use world::World;

use rand::SeedableRng;
use rand::rngs::SmallRng;

/// The world of a seed, lived to its end. `notes`: the ladder has facts in it, too.
#[must_use]
pub fn replay(seed: u64, notes: bool) -> World {
    let mut random = SmallRng::seed_from_u64(seed);
    let stories = random::stories(&mut random);
    let mut world = World::new(seed, stories);
    world.ladder.notes = notes;
    world.run();
    world
}
