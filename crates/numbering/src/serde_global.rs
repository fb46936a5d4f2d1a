//! `#[serde(with = "axbridge_numbering::serde_global")]`: a [`Number`] as `"+8613900000001"`.
//!
//! `Number` implements neither `Serialize` nor `Deserialize`: a structure that derives them and holds a
//! number would otherwise write it whole wherever it is dumped. What must be durable says so by field.

use crate::Number;
use serde::{Deserialize, Deserializer, Serializer, de::Error};
use std::borrow::Cow;

/// Writes the whole number.
pub fn serialize<S: Serializer>(number: &Number, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&number.reveal())
}

/// Reads the global form back.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Number, D::Error> {
    let text = Cow::<'de, str>::deserialize(deserializer)?;
    Number::parse_global(&text).map_err(D::Error::custom)
}

/// The same for a number that may be absent.
pub mod option {
    use super::{Cow, Deserialize, Deserializer, Error, Number, Serializer};

    /// Writes the whole number, or null.
    pub fn serialize<S: Serializer>(
        number: &Option<Number>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match number {
            Some(number) => serializer.collect_str(&number.reveal()),
            None => serializer.serialize_none(),
        }
    }

    /// Reads the global form or null.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Number>, D::Error> {
        Option::<Cow<'de, str>>::deserialize(deserializer)?
            .map(|text| Number::parse_global(&text).map_err(D::Error::custom))
            .transpose()
    }
}

#[cfg(test)]
mod tests {
    use crate::Number;
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Kept {
        #[serde(with = "crate::serde_global")]
        a: Number,
        #[serde(with = "crate::serde_global::option", default)]
        b: Option<Number>,
    }

    #[test]
    fn a_durable_number_comes_back() {
        let a = Number::from_digits(b"8613900000001").expect("valid");
        for b in [
            None,
            Some(Number::from_digits(b"8617000000001").expect("valid")),
        ] {
            let text = serde_json::to_string(&Kept { a, b }).expect("writes");
            assert!(text.contains("\"+8613900000001\""), "{text}");
            assert_eq!(
                serde_json::from_str::<Kept>(&text).expect("reads"),
                Kept { a, b }
            );
        }
        assert!(serde_json::from_str::<Kept>(r#"{"a":"8613900000001"}"#).is_err());
    }
}
