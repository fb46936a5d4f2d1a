//! What is written: in order, complete, and only what it says.
#![allow(clippy::unwrap_used)] // Helpers of tests may fail as loudly as the tests.

use axbridge_sip::build::reason_phrase;
use axbridge_sip::{Message, Method, Name, RequestBuilder, ResponseBuilder};
use bytes::Bytes;

fn invite() -> RequestBuilder {
    RequestBuilder::new(Method::Invite, "sip:+8617000000001@192.0.2.9")
        .from("<sip:+8613900000001@192.0.2.1>;tag=a1")
        .to("<sip:+8617000000001@192.0.2.9>")
        .call_id("b1@192.0.2.1")
        .cseq(41)
        .header_raw("X-Trace", "7")
        .header(Name::Contact, "<sip:192.0.2.1:5060>")
        .header(Name::Route, "<sip:r1.example;lr>")
        .header(Name::Route, "<sip:r2.example;lr>")
        .header(Name::Supported, "100rel")
        .via("SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKb1;rport")
}

fn text(bytes: &Bytes) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn a_request_is_written_in_the_usual_order() {
    let bytes = invite()
        .body("application/sdp", Bytes::from_static(b"v=0\r\n"))
        .encode();
    assert_eq!(
        text(&bytes),
        "INVITE sip:+8617000000001@192.0.2.9 SIP/2.0\r\n\
         Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKb1;rport\r\n\
         Max-Forwards: 70\r\n\
         Route: <sip:r1.example;lr>\r\n\
         Route: <sip:r2.example;lr>\r\n\
         From: <sip:+8613900000001@192.0.2.1>;tag=a1\r\n\
         To: <sip:+8617000000001@192.0.2.9>\r\n\
         Call-ID: b1@192.0.2.1\r\n\
         CSeq: 41 INVITE\r\n\
         Contact: <sip:192.0.2.1:5060>\r\n\
         X-Trace: 7\r\n\
         Supported: 100rel\r\n\
         Content-Type: application/sdp\r\n\
         Content-Length: 5\r\n\
         \r\n\
         v=0\r\n"
    );
}

#[test]
fn a_response_copies_what_the_rfc_says() {
    let request = RequestBuilder::new(Method::Invite, "sip:h")
        .via("SIP/2.0/UDP 192.0.2.1:5070;rport;received=203.0.113.66;branch=z9hG4bKr")
        .from("<sip:1@h>;tag=a1")
        .to("<sip:2@h>")
        .call_id("r1")
        .header(Name::RecordRoute, "<sip:p1;lr>, <sip:p2;lr>")
        .header(Name::Timestamp, "54")
        .encode();
    let request = Message::parse(request).unwrap();
    let remote = "198.51.100.4:40001".parse().unwrap();
    let ok = ResponseBuilder::new(200)
        .to_tag("t9")
        .header(Name::Contact, "<sip:192.0.2.9>")
        .encode(&request, remote);
    assert_eq!(
        text(&ok),
        "SIP/2.0 200 OK\r\n\
         Via: SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bKr;received=198.51.100.4;rport=40001\r\n\
         Record-Route: <sip:p1;lr>, <sip:p2;lr>\r\n\
         From: <sip:1@h>;tag=a1\r\n\
         To: <sip:2@h>;tag=t9\r\n\
         Call-ID: r1\r\n\
         CSeq: 1 INVITE\r\n\
         Contact: <sip:192.0.2.9>\r\n\
         Content-Length: 0\r\n\r\n"
    );
    let trying = text(
        &ResponseBuilder::new(100)
            .to_tag("t9")
            .encode(&request, remote),
    );
    assert!(
        trying.contains("\r\nTo: <sip:2@h>\r\n") && !trying.contains("Record-Route"),
        "{trying}"
    );
    assert!(trying.contains("\r\nTimestamp: 54\r\n"), "{trying}");
    let busy = text(
        &ResponseBuilder::new(486)
            .to_tag("t9")
            .reason("Besetzt\r\nEvil: 1")
            .encode(&request, remote),
    );
    assert!(
        busy.starts_with("SIP/2.0 486 Besetzt  Evil: 1\r\n") && !busy.contains("Record-Route"),
        "{busy}"
    );
}

