//! What reading a SIP message costs, beside rsip in the same run.
//!
//! `light` is what [`Message::parse`] does: index, and the checks that make the accessors infallible.
//! `route` reads also what a back-to-back user agent needs to route. rsip checks nothing until a typed header
//! is asked for, so its `light` does less than ours.

use axbridge_sip::{Message, Name};
use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use rsip::prelude::{HeadersExt, ToTypedHeader, UntypedHeader};
use std::hint::black_box;

const SDP: &str = "v=0\r\no=- 3747 3747 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n\
    m=audio 40000 RTP/AVP 8 0 18 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n\
    a=rtpmap:18 G729/8000\r\na=fmtp:18 annexb=no\r\na=rtpmap:101 telephone-event/8000\r\n\
    a=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n";

fn invite() -> String {
    format!(
        "INVITE sip:+8617000000001@sbc.carrier.example:5060;user=phone SIP/2.0\r\n\
         Via: SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bK-1-a8f0c3\r\n\
         Via: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bK-2-b7e1d4;received=192.0.2.2\r\n\
         Via: SIP/2.0/TCP 192.0.2.3:5060;branch=z9hG4bK-3-c6d2e5\r\n\
         Max-Forwards: 67\r\n\
         From: \"+8613900000001\" <sip:+8613900000001@carrier.example;user=phone>;tag=gK0c8d1f2a\r\n\
         To: <sip:+8617000000001@sbc.carrier.example;user=phone>\r\n\
         Call-ID: 1040472934_132114530@192.0.2.1\r\n\
         CSeq: 821043 INVITE\r\n\
         Contact: <sip:+8613900000001@192.0.2.1:5060;transport=udp>\r\n\
         Allow: INVITE, ACK, CANCEL, BYE, PRACK, UPDATE, OPTIONS, INFO\r\n\
         Supported: timer, 100rel, replaces\r\n\
         P-Asserted-Identity: <sip:+8613900000001@carrier.example;user=phone>\r\n\
         User-Agent: SBC/9.2\r\n\
         Content-Type: application/sdp\r\n\
         Content-Length: {}\r\n\r\n{SDP}",
        SDP.len()
    )
}

fn response() -> String {
    format!(
        "SIP/2.0 200 OK\r\n\
         Via: SIP/2.0/UDP 192.0.2.9:5060;rport=5060;received=192.0.2.9;branch=z9hG4bK-9-a8f0c3\r\n\
         Record-Route: <sip:192.0.2.1:5060;lr>\r\n\
         From: <sip:+8617000000001@sbc.carrier.example;user=phone>;tag=9fa02b\r\n\
         To: <sip:+8613900000002@carrier.example;user=phone>;tag=gK0c8d1f2b\r\n\
         Call-ID: 77b1f0de-5d0c-4a54-9f5a@192.0.2.9\r\n\
         CSeq: 1 INVITE\r\n\
         Contact: <sip:+8613900000002@192.0.2.1:5060;transport=udp>\r\n\
         Allow: INVITE, ACK, CANCEL, BYE, PRACK, UPDATE, OPTIONS, INFO\r\n\
         Supported: timer, 100rel\r\n\
         Server: SBC/9.2\r\n\
         Content-Type: application/sdp\r\n\
         Content-Length: {}\r\n\r\n{SDP}",
        SDP.len()
    )
}

/// Reads what routing reads; the sum of lengths keeps the reading alive.
fn route(m: &Message) -> usize {
    let via = m.top_via();
    let (from, to) = (m.from(), m.to());
    let (from_uri, to_uri) = (from.uri(), to.uri());
    m.uri().and_then(|u| u.user()).map_or(0, <[u8]>::len)
        + via.branch().map_or(0, <[u8]>::len)
        + via.rport().map_or(0, |_| 1)
        + from.tag().map_or(0, <[u8]>::len)
        + to.tag().map_or(0, <[u8]>::len)
        + from_uri.user().map_or(0, <[u8]>::len)
        + to_uri.user().map_or(0, <[u8]>::len)
        + m.call_id().len()
        + m.cseq().seq as usize
        + m.contact().map_or(0, |c| c.uri().host().len())
        + m.max_forwards().map_or(0, usize::from)
        + m.header(Name::PAssertedIdentity).map_or(0, <[u8]>::len)
}

fn rsip_route(r: &rsip::Request) -> usize {
    let via = r.via_header().and_then(|v| v.typed()).expect("via");
    let from = r.from_header().and_then(|v| v.typed()).expect("from");
    let to = r.to_header().and_then(|v| v.typed()).expect("to");
    r.uri.auth.as_ref().map_or(0, |a| a.user.len())
        + via.branch().map_or(0, |b| b.value().len())
        + from.tag().map_or(0, |t| t.value().len())
        + to.tag().map_or(0, |t| t.value().len())
        + from.uri.auth.as_ref().map_or(0, |a| a.user.len())
        + to.uri.auth.as_ref().map_or(0, |a| a.user.len())
        + r.call_id_header().map_or(0, |c| c.value().len())
        + r.cseq_header()
            .and_then(|c| c.typed())
            .map_or(0, |c| c.seq as usize)
        + r.contact_header()
            .and_then(|c| c.typed())
            .map_or(0, |c| c.uri.to_string().len())
        + r.max_forwards_header()
            .and_then(|m| m.num())
            .map_or(0, |n| n as usize)
}

fn parse(c: &mut Criterion) {
    let invite = Bytes::from(invite());
    let response = Bytes::from(response());
    let mut group = c.benchmark_group("parse");
    group.throughput(Throughput::Bytes(invite.len() as u64));
    group.bench_function("invite_light", |b| {
        b.iter_batched(
            || invite.clone(),
            |buf| black_box(Message::parse(buf)),
            BatchSize::SmallInput,
        );
    });
    group.bench_function("invite_light_rsip", |b| {
        b.iter(|| black_box(rsip::SipMessage::try_from(black_box(&invite[..]))));
    });
    group.bench_function("invite_route", |b| {
        b.iter_batched(
            || invite.clone(),
            |buf| black_box(Message::parse(buf).map(|m| route(&m)).ok()),
            BatchSize::SmallInput,
        );
    });
    group.bench_function("invite_route_rsip", |b| {
        b.iter(|| {
            let request = rsip::Request::try_from(black_box(&invite[..])).expect("request");
            black_box(rsip_route(&request))
        });
    });
    group.throughput(Throughput::Bytes(response.len() as u64));
    group.bench_function("response", |b| {
        b.iter_batched(
            || response.clone(),
            |buf| black_box(Message::parse(buf)),
            BatchSize::SmallInput,
        );
    });
    group.bench_function("response_rsip", |b| {
        b.iter(|| black_box(rsip::SipMessage::try_from(black_box(&response[..]))));
    });
    group.finish();
}

criterion_group!(benches, parse);
criterion_main!(benches);
