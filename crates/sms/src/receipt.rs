//! What a delivery receipt says (SMPP 3.4 §5.3.2.26 and .35, Appendix B).

/// What became of one part, as the SMSC reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PartState {
    /// Under way: the final state is still to come.
    Pending,
    /// On the phone.
    Delivered,
    /// It will not arrive.
    Failed,
}

/// A receipt: which submission, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The `message_id` that the SMSC gave when it took the part.
    pub id: String,
    /// What became of it.
    pub state: PartState,
}

/// The longest `message_id` that an SMSC may give, without its final zero.
pub const ID_MAX: usize = 64;

impl PartState {
    /// The state of a `message_state` parameter.
    pub fn from_message_state(value: u8) -> PartState {
        match value {
            2 | 6 => PartState::Delivered,
            3 | 4 | 5 | 8 => PartState::Failed,
            _ => PartState::Pending,
        }
    }

    /// The state of a `stat:` word in the text of a receipt.
    fn from_word(word: &str) -> PartState {
        let known = |words: &[&str]| words.iter().any(|known| word.eq_ignore_ascii_case(known));
        if known(&["DELIVRD", "ACCEPTD"]) {
            PartState::Delivered
        } else if known(&["EXPIRED", "DELETED", "UNDELIV", "REJECTD"]) {
            PartState::Failed
        } else {
            PartState::Pending
        }
    }
}

/// Reads the text of a receipt, `id:... sub:... dlvrd:... submit date:... done date:... stat:... err:... text:...`;
/// the order and the case of its words do not count. None when it names no submission.
pub fn read_text(text: &[u8]) -> Option<Receipt> {
    let text = String::from_utf8_lossy(text);
    // What was sent may hold anything, also words like these.
    let end = find_word(&text, "text:").map_or(text.len(), |(start, _)| start);
    let head = text.get(..end)?;
    let value = |word: &str| {
        let (_, after) = find_word(head, word)?;
        let value = head.get(after..)?.split_whitespace().next()?;
        (!value.is_empty()).then_some(value)
    };
    let id = value("id:").filter(|id| id.len() <= ID_MAX)?;
    Some(Receipt {
        id: id.to_owned(),
        state: value("stat:").map_or(PartState::Pending, PartState::from_word),
    })
}

/// Where a word begins and ends; it stands at the beginning or behind a blank.
fn find_word(text: &str, word: &str) -> Option<(usize, usize)> {
    let starts = text.char_indices().map(|(at, _)| at);
    starts
        .filter(|at| {
            *at == 0
                || text
                    .as_bytes()
                    .get(at - 1)
                    .is_some_and(u8::is_ascii_whitespace)
        })
        .find_map(|at| {
            let found = text.get(at..at + word.len())?;
            found
                .eq_ignore_ascii_case(word)
                .then_some((at, at + word.len()))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_receipt() {
        let text = b"id:0A1f sub:001 dlvrd:001 submit date:2611250102 done date:2611250103 stat:DELIVRD err:000 text:id:9 stat:UNDELIV";
        let receipt = read_text(text).expect("readable");
        assert_eq!(
            (receipt.id.as_str(), receipt.state),
            ("0A1f", PartState::Delivered)
        );
        let failed = read_text(b"ID:77 Stat:undeliv").expect("readable");
        assert_eq!(failed.state, PartState::Failed);
        let under_way = read_text(b"id:77 stat:ENROUTE err:0").expect("readable");
        assert_eq!(under_way.state, PartState::Pending);
    }

    #[test]
    fn what_is_no_receipt() {
        assert_eq!(read_text(b"hello"), None);
        assert_eq!(read_text(b"id:"), None);
        assert_eq!(read_text(b"text:id:4"), None);
        assert_eq!(read_text(b"avoid:4 stat:DELIVRD"), None);
        let long = format!("id:{}", "1".repeat(65));
        assert_eq!(read_text(long.as_bytes()), None);
        assert_eq!(read_text("\u{20ac}id:4".as_bytes()), None);
    }

    #[test]
    fn message_states() {
        let states: Vec<_> = (0..=9).map(PartState::from_message_state).collect();
        use PartState::{Delivered as D, Failed as F, Pending as P};
        assert_eq!(states, [P, P, D, F, F, F, D, P, F, P]);
    }
}
