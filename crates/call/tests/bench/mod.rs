//! A switch between two scripted telephones: what they say is written out, time is an argument.

#![allow(clippy::unwrap_used)] // A test that cannot go on fails.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axbridge_binding::{AppId, NumberInfo, NumberStatus, RouteKind, Table, TrunkId};
use axbridge_call::{
    App, Blocked, CallKey, CallRecord, Directory, Fact, FactKind, MediaPlane, NoPorts, Now,
    PlatformRules, Question, Snapshot, Switch, Trunk,
};
use axbridge_media as media;
use axbridge_sip::{Hop, Transport};
use bytes::Bytes;

use crate::common::{A, X, app, number, switch};

pub const APP: AppId = AppId(1);
pub const Y: &str = "+8617000000002";
pub const STRANGER: &str = "+8613900000009";
/// The carriers of the caller and of the callee.
pub const CALLER: &str = "192.0.2.1:5060";
pub const CALLEE: &str = "192.0.2.2:5060";

pub const ALAW: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n";
pub const G729: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 18\r\n";

/// Wall clock at the beginning.
pub const START_MS: u64 = 1_900_000_000_000;

/// What the switch is to find.
pub struct World {
    pub table: Table,
    pub app: App,
    pub trunks: Vec<Trunk>,
    pub rules: PlatformRules,
    pub blocked: Vec<Blocked>,
    pub ports: bool,
}

impl World {
    /// X and Y of this mode, nothing bound.
    pub fn of_mode(mode: RouteKind) -> World {
        let world = World {
            table: Table::with_capacity(16),
            app: app(),
            trunks: [(1, CALLER), (2, CALLEE)]
                .map(|(id, peer)| Trunk::new(TrunkId(id), "carrier", vec![peer.parse().unwrap()]))
                .into(),
            rules: PlatformRules::default(),
            blocked: Vec::new(),
            ports: true,
        };
        for x in [X, Y] {
            world.set_number(x, mode, NumberStatus::Normal);
        }
        world
    }

    pub fn set_number(&self, x: &str, mode: RouteKind, status: NumberStatus) {
        let info = NumberInfo {
            app: APP,
            status,
            trunk: TrunkId(2),
            mode,
            area: None,
        };
        self.table.set_number(number(x), info);
    }

    pub fn start(self) -> Bench {
        let directory = Directory::new(Arc::new(self.table));
        directory.publish(Snapshot {
            trunks: self
                .trunks
                .into_iter()
                .map(|t| (t.id, Arc::new(t)))
                .collect(),
            apps: [(APP, Arc::new(self.app))].into(),
            rules: self.rules,
            blocked: self.blocked.into_iter().collect(),
        });
        Bench {
            switch: switch(Arc::new(directory), 10),
            plane: Plane {
                ports: self.ports,
                opened: Vec::new(),
                played: Vec::new(),
            },
            start: Instant::now(),
            passed: Duration::ZERO,
            facts: Vec::new(),
            sent: Vec::new(),
            questions: Vec::new(),
            dialled: String::new(),
        }
    }
}

/// Hands out addresses, notes prompts, and forgets everything else.
pub struct Plane {
    ports: bool,
    opened: Vec<CallKey>,
    played: Vec<(CallKey, media::Side, u32)>,
}

impl MediaPlane for Plane {
    fn open(&mut self, key: CallKey, a: IpAddr, b: IpAddr) -> Result<[SocketAddr; 2], NoPorts> {
        if !self.ports {
            return Err(NoPorts);
        }
        self.opened.push(key);
        Ok([SocketAddr::new(a, 20_000), SocketAddr::new(b, 20_002)])
    }

    fn command(&mut self, key: CallKey, command: media::Command) {
        if let media::Command::Play { side, token, .. } = command {
            self.played.push((key, side, token));
        }
    }

    fn close(&mut self, _: CallKey) {}
}

/// A running switch, and everything that came out of it.
pub struct Bench {
    switch: Switch,
    plane: Plane,
    start: Instant,
    passed: Duration,
    pub facts: Vec<Fact>,
    /// Where to, and what.
    pub sent: Vec<(SocketAddr, String)>,
    pub questions: Vec<Question>,
    dialled: String,
}

/// A caller's INVITE, as far as it varies.
pub struct Dial<'a> {
    pub from: &'a str,
    pub x: &'a str,
    pub call_id: &'a str,
    pub sdp: &'a str,
}

impl Default for Dial<'_> {
    fn default() -> Self {
        Dial {
            from: A,
            x: X,
            call_id: "c1",
            sdp: ALAW,
        }
    }
}

