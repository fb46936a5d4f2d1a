//! What is answered to requests that cannot become a call, or do not belong to one: one table.

#![allow(clippy::unwrap_used)] // A test that cannot go on fails.

mod common;

use std::sync::Arc;
use std::time::Instant;

use axbridge_binding::AppId;
use axbridge_call::{Fact, FactKind, Now, Prack, Switch, Trunk};
use axbridge_sip::{Hop, Transport};
use bytes::Bytes;

use common::{A, B, NoMedia, X};

fn switch(calls_max: usize) -> Switch {
    common::switch(common::directory(common::app(), |_| {}), calls_max)
}

/// One request with everything that varies.
struct Request {
    method: &'static str,
    to_tag: &'static str,
    user: &'static str,
    headers: &'static str,
    body: &'static str,
    source: &'static str,
}

const PLAIN: Request = Request {
    method: "INVITE",
    to_tag: "",
    user: X,
    headers: "Content-Type: application/sdp\r\n",
    body: SDP,
    source: "192.0.2.1:5060",
};

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n";
const VIDEO: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=video 4000 RTP/AVP 96\r\n";

fn send(switch: &mut Switch, r: &Request) -> Vec<String> {
    let forwards = if r.headers.contains("Max-Forwards") {
        ""
    } else {
        "Max-Forwards: 70\r\n"
    };
    let text = format!(
        "{} sip:{}@192.0.2.100 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK{}\r\n{forwards}From: <sip:{A}@192.0.2.1>;tag=f\r\nTo: <sip:{X}@192.0.2.100>{}\r\nCall-ID: c\r\nCSeq: 1 {}\r\nContact: <sip:a@192.0.2.1>\r\n{}Content-Length: {}\r\n\r\n{}",
        r.method,
        r.user,
        r.method,
        r.to_tag,
        r.method,
        r.headers,
        r.body.len(),
        r.body
    );
    let hop = Hop {
        transport: Transport::Udp,
        local: "192.0.2.100:5060".parse().unwrap(),
        remote: r.source.parse().unwrap(),
        conn: None,
    };
    let now = Now {
        mono: Instant::now(),
        wall_ms: 1_900_000_000_000,
    };
    switch.receive(now, hop, Bytes::from(text), &mut NoMedia);
    let mut sent = Vec::new();
    while let Some(transmit) = switch.poll_transmit() {
        sent.push(String::from_utf8(transmit.bytes.to_vec()).unwrap());
    }
    sent
}

#[test]
fn every_refusal_has_its_status_and_says_what_would_do() {
    let table: &[(u16, &str, Request)] = &[
        (
            403,
            "",
            Request {
                source: "198.51.100.9:5060",
                ..PLAIN
            },
        ),
        (
            404,
            "",
            Request {
                user: "+8617000000099",
                ..PLAIN
            },
        ),
        (
            404,
            "",
            Request {
                user: "anonymous",
                ..PLAIN
            },
        ),
        (
            405,
            "Allow: INVITE",
            Request {
                method: "REFER",
                body: "",
                ..PLAIN
            },
        ),
        (
            405,
            "Allow: INVITE",
            Request {
                method: "SUBSCRIBE",
                body: "",
                ..PLAIN
            },
        ),
        (
            405,
            "Allow: INVITE",
            Request {
                method: "REGISTER",
                body: "",
                ..PLAIN
            },
        ),
        (
            501,
            "",
            Request {
                method: "PING",
                body: "",
                headers: "",
                ..PLAIN
            },
        ),
        (
            415,
            "Accept: application/sdp",
            Request {
                headers: "Content-Type: text/plain\r\n",
                ..PLAIN
            },
        ),
        (
            415,
            "Accept-Encoding: identity",
            Request {
                headers: "Content-Type: application/sdp\r\nContent-Encoding: gzip\r\n",
                ..PLAIN
            },
        ),
        (
            420,
            "Unsupported: x-moon",
            Request {
                headers: "Require: 100rel, x-moon\r\nContent-Type: application/sdp\r\n",
                ..PLAIN
            },
        ),
        (
            481,
            "",
            Request {
                to_tag: ";tag=0123456789abcdef",
                ..PLAIN
            },
        ),
        (
            481,
            "",
            Request {
                method: "BYE",
                to_tag: ";tag=whatever",
                body: "",
                ..PLAIN
            },
        ),
        (
            481,
            "",
            Request {
                method: "UPDATE",
                ..PLAIN
            },
        ),
        (
            481,
            "",
            Request {
                method: "CANCEL",
                body: "",
                headers: "",
                ..PLAIN
            },
        ),
        (
            483,
            "",
            Request {
                headers: "Max-Forwards: 0\r\nContent-Type: application/sdp\r\n",
                ..PLAIN
            },
        ),
        (
            488,
            "",
            Request {
                body: VIDEO,
                ..PLAIN
            },
        ),
        (
            400,
            "",
            Request {
                body: "nonsense",
                ..PLAIN
            },
        ),
    ];
    for (status, says, request) in table {
        let mut switch = switch(10);
        let sent = send(&mut switch, request);
        let what = format!("{} {} {:?}", request.method, request.user, request.headers);
        assert_eq!(sent.len(), 1, "{what} gives {sent:?}");
        assert!(
            sent[0].starts_with(&format!("SIP/2.0 {status} ")),
            "{what} gives {}",
            sent[0]
        );
        assert!(sent[0].contains(says), "{what} gives {}", sent[0]);
        assert_eq!(switch.live_calls(), 0, "{what} leaves a call");
        assert_eq!(
            switch.live_references(),
            0,
            "{what} leaves something behind"
        );
        let fact = switch.poll_fact();
        if *status == 404 {
            nobodys_number(&fact.unwrap(), request.user);
        } else {
            assert!(fact.is_none(), "{what} tells a fact");
        }
        assert!(switch.poll_fact().is_none(), "{what} tells too much");
    }
}

