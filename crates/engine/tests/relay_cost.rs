//! What relaying a packet costs. Not a check, a measurement:
//! `cargo test --release -p axbridge-engine --test relay_cost -- --ignored --nocapture`, with `CALLS` and `SECONDS` to choose.
#![allow(clippy::unwrap_used)] // also in the helpers beside the tests

mod common;

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use common::{Rig, call, phone, rtp};

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

/// CPU time of the threads of this process by name (nanoseconds, from the scheduler).
fn cpu_ns() -> HashMap<String, u64> {
    let mut times = HashMap::new();
    for task in std::fs::read_dir("/proc/self/task").unwrap() {
        let path = task.unwrap().path();
        let name = std::fs::read_to_string(path.join("comm")).unwrap_or_default();
        let stat = std::fs::read_to_string(path.join("schedstat")).unwrap_or_default();
        let ns: u64 = stat
            .split(' ')
            .next()
            .and_then(|text| text.parse().ok())
            .unwrap_or(0);
        *times.entry(name.trim().to_owned()).or_default() += ns;
    }
    times
}

struct Stream {
    phone: UdpSocket,
    port: SocketAddr,
    heard: u64,
}

#[test]
#[ignore = "a measurement"]
fn relay_cost() {
    let (calls, seconds) = (setting("CALLS", 200), setting("SECONDS", 5));
    let record = if setting("RECORD", 0) == 1 {
        "X-Do: record\r\n"
    } else {
        ""
    };
    axbridge_engine::kernel::raise_descriptor_limit().unwrap();
    // Far more than are needed: whoever else uses some is passed over.
    let rig = Rig::start(|config| config.ports.range = (10_000, 31_999));
    let sip = phone();
    let mut streams = Vec::new();
    for number in 0..calls {
        let phones = [phone(), phone()];
        let ports = call(
            &rig,
            &sip,
            &format!("c{number}"),
            [&phones[0], &phones[1]],
            record,
        );
        for (phone, port) in phones.into_iter().zip(ports) {
            phone.set_nonblocking(true).unwrap();
            streams.push(Stream {
                phone,
                port,
                heard: 0,
            });
        }
    }
    let before = cpu_ns()["media-0"];
    let (start, mut sent) = (Instant::now(), 0u64);
    let mut buffer = [0; 2_048];
    for round in 0..u16::try_from(seconds * 50).unwrap() {
        let packet = rtp(7, round, 0x55);
        // Twenty groups, so that arrivals are spread over the 20 ms as those of real calls are.
        for group in 0..20 {
            for stream in streams.iter_mut().skip(group).step_by(20) {
                while stream.phone.recv(&mut buffer).is_ok() {
                    stream.heard += 1;
                }
                sent += u64::from(stream.phone.send_to(&packet, stream.port).is_ok());
            }
            let due = start + Duration::from_millis(u64::from(round) * 20 + group as u64 + 1);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
        }
    }
    std::thread::sleep(Duration::from_millis(50));
    for stream in &mut streams {
        while stream.phone.recv(&mut buffer).is_ok() {
            stream.heard += 1;
        }
    }
    let heard: u64 = streams.iter().map(|stream| stream.heard).sum();
    let took = start.elapsed();
    let cost = (cpu_ns()["media-0"] - before) as f64 / heard as f64 / 1_000.0;
    println!(
        "{calls} calls, {:.0} packets/s, {heard} of {sent} heard, {cost:.2} us of the media thread per packet",
        heard as f64 / took.as_secs_f64()
    );
    assert!(heard > 0);
}
