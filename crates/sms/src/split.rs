//! Cutting a long text into parts that each fit into one short message.

use crate::coding::Coding;
use crate::header::LENGTH_8;

/// Parts that one text may have at most: [`crate::TEXT_UNITS_MAX`] of UCS-2 need 30.
pub const PARTS_MAX: usize = 32;

/// Octets of user data in a short message.
const USER_DATA: usize = 140;

/// A text in parts.
#[derive(Clone, PartialEq, Eq)]
pub struct Parts {
    /// How each part is written.
    pub coding: Coding,
    /// The parts in order, without headers; never none.
    pub parts: Vec<Vec<u8>>,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Parts({:?}, {})", self.coding, self.parts.len())
    }
}

/// What fits into a part: of a text that is one part, and of a text that is several (room for the header is kept
/// whether the parts are joined by it or by SAR parameters, since an SMSC may write one for the other).
fn room(coding: Coding) -> (usize, usize) {
    let septets = |octets: usize| octets * 8 / 7;
    match coding {
        Coding::Gsm7 => (septets(USER_DATA), septets(USER_DATA - LENGTH_8)),
        Coding::Latin1 | Coding::Ucs2 => (USER_DATA, USER_DATA - LENGTH_8),
    }
}

/// Cuts a text: 160 septets or 70 characters are one part, longer texts have parts of 153 or 67. No character is cut
/// in two.
pub fn split(text: &str) -> Parts {
    split_as(text, Coding::for_text(text))
}

/// The same in a coding of one's choice.
pub fn split_as(text: &str, coding: Coding) -> Parts {
    let cost: usize = text.chars().map(|c| coding.cost(c)).sum();
    let (single, several) = room(coding);
    let room = if cost <= single { single } else { several };
    Parts {
        coding,
        parts: pieces(text, room, |c| coding.cost(c))
            .map(|piece| coding.encode(piece))
            .collect(),
    }
}

/// How many parts [`split`] makes of a text.
pub fn count(text: &str) -> usize {
    split(text).parts.len()
}

/// Cuts a text into pieces of at most `octets` octets of UTF-8, at least 4, for ways that know no parts (RFC 3428 §8:
/// a MESSAGE over UDP stays under 1,300 octets).
pub fn split_utf8(text: &str, octets: usize) -> Vec<&str> {
    pieces(text, octets.max(4), char::len_utf8).collect()
}

fn pieces(text: &str, room: usize, cost: impl Fn(char) -> usize) -> impl Iterator<Item = &str> {
    let mut rest = text;
    let mut first = true;
    std::iter::from_fn(move || {
        if rest.is_empty() && !std::mem::take(&mut first) {
            return None;
        }
        first = false;
        let mut used = 0;
        let end = rest
            .char_indices()
            .find(|(_, c)| {
                used += cost(*c);
                used > room
            })
            .map_or(rest.len(), |(at, _)| at);
        let (piece, after) = rest.split_at(end);
        rest = after;
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_at_the_borders() {
        let cases = [
            ("a".repeat(160), 1),
            ("a".repeat(161), 2),
            ("a".repeat(306), 2),
            ("a".repeat(307), 3),
            ("€".repeat(80), 1),
            ("€".repeat(81), 2),
            // The 153rd septet stays free: no character is cut in two.
            ("€".repeat(152), 2),
            ("€".repeat(153), 3),
            ("汉".repeat(70), 1),
            ("汉".repeat(71), 2),
            ("汉".repeat(134), 2),
            ("汉".repeat(135), 3),
            ("😀".repeat(35), 1),
            ("😀".repeat(36), 2),
            ("😀".repeat(66), 2),
            ("😀".repeat(67), 3),
            ("汉".repeat(2_000), 30),
            (String::new(), 1),
        ];
        for (text, parts) in cases {
            assert_eq!(count(&text), parts, "{} chars", text.chars().count());
        }
    }

    #[test]
    fn utf8_pieces_keep_characters_whole() {
        assert_eq!(split_utf8("a汉b", 4), ["a汉", "b"]);
        assert_eq!(split_utf8("汉汉", 1), ["汉", "汉"]);
        assert_eq!(split_utf8("", 10), [""]);
    }
}
