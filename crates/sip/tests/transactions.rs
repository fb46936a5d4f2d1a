//! Transactions between two endpoints over a link that works: the timers of RFC 3261 §17 and RFC 6026.
mod pair;

use axbridge_sip::{ClientTx, Event, Method, ResponseBuilder, ServerTx, Transport};
use pair::{PERFECT, Pair, Side, hop_from, request, words};

fn start(pair: &mut Pair, method: Method, transport: Transport) -> ClientTx {
    let now = pair.now;
    pair.a
        .request(now, hop_from(Side::A, transport), request(method, "c1"))
}

/// The server transaction of the only request that came.
fn arrived(pair: &mut Pair) -> ServerTx {
    pair.run(5);
    match pair.events(Side::B).as_slice() {
        [Event::Request { tx, .. }] => *tx,
        other => panic!("one request expected: {other:?}"),
    }
}

fn answer(pair: &mut Pair, tx: ServerTx, status: u16) {
    let now = pair.now;
    let r = ResponseBuilder::new(status).to_tag("b-tag");
    pair.b.respond(now, tx, r).expect("open");
}

fn count(pair: &Pair, side: Side, start: &str) -> usize {
    let sent = pair.sent_by(side);
    sent.iter()
        .filter(|(_, line)| line.starts_with(start))
        .count()
}

fn quiet(pair: &mut Pair) {
    pair.run(64 * 500 + 10_000);
    assert_eq!((pair.a.live(), pair.b.live()), (0, 0), "live at the end");
    assert_eq!(pair.next(), None, "a timer without a transaction");
}

#[test]
fn answered_invite() {
    let mut pair = Pair::new(1, PERFECT);
    start(&mut pair, Method::Invite, Transport::Udp);
    let tx = arrived(&mut pair);
    answer(&mut pair, tx, 180);
    pair.run(1_000);
    answer(&mut pair, tx, 200);
    pair.run(10);
    assert_eq!(words(&pair.events(Side::A)), ["180", "200"]);
    let hop = hop_from(Side::A, Transport::Udp);
    pair.a
        .send_ack(hop, request(Method::Ack, "c1").to("<sip:b@x>;tag=b-tag"));
    pair.run(10);
    assert_eq!(words(&pair.events(Side::B)), ["ack"]);
    assert_eq!(pair.log.len(), 4, "{:?}", pair.log);
    quiet(&mut pair);
}

#[test]
fn nobody_answers_an_invite() {
    let mut pair = Pair::new(2, PERFECT);
    pair.drop_if = Box::new(|_, _| true);
    start(&mut pair, Method::Invite, Transport::Udp);
    pair.run(40_000);
    let times: Vec<u64> = pair.sent_by(Side::A).iter().map(|(at, _)| *at).collect();
    assert_eq!(times, [0, 500, 1_500, 3_500, 7_500, 15_500, 31_500]);
    assert_eq!(words(&pair.events(Side::A)), ["client timeout"]);
    assert_eq!(pair.a.live(), 0);
}

#[test]
fn nobody_answers_a_bye() {
    let mut pair = Pair::new(3, PERFECT);
    pair.drop_if = Box::new(|_, _| true);
    start(&mut pair, Method::Bye, Transport::Udp);
    pair.run(40_000);
    let times: Vec<u64> = pair.sent_by(Side::A).iter().map(|(at, _)| *at).collect();
    let expected = [
        0, 500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500,
    ];
    assert_eq!(times, expected);
    assert_eq!(words(&pair.events(Side::A)), ["client timeout"]);
    assert_eq!(pair.a.counters().retransmitted, 10);
}

#[test]
fn streams_send_everything_once() {
    let mut pair = Pair::new(4, PERFECT);
    pair.drop_if = Box::new(|_, _| true);
    start(&mut pair, Method::Invite, Transport::Tcp);
    let bye = request(Method::Bye, "c2");
    let now = pair.now;
    pair.a.request(now, hop_from(Side::A, Transport::Tcp), bye);
    pair.run(40_000);
    assert_eq!(pair.log.len(), 2, "{:?}", pair.log);
    let events = words(&pair.events(Side::A));
    assert_eq!(events, ["client timeout", "client timeout"]);
}

#[test]
fn a_stream_leaves_nothing_behind() {
    let mut pair = Pair::new(5, PERFECT);
    start(&mut pair, Method::Bye, Transport::Tcp);
    let tx = arrived(&mut pair);
    answer(&mut pair, tx, 200);
    pair.run(5);
    assert_eq!((pair.a.live(), pair.b.live()), (0, 0), "J and K are zero");
    start(&mut pair, Method::Invite, Transport::Tcp);
    let tx = arrived(&mut pair);
    answer(&mut pair, tx, 486);
    pair.run(5);
    assert_eq!((pair.a.live(), pair.b.live()), (0, 0), "D and I are zero");
    assert_eq!(words(&pair.events(Side::A)), ["200", "486"]);
    assert_eq!(words(&pair.events(Side::B)), [""; 0]);
}

