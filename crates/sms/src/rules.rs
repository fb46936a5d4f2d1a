//! The rules of AX: `@number` at the end of A's text, `[From number]` at the end of a text to A. And who can be sent a
//! text at all.

use axbridge_numbering::{Number, NumberRules};

use crate::text::{TEXT_UNITS_MAX, Text};

/// Takes the receiver from the end of a text of A: `see you@13900000001`. None when the suffix is missing, is not a
/// number, or nothing stands before it.
pub fn take_receiver(text: &Text, numbers: &NumberRules) -> Option<(Text, Number)> {
    let (before, after) = text.reveal().rsplit_once('@')?;
    // Phones like to put a blank behind what they complete.
    let receiver = after.trim();
    let written = receiver.strip_prefix('+').unwrap_or(receiver);
    if written.is_empty()
        || !written
            .bytes()
            .all(|b| b.is_ascii_digit() || b == b'-' || b == b' ')
    {
        return None;
    }
    let dense: String = receiver
        .chars()
        .filter(|c| !matches!(c, ' ' | '-'))
        .collect();
    let receiver = numbers.normalise(dense.as_bytes()).ok()?;
    Some((Text::new(before).ok()?, receiver))
}

/// `[From13900000001]` behind a text to A. What would make the text longer than what is carried is cut from its end:
/// A is to see who wrote.
pub fn tell_sender(text: &Text, sender: Number, numbers: &NumberRules) -> Text {
    let suffix = format!("[From{}]", short_form(sender, numbers));
    let mut room = TEXT_UNITS_MAX.saturating_sub(suffix.len());
    let kept = text.reveal().chars().take_while(|c| {
        let fits = c.len_utf16() <= room;
        room = room.saturating_sub(c.len_utf16());
        fits
    });
    let told: String = kept.chain(suffix.chars()).collect();
    // Not empty and not too long.
    Text::new(told).unwrap_or_else(|_| text.clone())
}

/// As people write a number: at home without the country code, else with plus. [`take_receiver`] reads both.
fn short_form(number: Number, numbers: &NumberRules) -> String {
    let digits = number.digits();
    match digits.strip_prefix(numbers.country_code.as_str()) {
        Some(national) if national.len() >= 5 => national.to_owned(),
        _ => format!("+{digits}"),
    }
}

/// False when the number is certainly none of a mobile phone: of mainland China the mobile numbers are known
/// (1 and ten more digits, the second 3 to 9); what other countries give out is not for us to say.
pub fn may_be_mobile(number: Number) -> bool {
    let digits = number.digits();
    match digits.strip_prefix("86") {
        Some(national) => {
            national.len() == 11
                && national.starts_with('1')
                && matches!(national.as_bytes().get(1), Some(b'3'..=b'9'))
        }
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Number {
        Number::parse_global(text).expect("number")
    }

    fn text(text: &str) -> Text {
        Text::new(text).expect("text")
    }

    #[test]
    fn the_receiver_at_the_end() {
        let rules = NumberRules::default();
        for written in [
            "see you@13900000001",
            "see you@+8613900000001",
            "see you@ 139 0000-0001 ",
        ] {
            let (rest, receiver) = take_receiver(&text(written), &rules).expect(written);
            assert_eq!(
                (rest.reveal(), receiver),
                ("see you", number("+8613900000001"))
            );
        }
        let (rest, _) = take_receiver(&text("mail me@home@13900000001"), &rules).expect("last one");
        assert_eq!(rest.reveal(), "mail me@home");
        for wrong in [
            "see you",
            "see you@",
            "see you@1390000000x",
            "@13900000001",
            "see you＠13900000001",
            "@13900000001 see you",
            "see you@++8613900000001",
            "a@12345678901234567890",
        ] {
            assert!(take_receiver(&text(wrong), &rules).is_none(), "{wrong}");
        }
    }

    #[test]
    fn the_sender_at_the_end() {
        let rules = NumberRules::default();
        let told = tell_sender(&text("hi"), number("+8613900000002"), &rules);
        assert_eq!(told.reveal(), "hi[From13900000002]");
        let told = tell_sender(&text("hi"), number("+99900000001"), &rules);
        assert_eq!(told.reveal(), "hi[From+99900000001]");
        let told = tell_sender(&text(&"汉".repeat(2_000)), number("+8613900000002"), &rules);
        assert_eq!(told.reveal().encode_utf16().count(), 2_000);
        assert!(told.reveal().ends_with("汉[From13900000002]"));
    }

    #[test]
    fn what_is_told_can_be_answered() {
        let rules = NumberRules::default();
        for sender in ["+8613900000002", "+99900000001"] {
            let told = tell_sender(&text("hi"), number(sender), &rules);
            let told = told
                .reveal()
                .trim_start_matches("hi[From")
                .trim_end_matches(']');
            let answer = text(&format!("yes@{told}"));
            let (_, receiver) = take_receiver(&answer, &rules).expect("number");
            assert_eq!(receiver, number(sender));
        }
    }

    #[test]
    fn mobile_numbers() {
        for mobile in ["+8613900000001", "+8617000000001", "+99900000001"] {
            assert!(may_be_mobile(number(mobile)), "{mobile}");
        }
        for other in [
            "+8675500000001",
            "+864000000001",
            "+8612000000001",
            "+8610650000001",
        ] {
            assert!(!may_be_mobile(number(other)), "{other}");
        }
    }
}
