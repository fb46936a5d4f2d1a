//! What carriers really send, and where parsers have lost calls: one line of a table for each habit.
#![allow(clippy::unwrap_used)] // Helpers of tests may fail as loudly as the tests.

use axbridge_sip::{
    Fault, Message, Method, Name, NameAddr, ParseError, RequestBuilder, Scheme, Source,
};
use axbridge_sip::{Limits, Uri};
use bytes::Bytes;

const BASE: [(&str, &str); 5] = [
    ("Via", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKc1"),
    ("From", "<sip:+8613900000001@192.0.2.1>;tag=f1"),
    ("To", "<sip:+8617000000001@192.0.2.9>"),
    ("Call-ID", "c1@192.0.2.1"),
    ("CSeq", "1 INVITE"),
];

/// The plain message with some header lines put in place of others, or added.
fn with_lines(start: &str, lines: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = format!("{start}\r\n").into_bytes();
    let mut put = |name: &str, value: &[u8]| {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value);
        out.extend_from_slice(b"\r\n");
    };
    for (name, value) in BASE {
        match lines.iter().find(|(n, _)| *n == name) {
            Some((_, value)) => put(name, value),
            None => put(name, value.as_bytes()),
        }
    }
    for (name, value) in lines
        .iter()
        .filter(|(n, _)| BASE.iter().all(|(b, _)| b != n))
    {
        put(name, value);
    }
    out.extend_from_slice(b"\r\n");
    out
}

fn invite(lines: &[(&str, &[u8])]) -> Vec<u8> {
    with_lines("INVITE sip:+8617000000001@192.0.2.9 SIP/2.0", lines)
}

#[track_caller]
fn good(raw: Vec<u8>) -> Message {
    let message = Message::parse(Bytes::from(raw.clone()))
        .unwrap_or_else(|e| panic!("{e}: {}", raw.escape_ascii()));
    assert_eq!(message.as_bytes(), &raw, "bytes kept as they came");
    message
}

#[track_caller]
fn refused(raw: Vec<u8>) -> Fault {
    match Message::parse(Bytes::from(raw)) {
        Err(ParseError::Reject(r)) => r.fault,
        other => panic!("not rejected: {other:?}"),
    }
}

#[test]
fn request_uris_give_the_number_dialled() {
    // Request-URI, scheme, user as received, subscriber decoded, host, port.
    type Row = (
        &'static str,
        Scheme,
        &'static str,
        &'static str,
        &'static str,
        Option<u16>,
    );
    let table: [Row; 15] = [
        (
            "tel:+8617000000001",
            Scheme::Tel,
            "+8617000000001",
            "+8617000000001",
            "",
            None,
        ),
        (
            "tel:17000000001;phone-context=+86",
            Scheme::Tel,
            "17000000001",
            "17000000001",
            "",
            None,
        ),
        (
            "TEL:+86-170-0000-0001",
            Scheme::Tel,
            "+86-170-0000-0001",
            "+86-170-0000-0001",
            "",
            None,
        ),
        (
            "sip:+8617000000001;rn=+8617000099999;npdi@h.example:5062;user=phone",
            Scheme::Sip,
            "+8617000000001;rn=+8617000099999;npdi",
            "+8617000000001",
            "h.example",
            Some(5062),
        ),
        (
            "sip:first.last@h.example",
            Scheme::Sip,
            "first.last",
            "first.last",
            "h.example",
            None,
        ),
        (
            "sip:86-170.0000.0001@192.0.2.9",
            Scheme::Sip,
            "86-170.0000.0001",
            "86-170.0000.0001",
            "192.0.2.9",
            None,
        ),
        (
            "sip:%2B8617000000001@192.0.2.9",
            Scheme::Sip,
            "%2B8617000000001",
            "+8617000000001",
            "192.0.2.9",
            None,
        ),
        (
            "sip:*%2361%23@192.0.2.9",
            Scheme::Sip,
            "*%2361%23",
            "*#61#",
            "192.0.2.9",
            None,
        ),
        (
            "sip:100%@192.0.2.9",
            Scheme::Sip,
            "100%",
            "100%",
            "192.0.2.9",
            None,
        ),
        (
            "sip:a:secret@192.0.2.9:5070",
            Scheme::Sip,
            "a",
            "a",
            "192.0.2.9",
            Some(5070),
        ),
        (
            "sips:+8617000000001@h.example",
            Scheme::Sips,
            "+8617000000001",
            "+8617000000001",
            "h.example",
            None,
        ),
        (
            "sip:+8617000000001@[2001:db8::9]:5060",
            Scheme::Sip,
            "+8617000000001",
            "+8617000000001",
            "[2001:db8::9]",
            Some(5060),
        ),
        (
            "sip:u?x;y@h.example;lr",
            Scheme::Sip,
            "u?x;y",
            "u?x",
            "h.example",
            None,
        ),
        (
            "sip:sbc_1.example;transport=tcp",
            Scheme::Sip,
            "",
            "",
            "sbc_1.example",
            None,
        ),
        ("urn:service:sos", Scheme::Other, "", "", "", None),
    ];
    for (text, scheme, user, subscriber, host, port) in table {
        let m = good(with_lines(&format!("INVITE {text} SIP/2.0"), &[]));
        let uri = m.uri().unwrap();
        assert_eq!(uri.raw(), text.as_bytes());
        assert_eq!(uri.scheme(), scheme, "{text}");
        assert_eq!(uri.user().unwrap_or_default(), user.as_bytes(), "{text}");
        assert_eq!(
            uri.subscriber().unwrap_or_default(),
            subscriber.as_bytes(),
            "{text}"
        );
        assert_eq!((uri.host(), uri.port()), (host.as_bytes(), port), "{text}");
        // What is written again is what was read.
        let built = RequestBuilder::new(Method::Invite, uri.raw()).encode();
        assert!(
            built.starts_with(format!("INVITE {text} SIP/2.0\r\n").as_bytes()),
            "{text}"
        );
    }
}

