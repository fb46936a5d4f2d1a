//! What the operator does not allow is refused when it arrives, with its code in events and record, its SIP status
//! and its prompt; what is allowed is not.

#![allow(clippy::unwrap_used)] // A test that cannot go on fails.

mod common;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axbridge_binding::{AppId, NumberStatus};
use axbridge_call::{
    App, AppPrompts, Blocked, CallRate, CallRecord, CallRules, CallTimeRule, CallingHours,
    ConnectRateRule, Directory, FactKind, Now, Party, PlatformRules, Snapshot, Standing, Switch,
};
use axbridge_media::Prompt;
use axbridge_sip::{Hop, Transport};
use bytes::Bytes;
use common::{A, B, NoMedia, X, app, bind, directory, give, publish, switch};

/// 2030-01-02 03:04:05 UTC, a Wednesday: 11:04:05 in China.
const T0_MS: u64 = 1_893_553_445_000;
const FIXED: &str = "+861000000001";
const ABROAD: &str = "+12025550100";

/// One or more switches over one directory, and a carrier that answers as it is told.
struct World {
    directory: Arc<Directory>,
    switches: Vec<Switch>,
    began: Instant,
    at_ms: u64,
    calls: u32,
}

/// What became of a call.
#[derive(Debug)]
struct Heard {
    /// Final status for the caller; none: the call is on its way to the callee.
    status: Option<u16>,
    early_media: bool,
    record: Option<CallRecord>,
    state_code: Option<u32>,
    /// Texts that were sent.
    sent: Vec<String>,
}

impl World {
    fn new(app: App) -> World {
        World::with(app, |_| {})
    }

    fn with(app: App, change: impl FnOnce(&mut Snapshot)) -> World {
        let directory = directory(app, change);
        World {
            switches: vec![switch(directory.clone(), 1_000)],
            directory,
            began: Instant::now(),
            at_ms: 0,
            calls: 0,
        }
    }

    fn ruled(rules: CallRules) -> World {
        World::new(App { rules, ..app() })
    }

    fn platform(rules: PlatformRules) -> World {
        World::with(app(), |snapshot| snapshot.rules = rules)
    }

    fn now(&self) -> Now {
        Now {
            mono: self.began + Duration::from_millis(self.at_ms),
            wall_ms: T0_MS + self.at_ms,
        }
    }

    fn wait(&mut self, seconds: u64) {
        self.at_ms += seconds * 1_000;
    }

    fn call(&mut self, caller: &str) -> Heard {
        self.call_by(0, caller)
    }

    /// An INVITE from `caller` to X at one of the switches.
    fn call_by(&mut self, which: usize, caller: &str) -> Heard {
        self.calls += 1;
        let body = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n";
        let n = self.calls;
        let text = format!(
            "INVITE sip:{X}@192.0.2.100 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKi{n}\r\nMax-Forwards: 70\r\nFrom: <sip:{caller}@192.0.2.1>;tag=f{n}\r\nTo: <sip:{X}@192.0.2.100>\r\nCall-ID: c{n}\r\nCSeq: 1 INVITE\r\nContact: <sip:a@192.0.2.1>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.receive(which, text)
    }

    fn receive(&mut self, which: usize, text: String) -> Heard {
        let hop = Hop {
            transport: Transport::Udp,
            local: "192.0.2.100:5060".parse().unwrap(),
            remote: "192.0.2.1:5060".parse().unwrap(),
            conn: None,
        };
        let now = self.now();
        let switch = &mut self.switches[which];
        switch.receive(now, hop, Bytes::from(text), &mut NoMedia);
        let mut heard = Heard {
            status: None,
            early_media: false,
            record: None,
            state_code: None,
            sent: Vec::new(),
        };
        while let Some(fact) = switch.poll_fact() {
            match fact.kind {
                FactKind::Record(record) => heard.record = Some(*record),
                FactKind::Disconnect { state_code, .. } => heard.state_code = Some(state_code),
                _ => {}
            }
        }
        while let Some(transmit) = switch.poll_transmit() {
            let text = String::from_utf8(transmit.bytes.to_vec()).unwrap();
            if let Some(rest) = text.strip_prefix("SIP/2.0 ") {
                let status: u16 = rest[..3].parse().unwrap();
                heard.early_media |= status == 183;
                heard.status = heard.status.or(Some(status).filter(|s| *s >= 300));
            }
            heard.sent.push(text);
        }
        heard
    }

    /// The callee of the latest call says no.
    fn rejects(&mut self, heard: &Heard, status: u16) -> Heard {
        let reply = reply(heard, &format!("{status} No"), "");
        self.receive(0, reply)
    }

    /// The callee answers and hangs up after so many seconds.
    fn talks(&mut self, heard: &Heard, seconds: u64) -> Heard {
        let body = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4002 RTP/AVP 8\r\n";
        let answer = reply(heard, "200 OK", body);
        let answered = self.receive(0, answer);
        assert!(
            answered.sent.iter().any(|t| t.starts_with("ACK ")),
            "{answered:?}"
        );
        self.wait(seconds);
        let invite = invite(heard);
        let n = self.calls;
        let bye = format!(
            "BYE sip:x@192.0.2.100 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKb{n}\r\nMax-Forwards: 70\r\nFrom: {};tag=callee\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n",
            header(invite, "To"),
            header(invite, "From"),
            header(invite, "Call-ID"),
        );
        self.receive(0, bye)
    }
}

fn invite(heard: &Heard) -> &str {
    heard
        .sent
        .iter()
        .find(|t| t.starts_with("INVITE "))
        .unwrap()
}

fn header<'a>(text: &'a str, name: &str) -> &'a str {
    let prefix = format!("{name}: ");
    text.lines().find_map(|l| l.strip_prefix(&prefix)).unwrap()
}

