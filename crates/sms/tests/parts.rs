//! Whatever is cut can be put together again, in any order, some parts twice.

use axbridge_sms::coding::Coding;
use axbridge_sms::header::{self, Place};
use axbridge_sms::join::{Part, join};
use axbridge_sms::split::{PARTS_MAX, split, split_utf8};
use axbridge_sms::{Text, receipt};
use proptest::prelude::*;

/// Texts of all alphabets, up to the longest that is carried.
fn texts() -> impl Strategy<Value = Text> {
    let gsm = "[ -_a-z€\\[\\]^{}~|Δß\n]{1,2000}";
    let wide = "[a汉字😀é]{1,900}";
    prop_oneof![
        gsm.prop_map(|s: String| s),
        wide.prop_map(|s: String| s),
        "\\PC{1,300}"
    ]
    .prop_filter_map("too long", |s| Text::new(s).ok())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn parts_make_the_text_again(text in texts(), order in any::<u64>(), twice in any::<u64>()) {
        let cut = split(text.reveal());
        let total = u8::try_from(cut.parts.len()).expect("few");
        prop_assert!(usize::from(total) <= PARTS_MAX);
        let mut wire = Vec::new();
        for (index, octets) in cut.parts.iter().enumerate() {
            let place = Place::new(77, total, index as u8 + 1).expect("can be");
            let mut part = header::write(place).to_vec();
            part.extend(octets);
            let septets = match cut.coding { Coding::Gsm7 => 153, _ => 134 };
            prop_assert!(total == 1 || octets.len() <= septets);
            wire.push(part);
        }
        // Any order, and one of them a second time.
        let again = wire[(twice % u64::from(total)) as usize].clone();
        wire.push(again);
        let length = wire.len();
        for at in 0..length {
            wire.swap(at, (order.rotate_left(at as u32) % length as u64) as usize);
        }
        let mut parts = Vec::new();
        for user_data in &wire {
            let (place, octets) = header::read(user_data).expect("ours");
            let number = place.expect("of several").number;
            parts.push(Part { number, coding: cut.coding, octets: octets.to_vec() });
        }
        let whole = join(total, &parts).expect("complete").expect("readable");
        prop_assert_eq!(whole.reveal(), text.reveal());
        let missing = order % u64::from(total) + 1;
        parts.retain(|part| u64::from(part.number) != missing);
        prop_assert_eq!(join(total, &parts), None);
    }

    #[test]
    fn utf8_pieces_make_the_text_again(text in texts(), room in 1_usize..1_000) {
        let pieces = split_utf8(text.reveal(), room);
        prop_assert_eq!(pieces.concat(), text.reveal());
        prop_assert!(pieces.iter().all(|piece| piece.len() <= room.max(4) && !piece.is_empty()));
    }

    #[test]
    fn what_can_be_written_is_read_again(text in texts()) {
        let coding = Coding::for_text(text.reveal());
        let read = coding.decode(&coding.encode(text.reveal()));
        prop_assert_eq!(read.as_deref(), Ok(text.reveal()));
    }

    #[test]
    fn no_octets_from_outside_break_anything(octets in prop::collection::vec(any::<u8>(), 0..300), value in any::<u8>()) {
        let _ = header::read(&octets);
        let _ = receipt::read_text(&octets);
        if let Ok(coding) = Coding::from_data_coding(value, false) {
            let _ = coding.decode(&octets);
        }
    }
}
