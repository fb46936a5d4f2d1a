//! One endpoint, spoken to in raw text: matching, response routing, refusals.
mod pair;

use axbridge_sip::{
    ConnId, EndpointConfig, Event, Hop, Method, ResponseBuilder, ServerTx, Transport,
};
use pair::{Solo, raw, request, words};
use std::net::SocketAddr;

const VIA: &str = "127.0.0.1:5070;branch=z9hG4bKone;rport";

fn solo() -> Solo {
    Solo::new(EndpointConfig::default())
}

fn only_request(solo: &mut Solo) -> ServerTx {
    match solo.events().as_slice() {
        [Event::Request { tx, .. }] => *tx,
        other => panic!("one request expected: {other:?}"),
    }
}

fn answer(solo: &mut Solo, tx: ServerTx, status: u16) {
    let r = ResponseBuilder::new(status).to_tag("b1");
    solo.endpoint.respond(solo.now, tx, r).expect("open");
}

fn text(solo: &mut Solo) -> (SocketAddr, String) {
    match solo.sent().as_slice() {
        [one] => (
            one.hop.remote,
            String::from_utf8_lossy(&one.bytes).into_owned(),
        ),
        other => panic!("one message expected: {}", other.len()),
    }
}

#[test]
fn branch_sent_by_and_method_make_a_transaction() {
    let mut solo = solo();
    solo.feed(&raw("OPTIONS", VIA, "c1", 1, ""));
    solo.feed(&raw("OPTIONS", VIA, "c1", 1, ""));
    // The host has no case; the port may be implied.
    solo.feed(&raw("OPTIONS", "Host.Example;branch=z9hG4bKx", "c2", 1, ""));
    solo.feed(&raw(
        "OPTIONS",
        "hOST.example:5060;branch=z9hG4bKx",
        "c2",
        1,
        "",
    ));
    assert_eq!(words(&solo.events()), ["OPTIONS", "OPTIONS"]);
    assert_eq!(solo.endpoint.counters().repeated, 2);
    // Another branch, sent-by or method: another transaction.
    solo.feed(&raw(
        "OPTIONS",
        "127.0.0.1:5070;branch=z9hG4bKtwo",
        "c3",
        1,
        "",
    ));
    solo.feed(&raw(
        "OPTIONS",
        "127.0.0.1:5071;branch=z9hG4bKone",
        "c4",
        1,
        "",
    ));
    solo.feed(&raw("INFO", VIA, "c5", 2, ";tag=b1"));
    assert_eq!(words(&solo.events()), ["OPTIONS", "OPTIONS", "INFO"]);
}

#[test]
fn the_ack_of_a_non_2xx_is_absorbed_and_that_of_a_2xx_told() {
    let mut solo = solo();
    solo.feed(&raw("INVITE", VIA, "c1", 1, ""));
    let tx = only_request(&mut solo);
    answer(&mut solo, tx, 404);
    solo.feed(&raw("ACK", VIA, "c1", 1, ";tag=b1"));
    solo.feed(&raw("ACK", VIA, "c1", 1, ";tag=b1"));
    assert_eq!(words(&solo.events()), [""; 0]);
    solo.feed(&raw(
        "INVITE",
        "127.0.0.1:5070;branch=z9hG4bKtwo",
        "c2",
        1,
        "",
    ));
    let tx = only_request(&mut solo);
    answer(&mut solo, tx, 200);
    solo.feed(&raw(
        "ACK",
        "127.0.0.1:5070;branch=z9hG4bKthree",
        "c2",
        1,
        ";tag=b1",
    ));
    // Some peers give the ACK of a 2xx the branch of the INVITE.
    solo.feed(&raw(
        "ACK",
        "127.0.0.1:5070;branch=z9hG4bKtwo",
        "c2",
        1,
        ";tag=b1",
    ));
    assert_eq!(words(&solo.events()), ["ack", "ack"]);
}

