//! What an operator sets reaches the calls: operator API, store, directory, switch, over real sockets, and back in the
//! call records.

#![allow(clippy::unwrap_used)] // A test may panic, in its helpers too.

mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use common::{Running, Scratch, program, start};
use serde_json::{Value, json};

const X: &str = "+8617000000001";
const A: &str = "+8613900000001";
const B: &str = "+8613900000002";
const FIXED: &str = "+861000000001";
const ABROAD: &str = "+12025550100";
const C: &str = "+8613900000003";
const SECRET: &str = "s3cretS3cret";
const PATIENCE: Duration = Duration::from_secs(10);

fn http(address: &str, method: &str, path: &str, headers: &str, body: &Value) -> (u16, Value) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let body = match body {
        Value::Null => String::new(),
        body => body.to_string(),
    };
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head[9..12].parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}

/// A running platform with an application, a number, a binding, and a carrier that is both parties.
struct Bed {
    _running: Running,
    operator: String,
    sip: SocketAddr,
    carrier: UdpSocket,
    /// Who calls.
    caller: &'static str,
    /// The callee answers and hangs up at once; otherwise it is busy.
    answers: bool,
    calls: u32,
}

impl Bed {
    fn new(scratch: &Scratch) -> Bed {
        let (running, ready, sip) = start(scratch);
        let carrier = UdpSocket::bind("127.0.0.1:0").unwrap();
        carrier.set_read_timeout(Some(PATIENCE)).unwrap();
        let bed = Bed {
            _running: running,
            operator: ready["operator"].as_str().unwrap().to_owned(),
            sip,
            carrier,
            caller: A,
            answers: false,
            calls: 0,
        };
        let peer = bed.carrier.local_addr().unwrap().to_string();
        bed.set(
            "PUT",
            "/trunks/1",
            &json!({"id": 1, "name": "carrier", "peers": [peer]}),
        );
        bed.set(
            "POST",
            "/applications",
            &json!({"key": "demo", "secret": SECRET, "sp_id": "acme"}),
        );
        let numbers = json!({"app": "demo", "numbers": [{"number": X, "trunk": 1}]});
        bed.set("POST", "/numbers", &numbers);
        let customers = ready["customers"].as_str().unwrap();
        let path = "/rest/caas/relationnumber/partners/v1.0";
        for (a, b) in [(A, B), (ABROAD, C)] {
            let bind = json!({"callerNum": a, "calleeNum": b, "relationNum": X});
            let answer = http(customers, "POST", path, &signed(scratch), &bind);
            assert_eq!(answer.1["resultcode"], "0", "{answer:?}");
        }
        bed
    }

    fn set(&self, method: &str, path: &str, body: &Value) {
        let (status, answer) = self.operator(method, path, body);
        assert!(status < 300, "{method} {path}: {status} {answer}");
    }

    fn operator(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let headers =
            "Authorization: Bearer a-token-for-this-test\r\nContent-Type: application/json\r\n";
        http(
            &self.operator,
            method,
            &format!("/admin/v1{path}"),
            headers,
            body,
        )
    }

