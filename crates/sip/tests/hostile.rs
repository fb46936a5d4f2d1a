//! Bytes from anyone: nothing panics, nothing takes more than linear time, what is read agrees with itself.
#![allow(clippy::unwrap_used)] // Helpers of tests may fail as loudly as the tests.

use axbridge_sip::{
    Frame, Limits, Message, Name, NameAddr, ParseError, Reason, RequestBuilder, ResponseBuilder,
    Source, StreamFramer, Uri, Via, peek_call_id, shard_of,
};
use bytes::Bytes;
use proptest::prelude::*;
use std::path::Path;
use std::time::{Duration, Instant};

fn seeds() -> Vec<Vec<u8>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sip-fixtures/torture");
    let mut files: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    files.sort();
    files
        .iter()
        .filter(|p| p.extension().is_some_and(|e| e != "tsv"))
        .map(|p| std::fs::read(p).unwrap())
        .collect()
}

/// Reads everything that can be read, and checks what must hold of any message.
fn exercise(raw: &[u8]) {
    let buf = Bytes::copy_from_slice(raw);
    let remote = "192.0.2.77:5099".parse().unwrap();
    for source in [Source::Datagram, Source::Stream] {
        match Message::parse_with(buf.clone(), &Limits::DEFAULT, source) {
            Ok(m) => exercise_message(&m),
            Err(ParseError::Reject(r)) => {
                let answer = ResponseBuilder::new(r.status)
                    .to_tag("t")
                    .encode_reject(&r, remote);
                assert!(answer.starts_with(b"SIP/2.0 "));
                assert!(Via::parse(&r.vias[0]).is_ok());
            }
            Err(ParseError::Drop(_)) => {}
        }
    }
    let _ = peek_call_id(raw);
    let _ = Uri::parse(raw);
    let _ = NameAddr::parse(raw);
    let _ = Via::parse(raw);
}

fn exercise_message(m: &Message) {
    assert_eq!(m.is_request(), m.status().is_none());
    assert!(!m.call_id().is_empty());
    assert_eq!(
        peek_call_id(m.as_bytes()),
        Some(m.call_id()),
        "both ways to the shard must agree"
    );
    assert!(!m.from().uri().raw().is_empty() && !m.to().uri().raw().is_empty());
    assert!(!m.top_via().host().is_empty());
    assert!(m.cseq().seq < 1 << 31);
    if let Some(uri) = m.uri() {
        let _ = (
            uri.user_decoded(),
            uri.subscriber(),
            uri.host_ip(),
            uri.param("lr"),
            uri.user_params().get("rn"),
        );
    }
    for (name, value) in m.lines() {
        assert!(!name.is_empty());
        assert!(!value.contains(&b'\n'), "a value is one line");
    }
    for name in [Name::Via, Name::Route, Name::Contact, Name::Reason] {
        for v in m.values(name) {
            let _ = (
                NameAddr::parse(v),
                Via::parse(v),
                Reason::parse(v).map(|r| r.q850()),
            );
        }
    }
    let _ = (
        m.rack(),
        m.rseq(),
        m.max_forwards(),
        m.q850_cause(),
        m.content_type(),
        m.supports("100rel"),
        m.body(),
    );
    let (before, after) = (m.vias().count(), m.call_id());
    let answer = ResponseBuilder::new(480)
        .to_tag("t")
        .encode(m, "192.0.2.77:5099".parse().unwrap());
    if answer.len() > 8 * 1024 {
        return; // Read under wide limits; the answer need not pass the default ones.
    }
    let answer = Message::parse(answer).expect("an answer to a good request is a good response");
    assert_eq!(answer.vias().count(), before);
    assert!(answer.call_id() == after, "Call-ID changed");
    assert_eq!(answer.cseq(), m.cseq());
}

fn cut(raw: &[u8], pieces: &[usize]) -> Vec<Vec<u8>> {
    let mut rest = raw;
    let mut out = Vec::new();
    for &n in pieces {
        let n = n.min(rest.len());
        out.push(rest[..n].to_vec());
        rest = &rest[n..];
    }
    out.push(rest.to_vec());
    out
}

#[derive(Clone, Debug)]
enum Edit {
    Set(usize, u8),
    Insert(usize, Vec<u8>),
    Remove(usize, usize),
    Copy(usize, usize, usize),
}

