//! What people write to each other.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The longest text that is carried, in UTF-16 units: what `smsContent` of the PrivateNumber API can hold.
pub const TEXT_UNITS_MAX: usize = 2_000;

/// Why bytes are not a text that we carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Nothing is written.
    #[error("the text is empty")]
    Empty,
    /// More than [`TEXT_UNITS_MAX`].
    #[error("the text is longer than 2,000 characters")]
    TooLong,
    /// Not what its coding says.
    #[error("the text is not written in the coding that it names")]
    Garbled,
    /// A coding that carries no text for people, or that we do not read.
    #[error("data coding {0:#04x} is not one of text")]
    Coding(u8),
}

/// A text of 1 to [`TEXT_UNITS_MAX`] UTF-16 units. `Debug` shows only its length, so that no log holds what people
/// write.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Text(String);

impl Text {
    /// Takes a text of a length that we carry.
    pub fn new(text: impl Into<String>) -> Result<Text, TextError> {
        let text = text.into();
        // Two bytes of UTF-8 or more for each UTF-16 unit above ASCII, one below: the cheap test first.
        if text.is_empty() {
            Err(TextError::Empty)
        } else if text.len() > TEXT_UNITS_MAX && text.encode_utf16().count() > TEXT_UNITS_MAX {
            Err(TextError::TooLong)
        } else {
            Ok(Text(text))
        }
    }

    /// The text itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Text({} bytes)", self.0.len())
    }
}

impl TryFrom<String> for Text {
    type Error = TextError;

    fn try_from(text: String) -> Result<Text, TextError> {
        Text::new(text)
    }
}

impl From<Text> for String {
    fn from(text: Text) -> String {
        text.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_is_counted_in_utf16_units() {
        assert_eq!(Text::new(""), Err(TextError::Empty));
        assert!(Text::new("a".repeat(2_000)).is_ok());
        assert_eq!(Text::new("a".repeat(2_001)), Err(TextError::TooLong));
        assert!(Text::new("汉".repeat(2_000)).is_ok());
        assert_eq!(Text::new("😀".repeat(1_001)), Err(TextError::TooLong));
    }

    #[test]
    fn debug_shows_no_text() {
        let text = Text::new("meet me").expect("short");
        assert_eq!(format!("{text:?}"), "Text(7 bytes)");
    }
}
