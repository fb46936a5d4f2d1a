//! A whole call through the real switch, the real media sessions and real sockets: two carriers, two phones.
#![allow(clippy::unwrap_used)] // also in the helpers beside the tests

mod common;

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use axbridge_binding::{
    AppId, Axb, CallDirection, NumberInfo, NumberStatus, Policy, SubscriptionId, Table, TrunkId,
};
use axbridge_call::{App, CallerHeader, Directory, RecordLayout, Snapshot, SwitchConfig, Trunk};
use axbridge_engine::{Engine, EngineConfig, EngineHandle};
use axbridge_media::{Prompt, tone};
use axbridge_numbering::Number;
use axbridge_sip::EndpointConfig;
use common::{Seen, ToyJournal, free_ports, header, phone, rtp, wait_for};

const A: &str = "+8613900000001";
const B: &str = "+8613900000002";
const X: &str = "+8617000000001";

fn number(text: &str) -> Number {
    Number::parse_global(text).unwrap()
}

/// A directory with one trunk, whose calls go out to `carrier_b`, and the binding A - X - B.
fn directory(carrier_b: SocketAddr) -> Arc<Directory> {
    let table = Table::with_capacity(16);
    let (app, trunk) = (AppId(7), TrunkId(1));
    let status = NumberStatus::Normal;
    table.set_number(
        number(X),
        NumberInfo {
            app,
            status,
            trunk,
            mode: axbridge_binding::RouteKind::Axb,
            area: None,
        },
    );
    let policy = Policy {
        record: true,
        ..Policy::default()
    };
    let binding = Axb {
        subscription: SubscriptionId(1),
        app,
        x: number(X),
        a: number(A),
        b: number(B),
        direction: CallDirection::Both,
        expires_at_ms: None,
        policy,
        user_data: None,
    };
    table.publish_axb(&binding).unwrap();
    let directory = Directory::new(Arc::new(table));
    let trunk = Trunk {
        sources: vec!["127.0.0.1".parse().unwrap()],
        caller_from: vec![CallerHeader::From],
        ..Trunk::new(trunk, "carrier", vec![carrier_b])
    };
    let app = App {
        recording: true,
        layout: RecordLayout::Stereo,
        ..App::new(app, "key")
    };
    directory.publish(Snapshot {
        trunks: HashMap::from([(trunk.id, Arc::new(trunk))]),
        apps: HashMap::from([(app.id, Arc::new(app))]),
        ..Snapshot::default()
    });
    Arc::new(directory)
}

fn start(seen: &Arc<Seen>, carrier_b: SocketAddr, dir: &std::path::Path) -> EngineHandle {
    let mut config = EngineConfig::loopback(dir);
    config.shards = 2;
    config.ports = free_ports(8);
    let ring_back: Prompt = tone::ring_back();
    let switch = SwitchConfig {
        node: "n1".into(),
        host: "axbridge.example".into(),
        shard: 0,
        shards: 0,
        listen: Vec::new(),
        calls_max: 100,
        minute: Duration::from_secs(60),
        closing_max: Duration::from_secs(5),
        ring_back: Arc::new(ring_back),
        trace: true,
        sip: EndpointConfig::default(),
    };
    let journal = |_| Box::new(ToyJournal(Arc::clone(seen))) as Box<dyn axbridge_engine::Journal>;
    Engine::start(
        config,
        switch,
        directory(carrier_b),
        (0..2).map(journal).collect(),
    )
    .unwrap()
}

fn sdp(rtp: SocketAddr) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {} RTP/AVP 8\r\na=sendrecv\r\n",
        rtp.port()
    )
}

