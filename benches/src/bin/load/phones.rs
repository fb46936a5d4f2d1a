//! Telephones: each sends 50 packets of PCMA a second to where the program said, and measures how old the packets
//! that it receives are. SIPp does the signalling and writes `our port, their port` to a log; these read it.
//!
//! A packet carries the time of its sending in place of its first samples: the program must relay it unchanged.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::IpAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::net::UdpSocket;
use tokio::task::LocalSet;
use tokio::time::{MissedTickBehavior, interval_at, sleep};

use crate::{Arguments, percentiles};

const PACKET: Duration = Duration::from_millis(20);
const LOOK: Duration = Duration::from_millis(10);
/// How many delays are kept; the first ones.
const DELAYS_MAX: usize = 4_000_000;

struct World {
    epoch: Instant,
    end: Cell<bool>,
    sent: Cell<u64>,
    received: Cell<u64>,
    /// Received, but not a packet of a telephone of ours: ring-back or another tone.
    other: Cell<u64>,
    delays: RefCell<Vec<Duration>>,
}

struct Phone {
    socket: UdpSocket,
    /// The port to send to; 0 = silent.
    target: Cell<u16>,
    /// Which stream this is on this telephone.
    stream: Cell<u32>,
}

/// `--a-ip --b-ip --a-log --b-log --a-media --b-media --first-port --phones --seconds`
pub async fn run(arguments: &Arguments) -> Result<()> {
    let world = Rc::new(World {
        epoch: Instant::now(),
        end: Cell::new(false),
        sent: Cell::new(0),
        received: Cell::new(0),
        other: Cell::new(0),
        delays: RefCell::default(),
    });
    let seconds: u64 = arguments.parsed("seconds")?;
    let all = LocalSet::new();
    all.run_until(async {
        for side in ["a", "b"] {
            spawn_side(side, arguments, &world).await?;
        }
        println!("ready");
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(seconds) {
            sleep(Duration::from_millis(50)).await;
        }
        world.end.set(true);
        anyhow::Ok(())
    })
    .await?;
    let mut delays = world.delays.take();
    let report = serde_json::json!({
        "sent": world.sent.get(), "received": world.received.get(), "other": world.other.get(),
        "delay_ms": percentiles(&mut delays),
    });
    println!("{report}");
    Ok(())
}

async fn spawn_side(side: &str, arguments: &Arguments, world: &Rc<World>) -> Result<()> {
    let ip: IpAddr = arguments.parsed(&format!("{side}-ip"))?;
    let first: u16 = arguments.parsed("first-port")?;
    let count: u16 = arguments.parsed("phones")?;
    let mut phones = HashMap::new();
    for number in 0..count {
        let port = first + 2 * number;
        let phone = Rc::new(Phone {
            socket: UdpSocket::bind((ip, port)).await?,
            target: Cell::new(0),
            stream: Cell::new(0),
        });
        phones.insert(port, Rc::clone(&phone));
        let media: IpAddr = arguments.parsed(&format!("{side}-media"))?;
        // Spread over the 20 ms: telephones do not tick together.
        let offset = PACKET * u32::from(number) / u32::from(count)
            + if side == "a" {
                PACKET / 3
            } else {
                Duration::ZERO
            };
        tokio::task::spawn_local(talk(Rc::clone(&phone), media, offset, Rc::clone(world)));
        tokio::task::spawn_local(listen(phone, Rc::clone(world)));
    }
    let log = arguments.text(&format!("{side}-log"))?.to_owned();
    tokio::task::spawn_local(follow(log, phones, Rc::clone(world)));
    Ok(())
}

/// Reads the log as it grows and lets the telephones begin.
async fn follow(path: String, phones: HashMap<u16, Rc<Phone>>, world: Rc<World>) {
    let mut reader = None;
    let mut line = String::new();
    while !world.end.get() {
        sleep(LOOK).await;
        if reader.is_none() {
            reader = File::open(&path).ok().map(BufReader::new);
        }
        let Some(reader) = &mut reader else {
            continue;
        };
        while reader.read_line(&mut line).is_ok_and(|length| length > 0) && line.ends_with('\n') {
            let mut ports = line.split_whitespace().map(str::parse::<u16>);
            if let (Some(Ok(ours)), Some(Ok(theirs))) = (ports.next(), ports.next())
                && let Some(phone) = phones.get(&ours)
            {
                phone.stream.set(phone.stream.get() + 1);
                phone.target.set(theirs);
            }
            line.clear();
        }
    }
}

async fn talk(phone: Rc<Phone>, media: IpAddr, offset: Duration, world: Rc<World>) {
    let mut packet = [0xd5; 172];
    packet[..2].copy_from_slice(&[0x80, 8]);
    let (mut sequence, mut timestamp, mut stream) = (0_u16, 0_u32, 0);
    let mut ticks = interval_at(
        (world.epoch + Duration::from_millis(100) + offset).into(),
        PACKET,
    );
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let port = phone
        .socket
        .local_addr()
        .map_or(0, |address| address.port());
    while !world.end.get() {
        ticks.tick().await;
        let target = phone.target.get();
        if target == 0 {
            continue;
        }
        if stream != phone.stream.get() {
            stream = phone.stream.get();
            // The socket hears then of its call's end: the other port is closed.
            if phone.socket.connect((media, target)).await.is_err() {
                continue;
            }
        }
        sequence = sequence.wrapping_add(1);
        timestamp = timestamp.wrapping_add(160);
        packet[2..4].copy_from_slice(&sequence.to_be_bytes());
        packet[4..8].copy_from_slice(&timestamp.to_be_bytes());
        packet[8..12].copy_from_slice(&(u32::from(port) << 16 | stream & 0xffff).to_be_bytes());
        packet[12..16].copy_from_slice(b"tele");
        let at = u64::try_from(world.epoch.elapsed().as_nanos()).unwrap_or(u64::MAX);
        packet[16..24].copy_from_slice(&at.to_be_bytes());
        match phone.socket.try_send(&packet) {
            Ok(_) => world.sent.set(world.sent.get() + 1),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => phone.target.set(0),
        }
    }
}

async fn listen(phone: Rc<Phone>, world: Rc<World>) {
    let mut packet = [0; 2_048];
    while !world.end.get() {
        let Ok((length, _)) = phone.socket.recv_from(&mut packet).await else {
            phone.target.set(0);
            continue;
        };
        let marked = packet.get(12..16) == Some(b"tele");
        let at = packet.get(16..24).and_then(|eight| eight.try_into().ok());
        match at {
            Some(at) if marked && length == 172 => {
                world.received.set(world.received.get() + 1);
                let age = world
                    .epoch
                    .elapsed()
                    .saturating_sub(Duration::from_nanos(u64::from_be_bytes(at)));
                let mut delays = world.delays.borrow_mut();
                if delays.len() < DELAYS_MAX {
                    delays.push(age);
                }
            }
            _ => world.other.set(world.other.get() + 1),
        }
    }
}
