//! `axbridge check-config`.

#![allow(clippy::unwrap_used)] // A test may panic, in its helpers too.

mod common;

use common::{Scratch, program};

/// Exit code, standard output, standard error.
fn check(name: &str, text: Option<&str>) -> (Option<i32>, String, String) {
    let scratch = Scratch::new(&format!("check-{name}"));
    let path = match text {
        Some(text) => scratch.file("axbridge.toml", text),
        None => scratch.path().join("absent.toml"),
    };
    let output = program(&scratch, &["check-config", path.to_str().unwrap()])
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

#[test]
fn a_good_file_can_be_used_and_so_can_the_example() {
    let example = include_str!("../../../axbridge.example.toml");
    for (name, text) in [
        ("example", example),
        ("empty", ""),
        ("one", "[sip]\nshards = 2\n"),
    ] {
        let (code, out, err) = check(name, Some(text));
        assert_eq!(code, Some(0), "{name}: {err}");
        assert!(out.contains("can be used"), "{out}");
    }
}

#[test]
fn a_bad_file_is_refused_with_place_and_remedy() {
    let cases: [(&str, Option<&str>, &[&str]); 5] = [
        (
            "unknown",
            Some("[sip]\nlissten = []\n"),
            &["axbridge.toml", "line 2", "lissten"],
        ),
        (
            "kind",
            Some("[media]\nport_min = \"low\"\n"),
            &["line 2", "port_min"],
        ),
        ("no-toml", Some("]["), &["axbridge.toml", "line 1"]),
        (
            "clash",
            Some("[test]\nminute_ms = 10\n"),
            &["minute_ms", "production"],
        ),
        ("absent", None, &["absent.toml"]),
    ];
    for (name, text, words) in cases {
        let (code, _, err) = check(name, text);
        assert_eq!(code, Some(1), "{name}");
        for word in words {
            assert!(err.contains(word), "{name}: {err:?} has no {word:?}");
        }
    }
}

#[test]
fn the_environment_is_not_part_of_the_file_but_is_checked_with_it() {
    let scratch = Scratch::new("check-environment");
    let path = scratch.file("axbridge.toml", "");
    let mut command = program(&scratch, &["check-config", path.to_str().unwrap()]);
    let output = command
        .env("AXBRIDGE__SIP__SHARDS", "many")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("AXBRIDGE__SIP__SHARDS"));
}