/// A message of the caller's dialog.
fn from_a(
    sip: &UdpSocket,
    to: SocketAddr,
    method: &str,
    cseq: u32,
    to_tag: &str,
    body: &str,
) -> String {
    let local = sip.local_addr().unwrap();
    let kind = if body.is_empty() {
        ""
    } else {
        "Content-Type: application/sdp\r\n"
    };
    format!(
        "{method} sip:{X}@{to} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bK-{method}-{cseq};rport\r\n\
         From: <sip:{A}@{local}>;tag=a1\r\nTo: <sip:{X}@{to}>{to_tag}\r\nCall-ID: leg-a@{local}\r\nCSeq: {cseq} {method}\r\n\
         Contact: <sip:{A}@{local}>\r\nMax-Forwards: 70\r\n{kind}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// The callee's answer to a request.
fn answer(request: &str, status: &str, contact: SocketAddr, body: &str) -> String {
    let copied = ["Via", "From", "Call-ID", "CSeq"]
        .map(|name| format!("{name}: {}\r\n", header(request, name)));
    let to = header(request, "To");
    let tag = if to.contains("tag=") { "" } else { ";tag=b1" };
    let kind = if body.is_empty() {
        ""
    } else {
        "Content-Type: application/sdp\r\n"
    };
    format!(
        "SIP/2.0 {status}\r\n{}To: {to}{tag}\r\nContact: <sip:b@{contact}>\r\n{kind}Content-Length: {}\r\n\r\n{body}",
        copied.concat(),
        body.len()
    )
}

/// Waits for a message that begins so, passing over others.
fn expect(sip: &UdpSocket, begin: &str) -> (String, SocketAddr) {
    for _ in 0..20 {
        let mut buffer = [0; 4_096];
        let (length, from) = sip
            .recv_from(&mut buffer)
            .unwrap_or_else(|_| panic!("no {begin}"));
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        if text.starts_with(begin) {
            return (text, from);
        }
    }
    panic!("no {begin}");
}

fn media_port(text: &str) -> SocketAddr {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("m=audio "))
        .unwrap();
    let port: u16 = line.split(' ').next().unwrap().parse().unwrap();
    ([127, 0, 0, 1], port).into()
}

/// Speaks on one side until it is heard on the other; media may be a moment behind the signalling.
fn hears(speaker: &UdpSocket, port: SocketAddr, listener: &UdpSocket, voice: u8) -> bool {
    listener
        .set_read_timeout(Some(Duration::from_millis(20)))
        .unwrap();
    let mut packet = [0; 2_048];
    (0..500).any(|sequence| {
        speaker
            .send_to(&rtp(0xaaaa, sequence, voice), port)
            .unwrap();
        let heard = listener.recv(&mut packet).unwrap_or(0);
        heard == 172 && packet[12..172] == [voice; 160]
    })
}

#[test]
fn the_caller_reaches_the_callee_who_sees_x_only() {
    let dir = std::env::temp_dir().join(format!("axbridge-call-{}", std::process::id()));
    let seen = Arc::new(Seen::default());
    let (sip_a, sip_b, rtp_a, rtp_b) = (phone(), phone(), phone(), phone());
    let contact_b = sip_b.local_addr().unwrap();
    let engine = start(&seen, contact_b, &dir);
    let to = engine.listening()[0].local;

    let offer = sdp(rtp_a.local_addr().unwrap());
    sip_a
        .send_to(from_a(&sip_a, to, "INVITE", 1, "", &offer).as_bytes(), to)
        .unwrap();
    let (invite, from) = expect(&sip_b, "INVITE");
    assert!(
        invite.contains("17000000001") && !invite.contains("13900000001"),
        "{invite}"
    );
    sip_b
        .send_to(
            answer(&invite, "180 Ringing", contact_b, "").as_bytes(),
            from,
        )
        .unwrap();
    expect(&sip_a, "SIP/2.0 180");
    let local_b = sdp(rtp_b.local_addr().unwrap());
    sip_b
        .send_to(
            answer(&invite, "200 OK", contact_b, &local_b).as_bytes(),
            from,
        )
        .unwrap();
    let (ok, _) = expect(&sip_a, "SIP/2.0 200");
    assert!(!ok.contains("13900000002"), "{ok}");
    let tag = header(&ok, "To").split_once(";tag=").unwrap().1.to_owned();
    let to_tag = format!(";tag={tag}");
    sip_a
        .send_to(from_a(&sip_a, to, "ACK", 1, &to_tag, "").as_bytes(), to)
        .unwrap();
    expect(&sip_b, "ACK");

    let (port_a, port_b) = (media_port(&ok), media_port(&invite));
    assert!(hears(&rtp_a, port_a, &rtp_b, 0x11) && hears(&rtp_b, port_b, &rtp_a, 0x12));
    assert_eq!(engine.live_calls().len(), 1);
    let session = engine.live_calls()[0].session_id.clone();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let trace = runtime.block_on(engine.trace(&session)).expect("a trace");
    assert!(trace.messages.len() > 5 && trace.steps.len() > 3);
    assert!(runtime.block_on(engine.trace("another")).is_none());

    sip_a
        .send_to(from_a(&sip_a, to, "BYE", 2, &to_tag, "").as_bytes(), to)
        .unwrap();
    expect(&sip_a, "SIP/2.0 200");
    let (bye, from) = expect(&sip_b, "BYE");
    sip_b
        .send_to(answer(&bye, "200 OK", contact_b, "").as_bytes(), from)
        .unwrap();
    wait_for("the record", || (engine.live_count() == 0).then_some(()));
    let told: Vec<_> = seen
        .facts
        .lock()
        .iter()
        .map(|fact| fact.kind.name())
        .collect();
    assert_eq!(
        told,
        [
            "callin",
            "callout",
            "alerting",
            "answer",
            "recording",
            "disconnect",
            "trace",
            "fee"
        ]
    );
    engine.shutdown_blocking();
    let _ = std::fs::remove_dir_all(&dir);
}
