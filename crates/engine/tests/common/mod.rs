//! A switch and phones of the simplest kind, to see what the engine does with them.
#![allow(dead_code)] // each test file uses a part of it
#![allow(clippy::unwrap_used)] // a helper of tests that cannot help should stop the test

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axbridge_binding::AppId;
use axbridge_call::{CallKey, Fact, FactKind, MediaPlane, Now, StoppedBy};
use axbridge_engine::ports::PortConfig;
use axbridge_engine::{Calls, Engine, EngineConfig, EngineHandle, Journal};
use axbridge_media::{Codec, Command, Direction, Event, Layout, Negotiated, Side};
use axbridge_sip::{Hop, Transmit, Transport};
use bytes::Bytes;
use parking_lot::Mutex;

/// What the toy switches and journals saw, shared with the test.
#[derive(Default)]
pub struct Seen {
    pub failed_hops: Mutex<Vec<Hop>>,
    pub events: Mutex<Vec<Event>>,
    pub facts: Mutex<Vec<Fact>>,
    pub overloads: Mutex<Vec<bool>>,
    pub journal_refuses: std::sync::atomic::AtomicBool,
    /// Called by the journal before it takes anything.
    pub on_append: Mutex<Option<Box<dyn Fn() + Send>>>,
}

/// Answers every request at once. INVITE opens media between the two phones whose RTP addresses it names in `X-A` and
/// `X-B`, BYE closes it. `X-Do` asks for special things.
pub struct ToySwitch {
    shard: usize,
    seen: Arc<Seen>,
    calls: HashMap<String, CallKey>,
    next: u32,
    draining: bool,
    transmits: VecDeque<Transmit>,
    facts: VecDeque<Fact>,
}

impl ToySwitch {
    pub fn new(shard: usize, seen: Arc<Seen>) -> Self {
        let (transmits, facts) = (VecDeque::new(), VecDeque::new());
        Self {
            shard,
            seen,
            calls: HashMap::new(),
            next: 0,
            draining: false,
            transmits,
            facts,
        }
    }

    fn answer(&mut self, hop: Hop, status: &str, text: &str, extra: &str) {
        let call_id = header(text, "Call-ID");
        let shard = self.shard;
        let bytes = format!(
            "SIP/2.0 {status}\r\nCall-ID: {call_id}\r\nX-Shard: {shard}\r\n{extra}Content-Length: 0\r\n\r\n"
        );
        self.transmits.push_back(Transmit {
            hop,
            bytes: bytes.into(),
        });
    }

    fn tell(&mut self, now: Now, session: &str, kind: FactKind) {
        self.facts.push_back(Fact {
            app: AppId(7),
            app_key: "key".into(),
            session_id: session.into(),
            seq: 0,
            at_ms: now.wall_ms,
            subscription_id: None,
            user_data: None,
            kind,
        });
    }

    fn invite(&mut self, now: Now, hop: Hop, text: &str, plane: &mut dyn MediaPlane) {
        let session = header(text, "Call-ID");
        let (caller, called) = ("+8613900000001".to_owned(), "+8617000000001".to_owned());
        self.tell(
            now,
            &session,
            FactKind::CallIn {
                caller,
                called,
                asked: false,
            },
        );
        let key = CallKey {
            index: self.next,
            generation: 1,
        };
        self.next += 1;
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let opened = if self.draining {
            None
        } else {
            plane.open(key, loopback, loopback).ok()
        };
        let Some([a, b]) = opened else {
            self.tell(now, &session, FactKind::Record(Box::default()));
            return self.answer(hop, "503 Service Unavailable", text, "");
        };
        let learn_source = header(text, "X-Do").contains("learn");
        for (side, name) in [(Side::A, "X-A"), (Side::B, "X-B")] {
            let Ok(remote) = header(text, name).parse() else {
                continue;
            };
            plane.command(
                key,
                Command::Connect {
                    side,
                    negotiated: negotiated(remote),
                    learn_source,
                },
            );
        }
        plane.command(key, Command::Bridge(true));
        if header(text, "X-Do").contains("record") {
            let stem = format!("7/{session}.wav").into();
            let object = format!("{session}.wav");
            self.tell(now, &session, FactKind::RecordingStarted { object });
            plane.command(
                key,
                Command::StartRecord {
                    stem,
                    layout: Layout::Stereo,
                },
            );
        }
        self.calls.insert(session.clone(), key);
        self.answer(hop, "200 OK", text, &format!("X-Ports: {a} {b}\r\n"));
    }

