//! Calls message by message, with a clock: what is said to whom, where to and when.

#![allow(clippy::unwrap_used)] // A test that cannot go on fails.

mod common;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axbridge_binding::AppId;
use axbridge_call::{App, FactKind, Now, Switch, Trunk};
use axbridge_sip::{Hop, Transport};
use bytes::Bytes;
use common::{A, NoMedia, X};

const PEER: &str = "192.0.2.1:5060";
const SDP: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n";

/// A carrier on both sides of one call.
struct World {
    switch: Switch,
    began: Instant,
    at_ms: u64,
    /// When, where to, what.
    sent: Vec<(u64, SocketAddr, String)>,
    facts: Vec<FactKind>,
}

impl World {
    fn new() -> World {
        World::with(common::app(), |_| {})
    }

    fn with(app: App, change: impl FnOnce(&mut Trunk)) -> World {
        let mut trunk = common::trunk();
        change(&mut trunk);
        let directory = common::directory(app, |snapshot| {
            snapshot.trunks = [(trunk.id, Arc::new(trunk))].into();
        });
        World {
            switch: common::switch(directory, 10),
            began: Instant::now(),
            at_ms: 0,
            sent: Vec::new(),
            facts: Vec::new(),
        }
    }

    fn now(&self) -> Now {
        Now {
            mono: self.began + Duration::from_millis(self.at_ms),
            wall_ms: 1_900_000_000_000 + self.at_ms,
        }
    }

    fn fetch(&mut self) {
        while let Some(transmit) = self.switch.poll_transmit() {
            let text = String::from_utf8(transmit.bytes.to_vec()).unwrap();
            self.sent.push((self.at_ms, transmit.hop.remote, text));
        }
        while let Some(fact) = self.switch.poll_fact() {
            self.facts.push(fact.kind);
        }
    }

    fn feed(&mut self, text: &str) {
        let hop = Hop {
            transport: Transport::Udp,
            local: "192.0.2.100:5060".parse().unwrap(),
            remote: PEER.parse().unwrap(),
            conn: None,
        };
        let bytes = Bytes::from(text.to_owned());
        self.switch.receive(self.now(), hop, bytes, &mut NoMedia);
        self.fetch();
    }

    fn wait_until(&mut self, ms: u64) {
        while let Some(deadline) = self.switch.next_deadline() {
            let due = deadline.saturating_duration_since(self.began);
            let due_ms = due.as_micros().div_ceil(1_000) as u64;
            if due_ms > ms {
                break;
            }
            self.at_ms = self.at_ms.max(due_ms);
            self.switch.handle_timeout(self.now(), &mut NoMedia);
            self.fetch();
        }
        self.at_ms = ms;
    }

    /// What was sent and begins so.
    fn all(&self, start: &str) -> Vec<&(u64, SocketAddr, String)> {
        let begins = |s: &&(u64, SocketAddr, String)| s.2.starts_with(start);
        self.sent.iter().filter(begins).collect()
    }

    fn last(&self, start: &str) -> String {
        let all = self.all(start);
        all.last().unwrap_or_else(|| panic!("no {start}")).2.clone()
    }

    /// A's INVITE, and what we send to B for it.
    fn call(&mut self, headers: &str) -> String {
        self.feed(&of_a("INVITE", 1, "", headers, SDP));
        self.last("INVITE")
    }

    /// `stateCode`, and who hung up.
    fn disconnected(&self) -> (u32, Option<u8>) {
        let codes = self.facts.iter().find_map(|f| match f {
            FactKind::Disconnect {
                state_code,
                released_by,
                ..
            } => Some((*state_code, *released_by)),
            _ => None,
        });
        codes.unwrap()
    }

    fn answered(&self) -> bool {
        self.facts.iter().any(|f| f.name() == "answer")
    }
}

/// What is after `Name:` in a message.
fn field<'a>(text: &'a str, name: &str) -> &'a str {
    let value = text.lines().find_map(|l| l.strip_prefix(name));
    value
        .unwrap_or_else(|| panic!("no {name} in {text}"))
        .trim()
}

