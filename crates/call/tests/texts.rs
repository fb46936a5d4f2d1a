//! Texts over SIP (RFC 3428): what is read, what is refused, what is written.

#![allow(clippy::unwrap_used)] // A test that cannot go on fails.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axbridge_binding::{Table, TrunkId};
use axbridge_call::{
    CallKey, Directory, Listen, MediaPlane, NoPorts, Now, Snapshot, Switch, SwitchConfig,
    TextAnswer, TextOut, TextOutcome, TextWay, Trunk,
};
use axbridge_media as media;
use axbridge_numbering::Number;
use axbridge_sip::{EndpointConfig, Hop, Transport};
use bytes::Bytes;

const X: &str = "+8617000000001";
const A: &str = "+8613900000001";
const B: &str = "+8613900000002";
const CARRIER: &str = "192.0.2.1:5060";

struct NoMedia;

impl MediaPlane for NoMedia {
    fn open(&mut self, _: CallKey, _: IpAddr, _: IpAddr) -> Result<[SocketAddr; 2], NoPorts> {
        Err(NoPorts)
    }

    fn command(&mut self, _: CallKey, _: media::Command) {}

    fn close(&mut self, _: CallKey) {}
}

fn number(text: &str) -> Number {
    Number::parse_global(text).unwrap()
}

struct Bed {
    switch: Switch,
    begun: Instant,
}

impl Bed {
    fn new(texts: TextWay) -> Bed {
        let directory = Directory::new(Arc::new(Table::with_capacity(16)));
        let mut trunk = Trunk::new(TrunkId(1), "carrier", vec![CARRIER.parse().unwrap()]);
        trunk.texts = texts;
        directory.publish(Snapshot {
            trunks: [(TrunkId(1), Arc::new(trunk))].into(),
            ..Snapshot::default()
        });
        let local: SocketAddr = "192.0.2.100:5060".parse().unwrap();
        let config = SwitchConfig {
            node: "n1".into(),
            host: "axbridge.invalid".into(),
            shard: 0,
            shards: 1,
            trace: true,
            listen: vec![Listen {
                transport: Transport::Udp,
                local,
                advertised: local,
            }],
            calls_max: 10,
            minute: Duration::from_secs(60),
            closing_max: Duration::from_secs(10),
            ring_back: Arc::new(media::tone::ring_back()),
            sip: EndpointConfig::default(),
        };
        Bed {
            switch: Switch::new(config, Arc::new(directory), 1),
            begun: Instant::now(),
        }
    }

    fn now(&self, after_ms: u64) -> Now {
        Now {
            mono: self.begun + Duration::from_millis(after_ms),
            wall_ms: 1_900_000_000_000 + after_ms,
        }
    }

    fn receive(&mut self, text: &str) -> Vec<String> {
        let hop = Hop {
            transport: Transport::Udp,
            local: "192.0.2.100:5060".parse().unwrap(),
            remote: CARRIER.parse().unwrap(),
            conn: None,
        };
        let now = self.now(0);
        let bytes = Bytes::copy_from_slice(text.as_bytes());
        self.switch.receive(now, hop, bytes, &mut NoMedia);
        self.sent()
    }

    fn sent(&mut self) -> Vec<String> {
        let sent = std::iter::from_fn(|| self.switch.poll_transmit());
        sent.map(|t| String::from_utf8(t.bytes.to_vec()).unwrap())
            .collect()
    }

    fn write(&mut self) -> String {
        let out = TextOut {
            id: 5,
            trunk: TrunkId(1),
            shown: number(X),
            receiver: number(B),
            text: "到了 ok".into(),
        };
        self.switch.send_text(self.now(0), out);
        self.sent().pop().unwrap_or_default()
    }
}