#[test]
fn rfc_2543_peers_are_matched_without_a_branch() {
    for via in [
        "127.0.0.1:5070",
        "127.0.0.1:5070;branch=1",
        "127.0.0.1:5070;branch=z9hG4bK",
    ] {
        let mut solo = solo();
        solo.feed(&raw("INVITE", via, "c1", 1, ""));
        let tx = only_request(&mut solo);
        solo.feed(&raw("INVITE", via, "c1", 1, ""));
        assert_eq!(solo.endpoint.counters().repeated, 1, "{via}");
        solo.feed(&raw("CANCEL", via, "c1", 1, ""));
        assert_eq!(words(&solo.events()), ["cancel"], "{via}");
        answer(&mut solo, tx, 487);
        solo.feed(&raw("ACK", via, "c1", 1, ";tag=b1"));
        assert_eq!(words(&solo.events()), [""; 0], "{via}");
        solo.pass(5_000);
        assert_eq!(solo.endpoint.live(), 0, "the ACK was matched, {via}");
        // The same branch in another call is another transaction.
        solo.feed(&raw("INVITE", via, "c1", 2, ""));
        solo.feed(&raw("INVITE", via, "c2", 1, ""));
        assert_eq!(words(&solo.events()), ["INVITE", "INVITE"], "{via}");
    }
}

#[test]
fn a_request_that_came_by_two_ways_is_482() {
    for method in ["INVITE", "OPTIONS", "MESSAGE"] {
        let mut solo = solo();
        solo.feed(&raw(method, VIA, "c1", 1, ""));
        let tx = only_request(&mut solo);
        let second = "127.0.0.1:5070;branch=z9hG4bKtwo";
        solo.feed(&raw(method, second, "c1", 1, ""));
        solo.feed(&raw(method, second, "c1", 1, ""));
        assert_eq!(solo.sent_lines(), ["SIP/2.0 482 Loop Detected"; 2]);
        assert_eq!(words(&solo.events()), [""; 0]);
        assert_eq!(solo.endpoint.counters().merged, 2);
        // Another CSeq, Call-ID, or a To tag: not the same request.
        solo.feed(&raw(method, "127.0.0.1:5070;branch=z9hG4bK3", "c1", 2, ""));
        solo.feed(&raw(method, "127.0.0.1:5070;branch=z9hG4bK4", "c2", 1, ""));
        solo.feed(&raw(
            method,
            "127.0.0.1:5070;branch=z9hG4bK5",
            "c1",
            1,
            ";tag=b1",
        ));
        assert_eq!(solo.events().len(), 3, "{method}");
        answer(&mut solo, tx, 486);
    }
}

#[test]
fn the_ack_of_an_answer_without_a_transaction_is_absorbed() {
    let mut solo = solo();
    solo.feed(&raw("INVITE", VIA, "c1", 1, ""));
    solo.events();
    let second = "127.0.0.1:5070;branch=z9hG4bKtwo";
    solo.feed(&raw("INVITE", second, "c1", 1, ""));
    let (_, response) = text(&mut solo);
    let tag = response
        .split("tag=")
        .nth(2)
        .and_then(|rest| rest.split("\r\n").next())
        .expect("a tag");
    solo.feed(&raw("ACK", second, "c1", 1, &format!(";tag={tag}")));
    assert_eq!(words(&solo.events()), [""; 0]);
    solo.feed(&raw("ACK", second, "c1", 1, ";tag=0123456789abcdef"));
    assert_eq!(
        words(&solo.events()),
        ["ack"],
        "with any other tag it is not ours"
    );
}