/// A request of A: the first INVITE, or with a To tag one in its dialog.
fn of_a(method: &str, cseq: u32, to_tag: &str, headers: &str, body: &str) -> String {
    let tag = match to_tag {
        "" => String::new(),
        tag => format!(";tag={tag}"),
    };
    let branch = match method {
        "CANCEL" => 1,
        _ => cseq,
    };
    let content = match body {
        "" => "",
        _ => "Content-Type: application/sdp\r\n",
    };
    format!(
        "{method} sip:{X}@192.0.2.100 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKa{branch}{}\r\nMax-Forwards: 70\r\nFrom: <sip:{A}@192.0.2.1>;tag=f\r\nTo: <sip:{X}@192.0.2.100>{tag}\r\nCall-ID: c\r\nCSeq: {cseq} {method}\r\nContact: <sip:a@10.9.9.9:5060>\r\n{headers}{content}Content-Length: {}\r\n\r\n{body}",
        if method == "ACK" { "ack" } else { "" },
        body.len()
    )
}

/// A response of B to a request of ours.
fn reply(request: &str, status: u16, tag: &str, headers: &str, body: &str) -> String {
    let content = match body {
        "" => "",
        _ => "Content-Type: application/sdp\r\n",
    };
    format!(
        "SIP/2.0 {status} X\r\nVia: {}\r\nFrom: {}\r\nTo: {};tag={tag}\r\nCall-ID: {}\r\nCSeq: {}\r\nContact: <sip:b@10.8.8.8:5060>\r\n{headers}{content}Content-Length: {}\r\n\r\n{body}",
        field(request, "Via:"),
        field(request, "From:"),
        field(request, "To:"),
        field(request, "Call-ID:"),
        field(request, "CSeq:"),
        body.len()
    )
}

/// A request of B in the dialog of our INVITE.
fn of_b(invite: &str, method: &str, cseq: u32, headers: &str, body: &str) -> String {
    format!(
        "{method} sip:axbridge@192.0.2.100 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKb{method}{cseq}\r\nMax-Forwards: 70\r\nFrom: {};tag=b\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {cseq} {method}\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        field(invite, "To:"),
        field(invite, "From:"),
        field(invite, "Call-ID:"),
        body.len()
    )
}

fn our_tag(response: &str) -> String {
    field(response, "To:")
        .split(";tag=")
        .nth(1)
        .unwrap()
        .to_owned()
}

/// From ringing to talk.
fn talking(world: &mut World) -> String {
    let invite = world.call("");
    world.feed(&reply(&invite, 180, "b", "", ""));
    world.feed(&reply(&invite, 200, "b", "", SDP));
    let tag = our_tag(&world.last("SIP/2.0 200"));
    world.feed(&of_a("ACK", 1, &tag, "", ""));
    invite
}

#[test]
fn a_second_invite_before_the_first_is_answered_is_500_with_retry_after() {
    let mut world = World::new();
    let invite = world.call("");
    world.feed(&reply(&invite, 180, "b", "", ""));
    let tag = our_tag(&world.last("SIP/2.0 180"));
    world.feed(&of_a("INVITE", 2, &tag, "", SDP));
    let refused = world.last("SIP/2.0 500");
    assert_eq!(field(&refused, "CSeq:"), "2 INVITE");
    let seconds: u32 = field(&refused, "Retry-After:").parse().unwrap();
    assert!(seconds <= 10, "RFC 3261 §14.2");
    assert_eq!(world.switch.live_calls(), 1, "the call goes on");
}

#[test]
fn a_request_out_of_order_is_500() {
    let mut world = World::new();
    talking(&mut world);
    let tag = our_tag(&world.last("SIP/2.0 200"));
    world.feed(&of_a("OPTIONS", 7, &tag, "", ""));
    assert_eq!(field(&world.last("SIP/2.0 200"), "CSeq:"), "7 OPTIONS");
    world.feed(&of_a("INFO", 6, &tag, "", ""));
    assert_eq!(field(&world.last("SIP/2.0 500"), "CSeq:"), "6 INFO");
    assert_eq!(world.switch.live_calls(), 1);
}

#[test]
fn an_offer_that_cannot_be_is_488_and_changes_nothing() {
    let mut world = World::new();
    let invite = talking(&mut world);
    let tag = our_tag(&world.last("SIP/2.0 200"));
    let video = SDP.replace("m=audio 4000 RTP/AVP 8", "m=video 4000 RTP/AVP 96");
    for (cseq, method) in [(2, "INVITE"), (3, "UPDATE")] {
        world.feed(&of_a(method, cseq, &tag, "", &video));
        let refused = world.last("SIP/2.0 488");
        assert_eq!(field(&refused, "CSeq:"), format!("{cseq} {method}"));
    }
    // Nor does B ever hear of it.
    assert_eq!(world.all("INVITE").len(), 1);
    world.feed(&of_b(&invite, "BYE", 1, "", ""));
    assert_eq!(world.disconnected(), (0, Some(2)));
}

