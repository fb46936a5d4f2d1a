//! How one carrier writes numbers on its trunk.

use crate::{Number, NumberError, RulesError};
use serde::{Deserialize, Serialize};

/// A user part longer than this is no number in any spelling.
const MAX_SPELLING: usize = 64;
/// A bare number that begins with the own country code counts as international only if at least this
/// many digits follow: short codes such as 862… of a city network stay national.
const MIN_NATIONAL_AFTER_CODE: usize = 8;

/// Spellings of "no number", compared without regard to case.
const WITHHELD: [&[u8]; 4] = [b"anonymous", b"restricted", b"private", b"withheld"];
const UNKNOWN: [&[u8]; 3] = [b"unavailable", b"unknown", b"unidentified"];

/// How a number is written towards a carrier.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutFormat {
    /// `+8613900000001`
    #[default]
    Plus,
    /// `8613900000001`
    International,
    /// `13900000001` inside the own country, `0014155550100` elsewhere.
    National,
    /// `013900000001` inside the own country, `0014155550100` elsewhere.
    NationalWithTrunkPrefix,
}

/// The rules of one trunk. The default is China's: 86, 00, 0, written as `+86…`.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NumberRules {
    /// Country code that a national number lacks: `86`.
    pub country_code: String,
    /// What is dialled before a foreign country code: `00`. Empty: there is none.
    pub international_prefix: String,
    /// What is dialled before a national number: `0`. Empty: there is none.
    pub trunk_prefix: String,
    /// Routing prefixes that the carrier puts before numbers; the longest that fits is taken off, once.
    pub strip_in: Vec<String>,
    /// How numbers are written towards the carrier.
    pub out: OutFormat,
}

impl Default for NumberRules {
    fn default() -> Self {
        NumberRules {
            country_code: "86".to_owned(),
            international_prefix: "00".to_owned(),
            trunk_prefix: "0".to_owned(),
            strip_in: Vec::new(),
            out: OutFormat::Plus,
        }
    }
}

impl NumberRules {
    /// Checks rules that came from configuration. [`NumberRules::normalise`] and
    /// [`NumberRules::render`] are safe with unchecked ones, only not meaningful.
    pub fn validate(&self) -> Result<(), RulesError> {
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let code = self.country_code.as_str();
        if !(1..=3).contains(&code.len()) || !digits(code) || code.starts_with('0') {
            return Err(RulesError::CountryCode);
        }
        for prefix in [&self.international_prefix, &self.trunk_prefix] {
            if prefix.len() > 8 || !digits(prefix) {
                return Err(RulesError::Prefix);
            }
        }
        if !self.trunk_prefix.is_empty() && self.trunk_prefix == self.international_prefix {
            return Err(RulesError::SamePrefix);
        }
        if self.strip_in.len() > 64 {
            return Err(RulesError::TooManyStrips);
        }
        let strippable = |text: &String| {
            (1..=16).contains(&text.len())
                && text
                    .bytes()
                    .all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'*' | b'#'))
        };
        if !self.strip_in.iter().all(strippable) {
            return Err(RulesError::Strip);
        }
        Ok(())
    }

    /// Reads the user part of a `sip:` URI or the number of a `tel:` URI, percent-decoded already.
    ///
    /// Parameters after `;` and the visual separators `- . ( )` (RFC 3966 §5.1.1) are dropped. Digits
    /// without any prefix are national, unless they begin with the own country code and are long
    /// enough, or the trunk writes [`OutFormat::International`], where bare digits are international.
    pub fn normalise(&self, user: &[u8]) -> Result<Number, NumberError> {
        let user = user.split(|&byte| byte == b';').next().unwrap_or_default();
        if user.len() > MAX_SPELLING {
            return Err(NumberError::TooLong);
        }
        if is_one_of(user, &WITHHELD) {
            return Err(NumberError::Anonymous);
        }
        if is_one_of(user, &UNKNOWN) {
            return Err(NumberError::Unavailable);
        }
        let mut buffer = [0; MAX_SPELLING];
        let dialled = self.strip_routing_prefix(without_separators(user, &mut buffer));
        if let [b'+', global @ ..] = dialled {
            return Number::from_digits(global);
        }
        if let Some(global) = after_prefix(dialled, &self.international_prefix) {
            return Number::from_digits(global);
        }
        if let Some(national) = after_prefix(dialled, &self.trunk_prefix) {
            return self.with_country_code(national);
        }
        if self.is_global_without_prefix(dialled) {
            return Number::from_digits(dialled);
        }
        self.with_country_code(dialled)
    }

    /// Writes a number the way this carrier expects it.
    ///
    /// What is written always reads back as the same number by [`NumberRules::normalise`] of the same
    /// rules: where the wanted form would be read as another number (a national number that begins with
    /// the country code's digits, or with a routing prefix), the international form or the `+` form is
    /// written instead.
    pub fn render(&self, number: Number) -> String {
        let plus = number.to_global();
        let digits = &plus[1..];
        let national = after_prefix(digits.as_bytes(), &self.country_code)
            .map(|rest| &digits[digits.len() - rest.len()..]);
        let wanted = match (self.out, national) {
            (OutFormat::Plus, _) => return plus,
            (OutFormat::International, _) => digits.to_owned(),
            (OutFormat::National, Some(national)) => national.to_owned(),
            (OutFormat::NationalWithTrunkPrefix, Some(national)) => {
                format!("{}{national}", self.trunk_prefix)
            }
            (_, None) => self.with_international_prefix(digits),
        };
        if self.normalise(wanted.as_bytes()) == Ok(number) {
            return wanted;
        }
        let international = self.with_international_prefix(digits);
        if self.normalise(international.as_bytes()) == Ok(number) {
            return international;
        }
        plus
    }

    fn with_international_prefix(&self, digits: &str) -> String {
        let prefix = match self.international_prefix.as_str() {
            "" => "+",
            prefix => prefix,
        };
        format!("{prefix}{digits}")
    }

    fn strip_routing_prefix<'a>(&self, dialled: &'a [u8]) -> &'a [u8] {
        self.strip_in
            .iter()
            .filter_map(|prefix| after_prefix(dialled, prefix))
            .min_by_key(|rest| rest.len())
            .unwrap_or(dialled)
    }

    fn is_global_without_prefix(&self, dialled: &[u8]) -> bool {
        self.out == OutFormat::International
            || after_prefix(dialled, &self.country_code)
                .is_some_and(|rest| rest.len() >= MIN_NATIONAL_AFTER_CODE)
    }

    fn with_country_code(&self, national: &[u8]) -> Result<Number, NumberError> {
        if national.is_empty() {
            return Err(NumberError::Empty);
        }
        let code = self.country_code.as_bytes();
        let length = code.len() + national.len();
        let mut whole = [0; MAX_SPELLING];
        let Some(whole) = whole.get_mut(..length) else {
            return Err(NumberError::TooLong);
        };
        whole[..code.len()].copy_from_slice(code);
        whole[code.len()..].copy_from_slice(national);
        Number::from_digits(whole)
    }
}

