//! What a SIP transaction costs from its first message to its end, with as many alive as steady traffic leaves (about 32 s of
//! 1,000 a second). Virtual time: each life begins one millisecond after the last.

use axbridge_sip::{
    ConnId, Endpoint, EndpointConfig, Event, Hop, Method, Name, RequestBuilder, ResponseBuilder,
    Transport,
};
use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::time::{Duration, Instant};

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 8 0 101\r\n\
    a=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n";

fn hop(transport: Transport) -> Hop {
    let conn = transport.is_reliable().then_some(ConnId(1));
    let address = |text: &str| text.parse().expect("an address");
    Hop {
        transport,
        local: address("127.0.0.1:5060"),
        remote: address("127.0.0.1:5070"),
        conn,
    }
}

fn text(method: &str, n: u64, to_tag: &str, body: &str) -> Bytes {
    let (branch, kind) = (
        n * 2 + u64::from(method == "ACK"),
        if body.is_empty() {
            ""
        } else {
            "Content-Type: application/sdp\r\n"
        },
    );
    Bytes::from(format!(
        "{method} sip:+8617000000001@127.0.0.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bK{branch:x};rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:+8613900000001@127.0.0.1>;tag=f{n:x}\r\nTo: <sip:+8617000000001@127.0.0.1>{to_tag}\r\n\
         Call-ID: {n:x}@127.0.0.1\r\nCSeq: 1 {method}\r\nContact: <sip:a@127.0.0.1:5070>\r\nAllow: INVITE, ACK, CANCEL, BYE, PRACK\r\n\
         Supported: 100rel, timer\r\nP-Asserted-Identity: <sip:+8613900000001@127.0.0.1>\r\n{kind}Content-Length: {}\r\n\r\n{body}",
        body.len()
    ))
}

/// An endpoint and its clock.
struct Bench {
    endpoint: Endpoint,
    now: Instant,
    hop: Hop,
    count: u64,
}

impl Bench {
    fn new(transport: Transport) -> Bench {
        let config = EndpointConfig {
            transactions_max: 1_000_000,
            ..EndpointConfig::default()
        };
        Bench {
            endpoint: Endpoint::new(config, 1),
            now: Instant::now(),
            hop: hop(transport),
            count: 0,
        }
    }

    /// One millisecond passes, and with it whatever was due.
    fn tick(&mut self) {
        self.now += Duration::from_millis(1);
        if self
            .endpoint
            .next_deadline()
            .is_some_and(|at| at <= self.now)
        {
            self.endpoint.handle_timeout(self.now);
        }
    }

    fn drain(&mut self) -> Option<Event> {
        while let Some(transmit) = self.endpoint.poll_transmit() {
            black_box(transmit);
        }
        self.endpoint.poll_event()
    }

    /// INVITE, 100, 180, 200, ACK.
    fn serve(&mut self, (invite, ack): (Bytes, Bytes)) {
        self.endpoint.receive(self.now, self.hop, invite);
        let Some(Event::Request { tx, .. }) = self.drain() else {
            panic!("no request")
        };
        let body = Bytes::from_static(SDP.as_bytes());
        for r in [
            ResponseBuilder::new(100),
            ResponseBuilder::new(180).to_tag("t1"),
            ResponseBuilder::new(200)
                .to_tag("t1")
                .header(Name::Contact, "<sip:x@127.0.0.1:5060>")
                .body("application/sdp", body),
        ] {
            self.endpoint.respond(self.now, tx, r).expect("open");
        }
        self.endpoint.receive(self.now, self.hop, ack);
        black_box(self.drain());
        self.tick();
    }

    fn serve_options(&mut self, request: Bytes) {
        self.endpoint.receive(self.now, self.hop, request);
        let Some(Event::Request { tx, .. }) = self.drain() else {
            panic!("no request")
        };
        self.endpoint
            .respond(self.now, tx, ResponseBuilder::new(200))
            .expect("open");
        black_box(self.drain());
        self.tick();
    }