#[test]
fn portability_parameters_are_found_in_both_schemes() {
    for text in [
        "sip:+8617000000001;RN=+8617000099999;npdi@h.example;user=phone",
        "tel:+8617000000001;rn=+8617000099999;npdi",
    ] {
        let uri = Uri::parse(text.as_bytes()).unwrap();
        assert_eq!(
            uri.user_params().get("rn"),
            Some(&b"+8617000099999"[..]),
            "{text}"
        );
        assert!(uri.user_params().has("npdi"), "{text}");
        assert!(!uri.user_params().has("user"), "{text}");
    }
}

#[test]
fn uris_that_are_none_are_refused() {
    for text in [
        "",
        "sip:",
        "sip",
        ":x",
        "1sip:x",
        "sip:@h",
        "sip:u@",
        "sip:u@h:",
        "sip:u@h:99999",
        "sip:u@h:+1",
        "sip:u@[::1",
        "sip:u@[zz::1]",
        "sip:u@::1",
        "sip:u@h x",
        "sip:u<@h",
        "sip:u@h\"",
        "sip:u@h\r\nX: y",
        "sip:u@h\0",
        "tel:",
        "tel:;x",
        "sip:u@a@b",
        "sip:u@[::1]5060",
        "sip:u@h,h2",
    ] {
        assert!(Uri::parse(text.as_bytes()).is_err(), "{text:?}");
    }
}

