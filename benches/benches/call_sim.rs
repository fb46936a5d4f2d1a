//! What one whole masked call costs: INVITE, route, second INVITE, 180, 200, ACK, BYE, facts; signalling only, through the
//! real switch in virtual time, at a steady 1,000 calls a second (so that some 130,000 transactions linger). The carriers'
//! messages are made outside of the measured time. Allocations per call are printed first.

#![allow(missing_docs)] // criterion's macros make undocumented functions

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axbridge_binding::{
    AppId, Axb, CallDirection, NumberInfo, NumberStatus, Policy, RouteKind, SubscriptionId, Table,
    TrunkId,
};
use axbridge_call::{
    App, CallKey, Directory, Listen, MediaPlane, NoPorts, Now, Snapshot, Switch, SwitchConfig,
    Trunk,
};
use axbridge_media::{Command, tone};
use axbridge_numbering::Number;
use axbridge_sip::{EndpointConfig, Hop, Message, Name, Transmit, Transport};
use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: hands everything on to the system's allocator unchanged; the counter is a plain thread-local cell without a destructor.
#[allow(unsafe_code, reason = "an allocator can not be written without")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// A media side that costs nothing: every session is opened, and over when it is closed.
#[derive(Default)]
struct NoMedia {
    closed: Vec<CallKey>,
}

impl MediaPlane for NoMedia {
    fn open(&mut self, _: CallKey, a: IpAddr, b: IpAddr) -> Result<[SocketAddr; 2], NoPorts> {
        Ok([SocketAddr::new(a, 20_000), SocketAddr::new(b, 30_000)])
    }

    fn command(&mut self, _: CallKey, _: Command) {}

    fn close(&mut self, call: CallKey) {
        self.closed.push(call);
    }
}

const US: &str = "10.0.0.1:5060";
const SDP: &str = "v=0\r\no=- 1 1 IN IP4 10.1.0.1\r\ns=-\r\nc=IN IP4 10.1.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 8 0 101\r\n\
    a=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n";
const ANSWER: &str = "v=0\r\no=- 9 1 IN IP4 10.2.0.1\r\ns=-\r\nc=IN IP4 10.2.0.1\r\nt=0 0\r\nm=audio 50000 RTP/AVP 8 101\r\n\
    a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n";

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn hop(remote: &str) -> Hop {
    Hop {
        transport: Transport::Udp,
        local: address(US),
        remote: address(remote),
        conn: None,
    }
}

fn trunk(id: u16, peer: &str) -> (TrunkId, Arc<Trunk>) {
    let trunk = Trunk::new(TrunkId(id), format!("carrier {id}"), vec![address(peer)]);
    (TrunkId(id), Arc::new(trunk))
}

fn directory() -> Arc<Directory> {
    let number = |text: &str| Number::parse_global(text).expect("a number");
    let table = Table::with_seed(1_000, 1);
    let x = number("+8617000000001");
    table.set_number(
        x,
        NumberInfo {
            app: AppId(1),
            status: NumberStatus::Normal,
            trunk: TrunkId(2),
            mode: RouteKind::Axb,
            area: None,
        },
    );
    table
        .publish_axb(&Axb {
            subscription: SubscriptionId(1),
            app: AppId(1),
            x,
            a: number("+8613900000001"),
            b: number("+8613900000002"),
            direction: CallDirection::Both,
            expires_at_ms: None,
            policy: Policy::default(),
            user_data: Some("order 4711".into()),
        })
        .expect("room");
    let directory = Directory::new(Arc::new(table));
    let app = App::new(AppId(1), "bench");
    directory.publish(Snapshot {
        trunks: [trunk(1, "10.1.0.1:5060"), trunk(2, "10.2.0.1:5060")].into(),
        apps: [(AppId(1), Arc::new(app))].into(),
        ..Snapshot::default()
    });
    Arc::new(directory)
}

/// The switch, its clock, and what was spent in it.
struct Bench {
    switch: Switch,
    plane: NoMedia,
    start: Instant,
    elapsed: Duration,
    count: u64,
    spent: Duration,
    allocations: u64,
}

impl Bench {
    fn new() -> Bench {
        let config = SwitchConfig {
            node: "bench".into(),
            host: "axbridge.example".into(),
            shard: 0,
            shards: 1,
            listen: vec![Listen {
                transport: Transport::Udp,
                local: address(US),
                advertised: address(US),
            }],
            calls_max: 1_000_000,
            minute: Duration::from_secs(60),
            closing_max: Duration::from_secs(5),
            ring_back: Arc::new(tone::ring_back()),
            trace: true,
            sip: EndpointConfig {
                transactions_max: 1_000_000,
                user_agent: "axbridge".into(),
                ..EndpointConfig::default()
            },
        };
        Bench {
            switch: Switch::new(config, directory(), 1),
            plane: NoMedia::default(),
            start: Instant::now(),
            elapsed: Duration::ZERO,
            count: 0,
            spent: Duration::ZERO,
            allocations: 0,
        }
    }

