//! `axbridge serve`: starts from a file, says when it is ready, answers, and leaves on SIGTERM.

#![allow(clippy::unwrap_used)] // A test may panic, in its helpers too.

mod common;

use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::time::Duration;

use common::{CONFIG, Running, Scratch, program, start};

fn get(address: &str, path: &str, token: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn it_serves_until_sigterm_and_starts_again_on_the_same_folder() {
    let scratch = Scratch::new("serve");
    for _ in 0..2 {
        let (mut running, ready, sip) = start(&scratch);
        let operator = ready["operator"].as_str().unwrap();
        assert!(get(operator, "/admin/v1/ready", "").starts_with("HTTP/1.1 200"));
        assert!(get(operator, "/admin/v1/trunks", "wrong").starts_with("HTTP/1.1 401"));
        assert!(
            get(operator, "/admin/v1/trunks", "a-token-for-this-test").contains(r#""total":0"#)
        );
        let customers = ready["customers"].as_str().unwrap();
        let unsigned = get(customers, "/rest/caas/relationnumber/partners/v1.0", "");
        assert!(unsigned.contains("resultcode"), "{unsigned}");
        let nowhere = get(customers, "/rest/caas/nothing/v1.0", "");
        assert!(
            nowhere.starts_with("HTTP/1.1 404") && nowhere.contains("1010006"),
            "{nowhere}"
        );
        // No trunk is known, so the one who asks is a stranger; a stranger gets an answer and no more.
        let carrier = UdpSocket::bind("127.0.0.1:0").unwrap();
        carrier
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        let local = carrier.local_addr().unwrap();
        let options = format!(
            "OPTIONS sip:{sip} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bKserve;rport\r\nMax-Forwards: 70\r\n\
             From: <sip:{local}>;tag=1\r\nTo: <sip:{sip}>\r\nCall-ID: serve\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
        );
        carrier.send_to(options.as_bytes(), sip).unwrap();
        let mut buffer = [0; 2000];
        let length = carrier.recv(&mut buffer).unwrap();
        assert!(
            buffer[..length].starts_with(b"SIP/2.0 403"),
            "{}",
            String::from_utf8_lossy(&buffer[..length])
        );
        running.signal("TERM");
        assert_eq!(running.exit_code(), Some(0), "{}", running.seen.join("\n"));
        assert!(running.seen.iter().any(|l| l.contains("\"stopped\"")));
    }
}

#[test]
fn two_processes_never_share_a_data_folder() {
    let scratch = Scratch::new("serve-twice");
    let (_first, ..) = start(&scratch);
    let file = scratch.path().join("axbridge.toml");
    let second = program(&scratch, &["serve", "--config", file.to_str().unwrap()])
        .output()
        .unwrap();
    assert_eq!(second.status.code(), Some(1));
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(said.contains("data"), "{said}");
}

#[test]
fn a_log_that_nobody_looks_at_has_no_colours() {
    let scratch = Scratch::new("serve-log");
    let dir = scratch.path().join("data");
    let file = scratch.file(
        "axbridge.toml",
        &format!("{CONFIG}[store]\ndir = {dir:?}\n"),
    );
    let mut command = program(&scratch, &["serve", "--config", file.to_str().unwrap()]);
    command.env("AXBRIDGE__LOG__FORMAT", "text");
    let mut running = Running::start(command, Duration::from_secs(60));
    running.line_with("ready");
    running.signal("TERM");
    assert_eq!(running.exit_code(), Some(0));
    assert!(
        running.seen.iter().all(|l| !l.contains('\u{1b}')),
        "{:?}",
        running.seen
    );
}