#[test]
fn a_tag_that_is_there_stays() {
    let request = Message::parse(invite().to("<sip:2@h>;tag=old").encode()).unwrap();
    let answer = ResponseBuilder::new(200)
        .to_tag("new")
        .encode(&request, "192.0.2.1:5060".parse().unwrap());
    let answer = Message::parse(answer).unwrap();
    assert_eq!(answer.to().tag(), Some(&b"old"[..]));
    assert_eq!(answer.top_via().rport(), Some(Some(5060)));
}

#[test]
fn received_is_written_when_the_sender_is_elsewhere() {
    let with = |via: &str, remote: &str| {
        let request = Message::parse(invite().via(via).encode()).unwrap();
        let answer =
            Message::parse(ResponseBuilder::new(200).encode(&request, remote.parse().unwrap()))
                .unwrap();
        String::from_utf8(answer.top_via().raw().to_vec()).unwrap()
    };
    assert_eq!(
        with("SIP/2.0/UDP 192.0.2.1;branch=x", "192.0.2.1:9"),
        "SIP/2.0/UDP 192.0.2.1;branch=x"
    );
    assert_eq!(
        with("SIP/2.0/UDP 192.0.2.1;branch=x", "[::ffff:192.0.2.1]:9"),
        "SIP/2.0/UDP 192.0.2.1;branch=x"
    );
    assert_eq!(
        with("SIP/2.0/UDP sbc.example", "192.0.2.1:9"),
        "SIP/2.0/UDP sbc.example;received=192.0.2.1"
    );
    assert_eq!(
        with("SIP/2.0/UDP [2001:db8::1]:5060;rport", "[2001:db8::2]:9"),
        "SIP/2.0/UDP [2001:db8::1]:5060;received=2001:db8::2;rport=9"
    );
}

#[test]
fn cancel_and_ack_follow_their_request() {
    let sent = Message::parse(invite().encode()).unwrap();
    let cancel = Message::parse(RequestBuilder::cancel_for(&sent).encode()).unwrap();
    let busy = Message::parse(
        ResponseBuilder::new(486)
            .to_tag("b9")
            .encode(&sent, "192.0.2.9:5060".parse().unwrap()),
    );
    let ack = Message::parse(RequestBuilder::ack_for(&sent, &busy.unwrap()).encode()).unwrap();
    for m in [&cancel, &ack] {
        assert_eq!(m.uri().unwrap().raw(), sent.uri().unwrap().raw());
        assert_eq!(m.vias().collect::<Vec<_>>(), [sent.top_via().raw()]);
        assert_eq!(
            (m.call_id(), m.from(), m.cseq().seq),
            (sent.call_id(), sent.from(), 41)
        );
        assert_eq!(m.values(Name::Route).count(), 2);
        assert_eq!(m.header(Name::Contact), None);
    }
    assert_eq!(
        (cancel.method(), ack.method()),
        (Some(&Method::Cancel), Some(&Method::Ack))
    );
    assert_eq!(
        (cancel.to().tag(), ack.to().tag()),
        (None, Some(&b"b9"[..]))
    );
}

#[test]
fn headers_that_the_builder_owns_cannot_be_doubled() {
    let bytes = invite()
        .header(Name::ContentLength, "999")
        .header_raw("l", "999")
        .header(Name::CSeq, "1 BYE")
        .header_raw("max-forwards", "0")
        .header_raw("f", "<sip:other@h>;tag=z")
        .header_raw("", "x")
        .encode();
    let m = Message::parse(bytes).unwrap();
    assert_eq!(m.headers(Name::ContentLength).collect::<Vec<_>>(), [b"0"]);
    assert_eq!((m.cseq().seq, m.max_forwards()), (41, Some(70)));
    assert_eq!(m.from().tag(), Some(&b"z"[..]));
}

#[test]
fn numbers_stay_out_of_debug_output() {
    let request = invite();
    let message = Message::parse(request.encode()).unwrap();
    let shown = format!(
        "{request:?} {message:?} {:?}",
        ResponseBuilder::new(200).header(Name::Contact, "<sip:13900000001>")
    );
    assert!(!shown.contains("00000"), "{shown}");
}

#[test]
fn every_status_has_words() {
    assert_eq!(reason_phrase(183), "Session Progress");
    for status in 100..=699 {
        assert!(!reason_phrase(status).is_empty());
    }
    assert_eq!(ResponseBuilder::new(99).status(), 500);
}