#[test]
fn trying_is_said_after_200_ms_of_silence() {
    let mut pair = Pair::new(6, PERFECT);
    start(&mut pair, Method::Invite, Transport::Udp);
    let tx = arrived(&mut pair);
    pair.run(300);
    assert_eq!(pair.sent_by(Side::B), [(201, "SIP/2.0 100 Trying")]);
    assert_eq!(words(&pair.events(Side::A)), ["100"]);
    answer(&mut pair, tx, 404);
    pair.run(10);
    assert_eq!(count(&pair, Side::A, "INVITE"), 1, "100 stops timer A");
    quiet(&mut pair);
}

#[test]
fn non_2xx_is_acknowledged_by_the_endpoint() {
    let mut pair = Pair::new(7, PERFECT);
    start(&mut pair, Method::Invite, Transport::Udp);
    let tx = arrived(&mut pair);
    answer(&mut pair, tx, 486);
    pair.run(100);
    assert_eq!(words(&pair.events(Side::A)), ["486"]);
    assert_eq!(words(&pair.events(Side::B)), [""; 0], "the ACK is absorbed");
    assert_eq!(count(&pair, Side::A, "ACK"), 1);
    pair.run(4_000);
    assert_eq!(pair.b.live(), 1, "timer I runs for T4");
    pair.run(1_100);
    assert_eq!(pair.b.live(), 0);
    assert_eq!(pair.a.live(), 1, "timer D runs for 32 s");
    quiet(&mut pair);
}

#[test]
fn a_lost_ack_is_sent_again_for_the_repeated_response() {
    let mut pair = Pair::new(8, PERFECT);
    let mut acks = 0;
    pair.drop_if = Box::new(move |_, bytes| {
        acks += usize::from(bytes.starts_with(b"ACK"));
        bytes.starts_with(b"ACK") && acks <= 2
    });
    start(&mut pair, Method::Invite, Transport::Udp);
    let tx = arrived(&mut pair);
    answer(&mut pair, tx, 486);
    pair.run(10_000);
    assert_eq!(count(&pair, Side::B, "SIP/2.0 486"), 3, "timer G");
    assert_eq!(count(&pair, Side::A, "ACK"), 3);
    assert_eq!(words(&pair.events(Side::A)), ["486"], "told once");
    assert_eq!(words(&pair.events(Side::B)), [""; 0]);
    quiet(&mut pair);
}

#[test]
fn an_ack_that_never_comes_is_told() {
    let mut pair = Pair::new(9, PERFECT);
    pair.drop_if = Box::new(|_, bytes| bytes.starts_with(b"ACK"));
    start(&mut pair, Method::Invite, Transport::Udp);
    let tx = arrived(&mut pair);
    answer(&mut pair, tx, 486);
    pair.run(33_000);
    assert_eq!(words(&pair.events(Side::B)), ["server timeout"], "timer H");
    assert_eq!(count(&pair, Side::B, "SIP/2.0 486"), 11);
    quiet(&mut pair);
}

#[test]
fn a_repeated_invite_is_answered_by_the_transaction() {
    let mut pair = Pair::new(10, PERFECT);
    // Nothing comes back, so the INVITE is repeated.
    pair.drop_if = Box::new(|side, _| side == Side::B);
    start(&mut pair, Method::Invite, Transport::Udp);
    let tx = arrived(&mut pair);
    answer(&mut pair, tx, 183);
    pair.run(3_600);
    assert_eq!(count(&pair, Side::A, "INVITE"), 4);
    assert_eq!(count(&pair, Side::B, "SIP/2.0 183"), 4);
    assert_eq!(
        words(&pair.events(Side::B)),
        [""; 0],
        "the user hears of it once"
    );
    answer(&mut pair, tx, 200);
    pair.run(4_000);
    assert_eq!(count(&pair, Side::A, "INVITE"), 5);
    assert_eq!(
        count(&pair, Side::B, "SIP/2.0 200"),
        1,
        "RFC 6026: Accepted absorbs"
    );
    assert_eq!(pair.b.counters().repeated, 4);
    quiet(&mut pair);
}