/// A response of the callee to our INVITE.
fn reply(heard: &Heard, status: &str, body: &str) -> String {
    let invite = invite(heard);
    let content = if body.is_empty() {
        ""
    } else {
        "Content-Type: application/sdp\r\n"
    };
    format!(
        "SIP/2.0 {status}\r\nVia: {}\r\nFrom: {}\r\nTo: {};tag=callee\r\nCall-ID: {}\r\nCSeq: {}\r\nContact: <sip:b@192.0.2.1>\r\n{content}Content-Length: {}\r\n\r\n{body}",
        header(invite, "Via"),
        header(invite, "From"),
        header(invite, "To"),
        header(invite, "Call-ID"),
        header(invite, "CSeq"),
        body.len()
    )
}

impl Heard {
    fn is_through(&self) -> bool {
        self.status.is_none() && self.sent.iter().any(|t| t.starts_with("INVITE "))
    }

    #[track_caller]
    fn through(self) -> Heard {
        assert!(self.is_through(), "{self:?}");
        self
    }

    /// Refused: the same number as hang-up cause and release point, in event and record; nobody was called.
    #[track_caller]
    fn refused(&self, code: u32, status: u16) {
        assert_eq!(
            (self.state_code, self.status),
            (Some(code), Some(status)),
            "{self:?}"
        );
        let record = self.record.as_ref().unwrap();
        assert_eq!((record.state_code, record.ul_fail_reason), (code, code));
        assert_eq!(record.fwd_start_ms, None, "nobody is called");
        assert!(!self.sent.iter().any(|t| t.starts_with("INVITE ")));
        let reason = self
            .sent
            .iter()
            .find(|t| t.starts_with(&format!("SIP/2.0 {status}")));
        assert!(reason.unwrap().contains("Reason: Q.850;cause="), "{self:?}");
    }
}

fn per_minute(per_minute: u32) -> CallRate {
    CallRate {
        per_minute,
        ..CallRate::default()
    }
}

fn blocked(app: Option<AppId>, party: Party, pattern: &str) -> World {
    let entry = Blocked {
        app,
        party,
        pattern: pattern.parse().unwrap(),
    };
    World::with(common::app(), |snapshot| {
        snapshot.blocked = [entry].into_iter().collect();
    })
}

#[test]
fn a_suspended_application_and_a_frozen_subscriber_have_codes_of_their_own() {
    let with = |standing| World::new(App { standing, ..app() });
    with(Standing::Suspended).call(A).refused(7106, 480);
    with(Standing::Frozen).call(A).refused(7108, 480);
    with(Standing::Active).call(A).through();
}

