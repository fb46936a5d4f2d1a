//! The network between us and one carrier: delay, jitter, loss, duplication and reordering, from a seed.

use std::collections::HashMap;
use std::time::Duration;

use rand::Rng;
use rand::rngs::SmallRng;

/// What a link does to datagrams, each way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LinkPlan {
    /// Shortest time under way.
    pub delay: Duration,
    /// Up to this much longer.
    pub jitter: Duration,
    /// Share of datagrams lost.
    pub loss: f64,
    /// Share of datagrams that come twice.
    pub duplication: f64,
    /// Share of datagrams that are held back so that later ones overtake them.
    pub reordering: f64,
}

impl LinkPlan {
    /// A link that does nothing but take 10 ms.
    pub const CLEAN: LinkPlan = LinkPlan {
        delay: Duration::from_millis(10),
        jitter: Duration::ZERO,
        loss: 0.0,
        duplication: 0.0,
        reordering: 0.0,
    };

    /// 5 % each of loss, duplication and reordering.
    #[must_use]
    pub fn bad(delay: Duration, jitter: Duration) -> LinkPlan {
        LinkPlan {
            delay,
            jitter,
            loss: 0.05,
            duplication: 0.05,
            reordering: 0.05,
        }
    }
}

/// The same bytes are never lost more often than this: a transaction repeats its message at least six times, and
/// a network that loses them all is a dead one, which is a behaviour of its own (a phone that vanishes).
const LOST_MAX: u8 = 4;

/// One direction of a link.
pub struct Link {
    plan: LinkPlan,
    lost: HashMap<u64, u8>,
}

/// How long after sending each copy of a datagram arrives; none when it is lost.
pub type Arrivals = [Option<Duration>; 2];

impl Link {
    /// A link.
    #[must_use]
    pub fn new(plan: LinkPlan) -> Self {
        Link {
            plan,
            lost: HashMap::new(),
        }
    }

    /// What becomes of a datagram sent now.
    pub fn carry(&mut self, random: &mut SmallRng, bytes: &[u8]) -> Arrivals {
        let plan = self.plan;
        let chance = |random: &mut SmallRng, p: f64| p > 0.0 && random.random_bool(p);
        if chance(random, plan.loss) && self.may_lose(bytes) {
            return [None, None];
        }
        let mut under_way = plan.delay + plan.jitter.mul_f64(random.random::<f64>());
        if chance(random, plan.reordering) {
            under_way += Duration::from_micros(random.random_range(20_000..400_000));
        }
        let copy = chance(random, plan.duplication)
            .then(|| under_way + Duration::from_micros(random.random_range(0..300_000)));
        [Some(under_way), copy]
    }

    fn may_lose(&mut self, bytes: &[u8]) -> bool {
        let count = self.lost.entry(fingerprint(bytes)).or_default();
        if *count >= LOST_MAX {
            return false;
        }
        *count += 1;
        true
    }
}

/// FNV-1a: the same for the same bytes in every run.
fn fingerprint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn shares_are_as_planned_and_nothing_is_lost_for_ever() {
        let mut random = SmallRng::seed_from_u64(1);
        let plan = LinkPlan::bad(Duration::from_millis(5), Duration::from_millis(5));
        let mut link = Link::new(plan);
        let (mut lost, mut twice) = (0, 0);
        for n in 0..10_000_u32 {
            match link.carry(&mut random, &n.to_le_bytes()) {
                [None, _] => lost += 1,
                [Some(_), Some(_)] => twice += 1,
                _ => {}
            }
        }
        assert!((400..600).contains(&lost), "{lost}");
        assert!((380..580).contains(&twice), "{twice}");
        let mut dead = Link::new(LinkPlan { loss: 1.0, ..plan });
        let arrived = (0..10).filter(|_| dead.carry(&mut random, b"x")[0].is_some());
        assert_eq!(arrived.count(), 6);
    }
}
