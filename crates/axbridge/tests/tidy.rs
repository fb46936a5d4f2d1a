//! Rules of the house that a compiler does not check.

#![allow(clippy::unwrap_used)] // A test that cannot go on fails.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Crates from the ground up: each may use only those before it (`sim` may use all that calls are made of).
const ORDER: &[&str] = &[
    "numbering",
    "sip",
    "binding",
    "media",
    "call",
    "sms",
    "store",
    "engine",
    "smpp",
    "api",
    "sim",
    "axbridge",
];

/// No sockets, files, threads or clocks: bytes and time are arguments.
const SANS_IO: &[&str] = &["numbering", "sip", "binding", "media", "call", "sms"];

const LICENCES: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

fn sources(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found
}

/// The lines of a file that are neither comment nor test: tests stand last in a file.
fn code(path: &Path) -> Vec<(usize, String)> {
    let is_test = |name: &str| name == "tests.rs" || name.ends_with("_loom.rs");
    if path
        .file_name()
        .and_then(|n| n.to_str())
        .is_some_and(is_test)
    {
        return Vec::new();
    }
    let text = std::fs::read_to_string(path).unwrap();
    text.lines()
        .enumerate()
        .take_while(|(_, line)| !line.contains("#[cfg(test)]") && !line.contains("#[cfg(all(test"))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .map(|(n, line)| (n + 1, line.to_owned()))
        .collect()
}

#[test]
fn the_core_has_no_sockets_files_threads_or_clocks() {
    let forbidden = [
        "tokio",
        "std::net::Udp",
        "std::net::Tcp",
        "UdpSocket",
        "TcpStream",
        "std::fs",
        "Instant::now",
        "SystemTime::now",
        "std::thread",
        "thread::spawn",
    ];
    for name in SANS_IO {
        for path in sources(&root().join("crates").join(name).join("src")) {
            for (number, line) in code(&path) {
                // Giving the processor away while a writer is in the middle of a bucket starts no thread.
                let line = line.replace("std::thread::yield_now", "");
                let hit = forbidden.iter().find(|word| line.contains(**word));
                assert!(
                    hit.is_none(),
                    "{}:{number}: {hit:?} in a crate that performs no I/O",
                    path.display()
                );
            }
        }
    }
}

#[test]
fn unsafe_code_lives_in_one_module() {
    for name in ORDER {
        let src = root().join("crates").join(name).join("src");
        for path in sources(&src) {
            if path.ends_with("engine/src/kernel.rs") {
                continue;
            }
            for (number, line) in code(&path) {
                let is_unsafe = line
                    .split(|c: char| !c.is_alphanumeric() && c != '_')
                    .any(|word| word == "unsafe");
                assert!(
                    !is_unsafe,
                    "{}:{number}: unsafe outside of the kernel module",
                    path.display()
                );
            }
        }
        if SANS_IO.contains(name) {
            let lib = std::fs::read_to_string(src.join("lib.rs")).unwrap();
            assert!(
                lib.contains("#![forbid(unsafe_code)]"),
                "{name} does not forbid unsafe code"
            );
        }
    }
}

#[test]
fn nothing_is_left_for_later() {
    for name in ORDER {
        for path in sources(&root().join("crates").join(name)) {
            if path.ends_with("tests/tidy.rs") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for word in ["todo!(", "unimplemented!(", "FIXME", "TODO", "XXX"] {
                assert!(!text.contains(word), "{}: {word}", path.display());
            }
        }
    }
}

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "cargo metadata: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn crates_use_only_those_below_them() {
    let metadata = metadata();
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"]
            .as_str()
            .unwrap()
            .trim_start_matches("axbridge-");
        let Some(place) = ORDER.iter().position(|n| *n == name) else {
            continue;
        };
        for dependency in package["dependencies"].as_array().unwrap() {
            let used = dependency["name"]
                .as_str()
                .unwrap()
                .trim_start_matches("axbridge-");
            let test_only = dependency["kind"] == "dev";
            let Some(below) = ORDER.iter().position(|n| *n == used).filter(|_| !test_only) else {
                continue;
            };
            assert!(below < place, "{name} uses {used}, which stands above it");
        }
    }
}

#[test]
fn licences_are_permissive_and_there_is_one_crypto_provider() {
    let metadata = metadata();
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        assert!(
            !name.starts_with("aws-lc"),
            "a second TLS provider has come in: the first handshake would panic"
        );
        if package["source"].is_null() {
            continue;
        }
        // rsip and a few others carry only a licence file; theirs is MIT.
        let Some(expression) = package["license"].as_str() else {
            assert!(
                package["license_file"].is_string() || package["license"].is_null(),
                "{name} has no licence"
            );
            assert!(
                matches!(name, "rsip" | "rsip-derives"),
                "{name} names no licence"
            );
            continue;
        };
        let fits = |all: &str| {
            all.split(" AND ")
                .all(|l| LICENCES.contains(&l.trim_matches(|c| matches!(c, ' ' | '(' | ')'))))
        };
        let alternatives = expression.replace('/', " OR ");
        assert!(alternatives.split(" OR ").any(fits), "{name}: {expression}");
    }
}