#[test]
fn addresses_are_read_in_every_form() {
    // Value of From, display, user, tag.
    type Row = (&'static [u8], &'static [u8], &'static [u8], &'static [u8]);
    let table: [Row; 17] = [
        (
            b"<sip:+8613900000001@h>;tag=a",
            b"",
            b"+8613900000001",
            b"a",
        ),
        (b"sip:+8613900000001@h;tag=a", b"", b"+8613900000001", b"a"),
        (
            b"<sip:+8613900000001@h;user=phone>;TAG=a",
            b"",
            b"+8613900000001",
            b"a",
        ),
        (b"tel:+8613900000001;tag=a", b"", b"+8613900000001", b"a"),
        (
            b"<tel:+8613900000001;phone-context=x>;tag=a",
            b"",
            b"+8613900000001",
            b"a",
        ),
        (
            b"\"Li <VIP>, x; \" <sip:1@h>;tag=a",
            b"Li <VIP>, x; ",
            b"1",
            b"a",
        ),
        (
            b"\"J \\\"D\\\" Doe\" <sip:1@h>;tag=a",
            b"J \\\"D\\\" Doe",
            b"1",
            b"a",
        ),
        (b"\"\" <sip:1@h>;tag=a", b"", b"1", b"a"),
        (
            b"\"\xc0\xee\xcb\xc4\" <sip:1@h>;tag=a",
            b"\xc0\xee\xcb\xc4",
            b"1",
            b"a",
        ),
        (
            b"\xc0\xee\xcb\xc4 <sip:1@h>;tag=a",
            b"\xc0\xee\xcb\xc4",
            b"1",
            b"a",
        ),
        (b"Jos\xe9 <sip:1@h> ; tag = a ; x", b"Jos\xe9", b"1", b"a"),
        (
            b"Anonymous <sip:anonymous@anonymous.invalid>;tag=a",
            b"Anonymous",
            b"anonymous",
            b"a",
        ),
        (b"<sip:1@h>;x=\"tag=no;tag=never\";tag=a", b"", b"1", b"a"),
        (b"<sip:1@h;tag=not-this>;tag=a", b"", b"1", b"a"),
        (
            b"<sip:c@h;gr=urn:uuid:f81d4fae-7dec-11d0>;tag=a",
            b"",
            b"c",
            b"a",
        ),
        (
            b"<sip:c@h>;+sip.instance=\"<urn:uuid:f8>\";tag=a",
            b"",
            b"c",
            b"a",
        ),
        (
            b"sip:1@h;+sip.instance=\"<urn:uuid:f8>\";tag=a",
            b"",
            b"1",
            b"a",
        ),
    ];
    for (value, display, user, tag) in table {
        let m = good(invite(&[("From", value)]));
        let shown = value.escape_ascii();
        assert_eq!(m.from().display().unwrap_or_default(), display, "{shown}");
        assert_eq!(m.from().uri().user(), Some(user), "{shown}");
        assert_eq!(m.from().tag(), Some(tag), "{shown}");
    }
    let escaped = NameAddr::parse(b"\"J \\\"D\\\" Doe\\\\\" <sip:1@h>").unwrap();
    assert_eq!(
        escaped.display_unescaped().unwrap().as_ref(),
        b"J \"D\" Doe\\"
    );
}

#[test]
fn addresses_that_are_none_are_refused() {
    for value in [
        &b""[..],
        b"<>",
        b"\"open <sip:1@h>",
        b"\"x\\\" <sip:1@h>",
        b"<sip:1@h",
        b"sip:1@h>",
        b"\"x\" sip:1@h",
        b"<sip:1@h> junk",
        b"<sip:1@h>;",
        b"<sip:1@h>;;tag=a",
        b"<sip:1@h>;=a",
        b"sip:1@h,sip:2@h",
        b"a,b <sip:1@h>",
        b"<sip:1@h>,<sip:2@h>",
        b"sip:1@h?Subject=x",
        b"<sip:1@h\0>",
    ] {
        assert_eq!(
            refused(invite(&[("From", value)])),
            Fault::From,
            "{}",
            value.escape_ascii()
        );
        assert_eq!(
            refused(invite(&[("To", value)])),
            Fault::To,
            "{}",
            value.escape_ascii()
        );
        if !value.is_empty() && NameAddr::parse(b"<sip:1@h>").is_ok() && !value.contains(&b',') {
            assert_eq!(
                refused(invite(&[("Contact", value)])),
                Fault::Contact,
                "{}",
                value.escape_ascii()
            );
        }
    }
}

#[test]
fn compact_names_mean_the_long_ones() {
    let raw = b"INVITE sip:x@h SIP/2.0\r\nV: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKc2\r\nf: <sip:1@h>;tag=a\r\nT: <sip:2@h>\r\n\
        i: c2\r\ncseq: 4 INVITE\r\nm: <sip:1@192.0.2.1>\r\nk: timer,100rel\r\nc: application/sdp\r\nl: 2\r\n\r\nok";
    let m = good(raw.to_vec());
    assert_eq!((m.call_id(), m.cseq().seq), (&b"c2"[..], 4));
    assert_eq!((m.from().tag(), m.to().tag()), (Some(&b"a"[..]), None));
    assert!(m.supports("100rel") && m.supports("TIMER") && !m.supports("rel"));
    assert!(m.is_content_type("application/SDP"));
    assert_eq!(m.body(), Bytes::from_static(b"ok"));
    assert_eq!(m.other("call-id"), Some(&b"c2"[..]));
    assert_eq!(m.other("I"), Some(&b"c2"[..]));
}

#[test]
fn folds_and_spaces_before_colons_are_read() {
    let raw = b"INVITE sip:x@h SIP/2.0\r\nVia: SIP/2.0/UDP\r\n 192.0.2.1\r\n\t;branch=z9hG4bKc3\r\nFrom : <sip:1@h>\r\n ;tag=a\r\n\
        To\t: <sip:2@h>\r\nCall-ID:\r\n  c3\r\nCSeq: 1\r\n INVITE\r\nX-Long: one\r\n  two\r\n\r\n";
    let m = good(raw.to_vec());
    assert_eq!(
        (m.top_via().host(), m.top_via().branch()),
        (&b"192.0.2.1"[..], Some(&b"z9hG4bKc3"[..]))
    );
    assert_eq!(m.from().tag(), Some(&b"a"[..]));
    assert_eq!(m.call_id(), b"c3");
    assert_eq!(m.other("x-long"), Some(&b"one    two"[..]));
}

