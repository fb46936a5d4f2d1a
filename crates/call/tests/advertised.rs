//! Behind NAT, or listening on all addresses, carriers see the advertised address and no other.

#![allow(clippy::unwrap_used)] // A test that cannot go on fails.

mod common;

use std::time::Instant;

use axbridge_call::Now;
use axbridge_sip::{Hop, Transport};
use bytes::Bytes;
use common::{A, NoMedia, X, app, directory, switch_at};

#[test]
fn via_and_contact_name_the_advertised_address() {
    let seen = "203.0.113.10:5070";
    let mut switch = switch_at(directory(app(), |_| {}), 10, "0.0.0.0:5060", seen);
    let sdp = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n";
    let invite = format!(
        "INVITE sip:{X}@{seen} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
         From: <sip:{A}@192.0.2.1>;tag=f\r\nTo: <sip:{X}@{seen}>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:a@192.0.2.1>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
        sdp.len()
    );
    let hop = Hop {
        transport: Transport::Udp,
        local: "0.0.0.0:5060".parse().unwrap(),
        remote: "192.0.2.1:5060".parse().unwrap(),
        conn: None,
    };
    let now = Now {
        mono: Instant::now(),
        wall_ms: 1_893_553_445_000,
    };
    switch.receive(now, hop, Bytes::from(invite), &mut NoMedia);
    let sent: Vec<String> = std::iter::from_fn(|| switch.poll_transmit())
        .map(|t| String::from_utf8_lossy(&t.bytes).into_owned())
        .collect();
    let invite = sent.iter().find(|text| text.starts_with("INVITE")).unwrap();
    assert!(
        invite.contains(&format!("Via: SIP/2.0/UDP {seen};")),
        "{invite}"
    );
    assert!(invite.contains(&format!("@{seen}>")), "{invite}");
    for text in &sent {
        assert!(!text.contains("0.0.0.0"), "{text}");
    }
}
