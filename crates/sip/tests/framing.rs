//! Streams: where a message ends, keep-alives, and when to give up.
#![allow(clippy::unwrap_used)] // Helpers of tests may fail as loudly as the tests.

use axbridge_sip::{
    Fault, Frame, FramingError, Limits, Message, ParseError, Source, StreamFramer, peek_call_id,
    shard_of,
};
use bytes::Bytes;

fn message(length: &str, body: &str) -> Vec<u8> {
    format!(
        "OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bKs\r\nFrom: <sip:1@h>;tag=a\r\nTo: <sip:2@h>\r\n\
         Call-ID: s1\r\nCSeq: 1 OPTIONS\r\n{length}\r\n{body}"
    )
    .into_bytes()
}

fn frames(input: &[u8]) -> (Vec<Frame>, Option<FramingError>) {
    let mut framer = StreamFramer::default();
    framer.push(input);
    let mut out = Vec::new();
    loop {
        match framer.next() {
            Ok(Some(frame)) => out.push(frame),
            Ok(None) => return (out, None),
            Err(e) => return (out, Some(e)),
        }
    }
}

#[test]
fn messages_back_to_back_are_parted() {
    let first = message("l: 4\r\n", "abcd");
    let second = message("Content-Length :\r\n 0\r\n", "");
    let mut input = b"\r\n".to_vec();
    input.extend_from_slice(&first);
    input.extend_from_slice(b"\r\n\r\n");
    input.extend_from_slice(&second);
    input.extend_from_slice(b"OPTI");
    let (found, error) = frames(&input);
    assert_eq!(error, None);
    assert_eq!(
        found,
        [
            Frame::Message(Bytes::from(first)),
            Frame::KeepAlivePing,
            Frame::Message(Bytes::from(second.clone()))
        ]
    );
    // A fold in Content-Length is read alike by the framer and by the parser.
    Message::parse_with(Bytes::from(second), &Limits::DEFAULT, Source::Stream).unwrap();
}

#[test]
fn a_ping_in_two_halves_is_one_ping() {
    let mut framer = StreamFramer::default();
    for (piece, expected) in [
        ("\r", None),
        ("\n\r", None),
        ("\n", Some(Frame::KeepAlivePing)),
        ("", None),
    ] {
        framer.push(piece.as_bytes());
        assert_eq!(framer.next().unwrap(), expected, "after {piece:?}");
    }
    assert_eq!(framer.pending(), 0);
}

#[test]
fn lengths_that_cannot_be_trusted_end_the_stream() {
    let table = [
        ("", Fault::NoContentLength),
        ("Content-Length: -1\r\n", Fault::ContentLength),
        ("Content-Length: +1\r\n", Fault::ContentLength),
        ("Content-Length: 1\r\nl: 2\r\n", Fault::ContentLength),
        ("Content-Length: 1, 1\r\n", Fault::ContentLength),
        (
            "Content-Length: 18446744073709551617\r\n",
            Fault::ContentLength,
        ),
        ("Content-Length: 70000\r\n", Fault::MessageTooLarge),
    ];
    for (line, fault) in table {
        let (found, error) = frames(&message(line, "xx"));
        assert!(found.is_empty(), "{line}");
        let Some(FramingError::Unframeable { fault: f, head }) = error else {
            panic!("{line}: {error:?}")
        };
        assert_eq!(f, fault, "{line}");
        match Message::parse_with(head, &Limits::DEFAULT, Source::Stream) {
            Err(ParseError::Reject(r)) => assert_eq!((r.status, r.vias.len()), (400, 1), "{line}"),
            other => panic!("{line}: {other:?}"),
        }
    }
}

#[test]
fn an_error_stays_and_holds_no_memory() {
    let mut framer = StreamFramer::default();
    framer.push(&message("", "xx"));
    assert!(framer.next().is_err());
    framer.push(&message("l: 0\r\n", ""));
    assert!(framer.next().is_err());
    assert_eq!(framer.pending(), 0);
}

#[test]
fn an_endless_head_is_given_up() {
    let mut framer = StreamFramer::default();
    framer.push(b"OPTIONS sip:h SIP/2.0\r\n");
    for n in 0.. {
        framer.push(b"X-Drip: drop\r\n");
        if framer.next().is_err() {
            assert_eq!(framer.next(), Err(FramingError::HeadTooLong));
            assert!((1100..1200).contains(&n), "given up after {n} lines");
            return;
        }
    }
}

#[test]
fn the_call_id_is_seen_without_parsing() {
    for (text, id) in [
        (
            "INVITE sip:h SIP/2.0\r\nVia: x\r\nCall-ID: a@b\r\n\r\n",
            Some("a@b"),
        ),
        ("INVITE sip:h SIP/2.0\ni:a\n\n", Some("a")),
        (
            "\r\n\r\nSIP/2.0 200 OK\r\ncALL-id  :\r\n  folded\r\n\r\n",
            Some("folded"),
        ),
        (
            "INVITE sip:h SIP/2.0\r\nX: y\r\n\r\nCall-ID: in-the-body\r\n",
            None,
        ),
        ("Call-ID: in-the-start-line\r\nX: y\r\n\r\n", None),
        (
            "INVITE sip:h SIP/2.0\r\nX-Call-ID: no\r\nCall-ID: yes\r\n",
            Some("yes"),
        ),
        ("INVITE", None),
        ("", None),
    ] {
        assert_eq!(
            peek_call_id(text.as_bytes()),
            id.map(str::as_bytes),
            "{text:?}"
        );
    }
}

#[test]
fn shards_are_even_and_never_move() {
    // Fixed for ever: nodes of different versions must agree.
    assert_eq!(
        (
            shard_of(b"a@b", 8),
            shard_of(b"", 8),
            shard_of(b"abc", 1),
            shard_of(b"abc", 0)
        ),
        PINNED
    );
    let mut counts = [0u32; 8];
    for n in 0..8000 {
        counts[shard_of(format!("call-{n}@192.0.2.1").as_bytes(), 8)] += 1;
    }
    assert!(counts.iter().all(|c| (850..1150).contains(c)), "{counts:?}");
}

const PINNED: (usize, usize, usize, usize) = (0, 4, 0, 0);