#[test]
fn octets_that_are_no_utf8_lose_nothing() {
    let m = good(invite(&[
        ("X-Area", b"\xb1\xb1\xbe\xa9"),
        ("Subject", b""),
        (
            "P-Asserted-Identity",
            b"\"\xff\xfe\" <sip:+8613900000001@h>, <tel:+8613900000001>",
        ),
        ("X-Last", b"still here"),
    ]));
    assert_eq!(m.other("x-area"), Some(&b"\xb1\xb1\xbe\xa9"[..]));
    assert_eq!(m.header(Name::Subject), Some(&b""[..]));
    assert_eq!(m.other("X-Last"), Some(&b"still here"[..]));
    let ids: Vec<_> = m
        .values(Name::PAssertedIdentity)
        .map(|v| NameAddr::parse(v).unwrap().uri().scheme())
        .collect();
    assert_eq!(ids, [Scheme::Sip, Scheme::Tel]);
}

#[test]
fn unknown_methods_and_reasons_pass() {
    let m = good(with_lines("PING sip:h SIP/2.0", &[("CSeq", b"1 PING")]));
    assert_eq!(m.method().unwrap().as_str(), "PING");
    let m = good(with_lines("SIP/2.0 183 Early Ringback", &[]));
    assert_eq!(
        (m.status(), m.reason()),
        (Some(183), Some(&b"Early Ringback"[..]))
    );
    assert_eq!((m.method(), m.cseq_method()), (None, &Method::Invite));
}

#[test]
fn reasons_name_their_q850_cause() {
    let table: [(&[u8], Option<u8>); 7] = [
        (b"Q.850;cause=17;text=\"User busy, really\"", Some(17)),
        (b"SIP ;cause=600 ;text=\"x\", q.850 ; cause = 21", Some(21)),
        (b"SIP;cause=200", None),
        (b"Q.850", None),
        (b"Q.850;cause=999", None),
        (b"Q.850;cause=-1", None),
        (b"Q.850;text=\";cause=3\"", None),
    ];
    for (value, cause) in table {
        assert_eq!(
            good(invite(&[("Reason", value)])).q850_cause(),
            cause,
            "{}",
            value.escape_ascii()
        );
    }
}

#[test]
fn prack_fields_are_read() {
    let m = good(with_lines(
        "PRACK sip:h SIP/2.0",
        &[
            ("CSeq", b"2 PRACK"),
            ("RAck", b"776656  1 INVITE"),
            ("RSeq", b"988789"),
        ],
    ));
    let rack = m.rack().unwrap();
    assert_eq!(
        (rack.rseq, rack.cseq, rack.method, m.rseq()),
        (776_656, 1, Method::Invite, Some(988_789))
    );
    for bad in [
        &b"1 INVITE"[..],
        b"1 2",
        b"1 2 INVITE x",
        b"-1 2 INVITE",
        b"1 2 IN,VITE",
        b"",
    ] {
        assert_eq!(good(invite(&[("RAck", bad)])).rack(), None);
    }
}

#[test]
fn content_length_decides_where_a_body_ends() {
    let with = |length: &str, body: &str| {
        let mut raw = invite(&[("Content-Length", length.as_bytes())]);
        raw.extend_from_slice(body.as_bytes());
        raw
    };
    let cut = Message::parse(Bytes::from(with("3", "abcdef"))).unwrap();
    assert_eq!(cut.body(), Bytes::from_static(b"abc"));
    assert!(cut.as_bytes().ends_with(b"\r\n\r\nabc"));
    assert_eq!(good(with("0003", "abc")).body().len(), 3);
    let mut absent = invite(&[]);
    absent.extend_from_slice(b"rest");
    assert_eq!(good(absent.clone()).body(), Bytes::from_static(b"rest"));
    match Message::parse_with(Bytes::from(absent), &Limits::DEFAULT, Source::Stream) {
        Err(ParseError::Reject(r)) => assert_eq!(r.fault, Fault::NoContentLength),
        other => panic!("{other:?}"),
    }
    for bad in [
        "+3",
        "-3",
        "",
        "3 3",
        "3,3",
        "0x3",
        "3.0",
        "4294967299",
        "99999999999999999999",
    ] {
        assert_eq!(refused(with(bad, "abcdef")), Fault::ContentLength, "{bad}");
    }
    assert_eq!(refused(with("7", "abcdef")), Fault::BodyTruncated);
}