/// The trace of an INVITE for a number that nobody owns, for the operator.
fn nobodys_number(fact: &Fact, dialled: &str) {
    assert_eq!((fact.app, &*fact.app_key), (AppId(0), ""));
    let FactKind::Trace(trace) = &fact.kind else {
        panic!("{fact:?} is no trace");
    };
    let told = serde_json::to_string(&trace.told(&fact.session_id, false)).unwrap();
    let kept = serde_json::to_string(&trace).unwrap();
    for hidden in [A, dialled, "192.0.2."] {
        let hidden = hidden.trim_start_matches('+');
        assert!(!told.contains(hidden), "{hidden} in {told}");
        assert!(!kept.contains(hidden), "{hidden} in {kept}");
    }
    for piece in ["carrier", "was read from the header", "the caller got 404"] {
        assert!(told.contains(piece), "no {piece} in {told}");
    }
}

#[test]
fn a_good_invite_is_none_of_these() {
    let mut switch = switch(10);
    let sent = send(&mut switch, &PLAIN);
    assert!(sent[0].starts_with("SIP/2.0 100 "), "{sent:?}");
    assert!(
        sent[1].starts_with(&format!("INVITE sip:{B}@192.0.2.1 SIP/2.0")),
        "{sent:?}"
    );
    assert_eq!(switch.live_calls(), 1);
}

#[test]
fn overload_and_drain_answer_503_with_retry_after() {
    let mut full = switch(0);
    let mut draining = switch(10);
    draining.drain();
    for switch in [&mut full, &mut draining] {
        let sent = send(switch, &PLAIN);
        assert!(
            sent[0].starts_with("SIP/2.0 503 ") && sent[0].contains("Retry-After: "),
            "{sent:?}"
        );
    }
}

#[test]
fn options_is_answered_503_while_draining() {
    let mut switch = switch(10);
    switch.drain();
    let options = Request {
        method: "OPTIONS",
        body: "",
        headers: "",
        ..PLAIN
    };
    let sent = send(&mut switch, &options);
    assert!(
        sent[0].starts_with("SIP/2.0 503 ") && sent[0].contains("Retry-After: "),
        "{sent:?}"
    );
}

#[test]
fn a_trunk_that_wants_100rel_refuses_those_who_cannot() {
    let directory = common::directory(common::app(), |snapshot| {
        let trunk = Trunk {
            prack: Prack::Required,
            ..common::trunk()
        };
        snapshot.trunks = [(trunk.id, Arc::new(trunk))].into();
    });
    let mut switch = common::switch(directory, 10);
    let sent = send(&mut switch, &PLAIN);
    assert!(
        sent[0].starts_with("SIP/2.0 421 ") && sent[0].contains("Require: 100rel"),
        "{sent:?}"
    );
}

#[test]
fn strangers_make_no_transactions_and_few_answers() {
    let mut switch = switch(10);
    for (method, headers) in [("INVITE", PLAIN.headers), ("OPTIONS", ""), ("PING", "")] {
        let request = Request {
            method,
            headers,
            source: "198.51.100.9:5060",
            body: if method == "INVITE" { SDP } else { "" },
            ..PLAIN
        };
        let sent = send(&mut switch, &request);
        assert_eq!(sent.len(), 1, "{sent:?}");
        assert!(sent[0].starts_with("SIP/2.0 403 "), "{sent:?}");
    }
    assert_eq!(switch.live_transactions(), 0);
    assert_eq!(switch.next_deadline(), None, "nothing is repeated");
    // The rest of the burst, and then next to nothing: an address in a datagram may be somebody else's.
    let stranger = Request {
        source: "198.51.100.9:5060",
        ..PLAIN
    };
    let answers: usize = (0..5_000).map(|_| send(&mut switch, &stranger).len()).sum();
    assert!((97..1_000).contains(&answers), "{answers}");
    let counters = switch.sip_counters();
    assert_eq!(counters.strangers, 5_003);
    assert_eq!(counters.unanswered, 5_000 - answers as u64);
    // Whoever is known is served all the same.
    assert!(send(&mut switch, &PLAIN)[0].starts_with("SIP/2.0 100 "));
}

#[test]
fn options_is_answered_with_what_we_can() {
    let mut switch = switch(10);
    let sent = send(
        &mut switch,
        &Request {
            method: "OPTIONS",
            body: "",
            headers: "",
            ..PLAIN
        },
    );
    assert!(
        sent[0].starts_with("SIP/2.0 200 ") && sent[0].contains("Allow: INVITE"),
        "{sent:?}"
    );
}