#[test]
fn cancel_is_told_once_and_answered_each_time() {
    let mut solo = solo();
    solo.feed(&raw("CANCEL", VIA, "c1", 1, ""));
    assert_eq!(
        solo.sent_lines(),
        ["SIP/2.0 481 Call/Transaction Does Not Exist"]
    );
    solo.feed(&raw("INVITE", VIA, "c1", 1, ""));
    let tx = only_request(&mut solo);
    answer(&mut solo, tx, 180);
    solo.sent();
    solo.feed(&raw("CANCEL", VIA, "c1", 1, ""));
    let (_, response) = text(&mut solo);
    assert!(response.starts_with("SIP/2.0 200 OK\r\n"), "{response}");
    assert!(response.contains("CSeq: 1 CANCEL"), "{response}");
    assert!(
        response.contains(";tag=b1\r\n"),
        "the To tag of the INVITE's answer: {response}"
    );
    solo.feed(&raw("CANCEL", VIA, "c1", 1, ""));
    assert_eq!(solo.sent_lines(), ["SIP/2.0 200 OK"]);
    assert_eq!(words(&solo.events()), ["cancel"]);
    answer(&mut solo, tx, 487);
    solo.feed(&raw("CANCEL", VIA, "c1", 1, ""));
    assert_eq!(
        solo.sent_lines(),
        ["SIP/2.0 487 Request Terminated", "SIP/2.0 200 OK"]
    );
    assert_eq!(
        words(&solo.events()),
        [""; 0],
        "after the final answer it changes nothing"
    );
}

#[test]
fn after_the_final_answer_nothing_more_is_said() {
    let mut solo = solo();
    solo.feed(&raw("INVITE", VIA, "c1", 1, ""));
    let tx = only_request(&mut solo);
    assert!(solo.endpoint.server_request(tx).is_some());
    answer(&mut solo, tx, 200);
    assert!(solo.endpoint.server_request(tx).is_none());
    assert!(
        solo.endpoint
            .respond(solo.now, tx, ResponseBuilder::new(486))
            .is_err()
    );
    assert_eq!(solo.sent_lines(), ["SIP/2.0 200 OK"]);
    solo.pass(32_000);
    assert_eq!(solo.endpoint.live(), 0);
    solo.feed(&raw(
        "INVITE",
        "127.0.0.1:5070;branch=z9hG4bKtwo",
        "c2",
        1,
        "",
    ));
    let other = only_request(&mut solo);
    assert_ne!(tx, other, "a place used again has another id");
    assert!(
        solo.endpoint
            .respond(solo.now, tx, ResponseBuilder::new(200))
            .is_err()
    );
}

mod routing {
    use super::*;

    fn answered(hop: Hop, via: &str) -> (Hop, String) {
        let mut solo = solo();
        let mut message = raw("OPTIONS", via, "c1", 1, "");
        if hop.transport != Transport::Udp {
            message = message.replace("SIP/2.0/UDP", "SIP/2.0/TCP");
        }
        solo.feed_by(hop, &message);
        let tx = only_request(&mut solo);
        answer(&mut solo, tx, 200);
        let sent = solo.sent();
        assert_eq!(sent.len(), 1);
        let text = String::from_utf8_lossy(&sent[0].bytes).into_owned();
        let via = text
            .lines()
            .find(|line| line.starts_with("Via:"))
            .expect("a Via");
        (sent[0].hop, via.to_owned())
    }

    fn from(remote: &str) -> Hop {
        let local = if remote.starts_with('[') {
            "[::1]:5080"
        } else {
            "127.0.0.1:5080"
        };
        Hop {
            transport: Transport::Udp,
            local: local.parse().expect("local"),
            remote: remote.parse().expect("remote"),
            conn: None,
        }
    }

    #[test]
    fn rport_brings_the_answer_back_to_the_source() {
        let (hop, via) = answered(
            from("127.0.0.9:40000"),
            "10.0.0.1:5070;rport;branch=z9hG4bKone",
        );
        assert_eq!(hop.remote.to_string(), "127.0.0.9:40000");
        assert!(via.contains(";received=127.0.0.9"), "{via}");
        assert!(via.contains(";rport=40000"), "{via}");
    }