#[test]
fn of_the_states_of_a_number_only_two_refuse_calls() {
    for (status, serves) in [
        (NumberStatus::Normal, true),
        (NumberStatus::Frozen, true),
        (NumberStatus::Suspended, false),
        (NumberStatus::Unavailable, false),
    ] {
        let mut world = World::new(app());
        give(&world.directory, X, status);
        match serves {
            true => drop(world.call(A).through()),
            false => world.call(A).refused(8055, 480),
        }
    }
}

#[test]
fn blocked_callers_and_callees_of_one_application_and_of_all() {
    for scope in [Some(AppId(1)), None] {
        for pattern in [A, "+86139*"] {
            blocked(scope, Party::Caller, pattern)
                .call(A)
                .refused(7005, 403);
        }
        for pattern in [B, "+86139*"] {
            blocked(scope, Party::Callee, pattern)
                .call(A)
                .refused(7004, 403);
        }
    }
    for (scope, party, pattern) in [
        (Some(AppId(2)), Party::Caller, A),
        (None, Party::Caller, B),
        (None, Party::Callee, A),
        (None, Party::Caller, "+8614*"),
    ] {
        blocked(scope, party, pattern).call(A).through();
    }
}

#[test]
fn fixed_lines_call_only_where_the_application_lets_them() {
    let mut world = World::new(app());
    bind(&world.directory, 8, FIXED, "+8613900000003");
    let heard = world.call(FIXED);
    heard.refused(8023, 403);
    let rules = CallRules {
        fixed_callers: true,
        ..CallRules::default()
    };
    publish(&world.directory, App { rules, ..app() }, |_| {});
    world.call(FIXED).through();
    // They are called in any case.
    world.call("+8613900000003").through();
}

#[test]
fn calls_from_and_to_abroad_can_be_refused() {
    let rules = |international_in, international_out| CallRules {
        international_in,
        international_out,
        ..CallRules::default()
    };
    for (allowed_in, allowed_out) in [(false, true), (true, false), (true, true)] {
        let mut world = World::ruled(rules(allowed_in, allowed_out));
        bind(&world.directory, 8, ABROAD, "+8613900000003");
        let (from, to) = (world.call(ABROAD), world.call("+8613900000003"));
        match allowed_in {
            true => drop(from.through()),
            false => from.refused(8042, 403),
        }
        match allowed_out {
            true => drop(to.through()),
            false => to.refused(8043, 403),
        }
        world.call(A).through();
    }
}

#[test]
fn calls_outside_the_hours_are_refused_by_the_clock_of_the_zone() {
    let rules = |from: &str, until: &str, zone: &str| CallRules {
        hours: vec![CallingHours::daily(from, until).unwrap()],
        utc_offset: zone.parse().unwrap(),
        ..CallRules::default()
    };
    // It is 11:04 in China, 03:04 in UTC.
    World::ruled(rules("08:00", "22:00", "+08:00"))
        .call(A)
        .through();
    World::ruled(rules("08:00", "22:00", "+00:00"))
        .call(A)
        .refused(8050, 403);
    let mut world = World::ruled(rules("08:00", "12:00", "+08:00"));
    world.call(A).through();
    world.wait(3_600);
    world.call(A).refused(8050, 403);
    world.wait(20 * 3_600);
    world.call(A).through();
}

#[test]
fn every_limit_has_its_code_and_ends_with_its_window() {
    let base = CallRules::default;
    let rate = per_minute(2);
    let of_app: [(u32, CallRules); 5] = [
        (7002, CallRules { rate, ..base() }),
        (
            8049,
            CallRules {
                rate_per_number: rate,
                ..base()
            },
        ),
        (
            8047,
            CallRules {
                rate_per_caller: rate,
                ..base()
            },
        ),
        (
            8048,
            CallRules {
                rate_per_callee: rate,
                ..base()
            },
        ),
        (
            7003,
            CallRules {
                rate_per_display: rate,
                ..base()
            },
        ),
    ];
    let none = PlatformRules::default;
    let of_all: [(u32, PlatformRules); 4] = [
        (7001, PlatformRules { rate, ..none() }),
        (
            7001,
            PlatformRules {
                rate_per_account: rate,
                ..none()
            },
        ),
        (
            8047,
            PlatformRules {
                rate_per_caller: rate,
                ..none()
            },
        ),
        (
            8048,
            PlatformRules {
                rate_per_callee: rate,
                ..none()
            },
        ),
    ];
    let worlds = of_app.map(|(code, rules)| (code, World::ruled(rules)));
    let others = of_all.map(|(code, rules)| (code, World::platform(rules)));
    for (code, mut world) in worlds.into_iter().chain(others) {
        world.call(A).through();
        world.call(A).through();
        world.call(A).refused(code, 480);
        world.call(A).refused(code, 480);
        world.wait(60);
        world.call(A).through();
    }
}

