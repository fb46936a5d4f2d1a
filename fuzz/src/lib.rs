//! What each fuzz target does with its bytes. Plain functions, so that `cargo test` on a stable compiler
//! replays the corpora without libFuzzer.
//!
//! A new target: a function here, a line in [`TARGETS`], a file in `fuzz_targets/`, a `[[bin]]` in Cargo.toml,
//! and a few seeds in `corpus/<name>/`.
#![forbid(unsafe_code)]

mod rtp;
mod sip;

pub use rtp::{rtcp, rtp, telephone_event};
pub use sip::{framing, sip_message, sip_uri};

/// A target's name and body.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: &[Target] = &[
    ("sip_message", sip_message),
    ("sip_uri", sip_uri),
    ("framing", framing),
    ("rtp", rtp),
    ("rtcp", rtcp),
    ("telephone_event", telephone_event),
];