fn is_one_of(user: &[u8], words: &[&[u8]]) -> bool {
    words.iter().any(|word| user.eq_ignore_ascii_case(word))
}

/// The rest after a prefix that is there, is not empty and leaves something.
fn after_prefix<'a>(dialled: &'a [u8], prefix: &str) -> Option<&'a [u8]> {
    let rest = dialled.strip_prefix(prefix.as_bytes())?;
    (!prefix.is_empty() && !rest.is_empty()).then_some(rest)
}

fn without_separators<'a>(user: &[u8], buffer: &'a mut [u8; MAX_SPELLING]) -> &'a [u8] {
    let mut length = 0;
    let kept = user
        .iter()
        .filter(|byte| !matches!(byte, b'-' | b'.' | b'(' | b')'));
    for (slot, byte) in buffer.iter_mut().zip(kept) {
        *slot = *byte;
        length += 1;
    }
    &buffer[..length]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(digits: &str) -> Number {
        Number::from_digits(digits.as_bytes()).expect("valid")
    }

    fn rules(out: OutFormat) -> NumberRules {
        NumberRules {
            out,
            ..NumberRules::default()
        }
    }

    #[test]
    fn every_spelling_of_one_number_reads_alike() {
        let rules = NumberRules::default();
        for spelling in [
            "+8613900000001",
            "8613900000001",
            "008613900000001",
            "13900000001",
            "013900000001",
            "+86-139-0000-0001",
            "+86(139)0000.0001",
            "+8613900000001;npdi;rn=+8617000000000",
            "13900000001;phone-context=+86",
        ] {
            assert_eq!(
                rules.normalise(spelling.as_bytes()),
                Ok(number("8613900000001")),
                "{spelling}"
            );
        }
    }

    #[test]
    fn landline_foreign_and_short_numbers() {
        let rules = NumberRules::default();
        assert_eq!(
            rules.normalise(b"075500000001"),
            Ok(number("8675500000001"))
        );
        assert_eq!(rules.normalise(b"0014155550100"), Ok(number("14155550100")));
        assert_eq!(rules.normalise(b"+14155550100"), Ok(number("14155550100")));
        assert_eq!(rules.normalise(b"10086"), Ok(number("8610086")));
        assert_eq!(rules.normalise(b"8610"), Ok(number("868610")));
    }

    #[test]
    fn no_usable_number_says_why() {
        let rules = NumberRules::default();
        let refused = |user: &[u8]| rules.normalise(user).expect_err("no number");
        assert_eq!(refused(b"anonymous"), NumberError::Anonymous);
        assert_eq!(refused(b"Anonymous"), NumberError::Anonymous);
        assert_eq!(refused(b"Restricted;x=y"), NumberError::Anonymous);
        assert_eq!(refused(b"unavailable"), NumberError::Unavailable);
        assert_eq!(refused(b"Unknown"), NumberError::Unavailable);
        assert_eq!(refused(b"alice"), NumberError::NotDigits);
        assert_eq!(refused(b"139 0000 0001"), NumberError::NotDigits);
        assert_eq!(refused(b"*72"), NumberError::NotDigits);
        assert_eq!(refused(b"1390000\xff001"), NumberError::NotDigits);
        assert_eq!(refused(b""), NumberError::Empty);
        assert_eq!(refused(b";x"), NumberError::Empty);
        assert_eq!(refused(b"-.-"), NumberError::Empty);
        assert_eq!(refused(b"+"), NumberError::Empty);
        assert_eq!(refused(b"0000"), NumberError::LeadingZero);
        assert_eq!(refused(&[b'1'; 15]), NumberError::TooLong);
        assert_eq!(refused(&[b'1'; 500]), NumberError::TooLong);
    }

    #[test]
    fn out_formats() {
        let mobile = number("8613900000001");
        let foreign = number("14155550100");
        let written = |out| [rules(out).render(mobile), rules(out).render(foreign)];
        assert_eq!(written(OutFormat::Plus), ["+8613900000001", "+14155550100"]);
        assert_eq!(
            written(OutFormat::International),
            ["8613900000001", "14155550100"]
        );
        assert_eq!(
            written(OutFormat::National),
            ["13900000001", "0014155550100"]
        );
        assert_eq!(
            written(OutFormat::NationalWithTrunkPrefix),
            ["013900000001", "0014155550100"]
        );
    }

    #[test]
    fn an_ambiguous_national_form_is_not_written() {
        // 86 + 8612345678: the national form would read as +86 12345678.
        let odd = number("868612345678");
        assert_eq!(rules(OutFormat::National).render(odd), "00868612345678");
        let no_prefix = NumberRules {
            international_prefix: String::new(),
            ..rules(OutFormat::National)
        };
        assert_eq!(no_prefix.render(odd), "+868612345678");
        assert_eq!(no_prefix.render(number("14155550100")), "+14155550100");
    }

    #[test]
    fn the_longest_routing_prefix_goes_once() {
        let rules = NumberRules {
            strip_in: vec!["12".into(), "12593".into(), "*#".into()],
            ..NumberRules::default()
        };
        assert_eq!(
            rules.normalise(b"1259313900000001"),
            Ok(number("8613900000001"))
        );
        assert_eq!(
            rules.normalise(b"1213900000001"),
            Ok(number("8613900000001"))
        );
        assert_eq!(
            rules.normalise(b"*#13900000001"),
            Ok(number("8613900000001"))
        );
        // Nothing left: it was not a prefix.
        assert_eq!(rules.normalise(b"12593"), Ok(number("86593")));
    }

    #[test]
    fn configuration_reads_defaults_and_refuses_nonsense() {
        let read: NumberRules =
            serde_json::from_str(r#"{"out":"national_with_trunk_prefix"}"#).expect("reads");
        assert_eq!(read, rules(OutFormat::NationalWithTrunkPrefix));
        assert!(serde_json::from_str::<NumberRules>(r#"{"outt":"plus"}"#).is_err());
        assert_eq!(read.validate(), Ok(()));
        let broken = |change: fn(&mut NumberRules)| {
            let mut rules = NumberRules::default();
            change(&mut rules);
            rules.validate().expect_err("refused")
        };
        assert_eq!(
            broken(|r| r.country_code = "086".into()),
            RulesError::CountryCode
        );
        assert_eq!(
            broken(|r| r.country_code = String::new()),
            RulesError::CountryCode
        );
        assert_eq!(
            broken(|r| r.country_code = "1234".into()),
            RulesError::CountryCode
        );
        assert_eq!(broken(|r| r.trunk_prefix = "a".into()), RulesError::Prefix);
        assert_eq!(
            broken(|r| r.trunk_prefix = "00".into()),
            RulesError::SamePrefix
        );
        assert_eq!(
            broken(|r| r.strip_in = vec![String::new()]),
            RulesError::Strip
        );
        assert_eq!(
            broken(|r| r.strip_in = vec!["1".into(); 65]),
            RulesError::TooManyStrips
        );
    }
}