#[test]
fn repeated_and_forked_2xx_reach_the_user_for_64_t1() {
    let mut pair = Pair::new(11, PERFECT);
    start(&mut pair, Method::Invite, Transport::Udp);
    let tx = arrived(&mut pair);
    answer(&mut pair, tx, 200);
    pair.run(500);
    for _ in 0..3 {
        let now = pair.now;
        pair.b.resend(now, tx);
        pair.run(500);
    }
    assert_eq!(words(&pair.events(Side::A)), ["200"; 4]);
    pair.run(31_000);
    assert_eq!((pair.a.live(), pair.b.live()), (0, 0), "timers L and M");
    let now = pair.now;
    pair.b.resend(now, tx);
    pair.run(10);
    assert_eq!(words(&pair.events(Side::A)), [""; 0]);
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let run = |seed| {
        let mut pair = Pair::new(seed, PERFECT);
        start(&mut pair, Method::Invite, Transport::Udp);
        pair.collect();
        pair.run(5);
        let events = pair.events(Side::B);
        match &events[..] {
            [Event::Request { message, .. }] => message.as_bytes().clone(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

mod cancel {
    use super::*;

    fn cancel(pair: &mut Pair, tx: ClientTx) {
        let now = pair.now;
        pair.a.cancel(now, tx);
    }

    #[test]
    fn after_a_provisional_goes_out_at_once() {
        let mut pair = Pair::new(20, PERFECT);
        let tx = start(&mut pair, Method::Invite, Transport::Udp);
        let server = arrived(&mut pair);
        answer(&mut pair, server, 180);
        pair.run(100);
        cancel(&mut pair, tx);
        pair.run(10);
        let events = pair.events(Side::B);
        assert!(matches!(events[..], [Event::Cancel { invite, .. }] if invite == server));
        assert_eq!(count(&pair, Side::B, "SIP/2.0 200"), 1, "to the CANCEL");
        answer(&mut pair, server, 487);
        pair.run(10);
        assert_eq!(words(&pair.events(Side::A)), ["180", "487"]);
        assert_eq!(count(&pair, Side::A, "ACK"), 1);
        quiet(&mut pair);
    }

    #[test]
    fn before_any_answer_waits_for_the_provisional() {
        let mut pair = Pair::new(21, PERFECT);
        let tx = start(&mut pair, Method::Invite, Transport::Udp);
        let server = arrived(&mut pair);
        cancel(&mut pair, tx);
        pair.run(100);
        assert_eq!(count(&pair, Side::A, "CANCEL"), 0);
        pair.run(150);
        assert_eq!(count(&pair, Side::A, "CANCEL"), 1, "after the 100");
        answer(&mut pair, server, 487);
        pair.run(10);
        assert_eq!(words(&pair.events(Side::A)), ["100", "487"]);
        quiet(&mut pair);
    }

    #[test]
    fn of_a_server_that_says_nothing_ends_by_timer_b() {
        let mut pair = Pair::new(22, PERFECT);
        pair.drop_if = Box::new(|_, _| true);
        let tx = start(&mut pair, Method::Invite, Transport::Udp);
        cancel(&mut pair, tx);
        pair.run(33_000);
        assert_eq!(words(&pair.events(Side::A)), ["client timeout"]);
        assert_eq!(count(&pair, Side::A, "CANCEL"), 0);
        assert_eq!(pair.a.live(), 0);
    }

    #[test]
    fn that_meets_no_final_answer_gives_up_after_64_t1() {
        let mut pair = Pair::new(23, PERFECT);
        let tx = start(&mut pair, Method::Invite, Transport::Udp);
        let server = arrived(&mut pair);
        answer(&mut pair, server, 180);
        pair.run(100_000);
        pair.drop_if = Box::new(|_, _| true);
        cancel(&mut pair, tx);
        pair.run(31_900);
        assert_eq!(words(&pair.events(Side::A)), ["180"]);
        pair.run(200);
        assert_eq!(words(&pair.events(Side::A)), ["client timeout"], "once");
        assert_eq!(count(&pair, Side::A, "CANCEL"), 11);
        assert_eq!(pair.a.live(), 0);
    }

    #[test]
    fn after_the_final_does_nothing() {
        for status in [200, 486] {
            let mut pair = Pair::new(24, PERFECT);
            let tx = start(&mut pair, Method::Invite, Transport::Udp);
            let server = arrived(&mut pair);
            answer(&mut pair, server, status);
            pair.run(10);
            cancel(&mut pair, tx);
            pair.run(100);
            assert_eq!(count(&pair, Side::A, "CANCEL"), 0, "after {status}");
            quiet(&mut pair);
        }
    }

    #[test]
    fn that_crosses_a_200_is_answered_and_not_told() {
        let mut pair = Pair::new(25, PERFECT);
        let tx = start(&mut pair, Method::Invite, Transport::Udp);
        let server = arrived(&mut pair);
        answer(&mut pair, server, 180);
        pair.run(10);
        cancel(&mut pair, tx);
        answer(&mut pair, server, 200);
        pair.run(100);
        assert_eq!(words(&pair.events(Side::B)), [""; 0]);
        assert_eq!(words(&pair.events(Side::A)), ["180", "200"]);
        assert_eq!(count(&pair, Side::B, "SIP/2.0 200"), 2, "INVITE and CANCEL");
        quiet(&mut pair);
    }
}
