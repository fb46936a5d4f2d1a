//! `axbridge demo`: one real call through the whole platform, and every promise held against what was measured.

#![allow(clippy::unwrap_used)] // A test may panic, in its helpers too.

mod common;

use std::time::Duration;

use common::{Running, Scratch, program};

const PROMISES: [&str; 18] = [
    "B is shown X only",
    "nothing of A reaches B",
    "nothing of B reaches A",
    "A heard the pre-call prompt",
    "both heard the record notice",
    "both heard the last-minute voice",
    "it comes a minute before the end",
    "both heard each other",
    "the call is cut at maxDuration",
    "A gets one continuous RTP stream",
    "B gets one continuous RTP stream",
    "the recording is downloaded",
    "each voice is on its own channel",
    "it is as long as the talk after the notice",
    "there is exactly one call record",
    "events come in order, none twice",
    "webhook signatures are valid",
    "no live calls are left",
];

#[test]
fn every_promise_is_kept_then_a_second_call_goes_through_and_ctrl_c_ends_it() {
    let scratch = Scratch::new("demo");
    let mut demo = Running::start(
        program(&scratch, &["demo", "--keep"]),
        Duration::from_secs(90),
    );
    demo.line_with("Press Enter");
    let output = demo.seen.join("\n");
    for promise in PROMISES {
        let kept = demo
            .seen
            .iter()
            .any(|l| l.starts_with(&format!("ok      {promise}: ")));
        assert!(kept, "{promise}\n{output}");
    }
    assert!(!output.contains("FAILED"), "{output}");
    // The parties' numbers never stand whole in what is shown, not even in the JSON of the call record.
    for digits in ["13900054321", "13900098765"] {
        assert!(!output.contains(digits), "{output}");
    }
    demo.type_line("");
    demo.line_with("over: A talked");
    demo.signal("INT");
    assert_eq!(demo.exit_code(), Some(0), "{}", demo.seen.join("\n"));
    assert_eq!(
        scratch.names().len(),
        1,
        "--keep keeps one folder: {:?}",
        scratch.names()
    );
}

#[test]
fn ctrl_c_in_a_call_ends_it_cleanly_and_leaves_nothing() {
    let scratch = Scratch::new("demo-interrupted");
    let mut demo = Running::start(program(&scratch, &["demo"]), Duration::from_secs(60));
    demo.line_with("webhook: answer");
    demo.signal("INT");
    assert_eq!(demo.exit_code(), Some(130), "{}", demo.seen.join("\n"));
    // Both phones were told, and so was the customer.
    let output = demo.seen.join("\n");
    assert_eq!(output.matches(" BYE ").count(), 2, "{output}");
    assert!(
        output.contains("webhook: disconnect") && output.contains("webhook: call record"),
        "{output}"
    );
    assert!(scratch.names().is_empty(), "{:?}", scratch.names());
}

#[test]
fn a_folder_with_something_in_it_is_left_alone() {
    let scratch = Scratch::new("demo-dir");
    scratch.file("precious", "");
    let dir = scratch.path().to_str().unwrap().to_owned();
    let output = program(&scratch, &["demo", "--dir", &dir])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("not empty"));
    assert_eq!(scratch.names(), ["precious"]);
}