#[test]
fn progress_of_one_fork_or_of_an_unknown_kind_is_not_the_caller_s() {
    let mut world = World::new();
    let invite = world.call("");
    world.feed(&reply(&invite, 180, "b", "", ""));
    world.feed(&reply(&invite, 199, "b", "", ""));
    world.feed(&reply(&invite, 189, "c", "", ""));
    assert!(world.all("SIP/2.0 199").is_empty());
    assert!(world.all("SIP/2.0 189").is_empty());
    assert_eq!(world.all("SIP/2.0 183").len(), 1, "what 189 counts as");
    for status in [181, 182] {
        world.feed(&reply(&invite, status, "c", "", ""));
        assert_eq!(world.all(&format!("SIP/2.0 {status}")).len(), 1);
    }
    world.feed(&reply(&invite, 200, "c", "", SDP));
    assert_eq!(world.all("SIP/2.0 200").len(), 1);
}

#[test]
fn a_caller_who_waits_hears_so_each_minute() {
    let patient = || {
        let mut app = App::new(AppId(1), "key");
        app.answer_timeout_ms = 600_000;
        app
    };
    let mut world = World::with(patient(), |_| {});
    let invite = world.call("");
    world.feed(&reply(&invite, 180, "b", "", ""));
    world.wait_until(250_000);
    let rang: Vec<u64> = world.all("SIP/2.0 180").iter().map(|s| s.0).collect();
    assert_eq!(rang, [0, 60_000, 120_000, 180_000, 240_000]);
    world.feed(&reply(&invite, 200, "b", "", SDP));
    let tag = our_tag(&world.last("SIP/2.0 200"));
    world.feed(&of_a("ACK", 1, &tag, "", ""));
    world.wait_until(400_000);
    assert_eq!(world.all("SIP/2.0 180").len(), 5, "not after the answer");

    // Reliably: each with a number of its own, acknowledged by its PRACK.
    let mut world = World::with(patient(), |_| {});
    let invite = world.call("Supported: 100rel\r\n");
    world.feed(&reply(&invite, 180, "b", "", ""));
    let first = world.last("SIP/2.0 180");
    let rack = format!("RAck: {} 1 INVITE\r\n", field(&first, "RSeq:"));
    world.feed(&of_a("PRACK", 2, &our_tag(&first), &rack, ""));
    world.wait_until(60_100);
    let second = world.last("SIP/2.0 180");
    let number = |text: &str| field(text, "RSeq:").parse::<u32>().unwrap();
    assert_eq!(number(&second), number(&first) + 1);

    // Nothing but 100 has been said yet.
    let mut world = World::with(patient(), |_| {});
    let invite = world.call("");
    world.feed(&reply(&invite, 100, "b", "", ""));
    world.wait_until(61_000);
    assert_eq!(world.all("SIP/2.0 183").len(), 1);
}

/// B has answered; our 200 to A waits for the PRACK of the 183.
fn answer_that_waits() -> (World, String) {
    let mut world = World::new();
    let invite = world.call("Supported: 100rel\r\n");
    world.feed(&reply(&invite, 183, "b", "", SDP));
    world.wait_until(1_000);
    world.feed(&reply(&invite, 200, "b", "", SDP));
    world.wait_until(20_000);
    assert!(world.answered());
    assert!(world.all("SIP/2.0 200").is_empty());
    (world, invite)
}

#[test]
fn cancel_while_the_answer_waits_for_a_prack_is_a_hang_up() {
    let (mut world, _) = answer_that_waits();
    world.feed(&of_a("CANCEL", 1, "", "", ""));
    assert_eq!(
        world.disconnected(),
        (0, Some(1)),
        "as the answer event says"
    );
    assert_eq!(world.all("SIP/2.0 487").len(), 1);
    assert_eq!(world.all("BYE").len(), 1);
}