fn apply(raw: &mut Vec<u8>, edits: &[Edit]) {
    for edit in edits {
        let len = raw.len().max(1);
        match edit {
            Edit::Set(at, b) if !raw.is_empty() => raw[at % len] = *b,
            Edit::Set(..) => {}
            Edit::Insert(at, bytes) => {
                let at = at % len.min(raw.len() + 1);
                raw.splice(at..at, bytes.iter().copied());
            }
            Edit::Remove(at, n) => {
                let at = at % len;
                raw.drain(at.min(raw.len())..(at + n).min(raw.len()));
            }
            Edit::Copy(from, n, to) => {
                let from = (from % len).min(raw.len());
                let piece = raw[from..(from + n).min(raw.len())].to_vec();
                let at = (to % len).min(raw.len());
                raw.splice(at..at, piece);
            }
        }
    }
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    const SPECIAL: &[u8] = b"\r\n\t \0\"<>;,:=@%?[]\\/\x7f\x80\xff0129SIP";
    let byte = prop_oneof![prop::sample::select(SPECIAL), any::<u8>()];
    let edit = prop_oneof![
        (any::<usize>(), byte.clone()).prop_map(|(at, b)| Edit::Set(at, b)),
        (any::<usize>(), prop::collection::vec(byte, 1..6)).prop_map(|(at, v)| Edit::Insert(at, v)),
        (any::<usize>(), 1..40usize).prop_map(|(at, n)| Edit::Remove(at, n)),
        (any::<usize>(), 1..80usize, any::<usize>()).prop_map(|(a, n, b)| Edit::Copy(a, n, b)),
    ];
    prop::collection::vec(edit, 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutated_messages_never_panic(seed in any::<prop::sample::Index>(), edits in edits()) {
        thread_local!(static SEEDS: Vec<Vec<u8>> = seeds());
        let mut raw = SEEDS.with(|s| seed.get(s).clone());
        apply(&mut raw, &edits);
        exercise(&raw);
    }

    #[test]
    fn random_bytes_never_panic(raw in prop::collection::vec(any::<u8>(), 0..600)) {
        exercise(&raw);
    }

    #[test]
    fn sip_shaped_noise_never_panics(raw in "(INVITE|SIP/2.0|X) [ -~]{0,40}( SIP/2.0)?\r\n([vftimlk]:[ -~]{0,30}\r\n){0,12}\r\n?[ -~]{0,8}") {
        exercise(raw.as_bytes());
    }

    #[test]
    fn a_stream_gives_the_same_frames_however_it_is_cut(
        picks in prop::collection::vec(any::<prop::sample::Index>(), 1..5),
        pieces in prop::collection::vec(0usize..200, 0..20),
    ) {
        thread_local!(static SEEDS: Vec<Vec<u8>> = seeds());
        let raw: Vec<u8> = SEEDS.with(|s| picks.iter().flat_map(|i| i.get(s).clone()).collect());
        let run = |parts: Vec<Vec<u8>>| {
            let mut framer = StreamFramer::default();
            let mut frames = Vec::new();
            for part in parts {
                framer.push(&part);
                loop {
                    match framer.next() {
                        Ok(Some(frame)) => frames.push(Ok(frame)),
                        Ok(None) => break,
                        Err(e) => { frames.push(Err(e)); return frames; }
                    }
                }
            }
            frames
        };
        prop_assert_eq!(run(cut(&raw, &pieces)), run(vec![raw.clone()]));
    }

    #[test]
    fn a_frame_is_read_to_its_very_end(body in prop::collection::vec(any::<u8>(), 0..300), tail in prop::collection::vec(any::<u8>(), 0..50)) {
        let built = RequestBuilder::new(axbridge_sip::Method::Info, "sip:h")
            .via("SIP/2.0/TCP 192.0.2.1;branch=z9hG4bKs").from("<sip:1@h>;tag=a").to("<sip:2@h>;tag=b").call_id("s1")
            .body("application/octet-stream", Bytes::from(body.clone())).encode();
        let mut framer = StreamFramer::default();
        framer.push(&built);
        framer.push(&tail);
        let frame = framer.next();
        let Ok(Some(Frame::Message(bytes))) = frame else { return Err(TestCaseError::fail(format!("{frame:?}"))) };
        prop_assert_eq!(&bytes, &built);
        let m = Message::parse_with(bytes, &Limits::DEFAULT, Source::Stream).unwrap();
        prop_assert_eq!(m.body(), Bytes::from(body));
        prop_assert_eq!(framer.pending(), tail.len());
    }

    #[test]
    fn nothing_written_escapes_its_header(value in prop::collection::vec(any::<u8>(), 0..80), name in "[ -~\r\n\u{0}]{0,20}") {
        let request = RequestBuilder::new(axbridge_sip::Method::Invite, &value)
            .via("SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKi").from("<sip:1@h>;tag=a").to("<sip:2@h>").call_id("i1").cseq(3)
            .header(Name::Subject, &value).header_raw(&format!("X-{name}"), &value)
            .body(&value, Bytes::copy_from_slice(&value)).encode();
        let text = &request[..request.len() - value.len()];
        prop_assert!(text.ends_with(b"\r\n\r\n"));
        let lines = text.split(|b| *b == b'\n').count();
        prop_assert_eq!(lines, 13, "{}", request.escape_ascii());
        prop_assert!(!text.contains(&0));
        prop_assert_eq!(text.iter().filter(|b| **b == b'\r').count(), lines - 1);
        if Uri::parse(&value).is_ok() {
            let m = Message::parse(request.clone()).unwrap();
            prop_assert_eq!(m.body(), Bytes::from(value));
        }
    }

    #[test]
    fn percent_decoding_undoes_encoding(v in prop::collection::vec(any::<u8>(), 0..40)) {
        let encoded: String = v.iter().map(|b| format!("%{b:02x}")).collect();
        prop_assert_eq!(axbridge_sip::uri::percent_decode(encoded.as_bytes()).into_owned(), v);
    }

    #[test]
    fn shards_are_in_range_and_stable(id in prop::collection::vec(any::<u8>(), 0..60), shards in 0usize..70) {
        let shard = shard_of(&id, shards);
        prop_assert!(shard < shards.max(1));
        prop_assert_eq!(shard, shard_of(&id, shards));
    }
}

/// 60,000 octets made to hurt, under limits so wide that they do not help. Quadratic behaviour would take
/// seconds; linear takes about a millisecond.
#[test]
fn hostile_shapes_take_linear_time() {
    let wide = Limits {
        message_max: 1 << 20,
        head_max: 65_535,
        headers_max: 65_535,
        header_max: 65_535,
    };
    let shapes: [&[u8]; 12] = [
        b";",
        b",",
        b"<",
        b"\"",
        b"\\\"",
        b"<>,",
        b"\"<\",",
        b"a:\r\n",
        b" \r\n ",
        b";a=\"",
        b"%",
        b"a=b;c=<,>,",
    ];
    for shape in shapes {
        for header in ["Via", "From", "Contact", "Route", "X-Any"] {
            let mut raw = b"INVITE sip:h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKh\r\nFrom: <sip:1@h>;tag=a\r\nTo: <sip:2@h>\r\nCall-ID: h\r\nCSeq: 1 INVITE\r\n".to_vec();
            raw.extend_from_slice(format!("{header}: <sip:x@h>").as_bytes());
            raw.extend(shape.iter().cycle().take(60_000));
            raw.extend_from_slice(b"\r\n\r\n");
            let buf = Bytes::from(raw);
            // The best of three, so that a busy machine is not taken for a slow parser.
            let best = (0..3)
                .map(|_| time_to_read(&buf, &wide))
                .find(|t| *t < BOUND);
            assert!(
                best.is_some(),
                "{header} of {:?} took over {BOUND:?}",
                shape.escape_ascii().to_string()
            );
        }
    }
}

const BOUND: Duration = Duration::from_millis(600);

fn time_to_read(buf: &Bytes, limits: &Limits) -> Duration {
    let start = Instant::now();
    if let Ok(m) = Message::parse_with(buf.clone(), limits, Source::Datagram) {
        exercise_message(&m);
    }
    let _ = peek_call_id(buf);
    let mut framer = StreamFramer::new(*limits);
    for piece in buf.chunks(7) {
        framer.push(piece);
        let _ = framer.next();
    }
    start.elapsed()
}