    #[test]
    fn without_rport_it_goes_to_the_port_of_sent_by() {
        let (hop, via) = answered(from("127.0.0.9:40000"), "10.0.0.1:5070;branch=z9hG4bKone");
        assert_eq!(hop.remote.to_string(), "127.0.0.9:5070");
        assert!(via.contains(";received=127.0.0.9"), "{via}");
        assert!(!via.contains("rport"), "{via}");
        let (hop, via) = answered(from("127.0.0.9:40000"), "127.0.0.9;branch=z9hG4bKone");
        assert_eq!(hop.remote.to_string(), "127.0.0.9:5060");
        assert!(!via.contains("received"), "sent-by says it: {via}");
        let (hop, _) = answered(from("[::1]:40000"), "[::1]:5071;branch=z9hG4bKone");
        assert_eq!(hop.remote.to_string(), "[::1]:5071");
    }

    #[test]
    fn maddr_is_not_followed() {
        let (hop, _) = answered(
            from("127.0.0.9:40000"),
            "h;maddr=203.0.113.1;branch=z9hG4bKone",
        );
        assert_eq!(hop.remote.to_string(), "127.0.0.9:5060");
    }

    #[test]
    fn a_connection_is_answered_on_itself() {
        let hop = Hop {
            transport: Transport::Tcp,
            conn: Some(ConnId(7)),
            ..from("127.0.0.9:40000")
        };
        let (to, via) = answered(hop, "127.0.0.9:5070;branch=z9hG4bKone");
        assert_eq!(to, hop);
        assert!(!via.contains("received"), "{via}");
    }

    #[test]
    fn a_lost_connection_is_replaced_once_by_one_to_sent_by() {
        let mut solo = solo();
        let hop = Hop {
            transport: Transport::Tcp,
            conn: Some(ConnId(7)),
            ..from("127.0.0.9:40000")
        };
        let via = "127.0.0.9:5070;branch=z9hG4bKone";
        solo.feed_by(
            hop,
            &raw("INVITE", via, "c1", 1, "").replace("SIP/2.0/UDP", "SIP/2.0/TCP"),
        );
        let tx = only_request(&mut solo);
        answer(&mut solo, tx, 180);
        solo.sent();
        solo.endpoint.transport_failed(solo.now, hop);
        let sent = solo.sent();
        assert_eq!(sent.len(), 1, "the last answer again");
        assert_eq!(
            (sent[0].hop.remote.to_string().as_str(), sent[0].hop.conn),
            ("127.0.0.9:5070", None)
        );
        assert_eq!(words(&solo.events()), [""; 0]);
        answer(&mut solo, tx, 486);
        let sent = solo.sent();
        assert_eq!(sent[0].hop.remote.to_string(), "127.0.0.9:5070");
        solo.endpoint.transport_failed(solo.now, sent[0].hop);
        assert_eq!(words(&solo.events()), ["server transport error"]);
        solo.pass(33_000);
        assert_eq!(words(&solo.events()), ["server timeout"]);
        assert_eq!(solo.endpoint.live(), 0);
    }
}

mod client {
    use super::*;
    use axbridge_sip::{ClientTx, Message};

    fn calling(solo: &mut Solo, method: Method) -> (ClientTx, Message) {
        let tx = solo
            .endpoint
            .request(solo.now, solo.hop, request(method, "c1"));
        let sent = solo.sent();
        (tx, Message::parse(sent[0].bytes.clone()).expect("ours"))
    }

    fn response(sent: &Message, status: u16) -> String {
        let via = String::from_utf8_lossy(sent.top_via().raw()).into_owned();
        let method = sent.cseq_method().as_str();
        format!(
            "SIP/2.0 {status} X\nVia: {via}\nFrom: <sip:a@x>;tag=from-c1\nTo: <sip:b@x>;tag=b1\n\
             Call-ID: c1\nCSeq: 1 {method}\nContent-Length: 0\n\n"
        )
    }