#[test]
fn a_callee_who_hangs_up_while_the_answer_waits_is_480_to_the_caller() {
    let (mut world, invite) = answer_that_waits();
    world.feed(&of_b(&invite, "BYE", 1, "", ""));
    assert_eq!(world.disconnected(), (0, Some(2)));
    assert_eq!(world.all("SIP/2.0 480").len(), 1);
    assert!(world.all("SIP/2.0 487").is_empty(), "A cancelled nothing");
}

#[test]
fn in_dialog_requests_follow_the_contact_or_the_trunk_s_word() {
    let follow = [
        (None, false, "10."),
        (Some(false), false, "192.0.2.1"),
        (None, true, "192.0.2.1"),
        (Some(true), true, "10."),
    ];
    for (follow_contact, learn_media_source, to) in follow {
        let change = |trunk: &mut Trunk| {
            trunk.follow_contact = follow_contact;
            trunk.learn_media_source = learn_media_source;
        };
        let goes_to = |world: &World, what: &str| {
            let sent = world.all(what);
            let (_, remote, text) = sent.last().unwrap();
            assert!(remote.to_string().starts_with(to), "{text} to {remote}");
        };
        // To A, when B hangs up; the ACK to B.
        let mut world = World::with(common::app(), change);
        let invite = talking(&mut world);
        goes_to(&world, "ACK");
        world.feed(&of_b(&invite, "BYE", 1, "", ""));
        goes_to(&world, "BYE");
        // To B, when A hangs up.
        let mut world = World::with(common::app(), change);
        talking(&mut world);
        let tag = our_tag(&world.last("SIP/2.0 200"));
        world.feed(&of_a("BYE", 2, &tag, "", ""));
        goes_to(&world, "BYE");
    }
}

#[test]
fn a_fork_that_answers_when_the_call_is_forgotten_is_thanked_and_ended() {
    let mut world = World::new();
    let invite = world.call("");
    world.feed(&reply(&invite, 180, "b", "", ""));
    world.feed(&reply(&invite, 200, "b", "", SDP));
    let tag = our_tag(&world.last("SIP/2.0 200"));
    world.feed(&of_a("ACK", 1, &tag, "", ""));
    world.feed(&of_a("BYE", 2, &tag, "", ""));
    let bye = world.last("BYE");
    // The answer to a BYE repeats its To tag.
    let mine = reply(&bye, 200, "b", "", "").replacen(";tag=b;tag=b", ";tag=b", 1);
    world.feed(&mine);
    world.wait_until(12_000);
    assert_eq!(world.switch.live_calls(), 0, "forgotten");
    world.feed(&reply(&invite, 200, "late", "", SDP));
    let (ack, bye) = (world.last("ACK"), world.last("BYE"));
    assert!(field(&ack, "To:").ends_with(";tag=late"), "{ack}");
    assert!(field(&bye, "To:").ends_with(";tag=late"), "{bye}");
    assert_eq!(field(&ack, "CSeq:"), "1 ACK");
    world.wait_until(120_000);
    assert_eq!(world.switch.live_transactions(), 0);
    assert_eq!(world.switch.live_references(), 0);
}

#[test]
fn a_digit_by_info_is_the_same_digit_on_the_other_leg() {
    let mut world = World::new();
    let invite = talking(&mut world);
    let body = "Signal=11\r\nDuration=200\r\nX-Secret: qb\r\n";
    let headers = "Content-Type: application/dtmf-relay\r\n";
    world.feed(&of_b(&invite, "INFO", 1, headers, body));
    let info = world.last("INFO");
    assert!(info.starts_with("INFO sip:a@10.9.9.9"), "to A: {info}");
    assert!(
        info.ends_with("\r\n\r\nSignal=#\r\nDuration=200\r\n"),
        "{info}"
    );
}

#[test]
fn a_callee_who_answers_on_hold_after_early_media_is_heard_of() {
    let mut world = World::new();
    let invite = world.call("");
    world.feed(&reply(&invite, 183, "b", "", SDP));
    let held = format!("{SDP}a=sendonly\r\n");
    world.feed(&reply(&invite, 200, "b", "", &held));
    let tag = our_tag(&world.last("SIP/2.0 200"));
    assert_eq!(world.all("INVITE").len(), 1);
    world.feed(&of_a("ACK", 1, &tag, "", ""));
    // A was promised both directions in the 183.
    let offer = world.last("INVITE");
    assert!(offer.starts_with("INVITE sip:a@10.9.9.9"), "{offer}");
    assert!(offer.contains("a=sendonly"), "{offer}");
}