impl Bench {
    pub fn now(&self) -> Now {
        Now {
            mono: self.start + self.passed,
            wall_ms: START_MS + self.passed.as_millis() as u64,
        }
    }

    fn pump(&mut self) {
        while let Some(t) = self.switch.poll_transmit() {
            let text = String::from_utf8(t.bytes.to_vec()).unwrap();
            self.sent.push((t.hop.remote, text));
        }
        while let Some(fact) = self.switch.poll_fact() {
            self.facts.push(fact);
        }
        while let Some(question) = self.switch.poll_question() {
            self.questions.push(question);
        }
    }

    /// Lets time pass, with every timer on the way.
    pub fn wait(&mut self, time: Duration) {
        let until = self.passed + time;
        while let Some(at) = self.switch.next_deadline() {
            let due = at.saturating_duration_since(self.start);
            if due > until {
                break;
            }
            self.passed = self.passed.max(due);
            let now = self.now();
            self.switch.handle_timeout(now, &mut self.plane);
            self.pump();
        }
        self.passed = until;
    }

    pub fn receive(&mut self, from: &str, text: String) {
        let hop = Hop {
            transport: Transport::Udp,
            local: "192.0.2.100:5060".parse().unwrap(),
            remote: from.parse().unwrap(),
            conn: None,
        };
        let now = self.now();
        self.switch
            .receive(now, hop, Bytes::from(text), &mut self.plane);
        self.pump();
    }

    pub fn dial(&mut self, dial: &Dial<'_>) {
        self.dialled = dial.call_id.to_owned();
        let request = request_of_caller("INVITE", 1, dial, "", dial.sdp, "application/sdp");
        self.receive(CALLER, request);
    }

    /// Something inside the caller's dialog.
    pub fn caller_says(&mut self, method: &str, cseq: u32, dial: &Dial<'_>, body: &str) {
        let tag = match method {
            "CANCEL" => String::new(),
            _ => self.tag_for(dial),
        };
        let text = request_of_caller(method, cseq, dial, &tag, body, "application/dtmf-relay");
        self.receive(CALLER, text);
    }

    /// Our tag in the caller's dialog.
    fn tag_for(&self, dial: &Dial<'_>) -> String {
        let call_id = format!("Call-ID: {}\r\n", dial.call_id);
        let ours = |t: &str| t.starts_with("SIP/2.0 ") && t.contains(&call_id);
        let tag = |t: &str| {
            let to = line(t, "To");
            to.find(";tag=").map(|at| to[at..].to_owned())
        };
        let mut sent = self.sent.iter().rev();
        sent.find_map(|(_, t)| ours(t).then(|| tag(t)).flatten())
            .unwrap()
    }

    pub fn keys(&mut self, dial: &Dial<'_>, digits: &str) {
        for (n, digit) in digits.chars().enumerate() {
            let body = format!("Signal={digit}\r\nDuration=160\r\n");
            self.caller_says("INFO", 2 + n as u32, dial, &body);
        }
    }

    /// Our INVITE to the callee.
    pub fn invite_to_callee(&self) -> Option<&str> {
        let callee: SocketAddr = CALLEE.parse().unwrap();
        let found = self
            .sent
            .iter()
            .find(|(to, t)| *to == callee && t.starts_with("INVITE "));
        found.map(|(_, t)| t.as_str())
    }

    /// The callee answers our INVITE.
    pub fn callee_says(&mut self, status: u16) {
        let invite = self.invite_to_callee().unwrap().to_owned();
        self.answer(&invite, status);
    }

    /// The callee answers a request.
    pub fn answer(&mut self, request: &str, status: u16) {
        self.answer_from(CALLEE, request, status);
    }

    /// So does the caller.
    pub fn answer_as_caller(&mut self, request: &str, status: u16) {
        self.answer_from(CALLER, request, status);
    }

    fn answer_from(&mut self, from: &str, request: &str, status: u16) {
        let sdp = if status == 200 && request.starts_with("INVITE") {
            ALAW
        } else {
            ""
        };
        let kind = if sdp.is_empty() {
            ""
        } else {
            "Content-Type: application/sdp\r\n"
        };
        let to = match line(request, "To") {
            to if to.contains(";tag=") => to.to_owned(),
            to => format!("{to};tag=b"),
        };
        let text = format!(
            "SIP/2.0 {status} Whatever\r\n{}\r\n{}\r\n{to}\r\n{}\r\n{}\r\nContact: <sip:b@{CALLEE}>\r\n{kind}Content-Length: {}\r\n\r\n{sdp}",
            line(request, "Via"),
            line(request, "From"),
            line(request, "Call-ID"),
            line(request, "CSeq"),
            sdp.len()
        );
        self.receive(from, text);
    }

