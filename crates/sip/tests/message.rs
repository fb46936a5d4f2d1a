//! A message in, the same facts out.

use axbridge_sip::{Message, Method, Name, ResponseBuilder};
use bytes::Bytes;

const INVITE: &str = "INVITE tel:+8617000000001 SIP/2.0\r\n\
    v: SIP/2.0/UDP 192.0.2.1:5070;rport;branch=z9hG4bKa ,SIP/2.0/TCP [2001:db8::1]\r\n\
    f: \"A, <B>\" <sip:+8613900000001@192.0.2.1;user=phone>\r\n ;TAG=x1\r\n\
    To : sip:+8617000000001@192.0.2.9\r\n\
    i: abc@192.0.2.1\r\n\
    CSeq: 7 INVITE\r\n\
    m: <sip:192.0.2.1:5070>\r\n\
    \r\nbody";

#[test]
fn reads_compact_folded_and_tel() {
    let m = Message::parse(Bytes::from_static(INVITE.as_bytes())).unwrap();
    assert_eq!(m.method(), Some(&Method::Invite));
    assert_eq!(m.from().tag(), Some(&b"x1"[..]));
    assert_eq!(m.from().display(), Some(&b"A, <B>"[..]));
    assert_eq!(m.uri().unwrap().user(), Some(&b"+8617000000001"[..]));
    assert_eq!(m.vias().count(), 2);
    assert_eq!(m.top_via().port(), Some(5070));
    assert_eq!(m.body(), Bytes::from_static(b"body"));
    assert_eq!(m.as_bytes(), INVITE.as_bytes());
    let answer = ResponseBuilder::new(180)
        .to_tag("t")
        .encode(&m, "192.0.2.77:5090".parse().unwrap());
    let answer = Message::parse(answer).unwrap();
    assert_eq!(
        answer.top_via().response_addr(),
        Some("192.0.2.77:5090".parse().unwrap())
    );
    assert_eq!(answer.to().tag(), Some(&b"t"[..]));
    assert_eq!(answer.header(Name::CSeq), Some(&b"7 INVITE"[..]));
}