    #[test]
    fn via_is_ours() {
        let config = EndpointConfig {
            sent_by: vec![(
                "127.0.0.1:5080".parse().expect("address"),
                "sip.example.net:5062".into(),
            )],
            user_agent: "axbridge".into(),
            ..EndpointConfig::default()
        };
        let mut solo = Solo::new(config);
        let (_, first) = calling(&mut solo, Method::Options);
        let (_, second) = calling(&mut solo, Method::Options);
        let via = first.top_via();
        assert_eq!(
            (via.host(), via.port()),
            (&b"sip.example.net"[..], Some(5062))
        );
        assert_eq!(via.rport(), Some(None));
        assert_ne!(via.branch(), second.top_via().branch());
        assert_eq!(via.branch().map(<[u8]>::len), Some(7 + 16));
        assert_eq!(first.other("User-Agent"), Some(&b"axbridge"[..]));
        let (_, plain) = calling(&mut super::solo(), Method::Options);
        assert_eq!(plain.top_via().host(), b"127.0.0.1");
        assert_eq!(plain.top_via().port(), Some(5080));
    }

    #[test]
    fn responses_that_match_nothing_are_dropped() {
        let mut solo = solo();
        let (_, sent) = calling(&mut solo, Method::Invite);
        let good = response(&sent, 180);
        let via = String::from_utf8_lossy(sent.top_via().raw()).into_owned();
        for bad in [
            good.replace("branch=z9hG4bK", "branch=z9hG4bKx"),
            good.replace("branch=z9hG4bK", "branch="),
            good.replace("1 INVITE", "1 BYE"),
            good.replace("1 INVITE", "1 CANCEL"),
            good.replace(
                &format!("Via: {via}\n"),
                &format!("Via: {via}\nVia: SIP/2.0/UDP other;branch=z9hG4bKy\n"),
            ),
        ] {
            solo.feed(&bad);
        }
        assert_eq!(words(&solo.events()), [""; 0]);
        assert_eq!(solo.endpoint.counters().stray_responses, 5);
        solo.feed(&good);
        assert_eq!(words(&solo.events()), ["180"]);
    }

    #[test]
    fn a_response_of_another_method_answers_nothing() {
        let mut solo = solo();
        let (_, sent) = calling(&mut solo, Method::Options);
        solo.feed(&response(&sent, 200).replace("1 OPTIONS", "1 BYE"));
        solo.feed(&response(&sent, 200).replace("1 OPTIONS", "1 OPTION"));
        assert_eq!(words(&solo.events()), [""; 0]);
        solo.feed(&response(&sent, 200));
        assert_eq!(words(&solo.events()), ["200"]);
        assert_eq!(solo.endpoint.counters().stray_responses, 2);
    }

    #[test]
    fn finals_are_told_once_and_forks_each() {
        let mut solo = solo();
        let (_, invite) = calling(&mut solo, Method::Invite);
        solo.feed(&response(&invite, 180));
        solo.feed(&response(&invite, 180).replace("tag=b1", "tag=b2"));
        solo.feed(&response(&invite, 200));
        solo.feed(&response(&invite, 200).replace("tag=b1", "tag=b2"));
        solo.feed(&response(&invite, 486).replace("tag=b1", "tag=b3"));
        assert_eq!(words(&solo.events()), ["180", "180", "200", "200"]);
        let (_, bye) = calling(&mut solo, Method::Bye);
        solo.feed(&response(&bye, 200));
        solo.feed(&response(&bye, 200));
        assert_eq!(words(&solo.events()), ["200"]);
    }

    #[test]
    fn the_ack_of_a_non_2xx_repeats_the_invite_and_its_route() {
        let mut solo = solo();
        let r =
            request(Method::Invite, "c1").header(axbridge_sip::Name::Route, "<sip:p1.example;lr>");
        solo.endpoint.request(solo.now, solo.hop, r);
        let invite = Message::parse(solo.sent()[0].bytes.clone()).expect("ours");
        solo.feed(&response(&invite, 404));
        let sent = solo.sent();
        let ack = Message::parse(sent[0].bytes.clone()).expect("an ACK");
        assert_eq!(ack.method(), Some(&Method::Ack));
        assert_eq!(ack.top_via().raw(), invite.top_via().raw());
        assert_eq!(
            ack.uri().map(|uri| uri.raw()),
            invite.uri().map(|uri| uri.raw())
        );
        assert_eq!(ack.to().tag(), Some(&b"b1"[..]));
        assert_eq!(ack.cseq().seq, 1);
        assert_eq!(ack.other("Route"), Some(&b"<sip:p1.example;lr>"[..]));
        assert_eq!(sent[0].hop, solo.hop);
    }