    fn end(&mut self, now: Now, session: &str, plane: &mut dyn MediaPlane) -> bool {
        let Some(key) = self.calls.remove(session) else {
            return false;
        };
        plane.close(key);
        self.tell(now, session, FactKind::Record(Box::default()));
        true
    }
}

impl Calls for ToySwitch {
    fn receive(&mut self, now: Now, hop: Hop, bytes: Bytes, plane: &mut dyn MediaPlane) {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Ok(remote) = header(&text, "X-Connect").parse() {
            let hop = Hop {
                transport: Transport::Tcp,
                remote,
                conn: None,
                ..hop
            };
            return self.answer(hop, "200 OK", &text, "");
        }
        match text.split(' ').next().unwrap_or_default() {
            "INVITE" => self.invite(now, hop, &text, plane),
            "BYE" => {
                self.end(now, &header(&text, "Call-ID"), plane);
                self.answer(hop, "200 OK", &text, "");
            }
            "OPTIONS" if self.draining => self.answer(hop, "503 Service Unavailable", &text, ""),
            "OPTIONS" => self.answer(hop, "200 OK", &text, ""),
            _ => {}
        }
    }

    fn media_event(
        &mut self,
        _now: Now,
        _call: CallKey,
        event: Event,
        _plane: &mut dyn MediaPlane,
    ) {
        self.seen.events.lock().push(event);
    }

    fn stop_call(
        &mut self,
        now: Now,
        session_id: &str,
        _by: StoppedBy,
        plane: &mut dyn MediaPlane,
    ) -> bool {
        self.end(now, session_id, plane)
    }

    fn handle_timeout(&mut self, _now: Now, _plane: &mut dyn MediaPlane) {}

    fn next_deadline(&self) -> Option<Instant> {
        None
    }

    fn transport_failed(&mut self, _now: Now, hop: Hop, _plane: &mut dyn MediaPlane) {
        self.seen.failed_hops.lock().push(hop);
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    fn poll_fact(&mut self) -> Option<Fact> {
        self.facts.pop_front()
    }

    fn drain(&mut self) {
        self.draining = true;
    }

    fn set_overloaded(&mut self, overloaded: bool) {
        let mut overloads = self.seen.overloads.lock();
        if overloads.last() != Some(&overloaded) {
            overloads.push(overloaded);
        }
    }

    fn live_calls(&self) -> usize {
        self.calls.len()
    }
}

pub fn negotiated(remote: SocketAddr) -> Negotiated {
    Negotiated {
        remote,
        remote_rtcp: SocketAddr::new(remote.ip(), remote.port() + 1),
        codec: Codec::Pcma,
        pt_send: 8,
        pt_recv: 8,
        dtmf_send: Some(101),
        dtmf_recv: Some(101),
        direction: Direction::SendRecv,
        ptime_ms: 20,
    }
}

pub struct ToyJournal(pub Arc<Seen>);

impl Journal for ToyJournal {
    fn append(&mut self, facts: &[Fact]) -> io::Result<()> {
        if let Some(hook) = &*self.0.on_append.lock() {
            hook();
        }
        if self.0.journal_refuses.load(Ordering::SeqCst) {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        self.0.facts.lock().extend_from_slice(facts);
        Ok(())
    }
}

/// An engine over toy switches, stopped and cleaned up when dropped.
pub struct Rig {
    pub engine: EngineHandle,
    pub seen: Arc<Seen>,
    pub dir: PathBuf,
}

impl Rig {
    pub fn start(change: impl FnOnce(&mut EngineConfig)) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir =
            std::env::temp_dir().join(format!("axbridge-engine-{}-{number}", std::process::id()));
        let mut config = EngineConfig::loopback(&dir);
        config.ports = free_ports(32);
        change(&mut config);
        let seen = Arc::new(Seen::default());
        let journal = |_| Box::new(ToyJournal(Arc::clone(&seen))) as Box<dyn Journal>;
        let journals = (0..config.shards).map(journal).collect();
        let engine = Engine::start_with(config, journals, |setup| {
            Box::new(ToySwitch::new(setup.shard, Arc::clone(&seen)))
        });
        Self {
            engine: engine.unwrap(),
            seen,
            dir,
        }
    }

