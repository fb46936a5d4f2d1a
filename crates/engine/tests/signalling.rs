//! SIP over real sockets: to the right shard, over UDP and TCP, with the facts on disk before anyone is told.
#![allow(clippy::unwrap_used)] // also in the helpers beside the tests

mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axbridge_call::StoppedBy;
use axbridge_engine::{Admit, EngineConfig, ListenAt};
use axbridge_sip::{Transport, shard_of};
use common::{Rig, ask, call, header, phone, receive, request, wait_for};
use socket2::{Domain, Socket, Type};

#[test]
fn options_is_answered_over_udp_on_both_families() {
    let rig = Rig::start(|config| {
        let v6 = SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, 0));
        config.listen.push(ListenAt::new(Transport::Udp, v6));
    });
    let answer = ask(&phone(), rig.udp(), &request("OPTIONS", "a", ""));
    assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
    let v6 = rig
        .engine
        .listening()
        .iter()
        .find(|listen| listen.local.is_ipv6())
        .unwrap()
        .local;
    let phone = std::net::UdpSocket::bind("[::1]:0").unwrap();
    phone
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    assert!(ask(&phone, v6, &request("OPTIONS", "b", "")).starts_with("SIP/2.0 200"));
}

#[test]
fn every_message_reaches_the_shard_of_its_call_id() {
    let rig = Rig::start(|config| config.shards = 3);
    let phone = phone();
    for number in 0..40 {
        let call_id = format!("call-{number}@x");
        let answer = ask(&phone, rig.udp(), &request("OPTIONS", &call_id, ""));
        assert_eq!(header(&answer, "Call-ID"), call_id);
        let expected = shard_of(call_id.as_bytes(), 3).to_string();
        assert_eq!(header(&answer, "X-Shard"), expected);
    }
}

#[test]
fn line_ends_and_rubbish_are_survived() {
    let rig = Rig::start(|_| {});
    let phone = phone();
    for rubbish in [
        &b"\r\n\r\n"[..],
        b"",
        b"\0",
        b"INVITE",
        &[0xff; 4_000],
        &[b'a'; 60_000],
    ] {
        phone.send_to(rubbish, rig.udp()).unwrap();
    }
    assert!(ask(&phone, rig.udp(), &request("OPTIONS", "a", "")).starts_with("SIP/2.0 200"));
}

fn connect(to: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(to).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    stream
}

/// Reads one answer without a body.
fn read_answer(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("no answer");
        text.push(byte[0]);
    }
    String::from_utf8(text).unwrap()
}

#[test]
fn a_stream_may_be_cut_anywhere() {
    let rig = Rig::start(|config| config.shards = 2);
    let mut stream = connect(rig.address(Transport::Tcp));
    let length = request("OPTIONS", "cut-000", "").len();
    for cut in 1..length {
        let call_id = format!("cut-{cut:03}");
        let message = request("OPTIONS", &call_id, "");
        stream.write_all(&message.as_bytes()[..cut]).unwrap();
        std::thread::yield_now();
        stream.write_all(&message.as_bytes()[cut..]).unwrap();
        assert_eq!(header(&read_answer(&mut stream), "Call-ID"), call_id);
    }
}

#[test]
fn many_messages_may_come_at_once_and_a_ping_is_answered() {
    let rig = Rig::start(|_| {});
    let mut stream = connect(rig.address(Transport::Tcp));
    let all: String = (0..200)
        .map(|number| request("OPTIONS", &format!("m{number}"), ""))
        .collect();
    stream.write_all(all.as_bytes()).unwrap();
    for number in 0..200 {
        assert_eq!(
            header(&read_answer(&mut stream), "Call-ID"),
            format!("m{number}")
        );
    }
    stream.write_all(b"\r\n\r\n").unwrap();
    let mut pong = [0; 2];
    stream.read_exact(&mut pong).unwrap();
    assert_eq!(&pong, b"\r\n");
}

/// True when the other side closes without saying more than it should.
fn closes(stream: &mut TcpStream) -> bool {
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).is_ok_and(|_| rest.is_empty())
}

#[test]
fn a_connection_that_is_not_sip_is_closed() {
    let rig = Rig::start(|_| {});
    let mut stream = connect(rig.address(Transport::Tcp));
    let endless = vec![b'a'; 200_000];
    let _ = stream.write_all(&endless);
    let mut rest = Vec::new();
    // A close with unread bytes is a reset, which is a close too.
    let _ = stream.read_to_end(&mut rest);
    assert!(ask(&phone(), rig.udp(), &request("OPTIONS", "a", "")).starts_with("SIP/2.0 200"));
}