    /// A request of ours and its answers, of which `answers` are the texts with the branch left open.
    fn call(&mut self, method: Method, answers: &[Vec<u8>]) {
        self.count += 1;
        let n = self.count;
        let request = RequestBuilder::new(method, "sip:+8613900000002@127.0.0.1:5070")
            .from(format!("<sip:+8617000000001@127.0.0.1>;tag=f{n:x}"))
            .to("<sip:+8613900000002@127.0.0.1>")
            .call_id(format!("{n:x}@127.0.0.1"))
            .header(Name::Contact, "<sip:x@127.0.0.1:5060>")
            .body("application/sdp", Bytes::from_static(SDP.as_bytes()));
        self.endpoint.request(self.now, self.hop, request);
        let sent = self.endpoint.poll_transmit().expect("sent");
        let branch = find(&sent.bytes, b"z9hG4bK") + 7;
        for answer in answers {
            let mut answer = answer.clone();
            let at = find(&answer, b"z9hG4bK") + 7;
            answer[at..at + 16].copy_from_slice(&sent.bytes[branch..branch + 16]);
            self.endpoint
                .receive(self.now, self.hop, Bytes::from(answer));
            black_box(self.drain());
        }
        self.tick();
    }
}

fn find(text: &[u8], what: &[u8]) -> usize {
    text.windows(what.len())
        .position(|window| window == what)
        .expect("there")
}

fn answer(status: u16, method: &str) -> Vec<u8> {
    let body = if status == 200 && method == "INVITE" {
        SDP
    } else {
        ""
    };
    format!(
        "SIP/2.0 {status} X\r\nVia: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bK0000000000000000;rport=5060;received=127.0.0.1\r\n\
         From: <sip:+8617000000001@127.0.0.1>;tag=f\r\nTo: <sip:+8613900000002@127.0.0.1>;tag=t\r\nCall-ID: x@127.0.0.1\r\n\
         CSeq: 1 {method}\r\nContact: <sip:b@127.0.0.1:5070>\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn server(c: &mut Criterion) {
    let mut group = c.benchmark_group("sip_transaction/server");
    group.throughput(Throughput::Elements(1));
    let mut n = 0;
    let mut bench = Bench::new(Transport::Udp);
    group.bench_function("invite_100_180_200_ack", |b| {
        b.iter_batched(
            || {
                n += 1;
                (text("INVITE", n, "", SDP), text("ACK", n, ";tag=t1", ""))
            },
            |messages| bench.serve(messages),
            BatchSize::SmallInput,
        )
    });
    println!("alive after the INVITEs: {}", bench.endpoint.live());
    let mut bench = Bench::new(Transport::Udp);
    group.bench_function("options_200", |b| {
        b.iter_batched(
            || {
                n += 1;
                text("OPTIONS", n, "", "")
            },
            |request| bench.serve_options(request),
            BatchSize::SmallInput,
        )
    });
    let repeated = text("INVITE", u64::MAX / 4, "", SDP);
    let mut bench = Bench::new(Transport::Udp);
    bench
        .endpoint
        .receive(bench.now, bench.hop, repeated.clone());
    let Some(Event::Request { tx, .. }) = bench.drain() else {
        panic!("no request")
    };
    bench
        .endpoint
        .respond(bench.now, tx, ResponseBuilder::new(180))
        .expect("open");
    group.bench_function("repeated_invite", |b| {
        b.iter(|| {
            bench
                .endpoint
                .receive(bench.now, bench.hop, repeated.clone());
            black_box(bench.drain());
        })
    });
    group.finish();
}

fn client(c: &mut Criterion) {
    let mut group = c.benchmark_group("sip_transaction/client");
    group.throughput(Throughput::Elements(1));
    let answers: Vec<Vec<u8>> = [100, 180, 200]
        .map(|status| answer(status, "INVITE"))
        .into();
    let mut bench = Bench::new(Transport::Udp);
    group.bench_function("invite_100_180_200", |b| {
        b.iter(|| bench.call(Method::Invite, &answers))
    });
    let refused: Vec<Vec<u8>> = [100, 486].map(|status| answer(status, "INVITE")).into();
    let mut bench = Bench::new(Transport::Udp);
    group.bench_function("invite_100_486_ack", |b| {
        b.iter(|| bench.call(Method::Invite, &refused))
    });
    let answers = [answer(200, "BYE")];
    let mut bench = Bench::new(Transport::Udp);
    group.bench_function("bye_200", |b| b.iter(|| bench.call(Method::Bye, &answers)));
    group.finish();
}

criterion_group!(benches, server, client);
criterion_main!(benches);
