//! Properties that hold for every number, every carrier and every byte from the wire.

use axbridge_numbering::{Number, NumberRules, OutFormat};
use proptest::prelude::*;

fn any_number() -> impl Strategy<Value = Number> {
    // Lengths evenly, and often numbers of the own country or that look like prefixes.
    (
        prop_oneof![Just(""), Just("86"), Just("8686"), Just("1"), Just("12593")],
        "[1-9][0-9]{2,14}",
    )
        .prop_filter_map("3 to 15 digits", |(head, tail)| {
            let whole = format!("{head}{tail}");
            Number::from_digits(&whole.as_bytes()[..whole.len().min(15)]).ok()
        })
}

fn any_rules() -> impl Strategy<Value = NumberRules> {
    (
        prop_oneof![Just("86"), Just("1"), Just("44"), Just("852")],
        prop_oneof![Just("00"), Just("011"), Just("")],
        prop_oneof![Just("0"), Just("1"), Just("")],
        proptest::collection::vec("[+0-9*#]{1,4}", 0..4),
        prop_oneof![
            Just(OutFormat::Plus),
            Just(OutFormat::International),
            Just(OutFormat::National),
            Just(OutFormat::NationalWithTrunkPrefix),
        ],
    )
        .prop_map(|(code, international, trunk, strip_in, out)| NumberRules {
            country_code: code.to_owned(),
            international_prefix: international.to_owned(),
            trunk_prefix: trunk.to_owned(),
            // A carrier that strips the + has no unambiguous form left at all.
            strip_in: strip_in
                .into_iter()
                .filter(|prefix| !prefix.starts_with('+'))
                .collect(),
            out,
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_096))]

    #[test]
    fn what_is_written_reads_back(number in any_number(), rules in any_rules()) {
        prop_assert_eq!(rules.normalise(rules.render(number).as_bytes()), Ok(number));
    }

    #[test]
    fn integer_digits_and_global_agree(number in any_number()) {
        prop_assert_eq!(Number::from_u64(number.as_u64()), Ok(number));
        prop_assert_eq!(Number::from_digits(number.digits().as_bytes()), Ok(number));
        prop_assert_eq!(Number::parse_global(&number.to_global()), Ok(number));
        prop_assert_eq!(number.digits().len(), number.digit_count());
    }

    #[test]
    fn masked_forms_hide_at_least_four_digits_of_eight_or_more(number in any_number()) {
        let shown = format!("{number:?}").bytes().filter(u8::is_ascii_digit).count();
        prop_assert!(number.digit_count() < 8 || number.digit_count() - shown >= 4);
        prop_assert!(number.digit_count() - shown >= 2);
    }

    #[test]
    fn bytes_from_the_wire_never_panic(
        user in proptest::collection::vec(any::<u8>(), 0..100),
        rules in any_rules(),
    ) {
        let _ = rules.normalise(&user);
        let _ = Number::from_digits(&user);
    }

    #[test]
    fn nonsense_rules_never_panic(
        code in ".{0,80}", international in ".{0,4}", trunk in ".{0,4}", strip in ".{0,4}",
        user in "[+0-9.-]{0,70}", number in any_number(),
    ) {
        for out in [OutFormat::Plus, OutFormat::International, OutFormat::National, OutFormat::NationalWithTrunkPrefix] {
            let rules = NumberRules {
                country_code: code.clone(), international_prefix: international.clone(),
                trunk_prefix: trunk.clone(), strip_in: vec![strip.clone()], out,
            };
            let _ = rules.normalise(user.as_bytes());
            let _ = rules.render(number);
        }
    }
}
