//! Putting a long text together from parts that come in any order, some of them twice.
//!
//! The parts themselves are kept by the store, since each is acknowledged for itself; here is what makes them whole,
//! and how much may wait.

use crate::coding::Coding;
use crate::split::PARTS_MAX;
use crate::text::{Text, TextError};

/// How much of long texts may wait for the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JoinLimits {
    /// How long the first part waits for the last one, in milliseconds.
    pub wait_ms: u64,
    /// Texts that wait at once, of all senders.
    pub texts_max: u32,
    /// Texts that wait at once, of one sender.
    pub texts_per_sender_max: u32,
}

impl Default for JoinLimits {
    fn default() -> Self {
        JoinLimits {
            wait_ms: 10 * 60_000,
            texts_max: 50_000,
            texts_per_sender_max: 16,
        }
    }
}

/// A text has so many parts that it cannot be one that we carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a text of more than {PARTS_MAX} parts is longer than what is carried")]
pub struct TooManyParts;

/// Refuses a long text by what its first part says, before anything of it is kept.
pub fn check_total(total: u8) -> Result<(), TooManyParts> {
    match usize::from(total) <= PARTS_MAX {
        true => Ok(()),
        false => Err(TooManyParts),
    }
}

/// A part as it came.
#[derive(Clone, PartialEq, Eq)]
pub struct Part {
    /// Which one, from 1.
    pub number: u8,
    /// How it is written.
    pub coding: Coding,
    /// Its octets without header.
    pub octets: Vec<u8>,
}

impl std::fmt::Debug for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Part({}, {:?}, {} octets)",
            self.number,
            self.coding,
            self.octets.len()
        )
    }
}

/// The whole text, when every part from 1 to `total` is there; the first of equal numbers counts.
pub fn join(total: u8, parts: &[Part]) -> Option<Result<Text, TextError>> {
    let find = |number| parts.iter().find(|part| part.number == number);
    let parts: Option<Vec<&Part>> = (1..=total).map(find).collect();
    let parts = parts.filter(|parts| !parts.is_empty())?;
    Some(whole(&parts).and_then(Text::new))
}

/// Some senders cut between the halves of a character: what follows in the same coding is read in one piece.
fn whole(parts: &[&Part]) -> Result<String, TextError> {
    let mut text = String::new();
    for run in parts.chunk_by(|a, b| a.coding == b.coding) {
        let octets: Vec<u8> = run
            .iter()
            .flat_map(|part| part.octets.iter().copied())
            .collect();
        if let Some(first) = run.first() {
            text.push_str(&first.coding.decode(&octets)?);
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(number: u8, coding: Coding, octets: &[u8]) -> Part {
        let octets = octets.to_vec();
        Part {
            number,
            coding,
            octets,
        }
    }

    #[test]
    fn a_character_cut_in_two_is_whole_again() {
        let emoji = Coding::Ucs2.encode("😀");
        let parts = [
            part(2, Coding::Ucs2, &emoji[2..]),
            part(1, Coding::Ucs2, &emoji[..2]),
        ];
        let text = join(2, &parts).expect("complete").expect("readable");
        assert_eq!(text.reveal(), "😀");
    }

    #[test]
    fn codings_may_differ_and_the_first_of_two_counts() {
        let parts = [
            part(1, Coding::Gsm7, b"a"),
            part(1, Coding::Gsm7, b"z"),
            part(2, Coding::Ucs2, &[0x6c, 0x49]),
        ];
        assert_eq!(join(3, &parts), None);
        let text = join(2, &parts).expect("complete").expect("readable");
        assert_eq!(text.reveal(), "a汉");
        assert_eq!(join(0, &parts), None);
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        let parts = [part(1, Coding::Ucs2, &[1])];
        assert_eq!(join(1, &parts), Some(Err(TextError::Garbled)));
        assert!(check_total(32).is_ok());
        assert_eq!(check_total(33), Err(TooManyParts));
    }
}