    pub fn address(&self, transport: Transport) -> SocketAddr {
        self.engine
            .listening()
            .iter()
            .find(|listen| listen.transport == transport)
            .unwrap()
            .local
    }

    pub fn udp(&self) -> SocketAddr {
        self.address(Transport::Udp)
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.engine.shutdown_blocking();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// A range of `pairs` port pairs that nobody uses at the moment, below the ports that the system gives to phones.
pub fn free_ports(pairs: u16) -> PortConfig {
    for _ in 0..200 {
        let first = rand::random_range(5_000..15_000u16) * 2;
        let last = first + pairs * 2 - 1;
        let free = |port| UdpSocket::bind(("127.0.0.1", port)).is_ok();
        if (first..=last).all(free) {
            let rest = Duration::from_secs(60);
            return PortConfig {
                range: (first, last),
                rest,
                ..PortConfig::default()
            };
        }
    }
    panic!("no free range of ports on this machine");
}

/// A socket of a phone, with a patience of ten seconds.
pub fn phone() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    socket
}

pub fn request(method: &str, call_id: &str, more: &str) -> String {
    format!(
        "{method} sip:x@127.0.0.1 SIP/2.0\r\nCall-ID: {call_id}\r\nCSeq: 1 {method}\r\n{more}Content-Length: 0\r\n\r\n"
    )
}

pub fn receive(socket: &UdpSocket) -> String {
    let mut buffer = [0; 4_096];
    let length = socket.recv(&mut buffer).expect("no answer");
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}

pub fn ask(socket: &UdpSocket, to: SocketAddr, request: &str) -> String {
    socket.send_to(request.as_bytes(), to).unwrap();
    receive(socket)
}

pub fn header(text: &str, name: &str) -> String {
    let lines = text.lines().filter_map(|line| line.split_once(": "));
    lines
        .filter(|(key, _)| *key == name)
        .map(|(_, value)| value.to_owned())
        .next()
        .unwrap_or_default()
}

/// Makes a call between two phones and returns the ports that the engine opened for each of them.
pub fn call(
    rig: &Rig,
    sip: &UdpSocket,
    call_id: &str,
    phones: [&UdpSocket; 2],
    extra: &str,
) -> [SocketAddr; 2] {
    let [a, b] = phones.map(|phone| phone.local_addr().unwrap());
    let answer = ask(
        sip,
        rig.udp(),
        &request(
            "INVITE",
            call_id,
            &format!("X-A: {a}\r\nX-B: {b}\r\n{extra}"),
        ),
    );
    let ports = header(&answer, "X-Ports");
    let (a, b) = ports.split_once(' ').expect("call refused");
    [a.parse().unwrap(), b.parse().unwrap()]
}

/// A PCMA packet of 20 ms.
pub fn rtp(ssrc: u32, sequence: u16, payload: u8) -> Vec<u8> {
    let mut packet = vec![0x80, 8];
    packet.extend(sequence.to_be_bytes());
    packet.extend((u32::from(sequence) * 160).to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend([payload; 160]);
    packet
}

pub fn wait_for<T>(what: &str, mut check: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(found) = check() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: did not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}