#[test]
fn connections_beyond_the_limit_and_idle_ones_are_closed() {
    let rig = Rig::start(|config| {
        config.tcp.connections_max = 1;
        config.tcp.idle = Duration::from_millis(200);
    });
    let mut first = connect(rig.address(Transport::Tcp));
    first
        .write_all(request("OPTIONS", "a", "").as_bytes())
        .unwrap();
    read_answer(&mut first);
    assert!(
        closes(&mut connect(rig.address(Transport::Tcp))),
        "one too many"
    );
    assert!(closes(&mut first), "idle");
    let mut next = connect(rig.address(Transport::Tcp));
    next.write_all(request("OPTIONS", "b", "").as_bytes())
        .unwrap();
    assert_eq!(
        header(&read_answer(&mut next), "Call-ID"),
        "b",
        "the place is free again"
    );
}

#[test]
fn strangers_are_closed_on_arrival_and_take_no_place() {
    let rig = Rig::start(|config| {
        config.tcp.connections_max = 1;
        let only_127_0_0_9 = |source: SocketAddr| source.ip().to_string() == "127.0.0.9";
        config.tcp.admit = Some(Admit(Arc::new(only_127_0_0_9)));
    });
    let at = rig.address(Transport::Tcp);
    let mut strangers: Vec<TcpStream> = (0..5).map(|_| connect(at)).collect();
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket
        .bind(&SocketAddr::from(([127, 0, 0, 9], 0)).into())
        .unwrap();
    socket.connect(&at.into()).unwrap();
    let mut carrier = TcpStream::from(socket);
    carrier
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    carrier
        .write_all(request("OPTIONS", "a", "").as_bytes())
        .unwrap();
    assert_eq!(header(&read_answer(&mut carrier), "Call-ID"), "a");
    assert!(strangers.iter_mut().all(closes));
}

#[test]
fn a_message_has_to_be_finished_however_slowly_octets_come() {
    let rig = Rig::start(|config| config.tcp.message_max = Duration::from_millis(400));
    let mut slow = connect(rig.address(Transport::Tcp));
    let begun = Instant::now();
    let closed = (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        slow.write_all(b"O").is_err()
    });
    assert!(closed, "still open after {:?}", begun.elapsed());
    // Whole messages with pauses between them are nothing of the kind.
    let mut calm = connect(rig.address(Transport::Tcp));
    for id in ["a", "b", "c"] {
        calm.write_all(request("OPTIONS", id, "").as_bytes())
            .unwrap();
        assert_eq!(header(&read_answer(&mut calm), "Call-ID"), id);
        std::thread::sleep(Duration::from_millis(300));
    }
}

#[test]
fn a_connection_is_opened_where_none_is_and_used_again() {
    let rig = Rig::start(|_| {});
    let peer = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = peer.local_addr().unwrap();
    let ask = |id: &str| {
        let text = request("OPTIONS", id, &format!("X-Connect: {to}\r\n"));
        phone().send_to(text.as_bytes(), rig.udp()).unwrap();
    };
    ask("one");
    let (mut stream, _) = peer.accept().unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    assert_eq!(header(&read_answer(&mut stream), "Call-ID"), "one");
    ask("two");
    assert_eq!(header(&read_answer(&mut stream), "Call-ID"), "two");
    // The peer may also speak on the connection that we opened.
    stream
        .write_all(request("OPTIONS", "back", "").as_bytes())
        .unwrap();
    assert_eq!(header(&read_answer(&mut stream), "Call-ID"), "back");
}

#[test]
fn a_refused_connection_is_told_to_the_calls() {
    let rig = Rig::start(|_| {});
    let nobody = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let text = request("OPTIONS", "one", &format!("X-Connect: {nobody}\r\n"));
    phone().send_to(text.as_bytes(), rig.udp()).unwrap();
    let hop = wait_for("failure", || rig.seen.failed_hops.lock().first().copied());
    assert_eq!((hop.transport, hop.remote), (Transport::Tcp, nobody));
}

