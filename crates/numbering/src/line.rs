//! What kind of line a number of the Chinese numbering plan is.

use crate::Number;

/// Kind of line. Numbers of other countries are [`Line::Other`]: their plans are not known here.
#[derive(Copy, Clone, Debug, Eq, PartialEq, Hash)]
pub enum Line {
    /// A mobile number: 11 digits that begin with 13 to 19.
    Mobile,
    /// A fixed line: area code without its leading 0, then 7 or 8 digits.
    Fixed,
    /// A service number (400, 800, 95...), or a number of another country.
    Other,
}

impl Number {
    /// The kind of line.
    pub fn line(self) -> Line {
        let digits = self.digit_count();
        // Below 10 digits nothing after the country code is a subscriber's number.
        if digits < 10 || !self.starts_with(86) {
            return Line::Other;
        }
        let national = digits - 2;
        let subscriber = self.as_u64() % 10_u64.pow(national as u32);
        let leading = |count: usize| subscriber / 10_u64.pow((national - count) as u32);
        match (national, leading(2), leading(3)) {
            (11, 13..=19, _) => Line::Mobile,
            (_, _, 400 | 800 | 950) => Line::Other,
            // Two digits of area code (Beijing and the 2x cities) always go with eight more.
            (10, 10 | 20..=29, _) | (10 | 11, 30..=99, _) => Line::Fixed,
            _ => Line::Other,
        }
    }

    /// Whether the digits begin with those of `prefix`, which has no leading zero.
    pub fn starts_with(self, prefix: u64) -> bool {
        let mut rest = self.as_u64();
        while rest > prefix {
            rest /= 10;
        }
        rest == prefix && prefix > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_apart() {
        let line = |digits: &str| {
            Number::from_digits(digits.as_bytes())
                .expect("valid")
                .line()
        };
        for mobile in ["8613900000001", "8617000000001", "8619900000001"] {
            assert_eq!(line(mobile), Line::Mobile, "{mobile}");
        }
        // Beijing, Guangzhou, Shenzhen with eight, a small town with seven digits.
        for fixed in [
            "861000000001",
            "862000000001",
            "8675500000001",
            "863550000001",
        ] {
            assert_eq!(line(fixed), Line::Fixed, "{fixed}");
        }
        for other in [
            "864000000001",
            "868000000001",
            "8695000",
            "8610000",
            "869500000001",
            "8612000000001",
            "86139000000011",
            "8520000001",
            "12025550100",
            "100",
        ] {
            assert_eq!(line(other), Line::Other, "{other}");
        }
    }

    #[test]
    fn a_prefix_is_compared_digit_by_digit() {
        let number = Number::from_digits(b"8613900000001").expect("valid");
        for prefix in [8, 86, 86139, 8_613_900_000_001] {
            assert!(number.starts_with(prefix), "{prefix}");
        }
        for prefix in [0, 85, 861391, 86_139_000_000_010] {
            assert!(!number.starts_with(prefix), "{prefix}");
        }
    }
}
