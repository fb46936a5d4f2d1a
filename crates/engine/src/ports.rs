//! RTP ports: even ports of a configured range on every media address, taken at random, RTCP on the port above.
//!
//! A freed port rests before it is given out again, so that a late packet of the old call does not reach the new one.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use socket2::{Domain, Protocol, Socket, Type};

use crate::EngineError;

/// How many ports are tried for one leg when other programs sit in our range.
const BIND_ATTEMPTS_MAX: usize = 16;

/// Where media ports come from.
#[derive(Clone, Debug)]
pub struct PortConfig {
    /// The addresses of this machine that media may use.
    pub ips: Vec<IpAddr>,
    /// First and last port of the range, both included. Two ports are needed for each leg.
    pub range: (u16, u16),
    /// How long a freed port rests.
    pub rest: Duration,
    /// Receive buffer of one media socket in bytes; a few packets are enough.
    pub receive_buffer_bytes: usize,
}

impl Default for PortConfig {
    fn default() -> Self {
        Self {
            ips: vec![IpAddr::from([127, 0, 0, 1])],
            range: (20_000, 39_999),
            rest: Duration::from_secs(5),
            receive_buffer_bytes: 64 * 1024,
        }
    }
}

/// No pair of ports was left for a leg.
#[derive(Debug, thiserror::Error)]
#[error("no free media ports on {0}")]
pub struct Exhausted(pub IpAddr);

/// The free ports of all media addresses. Shared by the shards, locked only when a call begins or ends.
pub struct Ports {
    /// As they were configured.
    ips: Vec<IpAddr>,
    pools: BTreeMap<IpAddr, Arc<Mutex<Pool>>>,
    receive_buffer_bytes: usize,
}

struct Pool {
    free: Vec<u16>,
    resting: VecDeque<(Instant, u16)>,
    rest: Duration,
    random: SmallRng,
}

impl Pool {
    fn take(&mut self, now: Instant) -> Option<u16> {
        while let Some(&(until, port)) = self.resting.front() {
            if until > now {
                break;
            }
            self.resting.pop_front();
            self.free.push(port);
        }
        if self.free.is_empty() {
            return None;
        }
        let index = self.random.random_range(0..self.free.len());
        Some(self.free.swap_remove(index))
    }

    fn give_back(&mut self, now: Instant, port: u16) {
        self.resting.push_back((now + self.rest, port));
    }
}

/// The two sockets of one leg. Dropping it closes them and gives the ports back.
pub struct LegSockets {
    /// RTP, on an even port.
    pub rtp: UdpSocket,
    /// RTCP, on the port above.
    pub rtcp: UdpSocket,
    /// The address of the RTP socket.
    pub local: SocketAddr,
    // Last field: dropped after the sockets, so that the port is closed when it is given back.
    _lease: Lease,
}

struct Lease {
    pool: Arc<Mutex<Pool>>,
    port: u16,
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.pool.lock().give_back(Instant::now(), self.port);
    }
}

impl Ports {
    /// Sets the pools up; `seed` decides the order in which ports are taken.
    pub fn new(config: &PortConfig, seed: u64) -> Result<Self, EngineError> {
        let (first, last) = config.range;
        let first_even = first.checked_add(first % 2);
        let free: Vec<u16> = first_even
            .map(|first| (first..last).step_by(2).collect())
            .unwrap_or_default();
        if free.is_empty() || config.ips.is_empty() || first == 0 {
            return Err(EngineError::Config(
                "media needs an address and a range of at least two ports",
            ));
        }
        let mut pools = BTreeMap::new();
        for (index, ip) in config.ips.iter().enumerate() {
            let pool = Pool {
                free: free.clone(),
                resting: VecDeque::new(),
                rest: config.rest,
                random: SmallRng::seed_from_u64(seed ^ index as u64),
            };
            pools.insert(*ip, Arc::new(Mutex::new(pool)));
        }
        Ok(Self {
            ips: config.ips.clone(),
            pools,
            receive_buffer_bytes: config.receive_buffer_bytes,
        })
    }

    /// The media address to use where `ip` is wanted: itself when it is one, or else the first of its family. Signalling
    /// and media may have addresses of their own.
    pub fn fitting(&self, ip: IpAddr) -> IpAddr {
        if self.pools.contains_key(&ip) {
            return ip;
        }
        let mut ips = self.ips.iter().copied();
        ips.find(|ours| ours.is_ipv4() == ip.is_ipv4())
            .unwrap_or(ip)
    }

