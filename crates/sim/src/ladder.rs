//! What went over the wires, in order, with every number masked.

use std::fmt::Write;
use std::time::Duration;

use axbridge_media::Side;
use axbridge_sip::{Message, Name};
use bytes::Bytes;

/// One line.
enum Line {
    Sip {
        at: Duration,
        pair: usize,
        side: Side,
        /// From the telephone to us.
        inward: bool,
        bytes: Bytes,
        fate: &'static str,
    },
    Note {
        at: Duration,
        pair: usize,
        text: String,
    },
}

/// See the module.
#[derive(Default)]
pub struct Ladder {
    lines: Vec<Line>,
    /// Numbers and what stands for them.
    names: Vec<(String, String)>,
    /// Notes are kept, too; they cost time.
    pub notes: bool,
}

impl Ladder {
    /// Lets `name` stand for a number `+86...` in every spelling.
    pub fn mask(&mut self, number: &str, name: &str) {
        self.names.push((number[3..].to_owned(), name.to_owned()));
    }

    pub(crate) fn sip(
        &mut self,
        at: Duration,
        (pair, side): (usize, Side),
        inward: bool,
        bytes: Bytes,
        fate: &'static str,
    ) {
        self.lines.push(Line::Sip {
            at,
            pair,
            side,
            inward,
            bytes,
            fate,
        });
    }

    pub(crate) fn note(&mut self, at: Duration, pair: usize, text: impl FnOnce() -> String) {
        if self.notes {
            self.lines.push(Line::Note {
                at,
                pair,
                text: text(),
            });
        }
    }

    /// The ladder as text. `whole`: with the messages themselves.
    #[must_use]
    pub fn text(&self, whole: bool) -> String {
        let mut out = String::new();
        for line in &self.lines {
            let _ = match line {
                Line::Note { at, pair, text } => writeln!(
                    out,
                    "{:>10.3}  {pair}    {:>38}· {text}",
                    at.as_secs_f64(),
                    ""
                ),
                Line::Sip {
                    at,
                    pair,
                    side,
                    inward,
                    bytes,
                    fate,
                } => {
                    let what = summary(bytes);
                    let at = at.as_secs_f64();
                    let _ = match (side, inward) {
                        (Side::A, true) => {
                            writeln!(out, "{at:>10.3}  {pair}  A ──▶ us          {what} {fate}")
                        }
                        (Side::A, false) => {
                            writeln!(out, "{at:>10.3}  {pair}  A ◀── us          {what} {fate}")
                        }
                        (Side::B, true) => {
                            writeln!(out, "{at:>10.3}  {pair}        us ◀── B    {what} {fate}")
                        }
                        (Side::B, false) => {
                            writeln!(out, "{at:>10.3}  {pair}        us ──▶ B    {what} {fate}")
                        }
                    };
                    match whole {
                        true => writeln!(out, "{}", String::from_utf8_lossy(bytes)),
                        false => Ok(()),
                    }
                }
            };
        }
        for (number, name) in &self.names {
            out = out.replace(number.as_str(), name);
        }
        out
    }
}

fn summary(bytes: &Bytes) -> String {
    let Ok(message) = Message::parse(bytes.clone()) else {
        return "(unreadable)".into();
    };
    let cseq = message.cseq();
    let mut text = match message.status() {
        Some(status) => format!("{status} ({} {})", cseq.seq, cseq.method.as_str()),
        None => format!("{} {}", cseq.method.as_str(), cseq.seq),
    };
    if let Some(rseq) = message.rseq() {
        let _ = write!(text, " RSeq {rseq}");
    }
    if let Some(rack) = message.rack() {
        let _ = write!(text, " RAck {}", rack.rseq);
    }
    if let Some(reason) = message.header(Name::Reason) {
        let _ = write!(text, " [{}]", String::from_utf8_lossy(reason));
    }
    let body = message.body();
    if message.is_content_type("application/sdp") {
        let body = String::from_utf8_lossy(&body).into_owned();
        let media = body.lines().find_map(|l| l.strip_prefix("m=audio "));
        let flow = ["sendrecv", "sendonly", "recvonly", "inactive"]
            .into_iter()
            .find(|f| body.contains(&format!("a={f}")));
        let _ = write!(
            text,
            " {{{} {}}}",
            media.unwrap_or_default(),
            flow.unwrap_or_default()
        );
    }
    text
}
