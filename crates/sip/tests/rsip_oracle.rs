//! rsip as a second opinion on plain messages and as the source of names.
#![allow(clippy::unwrap_used)] // Helpers of tests may fail as loudly as the tests.

use axbridge_sip::build::reason_phrase;
use axbridge_sip::{Message, Method};
use bytes::Bytes;
use proptest::prelude::*;
use rsip::prelude::{HasHeaders, HeadersExt, ToTypedHeader, UntypedHeader};

#[test]
fn methods_are_rsips_methods() {
    for theirs in rsip::Method::all() {
        let ours = Method::from(theirs);
        assert_eq!(ours.as_str(), theirs.to_string());
        assert_eq!(ours.to_rsip(), Some(theirs));
        assert_eq!(Method::from_token(ours.as_str().as_bytes()), Some(ours));
    }
    assert_eq!(Method::from_token(b"PING").unwrap().to_rsip(), None);
    assert_eq!(Method::from_token(b"invite").unwrap().as_str(), "invite");
}

/// rsip writes its phrases without spaces: `SessionProgress`.
#[test]
fn reason_phrases_are_rsips_where_it_has_one() {
    let squash = |s: &str| {
        s.chars()
            .filter(char::is_ascii_alphanumeric)
            .collect::<String>()
            .to_lowercase()
    };
    let (mut compared, mut wrong) = (0, Vec::new());
    for code in 100..=699u16 {
        let theirs = rsip::StatusCode::from(code);
        if matches!(theirs, rsip::StatusCode::Other(..)) || DIFFERENT.contains(&code) {
            continue;
        }
        let words = theirs.to_string();
        let words = words.split_once(' ').unwrap().1;
        if squash(reason_phrase(code)) != squash(words) {
            wrong.push(format!("{code}: {} / {words}", reason_phrase(code)));
        }
        compared += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(compared > 60, "{compared}");
}

/// 201, 409 and 411 are HTTP's; of 437 and 606 the registered phrases are ours.
const DIFFERENT: [u16; 5] = [201, 409, 411, 437, 606];

prop_compose! {
    fn plain_message()(
        response in any::<bool>(),
        user in "[a-z0-9+]{1,14}",
        host in "[a-z]{1,8}(\\.[a-z]{2,6}){1,2}",
        port in prop::option::of(1024u16..65535),
        tag in "[a-zA-Z0-9]{1,12}",
        branch in "[a-zA-Z0-9]{1,20}",
        call_id in "[a-zA-Z0-9]{1,20}@[a-z]{1,10}",
        seq in 1u32..1_000_000,
        display in "[a-zA-Z]{0,10}",
        body in "[ -~]{0,60}",
    ) -> String {
        let port = port.map(|p| format!(":{p}")).unwrap_or_default();
        let start = if response { "SIP/2.0 180 Ringing".to_owned() } else { format!("INVITE sip:{user}@{host}{port} SIP/2.0") };
        format!(
            "{start}\r\nVia: SIP/2.0/UDP {host}{port};branch=z9hG4bK{branch}\r\nMax-Forwards: 70\r\n\
             From: {display} <sip:{user}@{host}>;tag={tag}\r\nTo: <sip:{tag}@{host}{port}>\r\nCall-ID: {call_id}\r\n\
             CSeq: {seq} INVITE\r\nContact: <sip:{user}@{host}{port}>\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn plain_messages_are_read_alike(text in plain_message()) {
        let ours = Message::parse(Bytes::from(text.clone())).unwrap();
        let theirs = rsip::SipMessage::try_from(text.as_bytes()).unwrap();
        prop_assert_eq!(ours.is_request(), theirs.is_request());
        prop_assert_eq!(ours.lines().count(), theirs.headers().iter().count());
        prop_assert_eq!(&ours.body()[..], theirs.body().as_slice());
        prop_assert_eq!(ours.call_id(), theirs.call_id_header().unwrap().value().as_bytes());
        let cseq = theirs.cseq_header().unwrap().typed().unwrap();
        prop_assert_eq!((ours.cseq().seq, ours.cseq().method), (cseq.seq, Method::from(cseq.method)));
        let via = theirs.via_header().unwrap().typed().unwrap();
        prop_assert_eq!(ours.top_via().branch().unwrap(), via.branch().unwrap().value().as_bytes());
        prop_assert_eq!(ours.top_via().port(), via.uri.host_with_port.port.as_ref().map(|p| u16::from(*p)));
        let from = theirs.from_header().unwrap().typed().unwrap();
        prop_assert_eq!(ours.from().tag().unwrap(), from.tag().unwrap().value().as_bytes());
        let user = from.uri.auth.unwrap().user;
        prop_assert_eq!(ours.from().uri().user().unwrap(), user.as_bytes());
        let contact = theirs.contact_header().unwrap().typed().unwrap();
        let uri = contact.uri.to_string();
        prop_assert_eq!(ours.contact().unwrap().uri().raw(), uri.as_bytes());
        if let rsip::SipMessage::Request(request) = &theirs {
            let uri = request.uri.to_string();
            prop_assert_eq!(ours.uri().unwrap().raw(), uri.as_bytes());
        }
    }
}
