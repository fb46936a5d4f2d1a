//! What reading and writing take from the heap. A count is exact where a time is not.
#![allow(clippy::unwrap_used)] // Helpers of tests may fail as loudly as the tests.

use allocation_counter::measure;
use axbridge_sip::{Message, Method, Name, RequestBuilder, ResponseBuilder};
use bytes::Bytes;

fn invite() -> Bytes {
    let text = "INVITE sip:+8617000000001@192.0.2.9;user=phone SIP/2.0\r\n\
        Via: SIP/2.0/UDP 192.0.2.1;rport;branch=z9hG4bKa1\r\nVia: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKa2\r\n\
        Max-Forwards: 69\r\nFrom: \"A\" <sip:+8613900000001@192.0.2.1>;tag=a1\r\nTo: <sip:+8617000000001@192.0.2.9>\r\n\
        Call-ID: a1@192.0.2.1\r\nCSeq: 1 INVITE\r\nContact: <sip:192.0.2.1>\r\nAllow: INVITE, ACK, BYE\r\n\
        Supported: 100rel, timer\r\nP-Asserted-Identity: <sip:+8613900000001@192.0.2.1>\r\nUser-Agent: x\r\n\
        Content-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\n";
    Bytes::from_static(text.as_bytes())
}

#[test]
fn an_invite_is_read_without_the_heap() {
    let buf = invite();
    let info = measure(|| {
        let m = Message::parse(buf.clone()).unwrap();
        assert_eq!(m.uri().unwrap().subscriber().unwrap().len(), 14);
        assert!(m.from().tag().is_some() && m.to().tag().is_none() && m.supports("100rel"));
        assert!(
            m.top_via().branch().is_some() && m.contact().is_some() && m.max_forwards() == Some(69)
        );
        assert_eq!(
            (m.values(Name::PAssertedIdentity).count(), m.body().len()),
            (1, 5)
        );
    });
    assert_eq!(info.count_total, 0);
}

#[test]
fn folds_cost_one_copy_of_the_head() {
    let folded = String::from_utf8(invite().to_vec())
        .unwrap()
        .replace(";tag=a1", "\r\n ;tag=a1");
    let buf = Bytes::from(folded.into_bytes());
    let held = buf.clone(); // The first clone of a Vec's buffer makes its counter; not ours to count.
    let info = measure(|| drop(Message::parse(held.clone()).unwrap()));
    assert!(info.count_total <= 2, "{info:?}"); // The copy, and its counter.
}

#[test]
fn writing_takes_a_handful_of_allocations() {
    let request = Message::parse(invite()).unwrap();
    let remote = "192.0.2.1:5060".parse().unwrap();
    let info = measure(|| {
        drop(
            ResponseBuilder::new(180)
                .to_tag("t")
                .encode(&request, remote),
        )
    });
    assert!(info.count_total <= 10, "{info:?}");
    let info = measure(|| {
        let built = RequestBuilder::new(Method::Invite, "sip:+8613900000002@192.0.2.5")
            .via("SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKb")
            .from("<sip:+8617000000001@192.0.2.9>;tag=b")
            .to("<sip:+8613900000002@192.0.2.5>")
            .call_id("b1")
            .header(Name::Contact, "<sip:192.0.2.9>")
            .body("application/sdp", Bytes::from_static(b"v=0\r\n"))
            .encode();
        assert!(built.len() > 200);
    });
    assert!(info.count_total <= 12, "{info:?}");
}
