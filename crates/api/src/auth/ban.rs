//! Addresses that failed to authenticate too often: 10 failures in 10 minutes ban an address for 30 minutes on every
//! application (`resultcode` 1020176). The table is bounded.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// When an address is banned and for how long.
#[derive(Debug, Clone, Copy)]
pub struct BanRules {
    /// Failures within [`BanRules::window`] that ban.
    pub failures: u32,
    /// The time in which failures are counted.
    pub window: Duration,
    /// How long a ban lasts.
    pub ban: Duration,
    /// Addresses remembered at most.
    pub capacity: usize,
}

impl Default for BanRules {
    fn default() -> Self {
        Self {
            failures: 10,
            window: Duration::from_secs(600),
            ban: Duration::from_secs(1800),
            capacity: 100_000,
        }
    }
}

/// The table of offenders.
#[derive(Debug)]
pub struct Bans {
    rules: BanRules,
    table: Mutex<HashMap<IpAddr, Offender>>,
}

#[derive(Debug)]
struct Offender {
    /// Moments of the latest failures, oldest first, at most `rules.failures`.
    failures: Vec<Instant>,
    until: Option<Instant>,
}

/// One banned address, for the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Banned {
    /// The address; of IPv6 the network (/64), with zero host part.
    pub address: IpAddr,
    /// How much longer.
    pub remaining: Duration,
}

impl Bans {
    /// An empty table.
    #[must_use]
    pub fn new(rules: BanRules) -> Self {
        Self {
            rules,
            table: Mutex::default(),
        }
    }

    /// How long this address stays banned, if it is.
    #[must_use]
    pub fn banned(&self, address: IpAddr, now: Instant) -> Option<Duration> {
        let until = self.table.lock().get(&offender_of(address))?.until?;
        let left = until.saturating_duration_since(now);
        (!left.is_zero()).then_some(left)
    }

    /// Counts a failure; `true` if it banned the address.
    pub fn failed(&self, address: IpAddr, now: Instant) -> bool {
        let mut table = self.table.lock();
        let key = offender_of(address);
        if !table.contains_key(&key) && table.len() >= self.rules.capacity {
            make_room(&mut table, now, &self.rules);
        }
        let offender = table.entry(key).or_insert(Offender {
            failures: Vec::new(),
            until: None,
        });
        if offender.until.is_some_and(|u| u <= now) {
            offender.until = None;
            offender.failures.clear();
        }
        let window = self.rules.window;
        offender
            .failures
            .retain(|t| now.saturating_duration_since(*t) < window);
        offender.failures.push(now);
        let banned = offender.failures.len() >= self.rules.failures.max(1) as usize;
        if banned {
            offender.until = Some(now + self.rules.ban);
            offender.failures = Vec::new();
        }
        banned
    }

    /// Lifts a ban and forgets the failures; `false` if there was none.
    pub fn lift(&self, address: IpAddr) -> bool {
        self.table
            .lock()
            .remove(&offender_of(address))
            .is_some_and(|o| o.until.is_some())
    }

    /// All bans in force, by address.
    #[must_use]
    pub fn list(&self, now: Instant) -> Vec<Banned> {
        let mut list: Vec<Banned> = self
            .table
            .lock()
            .iter()
            .filter_map(|(address, o)| {
                let remaining = o.until?.saturating_duration_since(now);
                (!remaining.is_zero()).then_some(Banned {
                    address: *address,
                    remaining,
                })
            })
            .collect();
        list.sort_by_key(|b| b.address);
        list
    }

    /// Addresses remembered, banned or not; never more than [`BanRules::capacity`].
    #[must_use]
    pub fn remembered(&self) -> usize {
        self.table.lock().len()
    }
}

/// Who is counted: an IPv4 address, or the /64 of an IPv6 one, since one customer line holds all of a /64.
fn offender_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        v4 => v4,
    }
}

