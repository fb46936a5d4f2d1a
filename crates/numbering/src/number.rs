//! The number itself.

use crate::NumberError;
use std::fmt;
use std::num::NonZeroU64;

/// Fewest digits of a [`Number`], country code included.
pub const MIN_DIGITS: usize = 3;
/// Most digits of a [`Number`], country code included (ITU-T E.164 §6).
pub const MAX_DIGITS: usize = 15;

const SMALLEST: u64 = 100;
const LARGEST: u64 = 999_999_999_999_999;

/// An E.164 number of 3 to 15 digits, country code first.
///
/// It fits 50 bits and copies like an integer. `Debug` and `Display` hide the middle digits; to write
/// the number whole takes an explicit [`Number::reveal`], [`Number::to_global`] or [`Number::digits`].
#[derive(Copy, Clone, Eq, PartialEq, Hash, Ord, PartialOrd)]
pub struct Number(NonZeroU64);

impl Number {
    /// Reads digits alone, country code first: `8613900000001`.
    pub fn from_digits(digits: &[u8]) -> Result<Number, NumberError> {
        if digits.is_empty() {
            return Err(NumberError::Empty);
        }
        if !digits.iter().all(u8::is_ascii_digit) {
            return Err(NumberError::NotDigits);
        }
        if digits[0] == b'0' {
            return Err(NumberError::LeadingZero);
        }
        // Length first: fifteen digits cannot overflow the sum below.
        if digits.len() > MAX_DIGITS {
            return Err(NumberError::TooLong);
        }
        Number::from_u64(
            digits
                .iter()
                .fold(0, |value, digit| value * 10 + u64::from(digit - b'0')),
        )
    }

    /// Reads the global form: `+8613900000001`.
    pub fn parse_global(text: &str) -> Result<Number, NumberError> {
        match text.as_bytes() {
            [] => Err(NumberError::Empty),
            [b'+', digits @ ..] => Number::from_digits(digits),
            _ => Err(NumberError::NotGlobal),
        }
    }

    /// Takes the digits as one integer, the inverse of [`Number::as_u64`].
    pub fn from_u64(value: u64) -> Result<Number, NumberError> {
        match NonZeroU64::new(value) {
            None => Err(NumberError::Empty),
            Some(_) if value < SMALLEST => Err(NumberError::TooShort),
            Some(_) if value > LARGEST => Err(NumberError::TooLong),
            Some(value) => Ok(Number(value)),
        }
    }

    /// The digits as one integer; always below 2^50.
    pub fn as_u64(self) -> u64 {
        self.0.get()
    }

    /// A view that displays the whole number, `+8613900000001`. Not for logs.
    pub fn reveal(self) -> Revealed {
        Revealed(self)
    }

    /// The whole number as `+8613900000001`.
    pub fn to_global(self) -> String {
        self.reveal().to_string()
    }

    /// The whole number without the plus, `8613900000001`.
    pub fn digits(self) -> String {
        self.0.to_string()
    }

    /// How many digits the number has.
    pub fn digit_count(self) -> usize {
        self.0.get().ilog10() as usize + 1
    }

    fn write_masked(self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (head, tail) = match self.digit_count() {
            12.. => (5, 3),
            10.. => (3, 3),
            8.. => (2, 1),
            _ => (1, 0),
        };
        let digits = self.0.get();
        let hidden_and_tail = 10u64.pow((self.digit_count() - head) as u32);
        write!(f, "+{}****", digits / hidden_and_tail)?;
        if tail == 0 {
            return Ok(());
        }
        let tail_scale = 10u64.pow(tail as u32);
        write!(f, "{:0tail$}", digits % tail_scale)
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_masked(f)
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_masked(f)
    }
}

/// A number shown whole, on purpose. Made by [`Number::reveal`]; has no `Debug`, so that it cannot slip
/// into a log by way of a derived one.
#[derive(Copy, Clone)]
pub struct Revealed(Number);

impl fmt::Display for Revealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+{}", self.0.as_u64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_and_global_read_the_same_number() {
        let number = Number::from_digits(b"8613900000001").expect("valid");
        assert_eq!(Number::parse_global("+8613900000001"), Ok(number));
        assert_eq!(number.as_u64(), 8_613_900_000_001);
        assert_eq!(number.to_global(), "+8613900000001");
        assert_eq!(number.digits(), "8613900000001");
        assert_eq!(number.digit_count(), 13);
    }

    #[test]
    fn what_is_not_a_number_is_told_apart() {
        assert_eq!(Number::from_digits(b""), Err(NumberError::Empty));
        assert_eq!(Number::from_digits(b"86"), Err(NumberError::TooShort));
        assert_eq!(
            Number::from_digits(b"1234567890123456"),
            Err(NumberError::TooLong)
        );
        assert_eq!(
            Number::from_digits(b"99999999999999999999999999"),
            Err(NumberError::TooLong)
        );
        assert_eq!(
            Number::from_digits(b"0613900000001"),
            Err(NumberError::LeadingZero)
        );
        assert_eq!(Number::from_digits(b"86139x"), Err(NumberError::NotDigits));
        assert_eq!(
            Number::from_digits("８６１３９".as_bytes()),
            Err(NumberError::NotDigits)
        );
        assert_eq!(
            Number::parse_global("8613900000001"),
            Err(NumberError::NotGlobal)
        );
        assert_eq!(Number::parse_global("+"), Err(NumberError::Empty));
        assert_eq!(Number::from_u64(u64::MAX), Err(NumberError::TooLong));
        assert_eq!(Number::from_u64(0), Err(NumberError::Empty));
        assert_eq!(Number::from_u64(99), Err(NumberError::TooShort));
    }

    #[test]
    fn logs_never_show_the_middle() {
        let show = |digits: &[u8]| {
            let number = Number::from_digits(digits).expect("valid");
            assert_eq!(format!("{number}"), format!("{number:?}"));
            format!("{number}")
        };
        assert_eq!(show(b"8613900000001"), "+86139****001");
        assert_eq!(show(b"123456789012345"), "+12345****345");
        assert_eq!(show(b"861390000001"), "+86139****001");
        assert_eq!(show(b"14155550100"), "+141****100");
        assert_eq!(show(b"8610086"), "+8****");
        assert_eq!(show(b"86100861"), "+86****1");
        assert_eq!(show(b"999"), "+9****");
    }
}
