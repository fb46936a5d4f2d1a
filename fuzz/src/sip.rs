//! SIP: messages, URIs and header values, streams.

use axbridge_sip::{
    Frame, FramingError, Limits, Message, Name, NameAddr, ParseError, RAck, Reason, RequestBuilder,
    ResponseBuilder, Source, StreamFramer, Uri, Via, peek_call_id, shard_of,
};
use bytes::Bytes;

/// A datagram: parse, read all of it, answer it, and read the answer.
pub fn sip_message(data: &[u8]) {
    let remote = ([192, 0, 2, 77], 5099).into();
    match Message::parse(Bytes::copy_from_slice(data)) {
        Ok(message) => {
            read_all(&message);
            let answer = ResponseBuilder::new(480)
                .to_tag("t")
                .encode(&message, remote);
            if answer.len() < Limits::DEFAULT.header_max {
                let answer = Message::parse(answer).expect("the answer to a good request is good");
                assert_eq!(answer.vias().count(), message.vias().count());
                assert!(answer.call_id() == message.call_id() && answer.cseq() == message.cseq());
            }
            if message.is_request() {
                let cancel = RequestBuilder::cancel_for(&message).encode();
                assert!(cancel.starts_with(b"CANCEL ") && cancel.ends_with(b"\r\n\r\n"));
            }
        }
        Err(ParseError::Reject(reject)) => {
            let answer = ResponseBuilder::new(reject.status).encode_reject(&reject, remote);
            assert!(answer.starts_with(b"SIP/2.0 ") && answer.ends_with(b"\r\n\r\n"));
        }
        Err(ParseError::Drop(_)) => {}
    }
}

fn read_all(m: &Message) {
    assert_eq!(peek_call_id(m.as_bytes()), Some(m.call_id()));
    assert!(shard_of(m.call_id(), 7) < 7);
    assert!(!m.from().uri().raw().is_empty() && !m.to().uri().raw().is_empty());
    assert!(!m.top_via().host().is_empty() && m.cseq().seq < 1 << 31);
    assert_eq!(m.uri().is_some(), m.is_request());
    for (name, value) in m.lines() {
        assert!(!name.is_empty() && !value.contains(&b'\n'));
    }
    for &name in Name::ALL {
        for value in m.values(name) {
            header_value(value);
        }
    }
    let _ = (
        m.contacts().count(),
        m.max_forwards(),
        m.rack(),
        m.rseq(),
        m.q850_cause(),
        m.body(),
        m.reason(),
    );
}

fn header_value(v: &[u8]) {
    if let Ok(addr) = NameAddr::parse(v) {
        let _ = (
            addr.tag(),
            addr.display_unescaped(),
            addr.params().iter().count(),
        );
        uri_parts(&addr.uri());
    }
    if let Ok(via) = Via::parse(v) {
        let mut out = Vec::new();
        via.write_seen_from(([192, 0, 2, 1], 5060).into(), &mut out);
        let again = Via::parse(&out).expect("a Via written again is a Via");
        assert!(again.host() == via.host() && again.port() == via.port());
    }
    let _ = (Reason::parse(v).map(|r| r.q850()), RAck::parse(v));
}

/// A URI, and the same bytes as a header value.
pub fn sip_uri(data: &[u8]) {
    if let Ok(uri) = Uri::parse(data) {
        uri_parts(&uri);
        // What was read is written unchanged, and stays on its line.
        let request = RequestBuilder::new(axbridge_sip::Method::Options, data).encode();
        assert!(request.starts_with(&[b"OPTIONS ", data, b" SIP/2.0\r\n"].concat()));
    }
    header_value(data);
}

fn uri_parts(uri: &Uri<'_>) {
    assert!(!uri.raw().iter().any(|b| *b <= b' '));
    let _ = (
        uri.user_decoded(),
        uri.subscriber(),
        uri.password(),
        uri.host_ip(),
        uri.port(),
    );
    let _ = (
        uri.param("lr"),
        uri.user_params().get("rn"),
        uri.headers(),
        uri.opaque(),
    );
}

/// A stream: the first byte says in what pieces the rest comes; the frames must not depend on it.
pub fn framing(data: &[u8]) {
    let Some((&size, stream)) = data.split_first() else {
        return;
    };
    let whole = frames(stream.chunks(stream.len().max(1)));
    let pieces = frames(stream.chunks(usize::from(size).max(1)));
    assert!(whole == pieces, "cutting the stream changed its frames");
    for frame in whole.into_iter().flatten() {
        if let Frame::Message(bytes) = frame {
            let _ = Message::parse_with(bytes, &Limits::DEFAULT, Source::Stream);
        }
    }
}

fn frames<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Vec<Result<Frame, FramingError>> {
    let mut framer = StreamFramer::default();
    let mut out = Vec::new();
    for piece in pieces {
        framer.push(piece);
        loop {
            match framer.next() {
                Ok(Some(frame)) => out.push(Ok(frame)),
                Ok(None) => break,
                Err(error) => {
                    out.push(Err(error));
                    return out;
                }
            }
        }
    }
    out
}