    /// Binds the two sockets of a leg on `ip`, non-blocking.
    pub fn open(&self, ip: IpAddr) -> Result<LegSockets, Exhausted> {
        let pool = self.pools.get(&ip).ok_or(Exhausted(ip))?;
        for _ in 0..BIND_ATTEMPTS_MAX {
            let port = pool.lock().take(Instant::now()).ok_or(Exhausted(ip))?;
            let lease = Lease {
                pool: Arc::clone(pool),
                port,
            };
            let local = SocketAddr::new(ip, port);
            let rtp = bind_media(local, self.receive_buffer_bytes);
            let rtcp = bind_media(SocketAddr::new(ip, port + 1), self.receive_buffer_bytes);
            match (rtp, rtcp) {
                (Ok(rtp), Ok(rtcp)) => {
                    return Ok(LegSockets {
                        rtp,
                        rtcp,
                        local,
                        _lease: lease,
                    });
                }
                (Err(error), _) | (_, Err(error)) => {
                    tracing::debug!(%local, %error, "media port in use elsewhere");
                }
            }
        }
        Err(Exhausted(ip))
    }
}

fn bind_media(address: SocketAddr, receive_buffer_bytes: usize) -> std::io::Result<UdpSocket> {
    // Non-blocking from birth: asking for it later costs two more system calls on each of a call's four sockets.
    let socket = Socket::new(
        Domain::for_address(address),
        Type::DGRAM.nonblocking(),
        Some(Protocol::UDP),
    )?;
    socket.set_recv_buffer_size(receive_buffer_bytes)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A range of `pairs` pairs that nobody uses at the moment, below the ports that the system gives away.
    fn config(pairs: u16, rest: Duration) -> PortConfig {
        for _ in 0..100 {
            let first = rand::random_range(5_000..15_000u16) * 2;
            let last = first + pairs * 2 - 1;
            if (first..=last).all(|port| UdpSocket::bind(("127.0.0.1", port)).is_ok()) {
                return PortConfig {
                    range: (first, last),
                    rest,
                    ..PortConfig::default()
                };
            }
        }
        panic!("no free range of ports on this machine");
    }

    const LOOPBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn every_pair_is_given_once_and_then_the_pool_is_exhausted() {
        let ports = Ports::new(&config(4, Duration::from_secs(60)), 1).unwrap();
        let legs: Vec<LegSockets> = (0..4).map(|_| ports.open(LOOPBACK).unwrap()).collect();
        let mut seen: Vec<u16> = legs.iter().map(|leg| leg.local.port()).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 4);
        for leg in &legs {
            assert_eq!(leg.local.port() % 2, 0);
            assert_eq!(leg.rtcp.local_addr().unwrap().port(), leg.local.port() + 1);
        }
        assert!(ports.open(LOOPBACK).is_err());
        drop(legs);
        assert!(ports.open(LOOPBACK).is_err(), "a freed port rests first");
    }

    #[test]
    fn a_rested_port_is_given_again() {
        let ports = Ports::new(&config(1, Duration::ZERO), 1).unwrap();
        drop(ports.open(LOOPBACK).unwrap());
        assert!(ports.open(LOOPBACK).is_ok());
    }

    #[test]
    fn a_port_held_by_another_program_is_passed_over() {
        let config = config(2, Duration::ZERO);
        let _other = UdpSocket::bind(("127.0.0.1", config.range.0)).unwrap();
        let ports = Ports::new(&config, 1).unwrap();
        let leg = ports.open(LOOPBACK).unwrap();
        assert_eq!(leg.local.port(), config.range.0 + 2);
    }

    #[test]
    fn where_media_has_another_address_that_one_is_used() {
        let text = |ip: &str| ip.parse::<IpAddr>().unwrap();
        let ips = ["::1", "127.0.0.7", "127.0.0.3"].map(text).to_vec();
        let config = PortConfig {
            ips,
            ..PortConfig::default()
        };
        let ports = Ports::new(&config, 1).unwrap();
        assert_eq!(ports.fitting(text("127.0.0.3")), text("127.0.0.3"));
        assert_eq!(ports.fitting(text("192.0.2.1")), text("127.0.0.7"));
        assert_eq!(ports.fitting(text("2001:db8::1")), text("::1"));
    }

    #[test]
    fn an_address_that_is_not_ours_has_no_ports() {
        let ports = Ports::new(&config(1, Duration::ZERO), 1).unwrap();
        assert!(ports.open(IpAddr::from([127, 0, 0, 9])).is_err());
    }

    #[test]
    fn a_range_without_a_pair_is_refused() {
        for range in [
            (20_000, 20_000),
            (20_001, 20_002),
            (0, 100),
            (65_535, 65_535),
        ] {
            let config = PortConfig {
                range,
                ..PortConfig::default()
            };
            assert!(Ports::new(&config, 1).is_err(), "{range:?}");
        }
    }
}