#[test]
fn limits_are_kept() {
    let many: Vec<(&str, &[u8])> = (0..252).map(|_| ("X-N", &b"1"[..])).collect();
    assert_eq!(refused(invite(&many)), Fault::TooManyHeaders);
    good(invite(&many[..251]));
    let long = vec![b'x'; 8 * 1024 + 1];
    assert_eq!(refused(invite(&[("X-Long", &long)])), Fault::HeaderTooLong);
    good(invite(&[("X-Long", &long[1..])]));
    let long = &long[..6000];
    assert_eq!(
        refused(invite(&[("X-1", long), ("X-2", long), ("X-3", long)])),
        Fault::HeaderTooLong
    );
    let small = Limits {
        message_max: 600,
        ..Limits::DEFAULT
    };
    let mut big = invite(&[]);
    big.resize(601, b'x');
    match Message::parse_with(Bytes::from(big), &small, Source::Datagram) {
        Err(ParseError::Reject(r)) => {
            assert_eq!((r.status, r.fault), (513, Fault::MessageTooLarge))
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_refusal_carries_what_an_answer_needs() {
    let raw = with_lines(
        "OPTIONS sip:h SIP/3.0",
        &[
            ("CSeq", b"7 OPTIONS"),
            (
                "Via",
                b"SIP/3.0/UDP 192.0.2.1;branch=z9hG4bKx,SIP/2.0/TCP h2",
            ),
        ],
    );
    let Err(ParseError::Reject(r)) = Message::parse(Bytes::from(raw)) else {
        panic!("not rejected")
    };
    assert_eq!(
        (r.status, r.fault, &r.method),
        (505, Fault::Version, &Method::Options)
    );
    assert_eq!(r.vias.len(), 2);
    assert_eq!(r.cseq.as_deref(), Some(&b"7 OPTIONS"[..]));
    assert_eq!(r.call_id.as_deref(), Some(&b"c1@192.0.2.1"[..]));
    let answer = axbridge_sip::ResponseBuilder::new(r.status)
        .to_tag("x")
        .encode_reject(&r, "198.51.100.7:5099".parse().unwrap());
    let text = String::from_utf8(answer.to_vec()).unwrap();
    assert!(text.starts_with("SIP/2.0 505 Version Not Supported\r\nVia: SIP/3.0/UDP 192.0.2.1;branch=z9hG4bKx;received=198.51.100.7\r\n"), "{text}");
    assert!(
        text.contains("\r\nTo: <sip:+8617000000001@192.0.2.9>;tag=x\r\n"),
        "{text}"
    );
}

#[test]
fn a_via_is_read_whatever_its_spelling() {
    let m = good(invite(&[(
        "Via",
        b"SIP / 2.0 / udp   [2001:db8::1] : 5062 ; RPORT ; Branch = z9hG4bKq;received=192.0.2.5",
    )]));
    let via = m.top_via();
    assert_eq!(
        (via.host(), via.port()),
        (&b"[2001:db8::1]"[..], Some(5062))
    );
    assert_eq!(via.transport_kind(), Some(axbridge_sip::Transport::Udp));
    assert_eq!(via.rport(), Some(None));
    assert_eq!(via.unique_branch(), Some(&b"z9hG4bKq"[..]));
    assert_eq!(via.response_addr(), Some("192.0.2.5:5062".parse().unwrap()));
    for bad in [
        &b""[..],
        b"SIP/2.0/UDP",
        b"SIP/2.0 192.0.2.1",
        b"HTTP/2.0/UDP h",
        b"SIP/2.0/UDP h:x",
        b"SIP/2.0/UDP ;branch=1",
        b"SIP/2.0/UDP h;",
        b"SIP/2.0/UDP h;branch=1;",
        b"SIP/2.0/UDP h;branch=1,",
        b"SIP/2.0/UDP h;branch=1,\0",
        b"SIP/2.0/UDP h ; ;branch=1",
        b"SIP/2.0/U,P h",
        b"SIP/2.0/UDP 2001:db8::1",
    ] {
        let raw = invite(&[("Via", bad)]);
        assert!(
            Message::parse(Bytes::from(raw)).is_err(),
            "{}",
            bad.escape_ascii()
        );
    }
}