#[test]
fn facts_are_written_before_the_answer_leaves() {
    let rig = Rig::start(|_| {});
    let sip = phone();
    let early = Arc::new(AtomicBool::new(false));
    let (probe, flag) = (sip.try_clone().unwrap(), Arc::clone(&early));
    *rig.seen.on_append.lock() = Some(Box::new(move || {
        // Long enough for an answer that did not wait to be here.
        std::thread::sleep(Duration::from_millis(50));
        probe.set_nonblocking(true).unwrap();
        let answered = probe.peek(&mut [0; 16]).is_ok();
        probe.set_nonblocking(false).unwrap();
        flag.fetch_or(answered, Ordering::SeqCst);
    }));
    let (a, b) = (phone(), phone());
    call(&rig, &sip, "one", [&a, &b], "");
    assert_eq!(rig.seen.facts.lock().len(), 1);
    assert!(!early.load(Ordering::SeqCst));
}

#[test]
fn a_journal_that_refuses_stops_new_calls_and_loses_no_fact() {
    let rig = Rig::start(|_| {});
    let (sip, a, b) = (phone(), phone(), phone());
    rig.seen.journal_refuses.store(true, Ordering::SeqCst);
    call(&rig, &sip, "one", [&a, &b], "");
    wait_for("refusal of new calls", || {
        rig.seen.overloads.lock().contains(&true).then_some(())
    });
    assert!(rig.seen.facts.lock().is_empty());
    rig.seen.journal_refuses.store(false, Ordering::SeqCst);
    wait_for("the fact", || rig.seen.facts.lock().first().map(|_| ()));
    wait_for("new calls again", || {
        (rig.seen.overloads.lock().last() == Some(&false)).then_some(())
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn live_calls_are_listed_masked_and_can_be_stopped() {
    let rig = Rig::start(|config| config.shards = 2);
    let (sip, a, b) = (phone(), phone(), phone());
    call(&rig, &sip, "one", [&a, &b], "");
    let live = rig.engine.live_calls();
    assert_eq!(live.len(), 1);
    let shown = format!("{live:?}");
    assert!(
        !shown.contains("13900000001") && !shown.contains("17000000001"),
        "{shown}"
    );
    assert!(!rig.engine.stop_call("other", StoppedBy::Operator).await);
    assert!(rig.engine.stop_call("one", StoppedBy::Application).await);
    wait_for("the end", || {
        rig.engine.live_calls().is_empty().then_some(())
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_waits_refuses_and_at_last_ends() {
    let rig = Rig::start(|_| {});
    let (sip, a, b) = (phone(), phone(), phone());
    call(&rig, &sip, "short", [&a, &b], "");
    call(&rig, &sip, "long", [&a, &b], "");
    let engine = rig.engine.clone();
    let drain = tokio::spawn(async move { engine.drain(Duration::from_millis(600)).await });
    wait_for("the drain", || {
        let answer = ask(&sip, rig.udp(), &request("OPTIONS", "a", ""));
        answer.starts_with("SIP/2.0 503").then_some(())
    });
    let late = ask(&sip, rig.udp(), &request("INVITE", "late", ""));
    assert!(late.starts_with("SIP/2.0 503"), "{late}");
    ask(&sip, rig.udp(), &request("BYE", "short", ""));
    assert_eq!(
        drain.await.unwrap(),
        1,
        "only the long call had to be ended"
    );
    assert_eq!(rig.engine.live_count(), 0);
}

#[test]
fn what_cannot_work_is_refused_at_start() {
    let dir = std::env::temp_dir().join("axbridge-engine-never");
    let start = |change: fn(&mut EngineConfig)| {
        let mut config = EngineConfig::loopback(&dir);
        change(&mut config);
        let seen = Arc::default();
        axbridge_engine::Engine::start_with(config, Vec::new(), |setup| {
            Box::new(common::ToySwitch::new(setup.shard, Arc::clone(&seen)))
        })
        .map(|_| ())
    };
    assert!(start(|_| {}).is_err(), "no journal");
    assert!(start(|config| config.listen.clear()).is_err());
    assert!(start(|config| config.ports.ips.clear()).is_err());
}

#[test]
fn a_second_engine_on_the_same_address_is_refused() {
    let rig = Rig::start(|config| config.shards = 2);
    let address = rig.udp();
    let second = std::panic::catch_unwind(|| {
        Rig::start(|config| config.listen = vec![ListenAt::new(Transport::Udp, address)])
    });
    assert!(second.is_err());
    let sip = phone();
    sip.send_to(request("OPTIONS", "a", "").as_bytes(), address)
        .unwrap();
    assert!(receive(&sip).starts_with("SIP/2.0 200"));
}