fn message(x: &str, headers: &str, body: &str) -> String {
    format!(
        "MESSAGE sip:{x}@192.0.2.100 SIP/2.0\r\nVia: SIP/2.0/UDP {CARRIER};branch=z9hG4bK1\r\nMax-Forwards: 70\r\nFrom: <sip:{A}@192.0.2.1>;tag=f\r\nTo: <sip:{x}@192.0.2.100>\r\nCall-ID: c\r\nCSeq: 1 MESSAGE\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

const PLAIN: &str = "Content-Type: text/plain;charset=UTF-8\r\n";

#[test]
fn a_text_is_answered_when_it_is_kept_and_once() {
    let mut bed = Bed::new(TextWay::Sip);
    let request = message(X, PLAIN, "在哪 here");
    assert!(bed.receive(&request).is_empty(), "not before it is kept");
    let text = bed.switch.poll_text().unwrap();
    assert_eq!((text.x, text.sender), (number(X), number(A)));
    assert_eq!((text.text.as_str(), text.trunk), ("在哪 here", TrunkId(1)));
    assert!(!format!("{text:?}").contains("here"));
    // The same request again is the same text, and waits with it.
    assert!(bed.receive(&request).is_empty());
    assert!(bed.switch.poll_text().is_none());
    let now = bed.now(5);
    bed.switch.answer_text(now, text.key, TextAnswer::Kept);
    let sent = bed.sent();
    assert!(sent[0].starts_with("SIP/2.0 202 "), "{sent:?}");
    bed.switch.answer_text(now, text.key, TextAnswer::Refused);
    assert!(bed.sent().is_empty());
    let again = bed.receive(&request);
    assert!(again[0].starts_with("SIP/2.0 202 "));
    // After a restart nothing is known of it but its origin.
    let mut restarted = Bed::new(TextWay::Sip);
    restarted.receive(&request);
    assert_eq!(restarted.switch.poll_text().unwrap().origin, text.origin);
    assert_eq!(bed.switch.live_references(), 0);
}

#[test]
fn every_answer_has_its_status() {
    for (answer, status) in [
        (TextAnswer::Kept, "202"),
        (TextAnswer::Refused, "403"),
        (TextAnswer::UnknownNumber, "404"),
        (TextAnswer::TooLong, "413"),
        (TextAnswer::Unavailable, "503"),
    ] {
        let mut bed = Bed::new(TextWay::Sip);
        bed.receive(&message(X, PLAIN, "hi"));
        let key = bed.switch.poll_text().unwrap().key;
        bed.switch.answer_text(bed.now(1), key, answer);
        let sent = bed.sent();
        assert!(
            sent[0].starts_with(&format!("SIP/2.0 {status} ")),
            "{sent:?}"
        );
    }
}

#[test]
fn what_is_not_a_text_is_refused_at_once() {
    let long = "a".repeat(8_193);
    let cases = [
        (
            "415",
            X,
            "Content-Type: message/cpim\r\n",
            "hi",
            "Accept: text/plain",
        ),
        (
            "415",
            X,
            "Content-Type: text/plain;charset=gbk\r\n",
            "hi",
            "",
        ),
        ("400", X, PLAIN, "", ""),
        ("413", X, PLAIN, long.as_str(), ""),
        ("404", "anonymous", PLAIN, "hi", ""),
        (
            "420",
            X,
            "Require: nothing-known\r\nContent-Type: text/plain\r\n",
            "hi",
            "Unsupported: nothing-known",
        ),
        (
            "415",
            X,
            "Content-Encoding: gzip\r\nContent-Type: text/plain\r\n",
            "hi",
            "",
        ),
    ];
    for (status, x, headers, body, says) in cases {
        let mut bed = Bed::new(TextWay::Sip);
        let sent = bed.receive(&message(x, headers, body));
        assert!(
            sent[0].starts_with(&format!("SIP/2.0 {status} ")),
            "{status}: {sent:?}"
        );
        assert!(sent[0].contains(says), "{sent:?}");
        assert!(bed.switch.poll_text().is_none());
    }
    let mut bed = Bed::new(TextWay::Sip);
    let anonymous = message(X, PLAIN, "hi").replace(&format!("<sip:{A}@"), "<sip:anonymous@");
    assert!(bed.receive(&anonymous)[0].starts_with("SIP/2.0 403 "));
    let tired = message(X, PLAIN, "hi").replace("Max-Forwards: 70", "Max-Forwards: 0");
    let mut bed = Bed::new(TextWay::Sip);
    assert!(bed.receive(&tired)[0].starts_with("SIP/2.0 483 "));
    let mut bed = Bed::new(TextWay::Sip);
    bed.switch.drain();
    assert!(bed.receive(&message(X, PLAIN, "hi"))[0].starts_with("SIP/2.0 503 "));
}

#[test]
fn a_trunk_without_texts_takes_none_and_says_so() {
    for texts in [TextWay::None, TextWay::Smpp("smsc".into())] {
        let mut bed = Bed::new(texts);
        let sent = bed.receive(&message(X, PLAIN, "hi"));
        assert!(sent[0].starts_with("SIP/2.0 405 "), "{sent:?}");
        assert!(!sent[0].contains(", MESSAGE"), "{sent:?}");
    }
    let options = message(X, "", "")
        .replace("MESSAGE sip", "OPTIONS sip")
        .replace("1 MESSAGE", "1 OPTIONS");
    let mut bed = Bed::new(TextWay::Sip);
    let sent = bed.receive(&options);
    assert!(
        sent[0].contains(", MESSAGE\r\n") && sent[0].contains("text/plain"),
        "{sent:?}"
    );
}

#[test]
fn a_text_that_leaves_shows_x_alone() {
    let mut bed = Bed::new(TextWay::Sip);
    let request = bed.write();
    assert!(
        request.starts_with(&format!("MESSAGE sip:{B}@192.0.2.1 SIP/2.0\r\n")),
        "{request}"
    );
    assert!(request.contains(&format!("From: <sip:{X}@192.0.2.100>;tag=")));
    assert!(request.contains(&format!("P-Asserted-Identity: <sip:{X}@192.0.2.100>\r\n")));
    assert!(request.contains("Content-Type: text/plain;charset=UTF-8\r\n"));
    assert!(request.ends_with("\r\n\r\n到了 ok"));
    assert!(!request.contains("Contact"), "RFC 3428 §4");
}

fn reply(request: &str, status: u16) -> String {
    let kept: String = request
        .lines()
        .filter(|l| {
            ["Via", "From", "To", "Call-ID", "CSeq"]
                .iter()
                .any(|n| l.starts_with(&format!("{n}:")))
        })
        .map(|l| {
            if l.starts_with("To:") {
                format!("{l};tag=x\r\n")
            } else {
                format!("{l}\r\n")
            }
        })
        .collect();
    format!("SIP/2.0 {status} Said\r\n{kept}Content-Length: 0\r\n\r\n")
}

#[test]
fn what_the_carrier_says_is_told() {
    for (status, outcome) in [
        (202, TextOutcome::Taken),
        (404, TextOutcome::Refused(404)),
        (480, TextOutcome::Later(480)),
    ] {
        let mut bed = Bed::new(TextWay::Sip);
        let request = bed.write();
        bed.receive(&reply(&request, 100));
        assert!(bed.switch.poll_text_sent().is_none());
        bed.receive(&reply(&request, status));
        let sent = bed.switch.poll_text_sent().unwrap();
        assert_eq!((sent.id, sent.outcome), (5, outcome));
        bed.receive(&reply(&request, status));
        assert!(bed.switch.poll_text_sent().is_none(), "once");
        assert_eq!(bed.switch.live_references(), 0);
    }
}

#[test]
fn silence_and_a_missing_way_are_told_too() {
    let mut bed = Bed::new(TextWay::Sip);
    let first = bed.write();
    let later = bed.now(600);
    bed.switch.handle_timeout(later, &mut NoMedia);
    assert_eq!(bed.sent(), [first], "repeated over UDP");
    let end = bed.now(40_000);
    bed.switch.handle_timeout(end, &mut NoMedia);
    assert_eq!(
        bed.switch.poll_text_sent().unwrap().outcome,
        TextOutcome::Later(408)
    );
    let out = TextOut {
        id: 6,
        trunk: TrunkId(9),
        shown: number(X),
        receiver: number(B),
        text: "hi".into(),
    };
    bed.switch.send_text(end, out);
    assert_eq!(
        bed.switch.poll_text_sent().unwrap().outcome,
        TextOutcome::Later(503)
    );
}
