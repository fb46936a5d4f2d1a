//! What the reader sees: lines with the time since the start, numbers replaced by the letters of their parties.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Instant;

use axbridge_numbering::Number;
use serde_json::Value;

/// Width of one lane of the ladder.
const LANE: usize = 32;

/// Whose phone, or whose side of the ladder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Party {
    /// The caller's carrier.
    A,
    /// The callee's carrier.
    B,
}

impl Party {
    /// Its letter.
    pub fn letter(self) -> char {
        match self {
            Party::A => 'A',
            Party::B => 'B',
        }
    }
}

/// The three numbers of the demo.
#[derive(Clone, Copy, Debug)]
pub struct Numbers {
    /// The caller.
    pub a: Number,
    /// The callee.
    pub b: Number,
    /// The private number between them.
    pub x: Number,
}

impl Numbers {
    /// The letter of a number, or the number masked.
    pub fn name(&self, number: Number) -> String {
        match number {
            n if n == self.a => "A".to_owned(),
            n if n == self.b => "B".to_owned(),
            n if n == self.x => "X".to_owned(),
            n => n.to_string(),
        }
    }

    /// `text` with every whole number in it masked.
    pub fn masked(&self, text: &str) -> String {
        [self.a, self.b, self.x]
            .into_iter()
            .fold(text.to_owned(), |text, number| {
                let masked = number.to_string();
                text.replace(&number.to_global(), &masked)
                    .replace(&number.digits(), masked.trim_start_matches('+'))
            })
    }
}

/// Writes lines. Cheap to clone.
#[derive(Clone)]
pub struct Scribe {
    began: Instant,
    numbers: Arc<Numbers>,
}

impl Scribe {
    /// Time counts from now.
    pub fn new(numbers: Numbers) -> Self {
        Scribe {
            began: Instant::now(),
            numbers: Arc::new(numbers),
        }
    }

    /// The numbers of the demo.
    pub fn numbers(&self) -> &Numbers {
        &self.numbers
    }

    /// A line without a time. A reader that has gone away is no reason to stop.
    pub fn plain(&self, text: &str) {
        let _ = writeln!(std::io::stdout().lock(), "{text}");
    }

    /// A heading.
    pub fn heading(&self, text: &str) {
        self.plain(&format!("\n{text}"));
    }

    /// A line with the time.
    pub fn line(&self, text: &str) {
        self.plain(&format!(
            "{:8.3}  {text}",
            self.began.elapsed().as_secs_f64()
        ));
    }

    /// One SIP message between a carrier and the platform.
    pub fn arrow(&self, party: Party, to_platform: bool, label: &str) {
        self.line(&arrow(party, to_platform, label));
    }

    /// JSON over several lines, numbers masked, what nobody wants to read left out.
    pub fn json(&self, value: &Value) {
        let text = serde_json::to_string_pretty(value).unwrap_or_default();
        for line in self.numbers.masked(&text).lines() {
            self.plain(&format!("          {line}"));
        }
    }
}

fn arrow(party: Party, to_platform: bool, label: &str) -> String {
    let fill = LANE.saturating_sub(label.chars().count() + 2);
    let (left, right) = ("─".repeat(fill / 2), "─".repeat(fill - fill / 2));
    let rightwards = (party == Party::A) == to_platform;
    let lane = match rightwards {
        true => format!("─{left} {label} {right}▶"),
        false => format!("◀{left} {label} {right}─"),
    };
    match party {
        Party::A => format!("A {lane} axbridge"),
        Party::B => format!("  {:width$} axbridge {lane} B", "", width = LANE + 2),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers() -> Numbers {
        let number = |digits: &[u8]| Number::from_digits(digits).unwrap();
        Numbers {
            a: number(b"8613900000001"),
            b: number(b"8613900000002"),
            x: number(b"8617000000009"),
        }
    }

    #[test]
    fn a_masked_text_holds_no_whole_number() {
        let text = numbers().masked(
            r#"{"callerNum":"+8613900000001","user":"8613900000002","x":"+8617000000009"}"#,
        );
        for digits in ["13900000001", "13900000002", "17000000009"] {
            assert!(!text.contains(digits), "{text}");
        }
        assert!(text.contains("callerNum"));
    }

    #[test]
    fn lanes_end_at_the_same_columns() {
        let width = |s: &str| s.chars().count();
        let there = arrow(Party::A, true, "INVITE X");
        let back = arrow(Party::A, false, "183 Session Progress, SDP");
        assert_eq!(width(&there), width(&back));
        assert!(there.ends_with("▶ axbridge") && back.contains("◀"));
        let out = arrow(Party::B, false, "INVITE B from X");
        assert!(out.ends_with("▶ B"));
        let column = |s: &str| {
            s.chars()
                .collect::<String>()
                .split("axbridge")
                .next()
                .map(width)
        };
        assert_eq!(column(&there), column(&out));
    }
}
