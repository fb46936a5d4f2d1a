//! Dialogs: route sets, targets, CSeq (RFC 3261 §12).
mod pair;

use axbridge_sip::{
    Dialog, DialogError, DialogId, Hop, Message, Method, Name, OutOfOrder, Transport,
};
use bytes::Bytes;
use pair::{Side, hop_from};

fn parse(text: &str) -> Message {
    Message::parse(Bytes::from(text.replace('\n', "\r\n"))).expect("well-formed")
}

fn invite(extra: &str) -> Message {
    parse(&format!(
        "INVITE sip:b@127.0.0.1:5080 SIP/2.0\nVia: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bK1\nFrom: \"A\" <sip:a@x>;tag=a1\n\
         To: <sip:b@x>\nCall-ID: c1\nCSeq: 5 INVITE\nMax-Forwards: 70\n{extra}Content-Length: 0\n\n"
    ))
}

fn response(status: u16, to_tag: &str, extra: &str) -> Message {
    let tag = if to_tag.is_empty() {
        String::new()
    } else {
        format!(";tag={to_tag}")
    };
    parse(&format!(
        "SIP/2.0 {status} X\nVia: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bK1\nFrom: <sip:a@x>;tag=a1\n\
         To: <sip:b@x>{tag}\nCall-ID: c1\nCSeq: 5 INVITE\n{extra}Content-Length: 0\n\n"
    ))
}

fn hop() -> Hop {
    hop_from(Side::A, Transport::Udp)
}

fn uac(response: &Message) -> Dialog {
    Dialog::uac(b"<sip:a@x>;tag=a1", response, hop()).expect("a dialog")
}

/// Request-URI, Route values and the whole message.
fn written(dialog: &mut Dialog, method: Method) -> (String, Vec<String>, Message) {
    let request = dialog
        .request(method)
        .via("SIP/2.0/UDP h;branch=z9hG4bK2")
        .encode();
    let message = Message::parse(request).expect("ours");
    let text = |v: &[u8]| String::from_utf8_lossy(v).into_owned();
    let uri = message.uri().map(|uri| text(uri.raw())).expect("a request");
    let routes = message.values(Name::Route).map(text).collect();
    (uri, routes, message)
}

const CONTACT: &str = "Contact: <sip:b@127.0.0.1:5080;x=1>\n";
const LOOSE: &str =
    "Record-Route: <sip:127.0.0.1:6001;lr>, <sip:p2;lr>;q=1\nRecord-Route: <sip:p3;lr>\n";

#[test]
fn the_caller_reverses_the_loose_route() {
    let mut dialog = uac(&response(200, "b1", &format!("{LOOSE}{CONTACT}")));
    let (uri, routes, bye) = written(&mut dialog, Method::Bye);
    assert_eq!(uri, "sip:b@127.0.0.1:5080;x=1");
    assert_eq!(
        routes,
        ["<sip:p3;lr>", "<sip:p2;lr>;q=1", "<sip:127.0.0.1:6001;lr>"]
    );
    assert_eq!(bye.from().tag(), Some(&b"a1"[..]));
    assert_eq!(bye.to().tag(), Some(&b"b1"[..]));
    assert_eq!(bye.call_id(), b"c1");
    assert_eq!(bye.cseq().seq, 6);
}

#[test]
fn the_callee_keeps_the_order_and_swaps_the_sides() {
    let request = invite(&format!("{LOOSE}Contact: <sip:a@127.0.0.1:5070>\n"));
    let mut dialog =
        Dialog::uas(&request, "b1", hop_from(Side::B, Transport::Udp)).expect("a dialog");
    let (uri, routes, bye) = written(&mut dialog, Method::Bye);
    assert_eq!(uri, "sip:a@127.0.0.1:5070");
    assert_eq!(
        routes,
        ["<sip:127.0.0.1:6001;lr>", "<sip:p2;lr>;q=1", "<sip:p3;lr>"]
    );
    assert_eq!(
        (bye.from().tag(), bye.to().tag()),
        (Some(&b"b1"[..]), Some(&b"a1"[..]))
    );
    assert_eq!(bye.from().uri().raw(), b"sip:b@x");
    assert_eq!(bye.cseq().seq, 1);
}

#[test]
fn a_strict_router_gets_the_request_line() {
    let routes = "Record-Route: <sip:p1;lr>\nRecord-Route: <sip:p2;method=INVITE;x=2?h=1>\n";
    let mut dialog = uac(&response(200, "b1", &format!("{routes}{CONTACT}")));
    let (uri, routes, _) = written(&mut dialog, Method::Bye);
    assert_eq!(uri, "sip:p2;x=2", "without method and headers");
    assert_eq!(
        routes,
        ["<sip:p1;lr>", "<sip:b@127.0.0.1:5080;x=1>"],
        "the target comes last"
    );
}

#[test]
fn forked_provisionals_make_dialogs_of_their_own() {
    let first = uac(&response(180, "b1", CONTACT));
    let second = uac(&response(183, "b2", CONTACT));
    assert_ne!(first.id(), second.id());
    let ok = response(
        200,
        "b2",
        "Contact: <sip:other@127.0.0.1:5090>\nRecord-Route: <sip:p9;lr>\n",
    );
    assert!(!first.is_for(&ok) && second.is_for(&ok));
    assert_eq!(DialogId::of_response(&ok), *second.id());
    let mut confirmed = second.clone();
    confirmed.confirm(&ok).expect("usable");
    let (uri, routes, _) = written(&mut confirmed, Method::Bye);
    assert_eq!(
        (uri.as_str(), routes),
        ("sip:other@127.0.0.1:5090", vec!["<sip:p9;lr>".to_owned()])
    );
    assert_eq!(written(&mut { first }, Method::Prack).1, [""; 0]);
}