/// Drops what has lapsed; if nothing has, a tenth of the table, those that would be forgotten soonest, so that the
/// scan is paid once for many insertions.
fn make_room(table: &mut HashMap<IpAddr, Offender>, now: Instant, rules: &BanRules) {
    let end = |o: &Offender| {
        o.until
            .or_else(|| o.failures.last().map(|t| *t + rules.window))
            .unwrap_or(now)
    };
    table.retain(|_, o| end(o) > now);
    if table.len() < rules.capacity {
        return;
    }
    let mut ends: Vec<(Instant, IpAddr)> = table.iter().map(|(a, o)| (end(o), *a)).collect();
    ends.sort_unstable();
    for (_, address) in ends.iter().take(rules.capacity / 10 + 1) {
        table.remove(address);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(n: u32) -> IpAddr {
        IpAddr::V4(std::net::Ipv4Addr::from_bits(0x0a00_0000 + n))
    }

    #[test]
    fn ten_failures_in_ten_minutes_ban_for_thirty() {
        let bans = Bans::new(BanRules::default());
        let t0 = Instant::now();
        for i in 0..9 {
            assert!(!bans.failed(v4(1), t0 + Duration::from_secs(i)));
        }
        assert_eq!(bans.banned(v4(1), t0 + Duration::from_secs(9)), None);
        let last = t0 + Duration::from_secs(599);
        assert!(bans.failed(v4(1), last));
        assert!(
            bans.banned(v4(1), last + Duration::from_secs(1799))
                .is_some()
        );
        assert_eq!(bans.banned(v4(1), last + Duration::from_secs(1800)), None);
        assert_eq!(bans.banned(v4(2), last), None);
        // After the ban the count begins anew.
        assert!(!bans.failed(v4(1), last + Duration::from_secs(1801)));
    }

    #[test]
    fn failures_far_apart_do_not_ban() {
        let bans = Bans::new(BanRules::default());
        let t0 = Instant::now();
        for i in 0..100 {
            assert!(!bans.failed(v4(1), t0 + Duration::from_secs(i * 67)));
        }
    }

    #[test]
    fn a_ban_can_be_lifted_and_is_listed() {
        let bans = Bans::new(BanRules {
            failures: 1,
            ..BanRules::default()
        });
        let t0 = Instant::now();
        let a: IpAddr = "2001:db8::1".parse().unwrap();
        let neighbour: IpAddr = "2001:db8::ffff".parse().unwrap();
        assert!(bans.failed(a, t0));
        assert!(bans.banned(neighbour, t0).is_some());
        assert_eq!(bans.list(t0).len(), 1);
        assert!(bans.lift(neighbour));
        assert!(!bans.lift(neighbour));
        assert_eq!(bans.banned(a, t0), None);
    }

    #[test]
    fn the_table_is_bounded() {
        let bans = Bans::new(BanRules {
            capacity: 50,
            failures: 3,
            ..BanRules::default()
        });
        let t0 = Instant::now();
        for n in 0..5000 {
            bans.failed(v4(n), t0 + Duration::from_millis(u64::from(n)));
            assert!(bans.remembered() <= 50);
        }
    }

    #[test]
    fn a_flood_from_many_addresses_lifts_no_ban_and_bans_nobody_else() {
        let bans = Bans::new(BanRules::default());
        let t0 = Instant::now();
        let guesser = v4(9_000_000);
        for _ in 0..10 {
            bans.failed(guesser, t0);
        }
        let neighbour: IpAddr = "2001:db8:ffff::1".parse().unwrap();
        let began = Instant::now();
        for n in 0..200_000_u32 {
            let now = t0 + Duration::from_millis(u64::from(n) * 5);
            let v6 = IpAddr::V6(Ipv6Addr::from_bits(u128::from(n) << 64 | 0x2001_0db8 << 96));
            for address in [v4(n), v6] {
                assert!(!bans.failed(address, now));
            }
            if n % 1_000 == 0 {
                assert!(bans.remembered() <= 100_000);
                assert!(bans.banned(guesser, now).is_some(), "after {n} addresses");
                assert_eq!(bans.banned(neighbour, now), None);
            }
        }
        assert!(bans.remembered() <= 100_000);
        assert_eq!(bans.list(t0 + Duration::from_secs(1_000)).len(), 1);
        // Making room is paid once for many: a minute would be far from that.
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "{:?}",
            began.elapsed()
        );
    }
}