    /// Something that the switch does, with everything that it then sends and tells.
    fn measured(&mut self, act: impl FnOnce(&mut Switch, Now, &mut NoMedia)) -> Vec<Transmit> {
        let now = Now {
            mono: self.start + self.elapsed,
            wall_ms: 1_800_000_000_000 + self.elapsed.as_millis() as u64,
        };
        let mut sent = Vec::with_capacity(16);
        let (began, before) = (Instant::now(), ALLOCATIONS.with(Cell::get));
        act(&mut self.switch, now, &mut self.plane);
        for key in std::mem::take(&mut self.plane.closed) {
            let last = axbridge_media::Event::Final(Default::default());
            self.switch.media_event(now, key, last, &mut self.plane);
        }
        while let Some(fact) = self.switch.poll_fact() {
            std::hint::black_box(fact);
        }
        while let Some(transmit) = self.switch.poll_transmit() {
            sent.push(transmit);
        }
        self.allocations += ALLOCATIONS.with(Cell::get) - before;
        self.spent += began.elapsed();
        sent
    }

    fn receive(&mut self, from: &str, text: String) -> Vec<Transmit> {
        let (hop, bytes) = (hop(from), Bytes::from(text));
        self.measured(|switch, now, plane| switch.receive(now, hop, bytes, plane))
    }

    /// A millisecond passes.
    fn pass(&mut self) {
        self.elapsed += Duration::from_millis(1);
        let now = self.start + self.elapsed;
        if self.switch.next_deadline().is_some_and(|at| at <= now) {
            self.measured(|switch, now, plane| switch.handle_timeout(now, plane));
        }
    }

    /// A whole call.
    fn call(&mut self) {
        let (a, b) = ("10.1.0.1:5060", "10.2.0.1:5060");
        self.count += 1;
        let n = self.count;
        let invited = self.receive(a, from_a("INVITE", n, 1, "", SDP));
        let invite = find(&invited, b);
        self.receive(b, response(&invite, 180, ""));
        let answered = self.receive(b, response(&invite, 200, ANSWER));
        let tag = {
            let ok = find(&answered, a);
            let tag = ok.to().tag().expect("our tag");
            format!(";tag={}", String::from_utf8_lossy(tag))
        };
        self.receive(a, from_a("ACK", n, 1, &tag, ""));
        let left = self.receive(a, from_a("BYE", n, 2, &tag, ""));
        let bye = find(&left, b);
        self.receive(b, response(&bye, 200, ""));
        self.pass();
    }
}

fn find(sent: &[Transmit], to: &str) -> Message {
    let last = sent.iter().rfind(|t| t.hop.remote == address(to));
    Message::parse(last.expect("a message").bytes.clone()).expect("readable")
}

fn body_of(sdp: &str) -> String {
    let kind = if sdp.is_empty() {
        ""
    } else {
        "Content-Type: application/sdp\r\n"
    };
    format!("{kind}Content-Length: {}\r\n\r\n{sdp}", sdp.len())
}

fn from_a(method: &str, n: u64, cseq: u32, to_tag: &str, sdp: &str) -> String {
    let branch = n * 4 + method.len() as u64 % 4;
    format!(
        "{method} sip:+8617000000001@{US} SIP/2.0\r\nVia: SIP/2.0/UDP 10.1.0.1:5060;branch=z9hG4bK{branch:x}{method};rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:+8613900000001@carrier-a.example>;tag=a{n:x}\r\nTo: <sip:+8617000000001@{US}>{to_tag}\r\n\
         Call-ID: {n:x}@carrier-a.example\r\nCSeq: {cseq} {method}\r\nContact: <sip:a@10.1.0.1:5060>\r\n\
         Allow: INVITE, ACK, CANCEL, BYE, PRACK, UPDATE, INFO\r\nUser-Agent: carrier\r\n\
         P-Asserted-Identity: <sip:+8613900000001@carrier-a.example>\r\n{}",
        body_of(sdp)
    )
}

fn response(request: &Message, status: u16, sdp: &str) -> String {
    let header =
        |name| String::from_utf8_lossy(request.header(name).unwrap_or_default()).into_owned();
    let tag = match request.to().tag() {
        Some(_) => "",
        None => ";tag=b1",
    };
    format!(
        "SIP/2.0 {status} X\r\nVia: {}\r\nFrom: {}\r\nTo: {}{tag}\r\nCall-ID: {}\r\nCSeq: {}\r\n\
         Contact: <sip:b@10.2.0.1:5060>\r\nAllow: INVITE, ACK, CANCEL, BYE, PRACK, UPDATE, INFO\r\n{}",
        header(Name::Via),
        header(Name::From),
        header(Name::To),
        header(Name::CallId),
        header(Name::CSeq),
        body_of(sdp)
    )
}

/// Calls until as many transactions end as begin.
const WARM_UP: u32 = 40_000;

fn calls(c: &mut Criterion) {
    let mut bench = Bench::new();
    for _ in 0..WARM_UP {
        bench.call();
    }
    (bench.spent, bench.allocations) = (Duration::ZERO, 0);
    const COUNTED: u32 = 10_000;
    for _ in 0..COUNTED {
        bench.call();
    }
    println!(
        "call_sim: {:.1} allocations and {:.1} µs per call; {} calls and {} transactions alive",
        bench.allocations as f64 / f64::from(COUNTED),
        bench.spent.as_secs_f64() * 1e6 / f64::from(COUNTED),
        bench.switch.live_calls(),
        bench.switch.live_transactions(),
    );
    let mut group = c.benchmark_group("call_sim");
    group.throughput(Throughput::Elements(1));
    group.bench_function("whole call, signalling only", |b| {
        b.iter_custom(|count| {
            bench.spent = Duration::ZERO;
            for _ in 0..count {
                bench.call();
            }
            bench.spent
        });
    });
    group.finish();
}

criterion_group!(benches, calls);
criterion_main!(benches);