#[test]
fn the_ack_has_the_cseq_of_its_invite() {
    let mut dialog = uac(&response(200, "b1", CONTACT));
    let _ = dialog.request(Method::Info);
    let ack = dialog.ack(5).via("SIP/2.0/UDP h;branch=z9hG4bK3").encode();
    let ack = Message::parse(ack).expect("ours");
    assert_eq!((ack.method(), ack.cseq().seq), (Some(&Method::Ack), 5));
    assert_eq!(dialog.local_seq(), 6, "an ACK uses no number up");
    assert_eq!(dialog.request(Method::Bye).cseq_number(), 7);
}

#[test]
fn cseq_of_the_peer_only_rises() {
    let request = invite("Contact: <sip:a@127.0.0.1:5070>\n");
    let mut dialog = Dialog::uas(&request, "b1", hop()).expect("a dialog");
    assert_eq!(dialog.accept_cseq(5), Err(OutOfOrder { last: 5, got: 5 }));
    assert_eq!(dialog.accept_cseq(9), Ok(()), "gaps are allowed");
    assert_eq!(dialog.accept_cseq(8), Err(OutOfOrder { last: 9, got: 8 }));
    assert_eq!(dialog.accept_cseq(10), Ok(()));
    let mut other = uac(&response(200, "b1", CONTACT));
    assert_eq!(
        other.accept_cseq(0),
        Ok(()),
        "the callee may begin anywhere"
    );
    assert!(other.accept_cseq(0).is_err());
}

#[test]
fn only_target_refreshes_move_the_target() {
    let mut dialog = uac(&response(200, "b1", CONTACT));
    let request = |method: &str| {
        parse(&format!(
            "{method} sip:a@x SIP/2.0\nVia: SIP/2.0/UDP h;branch=z9hG4bK9\nFrom: <sip:b@x>;tag=b1\nTo: <sip:a@x>;tag=a1\n\
             Call-ID: c1\nCSeq: 1 {method}\nContact: <sip:moved@127.0.0.1:5099>\nContent-Length: 0\n\n"
        ))
    };
    assert!(dialog.is_for(&request("INFO")));
    assert_eq!(DialogId::of_request(&request("INFO")), *dialog.id());
    dialog.refresh_target(&request("INFO"));
    dialog.refresh_target(&response(488, "b1", "Contact: <sip:no@127.0.0.1>\n"));
    assert_eq!(dialog.target(), b"sip:b@127.0.0.1:5080;x=1");
    dialog.refresh_target(&request("UPDATE"));
    assert_eq!(dialog.target(), b"sip:moved@127.0.0.1:5099");
    dialog.refresh_target(&response(200, "b1", ""));
    assert_eq!(
        dialog.target(),
        b"sip:moved@127.0.0.1:5099",
        "no Contact, no change"
    );
}

#[test]
fn requests_go_where_the_first_route_or_the_target_says() {
    let to = |response: &Message| uac(response).hop().remote.to_string();
    assert_eq!(to(&response(200, "b1", CONTACT)), "127.0.0.1:5080");
    assert_eq!(
        to(&response(200, "b1", "Contact: <sip:b@127.0.0.2>\n")),
        "127.0.0.2:5060"
    );
    let routed = format!("Record-Route: <sip:127.0.0.3:6003;lr>\n{CONTACT}");
    assert_eq!(to(&response(200, "b1", &routed)), "127.0.0.3:6003");
    for kept in [
        "<sip:b@gateway.example>",
        "<sip:b@127.0.0.2;transport=tcp>",
        "<sips:b@127.0.0.2>",
        "<sip:b@[::1]>",
        "<sip:b@0.0.0.0>",
        "<sip:b@127.0.0.2:0>",
    ] {
        let message = response(200, "b1", &format!("Contact: {kept}\n"));
        assert_eq!(to(&message), "127.0.0.1:5080", "{kept}");
    }
    let mut pinned = uac(&response(200, "b1", "Contact: <sip:b@127.0.0.2>\n"));
    pinned.set_follow(false);
    assert_eq!(pinned.hop(), hop());
}

#[test]
fn what_makes_no_dialog() {
    let uas = |extra| Dialog::uas(&invite(extra), "b1", hop()).map(|_| ());
    assert_eq!(uas(""), Err(DialogError::NoContact));
    assert_eq!(
        uas("Contact: <tel:+8613900000001>\n"),
        Err(DialogError::NoContact)
    );
    assert_eq!(
        uas("Contact: <sip:a@x>\nRecord-Route: <nonsense\n"),
        Err(DialogError::BadRoute)
    );
    let uac = |response: &Message| Dialog::uac(b"<sip:a@x>;tag=a1", response, hop()).map(|_| ());
    assert_eq!(uac(&response(180, "", CONTACT)), Err(DialogError::NoTag));
    assert_eq!(
        uac(&response(200, "", CONTACT)),
        Ok(()),
        "RFC 2543 has no tags"
    );
    assert_eq!(uac(&invite("")), Err(DialogError::WrongKind));
    assert_eq!(
        uac(&response(183, "b1", "")),
        Ok(()),
        "a 183 without Contact is addressed by To"
    );
}

#[test]
fn debug_names_nobody() {
    let text = format!("{:?}", uac(&response(200, "b1", CONTACT)));
    assert!(!text.contains("sip:") && !text.contains("c1"), "{text}");
}