    #[test]
    fn a_path_that_fails_ends_what_waits_on_it() {
        let mut solo = solo();
        let (tx, _) = calling(&mut solo, Method::Invite);
        let elsewhere = Hop {
            remote: "127.0.0.1:9".parse().expect("address"),
            ..solo.hop
        };
        solo.endpoint.transport_failed(solo.now, elsewhere);
        assert_eq!(words(&solo.events()), [""; 0]);
        solo.endpoint.transport_failed(solo.now, solo.hop);
        assert!(
            matches!(solo.events()[..], [Event::ClientTransportError { tx: failed }] if failed == tx)
        );
        assert_eq!(solo.endpoint.live(), 0);
    }

    #[test]
    fn the_driver_s_connection_is_kept_to_and_its_loss_noticed() {
        let mut solo = solo();
        solo.hop = Hop {
            transport: Transport::Tcp,
            ..solo.hop
        };
        let (tx, invite) = calling(&mut solo, Method::Invite);
        let conn = Hop {
            conn: Some(ConnId(3)),
            ..solo.hop
        };
        solo.feed_by(conn, &response(&invite, 180));
        solo.endpoint.cancel(solo.now, tx);
        let sent = solo.sent();
        assert_eq!(sent[0].hop, conn, "CANCEL by the same connection");
        let (_, _bye) = calling(&mut solo, Method::Bye);
        solo.events();
        solo.endpoint.transport_failed(solo.now, conn);
        assert_eq!(
            words(&solo.events()),
            ["client transport error"],
            "the BYE; an INVITE that rings may be answered yet"
        );
        solo.pass(32_000);
        assert_eq!(words(&solo.events()), ["client timeout"]);
        assert_eq!(solo.endpoint.live(), 0);
    }
}

mod refusals {
    use super::*;

    #[test]
    fn malformed_requests_are_answered_where_they_can_be() {
        let mut solo = solo();
        let good = raw("OPTIONS", VIA, "c1", 1, "");
        solo.feed(&good.replace("SIP/2.0\nVia", "SIP/3.0\nVia"));
        let (to, response) = text(&mut solo);
        assert_eq!(to, solo.hop.remote);
        assert!(response.starts_with("SIP/2.0 505 "), "{response}");
        solo.feed(&good.replace("CSeq: 1 OPTIONS", "CSeq: 1 INFO"));
        let (_, response) = text(&mut solo);
        assert!(response.starts_with("SIP/2.0 400 "), "{response}");
        assert!(response.contains("Call-ID: c1"), "{response}");
        assert_eq!(words(&solo.events()), [""; 0]);
        assert_eq!(solo.endpoint.counters().malformed, 2);
        // No Via, an ACK, a response, noise: silence.
        solo.feed(&good.replace("Via:", "Nix:"));
        solo.feed(&raw("ACK", VIA, "c1", 1, "").replace("CSeq: 1 ACK", "CSeq: x"));
        solo.feed("SIP/2.0 200 OK\nVia: nothing\n\n");
        solo.feed("\n\n");
        solo.feed("hello");
        assert_eq!(solo.sent_lines(), [""; 0]);
        assert_eq!(solo.endpoint.counters().dropped, 5);
        assert_eq!(solo.endpoint.live(), 0);
    }