#[test]
fn a_limit_of_one_party_leaves_others_alone() {
    let rules = CallRules {
        rate_per_caller: per_minute(1),
        ..CallRules::default()
    };
    let mut world = World::ruled(rules);
    world.call(A).through();
    world.call(A).refused(8047, 480);
    world.call(B).through();
}

#[test]
fn a_limit_holds_across_shards_and_over_a_change_of_settings() {
    let ruled = |per| App {
        rules: CallRules {
            rate: per_minute(per),
            ..CallRules::default()
        },
        ..app()
    };
    let mut world = World::new(ruled(3));
    world.switches.push(switch(world.directory.clone(), 1_000));
    world.call_by(0, A).through();
    world.call_by(1, A).through();
    world.call_by(0, A).through();
    world.call_by(1, A).refused(7002, 480);
    publish(&world.directory, ruled(4), |_| {});
    world.call_by(1, A).through();
    world.call_by(0, A).refused(7002, 480);
}

#[test]
fn what_is_refused_by_a_list_is_not_counted() {
    let rules = CallRules {
        rate: per_minute(1),
        ..CallRules::default()
    };
    let entry = Blocked {
        app: None,
        party: Party::Caller,
        pattern: B.parse().unwrap(),
    };
    let mut world = World::with(App { rules, ..app() }, |snapshot| {
        snapshot.blocked = [entry].into_iter().collect();
    });
    for _ in 0..5 {
        world.call(B).refused(7005, 403);
    }
    world.call(A).through();
    world.call(A).refused(7002, 480);
}

#[test]
fn a_caller_whom_hardly_anybody_answers_is_stopped_until_the_hour_is_over() {
    let rules = CallRules {
        connect_rate: ConnectRateRule {
            calls_min: 4,
            answered_percent_min: 50,
        },
        ..CallRules::default()
    };
    let mut world = World::ruled(rules);
    for answered in [true, false, false, false] {
        let call = world.call(A).through();
        match answered {
            true => world.talks(&call, 30),
            false => world.rejects(&call, 486),
        };
    }
    world.call(A).refused(8046, 480);
    // Another caller is not.
    world.call(B).through();
    world.wait(3_600);
    world.call(A).through();
}

#[test]
fn a_caller_whose_calls_are_all_very_short_is_stopped_until_the_hour_is_over() {
    let rules = CallRules {
        call_time: CallTimeRule {
            calls_min: 3,
            short_s: 5,
            short_percent_max: 60,
        },
        ..CallRules::default()
    };
    let mut world = World::ruled(rules);
    for seconds in [2, 4, 5] {
        let call = world.call(A).through();
        world.talks(&call, seconds);
    }
    // Two of three: 66 percent.
    world.call(A).refused(8044, 480);
    world.wait(3_600);
    let call = world.call(A).through();
    world.talks(&call, 30);
    world.call(A).through();
}

#[test]
fn a_barred_caller_hears_the_prompt_for_no_permission() {
    let prompt = || Some(Arc::new(Prompt::from_linear(&[0; 8_000]).unwrap()));
    let refusals = AppPrompts {
        no_permission: prompt(),
        ..AppPrompts::default()
    };
    let mut world = World::with(App { refusals, ..app() }, |snapshot| {
        let entry = Blocked {
            app: None,
            party: Party::Caller,
            pattern: A.parse().unwrap(),
        };
        snapshot.blocked = [entry].into_iter().collect();
    });
    let heard = world.call(A);
    assert!(heard.early_media && heard.status.is_none(), "{heard:?}");
    // A suspended application is "service abnormal", for which there is none here: refused at once.
    let refusals = AppPrompts {
        no_permission: prompt(),
        ..AppPrompts::default()
    };
    let suspended = App {
        refusals,
        standing: Standing::Suspended,
        ..app()
    };
    World::new(suspended).call(A).refused(7106, 480);
}