    /// The callee hangs up.
    pub fn callee_hangs_up(&mut self) {
        let invite = self.invite_to_callee().unwrap().to_owned();
        let ours = line(&invite, "From")
            .trim_start_matches("From: ")
            .to_owned();
        let theirs = line(&invite, "To").trim_start_matches("To: ").to_owned();
        let text = format!(
            "BYE sip:axbridge@192.0.2.100 SIP/2.0\r\nVia: SIP/2.0/UDP {CALLEE};branch=z9hG4bKbye\r\nMax-Forwards: 70\r\n\
             From: {theirs};tag=b\r\nTo: {ours}\r\n{}\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n",
            line(&invite, "Call-ID")
        );
        self.receive(CALLEE, text);
    }

    /// Rings, answers, and the caller acknowledges.
    pub fn talk(&mut self, dial: &Dial<'_>) {
        self.callee_says(180);
        self.callee_says(200);
        self.caller_says("ACK", 1, dial, "");
    }

    /// Every prompt is over now.
    pub fn prompts_end(&mut self) {
        for (key, side, token) in std::mem::take(&mut self.plane.played) {
            let end = media::PlayEnd::Finished;
            self.media(key, media::Event::PlayDone { side, token, end });
        }
    }

    /// A party falls silent.
    pub fn no_media(&mut self, side: media::Side) {
        let key = self.plane.opened[0];
        self.media(key, media::Event::NoMedia { side });
    }

    fn media(&mut self, key: CallKey, event: media::Event) {
        let now = self.now();
        self.switch.media_event(now, key, event, &mut self.plane);
        self.pump();
    }

    pub fn stop(&mut self, by: axbridge_call::StoppedBy) {
        let (now, session) = (self.now(), self.facts[0].session_id.clone());
        assert!(self.switch.stop_call(now, &session, by, &mut self.plane));
        self.pump();
    }

    /// Answers the one question.
    pub fn told(&mut self, answer: axbridge_call::Answer) {
        let now = self.now();
        let question = self.questions.pop().unwrap();
        self.switch
            .answer(now, question.call, answer, &mut self.plane);
        self.pump();
    }

    /// The record of the first call that has one.
    pub fn record(&self) -> &CallRecord {
        let record = |fact: &Fact| matches!(fact.kind, FactKind::Record(_));
        let fact = self.facts.iter().find(|f| record(f)).unwrap();
        match &fact.kind {
            FactKind::Record(record) => record,
            _ => unreachable!(),
        }
    }

    /// What the caller was sent that begins so, last first.
    pub fn to_caller(&self, begins: &str) -> Option<&str> {
        let caller: SocketAddr = CALLER.parse().unwrap();
        let mut to = self.sent.iter().rev();
        to.find(|(to, t)| *to == caller && t.starts_with(begins))
            .map(|(_, t)| t.as_str())
    }

    /// The last response to the INVITE that the caller sent last.
    pub fn last_response(&self) -> &str {
        let call_id = format!("Call-ID: {}\r\n", self.dialled);
        let response = |t: &str| t.starts_with("SIP/2.0 ") && t.contains(&call_id);
        let mut sent = self.sent.iter().rev();
        sent.find(|(_, t)| response(t)).unwrap().1.as_str()
    }

    /// Nothing is left of any call.
    pub fn at_rest(&self) -> bool {
        self.switch.live_calls() == 0 && self.switch.live_references() == 0
    }
}

fn request_of_caller(
    method: &str,
    cseq: u32,
    dial: &Dial<'_>,
    to_tag: &str,
    body: &str,
    kind: &str,
) -> String {
    let Dial {
        from, x, call_id, ..
    } = dial;
    let branch = match method {
        "CANCEL" => "INVITE1".to_owned(),
        method => format!("{method}{cseq}"),
    };
    let kind = match body {
        "" => String::new(),
        _ => format!("Content-Type: {kind}\r\n"),
    };
    format!(
        "{method} sip:{x}@192.0.2.100 SIP/2.0\r\nVia: SIP/2.0/UDP {CALLER};branch=z9hG4bK{call_id}{branch}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:{from}@192.0.2.1>;tag=f\r\nTo: <sip:{x}@192.0.2.100>{to_tag}\r\n\
         Call-ID: {call_id}\r\nCSeq: {cseq} {method}\r\nContact: <sip:a@{CALLER}>\r\n{kind}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A header line of a message.
pub fn line<'a>(text: &'a str, name: &str) -> &'a str {
    let name = format!("{name}: ");
    text.split("\r\n").find(|l| l.starts_with(&name)).unwrap()
}