    #[test]
    fn overload_is_503_and_keeps_what_there_is() {
        let config = EndpointConfig {
            transactions_max: 16,
            retry_after_s: 7,
            ..EndpointConfig::default()
        };
        let mut solo = Solo::new(config);
        let feed = |solo: &mut Solo, n: u32, to: &str| {
            solo.feed(&raw(
                "INVITE",
                &format!("127.0.0.1:5070;branch=z9hG4bK{n}"),
                &format!("c{n}"),
                1,
                to,
            ));
        };
        for n in 0..14 {
            feed(&mut solo, n, "");
        }
        assert_eq!(solo.events().len(), 14);
        feed(&mut solo, 14, "");
        let (_, response) = text(&mut solo);
        assert!(response.starts_with("SIP/2.0 503 "), "{response}");
        assert!(response.contains("Retry-After: 7\r\n"), "{response}");
        assert_eq!(solo.endpoint.live(), 14, "it costs no memory");
        feed(&mut solo, 3, "");
        assert_eq!(
            solo.endpoint.counters().repeated,
            1,
            "what there is goes on"
        );
        for n in 15..19 {
            feed(&mut solo, n, ";tag=b1");
        }
        assert_eq!(solo.events().len(), 2, "dialogs have the last eighth");
        assert_eq!(solo.endpoint.live(), 16);
        assert_eq!(solo.endpoint.counters().refused, 3);
    }

    #[test]
    fn a_client_over_the_limit_is_told_so() {
        let config = EndpointConfig {
            transactions_max: 2,
            ..EndpointConfig::default()
        };
        let mut solo = Solo::new(config);
        for _ in 0..2 {
            solo.endpoint
                .request(solo.now, solo.hop, request(Method::Options, "c"));
        }
        assert_eq!(solo.sent().len(), 2);
        let tx = solo
            .endpoint
            .request(solo.now, solo.hop, request(Method::Options, "c"));
        assert!(
            matches!(solo.events()[..], [Event::ClientTransportError { tx: refused }] if refused == tx)
        );
        assert_eq!((solo.sent().len(), solo.endpoint.live()), (0, 2));
    }

    #[test]
    fn a_request_that_its_user_forgets_ends_by_itself() {
        let mut solo = solo();
        solo.feed(&raw("OPTIONS", VIA, "c1", 1, ""));
        let tx = only_request(&mut solo);
        solo.pass(32_000);
        assert_eq!(solo.endpoint.live(), 0);
        assert!(
            solo.endpoint
                .respond(solo.now, tx, ResponseBuilder::new(200))
                .is_err()
        );
    }
}

#[test]
fn damaged_messages_never_panic_and_leave_nothing() {
    let mut rng = pair::Rng::new(42);
    let mut solo = solo();
    for n in 0..20_000u32 {
        let method = ["INVITE", "ACK", "CANCEL", "BYE", "OPTIONS"][rng.below(5) as usize];
        let via = format!("127.0.0.1:5070;branch=z9hG4bK{};rport", rng.below(50));
        let call = format!("c{}", rng.below(20));
        let mut text = raw(method, &via, &call, 1, "")
            .replace('\n', "\r\n")
            .into_bytes();
        for _ in 0..rng.below(4) {
            let at = rng.below(text.len().max(1) as u64) as usize;
            match rng.below(3) {
                0 if !text.is_empty() => text[at] = rng.below(256) as u8,
                1 if !text.is_empty() => drop(text.drain(at..(at + 9).min(text.len()))),
                _ => text.truncate(at.max(1)),
            }
        }
        solo.endpoint.receive(solo.now, solo.hop, text.into());
        solo.sent();
        for event in solo.events() {
            let Event::Request { tx, .. } = event else {
                continue;
            };
            let status = [180, 200, 404][n as usize % 3];
            let _ = solo
                .endpoint
                .respond(solo.now, tx, ResponseBuilder::new(status));
            let _ = solo
                .endpoint
                .respond(solo.now, tx, ResponseBuilder::new(500));
        }
        if n % 7 == 0 {
            solo.pass(rng.below(900));
        }
    }
    let seen = solo.endpoint.counters();
    println!("{seen:?}");
    let all = [seen.malformed, seen.repeated, seen.merged, seen.dropped];
    assert!(
        all.iter().all(|count| *count > 100),
        "every way was gone: {seen:?}"
    );
    solo.pass(64 * 500 + 1_000);
    assert_eq!(solo.endpoint.live(), 0);
    assert_eq!(solo.endpoint.next_deadline(), None);
}