    /// Somebody calls X. Gives the final status; of a call that is answered when it is over.
    fn call(&mut self) -> u16 {
        self.calls += 1;
        let (n, sip, local) = (self.calls, self.sip, self.carrier.local_addr().unwrap());
        let caller = self.caller;
        let sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n";
        let head = |method: &str, to: &str| {
            format!(
                "{method} sip:{X}@{sip} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bKl{n}\r\nMax-Forwards: 70\r\n\
                 From: <sip:{caller}@{local}>;tag=a\r\nTo: {to}\r\nCall-ID: limits-{n}\r\nCSeq: 1 {method}\r\n\
                 Contact: <sip:a@{local}>\r\n"
            )
        };
        let invite = format!(
            "{}Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
            head("INVITE", &format!("<sip:{X}@{sip}>")),
            sdp.len()
        );
        self.carrier.send_to(invite.as_bytes(), sip).unwrap();
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            let text = self.receive();
            let of_caller = header(&text, "Call-ID") == format!("limits-{n}");
            if text.starts_with("INVITE ") {
                match self.answers {
                    true => self.reply(&text, "200 OK", sdp),
                    false => self.reply(&text, "486 Busy Here", ""),
                }
            } else if text.starts_with("ACK ") && self.answers {
                self.hangs_up(&text);
            } else if text.starts_with("BYE ") {
                self.reply(&text, "200 OK", "");
                return 200;
            } else if text.starts_with("SIP/2.0 ") && of_caller && &text[8..9] > "1" {
                let ack = format!(
                    "{}Content-Length: 0\r\n\r\n",
                    head("ACK", header(&text, "To"))
                );
                self.carrier.send_to(ack.as_bytes(), sip).unwrap();
                if &text[8..9] > "2" {
                    return text[8..11].parse().unwrap();
                }
            }
        }
        panic!("the call has no end");
    }

    fn receive(&self) -> String {
        let mut buffer = [0; 4_000];
        let length = self.carrier.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    /// The party answers a request.
    fn reply(&self, request: &str, status: &str, sdp: &str) {
        let mut text = format!("SIP/2.0 {status}\r\n");
        for name in ["Via", "From", "To", "Call-ID", "CSeq"] {
            let value = header(request, name);
            let tag = if name == "To" && !value.contains("tag=") {
                ";tag=b"
            } else {
                ""
            };
            text += &format!("{name}: {value}{tag}\r\n");
        }
        if !sdp.is_empty() {
            let local = self.carrier.local_addr().unwrap();
            text += &format!("Contact: <sip:b@{local}>\r\nContent-Type: application/sdp\r\n");
        }
        text += &format!("Content-Length: {}\r\n\r\n{sdp}", sdp.len());
        self.carrier.send_to(text.as_bytes(), self.sip).unwrap();
    }

    /// The callee, whose answer was just acknowledged, hangs up.
    fn hangs_up(&self, ack: &str) {
        let (n, sip, local) = (self.calls, self.sip, self.carrier.local_addr().unwrap());
        let bye = format!(
            "BYE sip:x@{sip} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bKb{n}\r\nMax-Forwards: 70\r\n\
             From: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n",
            header(ack, "To"),
            header(ack, "From"),
            header(ack, "Call-ID"),
        );
        self.carrier.send_to(bye.as_bytes(), sip).unwrap();
    }

    /// Calls until the change is in force: until a call ends so.
    #[track_caller]
    fn until_calls_end(&mut self, status: u16, what: &str) {
        let until = Instant::now() + PATIENCE;
        while self.call() != status {
            assert!(
                Instant::now() < until,
                "calls do not end with {status}: {what}"
            );
        }
    }

    /// Calls until a call has ended with this cause.
    fn until_recorded(&mut self, code: u64) {
        let until = Instant::now() + PATIENCE;
        let path = format!("/records?state_code={code}");
        while self.operator("GET", &path, &Value::Null).1["total"] == 0 {
            self.call();
            assert!(Instant::now() < until, "no call ends with {code}");
        }
    }

    /// Waits for a record with this hang-up cause; its release point must be the same.
    #[track_caller]
    fn recorded(&self, code: u64) {
        let until = Instant::now() + PATIENCE;
        loop {
            let (_, found) =
                self.operator("GET", &format!("/records?state_code={code}"), &Value::Null);
            if let Some(record) = found["items"].get(0) {
                assert_eq!(
                    record["ulFailReason"].to_string().trim_matches('"'),
                    code.to_string(),
                    "{record}"
                );
                return;
            }
            assert!(Instant::now() < until, "no record with {code}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn header<'a>(text: &'a str, name: &str) -> &'a str {
    let prefix = format!("{name}: ");
    text.lines()
        .find_map(|l| l.strip_prefix(&prefix))
        .unwrap_or("")
}

/// Headers of a signed request.
fn signed(scratch: &Scratch) -> String {
    let output = program(scratch, &["sign", "--key", "demo", "--secret", SECRET])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).unwrap();
    let value = |line: &str| {
        let quoted = line.split_once(" = ").unwrap().1;
        serde_json::from_str::<String>(quoted).unwrap() + "\r\n"
    };
    text.lines()
        .filter(|l| l.starts_with("header"))
        .map(value)
        .collect()
}

#[test]
fn each_limit_is_set_by_the_operator_and_met_by_the_call() {
    let scratch = Scratch::new("limits");
    let mut bed = Bed::new(&scratch);
    const BUSY: u16 = 486;
    bed.until_calls_end(BUSY, "nothing is limited");
    let calls = |rules: Value| json!({"settings": {"calls": rules}});
    let once = json!({"per_day": 1});
    let (app, number, all) = (
        "/applications/demo",
        format!("/numbers/{X}"),
        "/call-limits",
    );
    let shut = json!([{"from": "00:00", "until": "00:01"}]);
    let number = number.as_str();
    let cases: Vec<(u64, u16, &str, Value, Value)> = vec![
        (
            7106,
            480,
            app,
            json!({"status": "suspended"}),
            json!({"status": "active"}),
        ),
        (
            7108,
            480,
            app,
            json!({"status": "frozen"}),
            json!({"status": "active"}),
        ),
        (
            8055,
            480,
            number,
            json!({"status": "suspended"}),
            json!({"status": "normal"}),
        ),
        (
            8055,
            480,
            number,
            json!({"status": "unavailable"}),
            json!({"status": "normal"}),
        ),
        (
            8050,
            403,
            app,
            calls(json!({"hours": shut, "utc_offset": not_midnight()})),
            calls(Value::Null),
        ),
        (
            7002,
            480,
            app,
            calls(json!({"rate": once})),
            calls(Value::Null),
        ),
        (
            8049,
            480,
            app,
            calls(json!({"rate_per_number": once})),
            calls(Value::Null),
        ),
        (
            8047,
            480,
            app,
            calls(json!({"rate_per_caller": once})),
            calls(Value::Null),
        ),
        (
            8048,
            480,
            app,
            calls(json!({"rate_per_callee": once})),
            calls(Value::Null),
        ),
        (
            7003,
            480,
            app,
            calls(json!({"rate_per_display": once})),
            calls(Value::Null),
        ),
        (
            8046,
            480,
            app,
            calls(json!({"connect_rate": {"calls_min": 1, "answered_percent_min": 50}})),
            calls(Value::Null),
        ),
        (7001, 480, all, json!({"rate": once}), json!({"rate": null})),
        (
            7001,
            480,
            all,
            json!({"rate_per_account": once}),
            json!({"rate_per_account": null}),
        ),
    ];
    for (code, status, path, on, off) in cases {
        bed.set("PATCH", path, &on);
        bed.until_calls_end(status, &on.to_string());
        bed.recorded(code);
        bed.set("PATCH", path, &off);
        bed.until_calls_end(BUSY, &off.to_string());
    }
    for (code, party, pattern) in [(7005, "caller", "+86139*"), (7004, "callee", B)] {
        for scope in [json!({}), json!({"app": "demo"})] {
            let mut entry = scope;
            entry["party"] = json!(party);
            entry["numbers"] = json!([pattern]);
            bed.set("POST", "/blocked-numbers", &entry);
            bed.until_calls_end(403, &entry.to_string());
            bed.recorded(code);
            let of_app = if entry.get("app").is_some() {
                "&app=demo"
            } else {
                ""
            };
            let lifted = format!(
                "/blocked-numbers?party={party}&number=%2B{}{of_app}",
                &pattern[1..]
            );
            bed.set("DELETE", &lifted, &Value::Null);
            bed.until_calls_end(BUSY, &lifted);
        }
    }
    // Fixed lines may not call unless they are let; then this one is a stranger like any other.
    bed.caller = FIXED;
    bed.until_calls_end(403, "a fixed line");
    bed.recorded(8023);
    bed.set("PATCH", app, &calls(json!({"fixed_callers": true})));
    bed.until_recorded(8014);
    for (caller, rule, code) in [
        (ABROAD, "international_in", 8042),
        (C, "international_out", 8043),
    ] {
        bed.caller = caller;
        bed.until_calls_end(BUSY, "abroad is not far");
        bed.set("PATCH", app, &calls(json!({rule: false})));
        bed.until_calls_end(403, rule);
        bed.recorded(code);
        bed.set("PATCH", app, &calls(Value::Null));
    }
    (bed.caller, bed.answers) = (A, true);
    bed.until_calls_end(200, "answered");
    let short = json!({"calls_min": 1, "short_s": 60, "short_percent_max": 0});
    bed.set("PATCH", app, &calls(json!({"call_time": short})));
    bed.until_calls_end(480, "very short calls");
    bed.recorded(8044);
    bed.set("PATCH", app, &calls(Value::Null));
    bed.answers = false;
    bed.until_calls_end(BUSY, "no rule");
    // A number that is frozen for binding serves its calls.
    bed.set("PATCH", number, &json!({"status": "frozen"}));
    for _ in 0..5 {
        assert_eq!(bed.call(), BUSY);
    }
}

/// A time zone in which it is not midnight.
fn not_midnight() -> &'static str {
    let seconds = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    if matches!(seconds / 3_600 % 24, 23 | 0) {
        "+08:00"
    } else {
        "+00:00"
    }
}
